"""The reader's comforts on the built site: meanings at hand, progress, minutes left, the overlay.

Each by pointer, keyboard and touch, wide and narrow, served and from a folder, with and without
scripts.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from posixpath import join, normpath
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup

from coursekit.book import Book
from coursekit.budgets import budgets, sums

pytestmark = [pytest.mark.site, pytest.mark.browser]

FILES = ("meanings.js", "progress.js", "find.js", "comforts.css", "course-progress.js")
CHAPTER = "book/3-1-the-idea.html"
EXERCISE = "3.1i"


def zipped(text: str) -> int:
    return len(gzip.compress(text.encode(), 9))


@pytest.fixture
def folder(site: Path) -> str:
    """The address of the site as a folder."""
    return site.resolve().as_uri()


@pytest.fixture
def new_view(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens pages in contexts of their own, whose storage is empty; errors fail the test."""
    contexts, errors = [], []

    def open_view(**options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        contexts.append(context)
        view = context.new_page()
        view.on("pageerror", lambda error: errors.append(str(error)))
        view.on("console", lambda m: m.type == "error" and errors.append(m.text))
        return view

    yield open_view
    for context in contexts:
        context.close()
    assert errors == []


PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}


def is_too_wide(view: Any) -> bool:
    return view.evaluate("document.documentElement.scrollWidth > innerWidth")


def is_inside_window(view: Any, selector: str) -> bool:
    box = view.locator(selector).bounding_box()
    size = view.viewport_size
    return box["x"] >= 0 and box["x"] + box["width"] <= size["width"]


def violations(view: Any) -> list[str]:
    view.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    options = {"runOnly": rules, "preload": False}
    found = Axe().run(view, options=options).response["violations"]
    return [f"{v['id']}: {n['target']}: {n['failureSummary']}" for v in found for n in v["nodes"]]


# ---- weight


def test_all_of_it_weighs_at_most_15_kilobytes(site: Path) -> None:
    shared = sum(zipped((site / "_static" / name).read_text("utf-8")) for name in FILES)
    for path in site.glob("book/[0-9]*.html"):
        page = path.read_text("utf-8")
        plain = re.sub(r'<details class="meanings">.*?</details>', "", page, flags=re.DOTALL)
        plain = re.sub(r' data-means="[^"]*"| aria-describedby="means[^"]*"', "", plain)
        plain = re.sub(r'<button type="button" class="mark-done".*?</button>', "", plain)
        own = zipped(page) - zipped(plain)
        assert shared + own <= 15_000, (path.name, shared, own)


def test_the_index_weighs_at_most_60_kilobytes_and_comes_on_demand(
    site: Path, new_view: Callable[..., Any], address: str
) -> None:
    assert zipped((site / "_static/course-index.js").read_text("utf-8")) <= 60_000
    view, asked = new_view(), []
    view.on("request", lambda request: asked.append(request.url))
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    assert not [url for url in asked if "course-index" in url]
    view.keyboard.press("/")
    view.locator("dialog.find input[type=search]").wait_for()
    view.wait_for_function("() => window.courseIndex")
    assert [url for url in asked if "course-index" in url]


# ---- meanings


def test_a_term_says_what_it_means_under_the_pointer(
    new_view: Callable[..., Any], address: str
) -> None:
    view = new_view()
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    term = view.locator("a[aria-describedby^='means-term']", has_text="score").first
    term.scroll_into_view_if_needed()
    height = view.evaluate("document.body.scrollHeight")
    term.hover()
    box = view.locator(".meaning")
    box.wait_for()
    assert "gradient of the logarithm" in box.inner_text()
    assert view.evaluate("document.body.scrollHeight") == height  # nothing on the page moved
    box.hover()  # one can go to it, to read on or to copy
    view.wait_for_timeout(400)
    assert box.is_visible()
    view.keyboard.press("Escape")
    assert box.is_hidden()
    term.hover()
    box.wait_for()
    view.mouse.move(5, 5)
    box.wait_for(state="hidden")


def test_a_term_says_what_it_means_on_focus(new_view: Callable[..., Any], address: str) -> None:
    view = new_view()
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    term = view.locator("a[aria-describedby^='means-term']").first
    view.keyboard.press("Tab")  # from here on focus is shown
    term.focus()
    box = view.locator(".meaning")
    assert box.is_visible()
    view.keyboard.press("Escape")
    assert box.is_hidden() and term.evaluate("e => e === document.activeElement")
    described = view.locator(f"#{term.get_attribute('aria-describedby')}").text_content()
    assert len(described) > 20
    view.keyboard.press("Enter")
    view.wait_for_url("**/glossary.html#term-*")


