r"""What multiplies the score: the estimators of the policy gradient, one function each.

The estimate from N episodes is

.. math:: \hat g = \frac1N \sum_{i=1}^N \sum_t w_{it}\, \nabla_\theta \log \pi_\theta(a_{it}|s_{it})

and the functions here differ in the weights w only. All have the signature ``estimator(episodes, *,
discount=1.0)`` and give one weight per step, 0 in the padding. A positive weight makes the action
more probable under gradient ascent on J; a loss to be minimised has the opposite sign.

With a discount below 1, every weight but `total_return` counts from its own step on: the reward k
steps later is discounted by ``discount**k``. This is how they are used in practice, where the
discount is a way to lower variance. The gradient of the discounted objective itself needs the
weight of step t multiplied by ``discount**t``, see `start_discount` (Sutton and Barto 2018, 13.3).
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.policy_gradients.episodes import Episodes

Weights = Float[Tensor, "*batch episode time"]
"""One weight for the score of each step, 0 in the padding."""


@runtime_checkable
class Estimator(Protocol):
    """What all estimators have in common."""

    def __call__(self, episodes: Episodes, *, discount: float = 1.0) -> Weights:
        """The weights of the score of each step."""
        ...


def total_return(episodes: Episodes, *, discount: float = 1.0) -> Weights:
    """The whole episode's return, the same for each step (REINFORCE, Williams 1992).

    Unbiased, and the most variable: an action is credited with rewards that came before it.

    Args:
        episodes: The episodes; rewards that a truncation cut off are missing.
        discount: Factor per step, from the start of the episode.

    Returns:
        ``sum_k discount**k r_k`` at each step.

    Raises:
        ValueError: If the discount is not from 0 to 1.
    """
    returns = (start_discount(episodes, discount) * episodes.rewards).sum(-1, keepdim=True)
    return returns * episodes.taken


def reward_to_go(episodes: Episodes, *, discount: float = 1.0) -> Weights:
    """The rewards from each step on (Sutton et al. 2000).

    Unbiased for discount 1: the rewards left out came before the action, and what does not depend
    on an action has no covariance with its score. It mostly varies less than `total_return`; not
    always, as earlier rewards may by chance act as a baseline.

    Args:
        episodes: The episodes; rewards that a truncation cut off are missing.
        discount: Factor per step, from the step itself.

    Returns:
        ``G_t = sum_{k >= t} discount**(k-t) r_k``.

    Raises:
        ValueError: If the discount is not from 0 to 1.
    """
    return discounted_sums(episodes.rewards, episodes.last, _fraction("discount", discount))


def batch_mean_baseline(episodes: Episodes, *, discount: float = 1.0) -> Weights:
    """Reward-to-go minus its mean over the batch at the same time (Williams 1992 has the idea).

    The mean contains the episode's own reward-to-go, so the estimate is biased: where n episodes
    are still running, the expected contribution of the step is (n-1)/n of the right one, for fixed
    length (N-1)/N throughout. The direction is right then, and `leave_one_out_baseline` repairs
    the scale.

    Args:
        episodes: The episodes. Only those still running count in the mean.
        discount: Factor per step, from the step itself.

    Returns:
        ``G_it - mean_j G_jt``; 0 throughout for a single episode.

    Raises:
        ValueError: If the discount is not from 0 to 1.
    """
    to_go = reward_to_go(episodes, discount=discount)
    running = episodes.taken.sum(-2, keepdim=True).clamp(min=1)
    return (to_go - to_go.sum(-2, keepdim=True) / running) * episodes.taken


def leave_one_out_baseline(episodes: Episodes, *, discount: float = 1.0) -> Weights:
    """Reward-to-go minus the mean of the other episodes' at the same time (Kool et al. 2019).

    Unbiased for discount 1: the baseline depends on other episodes only. For equal lengths it is
    the batch mean's weight times N/(N-1).

    Args:
        episodes: The episodes. Only others still running count in the mean; where there is none the
            baseline is 0.
        discount: Factor per step, from the step itself.

    Returns:
        ``G_it - mean_{j != i} G_jt``.

    Raises:
        ValueError: If there is only one episode, or the discount is not from 0 to 1.
    """
    n_episodes = episodes.rewards.shape[-2]
    if n_episodes < 2:
        raise ValueError(
            "leave-one-out needs at least two episodes, and there is one: nothing is left once it "
            "is left out; collect more, or use `reward_to_go` or a learned baseline"
        )
    to_go = reward_to_go(episodes, discount=discount)
    others = episodes.taken.sum(-2, keepdim=True) - 1
    baseline = (to_go.sum(-2, keepdim=True) - to_go) / others.clamp(min=1)
    return (to_go - baseline * (others > 0)) * episodes.taken


def value_baseline(episodes: Episodes, *, discount: float = 1.0) -> Weights:
    """Reward-to-go minus the critic's value of the state (Sutton and Barto 2018, Section 13.4).

    Unbiased for discount 1 whatever the values are, as long as the critic was fitted to other
    episodes and none is truncated. After a truncation the critic's value of the last state stands
    for the rewards that were cut off, as good as the critic is.

    Args:
        episodes: The episodes, with values.
        discount: Factor per step, from the step itself.

    Returns:
        ``G_t - V(s_t)``, the same as `gae` with ``lam=1``.

    Raises:
        ValueError: If there are no values, or the discount is not from 0 to 1.
    """
    return gae(episodes, discount=discount, lam=1.0)


def gae(episodes: Episodes, *, discount: float = 1.0, lam: float = 0.95) -> Weights:
    """Generalised advantage estimation (Schulman et al. 2015, Equation 16).

    ``lam=1`` is `value_baseline`; ``lam=0`` trusts the critic after one step, which has the least
    variance, and is biased where the critic is wrong.

    Args:
        episodes: The episodes, with values.
        discount: Factor per step, from the step itself.
        lam: The paper's lambda, from 0 to 1.

    Returns:
        ``sum_k (discount*lam)**k delta_{t+k}`` with the one-step errors of `td_errors`. The sum
        ends with the episode; its last error has a next value after a truncation, and none after a
        termination.

    Raises:
        ValueError: If there are no values, or discount or lam is not from 0 to 1.
    """
    if episodes.values is None:
        raise ValueError("the episodes have no values; this estimator needs a critic's values")
    factor = _fraction("discount", discount) * _fraction("lam", lam)
    now, after = episodes.values[..., :-1], episodes.values[..., 1:]
    errors = td_errors(episodes.rewards, now, after, ~episodes.bootstrapped, discount=discount)
    return discounted_sums(errors * episodes.taken, episodes.last, factor)


def standardised(episodes: Episodes, *, discount: float = 1.0, epsilon: float = 1e-8) -> Weights:
    """The batch-mean baseline's weights, divided by their standard deviation in the batch.

    What many programs do to make the step independent of the reward's scale. The expected estimate
    is no longer the gradient of J, whatever the discount: its length is divided by about the
    deviation of the returns, and in small batches its direction is off too.

    Args:
        episodes: The episodes.
        discount: Factor per step, from the step itself.
        epsilon: Added to the deviation, so that a batch of equal returns gives weights of 0.

    Returns:
        The weights; the deviation is over all steps taken in the batch, divided by their number.

    Raises:
        ValueError: If the discount is not from 0 to 1.
    """
    weights = batch_mean_baseline(episodes, discount=discount)
    steps = episodes.taken.sum((-2, -1), keepdim=True)
    mean = weights.sum((-2, -1), keepdim=True) / steps
    centred = (weights - mean) * episodes.taken
    deviation = (centred.square().sum((-2, -1), keepdim=True) / steps).sqrt()
    return weights / (deviation + epsilon)


def start_discount(episodes: Episodes, discount: float) -> Weights:
    """The factor ``discount**t`` of each step, counted from the start of its episode.

    Args:
        episodes: The episodes.
        discount: Factor per step.

    Returns:
        Weights of 1 at the start; times the weights of an estimator that counts from the step on,
        they make it unbiased for the discounted objective.

    Raises:
        ValueError: If the discount is not from 0 to 1.
    """
    time = torch.arange(episodes.rewards.shape[-1])
    powers = torch.tensor(_fraction("discount", discount), dtype=episodes.rewards.dtype) ** time
    return powers * episodes.taken


def td_errors(
    rewards: Float[Tensor, "*batch time"],
    values: Float[Tensor, "*batch time"],
    next_values: Float[Tensor, "*batch time"],
    terminated: Bool[Tensor, "*batch time"],
    *,
    discount: float = 1.0,
) -> Float[Tensor, "*batch time"]:
    """By how much each step turned out better than the critic thought.

    With `discounted_sums` it gives GAE also for segments of several episodes in one row, as vector
    environments produce them.

    Args:
        rewards: The rewards.
        values: Values of the states in which the actions were taken.
        next_values: Values of the states reached, before any reset.
        terminated: True for steps that reached a terminal state; a truncation is no such step.
        discount: Factor per step.

    Returns:
        ``r + discount * V(next) - V(now)``, without V(next) after a termination.

    Raises:
        ValueError: If the discount is not from 0 to 1, or shapes differ.
    """
    shapes = {tuple(given.shape) for given in (rewards, values, next_values, terminated)}
    if len(shapes) > 1:
        raise ValueError(f"rewards, values, next_values and terminated differ in shape: {shapes}")
    # a terminal state's value is left out even where it is NaN, so no multiplication by zero
    future = next_values.where(~terminated, 0)
    return rewards + _fraction("discount", discount) * future - values


def discounted_sums(
    steps: Float[Tensor, "*batch time"], ends: Bool[Tensor, "*batch time"], factor: float
) -> Float[Tensor, "*batch time"]:
    """Sums of what follows each step up to the end of its episode.

    Args:
        steps: One number per step, such as rewards.
        ends: True for the last step of an episode, terminated or truncated.
        factor: Factor per step, from 0 to 1.

    Returns:
        ``y_t = x_t + factor * y_{t+1}``, without the second term where an episode ends.

    Raises:
        ValueError: If the shapes differ, or the factor is not from 0 to 1.
    """
    if steps.shape != ends.shape:
        raise ValueError(f"steps have shape {tuple(steps.shape)}, ends {tuple(ends.shape)}")
    factor = float(_fraction("factor", factor))
    sums = torch.empty_like(steps, dtype=torch.result_type(steps, factor))
    following = torch.zeros_like(sums[..., 0])
    for time in reversed(range(steps.shape[-1])):
        following = steps[..., time] + factor * following.where(~ends[..., time], 0)
        sums[..., time] = following
    return sums


def _fraction(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; it must lie between 0 and 1")
    return value
