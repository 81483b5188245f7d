"""The laboratories of section 4 in a browser: clip, KL estimates, advantages, frontier."""

import pytest
from lab_pages import numbers, opened, said

from interp_rl.finetuning import kl, training_runs

pytestmark = pytest.mark.browser


# clip


def test_dragging_the_point_past_the_limit_takes_the_gradient_away(browser, root, folder) -> None:
    with opened(browser, root, folder, "clip") as page:
        plot = page.locator(".lab-plot")
        handle = page.locator(".lab-handle").bounding_box()
        box = plot.bounding_box()
        assert numbers(page)["PPO, with the clip"] == ["1.20", "0"]
        page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40, steps=6)
        page.mouse.up()
        ratio = float(page.get_by_label("Ratio, new to old").input_value())
        assert 0.9 < ratio < 1.2
        assert "within the limits" in said(page)
        assert page.locator(".lab-arrow-head").count() == 1
        assert numbers(page)["PPO, with the clip"] == numbers(page)["without the clip"]


def test_the_sign_of_the_advantage_decides_which_side_is_flat(browser, root, folder) -> None:
    with opened(browser, root, folder, "clip") as page:
        assert "gradient is zero" in said(page)
        page.get_by_role("slider", name="Advantage").focus()
        page.keyboard.press("Home")
        assert "went far the other way" in said(page)
        assert numbers(page)["PPO, with the clip"] == ["−2.80", "−2.80"]
        page.get_by_label("Ratio, new to old").focus()
        page.keyboard.press("Home")
        assert "gradient is zero" in said(page)
        assert numbers(page)["PPO, with the clip"] == ["−1.60", "0"]


def test_a_finger_moves_the_point(browser, root, folder) -> None:
    with opened(browser, root, folder, "clip", width=390, has_touch=True) as page:
        box = page.locator(".lab-plot").bounding_box()
        page.touchscreen.tap(box["x"] + 60, box["y"] + 60)
        assert float(page.get_by_label("Ratio, new to old").input_value()) < 0.7


# KL estimates


@pytest.mark.parametrize(("button", "far"), [("Near (0.3)", 0.3), ("Far (2.0)", 2.0)])
def test_the_numbers_are_those_of_the_chapter(browser, root, folder, button, far) -> None:
    policy, reference = kl.random_policies(vocabulary=6, distance=far)
    with opened(browser, root, folder, "kl") as page:
        page.get_by_role("button", name=button).click()
        rows = numbers(page)
        for name, estimator in kl.ESTIMATORS.items():
            m = kl.moments(policy, reference, estimator)
            mean, deviation, negative = rows[name]
            assert mean.startswith(f"{m.exact + m.bias:.3f}")
            assert deviation == f"{m.deviation:.3f}"
            assert negative == f"{100 * m.negative:.0f}%"
        assert f"The divergence is {kl.exact_kl(policy, reference).item():.3f} nats" in said(page)


def test_equal_policies_have_no_divergence_and_exchanging_turns_it_round(
    browser, root, folder
) -> None:
    policy, reference = kl.random_policies(vocabulary=6, distance=2.0)
    with opened(browser, root, folder, "kl") as page:
        page.get_by_role("button", name="Exchange the two").click()
        assert f"The divergence is {kl.exact_kl(reference, policy).item():.3f}" in said(page)
        page.get_by_label("Distance of the policy").focus()
        page.keyboard.press("Home")
        assert "are the same" in said(page)
        page.get_by_label("Logit of token A under the policy").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("PageUp")
        assert "are the same" not in said(page)


def test_a_token_that_the_policy_leaves_out_makes_k3_vary_more(browser, root, folder) -> None:
    """What the chapter asks the reader to find is there to be found."""
    with opened(browser, root, folder, "kl") as page:
        page.get_by_label("Distance of the policy").focus()
        page.keyboard.press("Home")
        page.get_by_label("Logit of token A under the policy").focus()
        page.keyboard.press("Home")
        rows = numbers(page)
        assert float(rows["k3"][1]) > float(rows["k1"][1])


# advantages


def advantages(page) -> list[float]:
    words = page.locator(".lab-plot svg").get_attribute("aria-label").partition(": ")[2]
    return [float(w.rpartition(" ")[2].replace("−", "-")) for w in words.rstrip(".").split(", ")]


def test_lambda_moves_the_credit_from_all_tokens_to_the_one_that_decided(
    browser, root, folder
) -> None:
    with opened(browser, root, folder, "advantages") as page:
        page.get_by_label("λ of GAE").focus()
        page.keyboard.press("End")
        spread = advantages(page)
        assert all(a > 0 for a in spread), "a liked text raises all its tokens"
        page.keyboard.press("Home")
        alone = advantages(page)
        assert max(alone) == alone[5], "'excellent' is what decided"
        assert "“excellent”" in said(page)
        page.get_by_label("always says the same").click()
        blind = advantages(page)
        assert blind[-1] == max(blind) and not any(blind[:-1])
        assert "only the last one learns" in said(page)


def test_a_disliked_text_lowers_its_tokens(browser, root, folder) -> None:
    with opened(browser, root, folder, "advantages", width=390, has_touch=True) as page:
        page.get_by_label("Text", exact=True).select_option("1")
        page.get_by_label("λ of GAE").focus()
        page.keyboard.press("End")
        assert all(a <= 0.01 for a in advantages(page))


# frontier


def test_the_slider_shows_the_shipped_texts_of_each_price(browser, root, folder) -> None:
    runs = training_runs.frontier()
    with opened(browser, root, folder, "frontier") as page:
        slider = page.get_by_label("Price β of a nat")
        slider.focus()
        page.keyboard.press("Home")
        for price in (0.3, 0.1, 0.05, 0.0):
            assert page.locator("output").inner_text() == f"{price:g}"
            first = runs.of("ppo", price)[0]
            shown = page.locator(".frontier-texts td").all_inner_texts()
            assert shown == [
                f"{text} {score:.2f}" for text, score in zip(first.texts, first.scores, strict=True)
            ]
            page.keyboard.press("ArrowRight")
        assert "repeats itself" in said(page)


def test_without_a_price_each_method_loses_its_variety_or_its_language(
    browser, root, folder
) -> None:
    with opened(browser, root, folder, "frontier") as page:
        for method in ("PPO", "RLOO", "GRPO"):
            page.get_by_label(method, exact=True).check()
            page.get_by_label("Price β of a nat").focus()
            page.keyboard.press("Home")
            assert "times those of the reference" in said(page)
            page.keyboard.press("End")
            assert "repeats itself" in said(page) or "language is lost" in said(page)


def test_other_methods_have_their_own_dial(browser, root, folder) -> None:
    runs = training_runs.frontier()
    with opened(browser, root, folder, "frontier", width=390, has_touch=True) as page:
        page.get_by_label("best of n", exact=True).tap()
        slider = page.get_by_label("Responses to choose from, n")
        slider.focus()
        page.keyboard.press("End")
        points = runs.of("best-of-n", 32.0)
        mean = sum(point.reward for point in points) / len(points)
        assert f"mean score {mean:.2f}" in said(page)
        page.get_by_label("GRPO", exact=True).tap()
        page.get_by_label("Price β of a nat").focus()
        page.keyboard.press("End")
        assert "language is lost" in said(page)
