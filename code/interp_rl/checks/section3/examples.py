"""A student's function on several examples, so that numbers of one of them do not pass."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, compare
from interp_rl.checks.hidden import rescaled


def compare_on(
    fn: Student,
    examples: Mapping[str, tuple[Any, ...]],
    expected: Callable[..., Tensor],
    mistakes: Callable[..., Mapping[str, Tensor]],
) -> None:
    """Compares a student's answers on several examples with the right ones.

    For a grader the numbers in the examples are changed, so that those written down here do not
    give an answer away either.

    Args:
        fn: The student's function.
        examples: Inputs of each example under words for it; the plainest one first.
        expected: From the inputs to the right answer.
        mistakes: From the inputs to what known misconceptions return, under the message for each.

    Raises:
        Wrong: At the first example whose answer is wrong.
    """
    first = next(iter(examples))
    for number, (what, shown) in enumerate(examples.items()):
        inputs = rescaled(shown, number)
        try:
            compare(fn(*inputs), expected(*inputs), mistakes(*inputs))
        except Wrong as wrong:
            if what != first:
                wrong.message = (
                    f"Your function is right on {first}, and wrong on {what}. {wrong.message}"
                )
            raise