def test_a_formula_says_what_its_symbols_mean(new_view: Callable[..., Any], address: str) -> None:
    view = new_view()
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    formula = view.locator("div.math[data-means]", has=view.locator("math")).nth(1)
    formula.locator("math > *").first.hover()
    box = view.locator(".meaning")
    box.wait_for()
    assert "an estimate of the gradient" in box.inner_text()
    view.keyboard.press("Escape")
    # by keyboard each symbol is met once
    reached = view.locator("[data-means][tabindex='0']")
    assert 5 < reached.count() < view.locator("[data-means]").count() / 2
    reached.first.focus()
    view.keyboard.press("Tab")
    view.keyboard.press("Shift+Tab")
    assert box.is_visible()


@pytest.mark.parametrize("what", ["a[aria-describedby^='means-term']", "[data-means] math"])
def test_a_touch_says_it_too_on_a_narrow_phone(
    new_view: Callable[..., Any], address: str, what: str
) -> None:
    view = new_view(**PHONE)
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    place = view.locator(what).nth(2)
    place.scroll_into_view_if_needed()
    place.tap()
    box = view.locator(".meaning")
    box.wait_for()
    assert view.url.endswith(CHAPTER)
    assert is_inside_window(view, ".meaning") and not is_too_wide(view)
    view.locator("article h1").tap()
    box.wait_for(state="hidden")
    if what.startswith("a"):
        place.tap()
        place.tap()  # the second touch leads to the glossary
        view.wait_for_url("**/glossary.html#term-*")


def test_without_scripts_the_list_is_there_and_links_lead_to_the_glossary(
    new_view: Callable[..., Any], address: str
) -> None:
    view = new_view(java_script_enabled=False)
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    view.locator("details.meanings summary").click()
    assert view.locator("details.meanings dd").first.is_visible()
    assert view.locator("[data-means][tabindex]").count() == 0
    view.locator("a[aria-describedby^='means-term']").first.click()
    view.wait_for_url("**/glossary.html#term-*")


# ---- progress and minutes


def test_the_minutes_are_those_of_the_budgets(book: Book, pages: dict[str, BeautifulSoup]) -> None:
    plans = budgets(book)
    course = sums(plans).required
    for plan in plans:
        line = pages[f"book/{plan.page.page}.html"].select_one(".time-left")
        if plan.page.budget == 0:
            assert line is None
            continue
        here, whole = map(int, re.findall(r"\d+", line.get_text()))
        assert whole == course
        # only where exercises need more than the page allows for may the two differ
        covered = sum(e.budget for e in plan.exercises if not e.optional)
        assert here == max(plan.page.budget, covered), plan.page.page


def stored(view: Any) -> dict[str, Any]:
    text = view.evaluate(
        "Object.entries(localStorage).find(([k]) => k.startsWith('progress '))?.[1]"
    )
    return json.loads(text) if text else {}


@pytest.mark.parametrize("place", ["address", "folder"])
def test_progress_is_kept_and_shown_wherever_it_matters(
    new_view: Callable[..., Any], request: pytest.FixtureRequest, place: str
) -> None:
    site = request.getfixturevalue(place)
    view, asked = new_view(), []
    view.goto(f"{site}/{CHAPTER}", wait_until="load")
    view.on("request", lambda r: asked.append(r.url))
    button = view.locator(f".mark-done[data-exercise='{EXERCISE}']")
    button.focus()
    view.keyboard.press("Enter")
    assert button.inner_text() == "Done"
    assert EXERCISE in view.locator(".progress-news").text_content()
    line = view.locator(".time-left").inner_text()
    here, whole, left, course = map(int, re.findall(r"\d+", line))
    assert (whole - here, course - left) == (2, 2)
    view.locator(".page-read .mark-done").click()
    assert view.locator(".page-read").inner_text() == "Read"
    assert [url for url in asked if "favicon" not in url] == []  # nothing left the browser
    assert list(stored(view)["exercises"]) == [EXERCISE]
    assert list(stored(view)["pages"]) == ["3-1-the-idea"]

    view.reload(wait_until="load")
    assert button.inner_text() == "Done"
    view.goto(f"{site}/book/exercises.html", wait_until="load")
    marks = view.locator(".exercise-list tr", has=view.locator(".done-mark"))
    assert (
        marks.count() == 1
        and "3.1i" in view.locator("tr", has=view.locator(".done-mark")).inner_text()
    )
    assert "1 of " in view.locator(".progress-sum").inner_text()
    view.goto(f"{site}/book/index.html", wait_until="load")
    assert "1 of " in view.locator(".progress-sum").inner_text()
    view.locator(".progress-sum a").click()  # go on with the first that is not done
    assert view.url.endswith("book/1-transformer-architecture.html#exercise-1")

    view.goto(f"{site}/{CHAPTER}", wait_until="load")
    button.click()
    assert button.inner_text() == "Mark as done"
    assert stored(view)["exercises"] == {}


