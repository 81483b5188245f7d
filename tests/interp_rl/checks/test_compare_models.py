"""The check of Exercise 5.3a passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.hidden import hidden_inputs
from interp_rl.checks.section5 import check_compare_models


def by_lambda(tuned, base):
    return lambda texts: tuned(texts) - base(texts)


def by_function(tuned, base):
    def change(texts):
        texts = list(texts)
        return torch.sub(tuned(texts), base(texts))

    return change


class Change:
    def __init__(self, tuned, base):
        self.tuned, self.base = tuned, base

    def __call__(self, texts):
        return -self.base(texts) + self.tuned(texts)


def as_numpy(tuned, base):
    return lambda texts: (tuned(texts) - base(texts)).numpy()


@pytest.mark.parametrize("solution", [by_lambda, by_function, Change, as_numpy])
def test_every_right_way_passes(solution):
    result = check_compare_models(solution)
    assert result.passed, result
    assert "add up" in result.learned


TEXTS = ["the film was dull"]

WRONG = {
    "wrong way round": lambda t, b: lambda x: b(x) - t(x),
    "You add the two": lambda t, b: lambda x: t(x) + b(x),
    "tuned model alone": lambda t, b: t,
    "base model alone": lambda t, b: b,
    "absolute value": lambda t, b: lambda x: (t(x) - b(x)).abs(),
    "You divide": lambda t, b: lambda x: t(x) / b(x),
    "mean of the two": lambda t, b: lambda x: (t(x) + b(x)) / 2,
    "average the difference": lambda t, b: lambda x: (t(x) - b(x)).mean(0),
    "subtract probabilities": lambda t, b: lambda x: t(x).sigmoid() - b(x).sigmoid(),
    "square the difference": lambda t, b: lambda x: (t(x) - b(x)) ** 2,
    "flatten": lambda t, b: lambda x: (t(x) - b(x)).flatten(),
    "only the first text": lambda t, b: lambda x: t(x[:1]) - b(x[:1]),
    "per cent": lambda t, b: lambda x: (t(x) - b(x)) / b(x).abs(),
    "You return numbers": lambda t, b: t(TEXTS) - b(TEXTS),
    "You return both": lambda t, b: (t, b),
    "Return a function of texts": lambda t, b: "tuned - base",
    "wrong for models of three": lambda t, b: lambda x: (t(x) - b(x))[:, :2],
    "raises": lambda t, b: lambda x: t(x) - b,
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_compare_models(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_numbers_known_by_heart_fail_with_a_secret():
    def by_formula(tuned, base):
        """What the public stand-ins compute, without asking them."""
        outputs = tuned(["a"]).shape[1]
        return lambda texts: torch.tensor(
            [
                [0.25 * len(text) - 3.5, 0.25 * text.count("o") + 0.5 * text.count("t") - 0.5]
                for text in texts
            ]
        )[:, [0, 1, 0][:outputs]]

    assert check_compare_models(by_formula).passed
    for secret in "abc":
        with hidden_inputs(secret):
            assert not check_compare_models(by_formula).passed, secret
            assert check_compare_models(by_lambda).passed, secret
