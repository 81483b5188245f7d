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


def by_threshold(f, words, values, k, mask):
    least = values.sort(descending=True).values[k - 1]
    left = [mask if v >= least else w for w, v in zip(words, values, strict=True)]
    return f([" ".join(words)])[0, 0] - f([" ".join(left)])[0, 0]


@pytest.mark.parametrize("solution", [by_topk, in_one_call, by_numpy, by_threshold])
def test_every_right_way_passes(solution):
    result = check_comprehensiveness(solution)
    assert result.passed, result
    assert "prediction" in result.learned


def fall(f, words, places, mask):
    return f([" ".join(words)])[0, 0] - f([masked(words, places, mask)])[0, 0]


def order(values):
    return values.argsort(descending=True).tolist()


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
