"""Runs the code that an answer needs and checks the answer; in a process behind walls."""

import builtins
import contextlib
import io
import json
import linecache
import os
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursekit.grading.assignment import Item
from coursekit.grading.sandbox import Limits, Walls, enter

OUTPUT_LIMIT = 2000
"""How many characters of a message are kept."""


@dataclass(frozen=True)
class Job:
    """One exercise of one submission."""

    item: Item
    code: Sequence[str]
    """the statements to run, in order"""
    secret: str
    """seed of the hidden examples"""
    folder: Path
    """an empty folder for the student's code"""
    hidden: tuple[Path, ...] = ()
    """files and folders that it must not see"""


@dataclass(frozen=True)
class Verdict:
    """What became of an exercise."""

    passed: bool
    message: str
    """what is wrong with it, for the student; empty if it passed"""
    seconds: float = 0.0
    """time it took"""
    finished: bool = True
    """whether the code came to an end; if not, it was stopped or ended its process"""


def work(job: Job, grade: Callable[..., Any], pipe: int, walls: Walls, limits: Limits) -> None:
    """Grades one exercise and writes the verdict to a pipe, as JSON; never returns.

    Args:
        job: What to grade.
        grade: `grade(check, answer, secret)`, imported before.
        pipe: File descriptor for the verdict.
        walls: Walls to build first.
        limits: What the student's code may use.
    """
    try:
        check = resolve(job.item)  # before the student's code can change what it is
        kept = _names_of(sys.modules[check.__module__].__name__.partition(".")[0])
        for descriptor in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        enter(walls, job.folder, job.hidden, limits)
        verdict = _graded(job, check, grade, kept)
    except BaseException as error:  # MemoryError, exit, an interrupt that the code sent itself
        verdict = Verdict(
            False, f"grading ended with {type(error).__name__}: {error}"[:OUTPUT_LIMIT]
        )
    data = json.dumps({"passed": verdict.passed, "message": verdict.message})
    with contextlib.suppress(BaseException):
        os.write(pipe, data.encode())
    os._exit(0)


def resolve(item: Item) -> Callable[..., Any]:
    """The check of an exercise.

    Args:
        item: The exercise.

    Returns:
        The function.
    """
    namespace: dict[str, Any] = {}
    exec(item.imports, namespace)
    return eval(item.check, namespace)


def _graded(
    job: Job, check: Callable[..., Any], grade: Callable[..., Any], kept: dict[str, dict[str, Any]]
) -> Verdict:
    namespace, errors = _run(job.code)
    for name, names in kept.items():
        vars(sys.modules[name]).update(names)
    try:
        answer = eval(job.item.answer, namespace)
    except NameError:
        why = f" {errors[-1]}" if errors else ""
        return Verdict(False, f"There is no `{job.item.answer}` in the notebook.{why}")
    result = grade(check, answer, job.secret)
    message = "" if result.passed else (result.message or result.status)
    if not result.passed and errors:
        message += f" While the notebook ran: {errors[-1]}"
    return Verdict(bool(result.passed), message[:OUTPUT_LIMIT])


def _run(code: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Runs statements one after another; one that fails does not keep the next from running."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    namespace = vars(main)
    builtins.display = _nothing  # type: ignore[attr-defined]
    namespace["get_ipython"] = lambda: _NoIPython()
    errors: list[str] = []
    for number, source in enumerate(code, start=1):
        name = f"<statement {number}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        try:
            with contextlib.redirect_stdout(_Void()), contextlib.redirect_stderr(_Void()):
                exec(compile(source, name, "exec"), namespace)
        except NotImplementedError:
            pass  # a cell that depends on an exercise which is not done
        except BaseException as error:
            errors.append(f"{type(error).__name__}: {error}"[:300])
    return namespace, errors


def _names_of(package: str) -> dict[str, dict[str, Any]]:
    """Everything that the modules of a package define, to be put back after a student's code."""
    return {
        name: dict(vars(module))
        for name, module in list(sys.modules.items())
        if module is not None and name.split(".")[0] == package
    }


class _Void(io.TextIOBase):
    """Keeps nothing of what is printed, however much it is."""

    def write(self, text: str) -> int:
        return len(text)


class _NoIPython:
    """Stands for IPython where a cell has its commands, such as `%matplotlib inline`."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return _nothing


def _nothing(*args: Any, **options: Any) -> None:
    return None
