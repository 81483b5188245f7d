"""Importance weights by enumeration; learning with fresh, reused and reweighted data."""

import math

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.policy_gradients import off_policy as module


@pytest.fixture(scope="module")
def setting():
    """A corridor, the policy that collects, and the policy that learns."""
    generator = torch.Generator().manual_seed(0)
    behaviour, target = torch.randn(2, 5, 2, generator=generator, dtype=torch.double)
    return pg.corridor(horizon=3), behaviour, target


def all_batches(setting, n):
    """Every batch of the collecting policy, its probability, and the target's ratios."""
    mdp, behaviour, target = setting
    every, log_environment = pg.enumerate_trajectories(mdp)
    log_behaviour = pg.log_policy(behaviour, every)
    log_p = log_environment + log_behaviour.sum(-1)
    rows = torch.cartesian_prod(*[torch.arange(len(log_p))] * n).reshape(-1, n)
    episodes = pg.Episodes(every.episodes.rewards[rows], every.episodes.taken[rows])
    batches = pg.Trajectories(every.actions[rows], every.states[rows], episodes)
    ratios = pg.importance_ratios(
        pg.log_policy(target, batches), log_behaviour[rows], batches.episodes
    )
    return batches, log_p[rows].sum(-1).exp(), ratios


def expectation(setting, estimator, n, **options):
    batches, probability, ratios = all_batches(setting, n)
    weights = pg.weighted(estimator, batches.episodes, ratios, **options)
    estimates = pg.gradient_estimate(setting[2], batches, weights)
    return (probability[:, None, None] * estimates).sum(0)


@pytest.mark.parametrize("correction", ["trajectory", "decision"])
@pytest.mark.parametrize(
    ("estimator", "n"),
    [(pg.total_return, 1), (pg.reward_to_go, 1), (pg.leave_one_out_baseline, 2)],
)
def test_importance_weights_make_other_data_unbiased(setting, estimator, n, correction):
    mdp, _, target = setting
    exact = pg.exact_gradient(mdp, target)
    found = expectation(setting, estimator, n, correction=correction)
    assert (found - exact).abs().max() < 1e-10


def test_without_them_or_with_a_clip_the_estimate_is_biased(setting):
    mdp, _, target = setting
    exact = pg.exact_gradient(mdp, target)
    for options in ({"correction": "none"}, {"correction": "trajectory", "clip": 1.2}):
        found = expectation(setting, pg.reward_to_go, 1, **options)
        assert (found - exact).norm() > 0.05 * exact.norm()


def test_ratios_have_mean_one_at_every_step(setting):
    _, probability, ratios = all_batches(setting, 1)
    assert torch.allclose(probability @ ratios[:, 0], torch.ones(3, dtype=torch.double))


def test_per_decision_varies_less_where_episodes_are_long():
    """The ratio of the whole episode multiplies even the first reward, which came long before."""
    mdp = pg.bandit([0.2, 0.9], rounds=6)
    behaviour = torch.zeros(3, 2, dtype=torch.double)
    target = torch.tensor([[-0.7, 0.7]] * 3, dtype=torch.double)
    variance = {}
    for correction in ("trajectory", "decision"):
        batches, probability, ratios = all_batches((mdp, behaviour, target), 1)
        weights = pg.weighted(pg.reward_to_go, batches.episodes, ratios, correction=correction)
        estimates = pg.gradient_estimate(target, batches, weights)
        mean = (probability[:, None, None] * estimates).sum(0)
        assert torch.allclose(mean, pg.exact_gradient(mdp, target))
        variance[correction] = float(probability @ (estimates - mean).square().sum((-2, -1)))
    assert variance["decision"] < 0.9 * variance["trajectory"]


def test_on_policy_the_corrections_change_nothing(setting):
    mdp, behaviour, _ = setting
    data = pg.sample(mdp, behaviour, 6, seed=0)
    log_p = pg.log_policy(behaviour, data)
    ratios = pg.importance_ratios(log_p, log_p, data.episodes)
    plain = pg.leave_one_out_baseline(data.episodes)
    for correction in ("none", "trajectory", "decision"):
        found = pg.weighted(pg.leave_one_out_baseline, data.episodes, ratios, correction=correction)
        assert torch.allclose(found, plain)


def test_the_effective_sample_size_by_hand():
    weights = torch.tensor([[1.0, 1, 1, 1], [1, 0, 0, 0], [3, 1, 0, 0], [1e30, 1e30, 0, 0]])
    found = pg.effective_sample_size(weights)
    assert torch.allclose(found, torch.tensor([4.0, 1.0, 1.6, 2.0]))
    assert torch.allclose(pg.effective_sample_size(1e-30 * weights[:3]), found[:3])


# ----- learning


def test_all_data_of_a_uniform_policy_uncorrected_learn_the_rewards_and_not_the_best_arm():
    """Uncorrected, what is maximised is the mean of r log pi: pi becomes proportional to r."""
    mdp, rewards = pg.bandit([0.2, 0.5, 0.9]), torch.tensor([0.2, 0.5, 0.9])
    shares = {}
    for correction in ("none", "trajectory"):
        scheme = pg.Scheme(stay=True, correction=correction)
        curve = pg.learn(
            mdp, scheme, budget=3200, n_episodes=32, estimator=pg.total_return, n_seeds=30
        )
        shares[correction] = curve.theta[:, 0].softmax(-1).mean(0)
    assert torch.allclose(shares["none"], (rewards / rewards.sum()).double(), atol=0.03)
    assert shares["trajectory"][2] > 0.95


