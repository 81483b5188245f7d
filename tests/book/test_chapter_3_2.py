"""What chapter 3.2 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import plots
from interp_rl import policy_gradients as pg


@pytest.fixture(scope="module")
def derivations(root) -> Run:
    return run(root, "3-2-derivations")


@pytest.fixture(scope="module")
def names(derivations):
    return derivations.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(derivations):
    assert set(re.findall(r"{glue:text}`([^`]+)`", derivations.text)) == set(derivations.glued)


def test_the_stubs_are_not_attempted_and_the_solutions_pass(derivations):
    checked = [value for value in derivations.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"] * 4
    assert [result.exercise for result in checked][::2] == ["3.2a", "3.2b", "3.2c", "3.2d"]


def test_every_figure_brings_its_numbers(derivations):
    pictures = [value for value in derivations.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 3
    assert all(picture.table for picture in pictures)


# ----- 3.2i


def test_the_log_density_and_the_score_are_those_of_pytorch(names):
    assert names["off_log"] < 1e-12
    assert names["off_score"] < 1e-12


def test_the_covariance_is_a_covariance_and_far_from_diagonal(names):
    Sigma = names["Sigma"]  # noqa: N806
    assert torch.equal(Sigma, Sigma.T) and (torch.linalg.eigvalsh(Sigma) > 0).all()
    assert Sigma[0, 1] / Sigma.diagonal().prod().sqrt() > 0.8
    assert names["off_diagonal"] > 0.5


def test_the_library_has_the_same_score(names):
    score = pg.gaussian.score_of_parameters(
        names["actions"], names["f"].detach(), names["Sigma"], names["jacobian"]
    )
    assert torch.allclose(score, names["by_autograd"], atol=1e-12)


def test_the_identity_needs_a_symmetric_matrix(names):
    A, v, true = names["A"], names["v"], names["true"]  # noqa: N806
    assert not torch.equal(A, A.T)
    assert torch.allclose((A + A.T) @ v, true)
    assert not torch.allclose(2 * A @ v, true)
    symmetric = (A + A.T) / 2
    assert torch.allclose(2 * symmetric @ v, true), "for a symmetric one they agree"


def test_the_inverse_of_a_symmetric_matrix_is_symmetric(names):
    inverse = torch.linalg.inv(names["Sigma"])
    assert torch.allclose(inverse, inverse.T)


# ----- 3.2ii


def test_the_expected_score_is_zero(names):
    """By enumeration, for a policy that is not even."""
    mdp = names["corridor"]
    theta = torch.randn(5, 2, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    walks, world = pg.enumerate_trajectories(mdp)
    p = (world + pg.log_policy(theta, walks).sum(-1)).exp()
    score = pg.scores(theta, walks, torch.ones_like(walks.episodes.rewards))
    assert torch.einsum("i,isa->sa", p, score).abs().max() < 1e-12


def test_the_batch_mean_shrinks_by_n_minus_1_over_n_and_nothing_else_does(names):
    for n, (constant, batch, left_out) in names["units"].items():
        assert constant == pytest.approx(1, abs=1e-9)
        assert batch == pytest.approx((n - 1) / n, abs=1e-9)
        assert left_out == pytest.approx(1, abs=1e-9)


def test_the_shrunk_expectation_keeps_the_direction(names):
    expected = pg.exact_expectation(names["bandit"], names["theta"], pg.batch_mean_baseline, 3)
    assert torch.allclose(expected, names["exact"] * 2 / 3, atol=1e-12)


def test_a_state_dependent_baseline_costs_no_bias(names):
    """With values that are nowhere near right."""
    mdp, theta = names["corridor"], names["even"]
    values = torch.arange(25, dtype=torch.double).reshape(5, 5)
    found = pg.exact_expectation(mdp, theta, pg.value_baseline, 1, values=values)
    assert torch.allclose(found, pg.exact_gradient(mdp, theta), atol=1e-12)


def test_the_measured_shrinkage_follows_the_line(names):
    shrunk = names["shrunk"]
    assert [s.n_episodes for s in shrunk] == [2, 3, 4, 8, 16, 32]
    for s in shrunk:
        for found, right in ((s.batch_mean, s.predicted), (s.leave_one_out, 1.0)):
            error = (found.high - found.low) / 2 / 1.96
            assert abs(found.value - right) < 3.5 * error
    assert [s.leave_one_out.value > s.batch_mean.value for s in shrunk] == [True] * 6


def test_unequal_lengths_tilt_the_batch_mean(names):
    assert names["along"] < 0.45, "less than (N-1)/N"
    assert pg.cosine(names["tilted"], names["right_way"]) < 0.99
    repaired = pg.exact_expectation(names["corridor"], names["even"], pg.leave_one_out_baseline, 2)
    assert torch.allclose(repaired, names["right_way"], atol=1e-12)


def test_a_baseline_on_whole_returns_shrinks_exactly_for_unequal_lengths_too(names):
    def whole(episodes, *, discount=1.0):
        returns = pg.total_return(episodes)
        mean = episodes.rewards.sum(-1).mean(-1)[..., None, None]
        return (returns - mean) * episodes.taken

    found = pg.exact_expectation(names["corridor"], names["even"], whole, 2)
    assert torch.allclose(found, names["right_way"] / 2, atol=1e-12)


# ----- the estimators


def test_only_two_estimators_change_the_expectation(names):
    for name, m in names["measured"].items():
        if name == "batch-mean baseline":
            assert m.scale.high < 1 and 7 / 8 in m.scale
        elif name == "standardised":
            assert m.scale.low > 1
        else:
            assert abs(m.scale.value - 1) < 0.03


def test_every_baseline_lowers_the_variance_several_times(names):
    relative = names["relative"]
    assert relative["total return"] == 1
    assert 0.4 < relative["reward-to-go"] < 0.6, "about half"
    for name in ("batch-mean", "leave-one-out", "learned value"):
        assert relative[f"{name} baseline"] < 0.2
    assert relative["GAE (lambda 0.9)"] < 0.2 and relative["standardised"] < 0.25


def test_the_batch_mean_is_leave_one_out_made_shorter(names):
    relative = names["relative"]
    ratio = relative["batch-mean baseline"] / relative["leave-one-out baseline"]
    assert ratio == pytest.approx((7 / 8) ** 2, rel=1e-6)


def test_the_table_names_the_estimators_in_the_order_of_the_run(derivations, names):
    assert list(names["measured"]) == [
        *("total return", "reward-to-go", "batch-mean baseline", "leave-one-out baseline"),
        *("learned value baseline", "GAE (lambda 0.9)", "standardised"),
    ]
    rows = re.findall(r"`s32-scale-([\w-]+)`", derivations.text)
    assert rows == list(names["keys"])


# ----- the still picture of the laboratory


def estimates(names, name, extra):
    """Each possible estimate along the gradient, in units of its length."""
    estimator, _ = names["three"][name]
    exact = names["exact"]
    found = names["every_estimate"](estimator, extra)
    return (found * exact / exact.norm()).sum((-2, -1))


def test_every_batch_of_four_is_listed_with_its_probability(names):
    assert names["four"].shape == (6**4, 4)
    assert names["chance"].sum().item() == pytest.approx(1)
    for name, right in (("no baseline", 1), ("batch mean", 3 / 4), ("leave one out", 1)):
        for extra in (0, 10):
            mean = names["chance"] @ estimates(names, name, extra)
            assert mean.item() == pytest.approx(right, abs=1e-9), "adding leaves the mean"


def test_every_estimate_with_the_batch_mean_is_three_quarters_of_leave_one_out(names):
    shrunk, whole = (estimates(names, name, 0) for name in ("batch mean", "leave one out"))
    assert torch.allclose(shrunk, 3 / 4 * whole, atol=1e-12)


def test_adding_to_the_rewards_matters_without_a_baseline_only(names):
    for name in ("batch mean", "leave one out"):
        assert torch.allclose(estimates(names, name, 10), estimates(names, name, 0), atol=1e-9)
        assert names["histograms"][name, 0] == pytest.approx(names["histograms"][name, 10])
    shares = {key: sum(shares) for key, shares in names["histograms"].items()}
    assert shares["no baseline", 10] < 0.5, "most of it lies outside"
    assert all(share > 0.98 for key, share in shares.items() if key != ("no baseline", 10))
    widest = [names["chance"] @ (estimates(names, name, 0) - 1).square() for name in names["three"]]
    assert max(widest) == widest[0]


# ----- the optional parts


def test_the_expected_outputs_that_are_typed(names):
    assert names["leave_one_out"](torch.tensor([1.0, 3.0])).tolist() == [-2, 2]
    ones = torch.ones(1, 3)
    assert names["reward_to_go"](ones, ones.bool(), 0.5).tolist() == [[1.75, 1.5, 1]]
    rewards = torch.tensor([1.0, 2.0, 3.0])
    assert names["gae"](rewards, torch.zeros(4), False, 1.0, 1.0).tolist() == [6, 5, 3]


def test_the_solution_of_the_score_is_that_of_autograd_on_the_page(names):
    score = names["gaussian_score"](
        names["actions"], names["f"].detach(), names["Sigma"], names["jacobian"]
    )
    assert torch.allclose(score, names["by_autograd"], atol=1e-12)


def test_reward_to_go_keeps_the_expectation_and_mostly_lowers_the_variance(names):
    assert max(names["gaps"].values()) < 1e-12
    assert names["ratios"]["bandit"] < 0.6
    assert names["ratios"]["corridor"] > 1, "not always"


def test_the_best_constant_is_best_and_far_from_the_mean(names):
    variance, best = names["variance"], names["best"]
    assert variance(best) < min(variance(best - 0.02), variance(best + 0.02))
    assert variance(best) < 0.92 * variance(0) < variance(names["J"])
    assert variance(names["J"]) < variance(0)
    assert abs(best - names["J"]) > 0.1
    long = names["walks"].episodes.taken.sum(-1) == 4
    p, R, length = names["p"], names["R"], names["length"]  # noqa: N806

    def mean(values, where):
        return ((p * values)[where].sum() / p[where].sum()).item()

    assert mean(length, long) > mean(length, ~long), "long walks have long scores"
    assert mean(R, long) < mean(R, ~long), "and the poorer returns"


def test_values_do_better_than_any_constant(names):
    mdp, even = names["corridor"], names["even"]
    values = pg.exact_values(mdp, even)
    _, with_values = names["by_enumeration"](mdp, even, pg.value_baseline, values)
    assert with_values < names["variance"](names["best"])


def test_dividing_by_the_deviation_changes_scale_and_small_batches_direction(names):
    divided = names["divided"]
    assert [s.n_episodes for s in divided] == [2, 4, 8]
    assert all(s.scale > 1.5 for s in divided)
    assert divided[0].cosine < 0.999
    assert divided[-1].cosine > 0.9999
    two = pg.standardised(pg.Episodes(torch.tensor([[0.2], [0.9]])))
    assert torch.allclose(two.flatten(), torch.tensor([-1.0, 1.0]), atol=1e-6)


def test_lambda_trades_bias_for_variance(names):
    bias, variance = zip(*names["trade"].values(), strict=True)
    assert list(names["trade"]) == [0.0, 0.5, 0.9, 1.0]
    assert list(bias) == sorted(bias, reverse=True) and bias[0] > 0.2
    assert bias[-1] < 1e-12, "unbiased with any critic"
    assert list(variance) == sorted(variance)
    assert len(names["few"].actions) == 10
