"""The laboratory of section 1 in Chromium: filling by pointer, touch and keyboard, and the walk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_pages import openings

from interp_rl.models.diagram import ANSWERS, WORD_BANK

pytestmark = pytest.mark.browser

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def lab(browser: Any, root: Path, folder: Path) -> Iterator[Any]:
    """Opens the page with some properties, starts the laboratory, and hears of errors."""
    with openings(browser, root, folder, "blanks", width=1400) as opens:
        yield opens


def chip(view: Any, label: str) -> Any:
    return view.locator(f'.blanks-chip[data-label="{label}"]')


def blank(view: Any, number: int) -> Any:
    return view.locator(f'.blanks-spot[data-blank="{number}"]')


def fill(view: Any, answers: dict[int, str]) -> None:
    """By keyboard, which is the quickest."""
    for number, label in answers.items():
        chip(view, label).focus()
        view.keyboard.press(str(number))


def filling(view: Any) -> dict[int, str]:
    """What stands in each blank, as it is read aloud."""
    names = [blank(view, number).get_attribute("aria-label") for number in ANSWERS]
    return {
        number: name.split(": ")[1].split(",")[0]
        for number, name in zip(ANSWERS, names, strict=True)
    }


def check(view: Any) -> str:
    view.get_by_role("button", name="Check my labels").click()
    return view.locator(".blanks-score").inner_text()


def drag(view: Any, source: Any, target: Any) -> None:
    source.scroll_into_view_if_needed()
    start, end = source.bounding_box(), target.bounding_box()
    view.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    view.mouse.down()
    view.mouse.move(end["x"] + 30, end["y"] + 60, steps=4)
    view.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=4)
    view.mouse.up()


def test_labels_are_dragged_into_blanks_and_out_again(lab: Any) -> None:
    view = lab()
    drag(view, chip(view, "add"), blank(view, 3))
    assert filling(view)[3] == "add"
    assert chip(view, "add").is_hidden()
    drag(view, blank(view, 3), blank(view, 5))
    assert filling(view) == {1: "empty", 2: "empty", 3: "empty", 4: "empty", 5: "add"}
    drag(view, blank(view, 5), view.locator(".blanks-chips"))
    assert filling(view)[5] == "empty"
    assert chip(view, "add").is_visible()
    assert view.locator(".blanks-ghost").count() == 0


def test_a_wrong_label_is_explained_and_a_right_one_is_marked(lab: Any) -> None:
    view = lab()
    fill(view, ANSWERS | {3: "Dropout", 4: "Attention"})
    assert check(view) == "3 of 5 blanks are right."
    said = view.locator(".blanks-feedback li").all_inner_texts()
    assert len(said) == 5
    assert "is not Dropout. Blank 3 lets each position read itself" in said[2]
    assert blank(view, 4).get_attribute("aria-label") == "Blank 4: Attention, not right"
    assert blank(view, 5).get_attribute("aria-label") == "Blank 5: add, right"
    drag(view, blank(view, 3), blank(view, 4))  # they change places, and lose their marks
    assert filling(view) == ANSWERS
    assert view.locator(".blanks-feedback li").count() == 3
    listen = "passed = []; document.addEventListener('exercise-passed', e => passed.push(e.detail))"
    view.evaluate(listen)
    view.get_by_role("button", name="Check my labels").click()
    assert "All five are right." in view.locator(".blanks-done").inner_text()
    assert view.evaluate("passed") == ["1"]  # which the list of progress hears


def test_with_no_label_placed_the_check_asks_for_one(lab: Any) -> None:
    view = lab()
    assert "Put a label of the word bank into a blank first." in check(view)


def test_everything_goes_by_keyboard(lab: Any) -> None:
    view = lab(start=False)
    view.keyboard.press("Tab")
    view.keyboard.press("Enter")
    view.wait_for_selector("section.lab[data-state=started]")
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.dataset.label") == WORD_BANK[0]
    outline = view.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    view.keyboard.press("Enter")  # picks Dropout up
    assert "Dropout is picked up" in view.locator("[role=status]", has_text="picked").inner_text()
    view.keyboard.press("Escape")
    assert chip(view, "Dropout").get_attribute("aria-pressed") == "false"
    view.keyboard.press("Enter")
    blank(view, 1).focus()
    for _ in range(3):
        view.keyboard.press("ArrowUp")
    view.keyboard.press("Enter")
    assert filling(view)[4] == "Dropout"
    view.keyboard.press("Backspace")
    assert filling(view)[4] == "empty"
    for number, label in ANSWERS.items():
        chip(view, label).focus()
        view.keyboard.press(str(number))
    focused = view.evaluate("document.activeElement.textContent")
    assert focused == "Check my labels"  # where a reader goes on
    view.keyboard.press("Enter")
    view.keyboard.press("Enter")  # the focus is on the way into the walk
    view.wait_for_selector(".walk-content")
    view.keyboard.press("Enter")
    assert view.locator(".walk-title").inner_text() == "Token embed"


def test_a_phone_taps_and_drags_at_320_pixels(lab: Any) -> None:
    view = lab(width=320, has_touch=True, is_mobile=True, device_scale_factor=2)
    assert view.evaluate(TOO_WIDE) <= 0
    chip(view, "Attention").tap()
    blank(view, 3).tap()
    blank(view, 5).tap()  # the other way round: blank first
    chip(view, "add").tap()
    assert filling(view) == {1: "empty", 2: "empty", 3: "Attention", 4: "empty", 5: "add"}
    blank(view, 4).scroll_into_view_if_needed()
    touch_drag(view, chip(view, "Dropout"), blank(view, 4))
    assert filling(view)[4] == "Dropout"
    sizes = view.evaluate(
        "[...document.querySelectorAll('.lab-root button')].filter(b => b.offsetParent)"
        ".map(b => Math.min(b.getBoundingClientRect().width, b.getBoundingClientRect().height))"
    )
    assert min(sizes) >= 24
    fill(view, {1: "Index 1", 2: "Token embed"})
    view.get_by_role("button", name="Check my labels").tap()
    view.get_by_role("button", name="Follow a sentence").tap()
    view.wait_for_selector(".walk-content")
    view.locator(".lab-slider input").fill("7")
    assert view.locator(".walk-title").inner_text() == "Attention, block 0"
    assert view.evaluate(TOO_WIDE) <= 0
    inside = view.evaluate(
        "() => { const box = document.querySelector('.box.is-here').getBoundingClientRect();"
        "const window = document.querySelector('.blanks-diagram').getBoundingClientRect();"
        "return box.top >= window.top && box.bottom <= window.bottom }"
    )
    assert inside, "the box of the step is out of sight"


def touch_drag(view: Any, source: Any, target: Any) -> None:
    start, end = source.bounding_box(), target.bounding_box()
    session = view.context.new_cdp_session(view)

    def touch(kind: str, x: float, y: float) -> None:
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    x, y = start["x"] + start["width"] / 2, start["y"] + start["height"] / 2
    to_x, to_y = end["x"] + end["width"] / 2, end["y"] + end["height"] / 2
    touch("touchStart", x, y)
    for part in (0.2, 0.5, 0.8, 1):
        touch("touchMove", x + part * (to_x - x), y + part * (to_y - y))
    touch("touchEnd", to_x, to_y)


def test_the_walk_shows_the_running_model(lab: Any) -> None:
    view = lab()
    fill(view, dict(ANSWERS))
    check_all = view.get_by_role("button", name="Check my labels")
    check_all.click()
    assert view.evaluate("document.querySelectorAll('script[src*=circuit]').length") == 0
    view.get_by_role("button", name="Follow a sentence").click()
    view.wait_for_selector(".walk-content")
    assert view.evaluate("document.querySelectorAll('script[src*=circuit]').length") == 1
    assert view.locator(".walk-title").inner_text() == "Index 0"
    assert view.locator(".walk-shape").inner_text().startswith("15 ")
    last = 33 - 1
    view.locator(".lab-slider input").fill(str(last))
    assert view.locator(".walk-scores li span").first.inner_text() == "Mary"
    shares = view.locator(".walk-scores .walk-number").all_inner_texts()
    first, second = (float(share.rstrip("%")) for share in shares[:2])
    assert first > 5 * second  # as the chapter's figure has it
    view.locator('.blanks-spot[data-place="m1"]').click()
    assert view.locator(".walk-title").inner_text() == "Attention, block 0"
    view.get_by_label("block 0").focus()
    view.keyboard.press("ArrowRight")  # and the focus stays among the blocks
    assert view.evaluate("document.activeElement.value") == "1"
    assert view.locator(".walk-title").inner_text() == "Attention, block 1"
    assert "6 × 15 × 15" in view.locator(".walk-shape").inner_text()
    assert "“to” reads" in view.locator(".walk-said").inner_text()
    view.locator(".walk-rows label", has_text="drink").click()
    assert "“drink” reads" in view.locator(".walk-said").inner_text()
    view.get_by_label("Another sentence").fill("When Mary met Zebedee")
    view.get_by_role("button", name="Run it").click()
    assert "“Zebedee”" in view.locator(".walk-form [role=status]").inner_text()
    view.get_by_label("Another sentence").fill("When Alice and Bob")
    view.get_by_role("button", name="Run it").click()
    assert "6 × 5 × 5" in view.locator(".walk-shape").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(lab: Any, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    view = lab(reduced_motion="reduce")
    view.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
    options = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa"]}}
    fill(view, ANSWERS | {3: "Dropout", 4: "Attention"})
    check(view)
    found = Axe().run(view, context="section.lab", options=options).response["violations"]
    assert not found, [(v["id"], [n["html"] for n in v["nodes"]]) for v in found]
    blank(view, 3).click()
    blank(view, 4).click()
    check_all = view.get_by_role("button", name="Check my labels")
    check_all.click()
    view.get_by_role("button", name="Follow a sentence").click()
    view.wait_for_selector(".walk-content")
    view.locator(".lab-slider input").fill("7")
    found = Axe().run(view, context="section.lab", options=options).response["violations"]
    assert not found, [(v["id"], [n["html"] for n in v["nodes"]]) for v in found]


def test_nothing_moves_where_the_reader_wants_no_motion(lab: Any) -> None:
    view = lab(reduced_motion="reduce")
    moving = view.evaluate(
        "[...document.querySelectorAll('.lab *')].filter(e => "
        "parseFloat(getComputedStyle(e).transitionDuration) > 0 || "
        "getComputedStyle(e).animationName !== 'none').length"
    )
    assert moving == 0


def test_without_scripts_the_still_picture_stands(lab: Any) -> None:
    view = lab(start=False, java_script_enabled=False)
    assert view.get_by_text("what stands there without scripts").is_visible()
    assert view.locator(".lab button").count() == 0
