"""The check of Exercise 5.2a passes every right answer and names what is wrong with the others."""

import numpy as np
import pytest
import torch

from interp_rl.checks.section5 import check_comprehensiveness


def masked(words, places, mask):
    places = [int(place) for place in places]
    return " ".join(mask if i in places else word for i, word in enumerate(words))


def by_topk(f, words, values, k, mask):
    top = values.topk(k).indices.tolist()
    return f([" ".join(words)])[0, 0] - f([masked(words, top, mask)])[0, 0]


def in_one_call(f, words, values, k, mask):
    left = list(words)
    for place in values.argsort(descending=True)[:k]:
        left[place] = mask
    whole, without = f([" ".join(words), " ".join(left)])[:, 0]
    return whole - without


def by_numpy(f, words, values, k, mask):
    top = np.argsort(-values.numpy())[:k]
    difference = f([" ".join(words)]) - f([masked(words, top, mask)])
    return difference.item()


def one_after_the_other(f, words, values, k, mask):
    """Of equal values the last one is taken; which of them, is not asked for."""
    left, still = list(words), values.tolist()
    for _ in range(k):
        place = max(range(len(still)), key=lambda i: (still[i], i))
        left[place], still[place] = mask, -float("inf")
    return float(f([" ".join(words)])) - float(f([" ".join(left)]))


@pytest.mark.parametrize("solution", [by_topk, in_one_call, by_numpy, one_after_the_other])
def test_every_right_way_passes(solution):
    result = check_comprehensiveness(solution)
    assert result.passed, result
    assert "prediction" in result.learned


def fall(f, words, places, mask):
    return f([" ".join(words)])[0, 0] - f([masked(words, places, mask)])[0, 0]


def order(values):
    return values.argsort(descending=True).tolist()


def by_threshold(f, words, values, k, mask):
    least = values.sort(descending=True).values[k - 1]
    left = [mask if v >= least else w for w, v in zip(words, values, strict=True)]
    return f([" ".join(words)])[0, 0] - f([" ".join(left)])[0, 0]


def by_replacing(f, words, values, k, mask):
    text = " ".join(words)
    for place in order(values)[:k]:
        text = text.replace(words[place], mask)
    return f([" ".join(words)])[0, 0] - f([text])[0, 0]


def by_word(f, words, values, k, mask):
    top = {words[place] for place in order(values)[:k]}
    return fall(f, words, [i for i, word in enumerate(words) if word in top], mask)


def by_first_place(f, words, values, k, mask):
    return fall(f, words, [words.index(words[i]) for i in order(values)[:k]], mask)


def of_positive_ones(f, words, values, k, mask):
    return fall(f, words, [i for i in order(values)[:k] if values[i] > 0], mask)


WRONG = {
    "that is sufficiency": lambda f, w, v, k, m: fall(f, w, order(v)[k:], m),
    "sign is reversed": lambda f, w, v, k, m: -fall(f, w, order(v)[:k], m),
    "output without the words. Subtract": lambda f, w, v, k, m: f([masked(w, order(v)[:k], m)])[
        0, 0
    ],
    "lowest values": lambda f, w, v, k, m: fall(f, w, order(v)[::-1][:k], m),
    "absolute value": lambda f, w, v, k, m: fall(f, w, order(v.abs())[:k], m),
    "first k words": lambda f, w, v, k, m: fall(f, w, range(k), m),
    "You delete": lambda f, w, v, k, m: (
        f([" ".join(w)]) - f([" ".join(x for i, x in enumerate(w) if i not in order(v)[:k])])
    )[0, 0],
    "one word at a time": lambda f, w, v, k, m: sum(fall(f, w, [i], m) for i in order(v)[:k]),
    "add up the attributions": lambda f, w, v, k, m: v.topk(k).values.sum(),
    "divide by k": lambda f, w, v, k, m: fall(f, w, order(v)[:k], m) / k,
    "one word too many": lambda f, w, v, k, m: fall(f, w, order(v)[: k + 1], m),
    "a row of one number": lambda f, w, v, k, m: fall(f, w, order(v)[:k], m)[None],
    "a table of one number": lambda f, w, v, k, m: fall(f, w, order(v)[:k], m)[None, None],
    "with all words in place": lambda f, w, v, k, m: f([" ".join(w)])[0, 0],
    "at least the k-th highest": by_threshold,
    "replace letters in the joined text": by_replacing,
    "every place at which one of the highest": by_word,
    "the first place at which one of the highest": by_first_place,
    "words with negative values in their places": of_positive_ones,
    "whatever the argument `mask` is": lambda f, w, v, k, m: by_topk(f, w, v, k, "[MASK]"),
    "the highest word alone": lambda f, w, v, k, m: by_topk(f, w, v, 1, m),
    "size of the fall": lambda f, w, v, k, m: by_topk(f, w, v, k, m).abs(),
    "return 0 where the output rises": lambda f, w, v, k, m: by_topk(f, w, v, k, m).clamp(min=0),
    "share that is left": lambda f, w, v, k, m: (
        f([masked(w, order(v)[:k], m)]) / f([" ".join(w)])
    )[0, 0],
    "as a share of the output": lambda f, w, v, k, m: (
        by_topk(f, w, v, k, m) / f([" ".join(w)])[0, 0]
    ),
    "takes a list of texts": lambda f, w, v, k, m: f(" ".join(w)),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_comprehensiveness(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_a_number_of_another_kind_is_not_taken_for_an_answer():
    result = check_comprehensiveness(lambda f, w, v, k, m: torch.zeros(2))
    assert not result.passed
