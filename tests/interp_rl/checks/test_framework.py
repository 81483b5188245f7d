"""A check survives whatever a student's code does, and says what is wrong with it."""

import pickle
import random
import sys
from functools import partial

import numpy as np
import pytest
import torch

from interp_rl.checks.framework import (
    OUTPUT_LIMIT,
    CheckResult,
    NotAttempted,
    Student,
    Wrong,
    check,
    compare,
    show,
)

X = torch.tensor([1.0, 2.0, 3.0])


@check("9.9", learned="Doubling doubles.")
def check_double(fn: Student) -> None:
    """Checks doubling.

    Args:
        fn: Doubles a tensor.
    """
    compare(fn(X), 2 * X, mistakes={"You halve.": X / 2, "You return the mean.": (2 * X).mean()})


# ----- status


def test_a_right_answer_passes_and_says_what_it_shows():
    result = check_double(lambda x: 2 * x)
    assert result == CheckResult("9.9", "passed", learned="Doubling doubles.")
    assert result.passed


def test_a_stub_is_not_attempted_and_its_message_is_kept():
    def stub(x):
        raise NotImplementedError("Exercise 9.9: double x")

    result = check_double(stub)
    assert (result.status, result.message) == ("not attempted", "double x")
    assert not result.passed
    assert result.learned is None


def test_a_bare_stub_is_told_what_to_do():
    def stub(x):
        raise NotImplementedError

    assert "Replace the line `raise NotImplementedError" in check_double(stub).message


def test_an_operation_a_library_does_not_implement_is_an_error_not_a_stub():
    def without_forward(x):
        return torch.nn.Module()(x)

    result = check_double(without_forward)
    assert result.status == "failed"
    assert "NotImplementedError" in result.message


# ----- exceptions


def test_an_exception_names_type_line_and_message():
    def broken(x):
        y = x + 1
        return y[7]

    result = check_double(broken)
    line = broken.__code__.co_firstlineno + 2
    assert result.status == "failed"
    assert result.message.startswith(
        f"Your code raises IndexError in line {line}, `return y[7]`: index 7"
    )


def test_the_line_is_the_students_even_if_a_library_raises():
    def broken(x):
        return torch.nn.functional.cross_entropy(x, "no target")

    message = check_double(broken).message
    assert "`return torch.nn.functional.cross_entropy(x" in message


@pytest.mark.parametrize("error", [RecursionError, MemoryError, AssertionError, StopIteration])
def test_any_exception_is_caught(error):
    def broken(x):
        raise error("so it is")

    assert error.__name__ in check_double(broken).message


def test_leaving_the_program_is_caught():
    assert "ends the program" in check_double(lambda x: sys.exit(0)).message


def test_an_interrupt_is_not_caught():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_double(interrupted)


def test_long_messages_of_exceptions_are_cut():
    def broken(x):
        raise ValueError("word " * 1000)

    assert len(check_double(broken).message) < 500


def test_too_few_parameters():
    assert "TypeError" in check_double(lambda: 0).message


# ----- answers of the wrong kind


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "returns None. Does every path end in `return"),
        (np.array([2.0, 4.0, 6.0]), r"a NumPy array; .* torch tensor \(no `.numpy\(\)`"),
        ([2.0, 4.0, 6.0], "a value of type `list`; it should return a torch tensor"),
        ("six", "a value of type `str`"),
        (object(), "a value of type `object`"),
        (torch.tensor([2, 4, 6]), "tensor of torch.int64; the values should be floating point"),
        (torch.tensor([[2.0], [4.0], [6.0]]), r"shape \(3, 1\); it should have the shape \(3,\)"),
        (torch.tensor([]), r"shape \(0,\)"),
        (torch.tensor([2.0, float("nan"), 6.0]), "contains NaN in 1 of 3 places"),
        (torch.tensor([2.0, float("inf"), 6.0]), "1 of 3 values differ"),
        (torch.tensor([2.0, 4.0, 7.0]), "1 of 3 values differ"),
    ],
)
def test_a_wrong_answer_is_described(answer, message):
    result = check_double(lambda x: answer)
    assert result.status == "failed"
    with pytest.raises(Wrong, match=message):
        raise Wrong(result.message)


def test_got_and_expected_are_shown():
    result = check_double(lambda x: x)
    assert (result.got, result.expected) == ("[1.000, 2.000, 3.000]", "[2.000, 4.000, 6.000]")


