"""Check of Exercise 5.2a: how far an output falls without the words that are said to matter."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, compare
from interp_rl.checks.hidden import reordered, rescaled

WORTH = {
    "great": 3.0, "good": 1.5, "dull": -2.0, "not": -0.5, "very": 0.5, "film": 0.25, "plot": 0.25,
    "the": 0.0, "was": 0.0, "he": 0.0,
}  # fmt: skip
"""What each word adds to the output of the check's model."""

UNKNOWN = -0.75
"""What any other word adds, such as a mask that is not the model's."""


@check("5.2a", learned="An attribution is a prediction: take its words away, and the output falls.")
def check_comprehensiveness(fn: Student) -> None:
    """Checks Exercise 5.2a: the output for the text minus that without its k highest words.

    Args:
        fn: Your function `comprehensiveness(f, words, values, k, mask)`.
    """
    words = reordered(["film", "great", "the", "was", "good", "not", "very", "dull"], 0)
    true = torch.tensor([WORTH[word] for word in words])
    (other,) = rescaled((torch.tensor([0.3, -1.0, 0.1, 2.0, 0.2, -0.4, 1.0, 0.7]),), 1)
    again = ["very", "dull", "the", "plot", "film", "he", "not", "very", "great"]
    (twice,) = rescaled((torch.tensor([0.3, -1.5, 0.1, 0.2, 0.0, 0.9, -0.4, 1.2, -0.1]),), 2)
    (equal,) = rescaled((torch.tensor([-0.1, -1.5, 0.1, 0.4, 0.4, 0.2, -0.4, 0.0, 2.0]),), 3)
    examples = {
        "k = 2": (words, true, 2, "[MASK]"),
        "k = 1": (words, true, 1, "[MASK]"),
        "k = 3 and other values": (words, other, 3, "[MASK]"),
        "a text with a word that occurs twice": (again, twice, 2, "[MASK]"),
        "another mask": (words, true, 2, "<mask>"),
        "words of equal values": (again, equal, 2, "[MASK]"),
        "a k for which words with negative values are needed": (again, twice, 8, "[MASK]"),
    }
    for what, (text, values, k, mask) in examples.items():
        try:
            answer = fn(_model(mask), list(text), values, k, mask)
            answer = torch.tensor(answer) if isinstance(answer, float) else answer
            top = values.argsort(descending=True)[:k].tolist()
            mistakes = _mistakes(text, values, k, mask)
            compare(answer, _fall(text, top, mask), mistakes)
        except Wrong as wrong:
            if what != "k = 2":
                wrong.message = f"Your function is right on k = 2, and wrong on {what}. " + (
                    wrong.message
                )
            raise


def _model(mask: str) -> Callable[[Any], Float[Tensor, "text output"]]:
    """A model that adds up what its words are worth, one output; its mask is worth nothing."""

    def f(texts: Any) -> Float[Tensor, "text output"]:
        if isinstance(texts, str):
            raise TypeError("f takes a list of texts, not one text: f([text])")
        return torch.tensor([[_total(str(text).split(), mask)] for text in texts])

    return f


def _total(words: list[str], mask: str) -> float:
    worth = [0.0 if word == mask else WORTH.get(word, UNKNOWN) for word in words]
    total = 1.4 + sum(worth)
    for place, word in enumerate(words[:-1]):  # "very" is worth more before some words than others
        total += 0.5 * worth[place + 1] * (word == "very")
    total -= 0.75 * ("great" in words and "good" in words)  # praise twice is less than twice
    return total - 0.125 * len(words)  # a deleted word can be told from a masked one


def _fall(
    words: list[str], places: Iterable[int], mask: str, put: str | None = None
) -> Float[Tensor, ""]:
    """What masking these places takes from the output; `put` stands there if it is not the mask."""
    instead, taken = mask if put is None else put, set(places)
    kept = [instead if place in taken else word for place, word in enumerate(words)]
    return _output(words, mask) - _output([word for word in kept if word], mask)


def _output(words: list[str], mask: str) -> Float[Tensor, ""]:
    return _model(mask)([" ".join(words)])[0, 0]


def _mistakes(
    words: list[str], values: Float[Tensor, " token"], k: int, mask: str
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    order = values.argsort(descending=True).tolist()
    top, rest = order[:k], order[k:]
    by_size = values.abs().argsort(descending=True).tolist()[:k]
    full = _output(words, mask)
    right = _fall(words, top, mask)
    one_by_one = torch.stack([_fall(words, [place], mask) for place in top]).sum()
    named = {words[place] for place in top}
    alike = [place for place, word in enumerate(words) if word in named]
    first_ones = [words.index(words[place]) for place in top]
    reached = (values >= values[top[-1]]).nonzero().flatten().tolist()
    positive = [place for place in top if values[place] > 0]
    replaced = " ".join(words)
    for place in top:
        replaced = replaced.replace(words[place], mask)
    return {
        "You keep the highest words and mask the others: that is sufficiency. Mask the highest "
        "ones.": _fall(words, rest, mask),
        "You return the size of the fall. Where the output rises without the words, the fall is "
        "negative.": right.abs(),
        "You return 0 where the output rises without the words. The fall is negative there.": (
            right.clamp(min=0)
        ),
        "The sign is reversed: the output for the text minus the output without the words.": (
            -right
        ),
        "You return the output without the words. Subtract it from that for the whole text.": (
            full - right
        ),
        "You mask the words with the lowest values. Those said to raise the output have the "
        "highest.": _fall(words, order[::-1][:k], mask),
        "You rank by absolute value, so that words which lower the output are masked too.": (
            _fall(words, by_size, mask)
        ),
        "You mask the first k words of the text. Rank them by their values.": (
            _fall(words, range(k), mask)
        ),
        "You delete the words. Put the mask in the place of each, so that the others stay where "
        "they are.": _fall(words, top, mask, ""),
        "You mask every place at which one of the highest words stands. Each place has its own "
        "value: mask k places.": _fall(words, alike, mask),
        "You mask the first place at which one of the highest words stands. A word may stand in "
        "several, each with its own value: go by places, not by words.": (
            _fall(words, first_ones, mask)
        ),
        "You replace letters in the joined text: a short word may be a part of another one, or "
        "stand twice. Replace entries of the list, then join.": (
            full - _output(replaced.split(), mask)
        ),
        "You mask every word whose value is at least the k-th highest. Where values are equal "
        "these are more than k.": _fall(words, reached, mask),
        "You leave words with negative values in their places. The k highest are masked, whatever "
        "their sign.": _fall(words, positive, mask),
        "You write `[MASK]` whatever the argument `mask` is.": _fall(words, top, mask, "[MASK]"),
        "You mask one word at a time and add up. Mask all k together.": one_by_one,
        "You add up the attributions of the words. That is what the explanation says; measure what "
        "the model says.": values[top].sum(),
        "You divide by k. The fall is that of all k words together.": right / k,
        "You mask the highest word alone, whatever k is.": _fall(words, order[:1], mask),
        "You mask one word too many: k words.": _fall(words, order[: k + 1], mask),
        "You return the output with all words in place.": full,
        "You return the share that is left of the output. Subtract: the fall is a difference.": (
            (full - right) / full
        ),
        "You return the fall as a share of the output. Leave it in units of the output.": (
            right / full
        ),
        "You return a row of one number. `f` answers with a row for each text: take the number out "
        "of it, such as `[:, 0]`.": right[None],
        "You return a table of one number. `f` answers with a row for each text: take the number "
        "out of it, such as `[0, 0]`.": right[None, None],
    }
