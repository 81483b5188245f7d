"""What every laboratory of sections 3 and 4 does: on any screen, by any hand, without scripts."""

import pytest
from lab_pages import opened

from coursekit.project import Project

pytestmark = pytest.mark.browser

NAMES = ("gradients", "episodes", "kl", "advantages", "clip", "frontier")
EAGER = {"kl", "clip"}


@pytest.mark.parametrize("name", NAMES)
def test_without_scripts_the_table_stands_alone(browser, root, folder, name: str) -> None:
    with opened(browser, root, folder, name, start=False, java_script_enabled=False) as page:
        assert page.get_by_text("what stands there without scripts").is_visible()
        assert page.get_by_role("button").count() == 0


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_when_asked_and_keeps_the_table_behind_a_fold(
    browser, root, folder, name: str
) -> None:
    with opened(browser, root, folder, name, start=False) as page:
        if name in EAGER:
            page.wait_for_selector("section.lab[data-state=started]")
        else:
            start = page.get_by_role("button", name="Start the laboratory")
            start.focus()
            page.keyboard.press("Enter")
            page.wait_for_selector("section.lab[data-state=started]")
            assert page.evaluate("document.activeElement.className") == "lab-root"
        still = page.get_by_text("what stands there without scripts")
        assert not still.is_visible()
        page.get_by_text("The same as a still picture").click()
        assert still.is_visible()


@pytest.mark.parametrize("name", NAMES)
def test_a_narrow_screen_shows_all_of_it_and_a_finger_can_press_it(
    browser, root, folder, name: str
) -> None:
    with opened(browser, root, folder, name, width=320, has_touch=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        wide = page.evaluate(
            "[...document.querySelectorAll('.lab-scroll')]"
            ".filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"
        )
        assert not wide
        small = page.evaluate(
            "[...document.querySelectorAll('.lab-root :is(button, input, select)')]"
            ".map(e => [e, (e.closest('.lab-choice label') ?? e).getBoundingClientRect()])"
            ".filter(([e, box]) => box.height < 43.5 || box.width < 40)"
            ".map(([e, box]) => `${e.outerHTML} ${box.width} ${box.height}`)"
        )
        assert not small
        letters = page.evaluate(
            "[...document.querySelectorAll('.lab-root svg text')]"
            ".filter(e => e.textContent && e.getBoundingClientRect().right > innerWidth)"
            ".map(e => e.textContent)"
        )
        assert not letters, "words of a chart leave the screen"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(browser, root, folder, name: str, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    # a colour half way between two themes has no contrast
    with opened(browser, root, folder, name, reduced_motion="reduce") as page:
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        found = Axe().run(page, context="section.lab").response["violations"]
        assert not found, [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


@pytest.mark.parametrize("name", NAMES)
def test_every_control_is_reached_by_the_tab_key(browser, root, folder, name: str) -> None:
    with opened(browser, root, folder, name) as page:
        wanted = page.evaluate(
            "(() => { const seen = new Set(); return [...document.querySelectorAll("
            "'.lab-root :is(button, input, select, [tabindex=\"0\"])')].filter(e =>"
            " e.offsetParent && (e.type !== 'radio' || (!seen.has(e.name) && seen.add(e.name))))"
            ".length })()"
        )
        page.evaluate("document.activeElement.blur()")
        reached = set()
        for _ in range(wanted + 6):
            page.keyboard.press("Tab")
            reached.add(
                page.evaluate(
                    "(() => { const e = document.activeElement;"
                    " if (!e.closest('.lab-root')) return null;"
                    " const all = [...document.querySelectorAll('.lab-root *')];"
                    " return e.type === 'radio' ? e.name : all.indexOf(e) })()"
                )
            )
        assert len(reached - {None}) == wanted
        outline = page.evaluate(
            "(() => { const e = document.querySelector("
            "'.lab-root :is(button, select, input[type=range])');"
            " e.focus({ focusVisible: true }); const s = getComputedStyle(e);"
            " return [s.outlineStyle, s.outlineWidth] })()"
        )
        assert outline[0] != "none" and outline[1] != "0px"


PAGES = {
    "gradients": "3-2-derivations",
    "episodes": "3-3-lunar-lander",
    "kl": "4-1-why-kl",
    "advantages": "4-2-ppo",
    "clip": "4-2-ppo",
    "frontier": "4-2-with-trl",
}


@pytest.mark.site
@pytest.mark.parametrize("name", NAMES)
def test_in_its_chapter_it_starts_from_a_folder_and_without_scripts_its_table_stands(
    browser, root, name: str
) -> None:
    file = Project(root).html / "book" / f"{PAGES[name]}.html"
    plain = browser.new_context(java_script_enabled=False)
    page = plain.new_page()
    page.goto(file.as_uri())
    place = page.locator(f"section.lab[data-lab={name}]")
    assert place.locator(".lab-fallback figure svg[role=img]").count() >= 1
    # the numbers of the figure stand behind a fold of its own
    rows = place.locator(".lab-fallback table:not(.figure-data *) tbody tr")
    assert rows.count() >= 2
    assert place.locator(".lab-caption").inner_text().endswith(".")
    still = [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows.all()]
    plain.close()

    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(file.as_uri())
    place = page.locator(f"section.lab[data-lab={name}]")
    place.scroll_into_view_if_needed()
    page.wait_for_selector(f"section.lab[data-lab={name}][data-state]")
    button = place.get_by_role("button", name="Start the laboratory")
    if button.is_visible():
        button.click()
    page.wait_for_selector(f"section.lab[data-lab={name}][data-state=started]")
    assert place.locator(".lab-root svg").first.is_visible()
    shown = place.locator(".lab-root").inner_text()
    context.close()
    if name == "gradients":  # the still table says what the laboratory shows when it starts
        for row, mean in zip(still, ("1.00", "0.75", "1.00"), strict=True):
            _, length, variance, _ = row
            assert length == mean and f"exact {mean}0" in shown and f"exact {variance}" in shown
    if name == "kl":
        far = [row for row in still if row[0].endswith("at 2.0")]
        assert len(far) == 3
        assert all(number in shown.split() for row in far for number in row[1:])
    if name == "clip":
        ratio, objective, gradient = still[2][1:]
        assert (ratio, objective, gradient) == ("1.40", "+1.20", "0")
        assert {ratio, objective.lstrip("+"), gradient} <= set(shown.split())
    if name == "episodes":
        assert f"of {still[0][1]}" in shown
