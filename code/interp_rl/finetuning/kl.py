r"""Three estimators of the KL divergence, and what each of their uses does to the gradient.

For a text drawn from the policy let ``x = log pi(text) - log pi_ref(text)``. Its mean is the
divergence of the policy from the reference. Schulman (2020) compares three functions of x with

* ``k1 = x``: unbiased, and often negative.
* ``k2 = x**2 / 2``: biased, varies little while the two are near to each other.
* ``k3 = exp(-x) - 1 + x``: unbiased and never negative.

These are estimators of a number. Training needs the gradient of that number, and a good estimator
of the one need not give a good estimate of the other:

* In the reward, an estimator is a constant that multiplies the score of the text. For k1 the
  expected gradient is right. For k3 it is that of ``KL(pi || ref) - KL(ref || pi)``.
* In the loss, an estimator is itself differentiated, at texts that are held fixed. For k1 the
  expected gradient is zero, as ``E[grad log pi] = 0``. For k2 it is right, as long as the texts
  come from the policy itself. For k3 it is that of ``KL(ref || pi)``, the other direction.

Everything here is computed by listing all texts of a tiny vocabulary, so nothing is left to chance.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

Estimator = Callable[[Float[Tensor, "*any"]], Float[Tensor, "*any"]]
"""A function of the log-ratio, whose mean over the policy's own texts estimates a divergence."""

Use = Literal["reward", "loss"]
"""Where an estimator stands: in the reward as a constant, or in the loss and differentiated."""

Logits = Float[Tensor, "prefix token"]
"""A policy on a tiny vocabulary: logits of the next token after each prefix, the empty one first,
then those of one token, and so on."""


