"""What every laboratory of sections 3 and 4 does: on any screen, by any hand, without scripts."""

from pathlib import Path

import pytest
from lab_pages import opened

pytestmark = pytest.mark.browser

NAMES = ("gradients", "episodes", "kl", "advantages", "clip", "frontier")
EAGER = {"kl", "clip"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labs")


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

    with opened(browser, root, folder, name) as page:
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        found = Axe().run(page, context="section.lab").response["violations"]
        assert not found, [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


@pytest.mark.parametrize("name", NAMES)
def test_every_control_is_reached_by_the_tab_key(browser, root, folder, name: str) -> None:
    with opened(browser, root, folder, name) as page:
        wanted = page.evaluate(
            "(() => { const seen = new Set(); return [...document.querySelectorAll("
            "'.lab-root :is(button, input, select)')].filter(e => e.type !== 'radio' ||"
            " (!seen.has(e.name) && seen.add(e.name))).length })()"
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
