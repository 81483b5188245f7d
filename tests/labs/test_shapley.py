"""The laboratory of section 5 in Chromium: words switched on and off, orders, exact values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_pages import openings

pytestmark = pytest.mark.browser

TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def lab(browser: Any, root: Path, folder: Path) -> Iterator[Any]:
    """Opens the page with some properties, starts the laboratory, and hears of errors."""
    with openings(browser, root, folder, "shapley", width=1400) as opens:
        yield opens


def number(text: str) -> float:
    return float(re.search(r"[+−]\d+\.\d+", text)[0].replace("−", "-"))


def output(view: Any) -> float:
    return number(view.locator(".shap-output strong").inner_text())


def table(view: Any) -> dict[str, list[str]]:
    """The cells of each row, under its word; those of the drawn bars are left out."""
    return {
        row.locator("th").inner_text(): row.locator("td.shap-number").all_inner_texts()
        for row in view.locator(".shap-table tbody tr").all()
    }


def test_words_are_switched_off_and_on(lab: Any) -> None:
    view = lab()
    assert view.evaluate("document.querySelectorAll('script[src*=sentiment]').length") == 1
    whole = output(view)
    view.locator(".shap-word", has_text="not").click()
    without = output(view)
    assert whole > 3 and without < -4  # "it was not bad" and "it was ... bad"
    assert number(view.locator(".shap-change").inner_text()) == pytest.approx(
        without - whole, abs=0.011
    )
    assert view.locator('.shap-row[aria-current="true"] .shap-shown').text_content() == (
        "it was ... bad"
    )
    view.locator(".shap-word", has_text="not").click()
    assert output(view) == whole
    assert (
        "Added to “it was ... bad”, “not” gives +8.7" in view.locator(".shap-change").inner_text()
    )


def test_a_coalition_is_chosen_from_the_list(lab: Any) -> None:
    view = lab()
    view.locator(".shap-all summary").click()
    assert view.locator(".shap-row").count() == 16
    view.locator(".shap-row").first.click()
    pressed = [w.get_attribute("aria-pressed") for w in view.locator(".shap-word").all()]
    assert pressed == ["false"] * 4
    assert abs(output(view)) < 0.2


def test_words_join_one_by_one_until_the_order_is_complete(lab: Any) -> None:
    view = lab()
    for _ in range(4):
        view.get_by_role("button", name="Next word joins").click()
    assert view.locator(".shap-counter").inner_text() == "Order 1 of 24"
    added = [number(text) for text in view.locator(".shap-joining li").all_inner_texts()]
    assert sum(added) == pytest.approx(output(view), abs=0.03)  # base and four steps
    assert number(table(view)["sum"][0]) == pytest.approx(sum(added[1:]), abs=0.03)
    view.get_by_role("button", name="Finish this order").click()
    assert view.locator(".shap-counter").inner_text() == "Order 2 of 24"
    assert view.locator(".shap-joining .is-coming").count() == 0
    assert "exact" not in view.locator(".shap-table thead").inner_text()


def test_after_all_orders_the_exact_values_stand_beside_shaps(lab: Any) -> None:
    view = lab()
    view.get_by_role("button", name="All 24 orders").click()
    view.wait_for_selector(".shap-conclusion:not(:empty)")
    rows = table(view)
    assert list(rows) == ["it", "was", "not", "bad", "sum"]
    for cells in rows.values():
        assert len(cells) == 3 and len(set(cells)) == 1, "average, exact and SHAP"
    assert "SHAP reports the same" in view.locator(".shap-conclusion").inner_text()
    assert view.get_by_role("button", name="Next word joins").is_disabled()
    view.get_by_role("button", name="From the beginning").click()
    assert all(cell == "" for cells in table(view).values() for cell in cells)


def test_every_sentence_offered_comes_out_as_shap_has_it(lab: Any) -> None:
    view = lab(reduced_motion="reduce")
    labels = view.locator(".lab-choice label")
    assert labels.count() >= 4
    for i in range(1, labels.count()):
        labels.nth(i).click()
        text = labels.nth(i).inner_text()
        words = view.locator(".shap-word .shap-on")
        view.wait_for_function(
            "text => [...document.querySelectorAll('.shap-on')].map(w => w.textContent)"
            ".join(' ') === text",
            arg=text,
        )
        assert words.count() == len(text.split())
        view.get_by_role("button", name=re.compile(r"^All \d+ orders")).click()
        view.wait_for_selector(".shap-conclusion:not(:empty)")
        for row in view.locator(".shap-table tbody tr").all():
            cells = [number(cell) for cell in row.locator("td.shap-number").all_inner_texts()]
            assert max(cells) - min(cells) <= 0.0101, (text, cells)


def test_a_readers_own_words_if_the_classifier_knows_them(lab: Any) -> None:
    view = lab()
    own = view.get_by_label("Or your own")
    own.fill("the zebra was dull")
    own.press("Enter")
    assert "“zebra”" in view.locator(".shap-complaint").inner_text()
    own.fill("Never boring")
    own.press("Enter")
    view.wait_for_function("document.querySelectorAll('.shap-word').length === 2")
    assert view.locator(".shap-complaint").inner_text() == ""
    assert output(view) > 3
    view.get_by_role("button", name="All 2 orders").click()
    view.wait_for_selector(".shap-conclusion:not(:empty)")
    assert "SHAP" not in view.locator(".shap-table thead").inner_text()
    assert view.locator(".lab-choice input:checked").count() == 0


def test_everything_goes_by_keyboard(lab: Any) -> None:
    view = lab(start=False)
    view.keyboard.press("Tab")
    view.keyboard.press("Enter")
    view.wait_for_selector("section.lab[data-state=started]")
    view.keyboard.press("Tab")
    view.keyboard.press("ArrowRight")
    view.wait_for_function("document.querySelectorAll('.shap-word').length === 3")
    for _ in range(4):  # the field, its button, the words known, the first word
        view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.textContent").startswith("good")
    view.keyboard.press("Space")
    assert view.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"
    said = view.locator(".lab-root > [role=status]").inner_text()
    assert said.startswith("... but dull: log odds")


def test_a_phone_of_320_pixels(lab: Any) -> None:
    view = lab(width=320, has_touch=True, is_mobile=True, device_scale_factor=2)
    assert view.evaluate(TOO_WIDE) <= 0
    view.locator(".shap-word", has_text="not").tap()
    assert output(view) < -4
    view.locator(".shap-all summary").tap()
    view.get_by_role("button", name="All 24 orders").tap()
    view.wait_for_selector(".shap-conclusion:not(:empty)")
    assert view.evaluate(TOO_WIDE) <= 0
    sizes = view.evaluate(
        "[...document.querySelectorAll('.lab-root button, .lab-root summary')]"
        ".filter(b => b.offsetParent)"
        ".map(b => Math.min(b.getBoundingClientRect().width, b.getBoundingClientRect().height))"
    )
    assert min(sizes) >= 24


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible_in_light_and_dark(lab: Any, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    view = lab(reduced_motion="reduce")
    view.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
    view.locator(".shap-word", has_text="not").click()
    view.locator(".shap-all summary").click()
    view.get_by_role("button", name="Next word joins").click()
    options = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa"]}}
    found = Axe().run(view, context="section.lab", options=options).response["violations"]
    assert not found, [(v["id"], [n["html"] for n in v["nodes"]]) for v in found]
    view.get_by_role("button", name="All 24 orders").click()
    view.wait_for_selector(".shap-conclusion:not(:empty)", timeout=5000)
    found = Axe().run(view, context="section.lab", options=options).response["violations"]
    assert not found, [(v["id"], [n["html"] for n in v["nodes"]]) for v in found]


def test_nothing_moves_where_the_reader_wants_no_motion(lab: Any) -> None:
    view = lab(reduced_motion="reduce")
    moving = view.evaluate(
        "[...document.querySelectorAll('.lab *')].filter(e => "
        "parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
    )
    assert moving == 0
    view.get_by_role("button", name="All 24 orders").click()
    # at once, without a frame in between
    assert view.locator(".shap-conclusion").inner_text() != ""


def test_without_scripts_the_still_picture_stands(lab: Any) -> None:
    view = lab(start=False, java_script_enabled=False)
    assert view.get_by_text("what stands there without scripts").is_visible()
    assert view.locator(".lab button").count() == 0
