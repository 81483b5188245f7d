"""Check of Exercise 3.2c: reward-to-go."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.checks.framework import Student, check
from interp_rl.checks.hidden import generator
from interp_rl.checks.section3.examples import compare_on


@check("3.2c", learned="An action is credited with what came after it, and not with what was past.")
def check_reward_to_go(fn: Student) -> None:
    """Checks Exercise 3.2c: the discounted rewards from each step on.

    Args:
        fn: Your function `reward_to_go(rewards, mask, discount)`.
    """
    examples = {
        "2 episodes of 4 and 2 steps": _batch((4, 2), 0.5, seed=0),
        "discount 1": _batch((4, 2), 1.0, seed=0),
        "3 episodes of up to 6 steps": _batch((1, 6, 3), 0.9, seed=1),
        "discount 0": _batch((3, 3), 0.0, seed=2),
    }
    compare_on(fn, examples, _reward_to_go, _mistakes)


def _batch(
    lengths: tuple[int, ...], discount: float, *, seed: int
) -> tuple[Float[Tensor, "episode time"], Bool[Tensor, "episode time"], float]:
    """Random rewards, also in the padding; positive and negative in turn."""
    draw_from = generator(seed)
    shape = (len(lengths), max(lengths))
    rewards = torch.randint(1, 20, shape, generator=draw_from) / 2
    rewards[:, 1::2] *= -1
    return rewards, torch.arange(shape[1]) < torch.tensor(lengths)[:, None], discount


def _reward_to_go(rewards: Tensor, mask: Tensor, discount: float) -> Float[Tensor, "episode time"]:
    n_steps = rewards.shape[1]
    later = torch.arange(n_steps) - torch.arange(n_steps)[:, None]  # time, later time
    factor = torch.tensor(discount) ** later.clamp(min=0) * (later >= 0)
    return ((rewards * mask) @ factor.T) * mask


def _mistakes(rewards: Tensor, mask: Tensor, discount: float) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    right = _reward_to_go(rewards, mask, discount)
    taken = rewards * mask
    everything = torch.ones_like(mask)
    start = torch.tensor(discount) ** torch.arange(rewards.shape[1])
    total = (taken * start).sum(1, keepdim=True)
    padded = _reward_to_go(rewards, everything, discount)
    counted_from_start = _reward_to_go(taken * start, mask, 1.0)
    backwards = _reward_to_go(taken.flip(1), everything, discount).flip(1)
    return {
        "You take the whole episode's return at each step. Leave out the rewards that came before "
        "the step.": total * mask,
        "You take the rewards up to each step. An action can change only what comes after it: sum "
        "from the step to the end.": taken.cumsum(1) * mask,
        "You take the discounted rewards up to each step. An action can change only what comes "
        "after it: sum from the step to the end.": backwards * mask,
        "You leave out the reward of the step itself. It is paid for this action, so the sum "
        "begins with it.": right - taken,
        "The rewards in the padding count in your sums. Set them to zero first: "
        "`rewards * mask`.": padded * mask,
        "The rewards in the padding count in your sums, and the padding is not 0. Set the rewards "
        "there to zero first: `rewards * mask`.": padded,
        "The padding is not 0 in your answer.": _reward_to_go(taken, everything, discount),
        "You count the discount from the start of the episode. A reward `k` steps after the "
        "current one is multiplied by `discount**k`, whatever the time is.": counted_from_start,
        "You leave out the discount. A reward `k` steps later counts `discount**k` times.": (
            _reward_to_go(rewards, mask, 1.0)
        ),
        "You discount the reward of the step itself. It counts in full; the next one is multiplied "
        "by `discount`.": right * discount,
        "You return the rewards themselves. Add to each the discounted rewards that follow.": taken,
        "You return one number for each episode. Each step has its own reward-to-go.": right[:, 0],
    }
