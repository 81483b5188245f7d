"""How an exercise is checked: the student's code runs safely, and the result says what is wrong.

A check is a function decorated with `check`. It calls the student's function, compares the answers
and raises `Wrong` at the first thing that is not right:

    @check("2.2a", learned="Positive means that the model prefers the indirect object.")
    def check_logit_difference(fn: Student) -> None:
        compare(fn(logits, ...), expected, mistakes={"The sign is reversed: ...": -expected})

Whatever the student's code does, the caller receives a `CheckResult`.
"""

import contextlib
import copy
import html
import inspect
import io
import linecache
import math
import reprlib
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from interp_rl.checks.global_state import standard_state
from interp_rl.checks.time_limit import Overtime, time_limit

Status = Literal["passed", "failed", "not attempted"]
"""What can become of a check."""

OUTPUT_LIMIT = 500
"""How many characters printed by the student's code a result keeps."""

LARGEST = 10_000_000
"""How many numbers an answer may have to be looked at; an expanded tensor has any number."""

SHOWN = 8
"""How many numbers of a tensor a result shows."""

TIME_LIMIT = 30.0
"""Seconds that a check, with all calls of the student's code, may take."""

MARKS: dict[Status, tuple[str, str, str]] = {
    "passed": ("✓", "passed", "#2e8b57"),
    "failed": ("✗", "not yet right", "#d55e00"),
    "not attempted": ("○", "not attempted yet", "#808080"),
}
"""How each status is shown: a sign, words, a colour for light and dark pages."""


latest_results: "dict[str, dict[str, CheckResult]]" = {}
"""What each check last said in this session: by the exercise's number, then the check's name."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check; shows itself as text or HTML, and contains only strings."""

    exercise: str
    """number of the exercise in the book, such as `2.2a`"""
    status: Status
    """whether the answer is right, wrong, or not there yet"""
    message: str = ""
    """what is wrong and what to look at, or what the check has established"""
    got: str | None = None
    """what the student's code returned on a small example"""
    expected: str | None = None
    """what it should have returned"""
    learned: str | None = None
    """what the exercise shows; only on success"""
    printed: str = ""
    """what the student's code printed, up to `OUTPUT_LIMIT` characters"""

    @property
    def passed(self) -> bool:
        """Whether the exercise is solved."""
        return self.status == "passed"

    def _sentences(self) -> list[str]:
        return [text for text in (self.message, self.learned) if text]

    def _rows(self) -> list[tuple[str, str]]:
        rows = (
            ("got", self.got),
            ("expected", self.expected),
            ("your code printed", self.printed),
        )
        return [(name, value) for name, value in rows if value]

    def __repr__(self) -> str:
        sign, words, _ = MARKS[self.status]
        lines = [f"{sign} Exercise {self.exercise}: {words}"]
        for text in self._sentences():
            lines += textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="  ")
        for name, value in self._rows():
            lines += [f"  {name}:", textwrap.indent(value.rstrip("\n"), "    ")]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        sign, words, colour = MARKS[self.status]
        title = f"Exercise {html.escape(self.exercise)}: {words}"
        rows = "".join(
            f'<dt style="margin:.4em 0 0;font-size:.85em">{name}</dt><dd style="margin:0">'
            f'<pre style="margin:0;padding:0;border:0;background:none;color:inherit;'
            f'white-space:pre-wrap">{html.escape(value)}</pre></dd>'
            for name, value in self._rows()
        )
        return (
            f'<div class="check-result" role="group" aria-label="{title}" '
            f'style="border-left:.3em solid {colour};padding:.2em .8em;color:inherit">'
            f'<strong><span aria-hidden="true" style="color:{colour}">{sign}</span> '
            f"{title}</strong>"
            + "".join(f'<p style="margin:.3em 0">{html.escape(s)}</p>' for s in self._sentences())
            + (f'<dl style="margin:0">{rows}</dl>' if rows else "")
            + "</div>"
        )


class Wrong(Exception):  # noqa: N818  an answer that is wrong, not an error of the check
    """The student's answer is not right.

    Args:
        message: What is wrong, in the student's terms, and what to look at.
        got: What the student's code returned, as text.
        expected: What it should have returned, as text.
    """

    def __init__(self, message: str, got: str | None = None, expected: str | None = None):
        super().__init__(message)
        self.message, self.got, self.expected = message, got, expected


class NotAttempted(Exception):  # noqa: N818
    """The exercise still has its stub."""


