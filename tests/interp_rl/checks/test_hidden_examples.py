"""Readers share their examples; a grader's depend on a secret, and show whether one knows more."""

import pytest
import torch

from interp_rl.checks.framework import Student, check, compare
from interp_rl.checks.grading import ROUNDS, grade
from interp_rl.checks.hidden import (
    generator,
    hidden_inputs,
    is_hidden,
    reordered,
    rescaled,
    seed_of,
)
from interp_rl.checks.section3.examples import compare_on


def drawn(seed: int) -> list[float]:
    return torch.rand(4, generator=generator(seed)).tolist()


def test_readers_share_examples_and_graders_have_others():
    public = drawn(1)
    assert public == drawn(1) != drawn(2)
    assert public == torch.rand(4, generator=torch.Generator().manual_seed(1)).tolist()
    with hidden_inputs("a"):
        assert is_hidden()
        hidden = drawn(1)
        assert hidden == drawn(1) != public
        assert drawn(2) != hidden
    with hidden_inputs("b"):
        assert drawn(1) not in (hidden, public)
    assert drawn(1) == public and not is_hidden()


def test_the_secret_is_gone_after_an_error():
    with pytest.raises(KeyError), hidden_inputs("a"):
        raise KeyError
    assert not is_hidden()


def test_an_empty_secret_is_refused():
    with pytest.raises(ValueError, match="secret is empty"), hidden_inputs(""):
        pass


def test_seeds_fit_torch_and_numpy():
    with hidden_inputs("a"):
        seeds = [seed_of(i) for i in range(100)]
    assert len(set(seeds)) == 100 and min(seeds) >= 0 and max(seeds) < 2**56


def test_examples_that_are_written_down_are_rescaled_and_stay_valid():
    covariance = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    inputs = (covariance, torch.tensor([True, False]), torch.tensor([1, 2]), 0.9, "text")
    assert rescaled(inputs, 0) is inputs
    with hidden_inputs("a"):
        changed, mask, numbers, factor, text = rescaled(inputs, 0)
        assert torch.equal(rescaled(inputs, 0)[0], changed)
        assert not torch.equal(rescaled(inputs, 1)[0], changed)
    ratio = changed / covariance
    assert torch.allclose(ratio, ratio[0, 0].expand(2, 2)) and 0.5 <= ratio[0, 0] <= 1.5
    assert torch.equal(mask, inputs[1]) and torch.equal(numbers, inputs[2])
    assert (factor, text) == (0.9, "text")
    torch.linalg.cholesky(changed)


def test_lists_that_are_written_down_are_reordered():
    words = ["not", "a", "good", "film"]
    assert reordered(words, 0) == words
    with hidden_inputs("a"):
        changed = reordered(words, 0)
        assert changed == reordered(words, 0) != words
        assert sorted(changed) == sorted(words)
        assert reordered(["x", "y"], 0) == ["y", "x"]
        assert reordered(["x"], 0) == ["x"] and reordered([1, 1], 0) == [1, 1]


@check("9.8", learned="So it is.")
def check_square(fn: Student) -> None:
    examples = {"2 numbers": (torch.tensor([1.0, -2.0]),), "1 number": (torch.tensor([3.0]),)}
    compare_on(fn, examples, lambda x: x * x, lambda x: {"You double.": 2 * x})


def test_a_right_answer_passes_for_any_secret():
    for secret in "abcdef":
        assert grade(check_square, lambda x: x**2, secret).passed


def test_an_answer_that_knows_the_public_examples_fails_and_sees_nothing_of_the_others():
    known = {(1.0, -2.0): [1.0, 4.0], (3.0,): [9.0]}

    def by_heart(x):
        return torch.tensor(known.get(tuple(x.tolist()), [0.0] * len(x)))

    assert check_square(by_heart).passed
    result = grade(check_square, by_heart, "a")
    assert result.status == "failed"
    assert result.message.startswith("Your function is right on the examples that the notebook")
    assert result.got is None and result.expected is None


def test_a_wrong_answer_gets_the_message_of_the_notebook():
    result = grade(check_square, lambda x: 2 * x, "a")
    assert result.message == "You double." and result.expected


def test_a_value_has_no_hidden_examples():
    calls = []

    @check("9.7", function=False)
    def check_value(value):
        calls.append(value)

    assert grade(check_value, "b", "a").passed
    assert calls == ["b"]


def test_a_right_answer_is_asked_on_several_hidden_sets():
    calls = []

    @check("9.6")
    def check_calls(fn):
        x = torch.rand(2, generator=generator(0))
        calls.append(x.tolist())
        compare(fn(x), x)

    assert grade(check_calls, lambda x: x, "a").passed
    assert len(calls) == 1 + ROUNDS == len({tuple(x) for x in calls})
