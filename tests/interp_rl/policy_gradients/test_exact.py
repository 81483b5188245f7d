"""The exact gradient two ways, the sampler against the enumeration, the scores against autograd."""

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.policy_gradients import exact as module


def random_mdp(seed=0, *, horizon=3):
    """Three states, two actions, everything possible, the last state terminal."""
    generator = torch.Generator().manual_seed(seed)
    transitions = torch.rand(3, 2, 3, generator=generator, dtype=torch.double)
    rewards = torch.randn(3, 2, 3, generator=generator, dtype=torch.double)
    start = torch.tensor([0.3, 0.7, 0.0])
    terminal = torch.tensor([False, False, True])
    normal = transitions / transitions.sum(-1, keepdim=True)
    return pg.TabularMDP(normal, rewards, start, terminal, horizon)


SETTINGS = {
    "bandit": pg.bandit([0.2, 0.5, 0.9]),
    "Bernoulli bandit": pg.bandit([0.2, 0.5, 0.9], bernoulli=True),
    "three rounds": pg.bandit([0.2, 0.9], bernoulli=True, rounds=3),
    "corridor": pg.corridor(),
    "random": random_mdp(),
}


def policy(mdp, seed=0, batch=()):
    generator = torch.Generator().manual_seed(seed)
    shape = (*batch, mdp.n_states, mdp.n_actions)
    return torch.randn(shape, generator=generator, dtype=torch.double)


def probabilities(mdp, theta):
    every, log_environment = pg.enumerate_trajectories(mdp)
    return every, (log_environment + pg.log_policy(theta, every).sum(-1)).exp()


@pytest.mark.parametrize("discount", [1.0, 0.7])
@pytest.mark.parametrize("name", SETTINGS)
class TestTwoWays:
    def test_the_gradient_by_enumeration_is_that_of_autograd(self, name, discount):
        mdp = SETTINGS[name]
        theta = policy(mdp).requires_grad_()
        (gradient,) = torch.autograd.grad(pg.expected_return(mdp, theta, discount=discount), theta)
        found = pg.exact_gradient(mdp, theta.detach(), discount=discount)
        assert found.norm() > 1e-3
        assert (found - gradient).abs().max() < 1e-10

    def test_the_expected_return_is_the_mean_over_all_trajectories(self, name, discount):
        mdp = SETTINGS[name]
        every, probability = probabilities(mdp, policy(mdp))
        returns = pg.total_return(every.episodes, discount=discount)[:, 0]
        expected = float(pg.expected_return(mdp, policy(mdp), discount=discount))
        assert float(probability @ returns) == pytest.approx(expected, abs=1e-10)
        assert float(probability.sum()) == pytest.approx(1, abs=1e-12)


def test_a_bandit_by_hand():
    mdp, theta = pg.bandit([1.0, 0.0]), torch.zeros(3, 2, dtype=torch.double)
    theta[0, 0] = 1.0
    p = float(torch.tensor(1.0).double().sigmoid())
    assert float(pg.expected_return(mdp, theta)) == pytest.approx(p)
    expected = torch.tensor([[p * (1 - p), -p * (1 - p)], [0, 0], [0, 0]], dtype=torch.double)
    assert torch.allclose(pg.exact_gradient(mdp, theta), expected)


def test_the_corridor_by_hand():
    """Always right without slipping: three steps at -0.05, and 1 at the far exit."""
    right = torch.tensor([[0.0, 50.0]] * 5)
    assert float(pg.expected_return(pg.corridor(slip=0.0), right)) == pytest.approx(0.85)
    assert float(pg.expected_return(pg.corridor(slip=0.0), -right)) == pytest.approx(0.35)


def test_many_policies_at_once():
    mdp = SETTINGS["corridor"]
    thetas = policy(mdp, batch=(3,))
    alone = torch.stack([pg.expected_return(mdp, theta) for theta in thetas])
    assert torch.allclose(pg.expected_return(mdp, thetas), alone)
    drawn = pg.sample(mdp, thetas, 4, seed=0)
    assert drawn.actions.shape == (3, 4, mdp.horizon)
    found = pg.log_policy(thetas, drawn)
    weights = torch.ones_like(found)
    gradients = pg.gradient_estimate(thetas, drawn, weights)
    for i, theta in enumerate(thetas):
        one = pg.Trajectories(
            drawn.actions[i],
            drawn.states[i],
            pg.Episodes(drawn.episodes.rewards[i], drawn.episodes.taken[i]),
        )
        assert torch.allclose(found[i], pg.log_policy(theta, one))
        assert torch.allclose(gradients[i], pg.gradient_estimate(theta, one, weights[i]))