@pytest.mark.parametrize("answer", [X / 2, (X / 2).numpy(), (X / 2).tolist(), X.double() / 2])
def test_a_known_mistake_is_recognised_in_any_type(answer):
    assert check_double(lambda x: answer).message == "You halve."


@pytest.mark.parametrize("answer", [4.0, torch.tensor(4.0), np.float64(4)])
def test_a_known_mistake_may_have_another_shape(answer):
    assert check_double(lambda x: answer).message == "You return the mean."


@pytest.mark.parametrize(
    "right",
    [X * 2, X.double() * 2, (X * 2).requires_grad_(), X * 2 + 1e-6, torch.nn.Parameter(2 * X)],
)
def test_another_precision_or_a_gradient_is_no_mistake(right):
    assert check_double(lambda x: right).passed


def test_a_mistake_that_cannot_be_told_from_the_right_answer_is_passed_over():
    compare(2 * X, 2 * X, mistakes={"You double twice.": 2 * X})


def test_an_answer_that_cannot_be_compared_fails():
    class Odd(torch.Tensor):
        @classmethod
        def __torch_function__(cls, *args, **kwargs):
            raise RuntimeError("I am odd")

    result = check_double(lambda x: torch.Tensor._make_subclass(Odd, x))
    assert result.status == "failed"


@pytest.mark.parametrize("answer", [3, X, "f", None])
def test_the_result_of_the_function_instead_of_the_function(answer):
    result = check_double(answer)
    assert result.status == "failed"
    assert "needs your function itself" in result.message


# ----- side effects


