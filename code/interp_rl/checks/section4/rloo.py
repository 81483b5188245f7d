"""Check of Exercise 4.2d: leave-one-out advantages within the responses to each prompt."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, check
from interp_rl.checks.section3.examples import compare_on


@check("4.2d", learned="The other answers to a prompt say what was to be expected of it.")
def check_rloo_advantages(fn: Student) -> None:
    """Checks Exercise 4.2d: rewards minus the mean of the other responses to the same prompt.

    Args:
        fn: Your function `rloo_advantages(rewards, n_per_prompt)`.
    """
    rewards = torch.tensor([2.0, 0.0, 5.0, 6.0, -1.0, 3.0, 4.0, 4.5, 0.5, 9.0, 1.0, 7.0])
    examples = {
        "2 prompts with 3 responses each": (rewards[:6], 3),
        "6 prompts with 2 responses each": (rewards, 2),
        "1 prompt with 4 responses": (rewards[:4], 4),
        "prompts of which some responses have the same reward": (
            torch.tensor([1.0, 1.0, -2.0, 0.5, 3.0, 0.5, -1.0, -1.0, -1.0]),
            3,
        ),
    }
    compare_on(fn, examples, _rloo, _mistakes)


def _rloo(rewards: Float[Tensor, " sample"], n_per_prompt: int) -> Float[Tensor, " sample"]:
    groups = rewards.reshape(-1, n_per_prompt)
    means = groups.mean(1, keepdim=True)
    return ((groups - means) * n_per_prompt / (n_per_prompt - 1)).flatten()


def _mistakes(rewards: Float[Tensor, " sample"], n_per_prompt: int) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    k, n = n_per_prompt, len(rewards)
    right = _rloo(rewards, k)
    groups = rewards.reshape(-1, k)
    means, sums = groups.mean(1, keepdim=True), groups.sum(1, keepdim=True)
    deviation = groups.std(1, keepdim=True)
    columns = rewards.reshape(k, -1)
    different = [own - group[group != own].mean() for group in groups for own in group]
    mixed = (columns - columns.mean(0)) * k / (k - 1)
    return {
        "You subtract the mean of all responses to the prompt, which contains the response's own "
        "reward. That shrinks the expected gradient: take the mean of the others.": (
            groups - means
        ).flatten(),
        "You leave one out of the whole batch. The others must be responses to the same prompt: "
        "`rewards.reshape(-1, n_per_prompt)`.": (rewards - rewards.mean()) * n / (n - 1),
        "You subtract the mean of the whole batch. Subtract the mean of the other responses to the "
        "same prompt.": rewards - rewards.mean(),
        "Your groups mix the prompts. Responses to one prompt stand next to each other, so the "
        "prompt is the first axis: `rewards.reshape(-1, n_per_prompt)`.": mixed.flatten(),
        "Your groups mix the prompts: after `reshape(n_per_prompt, -1)` a row holds neighbours "
        "that may belong to several prompts. Use `reshape(-1, n_per_prompt)`.": (
            (columns - columns.mean(1, keepdim=True))
            * columns.shape[1]
            / max(columns.shape[1] - 1, 1)
        ).flatten(),
        "You divide by the standard deviation of the group, as GRPO does. The baseline is only "
        "subtracted.": ((groups - means) / deviation).flatten(),
        "You divide by the standard deviation after leaving one out. The baseline is only "
        "subtracted.": (right.reshape(-1, k) / deviation).flatten(),
        "You return the baseline. Subtract it from the rewards.": rewards - right,
        "The sign is reversed: reward minus baseline, so that better than the others is "
        "positive.": -right,
        "You divide the sum of the others by `n_per_prompt`. There is one less of them.": (
            groups - (sums - groups) / k
        ).flatten(),
        "You divide by one less, but the response's own reward is still in your sum.": (
            groups - sums / (k - 1)
        ).flatten(),
        "You subtract the sum of the others. Divide it by their number.": (
            groups - (sums - groups)
        ).flatten(),
        "You leave out every response with the same reward. Leave out the response itself, by its "
        "place, and no other.": torch.stack(different),
        "You subtract the mean over the prompts, of the responses in the same place. Take the mean "
        "of the other responses to the same prompt.": (groups - groups.mean(0)).flatten(),
        "You subtract the best of the group. Take the mean of the others.": (
            groups - groups.max(1, keepdim=True).values
        ).flatten(),
        "You return a table with a row for each prompt. Flatten it, so that it has the order of "
        "the rewards.": right.reshape(-1, k),
        "You return one number for each prompt. Each response has its own advantage.": (
            means.flatten()
        ),
    }