@pytest.fixture(scope="module")
def curves():
    return pg.compare_schemes(pg.corridor(), budget=400, rate=2.0, n_seeds=100)


def test_reuse_without_care_gets_stuck_and_clipped_weights_make_it_pay(curves):
    final = {name: curve.returns[:, -1] for name, curve in curves.items()}
    fresh, reused, weighted, clipped = (final[name] for name in pg.SCHEMES)
    # at the near exit the return is at most 0.35
    stuck = {name: float((returns < 0.45).double().mean()) for name, returns in final.items()}
    assert clipped.mean() > fresh.mean() + 0.05
    assert clipped.mean() > reused.mean() + 0.04
    assert stuck["reused, uncorrected"] > 2 * stuck["reused, clipped weights"]
    # weights without a limit are right on average, and single runs collapse below the start
    assert weighted.min() < 0.1 < 0.3 < fresh.min()
    assert clipped.std() < weighted.std()


def test_reuse_learns_faster_at_first(curves):
    early = {name: float(curve.returns[:, 10].mean()) for name, curve in curves.items()}
    assert all(early[name] > early["fresh data"] + 0.04 for name in list(curves)[1:])


def test_the_effective_sample_size_falls_with_reuse_only(curves):
    assert curves["fresh data"].effective_sample_size.min() == 1
    for name in list(curves)[1:]:
        found = curves[name].effective_sample_size
        assert 0 < found.min() < 0.5
        assert found.max() <= 1 + 1e-12


def test_all_get_the_same_number_of_environment_steps(curves):
    for curve in curves.values():
        assert torch.equal(curve.steps, torch.linspace(0, 400, 51, dtype=torch.double))
        assert curve.returns.shape == (100, 51)
        start = pg.expected_return(pg.corridor(), torch.zeros(5, 2))
        assert torch.allclose(curve.returns[:, 0], start)
        final = pg.expected_return(pg.corridor(), curve.theta)
        assert torch.allclose(curve.returns[:, -1], final)


def test_a_curve_shows_only_what_had_been_collected_by_then():
    """Batches of eight steps: the first change is at step 8, the last batch ends at 24 of 30."""
    curve = pg.learn(pg.bandit([0.0, 1.0]), pg.Scheme(), budget=30, points=30, n_seeds=5)
    changes = (curve.returns.diff(dim=1) != 0).any(0).nonzero().flatten() + 1
    assert changes.tolist() == [8, 16, 24]


def test_the_seed_decides_and_the_first_policy_is_where_it_starts():
    mdp, theta = pg.bandit([0.0, 1.0]), torch.tensor([[1.0, 0], [0, 0], [0, 0]])
    a, b, c = (
        pg.learn(mdp, pg.Scheme(), budget=80, n_seeds=3, theta=theta, seed=seed)
        for seed in (0, 0, 1)
    )
    assert torch.equal(a.returns, b.returns)
    assert not torch.equal(a.returns, c.returns)
    assert torch.allclose(a.returns[:, 0], pg.expected_return(mdp, theta))


# ----- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"uses": 0}, "uses is 0; each batch must be used at least once"),
        ({"correction": "all"}, "correction is 'all'; it is 'none', 'trajectory' or 'decision'"),
        ({"correction": "trajectory", "clip": 0.0}, r"clip is 0\.0; it must be positive"),
        ({"correction": "trajectory", "clip": math.nan}, "clip is nan; it must be positive"),
        ({"clip": 2.0}, "no importance weight to clip without a correction"),
    ],
)
def test_bad_schemes(unchecked, options, message):
    with pytest.raises(ValueError, match=message):
        unchecked(module).Scheme(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 31}, "a budget of 31 steps is too small for 8 episodes of up to 4 steps"),
        ({"rate": 0.0}, r"rate is 0\.0; it must be positive"),
        ({"n_seeds": 0}, "n_seeds is 0"),
        ({"points": 0}, "points is 0"),
        ({"n_episodes": 1}, "leave-one-out needs at least two episodes"),
        ({"theta": torch.zeros(4, 2)}, "theta has shape"),
    ],
)
def test_bad_runs(options, message):
    with pytest.raises(ValueError, match=message):
        pg.learn(pg.corridor(), pg.Scheme(), **{"budget": 100, **options})


def test_bad_weights(unchecked):
    raw, episodes = unchecked(module), pg.Episodes(torch.ones(2, 3))
    with pytest.raises(ValueError, match="there are no weights"):
        raw.effective_sample_size(torch.ones(0))
    with pytest.raises(ValueError, match="a weight is negative, NaN or infinite"):
        raw.effective_sample_size(torch.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="all weights of a batch are zero"):
        raw.effective_sample_size(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"ratios have shape \(2, 2\), the episodes \(2, 3\)"):
        raw.weighted(pg.reward_to_go, episodes, torch.ones(2, 2))
    with pytest.raises(
        ValueError, match=r"log_behaviour has shape \(2, 2\), the episodes \(2, 3\)"
    ):
        raw.importance_ratios(torch.zeros(2, 3), torch.zeros(2, 2), episodes)
    with pytest.raises(ValueError, match="log_target is not finite for an action taken"):
        raw.importance_ratios(torch.full((2, 3), -math.inf), torch.zeros(2, 3), episodes)
