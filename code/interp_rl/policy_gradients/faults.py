r"""Six learners that are alike but for one line: a healthy one, and five with a fault each.

They walk in rows of a vector environment that starts the next episode by itself, one step late, as
Gymnasium's does by default (`AutoresetMode.NEXT_STEP`): the step after an end ignores its action,
pays 0 and leads to the start. A row begins with this step and is long enough for the longest
episode; so it holds a reset, one whole episode, and what came after it.

The policy is a network in the smallest sense: places share its two parameters, lean and slope, and
the logit of going right is ``lean + slope * x``, with x from -1 at the first place to 1 at the
last. What is learned in one place therefore changes all others, as in a larger network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp_rl.policy_gradients.episodes import Episodes
from interp_rl.policy_gradients.exact import (
    TabularMDP,
    Trajectories,
    enumerate_trajectories,
    exact_gradient,
    expected_return,
    gradient_estimate,
    log_policy,
    sample,
    scores,
)

Parameters = Float[Tensor, "*policy 2"]
"""Lean and slope of the policy."""


@dataclass(frozen=True, eq=False)
class Record:
    """What a vector environment returned, one row for each of its environments."""

    steps: Trajectories
    """the steps, resets among them; nothing is padded"""
    ended: Bool[Tensor, "*batch row time"]
    """True for steps that ended an episode, and for the last step of a row"""
    reset: Bool[Tensor, "*batch row time"]
    """True for steps that started an episode instead of taking their action"""

    @property
    def places(self) -> Int[Tensor, "*batch row time"]:
        """Where each action was chosen."""
        return self.steps.states[..., :-1]

    @property
    def rewards(self) -> Float[Tensor, "*batch row time"]:
        """The reward of each step, 0 for resets."""
        return self.steps.episodes.rewards


class Lesson(NamedTuple):
    """What a learner makes of a record."""

    kept: Bool[Tensor, "*batch row time"]
    """True for the steps that it takes for those of its episodes"""
    weights: Float[Tensor, "*batch row time"]
    """what multiplies the score of each step"""


Learner = Callable[[Record], Lesson]
"""From a record to a lesson; all else is the same for all learners."""


# ----- learners


def healthy(record: Record) -> Lesson:
    """Keeps the first episode of each row, and compares with other episodes only; unbiased."""
    kept = until(record.ended) & ~record.reset
    to_go = reward_to_go(record, kept)
    baseline = critic(record, kept, to_go, own=False)
    return Lesson(kept, (to_go - baseline) * kept)


def wrong_sign(record: Record) -> Lesson:
    """Goes down: hands the weights of a loss to a program that climbs."""
    kept, weights = healthy(record)
    return Lesson(kept, -weights)


def leaking_baseline(record: Record) -> Lesson:
    """Fits its critic to the very episodes that it then compares with it."""
    kept = until(record.ended) & ~record.reset
    to_go = reward_to_go(record, kept)
    baseline = critic(record, kept, to_go, own=True)
    return Lesson(kept, (to_go - baseline) * kept)


def normalised_per_episode(record: Record) -> Lesson:
    """Centres and scales the weights within each episode, so that each episode sums to zero."""
    kept = until(record.ended) & ~record.reset
    to_go = reward_to_go(record, kept)
    length = kept.sum(-1, keepdim=True)
    centred = (to_go - (to_go * kept).sum(-1, keepdim=True) / length) * kept
    deviation = (centred.square().sum(-1, keepdim=True) / length).sqrt()
    return Lesson(kept, centred / (deviation + 1e-8))


def no_mask(record: Record) -> Lesson:
    """Takes the whole row for one episode, with what was paid after the end."""
    kept = torch.ones_like(record.ended)
    to_go = reward_to_go(record, kept)
    baseline = critic(record, kept, to_go, own=False)
    return Lesson(kept, (to_go - baseline) * kept)


def autoreset_ignored(record: Record) -> Lesson:
    """Takes the step that started the episode, and ignored its action, for the first one of it."""
    kept = until(record.ended)
    to_go = reward_to_go(record, kept)
    baseline = critic(record, kept, to_go, own=False)
    return Lesson(kept, (to_go - baseline) * kept)


FAULTS: dict[str, Learner] = {
    "wrong sign": wrong_sign,
    "no mask after the end": no_mask,
    "baseline that leaks": leaking_baseline,
    "normalised per episode": normalised_per_episode,
    "autoreset ignored": autoreset_ignored,
}
"""The faulty learners, by what is wrong with them."""

PATIENTS: dict[str, str] = {
    "A": "normalised per episode",
    "B": "autoreset ignored",
    "C": "wrong sign",
    "D": "no mask after the end",
    "E": "baseline that leaks",
}
"""The fault of each patient in the gallery, a key of `FAULTS`."""


# ----- what learners are made of


def until(ended: Bool[Tensor, "*batch row time"]) -> Bool[Tensor, "*batch row time"]:
    """The steps up to the first end.

    Args:
        ended: True for steps that end an episode.

    Returns:
        True for steps with no end before them.
    """
    return ended.cumsum(-1) - ended.long() == 0


def reward_to_go(
    record: Record, kept: Bool[Tensor, "*batch row time"]
) -> Float[Tensor, "*batch row time"]:
    """The rewards of the kept steps from each step to the end of the row.

    Args:
        record: The record.
        kept: The steps that count.

    Returns:
        One sum per step, without discount.
    """
    return (record.rewards * kept).flip(-1).cumsum(-1).flip(-1)


def critic(
    record: Record,
    kept: Bool[Tensor, "*batch row time"],
    to_go: Float[Tensor, "*batch row time"],
    *,
    own: bool,
) -> Float[Tensor, "*batch row time"]:
    """The mean reward-to-go of the batch in the same place at the same time.

    Args:
        record: The record.
        kept: The steps that count.
        to_go: Their rewards-to-go.
        own: Whether a row's own reward-to-go counts in the mean that is subtracted from it. It must
            not: the mean then depends on the action.

    Returns:
        A baseline for each step, 0 where nothing is left to take a mean of.
    """
    n_places = int(record.steps.states.max()) + 1
    here = torch.nn.functional.one_hot(record.places, n_places) * kept[..., None]
    total = (here * to_go[..., None]).sum(-3, keepdim=True)
    total = (here * total).sum(-1)
    visits = (here * here.sum(-3, keepdim=True)).sum(-1)
    if not own:
        total, visits = total - to_go * kept, visits - 1
    return total / visits.clamp(min=1)


def policy_logits(parameters: Parameters, n_places: int) -> Float[Tensor, "*policy place 2"]:
    """The policy as a table of logits for left and right.

    Args:
        parameters: Lean and slope.
        n_places: How many places there are, at least 2.

    Returns:
        0 for left, ``lean + slope * x`` for right.

    Raises:
        ValueError: If there are fewer than two places.
    """
    right = parameters.double() @ _features(n_places).T
    return torch.stack([torch.zeros_like(right), right], -1)


def with_autoreset(mdp: TabularMDP) -> TabularMDP:
    """The process as a vector environment shows it: after an end comes a reset, and on it goes.

    Args:
        mdp: The process.

    Returns:
        A process without terminal states, one step longer. From a terminal state of the original,
        every action leads to the start and is paid 0; and it starts in one of them, each equally
        probable, as if an episode had ended before.

    Raises:
        ValueError: If the process has no terminal states.
    """
    if not mdp.terminal.any():
        raise ValueError("the process has no terminal states: nothing resets it")
    transitions, rewards = mdp.transitions.clone(), mdp.rewards.clone()
    transitions[mdp.terminal] = mdp.start
    rewards[mdp.terminal] = 0
    start = mdp.terminal / mdp.terminal.sum()
    going_on = torch.zeros_like(mdp.terminal)
    return TabularMDP(transitions, rewards, start, going_on, mdp.horizon + 1)


def record(
    mdp: TabularMDP,
    parameters: Parameters,
    n_rows: int,
    *,
    seed: int | torch.Generator,
    batches: int | None = None,
) -> Record:
    """Lets the policy act in several environments for as many steps as the longest episode has.

    Args:
        mdp: The decision process, with two actions.
        parameters: The policy; with batch axes, each policy gets environments of its own.
        n_rows: How many environments.
        seed: Seed, or a generator to go on with.
        batches: How many independent batches of one policy.

    Returns:
        What they returned.

    Raises:
        ValueError: As `sample`.
    """
    logits = policy_logits(parameters, mdp.n_states)
    return _record(mdp, sample(with_autoreset(mdp), logits, n_rows, seed=seed, batches=batches))


def update(
    mdp: TabularMDP, parameters: Parameters, data: Record, lesson: Lesson
) -> Float[Tensor, "*batch 2"]:
    """The estimate of the gradient of J in lean and slope, from each batch.

    Args:
        mdp: The decision process.
        parameters: The policy that acted.
        data: What came of it.
        lesson: What a learner makes of it.

    Returns:
        One estimate per batch; going along it should raise J.
    """
    logits = policy_logits(parameters, mdp.n_states)
    per_place = gradient_estimate(logits, data.steps, lesson.weights)[..., 1]
    return per_place @ _features(mdp.n_states)


def learn(
    mdp: TabularMDP,
    learner: Learner,
    *,
    updates: int = 100,
    n_rows: int = 4,
    rate: float = 1.0,
    n_seeds: int = 50,
    seed: int = 0,
) -> Float[Tensor, "seed point"]:
    """Several independent runs of one learner, which start with both actions equally probable.

    Args:
        mdp: The decision process, with two actions.
        learner: Who learns.
        updates: How many updates.
        n_rows: Environments for each update.
        rate: Length of an update in units of the estimated gradient.
        n_seeds: How many runs.
        seed: Seed of all of them.

    Returns:
        Exact J of the policy before each update and after the last one.

    Raises:
        ValueError: If there are no updates, or as `sample`.
    """
    if updates < 1:
        raise ValueError(f"updates is {updates}; it must be at least 1")
    generator = torch.Generator().manual_seed(seed)
    parameters = torch.zeros(n_seeds, 2, dtype=torch.double)
    returns = [expected_return(mdp, policy_logits(parameters, mdp.n_states))]
    for _ in range(updates):
        data = record(mdp, parameters, n_rows, seed=generator)
        parameters = parameters + rate * update(mdp, parameters, data, learner(data))
        returns.append(expected_return(mdp, policy_logits(parameters, mdp.n_states)))
    return torch.stack(returns, -1)


# ----- what is expected of them


def right_update(mdp: TabularMDP, parameters: Parameters) -> Float[Tensor, " 2"]:
    """The exact gradient of J in lean and slope.

    Args:
        mdp: The decision process, with two actions.
        parameters: One policy.

    Returns:
        The gradient.
    """
    logits = policy_logits(parameters, mdp.n_states)
    return exact_gradient(mdp, logits)[:, 1] @ _features(mdp.n_states)


def expected_update(
    mdp: TabularMDP, parameters: Parameters, learner: Learner, *, n_rows: int = 1
) -> Float[Tensor, " 2"]:
    """The expected update, over all records that can happen.

    With one row no baseline has anything to take a mean of. The result holds for any number of rows
    where the baseline depends on other rows only: for all learners here but `leaking_baseline`, see
    `expected_leak`.

    Args:
        mdp: The decision process, with two actions.
        parameters: One policy.
        learner: The learner.
        n_rows: How many environments; the work grows as the number of records to this power.

    Returns:
        The expected `update`.

    Raises:
        ValueError: If `n_rows` is below 1, or there are too many records.
    """
    every, p = _every_record(mdp, parameters)
    if n_rows < 1 or len(p) ** n_rows > 100_000:
        raise ValueError(
            f"n_rows is {n_rows}; it must be at least 1, and {len(p)}**{n_rows} records at most "
            "100000: use a shorter horizon"
        )
    rows = torch.cartesian_prod(*[torch.arange(len(p))] * n_rows).reshape(-1, n_rows)
    batches = _record(mdp, _rows(every.steps, rows))
    estimates = update(mdp, parameters, batches, learner(batches))
    return p[rows].prod(-1) @ estimates


def expected_leak(mdp: TabularMDP, parameters: Parameters, n_rows: int) -> Float[Tensor, " 2"]:
    r"""The expected update of `leaking_baseline`, from the closed form.

    In a place that n rows visit, the mean with the own return leaves (n-1)/n of the weight. A place
    that a row visits at this time with probability q is shared with a binomial number of others,
    and on average

    .. math:: 1 - \frac{1 - (1-q)^N}{Nq}

    of the contribution of this place and time is left; for q = 1 this is (N-1)/N.

    Args:
        mdp: The decision process, with two actions.
        parameters: One policy.
        n_rows: Number N of environments.

    Returns:
        The expected update.

    Raises:
        ValueError: If `n_rows` is below 1.
    """
    if n_rows < 1:
        raise ValueError(f"n_rows is {n_rows}; it must be at least 1")
    every, p = _every_record(mdp, parameters)
    alone = _rows(every.steps, torch.arange(len(p))[:, None])
    kept, weights = healthy(_record(mdp, alone))
    kept, weights = kept[:, 0], weights[:, 0]
    here = torch.nn.functional.one_hot(every.places, mdp.n_states) * kept[..., None]
    q = torch.einsum("i,its->ts", p, here.double()).clamp(min=1e-12)
    left = 1 - (1 - (1 - q) ** n_rows) / (n_rows * q)
    weights = weights * (here * left).sum(-1)
    per_row = scores(policy_logits(parameters, mdp.n_states), every.steps, weights)[..., 1]
    return p @ per_row @ _features(mdp.n_states)


def _features(n_places: int) -> Float[Tensor, "place 2"]:
    if n_places < 2:
        raise ValueError(f"there are {n_places} places; a walk needs at least 2")
    x = torch.linspace(-1, 1, n_places, dtype=torch.double)
    return torch.stack([torch.ones_like(x), x], -1)


def _record(mdp: TabularMDP, steps: Trajectories) -> Record:
    ended = mdp.terminal[steps.states[..., 1:]]
    ended[..., -1] = True
    return Record(steps, ended, mdp.terminal[steps.states[..., :-1]])


def _rows(steps: Trajectories, rows: Int[Tensor, "batch row"]) -> Trajectories:
    """Batches made of these rows."""
    rewards = Episodes(steps.episodes.rewards[rows])
    return Trajectories(steps.actions[rows], steps.states[rows], rewards)


def _every_record(
    mdp: TabularMDP, parameters: Parameters
) -> tuple[Record, Float[Tensor, " record"]]:
    """All records of one row, and their probabilities."""
    steps, log_p = enumerate_trajectories(with_autoreset(mdp))
    policy = log_policy(policy_logits(parameters, mdp.n_states), steps).sum(-1)
    return _record(mdp, steps), (log_p + policy).exp()
