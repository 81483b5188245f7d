"""Check of Exercise 5.1b: the mask whose empty text says least."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, show
from interp_rl.checks.hidden import reordered

CANDIDATES = ["film", "...", "the", "[PAD]", "[MASK]"]
"""The masks of the check."""

ONE = {"[PAD]": -4.0, "...": 0.1, "[MASK]": 0.55, "film": 0.6, "the": 1.55}
"""Log odds of a text of one mask."""

SLOPE = {"[PAD]": -0.8, "...": 1.1, "[MASK]": -0.2, "film": 0.0, "the": -0.3}
"""How they change with each further mask, so that the nearest to 0 is one below or above it."""


@check("5.1b", learned="The base value is an answer too; a good mask makes it undecided.")
def check_pick_mask(fn: Student) -> None:
    """Checks Exercise 5.1b: the mask with the base value nearest to 0.

    Args:
        fn: Your function `pick_mask(f, n_tokens, masks)`.
    """
    candidates, two = reordered(CANDIDATES, 0), reordered(["the", "[PAD]"], 0)
    for n_tokens in (5, 2, 9):
        for masks in (candidates, candidates[::-1], two):
            asked: list[str] = []

            def f(texts: Any, asked: list[str] = asked) -> Float[Tensor, "text output"]:
                """The stand-in for a classifier: log odds of "positive" in the only column."""
                if isinstance(texts, str):
                    raise TypeError("f takes a list of texts, not one text: f([text])")
                asked += [str(text) for text in texts]
                return torch.tensor([[_value(str(text))] for text in texts])

            answer = fn(f, n_tokens, list(masks))
            _judge(answer, n_tokens, masks, asked)


def _value(text: str) -> float:
    words = text.split()
    if not words or any(word != words[0] for word in words) or words[0] not in ONE:
        return 5.0  # no text of masks only
    mask = _acts_as(words[0])
    return ONE[mask] + SLOPE[mask] * (len(words) - 1)


def _acts_as(mask: str) -> str:
    """For a grader the masks swap their values, so that no name is the right answer by itself."""
    return reordered(CANDIDATES, 1)[CANDIDATES.index(mask)]


def _judge(answer: object, n_tokens: int, masks: list[str], asked: list[str]) -> None:
    values = {mask: _value(" ".join([mask] * n_tokens)) for mask in masks}
    single = {mask: _value(mask) for mask in masks}
    right = min(masks, key=lambda mask: abs(values[mask]))
    if isinstance(answer, str) and answer in masks and not asked:
        raise Wrong(
            "Your function returns a mask without asking `f`: on another model another mask may be "
            "right."
        )
    if isinstance(answer, str) and answer == right:
        return
    texts = {"got": show(answer), "expected": f"{right!r}, of base values {_listed(values)}"}
    value = isinstance(answer, float) or (
        isinstance(answer, Tensor) and answer.is_floating_point() and answer.numel() == 1
    )
    if isinstance(answer, int | Tensor) and not isinstance(answer, bool) and not value:
        raise Wrong(
            "You return the place of the mask in the list. Return the mask itself.", **texts
        )
    if value:
        raise Wrong("You return a base value. Return the mask that has it.", **texts)
    if isinstance(answer, dict | list | tuple):
        raise Wrong("You return several things. Return the one mask, a string.", **texts)
    if not isinstance(answer, str) or answer not in masks:
        if isinstance(answer, str) and answer.split()[:1] == [right]:
            raise Wrong("You return the masked text. Return the mask that it is made of.", **texts)
        raise Wrong("Return one of the masks that the function was given.", **texts)
    joined = [mask for mask in masks if mask * n_tokens in asked and n_tokens > 1]
    if joined:
        raise Wrong(
            "You write the masks without spaces between them, which makes one long word: "
            '`" ".join([mask] * n_tokens)`.',
            **texts,
        )
    if asked and all(len(text.split()) == 1 for text in asked) and n_tokens > 1:
        raise Wrong(
            "You ask `f` about a text of one mask. The base value of a text of n tokens is what "
            "the model says for n masks.",
            **texts,
        )
    if other := [len(text.split()) for text in asked if len(text.split()) not in (1, n_tokens)]:
        raise Wrong(
            f"A text of {n_tokens} tokens is masked by {n_tokens} masks; yours have {other[0]}.",
            **texts,
        )
    if left_out := [mask for mask in masks if " ".join([mask] * n_tokens) not in asked]:
        raise Wrong(f"You do not ask `f` about the mask {left_out[0]!r}. Try all of them.", **texts)
    lowest = min(values, key=lambda m: values[m])
    furthest = max(values, key=lambda m: abs(values[m]))
    above = [mask for mask in masks if values[mask] > 0]
    below = [mask for mask in masks if values[mask] < 0]
    guesses = {
        "You take the lowest base value, or the one that is furthest from 0. Undecided means log "
        "odds near 0: take the smallest absolute value.": lowest if lowest == furthest else None,
        "You take the lowest base value, the one that speaks most against the class. Undecided "
        "means log odds near 0: compare absolute values.": lowest,
        "You take the smallest base value above 0, and leave out those below. One just below 0 is "
        "undecided, too: compare absolute values.": min(
            above, key=lambda m: values[m], default=None
        ),
        "You take the highest base value below 0, and leave out those above. One just above 0 is "
        "undecided, too: compare absolute values.": max(
            below, key=lambda m: values[m], default=None
        ),
        "You take the highest base value, the one that speaks most for the class. Undecided means "
        "log odds near 0.": max(values, key=lambda m: values[m]),
        "You take the base value that is furthest from 0. A mask should say as little as possible: "
        "take the smallest absolute value.": furthest,
        "You look for values near 0.5. These are log odds: undecided is 0.": min(
            values, key=lambda m: abs(values[m] - 0.5)
        ),
        "You go by texts of one mask, but the text has more tokens.": min(
            single, key=lambda m: abs(single[m])
        ),
    }
    for message, mask in guesses.items():
        if answer == mask:
            raise Wrong(message, **texts)
    raise Wrong("Another mask has a base value nearer to 0.", **texts)


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{mask!r} {value:+.1f}" for mask, value in values.items())