def test_progress_is_saved_loaded_and_erased(
    new_view: Callable[..., Any], address: str, tmp_path: Path
) -> None:
    view = new_view()
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    view.locator(f".mark-done[data-exercise='{EXERCISE}']").click()
    view.goto(f"{address}/book/exercises.html", wait_until="load")
    with view.expect_download() as download:
        view.locator("[data-progress=save]").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name == "circuits-and-rewards-progress.json"
    assert list(json.loads(saved.read_text())["exercises"]) == [EXERCISE]

    questions = []
    view.on("dialog", lambda dialog: (questions.append(dialog.message), dialog.accept()))
    view.locator("[data-progress=erase]").click()
    assert questions and stored(view) == {}
    assert view.locator(".done-mark").count() == 0

    def load(name: str, text: str) -> str:
        file = tmp_path / name
        file.write_text(text)
        with view.expect_file_chooser() as chooser:
            view.locator("[data-progress=load]").click()
        view.locator(".progress-says").evaluate("e => e.textContent = ''")
        chooser.value.set_files(file)
        view.wait_for_function("() => document.querySelector('.progress-says').textContent")
        return view.locator(".progress-says").inner_text()

    bad = ["no json", "null", '{"format": 1, "course": "another/one", "exercises": {}}', "[1]"]
    for text in bad:
        assert "holds no progress of this course" in load("bad.json", text)
        assert stored(view) == {}
    mixed = json.loads(saved.read_text())
    mixed["exercises"] |= {"9.9": "2026-01-01", "2.3": "<img src=x onerror=alert(1)>"}
    assert "1 exercises and 0 pages" in load("mixed.json", json.dumps(mixed))
    assert list(stored(view)["exercises"]) == [EXERCISE]
    assert view.locator(".done-mark").count() == 1


def test_where_the_browser_keeps_nothing_the_page_still_works(
    new_view: Callable[..., Any], address: str
) -> None:
    view = new_view()
    view.add_init_script(
        "Storage.prototype.setItem = function (name) "
        "{ if (name.startsWith('progress')) throw new Error('full'); }"
    )
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    button = view.locator(f".mark-done[data-exercise='{EXERCISE}']")
    button.click()
    assert button.inner_text() == "Done"
    assert "keeps nothing" in view.locator(".progress-news").text_content()


def test_an_event_of_a_laboratory_marks_an_exercise(
    new_view: Callable[..., Any], address: str
) -> None:
    view = new_view()
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    send = "detail => document.dispatchEvent(new CustomEvent('exercise-passed', { detail }))"
    view.evaluate(send, "no such exercise")
    assert stored(view) == {}
    view.evaluate(send, EXERCISE)
    assert list(stored(view)["exercises"]) == [EXERCISE]


def test_two_tabs_agree(new_view: Callable[..., Any], address: str) -> None:
    view = new_view()
    other = view.context.new_page()
    for tab in (view, other):
        tab.goto(f"{address}/{CHAPTER}", wait_until="load")
    selector = f".mark-done[data-exercise='{EXERCISE}']"
    view.locator(selector).click()
    other.locator(f".is-done {selector}").wait_for()


def test_without_scripts_no_button_promises_anything(
    new_view: Callable[..., Any], address: str
) -> None:
    view = new_view(java_script_enabled=False)
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    assert not view.locator(".mark-done").first.is_visible()
    assert view.locator(".time-left").is_visible()
    view.goto(f"{address}/book/exercises.html", wait_until="load")
    assert not view.locator("[data-progress=save]").is_visible()
    assert view.get_by_text("Scripts are off, so that nothing is kept.").is_visible()


