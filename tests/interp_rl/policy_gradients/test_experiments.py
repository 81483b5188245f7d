"""The measurements against what enumeration says, and the claims the book makes of them."""

from itertools import pairwise

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.policy_gradients import experiments as module

UNBIASED = ["total return", "reward-to-go", "leave-one-out baseline", "learned value baseline"]


@pytest.fixture(scope="module")
def rounds():
    """Four rounds of a Bernoulli bandit with three arms, and a policy that is not uniform."""
    theta = torch.linspace(-0.5, 0.5, 9, dtype=torch.double).reshape(3, 3)
    return pg.bandit([0.2, 0.5, 0.9], bernoulli=True, rounds=4), theta


@pytest.fixture(scope="module")
def once():
    """One decision between three arms with rewards that do not vary."""
    theta = torch.tensor([[0.3, 0.0, -0.3], [0, 0, 0], [0, 0, 0]], dtype=torch.double)
    return pg.bandit([0.2, 0.5, 0.9]), theta


@pytest.fixture(scope="module")
def compared(rounds):
    return pg.compare(*rounds, 8, batches=3000)


def test_the_unbiased_ones_are_right_within_their_intervals(compared):
    for name in UNBIASED:
        found = compared[name]
        assert 1 in pg.Estimate(found.scale.value, *widened(found.scale))
        assert found.largest_z < 4.5
        assert found.relative_bias < 2.5 * found.noise
        assert found.cosine > 0.99


def widened(interval):
    """The interval for 4 standard errors in place of 1.96."""
    half = (interval.high - interval.low) / 2 * 4 / 1.96
    return interval.value - half, interval.value + half


def test_the_batch_mean_and_standardisation_are_seen_to_be_biased(compared):
    shrunk, standardised = compared["batch-mean baseline"], compared["standardised"]
    assert shrunk.largest_z > 6
    assert standardised.largest_z > 6
    low, high = widened(shrunk.scale)
    assert low < 7 / 8 < high < 1
    assert standardised.scale.low > 1.05


def test_each_step_of_the_ladder_lowers_the_variance(compared):
    ladder = ["total return", "reward-to-go", "leave-one-out baseline", "GAE (lambda 0.9)"]
    for worse, better in pairwise(ladder):
        assert compared[better].variance.high < compared[worse].variance.low


def test_reward_to_go_does_not_always_help():
    """In the corridor the cost of past steps acts as a baseline, and leaving it out hurts a bit."""
    mdp, theta = pg.corridor(), torch.zeros(5, 2, dtype=torch.double)
    total, to_go = (
        pg.measure(mdp, theta, estimator, 8, batches=3000).variance.value
        for estimator in (pg.total_return, pg.reward_to_go)
    )
    assert to_go > 1.02 * total


def test_what_is_measured_agrees_with_enumeration(once):
    found = pg.measure(*once, pg.standardised, 4, batches=20_000)
    exact = pg.exact_expectation(*once, pg.standardised, 4)
    z = (found.expected - exact)[0] / found.standard_error[0]
    assert z.abs().max() < 4.5
    assert torch.allclose(found.exact, pg.exact_gradient(*once))


def test_the_variance_of_a_batch_is_that_of_one_episode_over_n(once):
    """By enumeration for one episode, by sampling for a batch of 5."""
    mdp, theta = once
    every, log_environment = pg.enumerate_trajectories(mdp)
    probability = (log_environment + pg.log_policy(theta, every).sum(-1)).exp()
    single = pg.scores(theta, every, pg.total_return(every.episodes))
    distance = (single - pg.exact_gradient(mdp, theta)).square().sum((-2, -1))
    found = pg.measure(mdp, theta, pg.total_return, 5, batches=20_000).variance
    low, high = widened(found)
    assert low < float(probability @ distance) / 5 < high


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_the_batch_mean_shrinks_by_n_minus_1_over_n(rounds, n):
    (found,) = pg.shrinkage(*rounds, sizes=[n], batches=3000)
    assert found.predicted == (n - 1) / n
    low, high = widened(found.batch_mean)
    assert low < found.predicted < high < 1
    low, high = widened(found.leave_one_out)
    assert low < 1 < high


