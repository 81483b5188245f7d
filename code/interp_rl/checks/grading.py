"""How a grader uses the checks: first as readers do, then on examples that nobody has seen."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from interp_rl.checks.framework import CheckResult
from interp_rl.checks.hidden import hidden_inputs

ROUNDS = 2
"""How many sets of hidden examples an answer must pass."""


def grade(check: Callable[[Any], CheckResult], answer: Any, secret: str) -> CheckResult:
    """Checks an answer on the public examples and on hidden ones.

    An answer that is a value, such as the labels of a diagram, has no inputs to be hidden.

    Args:
        check: One of the checks of this package.
        answer: The student's answer.
        secret: The instructor's seed; another one gives other examples.

    Returns:
        What the check says. Where only the hidden examples fail, the message says so and shows
        neither them nor what was expected.

    Raises:
        ValueError: If the secret is empty.
    """
    result = check(answer)
    if not (result.passed and check.takes_function):  # type: ignore[attr-defined]
        return result
    for number in range(ROUNDS):
        with hidden_inputs(f"{secret}\n{number}"):
            hidden = check(answer)
        if not hidden.passed:
            message = (
                "Your function is right on the examples that the notebook checks, and wrong on "
                f"others of the same kind. {hidden.message}"
            )
            return replace(hidden, message=message, got=None, expected=None)
    return result
