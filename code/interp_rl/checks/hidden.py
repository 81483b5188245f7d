"""Examples that the checks draw: the same for every reader, others for a grader.

A check draws from `generator(seed)`. For readers the seed is all there is, so that everybody sees
the same small example. A grader calls the same check inside `hidden_inputs(secret)`: every draw is
then another one, which depends on the secret too. An answer that knows the public examples by heart
fails, and a right one passes whatever the secret is.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

_secret: ContextVar[str | None] = ContextVar("secret", default=None)


@contextlib.contextmanager
def hidden_inputs(secret: str) -> Iterator[None]:
    """Inside, the checks draw examples that depend on a secret.

    Args:
        secret: Any text; the same one gives the same examples.

    Yields:
        Nothing.

    Raises:
        ValueError: If the secret is empty.
    """
    if not secret:
        raise ValueError("the secret is empty: without one the hidden examples are not hidden")
    token = _secret.set(secret)
    try:
        yield
    finally:
        _secret.reset(token)


def is_hidden() -> bool:
    """Whether the examples are those of a grader.

    Returns:
        True inside `hidden_inputs`.
    """
    return _secret.get() is not None


def seed_of(seed: int) -> int:
    """The seed to use in the place of a public one.

    Args:
        seed: Seed of the public examples.

    Returns:
        The same number for readers; for a grader one made from it and the secret.
    """
    secret = _secret.get()
    if secret is None:
        return seed
    digest = hashlib.sha256(f"{secret}\n{seed}".encode()).digest()
    return int.from_bytes(digest[:7], "big")  # torch and NumPy take 56 bits


def generator(seed: int) -> torch.Generator:
    """What a check draws its examples from.

    Args:
        seed: Seed of the public examples; each example has its own.

    Returns:
        A generator on the CPU.
    """
    return torch.Generator().manual_seed(seed_of(seed))


def rescaled(inputs: tuple[Any, ...], seed: int) -> tuple[Any, ...]:
    """Examples that are written down rather than drawn, made into others for a grader.

    Each floating-point tensor is multiplied by a number between 1/2 and 3/2. That keeps signs,
    zeros, order, symmetry and positive definiteness, so that the result is as valid as before.

    Args:
        inputs: Inputs of a student's function.
        seed: Seed of the numbers.

    Returns:
        The inputs as they are for readers, and changed ones for a grader.
    """
    if not is_hidden():
        return inputs
    draw = generator(seed)
    return tuple(_times(value, 0.5 + torch.rand((), generator=draw).item()) for value in inputs)


def reordered(items: Sequence[Any], seed: int) -> list[Any]:
    """A written-down list in another order for a grader, such as the words of a text.

    Args:
        items: At least two different ones, or there is no other order.
        seed: Seed of the order.

    Returns:
        The items as they are for readers, and in an order that is not that one for a grader.
    """
    found = list(items)
    if not is_hidden() or len({repr(item) for item in found}) < 2:
        return found
    draw = generator(seed)
    while found == list(items):
        found = [items[i] for i in torch.randperm(len(items), generator=draw).tolist()]
    return found


def _times(value: Any, factor: float) -> Any:
    return value * factor if isinstance(value, Tensor) and value.is_floating_point() else value