def test_standardisation_changes_scale_and_direction(once):
    found = pg.standardisation(*once)
    assert [result.n_episodes for result in found] == [2, 4, 6]
    for result in found:
        assert result.scale > 1.9
        assert result.relative_bias > 1
        assert 0.98 < result.cosine < 0.999
    # the tilt is an effect of small batches; the scale tends to one over the deviation
    assert found[-1].cosine > found[0].cosine
    mdp, theta = once
    p, reward = theta[0].softmax(-1), torch.tensor([0.2, 0.5, 0.9], dtype=torch.double)
    deviation = float((p @ reward**2 - (p @ reward) ** 2).sqrt())
    large = pg.measure(mdp, theta, pg.standardised, 200, batches=1000)
    assert large.scale.value == pytest.approx(1 / deviation, rel=0.02)
    assert large.cosine > 0.9995


def test_standardised_steps_do_not_depend_on_the_scale_of_rewards(once):
    _, theta = once
    small, large = (
        pg.exact_expectation(pg.bandit(means), theta, pg.standardised, 3)
        for means in ([0.2, 0.5, 0.9], [20.0, 50.0, 90.0])
    )
    assert torch.allclose(small, large, rtol=1e-6)


def test_the_critic_is_the_mean_reward_to_go_of_state_and_time(rounds):
    mdp, theta = rounds
    drawn = pg.sample(mdp, theta, 3000, seed=0)
    table = pg.fit_values(drawn, mdp.n_states)
    seen = drawn.states[:, 2] == 1
    expected = pg.reward_to_go(drawn.episodes)[seen, 2].mean()
    assert float(table[2, 1]) == pytest.approx(float(expected))
    exact = pg.exact_values(mdp, theta)
    reachable = table != 0
    # unreachable are states 1 and 2 at the start, 0 later on; nothing follows at the end
    assert reachable.sum() == 1 + 3 * 2
    assert (table - exact)[reachable].abs().max() < 0.12


def test_the_same_seed_gives_the_same_data_to_all(rounds):
    a, b = (pg.measure(*rounds, pg.reward_to_go, 2, batches=100, seed=1) for _ in range(2))
    other = pg.measure(*rounds, pg.reward_to_go, 2, batches=100, seed=2)
    assert torch.equal(a.expected, b.expected)
    assert not torch.equal(a.expected, other.expected)


def test_intervals_cover_as_often_as_they_say():
    samples = -torch.rand(500, 400, generator=torch.Generator().manual_seed(1)).log()
    covered = sum(1.0 in pg.mean_interval(sample) for sample in samples)
    assert 0.92 < covered / 500 < 0.98


def test_estimates_read_well():
    assert str(pg.Estimate(1.0, 0.95, 1.05)) == "1.000 [0.950, 1.050]"
    assert 0.9 not in pg.Estimate(1.0, 0.95, 1.05)


def test_cosines():
    a = torch.tensor([1.0, 0.0])
    assert pg.cosine(a, 5 * a) == pytest.approx(1)
    assert pg.cosine(a, torch.tensor([0.0, 2.0])) == pytest.approx(0)


# ----- bad input


def test_bad_measurements(rounds, once):
    with pytest.raises(ValueError, match="99 batches are too few"):
        pg.measure(*rounds, pg.reward_to_go, 2, batches=99)
    with pytest.raises(ValueError, match="leave-one-out needs at least two episodes"):
        pg.shrinkage(*once, sizes=[1], batches=100)
    with pytest.raises(ValueError, match="the gradient is zero here"):
        pg.measure(pg.bandit([0.5, 0.5]), torch.zeros(3, 2), pg.reward_to_go, 2, batches=100)
    with pytest.raises(ValueError, match="the trajectories reach state 2, and there are 2 states"):
        pg.fit_values(pg.sample(*rounds, 50, seed=0), 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.ones(1), "at least two values in one row"),
        (torch.ones(2, 2), "at least two values in one row"),
        (torch.tensor([1.0, float("nan")]), "1 of the values are NaN"),
    ],
)
def test_bad_intervals(unchecked, values, message):
    with pytest.raises(ValueError, match=message):
        unchecked(module).mean_interval(values)
