"""Global state that a student's code can change: set to a standard for a check, then put back.

What is kept: random generators, default type and device of tensors, gradient mode, threads, the
folder, the environment and the output of the process, and the functions of torch, NumPy and Python
themselves, which a student's code may have replaced by its own.
"""

import builtins
import contextlib
import math
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch

from interp_rl.checks.hidden import seed_of

_OWNERS: tuple[ModuleType | type, ...] = (
    *(torch, torch.nn.functional, torch.linalg, torch.Tensor, torch.Generator),
    *(np, np.linalg, np.random, math, random, builtins),
)
"""Modules and classes whose public names are kept as they were when this module was imported."""

_ABSENT = object()


@contextlib.contextmanager
def standard_state() -> Iterator[Callable[[], None]]:
    """Inside, global state is the standard one; afterwards it is what it was before.

    The standard is: generators seeded with 0 (or with a grader's secret), 32-bit floats on the CPU,
    gradients on, torch's and NumPy's own functions. The rest is as the caller has it.

    Yields:
        A function that sets the standard again, to be called after code that may have changed it;
        the generators go on from where they are.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    before = [read() for read, _, _ in _SETTINGS]
    theirs = _replaced()
    standard = [
        value if usual is _ABSENT else usual
        for value, (_, _, usual) in zip(before, _SETTINGS, strict=True)
    ]

    def reset() -> None:
        for (owner, name), _ in _replaced().items():
            _put(owner, name, _ORIGINALS[owner].get(name, _ABSENT))
        _set_all(standard)

    with warnings.catch_warnings(), torch.inference_mode(mode=False):
        try:
            reset()
            random.seed(seed_of(0))
            np.random.seed(seed_of(0) % 2**32)
            torch.manual_seed(seed_of(0))
            yield reset
        finally:
            reset()
            for (owner, name), value in theirs.items():
                _put(owner, name, value)
            _set_all(before)
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])


def _names(owner: ModuleType | type) -> dict[str, Any]:
    """Public names; of a class also its operators. Private ones may change at any time."""
    is_class = isinstance(owner, type)
    return {n: v for n, v in vars(owner).items() if is_class or not n.startswith("_")}


_ORIGINALS = {owner: _names(owner) for owner in _OWNERS}


def _replaced() -> dict[tuple[ModuleType | type, str], Any]:
    """What now stands under the names that do not hold what they held at first."""
    found: dict[tuple[ModuleType | type, str], Any] = {}
    for owner, originals in _ORIGINALS.items():
        names = vars(owner)
        for name, value in originals.items():
            now = names.get(name, _ABSENT)
            if now is not value:
                found[owner, name] = now
        if isinstance(owner, type) and len(names) != len(originals):
            # a new operator of a class comes before one that the class inherits
            found |= {(owner, name): names[name] for name in names if name not in originals}
    return found


def _put(owner: ModuleType | type, name: str, value: Any) -> None:
    if value is _ABSENT:
        with contextlib.suppress(AttributeError):
            delattr(owner, name)
    else:
        setattr(owner, name, value)


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  Path.cwd() would do the same
    except FileNotFoundError:  # it was deleted
        return None


def _enter(folder: str | None) -> None:
    with contextlib.suppress(OSError):
        os.chdir(folder or "/")


def _environ(value: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(value)


def _search_path(value: list[str]) -> None:
    sys.path[:] = value


def _streams(value: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = value


def _set_device(device: torch.device) -> None:
    """Sets the default device; for the CPU by clearing it.

    A default device that is set, even if it is the CPU, sends every call of torch through a mode
    of its own from then on.
    """
    torch.set_default_device(None if device.type == "cpu" else device)


_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], Any], Any], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (torch.get_default_device, _set_device, torch.device("cpu")),
    (torch.is_grad_enabled, torch.set_grad_enabled, True),
    (torch.get_num_threads, torch.set_num_threads, _ABSENT),
    (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
        _ABSENT,
    ),
    (np.geterr, lambda value: np.seterr(**value), _ABSENT),
    (sys.getrecursionlimit, sys.setrecursionlimit, _ABSENT),
    (_folder, _enter, _ABSENT),
    (lambda: dict(os.environ), _environ, _ABSENT),
    (lambda: list(sys.path), _search_path, _ABSENT),
    (lambda: (sys.stdout, sys.stderr), _streams, _ABSENT),
)
"""How each setting is read and set, and its standard; without one it stays as the caller has it."""


def _set_all(values: list[Any]) -> None:
    for (read, write, _), value in zip(_SETTINGS, values, strict=True):
        if read() != value:
            write(value)