class Student:
    """A student's function, called safely.

    Each call gets copies of the tensors, arrays, lists and dictionaries among its inputs. It raises

    - `NotAttempted` where the stub's `NotImplementedError` is still there;
    - `Wrong` where the code raises anything else, returns None, or changes one of its inputs.

    Args:
        function: What the student wrote.
        reset: Called after each call, to undo changes of global state.
    """

    def __init__(self, function: Callable[..., Any], reset: Callable[[], None] = lambda: None):
        self._function, self._reset = function, reset
        self._code = getattr(inspect.unwrap(function), "__code__", None)

    def __call__(self, *inputs: Any) -> Any:
        """Calls the student's function.

        Args:
            *inputs: Passed on by position, as copies.

        Returns:
            What the function returned; never None.

        Raises:
            NotAttempted: If the stub has not been replaced.
            Wrong: If the function raises, returns None or changes an input.
        """
        return self._called(inputs)[0]

    def gradient(self, *inputs: Any) -> Tensor:
        """The gradient of the student's loss.

        Args:
            *inputs: Passed on by position, as copies; the first one is what to differentiate by.

        Returns:
            The gradient, of the shape of the first input.

        Raises:
            NotAttempted: If the stub has not been replaced.
            Wrong: If the function raises, returns None, changes an input, or if its answer has no
                gradient.
        """
        variable, *others = inputs
        loss, copies = self._called([variable.detach().clone().requires_grad_(), *others])
        if not (isinstance(loss, Tensor) and loss.requires_grad):
            raise Wrong(
                "Your loss has the right value, and no gradient: it is cut off from "
                f"{self._name(0)}. Leave out `.detach()`, `.item()`, `torch.tensor(...)` and "
                "`torch.no_grad()`.",
                show(loss),
            )
        (gradient,) = torch.autograd.grad(loss, copies[0], materialize_grads=True)
        return gradient

    def _called(self, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
        """What the function returned, and the copies that it was given."""
        copies = [_copied(value) for value in inputs]
        try:
            answer = self._function(*copies)
        except NotImplementedError as error:
            line, source = self._where(error)
            if _text(error).startswith("Exercise") or not source or "raise" in source:
                raise NotAttempted(_text(error)) from error
            raise Wrong(_raised(error, line, source)) from error  # by a library, not by the stub
        except SystemExit as error:
            raise Wrong("Your code ends the program (`exit` or `sys.exit`).") from error
        except (KeyboardInterrupt, Overtime):  # the reader's interrupt, and ours
            raise
        except BaseException as error:
            raise Wrong(_raised(error, *self._where(error))) from error
        finally:
            self._reset()
        for number, (before, after) in enumerate(zip(inputs, copies, strict=True)):
            if not _same(before, after):
                raise Wrong(
                    f"Your function changes its input {self._name(number)} in place. The caller "
                    "still needs it: compute new values, or work on a copy (`x.clone()`)."
                )
        if answer is None:
            raise Wrong("Your function returns None. Does every path end in `return ...`?")
        return answer, copies

    def _where(self, error: BaseException) -> tuple[int, str]:
        """Line number and text of the last line of the student's own file in the traceback."""
        found, trace = (0, ""), error.__traceback__
        while trace is not None:
            if self._code and trace.tb_frame.f_code.co_filename == self._code.co_filename:
                text = linecache.getline(self._code.co_filename, trace.tb_lineno).strip()
                found = (trace.tb_lineno, text)
            trace = trace.tb_next
        return found

    def _name(self, number: int) -> str:
        try:
            return f"`{list(inspect.signature(self._function).parameters)[number]}`"
        except (ValueError, TypeError, IndexError):
            return f"number {number + 1}"


def check(
    exercise: str,
    learned: str | None = None,
    *,
    function: bool = True,
    seconds: float | None = None,
) -> Callable[[Callable[[Any], None]], Callable[[Any], CheckResult]]:
    """Makes a check out of a function that raises at the first thing that is wrong.

    While the check runs, global state is that of `global_state.standard_state`, with the random
    generators seeded; afterwards it is what it was. What the student's code prints is caught, and
    code that does not end is interrupted.

    Args:
        exercise: Number of the exercise in the book.
        learned: One sentence shown on success: what the exercise shows.
        function: True where the answer is a function, which reaches the check as a `Student`; False
            where it is a value (a choice, the labels of a diagram), which reaches it as it is, and
            counts as not attempted while it is None or `...`.
        seconds: What the check may take; `TIME_LIMIT` if left out.

    Returns:
        A decorator. The decorated check takes the answer and returns a `CheckResult`; it raises
        nothing, whatever the answer is.
    """

    def decorate(body: Callable[[Any], None]) -> Callable[[Any], CheckResult]:
        def run(answer: Any, /) -> CheckResult:
            printed = _Printed()
            with (
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(printed),
                standard_state() as reset,  # inside, so that it puts back what prints, too
            ):
                limit = TIME_LIMIT if seconds is None else seconds
                try:
                    with time_limit(limit):
                        asked = Student(answer, reset) if function and callable(answer) else answer
                        result = _outcome(body, asked, exercise, function)
                except Overtime:
                    message = (
                        f"Your code was stopped after {limit:g} seconds. Does a loop in it never "
                        "end, or wait for something?"
                    )
                    result = CheckResult(exercise, "failed", message)
            if result.passed:
                result = replace(result, learned=learned)
            result = replace(result, printed=printed.text())
            latest_results.setdefault(exercise, {})[body.__qualname__] = result
            return result

        run.__name__, run.__qualname__ = body.__name__, body.__qualname__
        run.__module__, run.__doc__ = body.__module__, body.__doc__
        run.exercise, run.takes_function = exercise, function  # type: ignore[attr-defined]
        return run

    return decorate


def compare(
    answer: Any,
    expected: Tensor,
    mistakes: Mapping[str, Tensor] | None = None,
    *,
    tolerance: float = 1e-4,
) -> None:
    """Compares a student's tensor with the right one and names the mistake if it is a known one.

    Args:
        answer: What the student's function returned.
        expected: The right answer, floating point.
        mistakes: What known misconceptions would have returned, each under the message for the
            student; shapes may differ from the right one. A mistake that happens to agree with the
            right answer on this example is passed over.
        tolerance: Largest absolute difference accepted, and largest relative one.

    Raises:
        Wrong: If the answer is not a floating-point tensor, has another shape, contains NaN or
            differs from the expected values.
    """
    values = _as_tensor(answer)
    begin = _first_difference(values, expected, tolerance)
    texts = {"got": show(answer, begin=begin), "expected": show(expected, begin=begin)}
    right = values is not None and _close(values, expected, tolerance)
    if right and isinstance(answer, Tensor) and answer.is_floating_point():
        return
    if values is not None and not right:
        for message, mistaken in (mistakes or {}).items():
            telling = not _close(mistaken, expected, tolerance)
            if telling and _close(values, mistaken, tolerance):
                raise Wrong(message, **texts)
    if not isinstance(answer, Tensor):
        raise Wrong(
            f"Your function returns {_kind(answer)}; it should return a torch tensor"
            + (" (no `.numpy()` is needed)." if isinstance(answer, np.ndarray) else "."),
            **texts,
        )
    if not answer.is_floating_point():
        raise Wrong(
            f"Your answer is a tensor of {answer.dtype}; the values should be floating point.",
            **texts,
        )
    if answer.shape != expected.shape:
        raise Wrong(
            f"Your answer has the shape {tuple(answer.shape)}; "
            f"it should have the shape {tuple(expected.shape)}.",
            **texts,
        )
    if answer.isnan().any() and not expected.isnan().any():
        raise Wrong(
            f"Your answer contains NaN in {int(answer.isnan().sum())} of {answer.numel()} places. "
            "NaN comes from 0/0, the logarithm of a negative number, or infinity minus infinity.",
            **texts,
        )
    wrong = int((~torch.isclose(answer.double(), expected.double(), tolerance, tolerance)).sum())
    if expected.numel() == 1:
        raise Wrong("Your value differs from the right one.", **texts)
    raise Wrong(f"{wrong} of {expected.numel()} values differ from the right ones.", **texts)


def _first_difference(values: Tensor | None, expected: Tensor, tolerance: float) -> int:
    """Where two tensors of one shape, too large to be shown in full, differ first."""
    if values is None or values.shape != expected.shape or values.numel() <= SHOWN:
        return 0
    wrong = ~torch.isclose(values.double(), expected.double(), tolerance, tolerance)
    return int(wrong.flatten().int().argmax())


def show(value: Any, digits: int = 3, *, begin: int = 0) -> str:
    """A value as short text for a result.

    Args:
        value: Anything a student's code can return.
        digits: Decimal places of the numbers in a tensor.
        begin: The number of a tensor with which to begin, counted row by row.

    Returns:
        Small tensors in full, larger ones by shape and first values, the rest by a shortened repr.
    """
    try:
        return _shown(value, digits, begin)
    except Exception:  # a class of the student's, whose every method may raise
        return _kind(value)


def _shown(value: Any, digits: int, begin: int) -> str:
    if not isinstance(value, Tensor | np.ndarray):
        shortened = reprlib.Repr()
        shortened.maxstring = shortened.maxother = 200
        return shortened.repr(value)
    tensor = _as_tensor(value)
    if tensor is None:
        return f"{_kind(value)} of shape {tuple(value.shape)}"
    first = tensor.flatten()[begin : begin + SHOWN].round(decimals=digits) + 0.0  # no -0.000
    values = ", ".join(f"{number:.{digits}f}" for number in first.tolist())
    if tensor.ndim == 0:
        return values
    more = ", ..." if tensor.numel() > begin + len(first) else ""
    where = ", ".join(str(int(i)) for i in torch.unravel_index(torch.tensor(begin), tensor.shape))
    start = f"from [{where}] on: " if begin else ""
    shape = f"  shape {tuple(tensor.shape)}" if tensor.ndim > 1 else ""
    return f"{start}[{values}{more}]{shape}"


def _outcome(
    body: Callable[[Any], None], answer: Any, exercise: str, function: bool
) -> CheckResult:
    try:
        if function and not isinstance(answer, Student):
            raise Wrong(
                f"The check needs your function itself, and got {_kind(answer)}: "
                "write its name without parentheses and arguments."
            )
        if not function and (answer is None or answer is ...):
            raise NotAttempted
        body(answer)
    except NotAttempted as error:
        hint = "Replace the line `raise NotImplementedError(...)` by your code."
        message = _text(error).removeprefix(f"Exercise {exercise}: ")
        message = message or (hint if function else "Replace `...` by your answer.")
        return CheckResult(exercise, "not attempted", message)
    except Wrong as wrong:
        return CheckResult(exercise, "failed", wrong.message, wrong.got, wrong.expected)
    except Exception as error:  # an answer so odd that comparing it fails
        what = textwrap.shorten(_text(error), 300, placeholder=" ...")
        message = f"The check could not read your answer ({type(error).__name__}: {what})."
        return CheckResult(exercise, "failed", message)
    return CheckResult(exercise, "passed")


def _raised(error: BaseException, line: int, source: str) -> str:
    where = f" in line {line}, `{source}`" if source else (f" in line {line}" if line else "")
    what = textwrap.shorten(_text(error), 300, placeholder=" ...")
    return f"Your code raises {type(error).__name__}{where}{': ' + what if what else ''}"


def _text(error: BaseException) -> str:
    """Message of an exception, which a student may have written."""
    try:
        return str(error)
    except Exception:
        return ""


def _kind(value: Any) -> str:
    if type(value) is np.ndarray:
        return "a NumPy array"
    return f"a value of type `{type(value).__name__}`"


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return copy.deepcopy(value) if isinstance(value, np.ndarray | list | dict) else value


def _same(before: Any, after: Any) -> bool:
    """Whether an input is still what it was; NaN equals NaN."""
    if isinstance(before, Tensor):
        if before.shape != after.shape or before.dtype != after.dtype:
            return False
        return bool(((before == after) | ((before != before) & (after != after))).all())
    if isinstance(before, np.ndarray):
        return bool(np.array_equal(before, after))
    if isinstance(before, Mapping):
        return before.keys() == after.keys() and all(_same(before[k], after[k]) for k in before)
    if isinstance(before, Sequence) and not isinstance(before, str):
        return len(before) == len(after) and all(map(_same, before, after))
    return before is after or bool(before == after)


def _as_tensor(answer: Any) -> Tensor | None:
    """The numbers in an answer of any type, or None where there are none, or far too many."""
    try:
        if isinstance(answer, Tensor | np.ndarray) and math.prod(answer.shape) > LARGEST:
            return None
        return torch.as_tensor(answer).detach().double()
    except (TypeError, ValueError, RuntimeError):
        return None


def _close(values: Tensor, expected: Tensor, tolerance: float) -> bool:
    return values.shape == expected.shape and torch.allclose(
        values.double(), expected.double(), tolerance, tolerance, equal_nan=True
    )


class _Printed(io.StringIO):
    """Keeps the first `OUTPUT_LIMIT` characters and counts the rest."""

    def __init__(self) -> None:
        super().__init__()
        self._dropped = 0

    def write(self, text: str) -> int:
        kept = text[: OUTPUT_LIMIT - self.tell()]
        super().write(kept)
        self._dropped += len(text) - len(kept)
        return len(text)

    def close(self) -> None:
        """Does nothing: a student's code may close what it prints to."""

    def text(self) -> str:
        """What was printed, and how much of it is left out."""
        left_out = f"\n... {self._dropped} more characters" if self._dropped else ""
        return self.getvalue() + left_out
