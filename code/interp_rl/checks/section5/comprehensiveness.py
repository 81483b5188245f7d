"""Check of Exercise 5.2a: how far an output falls without the words that are said to matter."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, check, compare
from interp_rl.checks.hidden import reordered, rescaled

WORTH = {"great": 3.0, "good": 1.5, "dull": -2.0, "not": -0.5, "very": 0.5, "film": 0.25}
"""What each word adds to the output of the check's model; other words add nothing."""


@check("5.2a", learned="An attribution is a prediction: take its words away, and the output falls.")
def check_comprehensiveness(fn: Student) -> None:
    """Checks Exercise 5.2a: the output for the text minus that without its k highest words.

    Args:
        fn: Your function `comprehensiveness(f, words, values, k, mask)`.
    """
    words = reordered(["the", "great", "film", "was", "good", "not", "very", "dull"], 0)
    true = torch.tensor([WORTH.get(word, 0.0) for word in words])
    (other,) = rescaled((torch.tensor([0.3, -1.0, 0.1, 2.0, 0.2, -0.4, 1.0, 0.7]),), 1)
    for values, k in ((true, 2), (true, 1), (other, 3)):
        answer = fn(_f, list(words), values, k, "[MASK]")
        answer = torch.tensor(answer) if isinstance(answer, float) else answer
        expected = _fall(words, values.argsort(descending=True)[:k].tolist())
        compare(answer, expected, _mistakes(words, values, k))


def _f(texts: Any) -> Float[Tensor, "text output"]:
    """A model that adds up what its words are worth, one output; masks are worth nothing."""
    if isinstance(texts, str):
        raise TypeError("f takes a list of texts, not one text: f([text])")
    totals = []
    for words in (str(text).split() for text in texts):
        total = 1.4 + sum(WORTH.get(word, 0.0) for word in words)
        total -= 0.75 * ("great" in words and "good" in words)  # praise twice is less than twice
        total -= 0.125 * len(words)  # a deleted word can be told from a masked one
        totals.append([total])
    return torch.tensor(totals)


def _without(words: list[str], places: list[int], mask: str = "[MASK]") -> Float[Tensor, ""]:
    kept = [mask if place in places else word for place, word in enumerate(words)]
    return _f([" ".join(word for word in kept if word)])[0, 0]


def _fall(words: list[str], places: list[int]) -> Float[Tensor, ""]:
    return _f([" ".join(words)])[0, 0] - _without(words, places)


def _mistakes(words: list[str], values: Float[Tensor, " token"], k: int) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    order = values.argsort(descending=True).tolist()
    top, rest = order[:k], order[k:]
    by_size = values.abs().argsort(descending=True).tolist()[:k]
    full = _f([" ".join(words)])[0, 0]
    right = _fall(words, top)
    one_by_one = torch.stack([_fall(words, [place]) for place in top]).sum()
    return {
        "You keep the highest words and mask the others: that is sufficiency. Mask the highest "
        "ones.": _fall(words, rest),
        "The sign is reversed: the output for the text minus the output without the words.": (
            -right
        ),
        "You return the output without the words. Subtract it from that for the whole text.": (
            _without(words, top)
        ),
        "You mask the words with the lowest values. Those said to raise the output have the "
        "highest.": _fall(words, order[::-1][:k]),
        "You rank by absolute value, so that words which lower the output are masked too.": (
            _fall(words, by_size)
        ),
        "You mask the first k words of the text. Rank them by their values.": (
            _fall(words, list(range(k)))
        ),
        "You delete the words. Put the mask in the place of each, so that the others stay where "
        "they are.": full - _without(words, top, ""),
        "You mask one word at a time and add up. Mask all k together.": one_by_one,
        "You add up the attributions of the words. That is what the explanation says; measure what "
        "the model says.": values[top].sum(),
        "You divide by k. The fall is that of all k words together.": right / k,
        "You mask one word too many: k words.": _fall(words, order[: k + 1]),
        "You return the output with all words in place.": full,
        "You return a row of one number. `f` answers with a row for each text: take the number out "
        "of it, such as `[:, 0]`.": right[None],
        "You return a table of one number. `f` answers with a row for each text: take the number "
        "out of it, such as `[0, 0]`.": right[None, None],
    }
