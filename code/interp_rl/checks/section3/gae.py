"""Check of Exercise 3.2d: generalised advantage estimation."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, check
from interp_rl.checks.hidden import generator
from interp_rl.checks.section3.examples import compare_on


@check("3.2d", learned="After a truncation the critic stands in for what was cut off.")
def check_gae(fn: Student) -> None:
    """Checks Exercise 3.2d: the advantages of one episode.

    Args:
        fn: Your function `gae(rewards, values, terminated, discount, lam)`.
    """
    draw_from = generator(1)
    rewards = torch.randint(-4, 5, (4,), generator=draw_from) / 2
    values = torch.randint(-8, 9, (5,), generator=draw_from) / 2
    examples = {
        "an episode that terminates": (rewards, values, True, 0.5, 0.8),
        "an episode that is truncated": (rewards, values, False, 0.5, 0.8),
        "an episode of 1 step": (rewards[2:3], values[2:4], False, 0.9, 0.5),
        "an episode of 1 step that terminates": (rewards[:1], values[2:4], True, 0.9, 0.5),
        "lam = 1": (rewards, values, False, 0.9, 1.0),
        "lam = 0": (rewards, values, True, 0.9, 0.0),
        "discount = 0": (rewards, values, False, 0.0, 0.9),
    }
    compare_on(fn, examples, _gae, _mistakes)


def _gae(
    rewards: Tensor, values: Tensor, terminated: bool, discount: float, lam: float
) -> Float[Tensor, " time"]:
    after = values[1:].clone()
    after[-1] *= not terminated
    errors = rewards + discount * after - values[:-1]
    return _sums(errors, discount * lam)


def _sums(errors: Tensor, factor: float) -> Float[Tensor, " time"]:
    """Each entry plus the later ones, discounted."""
    later = torch.arange(len(errors)) - torch.arange(len(errors))[:, None]
    return (torch.tensor(factor) ** later.clamp(min=0) * (later >= 0)) @ errors


def _mistakes(
    rewards: Tensor, values: Tensor, terminated: bool, discount: float, lam: float
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    right = _gae(rewards, values, terminated, discount, lam)
    now, after = values[:-1], values[1:].clone()
    after[-1] *= not terminated
    errors = rewards + discount * after - now
    return {
        "The value after the last step counts although the episode terminated. Nothing follows a "
        "terminal state: leave its value out.": _gae(rewards, values, False, discount, lam),
        "The value after the last step is left out although the episode was truncated. More would "
        "have followed: that value stands for it.": _gae(rewards, values, True, discount, lam),
        "You multiply the later errors by `lam` alone. The factor per step is `discount * lam`.": (
            _sums(errors, lam)
        ),
        "You multiply the later errors by `discount` alone, which adds up to the discounted "
        "rewards minus the value. The factor per step is `discount * lam`.": (
            _sums(errors, discount)
        ),
        "`discount` and `lam` have changed places.": (
            _gae(rewards, values, terminated, lam, discount)
        ),
        "You leave out the discount: every factor `discount` is 1.": (
            _gae(rewards, values, terminated, 1.0, lam)
        ),
        "You leave out every next value because the episode terminated. Only the value after the "
        "last step is left out: the steps before it were followed by another state.": (
            _sums(rewards - now, discount * lam)
        ),
        "You return the one-step errors. Add the later ones, multiplied by `discount * lam` for "
        "each step.": errors,
        "The next value is not discounted in your one-step error, `r + discount * V(next) - V(now)`"
        ".": _sums(rewards + after - now, discount * lam),
        "You leave out the value of the current state. The one-step error is "
        "`r + discount * V(next) - V(now)`.": _sums(rewards + discount * after, discount * lam),
        "You return the targets for the critic, advantage plus value. Leave the value out.": (
            right + now
        ),
        "The sign is reversed: better than the critic thought is positive.": -right,
        "You sum the errors up to each step. Sum from the step to the end.": (
            _sums(errors.flip(0), discount * lam).flip(0)
        ),
        "You return the rewards-to-go, without the critic.": _sums(rewards, discount),
        "You add up the rewards, and leave out the critic. The one-step error is "
        "`r + discount * V(next) - V(now)`.": _sums(rewards, discount * lam),
    }
