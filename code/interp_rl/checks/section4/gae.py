"""Check of Exercise 4.2b: generalised advantage estimation on responses of several lengths."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.checks.framework import Student, check
from interp_rl.checks.section3.examples import compare_on
from interp_rl.checks.section4.responses import mask_of, numbers


@check("4.2b", learned="Nothing comes after the last token, and nothing comes back from padding.")
def check_gae(fn: Student) -> None:
    """Checks Exercise 4.2b: the advantage of each token.

    Args:
        fn: Your function `gae(rewards, values, mask, discount, lam)`.
    """
    examples = {
        "2 responses of 3 and 2 tokens": _batch((3, 2), width=4, discount=0.5, lam=0.8, seed=0),
        "3 responses, 1 of them not ended": _batch(
            (5, 1, 3), width=5, discount=0.9, lam=0.5, seed=1
        ),
        "discount 1 and lam 0.95": _batch((4, 6), width=6, discount=1.0, lam=0.95, seed=2),
        "lam 0": _batch((2, 3), width=3, discount=0.9, lam=0.0, seed=3),
        "discount 0": _batch((2, 3), width=3, discount=0.0, lam=0.9, seed=4),
    }
    compare_on(fn, examples, _gae, _mistakes)


_Batch = tuple[Float[Tensor, "_ _"], Float[Tensor, "_ _"], Bool[Tensor, "_ _"], float, float]
"""Rewards, values, mask, discount, lambda; several sizes in one call."""


def _batch(
    lengths: tuple[int, ...], *, width: int, discount: float, lam: float, seed: int
) -> _Batch:
    """Random numbers, also in the padding."""
    shape = (len(lengths), width)
    rewards, values = numbers(*shape, seed=seed), numbers(*shape, seed=seed + 10)
    return rewards, values, mask_of(lengths, width=width), discount, lam


def _next(values: Tensor) -> Float[Tensor, "sample new"]:
    """What stands one column later; zero after the last."""
    return torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], 1)


def _sums(errors: Tensor, factor: float) -> Float[Tensor, "sample new"]:
    """Each entry plus the later ones, discounted."""
    n = errors.shape[1]
    later = torch.arange(n) - torch.arange(n)[:, None]  # column, later column
    return errors @ (torch.tensor(factor) ** later.clamp(min=0) * (later >= 0)).T


def _gae(
    rewards: Tensor, values: Tensor, mask: Tensor, discount: float, lam: float
) -> Float[Tensor, "sample new"]:
    known = values * mask
    errors = (rewards + discount * _next(known) - known) * mask
    return _sums(errors, discount * lam) * mask


def _mistakes(
    rewards: Tensor, values: Tensor, mask: Tensor, discount: float, lam: float
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    right = _gae(rewards, values, mask, discount, lam)
    known, factor = values * mask, discount * lam
    errors = (rewards + discount * _next(known) - known) * mask
    leaking = rewards + discount * _next(values) - values
    values_leak = _sums(rewards * mask + discount * _next(values) - values, factor)
    last = mask & (_next(mask.float()) == 0)
    unmasked, masked_late = _sums(leaking, factor), _sums(leaking * mask, factor)
    means = right.sum() / mask.sum()
    deviation = ((right - means).square() * mask).sum() / mask.sum()
    from_start = _sums(errors.flip(1), factor).flip(1)
    half_masked = _sums(rewards + discount * _next(known) - values, factor)
    around = (rewards + discount * known.roll(-1, 1) - known) * mask
    at_width = discount * known * (torch.arange(mask.shape[1]) == mask.shape[1] - 1)
    return {
        "The value behind the last token counts in its one-step error, though it is that of "
        "padding. Nothing follows a complete response: set the values of the padding to zero "
        "first.": masked_late * mask,
        "Errors of the padding leak into your sums. Set rewards and values of the padding to zero "
        "before you begin.": unmasked * mask,
        "Errors of the padding leak into your sums, and the padding is not 0. Set rewards and "
        "values there to zero before you begin.": unmasked,
        "You mask the rewards and not the values, so that values of the padding count. Set both to "
        "zero there before you begin.": values_leak * mask,
        "You mask the rewards and not the values, so that values of the padding count, and the "
        "padding is not 0. Set both to zero there before you begin.": values_leak,
        "You mask the next values alone, so that rewards and values of the padding leak into your "
        "sums. Set them to zero there before you begin.": half_masked * mask,
        "Behind the last column your next value is that of the first one: `roll` goes around. "
        "Nothing follows a complete response: that value is zero.": _sums(around, factor) * mask,
        "Behind the last column your next value is that of the last token itself. Nothing follows "
        "a complete response: that value is zero.": _sums(errors + at_width, factor) * mask,
        "`discount` and `lam` have changed places.": _gae(rewards, values, mask, lam, discount),
        "You leave out the discount: every factor `discount` is 1.": (
            _gae(rewards, values, mask, 1.0, lam)
        ),
        "The value behind the last token is that of the last token itself. Nothing follows a "
        "complete response: that value is zero.": _sums(errors + discount * known * last, factor)
        * mask,
        "Your one-step error leaves out the reward of the last token. The score is paid there.": (
            _sums(errors * ~last, factor) * mask
        ),
        "You multiply the later errors by `lam` alone. The factor per token is "
        "`discount * lam`.": _sums(errors, lam),
        "You multiply the later errors by `discount` alone. The factor per token is "
        "`discount * lam`.": _sums(errors, discount),
        "You return the one-step errors. Add the later ones, multiplied by `discount * lam` for "
        "each token.": errors,
        "The next value is not discounted in your one-step error, "
        "`reward + discount * V(next) - V(now)`.": _sums(
            (rewards + _next(known) - known) * mask, factor
        ),
        "You leave out the value of the current state. The one-step error is "
        "`reward + discount * V(next) - V(now)`.": _sums(
            (rewards + discount * _next(known)) * mask, factor
        ),
        "You leave out the next value. The one-step error is "
        "`reward + discount * V(next) - V(now)`.": _sums((rewards - known) * mask, factor),
        "You return the targets for the value head, advantage plus value. Leave the value out.": (
            right + known
        ),
        "The sign is reversed: better than the value head thought is positive.": -right,
        "You sum the errors up to each token. Sum from the token to the end.": from_start * mask,
        "You return the rewards-to-go, without the values.": _sums(rewards * mask, discount) * mask,
        "You whiten the advantages, too. That is a step of its own, after this one.": (
            (right - means) / (deviation + 1e-8).sqrt() * mask
        ),
        "You return one number for each response. Each token has its own advantage.": right.sum(1),
    }
