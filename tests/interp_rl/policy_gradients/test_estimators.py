"""Each estimator against loops over the definition, and against the exact gradient."""

import math
from functools import partial

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.policy_gradients import estimators as module

LENGTHS = [5, 1, 3, 2]
TERMINATED = [True, False, False, True]
WITH_DISCOUNT = [
    pg.total_return,
    pg.reward_to_go,
    pg.batch_mean_baseline,
    pg.leave_one_out_baseline,
    pg.value_baseline,
    pg.gae,
    pg.standardised,
]


@pytest.fixture(scope="module")
def episodes():
    """Episodes of all kinds, with junk in the padding."""
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(4, 5, generator=generator, dtype=torch.double)
    values = torch.randn(4, 6, generator=generator, dtype=torch.double)
    mask = torch.arange(5) < torch.tensor(LENGTHS)[:, None]
    return pg.Episodes(rewards, mask, torch.tensor(TERMINATED), values)


def to_go(episodes, i, t, discount):
    rewards = episodes.rewards[i, : LENGTHS[i]].tolist()
    return sum(discount ** (k - t) * r for k, r in enumerate(rewards) if k >= t)


def advantage_by_definition(episodes, i, t, discount, lam):
    """The exponentially weighted mean of the k-step advantages (Schulman et al. 2015, Eq. 16)."""
    rewards = episodes.rewards[i, : LENGTHS[i]].tolist()
    values = episodes.values[i, : LENGTHS[i] + 1].tolist()
    if TERMINATED[i]:
        values[-1] = 0
    left = LENGTHS[i] - t
    total = 0
    for k in range(1, left + 1):
        k_step = sum(discount**m * rewards[t + m] for m in range(k))
        k_step += discount**k * values[t + k] - values[t]
        # the weights of all longer ones, which do not exist, go to the longest
        total += (lam ** (k - 1) * (1 - lam) if k < left else lam ** (k - 1)) * k_step
    return total


def expected_weights(episodes, weight):
    table = torch.zeros(4, 5, dtype=torch.double)
    for i, length in enumerate(LENGTHS):
        for t in range(length):
            table[i, t] = weight(i, t)
    return table


def same(a, b):
    return torch.allclose(a, b, atol=1e-12, rtol=0)


@pytest.mark.parametrize("discount", [1.0, 0.7, 0.0])
class TestAgainstTheDefinition:
    def test_total_return(self, episodes, discount):
        expected = expected_weights(episodes, lambda i, t: to_go(episodes, i, 0, discount))
        assert same(pg.total_return(episodes, discount=discount), expected)

    def test_reward_to_go(self, episodes, discount):
        expected = expected_weights(episodes, lambda i, t: to_go(episodes, i, t, discount))
        assert same(pg.reward_to_go(episodes, discount=discount), expected)

    @pytest.mark.parametrize("left_out", [False, True])
    def test_baselines_from_the_batch(self, episodes, discount, left_out):
        def weight(i, t):
            running = [j for j in range(4) if LENGTHS[j] > t and not (left_out and j == i)]
            others = [to_go(episodes, j, t, discount) for j in running]
            return to_go(episodes, i, t, discount) - sum(others) / max(len(others), 1)

        estimator = pg.leave_one_out_baseline if left_out else pg.batch_mean_baseline
        expected = expected_weights(episodes, weight)
        assert same(estimator(episodes, discount=discount), expected)

    @pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
    def test_gae(self, episodes, discount, lam):
        expected = expected_weights(
            episodes, lambda i, t: advantage_by_definition(episodes, i, t, discount, lam)
        )
        assert same(pg.gae(episodes, discount=discount, lam=lam), expected)

    def test_value_baseline_bootstraps_only_after_a_truncation(self, episodes, discount):
        def weight(i, t):
            left = LENGTHS[i] - t
            tail = 0 if TERMINATED[i] else discount**left * episodes.values[i, LENGTHS[i]]
            return to_go(episodes, i, t, discount) + tail - episodes.values[i, t]

        expected = expected_weights(episodes, weight)
        assert same(pg.value_baseline(episodes, discount=discount), expected)

    def test_standardised(self, episodes, discount):
        centred = pg.batch_mean_baseline(episodes, discount=discount)
        deviation = centred[episodes.taken].std(correction=0)
        found = pg.standardised(episodes, discount=discount, epsilon=0.0)
        assert same(found, centred / deviation)


def test_the_value_after_a_termination_is_never_used(episodes):
    values = episodes.values.clone()
    for i, length in enumerate(LENGTHS):
        values[i, length] += 100
    changed = pg.Episodes(episodes.rewards, episodes.taken, episodes.terminated, values)
    moved = ~torch.isclose(pg.gae(changed), pg.gae(episodes)).all(-1)
    assert moved.tolist() == [not end for end in TERMINATED]


