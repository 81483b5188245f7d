"""The gradient laboratory in a browser."""

import pytest
from lab_pages import numbers, opened, said

pytestmark = pytest.mark.browser


def test_the_batch_mean_is_biased_and_more_episodes_mend_it(browser, root, folder) -> None:
    with opened(browser, root, folder, "gradients") as page:
        assert "shrinks the expected gradient to 3/4, 0.75" in said(page)
        rows = numbers(page)
        assert "exact 0.750" in rows["batch mean"][0]
        assert "exact 1.000" in rows["leave one out"][0]
        page.get_by_label("Episodes in a batch, N").focus()
        page.keyboard.press("Home")
        page.wait_for_function(
            "document.querySelector('.lab-verdict').textContent.includes('to 1/2')"
        )
        page.keyboard.press("End")
        page.wait_for_function(
            "document.querySelector('.lab-verdict').textContent.includes('to 63/64')"
        )
        measured = float(numbers(page)["batch mean"][0].split(" ")[0])
        assert abs(measured - 63 / 64) < 0.05


def test_adding_to_every_reward_costs_only_the_estimate_without_a_baseline(
    browser, root, folder
) -> None:
    with opened(browser, root, folder, "gradients") as page:
        before = numbers(page)
        page.get_by_label("Added to every reward").focus()
        page.keyboard.press("End")
        page.wait_for_function(
            "document.querySelector('.lab-verdict').textContent.match(/[0-9]{3} times/)"
        )
        after = numbers(page)
        assert after["leave one out"] == before["leave one out"]
        assert after["batch mean"] == before["batch mean"]
        assert after["no baseline"][1] != before["no baseline"][1]


def test_a_finger_draws_other_batches_and_takes_the_other_policy(browser, root, folder) -> None:
    with opened(browser, root, folder, "gradients", width=390, has_touch=True) as page:
        before = numbers(page)["leave one out"][0].split()[0]
        page.get_by_role("button", name="other batches").tap()
        page.wait_for_function(
            f"!document.querySelector('table.lab-numbers').innerText.includes('{before}')"
        )
        page.get_by_label("a number (Gaussian)").tap()
        page.wait_for_function("document.querySelector('input[value=gaussian]').checked")
        page.wait_for_timeout(200)
        mean, interval = numbers(page)["leave one out"][0].split("\n")[0].split(" ± ")
        assert abs(float(mean) - 1) < 3 * float(interval)