def test_scores_are_what_autograd_finds():
    mdp = SETTINGS["random"]
    theta = policy(mdp).requires_grad_()
    drawn = pg.sample(mdp, theta.detach(), 5, seed=1)
    weights = torch.randn(drawn.actions.shape, generator=torch.Generator().manual_seed(2)).double()
    found = pg.scores(theta.detach(), drawn, weights)
    summed = (weights * pg.log_policy(theta, drawn)).sum(-1)
    for i in range(5):
        (expected,) = torch.autograd.grad(summed[i], theta, retain_graph=True)
        assert torch.allclose(found[i], expected, atol=1e-12)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_sampler_draws_every_trajectory_as_often_as_it_should(name):
    mdp, n = SETTINGS[name], 20_000
    every, probability = probabilities(mdp, policy(mdp))
    drawn = pg.sample(mdp, policy(mdp), n, seed=3)

    def key(trajectories):
        return torch.cat([trajectories.states, trajectories.actions], -1)

    order = {tuple(row): i for i, row in enumerate(key(every).tolist())}
    found = torch.tensor([order[tuple(row)] for row in key(drawn).tolist()])
    counts = found.bincount(minlength=len(order)).double()
    spread = (n * probability * (1 - probability)).sqrt()
    # rare ones are not normal: they get a margin of a few counts besides
    assert ((counts - n * probability).abs() < 4.5 * spread + 5).all()
    assert torch.equal(drawn.episodes.rewards, every.episodes.rewards[found])
    assert torch.equal(drawn.episodes.taken, every.episodes.taken[found])
    assert drawn.episodes.terminated.all()


def test_the_seed_decides():
    mdp = SETTINGS["corridor"]
    a, b, c = (pg.sample(mdp, policy(mdp), 50, seed=seed).actions for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    generator = torch.Generator().manual_seed(0)
    first, second = (pg.sample(mdp, policy(mdp), 50, seed=generator).actions for _ in range(2))
    assert torch.equal(first, a)
    assert not torch.equal(second, a)


def test_batches_are_independent_draws():
    mdp = SETTINGS["corridor"]
    drawn = pg.sample(mdp, policy(mdp), 3, seed=0, batches=40)
    assert drawn.actions.shape == (40, 3, 4)
    assert len(drawn.actions.flatten(1).unique(dim=0)) > 20


def test_a_walk_cut_short_is_truncated_unless_it_has_arrived():
    mdp = SETTINGS["corridor"]
    drawn = pg.sample(mdp, policy(mdp), 200, seed=0, max_steps=2)
    assert drawn.actions.shape == (200, 2)
    arrived = mdp.terminal[drawn.states[:, -1]]
    assert 0 < arrived.sum() < 200
    assert torch.equal(drawn.episodes.terminated, arrived)


def test_in_the_padding_nothing_happens():
    mdp = SETTINGS["corridor"]
    drawn = pg.sample(mdp, policy(mdp), 200, seed=0)
    padding = ~drawn.episodes.taken
    assert padding.any()
    assert (drawn.actions[padding] == 0).all()
    assert (drawn.episodes.rewards[padding] == 0).all()
    assert mdp.terminal[drawn.states[:, :-1][padding]].all()
    assert (pg.log_policy(policy(mdp), drawn)[padding] == 0).all()


# ----- bad input


def changed(mdp, **parts):
    names = ("transitions", "rewards", "start", "terminal", "horizon")
    return {name: getattr(mdp, name) for name in names} | parts


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"transitions": torch.ones(3, 2)}, r"transitions have shape \(3, 2\)"),
        ({"rewards": torch.ones(3, 2, 2)}, r"rewards has shape \(3, 2, 2\), and transitions ask"),
        ({"start": torch.ones(2) / 2}, r"start has shape \(2,\)"),
        ({"start": torch.tensor([0.5, 0.6, 0.0])}, "start must be probabilities"),
        ({"transitions": torch.ones(3, 2, 3)}, "transitions must be probabilities"),
        ({"rewards": torch.full((3, 2, 3), float("nan"))}, "18 rewards are not finite"),
        ({"start": torch.tensor([0.0, 0.0, 1.0])}, "may start in a terminal state"),
        ({"horizon": 0}, "the horizon is 0; it must be at least 1"),
    ],
)
def test_bad_processes(unchecked, parts, message):
    with pytest.raises(ValueError, match=message):
        unchecked(module).TabularMDP(**changed(random_mdp(), **parts))