def test_segments_of_several_episodes_are_cut_where_episodes_end():
    """One row: an episode that terminates, one that is truncated, and the start of a third."""
    generator = torch.Generator().manual_seed(1)
    rewards, values, after = torch.randn(3, 7, generator=generator, dtype=torch.double)
    terminated = torch.tensor([0, 1, 0, 0, 0, 0, 0], dtype=torch.bool)
    ends = torch.tensor([0, 1, 0, 0, 1, 0, 1], dtype=torch.bool)
    # within an episode, the state reached is the state of the next step
    after[:-1] = torch.where(ends[:-1], after[:-1], values[1:])
    after[1] = float("nan")
    errors = pg.td_errors(rewards, values, after, terminated, discount=0.9)
    found = pg.discounted_sums(errors, ends, 0.9 * 0.8)
    parts = []
    for first, last in ((0, 2), (2, 5), (5, 7)):
        of_states = torch.cat([values[first:last], after[last - 1 : last].nan_to_num()])
        alone = pg.Episodes(
            rewards[None, first:last],
            terminated=terminated[None, last - 1],
            values=of_states[None],
        )
        parts.append(pg.gae(alone, discount=0.9, lam=0.8)[0])
    assert same(found, torch.cat(parts))


def test_leading_batches_are_independent(episodes):
    twice = pg.Episodes(
        torch.stack([episodes.rewards, 3 * episodes.rewards]),
        torch.stack([episodes.taken] * 2),
        torch.stack([episodes.terminated] * 2),
        torch.stack([episodes.values, 3 * episodes.values]),
    )
    for estimator in WITH_DISCOUNT:
        alone = estimator(episodes)
        factor = 1 if estimator is pg.standardised else 3
        assert torch.allclose(estimator(twice), torch.stack([alone, factor * alone]))


def test_leave_one_out_is_the_batch_mean_times_n_over_n_minus_1():
    rewards = torch.randn(6, 3, generator=torch.Generator().manual_seed(2), dtype=torch.double)
    episodes = pg.Episodes(rewards)
    expected = pg.batch_mean_baseline(episodes) * 6 / 5
    assert same(pg.leave_one_out_baseline(episodes), expected)


def test_a_single_episode_and_equal_returns():
    assert pg.batch_mean_baseline(pg.Episodes(torch.randn(1, 3))).abs().max() == 0
    assert pg.standardised(pg.Episodes(torch.ones(4, 3))).abs().max() == 0


def test_a_critic_fitted_to_the_same_batch_is_the_batch_mean():
    """So it leaks, and shrinks the gradient alike."""
    mdp = pg.bandit([0.2, 0.5, 0.9])
    theta = torch.zeros(3, 3, dtype=torch.double)
    drawn = pg.sample(mdp, theta, 5, seed=0)
    leaking = drawn.with_values(pg.fit_values(drawn, mdp.n_states))
    assert same(pg.value_baseline(leaking.episodes), pg.batch_mean_baseline(drawn.episodes))


# ----- expectation, by enumeration


@pytest.fixture(scope="module")
def walk():
    """A corridor whose episodes differ in length, and a policy that is not symmetric."""
    mdp = pg.corridor(horizon=3)
    generator = torch.Generator().manual_seed(3)
    return mdp, torch.randn(5, 2, generator=generator, dtype=torch.double)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    "estimator",
    [pg.total_return, pg.reward_to_go, pg.leave_one_out_baseline, pg.value_baseline],
)
def test_unbiased_estimators_have_the_gradient_as_their_expectation(walk, estimator, n):
    """The learned baseline too, however wrong its values are."""
    if estimator is pg.leave_one_out_baseline and n == 1:
        n = 3
    wrong = torch.randn(4, 5, generator=torch.Generator().manual_seed(4), dtype=torch.double)
    expected = pg.exact_expectation(*walk, estimator, n, values=wrong)
    assert (expected - pg.exact_gradient(*walk)).abs().max() < 1e-10


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_gae_is_unbiased_with_the_exact_values(walk, lam):
    values = pg.exact_values(*walk)
    expected = pg.exact_expectation(*walk, partial(pg.gae, lam=lam), 1, values=values)
    assert (expected - pg.exact_gradient(*walk)).abs().max() < 1e-10


def test_gae_with_wrong_values_is_more_biased_for_smaller_lambda(walk):
    values = torch.zeros(4, 5, dtype=torch.double)
    exact = pg.exact_gradient(*walk)
    biases = [
        float(
            (pg.exact_expectation(*walk, partial(pg.gae, lam=lam), 1, values=values) - exact).norm()
        )
        for lam in (0.0, 0.5, 1.0)
    ]
    assert biases[0] > 1.2 * biases[1] > 0.1 * float(exact.norm())
    assert biases[2] < 1e-10


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("rounds", [1, 2])
def test_the_batch_mean_leaves_n_minus_1_of_n_of_the_gradient(n, rounds):
    mdp = pg.bandit([0.2, 0.5, 0.9], rounds=rounds)
    theta = torch.linspace(-1, 1, 9, dtype=torch.double).reshape(3, 3)
    expected = pg.exact_expectation(mdp, theta, pg.batch_mean_baseline, n)
    assert (expected - (n - 1) / n * pg.exact_gradient(mdp, theta)).abs().max() < 1e-10


