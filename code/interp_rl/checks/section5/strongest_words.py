"""Check of Exercise 5.1c: the words that speak most for a class."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, show
from interp_rl.checks.hidden import generator, reordered, rescaled

NAMES = ["anger", "joy", "fear"]
"""The classes of the check."""


@check("5.1c", learned="An attribution belongs to one output: each class has its own words.")
def check_strongest_words(fn: Student) -> None:
    """Checks Exercise 5.1c: the n words with the highest values for a label.

    Args:
        fn: Your function `strongest_words(values, words, names, label, n)`.
    """
    words = reordered(["i", "was", "scared", "but", "happy", "afterwards"], 0)
    values = torch.tensor(
        [  # anger, joy, fear
            [0.2, 0.1, -0.1],
            [0.0, 0.3, 0.4],
            [-0.6, -3.6, 3.0],
            [3.4, 2.1, -0.9],
            [-2.0, 2.5, -3.5],
            [0.1, 0.9, -0.2],
        ]
    )
    (values,) = rescaled((values,), 1)
    second = torch.randn(6, 4, generator=generator(11))
    more = ["fear", "surprise", *NAMES[:2]]
    again = ["so", "happy", "and", "so", "scared"]
    other = [0.4, -0.1, 0.9, 1.1, 2.0]
    twice = torch.tensor([other, [1.0, 2.0, 0.3, -0.75, 0.2], other]).T
    equal = torch.tensor([other, [0.3, 1.2, -0.5, 0.2, 1.2], other]).T
    twice, equal = rescaled((twice, equal), 2)
    for what, matrix, text, label, n in (
        ("joy", values, words, "joy", 2),
        ("fear", values, words, "fear", 2),
        ("anger", values, words, "anger", 3),
        ("other classes", second, words, "anger", 2),
        ("a single word", values, words, "fear", 1),
        ("three words, one of which speaks against the class", values, words, "fear", 3),
        ("a text with a word that occurs twice", twice, again, "joy", 4),
        ("words of equal values", equal, again, "joy", 2),
    ):  # fmt: skip
        names = more if matrix is second else NAMES
        answer = fn(matrix, list(text), list(names), label, n)
        try:
            _judge(answer, matrix, text, names, label, n)
        except Wrong as wrong:
            if what != "joy":
                wrong.message = f"Your function is right for joy, and wrong for {what}. " + (
                    wrong.message
                )
            raise


def _judge(
    answer: object,
    values: Float[Tensor, "token label"],
    words: list[str],
    names: list[str],
    label: str,
    n: int,
) -> None:
    column = values[:, names.index(label)]
    right = _top(column, words, n)
    texts = {"got": show(answer), "expected": show(right)}
    if isinstance(answer, Tensor) or (
        isinstance(answer, list | tuple)
        and any(isinstance(w, int | float | Tensor) for w in answer)
    ):
        raise Wrong("You return numbers. Return the words, as a list of strings.", **texts)
    if isinstance(answer, str) or not isinstance(answer, list | tuple):
        what = f"list of {n} words" if n > 1 else "list, also of a single word"
        raise Wrong(f"Return a {what}.", **texts)
    if any(isinstance(part, list | tuple) for part in answer):
        raise Wrong("You return lists. Return the words alone, as a list of strings.", **texts)
    given = [str(word) for word in answer]
    if len(given) != n:
        words_given = "1 word" if len(given) == 1 else f"{len(given)} words"
        are = "is" if n == 1 else "are"
        raise Wrong(f"You return {words_given}; {n} {are} asked for.", **texts)
    if _are_the_strongest(given, column, words):
        return
    everywhere = values.max(1).values
    others = (values.sum(1) - column) / (values.shape[1] - 1)
    by_word = dict(zip(words, column.tolist(), strict=True))
    sums = {word: sum(v for w, v in zip(words, column.tolist(), strict=True) if w == word)
            for word in words}  # fmt: skip
    guesses = {
        "You go by absolute values, so that words which speak against the class come in. The words "
        "that speak for it have the highest values, with their sign.": _top(column.abs(), words, n),
        "You return the words that speak most against the class: sort from the highest value "
        "down.": _top(-column, words, n),
        "The words are the right ones in the wrong order: the one that speaks most for the class "
        "comes first.": right[::-1],
        "You return the first words of the text: sort them by their values.": words[:n],
        "You take each word's highest value over all classes. Only the column of the class asked "
        "for counts.": _top(everywhere, words, n),
        "You compare each value with those of the other classes. Only the column of the class "
        "asked for counts.": _top(column - others, words, n),
        "A word that occurs twice has two values. A dictionary with words as keys keeps only the "
        "last one: sort the places, not the words.": (
            sorted(by_word, key=lambda word: -by_word[word])[:n]
        ),
        "You add up the values of a word that occurs twice. Each place is a token of its own.": (
            sorted(sums, key=lambda word: -sums[word])[:n]
        ),
        "You take the mean over the classes. Only the column of the class asked for counts.": _top(
            values.mean(1), words, n
        ),
        "You take each word's largest absolute value over all classes. Only the column of the "
        "class asked for counts.": _top(values.abs().max(1).values, words, n),
    }
    for other, name in enumerate(names):
        if name != label:
            guesses[
                f"You return the words for the class {name!r}. The column of the class asked for "
                "is `names.index(label)`."
            ] = _top(values[:, other], words, n)
    for message, guess in guesses.items():
        if given == guess and guess != right:
            raise Wrong(message, **texts)
    if set(given) == set(right):
        raise Wrong("The words are the right ones in the wrong order.", **texts)
    raise Wrong("These are not the words with the highest values for the class.", **texts)


def _are_the_strongest(given: list[str], column: Float[Tensor, " token"], words: list[str]) -> bool:
    """Whether these are words of the highest values, in order; equal ones in any order."""
    left = list(zip(words, column.tolist(), strict=True))
    for word, value in zip(given, column.sort(descending=True).values.tolist(), strict=False):
        if (word, value) not in left:
            return False
        left.remove((word, value))
    return True


def _top(column: Float[Tensor, " token"], words: list[str], n: int) -> list[str]:
    return [words[int(index)] for index in column.argsort(descending=True, stable=True)[:n]]
