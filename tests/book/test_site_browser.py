"""The built site in Chromium: silent, self-contained, readable on a phone, usable by keyboard."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup

from coursekit.audit.view import WIDER_THAN_WINDOW

pytestmark = [pytest.mark.site, pytest.mark.browser]

WIDTHS = (390, 320)  # a common phone, and the narrowest that WCAG asks for


@dataclass
class Visit:
    """What happened when a page was opened."""

    complaints: list[str] = field(default_factory=list)
    """messages of the console and uncaught errors"""
    foreign: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    too_wide: list[str] = field(default_factory=list)
    formulas: int = 0
    broken_formulas: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def visits(browser: Any, address: str, pages: dict[str, BeautifulSoup]) -> dict[str, Visit]:
    """Every page, opened once and looked at in each width."""
    view = browser.new_page(viewport={"width": 1400, "height": 900})
    visit = Visit()

    def note_request(request: Any) -> None:
        if urlsplit(request.url).scheme in ("http", "https") and not request.url.startswith(
            address
        ):
            visit.foreign.append(request.url)

    def note_response(response: Any) -> None:
        if response.status >= 400:
            visit.failed.append(f"{response.status} {response.url}")

    view.on("request", note_request)
    view.on("response", note_response)
    view.on("requestfailed", lambda request: visit.failed.append(request.url))
    view.on("pageerror", lambda error: visit.complaints.append(str(error)))
    view.on(
        "console",
        lambda message: (
            message.type in ("error", "warning") and visit.complaints.append(message.text)
        ),
    )
    done = {}
    for name in pages:
        done[name] = visit = Visit()
        view.set_viewport_size({"width": 1400, "height": 900})
        view.goto(f"{address}/{name}", wait_until="load")
        visit.formulas = view.locator("math").count()
        visit.broken_formulas = view.locator("math merror, .math:not(:has(math))").all_inner_texts()
        for width in WIDTHS:
            view.set_viewport_size({"width": width, "height": 800})
            visit.too_wide += [f"{width} px: {e}" for e in view.evaluate(WIDER_THAN_WINDOW)]
    view.close()
    return done


def of_all(visits: dict[str, Visit], what: str) -> list[str]:
    """One kind of note from all pages."""
    return [f"{name}: {note}" for name, visit in visits.items() for note in getattr(visit, what)]


def test_no_page_asks_another_host_for_anything(visits: dict[str, Visit]) -> None:
    problems = of_all(visits, "foreign")
    assert not problems, "\n".join(problems)


def test_everything_a_page_asks_for_is_there(visits: dict[str, Visit]) -> None:
    problems = of_all(visits, "failed")
    assert not problems, "\n".join(problems)


def test_no_page_complains(visits: dict[str, Visit]) -> None:
    problems = of_all(visits, "complaints")
    assert not problems, "\n".join(problems)


def test_every_page_fits_a_phone(visits: dict[str, Visit]) -> None:
    problems = of_all(visits, "too_wide")
    assert not problems, "\n".join(problems)


def test_formulas_are_typeset(visits: dict[str, Visit], pages: dict[str, BeautifulSoup]) -> None:
    written = {name: len(page.select(".math")) for name, page in pages.items()}
    assert sum(written.values()) > 0
    assert {n: v.formulas for n, v in visits.items()} == written
    problems = of_all(visits, "broken_formulas")
    assert not problems, "\n".join(problems)


@pytest.fixture
def page_with_solution(pages: dict[str, BeautifulSoup]) -> tuple[str, str]:
    """A page's path, and the id of a solution on it."""
    for name, page in pages.items():
        if fold := page.select_one("details.fold-solution [id^=solution-]"):
            return name, fold["id"]
    pytest.fail("no page has a solution")


@pytest.fixture
def without_scripts(browser: Any) -> Iterator[Any]:
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_link_to_a_solution_opens_it_without_scripts(
    without_scripts: Any, address: str, page_with_solution: tuple[str, str]
) -> None:
    name, solution = page_with_solution
    without_scripts.goto(f"{address}/{name}")
    place = without_scripts.locator(f"#{solution}")
    assert not place.is_visible()
    without_scripts.locator(f".exercise-links a[href='#{solution}']").click()
    assert place.is_visible()
    without_scripts.goto("about:blank")
    without_scripts.goto(f"{address}/{name}#{solution}")
    assert place.is_visible()


def test_folds_open_and_close_by_keyboard(
    browser: Any, address: str, page_with_solution: tuple[str, str]
) -> None:
    name, solution = page_with_solution
    view = browser.new_page()
    view.goto(f"{address}/{name}")
    fold = view.locator("details.fold", has=view.locator(f"#{solution}"))
    fold.locator("> summary").focus()
    for key, opened in (("Enter", True), ("Space", False)):
        view.keyboard.press(key)
        assert fold.evaluate("fold => fold.open") is opened
    view.close()


def test_the_first_key_leads_to_the_text(browser: Any, address: str) -> None:
    view = browser.new_page(viewport={"width": 1400, "height": 900})
    view.goto(f"{address}/book/glossary.html", wait_until="load")
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.textContent.trim()") == "Skip to main content"
    assert view.locator(".skip-link a").is_visible()
    view.keyboard.press("Enter")
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.closest('main') !== null")
    view.close()


def test_keys_go_through_the_page_in_the_order_of_reading(browser: Any, address: str) -> None:
    view = browser.new_page(viewport={"width": 1400, "height": 900})
    view.goto(f"{address}/book/2-1-the-task.html", wait_until="load")
    parts: list[str] = []
    for _ in range(150):
        view.keyboard.press("Tab")
        part = view.evaluate("""() => {
          const at = document.activeElement;
          for (const name of ['.bd-sidebar-primary', '.bd-header-article', '.bd-article'])
            if (at.closest(name)) return name;
          return '';
        }""")
        if parts[-1:] == [".bd-article"] and part != ".bd-article":
            break  # behind the text come the footer and then the browser itself
        if part and parts[-1:] != [part]:
            parts.append(part)
    assert parts == [".bd-sidebar-primary", ".bd-header-article", ".bd-article"]
    view.close()


def test_paper_shows_the_title_and_what_is_folded(
    browser: Any, address: str, page_with_solution: tuple[str, str]
) -> None:
    name, solution = page_with_solution
    view = browser.new_page(viewport={"width": 720, "height": 1000})
    view.goto(f"{address}/{name}", wait_until="load")
    view.emulate_media(media="print")
    assert view.locator("article h1").is_visible()
    assert view.locator(f"#{solution}").is_visible()
    for furniture in (".bd-sidebar-primary", ".prev-next-footer", "button.copybtn >> nth=0"):
        assert not view.locator(furniture).is_visible(), furniture
    assert view.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    view.close()