def k1(log_ratio: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The log-ratio itself: unbiased, of either sign.

    Args:
        log_ratio: ``log pi - log pi_ref`` where the policy drew.

    Returns:
        Nats.
    """
    return log_ratio


def k2(log_ratio: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """Half its square: biased, never negative, of little variance near the reference.

    Args:
        log_ratio: ``log pi - log pi_ref`` where the policy drew.

    Returns:
        Nats.
    """
    return log_ratio.square() / 2


def k3(log_ratio: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The log-ratio plus what has mean zero and makes it never negative: unbiased.

    Args:
        log_ratio: ``log pi - log pi_ref`` where the policy drew.

    Returns:
        Nats.
    """
    return torch.expm1(-log_ratio) + log_ratio


ESTIMATORS: dict[str, Estimator] = {"k1": k1, "k2": k2, "k3": k3}
"""The three by name."""


@dataclass(frozen=True)
class Moments:
    """What an estimator does as an estimate of the divergence itself."""

    exact: float
    """KL(policy || reference), in nats"""
    bias: float
    """mean of the estimator minus the divergence"""
    deviation: float
    """standard deviation of the estimator for one text"""
    negative: float
    """how probable a negative estimate is"""


@dataclass(frozen=True, eq=False)
class GradientOfUse:
    """What one use of one estimator does to the gradient, in expectation."""

    expected: Logits
    """the expected gradient"""
    exact: Logits
    """the gradient of KL(policy || reference)"""

    @property
    def relative_error(self) -> float:
        """Length of the difference in units of the right gradient's length; 0 is right."""
        return float((self.expected - self.exact).norm() / self.exact.norm())

    @property
    def length(self) -> float:
        """Length of the expected gradient in units of the right one's."""
        return float(self.expected.norm() / self.exact.norm())

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the two; NaN if the expected gradient is zero."""
        if self.length < 1e-6:
            return float("nan")
        return float((self.expected * self.exact).sum() / self.expected.norm() / self.exact.norm())


def random_policies(
    *, vocabulary: int = 4, length: int = 1, distance: float = 1.0, seed: int = 0
) -> tuple[Logits, Logits]:
    """A reference on a tiny vocabulary, and a policy not far from it.

    Args:
        vocabulary: Number of tokens.
        length: Tokens per text.
        distance: Standard deviation of the difference of their logits.
        seed: Seed of both.

    Returns:
        Logits of the policy and of the reference, in double precision.
    """
    generator = torch.Generator().manual_seed(seed)
    prefixes = sum(vocabulary**n for n in range(length))
    reference, step = torch.randn(
        2, prefixes, vocabulary, generator=generator, dtype=torch.float64
    ).unbind()
    return reference + distance * step, reference


def all_texts(vocabulary: int, length: int) -> Int[Tensor, "text time"]:
    """Every text of a given length.

    Args:
        vocabulary: Number of tokens.
        length: Tokens per text.

    Returns:
        One row per text.
    """
    return torch.tensor(list(itertools.product(range(vocabulary), repeat=length)))


def text_log_probs(logits: Logits) -> Float[Tensor, "text time"]:
    """The log-probability of each token of every text.

    Args:
        logits: The policy; the number of prefixes tells how long texts are.

    Returns:
        One row per text, in the order of `all_texts`; a row's sum is the text's log-probability.

    Raises:
        ValueError: If the number of prefixes belongs to no length.
    """
    prefixes, vocabulary = logits.shape
    length, starts = 0, [0]
    while starts[-1] < prefixes:
        starts.append(starts[-1] + vocabulary**length)
        length += 1
    if starts[-1] != prefixes or not length:
        raise ValueError(
            f"{prefixes} prefixes belong to no length: with {vocabulary} tokens there are "
            f"{', '.join(map(str, starts[1:]))} for texts of 1, 2, ... tokens"
        )
    texts = all_texts(vocabulary, length)
    log_all = logits.log_softmax(-1)
    columns, rank = [], torch.zeros(len(texts), dtype=torch.long)
    for time in range(length):
        columns.append(log_all[starts[time] + rank, texts[:, time]])
        rank = rank * vocabulary + texts[:, time]  # a prefix's place among those of its length
    return torch.stack(columns, 1)


def exact_kl(policy: Logits, reference: Logits) -> Float[Tensor, ""]:
    """The divergence KL(policy || reference) of whole texts, by listing them.

    Args:
        policy: Logits; may carry gradients.
        reference: Logits.

    Returns:
        Nats.
    """
    log_policy = text_log_probs(policy).sum(1)
    return (log_policy.exp() * (log_policy - text_log_probs(reference).sum(1))).sum()


def exact_gradient(policy: Logits, reference: Logits, *, reverse: bool = False) -> Logits:
    """The gradient of the divergence with respect to the policy's logits.

    Args:
        policy: Logits.
        reference: Logits.
        reverse: Whether to take KL(reference || policy) instead.

    Returns:
        The gradient of KL(policy || reference): against it, the policy comes nearer.
    """
    theta = policy.detach().requires_grad_()
    kl = exact_kl(reference, theta) if reverse else exact_kl(theta, reference)
    return torch.autograd.grad(kl, theta)[0]


def moments(policy: Logits, reference: Logits, estimator: Estimator) -> Moments:
    """Bias and spread of an estimator as an estimate of the divergence, over all texts.

    Args:
        policy: Logits of the policy that draws.
        reference: Logits.
        estimator: `k1`, `k2` or `k3`, applied to the log-ratio of whole texts.

    Returns:
        Exact moments for one text.
    """
    log_policy = text_log_probs(policy).sum(1)
    probability = log_policy.exp()
    estimates = estimator(log_policy - text_log_probs(reference).sum(1))
    exact, mean = exact_kl(policy, reference), (probability * estimates).sum()
    variance = (probability * (estimates - mean).square()).sum()
    return Moments(
        exact=float(exact),
        bias=float(mean - exact),
        deviation=float(variance.sqrt()),
        negative=float(probability[estimates < 0].sum()),
    )


def gradient_of_use(
    policy: Logits,
    reference: Logits,
    estimator: Estimator,
    use: Use,
    *,
    per_token: bool = False,
    sampler: Logits | None = None,
) -> GradientOfUse:
    """What an estimator's use does to the gradient in expectation, beside the right gradient.

    Args:
        policy: Logits of the policy that learns.
        reference: Logits.
        estimator: `k1`, `k2` or `k3`.
        use: "reward" for a constant that multiplies the score, "loss" for a term that is
            differentiated itself.
        per_token: Whether the estimator is applied to each token and summed, instead of to the
            whole text. In the reward, each token's score is then multiplied by the estimates from
            it on. For texts of one token there is no difference.
        sampler: Logits of the policy that drew the texts; the policy itself if left out. Nothing
            corrects for the difference here.

    Returns:
        The expected gradient of the penalty, and that of KL(policy || reference). Signs are those
        of a penalty to be minimised.

    Raises:
        ValueError: If `use` is neither.
    """
    if use not in ("reward", "loss"):
        raise ValueError(f"use is {use!r}; it is 'reward' or 'loss'")
    theta = policy.detach().requires_grad_()
    log_policy = text_log_probs(theta)
    drawn = text_log_probs(policy if sampler is None else sampler).sum(1).exp().detach()
    log_ratio = log_policy - text_log_probs(reference)
    scores = log_policy
    if not per_token:
        log_ratio, scores = log_ratio.sum(1, keepdim=True), log_policy.sum(1, keepdim=True)
    estimates = estimator(log_ratio)
    if use == "loss":
        surrogate = (drawn * estimates.sum(1)).sum()
    else:
        from_here_on = estimates.detach().flip(1).cumsum(1).flip(1)
        surrogate = (drawn * (from_here_on * scores).sum(1)).sum()
    expected = torch.autograd.grad(surrogate, theta)[0]
    return GradientOfUse(expected, exact_gradient(policy, reference))