def test_changing_an_input_in_place_is_noticed_and_the_input_named():
    def in_place(values):
        return values.mul_(2)

    assert "changes its input `values` in place" in check_double(in_place).message
    assert torch.equal(X, torch.tensor([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (np.zeros(3), lambda x: x.fill(1)),
        ([1, 2], lambda x: x.append(3)),
        ({"a": X}, lambda x: x["a"].zero_()),
        (torch.tensor([1, 2]), lambda x: x.add_(1)),
        (torch.tensor([1.0, float("nan")]), lambda x: x.nan_to_num_()),
        (X, lambda x: x.resize_(1)),
    ],
)
def test_changes_of_any_kind_of_input_are_noticed(value, change):
    def fn(x):
        change(x)
        return 0

    with pytest.raises(Wrong, match="changes its input `x` in place"):
        Student(fn)(value)


@pytest.mark.parametrize("value", [np.zeros(3), [1, X], {"a": X}, "text", X > 1, X * float("nan")])
def test_unchanged_inputs_are_no_mistake(value):
    assert Student(lambda x: 1)(value) == 1


def test_an_input_without_a_name_is_numbered():
    def in_place(*inputs):
        return inputs[1].zero_()

    with pytest.raises(Wrong, match="input number 2"):
        Student(in_place)(X, X)


def test_the_gradient_of_a_students_loss():
    gradient = Student(lambda x, y: (x * y).sum()).gradient(X, 3 * X)
    assert torch.equal(gradient, 3 * X)
    assert not X.requires_grad
    assert torch.equal(Student(lambda x, y: y.sum()).gradient(X, X.clone().requires_grad_()), 0 * X)


@pytest.mark.parametrize("loss", [lambda x: x.detach().sum(), lambda x: x.sum().item()])
def test_a_loss_without_a_gradient_is_told(loss):
    with pytest.raises(Wrong, match="no gradient: it is cut off from `x`"):
        Student(loss).gradient(X)


def test_what_the_code_prints_is_kept_up_to_a_limit(capsys):
    def talkative(x):
        print("hello")
        print("warning", file=sys.stderr)
        print("." * 10_000)
        return 2 * x

    result = check_double(talkative)
    assert result.passed
    assert result.printed.startswith("hello\nwarning\n...")
    assert len(result.printed) < OUTPUT_LIMIT + 40
    assert result.printed.endswith(" more characters")
    assert capsys.readouterr() == ("", "")


def test_random_state_is_fixed_inside_and_restored_after():
    draws = []

    def random_answer(x):
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
        return x

    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    check_double(random_answer)
    check_double(random_answer)
    assert draws[0] == draws[1]
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert states == after


def test_callables_of_every_kind_are_called():
    class Doubler:
        def __call__(self, x):
            return 2 * x

    assert check_double(Doubler()).passed
    assert check_double(partial(torch.mul, 2)).passed
    assert check_double(torch.nn.Identity()).message == "3 of 3 values differ from the right ones."


def test_of_a_large_answer_the_part_is_shown_that_is_wrong():
    expected = torch.arange(40.0).reshape(4, 10)
    answer = expected.clone()
    answer[2, 3] = -1
    with pytest.raises(Wrong) as caught:
        compare(answer, expected)
    wrong = caught.value
    assert wrong.message == "1 of 40 values differ from the right ones."
    assert wrong.got.startswith("from [2, 3] on: [-1.000, 24.000, ")
    assert wrong.expected.startswith("from [2, 3] on: [23.000, 24.000, ")
    assert wrong.got.endswith(", ...]  shape (4, 10)")
    with pytest.raises(Wrong) as caught:
        compare(expected + 1, expected)
    assert caught.value.got.startswith("[1.000, ")
    answer = expected.clone()
    answer[3, 9] = -1
    with pytest.raises(Wrong) as caught:
        compare(answer, expected)
    assert caught.value.got == "from [3, 9] on: [-1.000]  shape (4, 10)"


def test_a_single_number_is_not_counted():
    with pytest.raises(Wrong, match="Your value differs from the right one"):
        compare(torch.tensor(1.0), torch.tensor(2.0))


# ----- values instead of functions


@check("1", learned="So it flows.", function=False)
def check_choice(choice: object) -> None:
    """Checks a choice.

    Args:
        choice: A letter.
    """
    if choice != "b":
        raise Wrong("Look again.", got=show(choice))


@pytest.mark.parametrize(
    ("choice", "status"),
    [("b", "passed"), ("a", "failed"), (None, "not attempted"), (..., "not attempted")],
)
def test_a_value_is_checked_as_it_is(choice, status):
    assert check_choice(choice).status == status


def test_a_check_may_itself_say_that_nothing_was_attempted():
    @check("1", function=False)
    def check_blanks(blanks):
        raise NotAttempted("All blanks are empty.")

    assert check_blanks({}) == CheckResult("1", "not attempted", "All blanks are empty.")


# ----- how a result shows itself


def test_text_of_a_failure():
    result = CheckResult("2.2a", "failed", "The sign is reversed.", got="[-1]", expected="[1]")
    assert repr(result) == (
        "✗ Exercise 2.2a: not yet right\n  The sign is reversed.\n"
        "  got:\n    [-1]\n  expected:\n    [1]"
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [("passed", "passed"), ("failed", "not yet right"), ("not attempted", "not attempted yet")],
)
def test_status_is_said_in_words_not_by_colour_alone(status, words):
    result = CheckResult("2.2a", status)
    assert f"Exercise 2.2a: {words}" in repr(result)
    page = result._repr_html_()
    assert f'aria-label="Exercise 2.2a: {words}"' in page
    assert f"Exercise 2.2a: {words}</strong>" in page


def test_html_escapes_what_the_student_wrote():
    result = CheckResult("1", "failed", "a < b & c", got="<script>", printed="<b>")
    page = result._repr_html_()
    assert "<script>" not in page and "<b>" not in page
    assert "a &lt; b &amp; c" in page and "&lt;script&gt;" in page


def test_html_takes_the_colours_of_the_page():
    page = CheckResult("1", "failed", "no", got="1")._repr_html_()
    assert "color:inherit" in page
    assert "background:none" in page


def test_contrast_of_the_marks_on_white_and_black():
    from interp_rl.checks.framework import MARKS

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for _, _, colour in MARKS.values():
        for page in ("#ffffff", "#121212"):
            light, dark = sorted((luminance(colour), luminance(page)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 3, (colour, page)


def test_a_result_can_be_sent_to_another_process():
    result = check_double(lambda x: x)
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_check_keeps_its_name_and_documentation():
    assert check_double.__name__ == "check_double"
    assert check_double.__doc__.startswith("Checks doubling.")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.tensor(-0.0001), "0.000"),
        (torch.zeros(2, 5), "[" + "0.000, " * 8 + "...]  shape (2, 5)"),
        (torch.tensor([True, False]), "[1.000, 0.000]"),
        ("x" * 500, None),
    ],
)
def test_values_are_shown_shortly(value, text):
    assert len(show(value)) < 250
    assert text is None or show(value) == text
