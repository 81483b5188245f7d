"""Settings so small that the policy gradient can be computed exactly: a bandit and a corridor.

Every possible trajectory is written down with its probability, so that expectations are finite
sums; `expected_return` computes J a second way, backwards in time, so that each checks the other.
The policy is a softmax of a table of logits theta, one row per state. All is in float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp_rl.policy_gradients.episodes import Episodes
from interp_rl.policy_gradients.estimators import Estimator, total_return

Theta = Float[Tensor, "*policy state action"]
"""Logits of the softmax policy."""


@dataclass(frozen=True, eq=False)
class TabularMDP:
    """A Markov decision process with few states and actions and a finite horizon.

    Args:
        transitions: Probability of the next state, given state and action.
        rewards: Reward of each transition.
        start: Probability of the first state.
        terminal: True for states that end the episode when they are entered.
        horizon: The episode also ends after this many steps. J counts no more than these, so that
            this too is a termination.

    Raises:
        ValueError: If shapes do not match, probabilities are negative or do not sum to one, a
            reward is not finite, an episode may start in a terminal state, or the horizon is below
            1.
    """

    transitions: Float[Tensor, "state action state"]
    """probability of the next state"""
    rewards: Float[Tensor, "state action state"]
    """reward of each transition"""
    start: Float[Tensor, " state"]
    """probability of the first state"""
    terminal: Bool[Tensor, " state"]
    """True for states that end the episode"""
    horizon: int
    """most steps of an episode"""

    def __post_init__(self) -> None:
        shape = tuple(self.transitions.shape)
        if len(shape) != 3 or shape[0] != shape[2] or 0 in shape:
            raise ValueError(f"transitions have shape {shape}; they need (state, action, state)")
        states = shape[:1]
        wanted = {"rewards": shape, "start": states, "terminal": states}
        for name, expected in wanted.items():
            if (given := tuple(getattr(self, name).shape)) != expected:
                raise ValueError(f"{name} has shape {given}, and transitions ask for {expected}")
        for name in ("transitions", "start"):
            _probabilities(name, getattr(self, name))
        if not self.rewards.isfinite().all():
            raise ValueError(f"{int((~self.rewards.isfinite()).sum())} rewards are not finite")
        if (self.start[self.terminal] > 0).any():
            raise ValueError("an episode may start in a terminal state and would have no steps")
        if self.horizon < 1:
            raise ValueError(f"the horizon is {self.horizon}; it must be at least 1")
        for name in ("transitions", "rewards", "start"):
            object.__setattr__(self, name, getattr(self, name).double())

    @property
    def n_states(self) -> int:
        """How many states there are, terminal ones included."""
        return self.transitions.shape[0]

    @property
    def n_actions(self) -> int:
        """How many actions there are in each state."""
        return self.transitions.shape[1]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """What was done and what came of it; each row is one trajectory, padded on the right."""

    actions: Int[Tensor, "*batch episode time"]
    """the actions; 0 in the padding"""
    states: Int[Tensor, "*batch episode time+1"]
    """the states, with the one reached last; it is repeated in the padding"""
    episodes: Episodes
    """rewards, mask, and how the trajectories ended"""

    def with_values(self, table: Float[Tensor, "time state"]) -> "Trajectories":
        """The same trajectories with the values that a critic gives their states.

        Args:
            table: Value of each state at each time, such as `exact_values`.

        Returns:
            New trajectories; these do not change.

        Raises:
            ValueError: If the table is for fewer times or states.
        """
        times = self.states.shape[-1]
        if table.ndim != 2 or len(table) < times or table.shape[1] <= int(self.states.max()):
            raise ValueError(
                f"the table has shape {tuple(table.shape)}; the trajectories have {times} times "
                f"and states up to {int(self.states.max())}"
            )
        values = table[torch.arange(times), self.states]
        return replace(self, episodes=replace(self.episodes, values=values))


def bandit(means: Sequence[float], *, bernoulli: bool = False, rounds: int = 1) -> TabularMDP:
    """A bandit: in each round one decision, and its reward.

    Args:
        means: Expected reward of each action.
        bernoulli: Whether the reward is 1 with that probability and otherwise 0, instead of being
            the same each time.
        rounds: How many decisions an episode has.

    Returns:
        A decision process that starts in state 0 and goes to state 2 after a Bernoulli bandit's
        reward of 1, otherwise to state 1. Only the policy may tell the states apart.

    Raises:
        ValueError: If there are no actions or rounds, or a mean is not finite, or no probability
            for a Bernoulli bandit.
    """
    mean = torch.tensor(means, dtype=torch.double)
    if not len(mean):
        raise ValueError("a bandit needs at least one action")
    if bernoulli and not ((mean >= 0) & (mean <= 1)).all():
        raise ValueError(f"the means of a Bernoulli bandit are probabilities, and not {means}")
    wins = mean if bernoulli else torch.zeros_like(mean)
    transitions = torch.stack([torch.zeros_like(mean), 1 - wins, wins], -1).expand(3, -1, -1)
    rewards = torch.zeros_like(transitions)
    rewards[..., 2] = 1
    if not bernoulli:
        rewards[..., 1] = mean
    start = torch.tensor([1.0, 0, 0], dtype=torch.double)
    return TabularMDP(transitions, rewards, start, torch.zeros(3, dtype=torch.bool), rounds)


def corridor(*, slip: float = 0.1, horizon: int = 4) -> TabularMDP:
    """Five places in a row, an exit at each end: the near one pays 0.4, the far one 1.

    The walk starts in place 1, next to the near exit (place 0); the far exit is place 4. Action 0
    goes left, action 1 right, and each step costs 0.05.

    Args:
        slip: Probability that a step goes the other way.
        horizon: Most steps of an episode.

    Returns:
        The decision process.

    Raises:
        ValueError: If the slip is not a probability or the horizon is below 1.
    """
    if not 0 <= slip <= 1:
        raise ValueError(f"slip is {slip}; it must lie between 0 and 1")
    transitions = torch.zeros(5, 2, 5, dtype=torch.double)
    for place, (action, aside) in product(range(5), ((0, -1), (1, 1))):
        if place in (0, 4):
            transitions[place, action, place] = 1
        else:
            transitions[place, action, place + aside] = 1 - slip
            transitions[place, action, place - aside] = slip
    rewards = torch.full_like(transitions, -0.05)
    rewards[1:4, :, 0] += 0.4
    rewards[1:4, :, 4] += 1.0
    start = torch.zeros(5, dtype=torch.double)
    start[1] = 1
    ends = torch.tensor([True, False, False, False, True])
    return TabularMDP(transitions, rewards, start, ends, horizon)


def expected_return(mdp: TabularMDP, theta: Theta, *, discount: float = 1.0) -> Tensor:
    """J: the expected discounted return of the policy, by going backwards in time.

    Differentiable in theta, so that autograd gives the gradient too.

    Args:
        mdp: The decision process.
        theta: Logits of the policy; any number of policies at once.
        discount: Factor per step.

    Returns:
        J of each policy.

    Raises:
        ValueError: If theta does not fit the process, or the discount is not from 0 to 1.
    """
    return exact_values(mdp, theta, discount=discount)[..., 0, :] @ mdp.start


def exact_values(
    mdp: TabularMDP, theta: Theta, *, discount: float = 1.0
) -> Float[Tensor, "*policy time state"]:
    """Expected return from each state on, at each time; 0 in terminal states and at the end.

    Args:
        mdp: The decision process.
        theta: Logits of the policy; any number of policies at once.
        discount: Factor per step.

    Returns:
        V_t(s); the time matters, as fewer steps are left later.

    Raises:
        ValueError: If theta does not fit the process, or the discount is not from 0 to 1.
    """
    policy = _checked(mdp, theta).softmax(-1)
    if not 0 <= discount <= 1:
        raise ValueError(f"discount is {discount}; it must lie between 0 and 1")
    going_on = (~mdp.terminal).double()
    values = [torch.zeros(*theta.shape[:-1], dtype=torch.double)]
    for _ in range(mdp.horizon):
        outcome = mdp.rewards + discount * values[0][..., None, None, :]
        action_values = (mdp.transitions * outcome).sum(-1)
        values.insert(0, (policy * action_values).sum(-1) * going_on)
    return torch.stack(values, -2)


def enumerate_trajectories(
    mdp: TabularMDP, *, limit: int = 100_000
) -> tuple[Trajectories, Float[Tensor, " episode"]]:
    """All trajectories that can happen.

    Args:
        mdp: The decision process.
        limit: Most trajectories that are written down.

    Returns:
        The trajectories, and the environment's part of the logarithm of their probability; the
        policy's part is the sum of `log_policy`.

    Raises:
        ValueError: If there are more than `limit`.
    """
    chances = mdp.transitions.tolist()
    ends = mdp.terminal.tolist()
    open_: list[tuple[list[int], list[int], float]] = [
        ([state], [], chance) for state, chance in enumerate(mdp.start.tolist()) if chance
    ]
    done = []
    for _ in range(mdp.horizon):
        longer = [
            ([*states, after], [*actions, action], chance * p)
            for states, actions, chance in open_
            for action, row in enumerate(chances[states[-1]])
            for after, p in enumerate(row)
            if p
        ]
        done += [path for path in longer if ends[path[0][-1]]]
        open_ = [path for path in longer if not ends[path[0][-1]]]
        if len(done) + len(open_) > limit:
            raise ValueError(f"there are more than {limit} trajectories: shorten the horizon")
    paths = done + open_
    steps = mdp.horizon
    padding = [steps - len(actions) for _, actions, _ in paths]
    states = torch.tensor([s + s[-1:] * n for (s, _, _), n in zip(paths, padding, strict=True)])
    actions = torch.tensor([a + [0] * n for (_, a, _), n in zip(paths, padding, strict=True)])
    mask = torch.arange(steps) < torch.tensor([len(a) for _, a, _ in paths])[:, None]
    log_chance = torch.tensor([chance for *_, chance in paths], dtype=torch.double).log()
    return _trajectories(mdp, states, actions, mask, truncated=False), log_chance


def sample(
    mdp: TabularMDP,
    theta: Theta,
    n_episodes: int,
    *,
    seed: int | torch.Generator,
    batches: int | None = None,
    max_steps: int | None = None,
) -> Trajectories:
    """Trajectories drawn from the policy, all batches at once.

    Args:
        mdp: The decision process.
        theta: Logits of the policy; with batch axes, each policy gets a batch of its own.
        n_episodes: Size N of a batch.
        seed: Seed, or a generator to go on with.
        batches: How many independent batches of one policy; without it there is no such axis.
        max_steps: Truncate after this many steps; the process's horizon, which terminates, if left
            out.

    Returns:
        Trajectories of shape ``batch episode time``.

    Raises:
        ValueError: If theta does not fit the process, a number is below 1, or `batches` is given
            for more than one policy.
    """
    policy = _checked(mdp, theta).softmax(-1)
    for name, value in (("n_episodes", n_episodes), ("batches", batches), ("max_steps", max_steps)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    if batches is not None and theta.ndim > 2:
        raise ValueError(f"batches is for one policy, and theta has shape {tuple(theta.shape)}")
    generator = torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed
    shape = (*theta.shape[:-2], *([batches] if batches else []), n_episodes)
    steps = min(max_steps or mdp.horizon, mdp.horizon)
    states = [_draw(mdp.start.expand(*shape, -1), generator)]
    actions, mask = [], []
    for _ in range(steps):
        now = states[-1]
        running = ~mdp.terminal[now]
        # a drawn action in the padding does no harm, but 0 is what is promised
        action = _draw(_rows(policy, now), generator).where(running, 0)
        after = _draw(mdp.transitions[now, action], generator)
        states.append(after.where(running, now))
        actions.append(action)
        mask.append(running)
    return _trajectories(
        mdp,
        torch.stack(states, -1),
        torch.stack(actions, -1),
        torch.stack(mask, -1),
        truncated=steps < mdp.horizon,
    )


def log_policy(theta: Theta, trajectories: Trajectories) -> Float[Tensor, "*batch episode time"]:
    """Logarithm of the policy's probability of each action taken.

    Args:
        theta: Logits of the policy, one for all or one per batch.
        trajectories: What was done.

    Returns:
        Log-probabilities, 0 in the padding; summed over time, the policy's part of the logarithm of
        the trajectory's probability.
    """
    rows = _rows(theta.double().log_softmax(-1), trajectories.states[..., :-1])
    taken = rows.gather(-1, trajectories.actions[..., None])[..., 0]
    return taken * trajectories.episodes.taken


def scores(
    theta: Theta,
    trajectories: Trajectories,
    weights: Float[Tensor, "*batch episode time"],
) -> Float[Tensor, "*batch episode state action"]:
    r"""Each trajectory's contribution :math:`\sum_t w_t \nabla_\theta \log \pi_\theta(a_t|s_t)`.

    For a softmax the score has a closed form: 1 at the action taken, minus the probability of each
    action in that state, and 0 in the rows of other states.

    Args:
        theta: Logits of the policy, one for all or one per batch.
        trajectories: What was done.
        weights: The weight of each step, from an estimator.

    Returns:
        One gradient per trajectory.

    Raises:
        ValueError: If the weights do not belong to the trajectories.
    """
    if weights.shape != trajectories.actions.shape:
        raise ValueError(
            f"the weights have shape {tuple(weights.shape)}, the actions "
            f"{tuple(trajectories.actions.shape)}"
        )
    n_states, n_actions = theta.shape[-2:]
    weights = weights.double() * trajectories.episodes.taken
    visited = trajectories.states[..., :-1] * n_actions + trajectories.actions
    per_pair = torch.zeros(*weights.shape[:-1], n_states * n_actions, dtype=torch.double)
    per_pair = per_pair.scatter_add(-1, visited, weights).unflatten(-1, (n_states, n_actions))
    policy = theta.double().softmax(-1).unsqueeze(-3)
    return per_pair - per_pair.sum(-1, keepdim=True) * policy


def gradient_estimate(
    theta: Theta,
    trajectories: Trajectories,
    weights: Float[Tensor, "*batch episode time"],
) -> Float[Tensor, "*batch state action"]:
    """The estimate of the gradient of J from each batch: the mean of `scores` over its episodes.

    Args:
        theta: Logits of the policy, one for all or one per batch.
        trajectories: What was done.
        weights: The weight of each step, from an estimator.

    Returns:
        One estimate per batch; going along it raises J.

    Raises:
        ValueError: If the weights do not belong to the trajectories.
    """
    return scores(theta, trajectories, weights).mean(-3)


def exact_gradient(
    mdp: TabularMDP, theta: Theta, *, discount: float = 1.0
) -> Float[Tensor, "state action"]:
    r"""The gradient of J by enumeration: what infinitely many samples would give.

    .. math:: \nabla J = \sum_\tau p_\theta(\tau)\, R(\tau) \sum_t \nabla_\theta \log \pi(a_t|s_t)

    Args:
        mdp: The decision process.
        theta: Logits of one policy.
        discount: Factor per step.

    Returns:
        The gradient; positive where a larger logit raises J.

    Raises:
        ValueError: If theta does not fit the process, or the discount is not from 0 to 1.
    """
    return exact_expectation(mdp, theta, total_return, 1, discount=discount)


def exact_expectation(
    mdp: TabularMDP,
    theta: Theta,
    estimator: Estimator,
    n_episodes: int,
    *,
    discount: float = 1.0,
    values: Float[Tensor, "time state"] | None = None,
    limit: int = 2_000_000,
) -> Float[Tensor, "state action"]:
    """The expected estimate, over all batches that can happen: bias without sampling error.

    The work grows as the number of trajectories to the power of `n_episodes`.

    Args:
        mdp: The decision process.
        theta: Logits of one policy.
        estimator: The estimator.
        n_episodes: Size N of a batch.
        discount: Factor per step, given to the estimator.
        values: The critic's table, for estimators that need one.
        limit: Most batches that are written down.

    Returns:
        The expectation of `gradient_estimate`.

    Raises:
        ValueError: If theta does not fit the process or is more than one policy, `n_episodes` is
            below 1, or there are more than `limit` batches.
    """
    if _checked(mdp, theta).ndim != 2:
        raise ValueError(f"theta has shape {tuple(theta.shape)}; one policy is wanted")
    if n_episodes < 1:
        raise ValueError(f"n_episodes is {n_episodes}; it must be at least 1")
    every, log_environment = enumerate_trajectories(mdp)
    if len(every.actions) ** n_episodes > limit:
        raise ValueError(
            f"{len(every.actions)} trajectories make {len(every.actions)}**{n_episodes} batches; "
            f"at most {limit} are enumerated: use `measure`, which samples"
        )
    log_p = log_environment + log_policy(theta, every).sum(-1)
    of_batch = torch.cartesian_prod(*[torch.arange(len(log_p))] * n_episodes)
    of_batch = of_batch.reshape(-1, n_episodes)
    batches = _take(every if values is None else every.with_values(values), of_batch)
    weights = estimator(batches.episodes, discount=discount)
    probability = log_p[of_batch].sum(-1).exp()
    estimates = gradient_estimate(theta, batches, weights)
    return (probability[:, None, None] * estimates).sum(0)


def _take(trajectories: Trajectories, rows: Int[Tensor, "batch episode"]) -> Trajectories:
    """Batches made of the trajectories in these rows."""
    episodes = trajectories.episodes
    assert episodes.terminated is not None
    chosen = Episodes(
        episodes.rewards[rows],
        episodes.taken[rows],
        episodes.terminated[rows],
        None if episodes.values is None else episodes.values[rows],
    )
    return Trajectories(trajectories.actions[rows], trajectories.states[rows], chosen)


def _trajectories(
    mdp: TabularMDP, states: Tensor, actions: Tensor, mask: Tensor, *, truncated: bool
) -> Trajectories:
    rewards = mdp.rewards[states[..., :-1], actions, states[..., 1:]]
    terminated = mdp.terminal[states[..., -1]] | (not truncated)
    return Trajectories(actions, states, Episodes(rewards, mask, terminated))


def _rows(table: Theta, states: Tensor) -> Tensor:
    """The table's row for each state; a table of one policy serves all batches."""
    if table.ndim == 2:
        return table[states]
    index = states.flatten(table.ndim - 2)
    rows = table.gather(-2, index[..., None].expand(*index.shape, table.shape[-1]))
    return rows.unflatten(-2, states.shape[table.ndim - 2 :])


def _draw(probabilities: Float[Tensor, "... k"], generator: torch.Generator) -> Int[Tensor, "..."]:
    """One index for each distribution, by inverting its cumulative sum."""
    cumulative = probabilities.cumsum(-1)
    # the last entry is exactly one after this, so that a draw below one always finds its place
    cumulative = cumulative / cumulative[..., -1:]
    point = torch.rand(*probabilities.shape[:-1], 1, generator=generator, dtype=torch.double)
    return (cumulative <= point).sum(-1)


def _checked(mdp: TabularMDP, theta: Tensor) -> Tensor:
    expected = (mdp.n_states, mdp.n_actions)
    if tuple(theta.shape[-2:]) != expected:
        raise ValueError(
            f"theta has shape {tuple(theta.shape)}; it needs (..., state, action), here {expected}"
        )
    if not theta.isfinite().all():
        raise ValueError("theta is not finite: the policy has diverged, try smaller steps")
    return theta.double()


def _probabilities(name: str, given: Tensor) -> None:
    sums = given.double().sum(-1)
    if not (given >= 0).all() or not torch.allclose(sums, torch.ones_like(sums), atol=1e-6):
        raise ValueError(f"{name} must be probabilities: not negative, and each row sums to one")
