"""One process or several: what a training loop needs of `accelerate`, and what stands in for it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor


class OneProcess:
    """Does for one process what `accelerate.Accelerator` does for several.

    The loop is then the same for both, and a notebook needs no accelerator, whose settings hold for
    the whole of Python once one has been made.
    """

    num_processes = 1
    """how many processes there are"""
    process_index = 0
    """which of them this is, from 0"""
    is_main_process = True
    """whether this is the one that shows progress and writes checkpoints"""

    def prepare(self, *parts: Any) -> tuple[Any, ...]:
        """Models and optimisers as they are."""
        return parts

    def backward(self, loss: Tensor) -> None:
        """Computes the gradients."""
        loss.backward()

    def clip_grad_norm_(self, parameters: Iterable[Tensor], largest: float) -> None:
        """Shortens the gradients."""
        torch.nn.utils.clip_grad_norm_(parameters, largest)

    def reduce(self, numbers: Tensor, reduction: str) -> Tensor:
        """Of one process, the mean is the number itself."""
        return numbers


def draw_seed(*parts: int) -> int:
    """One seed from several numbers, such as seed, update and process.

    Args:
        *parts: Numbers from 0.

    Returns:
        A seed of 32 bits; different numbers give unrelated ones.
    """
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
