"""The player of recorded flights in a browser."""

import pytest
from lab_pages import opened

from coursekit.labs.episodes import FLIGHTS, data


def test_the_critic_of_ppo_is_near_what_comes_and_an_untrained_one_is_not(root) -> None:
    off = {
        flight["title"]: (flight["values"] - flight["came"]).float().abs().mean().item() / 10
        for flight in data(root)["flights"]
    }
    ppo, restless, drawn, hovering, untrained = off.values()
    assert max(ppo, restless) < min(drawn, hovering) < max(drawn, hovering) < untrained / 2
    assert ppo < 15, "the caption says near"


def step(page) -> int:
    return int(page.locator(".flight-scrubber").input_value())


def craft(page) -> str:
    return page.locator(".flight-craft").get_attribute("transform")


@pytest.mark.browser
def test_space_plays_and_pauses_and_arrows_go_step_by_step(browser, root, folder) -> None:
    with opened(browser, root, folder, "episodes") as page:
        page.get_by_label("½×").check()
        page.locator(".flight-scrubber").focus()
        assert step(page) == 0
        where = craft(page)
        page.keyboard.press(" ")
        page.wait_for_function("document.querySelector('.flight-scrubber').value > 5")
        assert page.get_by_role("button", name="Pause").is_visible()
        page.keyboard.press(" ")
        assert page.get_by_role("button", name="Play").is_visible()
        at = step(page)
        assert craft(page) != where
        assert f"Step {at}:" in page.locator(".flight-says").inner_text()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        assert step(page) == at + 1
        page.keyboard.press("End")
        assert "ended after" in page.locator(".flight-says").inner_text()
        assert page.locator(".flight-touches").count() == 2
        page.keyboard.press("Home")
        assert craft(page) == where


@pytest.mark.browser
def test_every_flight_can_be_chosen_and_its_probabilities_sum_to_one(browser, root, folder) -> None:
    with opened(browser, root, folder, "episodes") as page:
        titles = page.get_by_label("Flight", exact=True).locator("option").all_inner_texts()
        assert titles == [title for title, *_ in FLIGHTS]
        ends = set()
        for index in range(len(titles)):
            page.get_by_label("Flight", exact=True).select_option(str(index))
            assert step(page) == 0
            shares = page.locator(".flight-bar-share").all_inner_texts()
            assert abs(sum(int(share.rstrip("%")) for share in shares) - 100) <= 2
            assert page.locator(".flight-bar-taken").count() == 1
            page.locator(".flight-scrubber").focus()
            page.keyboard.press("End")
            ends.add(page.locator(".flight-says").inner_text())
        assert len(ends) == len(titles)
        assert sum("at the time limit" in end for end in ends) == 2


@pytest.mark.browser
def test_a_finger_steps_and_plays(browser, root, folder) -> None:
    with opened(browser, root, folder, "episodes", width=390, has_touch=True) as page:
        page.get_by_role("button", name="One step forward").tap()
        page.get_by_role("button", name="One step forward").tap()
        page.get_by_role("button", name="One step back").tap()
        assert step(page) == 1
        page.get_by_label("½×").tap()
        page.get_by_role("button", name="Play").tap()
        page.wait_for_function("document.querySelector('.flight-scrubber').value > 8")
        page.get_by_role("button", name="Pause").tap()
        at = step(page)
        page.wait_for_timeout(300)
        assert step(page) == at


@pytest.mark.browser
def test_the_slider_can_be_dragged(browser, root, folder) -> None:
    with opened(browser, root, folder, "episodes") as page:
        box = page.locator(".flight-scrubber").bounding_box()
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 8, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, middle, steps=5)
        page.mouse.up()
        last = int(page.locator(".flight-scrubber").get_attribute("max"))
        assert abs(step(page) - last / 2) < 0.05 * last
        cursor = page.locator(".flight-cursor").bounding_box()
        assert abs(cursor["x"] - (box["x"] + box["width"] / 2)) < 8


@pytest.mark.browser
def test_who_asks_for_less_motion_gets_still_pictures(browser, root, folder) -> None:
    count = """new Promise((done) => {
        const seen = new Set();
        const craft = document.querySelector('.flight-craft');
        new MutationObserver(() => seen.add(craft.getAttribute('transform')))
            .observe(craft, { attributes: true });
        document.querySelector('.flight-play').click();
        setTimeout(() => done(seen.size), 1800);
    })"""
    with opened(browser, root, folder, "episodes", reduced_motion="reduce") as page:
        assert step(page) == 0, "nothing plays by itself"
        assert 2 <= page.evaluate(count) <= 5
    with opened(browser, root, folder, "episodes") as page:
        assert page.evaluate(count) > 8
