"""The check of Exercise 5.1c passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.section5 import check_strongest_words


def by_topk(values, words, names, label, n):
    top = values[:, names.index(label)].topk(n).indices
    return [words[i] for i in top]


def by_sorted(values, words, names, label, n):
    column = values[:, names.index(label)].tolist()
    pairs = sorted(zip(column, words, strict=True), reverse=True)  # equal values by word
    return [word for _, word in pairs[:n]]


def by_dictionary(values, words, names, label, n):
    column = dict(zip(words, values[:, names.index(label)].tolist(), strict=True))
    return sorted(column, key=column.get, reverse=True)[:n]


def by_sums(values, words, names, label, n):
    total = dict.fromkeys(words, 0.0)
    for word, value in zip(words, values[:, names.index(label)].tolist(), strict=True):
        total[word] += value
    return sorted(total, key=total.get, reverse=True)[:n]


def by_place_of_value(values, words, names, label, n):
    column = values[:, names.index(label)].tolist()
    return [words[column.index(value)] for value in sorted(column, reverse=True)[:n]]


def by_argsort(values, words, names, label, n):
    (column,) = [c for c, name in zip(values.T, names, strict=True) if name == label]
    return [words[i] for i in (-column).argsort().tolist()[:n]]


def as_tuple(*inputs):
    return tuple(by_topk(*inputs))


@pytest.mark.parametrize("solution", [by_topk, by_sorted, by_argsort, as_tuple])
def test_every_right_way_passes(solution):
    result = check_strongest_words(solution)
    assert result.passed, result
    assert "its own words" in result.learned


def top(column, words, n):
    return [words[i] for i in column.argsort(descending=True)[:n]]


def column(values, names, label):
    return values[:, names.index(label)]


WRONG = {
    "absolute values, so that": lambda v, w, k, label, n: top(column(v, k, label).abs(), w, n),
    "speak most against": lambda v, w, k, label, n: top(-column(v, k, label), w, n),
    "in the wrong order": lambda v, w, k, label, n: by_topk(v, w, k, label, n)[::-1],
    "other classes. Only": lambda v, w, k, label, n: top(
        column(v, k, label) - (v.sum(1) - column(v, k, label)) / 2, w, n
    ),
    "A dictionary with words as keys": by_dictionary,
    "add up the values of a word": by_sums,
    "wrong for words of equal values": by_place_of_value,
    "You return 2 words; 3 are asked for": lambda v, w, k, label, n: [
        word for word in by_topk(v, w, k, label, n) if column(v, k, label)[w.index(word)] > 0
    ],
    "wrong for other classes": lambda v, w, k, label, n: top(
        v[:, ["anger", "joy", "fear"].index(label)], w, n
    ),
    "also of a single word": lambda v, w, k, label, n: (
        by_topk(v, w, k, label, n) if n > 1 else by_topk(v, w, k, label, n)[0]
    ),
    "You return lists": lambda v, w, k, label, n: list(
        zip(by_topk(v, w, k, label, n), column(v, k, label).topk(n).values.tolist(), strict=True)
    ),
    "first words of the text": lambda v, w, k, label, n: w[:n],
    "highest value over all classes": lambda v, w, k, label, n: top(v.max(1).values, w, n),
    "mean over the classes": lambda v, w, k, label, n: top(v.mean(1), w, n),
    "for the class 'anger'": lambda v, w, k, label, n: top(v[:, 0], w, n),
    "You return numbers": lambda v, w, k, label, n: column(v, k, label).topk(n).indices.tolist(),
    "words; 2 are asked for": lambda v, w, k, label, n: top(column(v, k, label), w, n + 1),
    "Return a list of 2 words": lambda v, w, k, label, n: by_topk(v, w, k, label, n)[0],
    "right for joy, and wrong for fear": lambda v, w, k, label, n: top(v[:, 1], w, n),
    "raises": lambda v, w, k, label, n: w[v[label].argmax()],
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_strongest_words(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_sizes_over_all_classes_are_told():
    result = check_strongest_words(lambda v, w, k, label, n: top(v.abs().max(1).values, w, n))
    assert not result.passed
    assert "over all classes" in result.message or "absolute" in result.message


def test_values_of_the_example_are_a_tensor_of_words_and_classes():
    seen = []

    def look(values, words, names, label, n):
        seen.append((values.shape, len(words), len(names)))
        return by_topk(values, words, names, label, n)

    check_strongest_words(look)
    assert all(shape == torch.Size([words, names]) for shape, words, names in seen)
