"""Batches of episodes: rewards, which steps were taken, how each episode ended, values."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Episodes:
    """One or many batches of episodes, one per row, padded on the right.

    An episode ends by termination (its last state is terminal, nothing follows) or by truncation
    (it was cut short, and rewards would have followed). Only values can make up for what a
    truncation cut off, so `terminated` is needed as soon as there are values.

    Args:
        rewards: The reward of each step; what stands in the padding does not matter.
        mask: True for steps that were taken; every step if left out.
        terminated: True for episodes that ended by termination, False for truncated ones; all True
            if left out.
        values: The critic's value of each state, V(s_0), V(s_1), ..., with the state after the last
            step, so one more than there are steps. None if there is no critic.

    Raises:
        ValueError: If there are no episodes or one has no steps, shapes do not match, steps that
            were taken do not come first, a reward of such a step or a value of a state that was
            reached is NaN or infinite, or there are values and no `terminated`.
    """

    rewards: Float[Tensor, "*batch episode time"]
    """rewards, 0 in the padding"""
    mask: Bool[Tensor, "*batch episode time"] | None = None
    """True for steps that were taken"""
    terminated: Bool[Tensor, "*batch episode"] | None = None
    """True for episodes that ended in a terminal state"""
    values: Float[Tensor, "*batch episode time+1"] | None = None
    """value of each state that was reached, 0 in the padding"""

    def __post_init__(self) -> None:
        shape = tuple(self.rewards.shape)
        if len(shape) < 2:
            raise ValueError(f"rewards have shape {shape}; they need (..., episode, time)")
        if 0 in shape:
            raise ValueError(f"rewards have shape {shape}: an empty batch says nothing")
        mask = self.mask if self.mask is not None else torch.ones(shape, dtype=torch.bool)
        _same_shape("mask", mask, shape)
        if not mask[..., 0].all():
            raise ValueError(f"{int((~mask[..., 0]).sum())} of the episodes have no steps")
        if (mask[..., 1:] & ~mask[..., :-1]).any():
            raise ValueError("mask has holes: the steps taken must come first, the padding last")
        _finite("rewards", self.rewards, mask)
        if self.values is not None:
            if self.terminated is None:
                raise ValueError(
                    "with values, say in `terminated` how each episode ended: after a truncation "
                    "the last value stands for the rewards cut off, after a termination it does not"
                )
            _same_shape("values", self.values, (*shape[:-1], shape[-1] + 1))
            reached = torch.cat([mask[..., :1], mask], -1)
            _finite("values", self.values, reached)
            object.__setattr__(self, "values", self.values.where(reached, 0))
        terminated = self.terminated
        if terminated is None:
            terminated = torch.ones(shape[:-1], dtype=torch.bool)
        _same_shape("terminated", terminated, shape[:-1])
        # whole numbers, as some environments pay them, could not be discounted
        rewards = self.rewards * torch.ones((), dtype=torch.get_default_dtype())
        object.__setattr__(self, "rewards", rewards.where(mask, 0))
        object.__setattr__(self, "mask", mask)
        object.__setattr__(self, "terminated", terminated)

    @property
    def taken(self) -> Bool[Tensor, "*batch episode time"]:
        """True for steps that were taken: `mask`, which is always there after construction."""
        assert self.mask is not None
        return self.mask

    @property
    def last(self) -> Bool[Tensor, "*batch episode time"]:
        """True for the last step of each episode."""
        after = torch.zeros_like(self.taken[..., :1])
        return self.taken & ~torch.cat([self.taken[..., 1:], after], -1)

    @property
    def bootstrapped(self) -> Bool[Tensor, "*batch episode time"]:
        """True for steps whose next state still has a future: all but a step that terminates."""
        assert self.terminated is not None
        return self.taken & ~(self.last & self.terminated[..., None])


def _same_shape(name: str, given: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(given.shape) != expected:
        raise ValueError(f"{name} has shape {tuple(given.shape)}, and rewards ask for {expected}")


def _finite(name: str, given: Tensor, where: Tensor) -> None:
    wrong = int((~given.isfinite() & where).sum())
    if wrong:
        raise ValueError(f"{wrong} of the {name} are NaN or infinite")
