"""The circuit laboratory in Chromium, opened from a folder, as a reader meets it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from coursekit.labs.publish import preview

pytestmark = pytest.mark.browser

FALLBACK = "<table><tr><th scope='row'>the circuit</th><td>0.9</td></tr></table>"
BOOK, NAIVE = "The book’s circuit", "The naive circuit"


@pytest.fixture(scope="module")
def page_file(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare page with the laboratory; making its data takes half a minute the first time."""
    return preview(root, "circuit", tmp_path_factory.mktemp("circuit"), FALLBACK)


@pytest.fixture
def open_page(browser: Any, page_file: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page in a window of its own; no window may report an error."""
    contexts, errors = [], []

    def opened(place: str = "", **settings: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1000, "height": 800}, **settings})
        contexts.append(context)
        view = context.new_page()
        view.set_default_timeout(60_000)
        view.asked = []
        view.on("request", lambda request: view.asked.append(request.url))
        view.on("pageerror", lambda error: errors.append(str(error)))
        view.goto(f"{page_file.as_uri()}{place}")
        return view

    yield opened
    for context in contexts:
        context.close()
    assert not errors


def start(view: Any) -> Any:
    view.get_by_role("button", name="Start the laboratory").click()
    view.locator(".circuit-heads").wait_for()
    return view


def build(view: Any) -> Any:
    start(view).get_by_label("Build a circuit").check()
    view.locator(".circuit-table").wait_for()
    return view


def off(view: Any, head: str) -> Any:
    return view.get_by_role("button", name=re.compile(rf"^Knock out head {re.escape(head)}"))


def said(view: Any) -> str:
    return view.locator(".circuit-top .lab-live").inner_text()


def difference(view: Any) -> float:
    text = view.locator(".circuit-top .circuit-stat strong").first.inner_text()
    return float(text.replace("−", "-"))


def share(view: Any) -> str:
    return view.locator(".circuit-stat strong:visible").nth(1).inner_text()


def test_without_javascript_the_table_stands_there(open_page: Callable[..., Any]) -> None:
    view = open_page(java_script_enabled=False)
    assert view.locator(".lab-fallback table").is_visible()
    assert view.locator(".lab button").count() == 0


def test_nothing_is_loaded_before_the_start(open_page: Callable[..., Any]) -> None:
    view = open_page()
    assert not [url for url in view.asked if "/data/" in url]
    assert view.locator(".lab-fallback table").is_visible()
    start(view)
    assert [url for url in view.asked if "/data/circuit.js" in url]
    assert not [url for url in view.asked if "circuit-set" in url]
    assert not view.locator(".lab-fallback table").is_visible()
    view.get_by_text("still picture").click()
    assert view.locator(".lab-fallback table").is_visible()


def test_data_that_does_not_come_is_told_and_asked_for_again(
    open_page: Callable[..., Any], page_file: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(page_file.parent, tmp_path / "copy")
    data = copy / "_static/labs/data/circuit.js"
    data.rename(tmp_path / "away.js")
    view = open_page()
    view.goto((copy / page_file.name).as_uri())
    view.get_by_role("button", name="Start the laboratory").click()
    view.get_by_text("could not be loaded").wait_for()
    (tmp_path / "away.js").rename(data)
    start(view)


def test_the_pointer_cuts_and_restores_a_head(open_page: Callable[..., Any]) -> None:
    view = start(open_page())
    intact = difference(view)
    view.get_by_label("its mean").check()
    assert difference(view) == intact
    off(view, "1.3").click()
    assert off(view, "1.3").get_attribute("aria-pressed") == "true"
    assert difference(view) != intact
    assert said(view).startswith("Without 1.3 the logit difference goes from")
    view.get_by_role("button", name="All heads on again").click()
    assert difference(view) == intact
    view.get_by_role("button", name="Head 0.0: enlarge its attention").click()
    assert view.get_by_text("Head 0.0: from “to” it reads most").is_visible()
    view.locator(".circuit-token", has_text="Mary").click()
    assert view.get_by_text("Head 0.0: from “Mary” it reads most").is_visible()


def test_patching_every_position_of_a_head_names_its_source(open_page: Callable[..., Any]) -> None:
    view = start(open_page())
    view.get_by_label("the corrupted sentence’s").check()
    view.get_by_label("The corrupted sentence", exact=True).select_option("subject flip")
    shown = "When Mary and John went to the store, Mary gave a drink to"
    assert shown in view.locator(".circuit-source").inner_text()
    before = difference(view)
    for head in ("2.0", "2.1", "2.2", "2.3", "2.4", "2.5"):
        off(view, head).click()
    # the other sentence asks for the other name
    assert difference(view) < 0 < before


def test_sentences_are_picked_and_typed_and_problems_told(open_page: Callable[..., Any]) -> None:
    view = start(open_page())
    picked = view.get_by_label("Pick a sentence").locator("option").nth(4).inner_text()
    view.get_by_label("Pick a sentence").select_option(picked)
    field = view.get_by_label("The sentence, up to the answer")
    assert field.input_value() == picked
    field.fill("When Zelda and John went to the store, John gave a drink to")
    view.get_by_text("does not know “Zelda”").wait_for()
    assert field.get_attribute("aria-invalid") is not None
    assert not view.locator(".circuit-heads").is_visible()
    field.fill("John gave a drink to")
    view.get_by_text("needs two names").wait_for()
    assert view.locator(".circuit-heads").is_visible()
    assert view.get_by_label("its mean").is_disabled()
    field.fill("When Mary and John went to the store, John gave a drink to")
    view.locator(".circuit-top .circuit-stat").first.wait_for()


def test_the_keyboard_reaches_and_does_everything(open_page: Callable[..., Any]) -> None:
    view = open_page()
    view.keyboard.press("Tab")
    view.keyboard.press("Enter")
    view.locator(".circuit-heads").wait_for()
    intact, reached = difference(view), []
    for _ in range(90):
        view.keyboard.press("Tab")
        where = "e => e.getAttribute('aria-label') ?? e.value ?? e.tagName"
        reached.append(view.evaluate(f"({where})(document.activeElement)"))
        if reached[-1].startswith("Knock out head 1.3"):
            ring = "getComputedStyle(document.activeElement).outlineStyle"
            assert view.evaluate(ring) != "none"
            view.keyboard.press("Space")
            break
    assert said(view).startswith("Without 1.3"), reached
    assert difference(view) != intact
    view.locator("input[value=cut]").focus()
    view.keyboard.press("ArrowRight")
    view.locator(".circuit-table").wait_for()
    box = view.get_by_label("0.1 at IO", exact=True)
    box.focus()
    view.keyboard.press("Space")
    assert box.is_checked()


def test_a_finger_does_it_on_a_phone(open_page: Callable[..., Any]) -> None:
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    view = open_page(**phone)
    view.get_by_role("button", name="Start the laboratory").tap()
    view.locator(".circuit-heads").wait_for()
    off(view, "1.3").tap()
    assert said(view).startswith("Without 1.3")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_narrow_screen_and_passes_axe(open_page: Callable[..., Any], theme: str) -> None:
    view = open_page(viewport={"width": 320, "height": 700}, reduced_motion="reduce")
    view.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    build(view).get_by_role("button", name="Test every node").click()
    view.get_by_text("Every node is tested").wait_for()
    for part in ("Build a circuit", "Cut heads on one sentence"):
        view.get_by_label(part).check()
        assert view.evaluate("document.documentElement.scrollWidth") <= 320
        found = Axe().run(view, context=".lab").response["violations"]
        assert not found, [(each["id"], each["nodes"][0]["html"]) for each in found]
        small = view.evaluate(
            """() => [...document.querySelectorAll('.lab :is(button, select, input, textarea)')]
            .filter(e => e.offsetParent).map(e => [e.getBoundingClientRect(), e.outerHTML])
            .filter(([box]) => box.width < 24 || box.height < 24).map(([, html]) => html)"""
        )
        assert not small
    off(view, "1.3").click()
    assert not Axe().run(view, context=".lab").response["violations"]


def test_nothing_moves_for_readers_who_do_not_want_it(open_page: Callable[..., Any]) -> None:
    view = start(open_page(reduced_motion="reduce"))
    moving = view.evaluate(
        """() => [...document.querySelectorAll('.lab *')].filter(e => {
        const style = getComputedStyle(e);
        return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none';
        }).length"""
    )
    assert moving == 0


def test_circuits_of_the_book_and_searches(open_page: Callable[..., Any]) -> None:
    view = build(open_page())
    view.get_by_role("button", name=BOOK).click()
    rows = view.locator(".circuit-table tbody").first.locator("tr")
    shown = dict(zip(("mine", BOOK, NAIVE), rows.all(), strict=False))
    cells = {name: row.locator("td").all_inner_texts() for name, row in shown.items()}
    assert cells["mine"][:3] == cells[BOOK][:3] != cells[NAIVE][:3]
    checked = view.locator(".circuit-nodes input:checked")
    assert checked.count() == int(cells[BOOK][0])
    view.get_by_role("button", name="No node").click()
    assert checked.count() == 0
    assert view.get_by_role("button", name="Test every node").is_disabled()
    view.get_by_role("button", name="The classes alone").click()
    view.get_by_role("button", name="Test every node").click()
    view.get_by_text("Every node is tested").wait_for()
    assert view.locator(".circuit-witness").count() == checked.count()
    view.get_by_role("button", name="Search for what is missing").click()
    view.get_by_text("Worst set found").wait_for()
    # a change ends the search, and what was found for another circuit is gone
    view.get_by_label("0.3 at IO", exact=True).check()
    assert view.get_by_text("Worst set found").count() == 0
    assert rows.first.locator("td").last.inner_text() == "not yet"


def test_an_address_restores_a_circuit(open_page: Callable[..., Any], page_file: Path) -> None:
    view = build(open_page())
    view.get_by_role("button", name=NAIVE).click()
    view.get_by_label("0.3 at S1+1", exact=True).check()
    address = view.get_by_label("An address that restores this circuit").input_value()
    assert address == view.url and "#lab-circuit:build=" in address
    other = open_page(address.removeprefix(page_file.as_uri()))
    other.locator(".circuit-table").wait_for()
    assert share(other) == share(view)
    assert other.get_by_label("0.3 at S1+1", exact=True).is_checked()
    boxes = [page.locator(".circuit-nodes input:checked").count() for page in (view, other)]
    assert boxes[0] == boxes[1]


def test_an_address_restores_a_sentence_with_its_cuts(
    open_page: Callable[..., Any], page_file: Path
) -> None:
    view = start(open_page())
    view.get_by_label("another sentence’s").check()
    view.get_by_label("At the position").select_option("END")
    off(view, "2.1").click()
    other = open_page(view.url.removeprefix(page_file.as_uri()))
    other.locator(".circuit-heads").wait_for()
    assert difference(other) == difference(view)
    assert off(other, "2.1").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("broken", ["build=9.9E,%", "cut=magic;NOWHERE;7.7;When", "%E0%A4%A", "x"])
def test_a_broken_address_does_no_harm(open_page: Callable[..., Any], broken: str) -> None:
    view = open_page(f"#lab-circuit:{broken}")
    view.locator(".circuit-view:visible").wait_for()
