"""On-policy against off-policy: fresh data, data used again, and importance weights.

Data are off-policy when another policy than the one being improved collected them, be it another
agent or the same one a few updates ago. Importance weights, the ratio of the two policies'
probabilities, make the estimate unbiased again, at the price of variance: a few episodes may carry
all the weight.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.policy_gradients.episodes import Episodes
from interp_rl.policy_gradients.estimators import (
    Estimator,
    leave_one_out_baseline,
    reward_to_go,
)
from interp_rl.policy_gradients.exact import (
    TabularMDP,
    Theta,
    Trajectories,
    expected_return,
    gradient_estimate,
    log_policy,
    sample,
)

Correction = Literal["none", "trajectory", "decision"]
"""Which importance weights: none, of the whole trajectory, or of each reward's past."""


@dataclass(frozen=True)
class Scheme:
    """How a learner uses its data."""

    uses: int = 1
    """gradient steps on each batch; 1 is on-policy"""
    correction: Correction = "none"
    """importance weights"""
    clip: float = math.inf
    """largest importance weight; larger ones are lowered to it"""
    stay: bool = False
    """whether all data come from the first policy instead of the newest one"""

    def __post_init__(self) -> None:
        if self.uses < 1:
            raise ValueError(f"uses is {self.uses}; each batch must be used at least once")
        if self.correction not in ("none", "trajectory", "decision"):
            raise ValueError(
                f"correction is {self.correction!r}; it is 'none', 'trajectory' or 'decision'"
            )
        if not self.clip > 0:
            raise ValueError(f"clip is {self.clip}; it must be positive")
        if self.clip < math.inf and self.correction == "none":
            raise ValueError("there is no importance weight to clip without a correction")


SCHEMES: dict[str, Scheme] = {
    "fresh data": Scheme(),
    "reused, uncorrected": Scheme(uses=10),
    "reused, importance weights": Scheme(uses=10, correction="trajectory"),
    "reused, clipped weights": Scheme(uses=10, correction="trajectory", clip=2.0),
}
"""The ways to use data that are compared, by name."""


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """What became of several independent runs."""

    steps: Float[Tensor, " point"]
    """environment steps taken, from 0 to the budget"""
    returns: Float[Tensor, "seed point"]
    """exact J of the policy after that many steps"""
    effective_sample_size: Float[Tensor, "seed point"]
    """smallest share of a batch that its weights left effective, over the steps on the batch; 1
    where all weights are equal, also computed where the weights are not used"""
    theta: Float[Tensor, "seed state action"]
    """logits of the last policies"""


def importance_ratios(
    log_target: Float[Tensor, "*batch episode time"],
    log_behaviour: Float[Tensor, "*batch episode time"],
    episodes: Episodes,
) -> Float[Tensor, "*batch episode time"]:
    r"""How much more probable the target policy makes each episode up to each step.

    .. math:: \rho_{0:t} = \prod_{k \le t} \pi(a_k|s_k) / b(a_k|s_k)

    The environment's probabilities cancel. The last entry is the ratio of the whole trajectory.

    Args:
        log_target: Log-probability of each action under the policy to be improved.
        log_behaviour: The same under the policy that took the actions.
        episodes: The episodes, for their mask.

    Returns:
        The ratios; in the padding, that of the last step.

    Raises:
        ValueError: If shapes differ, or a log-probability of an action taken is not finite.
    """
    shape = tuple(episodes.rewards.shape)
    for name, given in (("log_target", log_target), ("log_behaviour", log_behaviour)):
        if tuple(given.shape) != shape:
            raise ValueError(f"{name} has shape {tuple(given.shape)}, the episodes {shape}")
        if not given[episodes.taken].isfinite().all():
            raise ValueError(f"{name} is not finite for an action taken: it cannot be weighted")
    return (log_target - log_behaviour).where(episodes.taken, 0).cumsum(-1).exp()


def effective_sample_size(
    weights: Float[Tensor, "*batch episode"],
) -> Float[Tensor, "*batch"]:
    """How many equally weighted episodes the weighted ones are worth (Kish 1965).

    Args:
        weights: Importance weights, not negative.

    Returns:
        ``(sum w)**2 / sum w**2``, from 1 to the number of episodes.

    Raises:
        ValueError: If there are no episodes, a weight is negative or not finite, or all of a batch
            are zero.
    """
    if not weights.numel():
        raise ValueError("there are no weights")
    if not (weights.isfinite().all() and (weights >= 0).all()):
        raise ValueError("a weight is negative, NaN or infinite")
    # the largest weight is one after this, so that squares neither overflow nor vanish
    largest = weights.amax(-1, keepdim=True)
    if (largest == 0).any():
        raise ValueError("all weights of a batch are zero")
    scaled = weights / largest
    return scaled.sum(-1).square() / scaled.square().sum(-1)


