"""Bias and variance of the estimators, measured where the right gradient is known.

Each measurement draws many independent batches; intervals are 95% and come from the spread of the
batches (central limit theorem), so they need a few hundred batches or more.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.policy_gradients.estimators import (
    Estimator,
    batch_mean_baseline,
    gae,
    leave_one_out_baseline,
    reward_to_go,
    standardised,
    total_return,
    value_baseline,
)
from interp_rl.policy_gradients.exact import (
    TabularMDP,
    Theta,
    Trajectories,
    exact_expectation,
    exact_gradient,
    gradient_estimate,
    sample,
)

ESTIMATORS: dict[str, Estimator] = {
    "total return": total_return,
    "reward-to-go": reward_to_go,
    "batch-mean baseline": batch_mean_baseline,
    "leave-one-out baseline": leave_one_out_baseline,
    "learned value baseline": value_baseline,
    "GAE (lambda 0.9)": partial(gae, lam=0.9),
    "standardised": standardised,
}
"""The estimators that are compared, by name."""


class Estimate(NamedTuple):
    """A measured number with its 95% interval."""

    value: float
    """the number measured"""
    low: float
    """lower end of the interval"""
    high: float
    """upper end of the interval"""

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def __contains__(self, number: object) -> bool:
        """Whether the interval holds a number."""
        return isinstance(number, int | float) and self.low <= number <= self.high


@dataclass(frozen=True, eq=False)
class Measurement:
    """What an estimator does on average, and how much it varies, for one size of the batch."""

    exact: Float[Tensor, "state action"]
    """the gradient of J"""
    expected: Float[Tensor, "state action"]
    """mean of the estimates"""
    standard_error: Float[Tensor, "state action"]
    """standard error of that mean"""
    scale: Estimate
    """expected estimate along the right direction, in units of the gradient's length: 1 is right"""
    variance: Estimate
    """mean squared distance of one batch's estimate from its expectation, all parameters summed"""

    @property
    def bias(self) -> Float[Tensor, "state action"]:
        """Mean of the estimates minus the gradient."""
        return self.expected - self.exact

    @property
    def relative_bias(self) -> float:
        """Length of the bias in units of the gradient's; `noise` of it is there by chance alone."""
        return float(self.bias.norm() / self.exact.norm())

    @property
    def noise(self) -> float:
        """Length of the standard error in units of the gradient's."""
        return float(self.standard_error.norm() / self.exact.norm())

    @property
    def largest_z(self) -> float:
        """Largest bias of a parameter in its standard errors; above 4 is hardly chance."""
        varies = self.standard_error > 0
        return float((self.bias[varies] / self.standard_error[varies]).abs().max())

    @property
    def cosine(self) -> float:
        """Cosine of the angle between expected estimate and gradient; 1 is the right direction."""
        return cosine(self.expected, self.exact)


@dataclass(frozen=True)
class Shrinkage:
    """How much of the gradient is left in expectation, for one size of the batch."""

    n_episodes: int
    """size N of the batch"""
    predicted: float
    """(N-1)/N"""
    batch_mean: Estimate
    """measured for the batch-mean baseline"""
    leave_one_out: Estimate
    """measured for the leave-one-out baseline"""


@dataclass(frozen=True)
class Standardisation:
    """What division by the standard deviation does to the expected estimate, without sampling."""

    n_episodes: int
    """size N of the batch"""
    scale: float
    """expected estimate along the gradient, in units of its length"""
    cosine: float
    """cosine of the angle between the two; 1 is the right direction"""
    relative_bias: float
    """length of expected estimate minus gradient, in units of the gradient's"""


def measure(
    mdp: TabularMDP,
    theta: Theta,
    estimator: Estimator,
    n_episodes: int,
    *,
    batches: int = 5000,
    seed: int = 0,
    discount: float = 1.0,
    values: Float[Tensor, "time state"] | None = None,
) -> Measurement:
    """Bias and variance of one estimator.

    Args:
        mdp: The decision process.
        theta: Logits of the policy.
        estimator: The estimator.
        n_episodes: Size N of a batch.
        batches: How many batches are drawn; the same ones for the same seed, so that estimators
            are compared on the same data.
        seed: Seed of the draws.
        discount: Factor per step, for the estimator and for J.
        values: The critic's table, for estimators that need one, fitted to other data.

    Returns:
        The measurement.

    Raises:
        ValueError: If there are fewer than 100 batches, the gradient is zero, or as `sample` and
            the estimator say.
    """
    if batches < 100:
        raise ValueError(f"{batches} batches are too few for an interval; at least 100 are needed")
    drawn = sample(mdp, theta, n_episodes, seed=seed, batches=batches)
    if values is not None:
        drawn = drawn.with_values(values)
    estimates = gradient_estimate(theta, drawn, estimator(drawn.episodes, discount=discount))
    exact = exact_gradient(mdp, theta, discount=discount)
    length = exact.norm()
    if length < 1e-12:
        raise ValueError("the gradient is zero here, so there is no scale to measure: move theta")
    expected = estimates.mean(0)
    distances = (estimates - expected).square().sum((-2, -1)) * batches / (batches - 1)
    along = (estimates * exact).sum((-2, -1)) / length.square()
    return Measurement(
        exact,
        expected,
        estimates.std(0) / math.sqrt(batches),
        mean_interval(along),
        mean_interval(distances),
    )