def test_scripts_move_nothing_on_a_first_visit(new_view: Callable[..., Any], address: str) -> None:
    places = {}
    for scripts in (True, False):
        view = new_view(java_script_enabled=scripts)
        view.goto(f"{address}/{CHAPTER}", wait_until="load")
        top = view.locator(".overview").bounding_box()["y"]  # above it a button may appear
        lines = view.locator(".overview, .time-left, .page-read, details.meanings")
        assert lines.count() == 4
        boxes = [line.bounding_box() for line in lines.all()]
        # below the overview a laboratory may have a script of its own
        places[scripts] = [(box["y"] - top, box["height"]) for box in boxes[:2]]
        places[scripts] += [(0, box["height"]) for box in boxes[2:]]
    assert places[True] == places[False]


# ---- finding


@pytest.mark.parametrize("place", ["address", "folder"])
@pytest.mark.parametrize(
    ("words", "kind", "target"),
    [
        ("path patching", "term", "book/glossary.html#term-path-patching"),
        ("knockouts", "page", "book/2-3-knockouts.html"),
        ("3.1i", "exercise", f"{CHAPTER}#exercise-3-1i"),
        ("summary 2.3", "heading", "book/2-3-knockouts.html#summary"),
        (
            "LOGIT_diff",
            "code",
            "book/api/interp_rl.ioi.metrics.html#interp_rl.ioi.metrics.logit_diff",
        ),
    ],
)
def test_the_overlay_finds_titles_terms_exercises_and_names(
    new_view: Callable[..., Any],
    request: pytest.FixtureRequest,
    place: str,
    words: str,
    kind: str,
    target: str,
) -> None:
    site = request.getfixturevalue(place)
    view = new_view()
    view.goto(f"{site}/{CHAPTER}", wait_until="load")
    view.keyboard.press("/" if place == "folder" else "Control+k")
    view.keyboard.type(words)
    first = view.locator("[role=option]").first
    first.wait_for()
    assert view.locator(".find-count").inner_text().startswith(tuple("123456789"))
    hit = view.locator("[role=option]", has=view.get_by_text(re.compile(f"^{kind}"))).first
    position = int(hit.get_attribute("id").removeprefix("find-"))
    for _ in range(position + 1):
        view.keyboard.press("ArrowDown")
    assert hit.get_attribute("aria-selected") == "true"
    field = view.locator("dialog.find [role=combobox]")
    assert field.get_attribute("aria-activedescendant") == hit.get_attribute("id")
    view.keyboard.press("Enter")
    view.wait_for_url(lambda url: target.split("#")[0].removesuffix(".html") in url)
    assert view.url.startswith(f"{site}/{target[:-4]}"), view.url


def test_enter_without_a_choice_searches_the_text(
    new_view: Callable[..., Any], address: str
) -> None:
    view = new_view()
    view.goto(f"{address}/book/glossary.html", wait_until="load")
    view.keyboard.press("Control+k")
    view.keyboard.type("advantage")
    view.locator("[role=option]").first.wait_for()
    view.keyboard.press("Enter")
    view.wait_for_url("**/search.html?q=advantage")
    view.locator("#search-results li a").first.wait_for()
    view.locator("#search-results li p.context").first.wait_for()  # a piece of the page's text


def test_the_keys_open_it_only_where_they_should(
    new_view: Callable[..., Any], address: str
) -> None:
    view = new_view()
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    dialog = view.locator("dialog.find")
    view.evaluate(
        "document.querySelector('article').prepend(Object.assign(document.createElement('input'),"
        " {id: 'field'}))"
    )
    view.locator("#field").focus()
    view.keyboard.press("/")
    assert view.locator("#field").input_value() == "/" and dialog.count() == 0
    view.locator("article h1").click()
    view.keyboard.press("/")
    dialog.locator("input[type=search]").wait_for()
    view.keyboard.press("/")  # within it a slash is a slash
    assert dialog.locator("input[type=search]").input_value() == "/"
    dialog.locator("input[type=checkbox]").uncheck()  # a key alone can be turned off
    view.keyboard.press("Escape")
    assert dialog.is_hidden()
    view.keyboard.press("/")
    assert dialog.is_hidden()
    view.keyboard.press("Control+k")
    assert dialog.is_visible()
    view.keyboard.press("Control+k")
    assert dialog.is_hidden()
    view.reload(wait_until="load")
    view.keyboard.press("/")
    assert dialog.count() == 0


