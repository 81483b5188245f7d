"""Made-up responses that the checks of this section use: lengths, masks, numbers."""

import torch
from jaxtyping import Bool, Float

from interp_rl.checks.hidden import generator


def mask_of(lengths: tuple[int, ...], *, width: int) -> Bool[torch.Tensor, "sample new"]:
    """A mask that is True up to and including the last token of each response.

    Args:
        lengths: Number of tokens of each response.
        width: Number of columns, at least the longest length.

    Returns:
        The mask.
    """
    return torch.arange(width) < torch.tensor(lengths)[:, None]


def numbers(
    *shape: int, seed: int, low: float = -2.0, high: float = 2.0
) -> Float[torch.Tensor, "..."]:
    """Random numbers with one decimal, none of them zero, so that results can be read.

    Args:
        *shape: The shape.
        seed: Seed of the draw.
        low: Smallest number.
        high: Largest number.

    Returns:
        The numbers.
    """
    drawn = torch.rand(shape, generator=generator(seed)) * (high - low) + low
    rounded = (drawn * 10).round() / 10
    return torch.where(rounded == 0, torch.tensor(0.1), rounded)