def weighted(
    estimator: Estimator,
    episodes: Episodes,
    ratios: Float[Tensor, "*batch episode time"],
    *,
    correction: Correction = "trajectory",
    clip: float = math.inf,
) -> Float[Tensor, "*batch episode time"]:
    r"""The weights of an estimator, corrected for data of another policy.

    Per trajectory, all weights of an episode are multiplied by its ratio. Per decision, each reward
    is multiplied by the ratio of the actions up to it, since later ones cannot change it (Precup et
    al. 2000), and so is the baseline b that the estimator subtracts from the reward-to-go:

    .. math:: w_t = \sum_{k \ge t} \rho_{0:k}\, r_k - \rho_{0:t}\, b_t

    Without a clip both are unbiased where the estimator itself is. Per decision it must be a
    reward-to-go minus something that does not depend on the action and what follows: all are but
    `gae` below ``lam=1`` and `standardised`.

    Args:
        estimator: The estimator.
        episodes: The episodes.
        ratios: Their `importance_ratios`.
        correction: Which importance weights.
        clip: Largest ratio; it lowers the variance and adds a bias.

    Returns:
        One weight per step.

    Raises:
        ValueError: If the ratios do not belong to the episodes, the clip is not positive, or as
            the estimator says.
    """
    if ratios.shape != episodes.rewards.shape:
        raise ValueError(
            f"ratios have shape {tuple(ratios.shape)}, the episodes {tuple(episodes.rewards.shape)}"
        )
    Scheme(correction=correction, clip=clip)  # complains about what makes no sense
    weights = estimator(episodes)
    if correction == "none":
        return weights
    ratios = ratios.clamp(max=clip)
    if correction == "trajectory":
        return ratios[..., -1:] * weights
    baseline = reward_to_go(episodes) - weights
    reweighted = replace(episodes, rewards=ratios * episodes.rewards)
    return (reward_to_go(reweighted) - ratios * baseline) * episodes.taken


def learn(
    mdp: TabularMDP,
    scheme: Scheme,
    *,
    budget: int,
    n_episodes: int = 8,
    rate: float = 1.0,
    estimator: Estimator = leave_one_out_baseline,
    theta: Float[Tensor, "state action"] | None = None,
    n_seeds: int = 20,
    seed: int = 0,
    points: int = 50,
) -> LearningCurve:
    """Gradient ascent on J from samples, many independent runs at once.

    Args:
        mdp: The decision process.
        scheme: How the data are used.
        budget: Environment steps of each run; a batch that would exceed it is not used.
        n_episodes: Episodes in a batch.
        rate: Length of a step in units of the estimated gradient.
        estimator: The estimator.
        theta: Logits of the first policy; all zero, every action as probable, if left out.
        n_seeds: How many runs.
        seed: Seed of all of them.
        points: Points of the curve after the first.

    Returns:
        The curves.

    Raises:
        ValueError: If the budget is too small for a single batch, the rate is not positive, a
            number is below 1, or as `sample` and the estimator say.
    """
    for name, value in (("n_seeds", n_seeds), ("points", points)):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")
    if not rate > 0:
        raise ValueError(f"rate is {rate}; it must be positive")
    if budget < n_episodes * mdp.horizon:
        raise ValueError(
            f"a budget of {budget} steps is too small for {n_episodes} episodes of up to "
            f"{mdp.horizon} steps"
        )
    generator = torch.Generator().manual_seed(seed)
    if theta is None:
        theta = torch.zeros(mdp.n_states, mdp.n_actions, dtype=torch.double)
    first = theta.double().expand(n_seeds, -1, -1)
    policy, steps = first, torch.zeros(n_seeds, dtype=torch.long)
    history = [(steps, expected_return(mdp, policy), torch.ones(n_seeds, dtype=torch.double))]
    active = torch.ones(n_seeds, dtype=torch.bool)
    while active.any():
        behaviour = first if scheme.stay else policy
        data = sample(mdp, behaviour, n_episodes, seed=generator)
        used = data.episodes.taken.sum((-2, -1))
        active = active & (steps + used <= budget)
        improved, effective = _improve(policy, behaviour, data, scheme, estimator, rate)
        policy = improved.where(active[:, None, None], policy)
        steps = steps + used * active
        effective = effective.where(active, history[-1][2])
        history.append((steps, expected_return(mdp, policy), effective))
    taken, returns, effective = (torch.stack(column, -1) for column in zip(*history, strict=True))
    grid = torch.linspace(0, budget, points + 1, dtype=torch.double)
    # the newest policy whose data were collected by then
    newest = (taken[:, None, :] <= grid[:, None]).sum(-1) - 1
    return LearningCurve(grid, returns.gather(-1, newest), effective.gather(-1, newest), policy)


def compare_schemes(
    mdp: TabularMDP,
    *,
    budget: int,
    schemes: Mapping[str, Scheme] = SCHEMES,
    n_episodes: int = 8,
    rate: float = 1.0,
    estimator: Estimator = leave_one_out_baseline,
    n_seeds: int = 20,
    seed: int = 0,
) -> dict[str, LearningCurve]:
    """Several ways to use data, each given the same number of environment steps.

    Args:
        mdp: The decision process.
        budget: Environment steps of each run.
        schemes: The ways, by name.
        n_episodes: Episodes in a batch.
        rate: Length of a step in units of the estimated gradient.
        estimator: The estimator.
        n_seeds: How many runs of each.
        seed: Seed of all of them.

    Returns:
        The curves of each, on the same grid of steps.

    Raises:
        ValueError: As `learn`.
    """
    return {
        name: learn(
            mdp,
            scheme,
            budget=budget,
            n_episodes=n_episodes,
            rate=rate,
            estimator=estimator,
            n_seeds=n_seeds,
            seed=seed,
        )
        for name, scheme in schemes.items()
    }


def _improve(
    policy: Theta,
    behaviour: Theta,
    data: Trajectories,
    scheme: Scheme,
    estimator: Estimator,
    rate: float,
) -> tuple[Theta, Float[Tensor, " seed"]]:
    """All gradient steps on one batch, and the smallest effective share of it on the way."""
    log_behaviour = log_policy(behaviour, data)
    shares = []
    for _ in range(scheme.uses):
        ratios = importance_ratios(log_policy(policy, data), log_behaviour, data.episodes)
        counted = ratios[..., -1].clamp(max=scheme.clip)
        shares.append(effective_sample_size(counted) / counted.shape[-1])
        weights = weighted(
            estimator, data.episodes, ratios, correction=scheme.correction, clip=scheme.clip
        )
        policy = policy + rate * gradient_estimate(policy, data, weights)
    return policy, torch.stack(shares).amin(0)