def test_the_themes_buttons_open_it_and_a_touch_chooses(
    new_view: Callable[..., Any], address: str
) -> None:
    view = new_view(**PHONE)
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    view.locator(".bd-header-article .search-button__button").tap()
    field = view.locator("dialog.find input[type=search]")
    field.fill("minimality")
    option = view.locator("[role=option]").first
    option.wait_for()
    assert option.bounding_box()["height"] >= 40
    assert is_inside_window(view, "dialog.find") and not is_too_wide(view)
    assert view.locator("#pst-search-dialog[open]").count() == 0
    option.tap()
    view.wait_for_url("**/glossary.html#term-minimality")


def test_what_is_not_found_is_said(new_view: Callable[..., Any], address: str) -> None:
    view = new_view()
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    view.keyboard.press("/")
    view.keyboard.type("xylophone")
    view.get_by_text("Nothing has such a title").wait_for()
    assert view.locator("[role=listbox]").is_hidden()


# ---- links and copy buttons


def test_previous_and_next_lead_through_the_course(
    pages: dict[str, BeautifulSoup], book: Book
) -> None:
    names = [page.relative_to(book.root).with_suffix(".html").as_posix() for page in book.pages]
    names = names[: names.index("book/api/index.html")]  # behind it Sphinx sorts by module
    for i, name in enumerate(names):
        area = pages[name].select_one(".prev-next-area")
        folder = name.rpartition("/")[0]
        for kind, at in (("left-prev", i - 1), ("right-next", i + 1)):
            link = area.select_one(f"a.{kind}")
            if at < 0:
                assert link is None
            elif at < len(names):
                assert normpath(join(folder, link["href"])) == names[at], name


def test_exercises_and_solutions_lead_to_each_other(pages: dict[str, BeautifulSoup]) -> None:
    seen = 0
    for page in pages.values():
        for exercise in page.select("section.exercise"):
            place = exercise["id"].removeprefix("exercise-")
            links = [a["href"] for a in exercise.select(".exercise-links a")]
            assert f"#solution-{place}" in links
            back = page.find(id=f"solution-{place}").find_parent("details")
            assert back.select_one(f".fold-back a[href='#exercise-{place}']")
            seen += 1
    assert seen > 40


def test_copy_buttons_work_from_a_folder(new_view: Callable[..., Any], folder: str) -> None:
    view = new_view()
    view.goto(f"{folder}/{CHAPTER}", wait_until="load")
    cell = view.locator("div.cell_input", has=view.locator(".copybtn")).first
    cell.hover()
    cell.locator(".copybtn").click()
    view.locator(".copybtn.success").wait_for()
    view.evaluate("document.body.append(document.createElement('textarea'))")
    view.locator("body > textarea").last.focus()
    view.keyboard.press("Control+v")
    pasted = view.locator("body > textarea").last.input_value().strip()
    assert pasted and pasted == cell.locator("pre").inner_text().strip()


# ---- for everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_in_every_state(
    new_view: Callable[..., Any], address: str, scheme: str
) -> None:
    view = new_view(color_scheme=scheme)
    view.goto(f"{address}/{CHAPTER}", wait_until="load")
    view.locator(f".mark-done[data-exercise='{EXERCISE}']").click()
    view.locator("details.meanings summary").click()
    view.locator("a[aria-describedby^='means-term']").nth(1).hover()
    view.locator(".meaning").wait_for()
    assert violations(view) == []
    view.keyboard.press("Control+k")
    view.keyboard.type("policy")
    view.keyboard.press("ArrowDown")
    view.locator("[aria-selected=true]").wait_for()
    assert violations(view) == []
    view.goto(f"{address}/book/exercises.html", wait_until="load")
    view.locator(".done-mark").wait_for()
    assert violations(view) == []


@pytest.mark.parametrize("name", [CHAPTER, "book/exercises.html", "book/index.html"])
def test_it_fits_320_pixels(new_view: Callable[..., Any], address: str, name: str) -> None:
    view = new_view(**PHONE)
    view.goto(f"{address}/{name}", wait_until="load")
    view.evaluate("document.querySelectorAll('details.meanings').forEach(d => d.open = true)")
    for button in view.locator(".mark-done, .progress-buttons button").all():
        assert button.bounding_box()["height"] >= 43.9
    assert not is_too_wide(view)
