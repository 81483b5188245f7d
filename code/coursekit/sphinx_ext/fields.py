"""What ``:number:``, ``:minutes:`` and other options may say, and what pages make of it."""

import re
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")

UNKNOWN = "?"
"""Stands for a number that is missing or wrong, which has been reported."""

HARDEST = 3
"""The highest difficulty; one star per step."""


def number(text: str) -> str:
    """Read an item number of the assignment, such as ``2.2a`` or ``3.1 ii``.

    Raises:
        ValueError: If the text is no such number.
    """
    if not re.fullmatch(r"\d+(\.\d+)*( ?[a-z]+)?", text):
        raise ValueError(f"{text!r} is no exercise number; write one such as 2.2a or 3.1 ii")
    return text


def minutes(text: str) -> int:
    """Read a time budget in whole minutes, at least one.

    Raises:
        ValueError: If the text is no positive whole number.
    """
    return _whole(text, lowest=1, highest=999, what="minutes")


def budget(text: str) -> int:
    """Read the time budget of a page in whole minutes; 0 for one that nobody has to read.

    Raises:
        ValueError: If the text is no whole number.
    """
    return _whole(text, lowest=0, highest=999, what="minutes")


def difficulty(text: str) -> int:
    """Read a difficulty from 1 to 3.

    Raises:
        ValueError: If the text is none of them.
    """
    return _whole(text, lowest=1, highest=HARDEST, what="difficulty")


def points(text: str) -> int:
    """Read how many points a grader gives for an exercise.

    Raises:
        ValueError: If the text is no positive whole number.
    """
    return _whole(text, lowest=1, highest=99, what="points")


def _whole(text: str, *, lowest: int, highest: int, what: str) -> int:
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise ValueError(f"{what} is {text!r}; write a whole number from {lowest} to {highest}")
    return int(text)


def required(options: dict[str, str], name: str, read: Callable[[str], _Value]) -> _Value:
    """Read the option ``name`` with ``read``.

    Raises:
        ValueError: If the option is missing, empty, or not what ``read`` accepts.
    """
    if not options.get(name):
        raise ValueError(f"the option :{name}: is missing")
    return read(options[name])


def anchor(kind: str, item: str) -> str:
    """Name the place of an item on its page: ``anchor("hint", "2.2a")`` is ``hint-2-2a``."""
    return f"{kind}-" + re.sub(r"[^a-z0-9]+", "-", item.lower())


def in_reading_order(item: str) -> list[tuple[int, str]]:
    """Sort key that puts exercise 2.10 after 2.9, and 2.2b after 2.2a."""
    return [(int(digits or 0), letters) for digits, letters in re.findall(r"(\d+)|([a-z]+)", item)]


def stars(level: int) -> str:
    """Draw a difficulty: ``★★☆`` is 2 of 3."""
    return "★" * level + "☆" * (HARDEST - level)