def compare(
    mdp: TabularMDP,
    theta: Theta,
    n_episodes: int,
    *,
    estimators: Mapping[str, Estimator] = ESTIMATORS,
    batches: int = 5000,
    seed: int = 0,
    discount: float = 1.0,
    critic_episodes: int = 200,
) -> dict[str, Measurement]:
    """Bias and variance of several estimators on the same batches.

    Args:
        mdp: The decision process.
        theta: Logits of the policy.
        n_episodes: Size N of a batch.
        estimators: The estimators, by name.
        batches: How many batches are drawn.
        seed: Seed of the draws.
        discount: Factor per step, for the estimators and for J.
        critic_episodes: How many earlier episodes the critic is fitted to.

    Returns:
        One measurement per estimator.

    Raises:
        ValueError: As `measure`.
    """
    generator = torch.Generator().manual_seed(seed + 1_000_003)
    earlier = sample(mdp, theta, critic_episodes, seed=generator)
    values = fit_values(earlier, mdp.n_states, discount=discount)
    return {
        name: measure(
            mdp,
            theta,
            estimator,
            n_episodes,
            batches=batches,
            seed=seed,
            discount=discount,
            values=values,
        )
        for name, estimator in estimators.items()
    }


def shrinkage(
    mdp: TabularMDP,
    theta: Theta,
    sizes: Sequence[int] = (2, 4, 8, 16),
    *,
    batches: int = 5000,
    seed: int = 0,
) -> list[Shrinkage]:
    """How much of the gradient the batch-mean baseline leaves: (N-1)/N for equal lengths.

    Args:
        mdp: The decision process.
        theta: Logits of the policy.
        sizes: Sizes N of the batch.
        batches: How many batches are drawn for each size.
        seed: Seed of the draws.

    Returns:
        One result per size.

    Raises:
        ValueError: As `measure`; so for N = 1, where leave-one-out does not exist.
    """
    results = []
    for n in sizes:
        mean, left_out = (
            measure(mdp, theta, estimator, n, batches=batches, seed=seed).scale
            for estimator in (batch_mean_baseline, leave_one_out_baseline)
        )
        results.append(Shrinkage(n, (n - 1) / n, mean, left_out))
    return results


def standardisation(
    mdp: TabularMDP, theta: Theta, sizes: Sequence[int] = (2, 4, 6)
) -> list[Standardisation]:
    """What division by the standard deviation does, by enumerating all batches.

    Args:
        mdp: The decision process; the work grows as its trajectories to the power of N.
        theta: Logits of the policy.
        sizes: Sizes N of the batch.

    Returns:
        One result per size.

    Raises:
        ValueError: As `exact_expectation`.
    """
    exact = exact_gradient(mdp, theta)
    results = []
    for n in sizes:
        expected = exact_expectation(mdp, theta, standardised, n)
        results.append(
            Standardisation(
                n,
                float((expected * exact).sum() / exact.square().sum()),
                cosine(expected, exact),
                float((expected - exact).norm() / exact.norm()),
            )
        )
    return results


def fit_values(
    trajectories: Trajectories, n_states: int, *, discount: float = 1.0
) -> Float[Tensor, "time state"]:
    """A critic: the mean reward-to-go seen from each state at each time (Monte Carlo).

    Used on the episodes it was fitted to, it leaks: like the batch mean, each value then contains
    the return of the very episode it is subtracted from.

    Args:
        trajectories: One batch or more, all used together; truncated episodes count as they are.
        n_states: How many states the process has.
        discount: Factor per step.

    Returns:
        The table for `Trajectories.with_values`; 0 where a state was not seen.

    Raises:
        ValueError: If the discount is not from 0 to 1, or a state is not below `n_states`.
    """
    if (largest := int(trajectories.states.max())) >= n_states:
        raise ValueError(f"the trajectories reach state {largest}, and there are {n_states} states")
    to_go = reward_to_go(trajectories.episodes, discount=discount).double()
    steps = to_go.shape[-1]
    cell = torch.arange(steps) * n_states + trajectories.states[..., :-1]
    taken = trajectories.episodes.taken
    size = (steps + 1) * n_states
    total = torch.zeros(size, dtype=torch.double).index_add(0, cell[taken], to_go[taken])
    visits = torch.bincount(cell[taken], minlength=size)
    return (total / visits.clamp(min=1)).reshape(steps + 1, n_states)


def cosine(a: Float[Tensor, "*shape"], b: Float[Tensor, "*shape"]) -> float:
    """Cosine of the angle between two gradients.

    Args:
        a: One gradient.
        b: The other.

    Returns:
        1 for the same direction, 0 for a right angle; NaN if one is zero.
    """
    return float((a * b).sum() / (a.norm() * b.norm()))


def mean_interval(values: Float[Tensor, " sample"]) -> Estimate:
    """Mean of many independent values with its 95% interval (central limit theorem).

    Args:
        values: The values, a few hundred or more.

    Returns:
        The mean, and 1.96 standard errors to each side.

    Raises:
        ValueError: If there are fewer than two values, or one is not finite.
    """
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"at least two values in one row are needed, not shape {tuple(values.shape)}"
        )
    if not values.isfinite().all():
        raise ValueError(f"{int((~values.isfinite()).sum())} of the values are NaN or infinite")
    mean, error = values.mean().item(), values.std().item() / math.sqrt(len(values))
    return Estimate(mean, mean - 1.96 * error, mean + 1.96 * error)