def test_bad_bandits_and_corridors():
    with pytest.raises(ValueError, match="at least one action"):
        pg.bandit([])
    with pytest.raises(ValueError, match=r"are probabilities, and not \[0\.5, 1\.5\]"):
        pg.bandit([0.5, 1.5], bernoulli=True)
    with pytest.raises(ValueError, match="not finite"):
        pg.bandit([0.5, float("inf")])
    with pytest.raises(ValueError, match="the horizon is 0"):
        pg.bandit([0.5], rounds=0)
    with pytest.raises(ValueError, match=r"slip is 2\.0; it must lie between 0 and 1"):
        pg.corridor(slip=2.0)


@pytest.mark.parametrize("function", ["expected_return", "exact_gradient", "exact_values"])
def test_bad_policies(function):
    mdp = SETTINGS["corridor"]
    with pytest.raises(ValueError, match=r"theta has shape \(2, 5\); it needs .* here \(5, 2\)"):
        getattr(pg, function)(mdp, torch.zeros(2, 5))
    with pytest.raises(ValueError, match="theta is not finite: the policy has diverged"):
        getattr(pg, function)(mdp, torch.full((5, 2), float("nan")))
    with pytest.raises(ValueError, match=r"discount is -1\.0; it must lie between 0 and 1"):
        getattr(pg, function)(mdp, torch.zeros(5, 2), discount=-1.0)


def test_bad_draws():
    mdp, theta = SETTINGS["corridor"], torch.zeros(5, 2)
    with pytest.raises(ValueError, match="n_episodes is 0"):
        pg.sample(mdp, theta, 0, seed=0)
    with pytest.raises(ValueError, match="batches is 0"):
        pg.sample(mdp, theta, 2, seed=0, batches=0)
    with pytest.raises(ValueError, match="max_steps is -1"):
        pg.sample(mdp, theta, 2, seed=0, max_steps=-1)
    with pytest.raises(ValueError, match="batches is for one policy"):
        pg.sample(mdp, torch.zeros(3, 5, 2), 2, seed=0, batches=4)


def test_too_much_to_enumerate():
    mdp, theta = SETTINGS["corridor"], torch.zeros(5, 2)
    with pytest.raises(ValueError, match="more than 10 trajectories: shorten the horizon"):
        pg.enumerate_trajectories(mdp, limit=10)
    with pytest.raises(ValueError, match=r"make 82\*\*4 batches; .* use `measure`"):
        pg.exact_expectation(mdp, theta, pg.reward_to_go, 4)
    with pytest.raises(ValueError, match="n_episodes is 0"):
        pg.exact_expectation(mdp, theta, pg.reward_to_go, 0)
    with pytest.raises(ValueError, match="one policy is wanted"):
        pg.exact_expectation(mdp, torch.zeros(3, 5, 2), pg.reward_to_go, 1)


def test_values_and_weights_that_do_not_fit(unchecked):
    mdp, theta = SETTINGS["corridor"], torch.zeros(5, 2, dtype=torch.double)
    drawn = pg.sample(mdp, theta, 8, seed=0)
    with pytest.raises(ValueError, match=r"the table has shape \(2, 5\); the trajectories have 5"):
        drawn.with_values(torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"the weights have shape \(8, 3\), the actions \(8, 4\)"):
        unchecked(module).scores(theta, drawn, torch.zeros(8, 3))
