"""All answers to the exercises that tests know: right ones, and wrong ones with their messages.

They stand in the tests of the checks, `tests/interp_rl/checks/test_*.py`. A test file that has one
exercise is read as it is: its `check_...`, what `@pytest.mark.parametrize("solution", [...])` lists
as right, and its table `WRONG`. One with several says `KNOWN = [Answers(...), ...]`.
"""

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

TESTS = Path(__file__).parents[1] / "interp_rl/checks"


@dataclass(frozen=True)
class Answers:
    """What students may hand in for one exercise."""

    check: Callable[[Any], Any]
    right: tuple[Any, ...]
    """written differently, all correct"""
    wrong: tuple[tuple[str, Any, str], ...]
    """name, answer, and words of the message that it must get"""

    @property
    def exercise(self) -> str:
        """Number of the exercise."""
        return self.check.exercise  # type: ignore[attr-defined]

    @classmethod
    def of(
        cls, check: Callable[[Any], Any], right: Iterable[Any], wrong: Mapping[Any, Any]
    ) -> "Answers":
        """From the tables that tests have: name to (answer, words), words to answer, or reverse."""
        return cls(check, tuple(right), tuple(_row(key, value) for key, value in wrong.items()))


def _row(key: Any, value: Any) -> tuple[str, Any, str]:
    if isinstance(value, tuple):
        return str(key), *value
    if callable(key):
        return key.__name__, key, value
    return key, value, key


@cache
def known() -> dict[str, Answers]:
    """All answers that the tests have, by exercise."""
    found: dict[str, Answers] = {}
    for path in sorted(TESTS.glob("test_*.py")):
        module = _load(path)
        for answers in getattr(module, "KNOWN", None) or _read(module):
            found[answers.exercise] = answers
    return found


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"answers_of_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read(module: ModuleType) -> list[Answers]:
    checks = [
        value
        for value in vars(module).values()
        if hasattr(value, "exercise") and value.__module__.startswith("interp_rl.checks.section")
    ]
    if len(checks) != 1 or not hasattr(module, "WRONG"):
        return []
    marks = [mark for test in vars(module).values() for mark in _marks(test)]
    right = [mark.args[1] for mark in marks if mark.args and mark.args[0] == "solution"]
    return [Answers.of(checks[0], right[0] if right else (), module.WRONG)]


def _marks(test: Any) -> list[Any]:
    marks = getattr(test, "pytestmark", [])
    return [mark for mark in marks if mark.name == "parametrize"] if isinstance(marks, list) else []
