"""What chapter 3.1 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import plots
from interp_rl import policy_gradients as pg


@pytest.fixture(scope="module")
def idea(root) -> Run:
    return run(root, "3-1-the-idea")


@pytest.fixture(scope="module")
def names(idea):
    return idea.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(idea):
    assert set(re.findall(r"{glue:text}`([^`]+)`", idea.text)) == set(idea.glued)


def test_the_stub_is_not_attempted_and_the_solution_passes(idea):
    checked = [value for value in idea.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


def test_every_figure_brings_its_numbers(idea):
    pictures = [value for value in idea.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 3
    assert all(picture.table for picture in pictures)


# ----- from the objective to its gradient


def test_the_formula_is_the_derivative_of_the_objective(names):
    assert names["probability"].sum().item() == pytest.approx(1, abs=1e-12)
    assert names["difference"] < 1e-12
    assert torch.allclose(names["by_formula"], pg.exact_gradient(names["corridor"], names["theta"]))


def test_the_formula_holds_for_a_policy_that_is_not_even(names):
    theta = torch.randn(5, 2, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    variable = theta.clone().requires_grad_()
    J = pg.expected_return(names["corridor"], variable)  # noqa: N806
    (by_autograd,) = torch.autograd.grad(J, variable)
    assert torch.allclose(pg.exact_gradient(names["corridor"], theta), by_autograd, atol=1e-12)


def test_the_gradient_asks_for_left_at_the_near_exit_and_right_further_on(names):
    preference = names["by_formula"][:, 0] - names["by_formula"][:, 1]
    assert preference[1] > 0 > max(preference[2], preference[3])


# ----- 3.1i


def test_each_drawn_action_gains_in_proportion_to_its_reward(idea, names):
    ratios = torch.tensor(names["push"], dtype=torch.double) / names["rewards"]
    assert torch.allclose(ratios, ratios[0].expand(3), rtol=2e-3)
    assert all(f"{ratio:.2f}" == idea.glued["s31-ratio"] for ratio in ratios.tolist())


def test_the_average_push_is_pi_times_reward_minus_mean(names):
    rewards, pi = names["rewards"], names["pi"]
    J = (pi * rewards).sum()  # noqa: N806
    assert torch.allclose(torch.tensor(names["average"]).double(), pi * (rewards - J))
    assert names["rewards"].min() > 0, "all rewards are positive"
    assert names["average"][1] < 0 < rewards[1], "and still the middle action loses"
    assert pytest.approx(rewards.mean().item()) == J


def test_the_loss_has_minus_the_estimate_as_gradient(names):
    assert names["loss_difference"] < 1e-12
    variable = names["theta"].clone().requires_grad_()
    data = pg.sample(names["corridor"], names["theta"], 8, seed=3)
    weights = pg.total_return(data.episodes)
    log_probs = pg.log_policy(variable, data)
    names["reinforce_loss"](log_probs, weights, data.episodes.taken).backward()
    estimate = pg.gradient_estimate(names["theta"], data, weights)
    assert torch.allclose(-variable.grad, estimate, atol=1e-12)


# ----- 3.1ii


def test_importance_weights_move_the_expectation(names):
    """E_pi[f] = E_b[rho f] by enumeration, with f the return."""
    walks, world = names["walks"], names["log_p_world"]
    other = torch.zeros(5, 2, dtype=torch.double)
    other[:, 1] = 1.0
    ours, theirs = (pg.log_policy(t, walks) for t in (other, names["theta"]))
    p_b = (world + theirs.sum(-1)).exp()
    rho = (ours - theirs).sum(-1).exp()
    moved = (p_b * rho * names["returns"]).sum()
    assert moved.item() == pytest.approx(pg.expected_return(names["corridor"], other).item())


def test_the_schemes_are_those_that_the_text_describes(names):
    schemes = pg.SCHEMES
    assert [scheme.uses for scheme in schemes.values()] == [1, 10, 10, 10]
    assert [scheme.correction for scheme in schemes.values()][:2] == ["none", "none"]
    assert {scheme.correction for scheme in list(schemes.values())[2:]} == {"trajectory"}
    assert list(schemes.values())[3].clip == 2
    assert all(len(curve.returns) == 50 for curve in names["curves"].values())
    assert all(curve.steps[-1] == 800 for curve in names["curves"].values())


def test_with_small_steps_every_reuse_beats_fresh_data(names):
    final = {name: v for (size, name), v in names["final"].items() if size == "step size 1"}
    fresh = final.pop("fresh data")
    assert len(final) == 3 and min(final.values()) > fresh + 0.05


def test_with_large_steps_uncorrected_reuse_falls_behind_fresh_data(names):
    final, missed = names["final"], names["missed"]
    large = "step size 2"
    assert final[large, "reused, uncorrected"] < final[large, "fresh data"] - 0.02
    plain = missed[large, "reused, uncorrected"]
    assert plain > 0.3 * 50, "many of them"
    assert plain > 3 * missed[large, "fresh data"]
    for name in ("reused, importance weights", "reused, clipped weights"):
        assert missed[large, name] < 0.6 * plain


def test_the_comparison_does_not_hang_on_its_seed(names):
    """The same learners with other random numbers say the same."""
    final = {}
    for rate in (1.0, 2.0):
        for name, scheme in list(pg.SCHEMES.items())[:2]:
            curve = pg.learn(
                names["corridor"], scheme, budget=800, rate=rate, n_seeds=50, points=2, seed=1
            )
            final[rate, name] = curve.returns[:, -1].mean().item()
    assert final[1.0, "reused, uncorrected"] > final[1.0, "fresh data"] + 0.03
    assert final[2.0, "reused, uncorrected"] < final[2.0, "fresh data"]


def test_halfway_lies_between_the_two_ways(names):
    assert names["always"](0) < names["halfway"] < names["always"](1)


def test_the_band_holds_the_mean(names):
    for curve in names["curves"].values():
        low, high = names["bootstrap_band"](curve.returns)
        mean = curve.returns.mean(0)
        assert ((low <= mean + 1e-12) & (mean <= high + 1e-12)).all()


def test_data_of_another_policy_are_imitated_without_a_correction(names):
    learned = names["learned"]
    share = learned["rewards / their sum"]
    assert torch.allclose(learned["correction: none"], share, atol=0.02)
    assert learned["correction: trajectory"][2] > 0.98
    assert share[2] < 0.6


def test_the_imitated_shares_are_where_the_expected_update_vanishes(names):
    """sum_a b(a) r(a) grad log pi(a) is zero at pi proportional to b r, for an uneven b too."""
    b = torch.tensor([0.5, 0.3, 0.2], dtype=torch.double)
    goal = b * names["rewards"] / (b * names["rewards"]).sum()
    logits = goal.log().requires_grad_()
    (b * names["rewards"] * logits.log_softmax(-1)).sum().backward()
    assert logits.grad.abs().max() < 1e-12


# ----- 3.1iii


def test_the_error_falls_as_predicted(names):
    assert torch.allclose(names["typical"], names["predicted"].to(names["typical"]), rtol=0.15)
    assert names["sizes"][0] == 1 and names["sizes"][-1] == 4096
    slope = (names["typical"][-1] / names["typical"][0]).log() / torch.tensor(4096.0).log()
    assert slope == pytest.approx(-0.5, abs=0.02)


def test_one_episode_is_unbiased_already(names):
    """The expectation of a single term, by enumeration."""
    mean = torch.einsum("i,isa->sa", names["probability"], names["terms"])
    assert torch.allclose(mean, names["by_autograd"], atol=1e-12)


def test_a_chord_is_wrong_by_an_amount_that_depends_on_its_width(names):
    errors = list(names["chord_error"].values())
    assert list(names["chord_error"]) == [2.0, 1.0, 0.5]
    assert errors[0] > 0.1 and errors == sorted(errors, reverse=True)
    assert errors[-1] > 0.01, "also the narrow one"


def test_learners_gather_around_the_limit(names):
    spread = names["spread"]
    assert list(spread) == [4, 32, 256]
    assert spread[32] < 0.5 * spread[4] and spread[256] < 0.5 * spread[32]
    assert names["bundles"][4].shape == (20, 61) and len(names["limit"]) == 61


def test_the_limit_takes_a_detour(names):
    policy = names["theta"]
    right = [policy.softmax(-1)[1, 1].item()]
    for _ in range(60):
        policy = policy + 2.0 * pg.exact_gradient(names["corridor"], policy)
        right.append(policy.softmax(-1)[1, 1].item())
    assert right[3] < 0.5 < 0.9 < right[-1]