@pytest.mark.parametrize("n", [2, 3])
def test_with_unequal_lengths_each_step_shrinks_by_how_many_still_run(walk, n):
    mdp, theta = walk
    every, log_environment = pg.enumerate_trajectories(mdp)
    probability = (log_environment + pg.log_policy(theta, every).sum(-1)).exp()
    taken = every.episodes.taken
    expected = torch.zeros(5, 2, dtype=torch.double)
    for t in range(mdp.horizon):
        running = float((probability * taken[:, t]).sum())
        # of the n-1 others, k still run with binomial probability; then 1 - 1/(k+1) is left
        factor = sum(
            math.comb(n - 1, k) * running**k * (1 - running) ** (n - 1 - k) * (1 - 1 / (k + 1))
            for k in range(n)
        )
        at_t = pg.reward_to_go(every.episodes) * (torch.arange(mdp.horizon) == t)
        step = pg.scores(theta, every, at_t)
        expected += factor * (probability[:, None, None] * step).sum(0)
    found = pg.exact_expectation(mdp, theta, pg.batch_mean_baseline, n)
    assert (found - expected).abs().max() < 1e-10


def test_the_discounted_gradient_needs_the_discount_from_the_start(walk):
    def from_the_start(episodes, *, discount):
        return pg.start_discount(episodes, discount) * pg.reward_to_go(episodes, discount=discount)

    exact = pg.exact_gradient(*walk, discount=0.6)
    right = pg.exact_expectation(*walk, from_the_start, 1, discount=0.6)
    usual = pg.exact_expectation(*walk, pg.reward_to_go, 1, discount=0.6)
    assert (right - exact).abs().max() < 1e-10
    assert (usual - exact).norm() > 0.1 * exact.norm()


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_with_exact_values_a_truncated_walk_has_advantages_of_mean_zero(walk, lam):
    """Cut after two of three steps; called a termination, the rewards cut off are missed."""
    mdp, theta = walk
    short = pg.TabularMDP(mdp.transitions, mdp.rewards, mdp.start, mdp.terminal, horizon=2)
    every, log_environment = pg.enumerate_trajectories(short)
    probability = (log_environment + pg.log_policy(theta, every).sum(-1)).exp()
    table = pg.exact_values(mdp, theta)

    def mean_advantages(terminated):
        rewards, mask = every.episodes.rewards, every.episodes.taken
        values = every.with_values(table).episodes.values
        weights = pg.gae(pg.Episodes(rewards, mask, terminated, values), lam=lam)
        return probability @ weights

    ended = mdp.terminal[every.states[:, -1]]
    assert mean_advantages(ended).abs().max() < 1e-10
    assert mean_advantages(torch.ones_like(ended)).abs().max() > 0.01


# ----- bad input


@pytest.mark.parametrize("estimator", WITH_DISCOUNT)
@pytest.mark.parametrize("discount", [-0.1, 1.1, float("nan")])
def test_a_discount_out_of_range(episodes, estimator, discount):
    with pytest.raises(ValueError, match=rf"discount is {discount}; it must lie between 0 and 1"):
        estimator(episodes, discount=discount)


def test_leave_one_out_of_one_episode():
    with pytest.raises(ValueError, match="needs at least two episodes, and there is one"):
        pg.leave_one_out_baseline(pg.Episodes(torch.ones(1, 3)))


@pytest.mark.parametrize("estimator", [pg.value_baseline, pg.gae])
def test_no_critic(estimator):
    with pytest.raises(ValueError, match="the episodes have no values"):
        estimator(pg.Episodes(torch.ones(2, 3)))


def test_lambda_out_of_range(episodes):
    with pytest.raises(ValueError, match=r"lam is 1\.5; it must lie between 0 and 1"):
        pg.gae(episodes, lam=1.5)


def test_pieces_that_do_not_fit(unchecked):
    two, three, no = torch.ones(2), torch.ones(3), torch.zeros(2, dtype=torch.bool)
    with pytest.raises(ValueError, match="differ in shape"):
        unchecked(module).td_errors(two, two, three, no)
    with pytest.raises(ValueError, match=r"steps have shape \(3,\), ends \(2,\)"):
        unchecked(module).discounted_sums(three, no, 1.0)
    with pytest.raises(ValueError, match=r"factor is 2\.0"):
        pg.discounted_sums(two, no, 2.0)
    with pytest.raises(ValueError, match=r"discount is -1\.0"):
        pg.start_discount(pg.Episodes(torch.ones(2, 3)), -1.0)
