"""Check of Exercise 4.2c: PPO's clipped loss."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, show
from interp_rl.checks.section3.examples import compare_on
from interp_rl.checks.section4.responses import mask_of, numbers


@check("4.2c", learned="The clip takes away the reward for going further, never the way back.")
def check_clipped_loss(fn: Student) -> None:
    """Checks Exercise 4.2c: the clipped loss of the policy.

    Args:
        fn: Your function `clipped_loss(log_probs, old_log_probs, advantages, mask, clip)`.
    """
    examples = {
        "2 responses of 4 and 2 tokens": _first(),
        "3 responses, 1 of them not ended": _batch((5, 1, 3), width=5, clip=0.1, seed=1),
        "the first step, where old and new agree": _same_policy((3, 4), width=4, clip=0.2, seed=2),
    }
    compare_on(fn, examples, _loss, _mistakes)
    for what, inputs in examples.items():
        _compare_gradients(fn, what, inputs)


_Batch = tuple[
    Float[Tensor, "_ _"], Float[Tensor, "_ _"], Float[Tensor, "_ _"], Bool[Tensor, "_ _"], float
]
"""Log-probabilities now and when sampled, advantages, mask, clip; several sizes in one call."""


def _first() -> _Batch:
    """Ratios inside and on both sides of the clip, for advantages of both signs."""
    ratios = torch.tensor([[1.5, 0.5, 1.6, 0.9], [0.4, 1.1, 1.9, 0.7]])
    advantages = torch.tensor([[1.0, -2.0, -1.5, 0.5], [3.0, 2.0, 4.0, -3.0]])
    old = numbers(2, 4, seed=0, low=-3.0, high=-1.0)
    return ratios.log() + old, old, advantages, mask_of((4, 2), width=4), 0.2


def _batch(lengths: tuple[int, ...], *, width: int, clip: float, seed: int) -> _Batch:
    """Random numbers, also in the padding."""
    shape = (len(lengths), width)
    old = numbers(*shape, seed=seed, low=-3.0, high=-1.0)
    new = old + numbers(*shape, seed=seed + 10, low=-0.5, high=0.5)
    return new, old, numbers(*shape, seed=seed + 20), mask_of(lengths, width=width), clip


def _same_policy(lengths: tuple[int, ...], *, width: int, clip: float, seed: int) -> _Batch:
    _, old, advantages, mask, _ = _batch(lengths, width=width, clip=clip, seed=seed)
    advantages[0, 1] = 0.0  # as good as expected, and a token all the same
    return old.clone(), old, advantages, mask, clip


def _terms(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip: float
) -> tuple[Float[Tensor, "sample new"], Float[Tensor, "sample new"]]:
    """Ratio times advantage, without and with the clip."""
    ratio = (log_probs - old_log_probs).exp()
    return ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages


def _loss(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> Float[Tensor, ""]:
    plain, clipped = _terms(log_probs, old_log_probs, advantages, clip)
    return -torch.minimum(plain, clipped)[mask].mean()


def _compare_gradients(fn: Student, what: str, inputs: _Batch) -> None:
    """The loss may be right and its gradient not: cut off, or of something else."""
    log_probs, old_log_probs, advantages, mask, clip = inputs
    gradient = fn.gradient(*inputs)
    variable = log_probs.clone().requires_grad_()
    loss = _loss(variable, old_log_probs, advantages, mask, clip)
    (expected,) = torch.autograd.grad(loss, variable)
    if not torch.allclose(gradient.double(), expected.double(), atol=1e-5):
        raise Wrong(
            f"Your loss has the right value on {what}, but another gradient. Is a part of it cut "
            "off, by `.detach()` or `torch.no_grad()`?",
            show(gradient),
            show(expected),
        )


def _mistakes(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    plain, clipped = _terms(log_probs, old_log_probs, advantages, clip)
    inverse, inverse_clipped = _terms(old_log_probs, log_probs, advantages, clip)
    terms = torch.minimum(plain, clipped)
    difference = log_probs - old_log_probs
    around_zero = difference.exp().clamp(-clip, clip) * advantages
    clipped_log = difference.clamp(-clip, clip).exp() * advantages
    probabilities = log_probs.exp()
    ratio = difference.exp()
    from_above = torch.minimum(plain, ratio.clamp(max=1 + clip) * advantages)
    from_below = torch.minimum(plain, ratio.clamp(min=1 - clip) * advantages)
    smaller_ratio = torch.minimum(ratio, ratio.clamp(1 - clip, 1 + clip)) * advantages
    whitened = (advantages - advantages[mask].mean()) / (advantages[mask].std() + 1e-8)
    n = mask.sum()
    right = _loss(log_probs, old_log_probs, advantages, mask, clip)
    return {
        "The sign is reversed. A program minimises the loss, so put a minus in front.": -right,
        "You take the larger of the two terms. PPO takes the smaller one, the more pessimistic: "
        "with a minus in front of both it is the larger loss.": -torch.maximum(plain, clipped)[
            mask
        ].mean(),
        "You leave out the clip: this is importance weighting. Take the smaller of the two terms, "
        "with and without the clip.": -plain[mask].mean(),
        "You use the clipped term alone. Then a token that moved the wrong way has no gradient "
        "that brings it back: take the smaller of the two terms.": -clipped[mask].mean(),
        "You clip the ratio between -clip and clip. A ratio of equal policies is 1: clip it "
        "between 1 - clip and 1 + clip.": -torch.minimum(plain, around_zero)[mask].mean(),
        "You clip the log-ratio. Clip the ratio itself, after `exp`.": -torch.minimum(
            plain, clipped_log
        )[mask].mean(),
        "You clip the ratio from above only. It has two limits: `clamp(1 - clip, 1 + clip)`.": (
            -from_above[mask].mean()
        ),
        "You clip the ratio from below only. It has two limits: `clamp(1 - clip, 1 + clip)`.": (
            -from_below[mask].mean()
        ),
        "You take the smaller of the two ratios, and multiply by the advantage afterwards. With a "
        "negative advantage the smaller ratio gives the larger term: multiply first.": (
            -smaller_ratio[mask].mean()
        ),
        "You whiten the advantages, too. That is a step of its own, before this one.": _loss(
            log_probs, old_log_probs, whitened, mask, clip
        ),
        "You clip the product of ratio and advantage. Clip the ratio, then multiply.": (
            -torch.minimum(plain, plain.clamp(1 - clip, 1 + clip))[mask].mean()
        ),
        "Your ratio is old over new. It is new over old: `exp(log_probs - old_log_probs)`.": (
            -torch.minimum(inverse, inverse_clipped)[mask].mean()
        ),
        "You take the difference of the log-probabilities for the ratio: `exp` is missing.": (
            -torch.minimum(
                difference * advantages, difference.clamp(1 - clip, 1 + clip) * advantages
            )[mask].mean()
        ),
        "Your ratio leaves out the old policy. Subtract `old_log_probs` before `exp`.": (
            -torch.minimum(
                probabilities * advantages, probabilities.clamp(1 - clip, 1 + clip) * advantages
            )[mask].mean()
        ),
        "You use log-probability times advantage, the loss of REINFORCE. PPO has the ratio of new "
        "and old in its place.": -(log_probs * advantages)[mask].mean(),
        "The padding counts in your mean. Use the tokens with `mask` True only.": -terms.mean(),
        "The padding is zero in your sum, but counts in the number you divide by. Divide by the "
        "number of tokens with `mask` True.": -(terms * mask).mean(),
        "You take the mean over the tokens of each response first. Here all tokens of the batch "
        "count alike: one sum, divided by the number of tokens.": (
            -((terms * mask).sum(1) / mask.sum(1)).mean()
        ),
        "You divide by the number of responses. Divide by the number of tokens with `mask` True.": (
            -(terms * mask).sum() / len(mask)
        ),
        "You sum over the tokens. Take the mean, so that the size of the batch does not change the "
        "size of a step.": -(terms * mask).sum(),
        "You leave out the advantages.": -torch.minimum(
            difference.exp(), difference.exp().clamp(1 - clip, 1 + clip)
        )[mask].mean(),
        "You use the size of the advantages. Their sign says whether a token was better or worse "
        "than expected.": -torch.minimum(
            difference.exp() * advantages.abs(),
            difference.exp().clamp(1 - clip, 1 + clip) * advantages.abs(),
        )[mask].mean(),
        "You return one number for each token. Take their mean over `mask`.": -terms * mask,
        "You return one number for each token. Take their mean.": -terms[mask],
        "You return one number for each response. Take the mean over all tokens.": (
            -(terms * mask).sum(1) / n
        ),
    }
