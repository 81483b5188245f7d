"""Verdicts come back from the processes that grade, whenever they are looked at."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from coursekit.grading.assignment import Item
from coursekit.grading.pool import Pool
from coursekit.grading.sandbox import Limits
from coursekit.grading.worker import Job


def right(check: Any, answer: Any, secret: str) -> SimpleNamespace:
    return SimpleNamespace(passed=answer == 2, message="not 2", status="wrong")


@pytest.mark.parametrize("code,passed", [("answer = 2", True), ("answer = 3", False)])
def test_a_process_that_ended_between_two_looks_is_still_heard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, code: str, passed: bool
) -> None:
    """On a busy machine it may speak and end after the pipes were read and before it is watched."""
    item = Item("1", "A number", 1, check="print", imports="", answer="answer")
    pool = Pool(right, 1, "guard", Limits(seconds=30))
    monkeypatch.setattr(pool._selector, "select", lambda timeout: time.sleep(timeout) or [])
    verdicts = list(pool.grade_all([("one", Job(item, [code], "seed", tmp_path))]))
    assert [(key, said.passed, said.finished) for key, said in verdicts] == [("one", passed, True)]
    assert verdicts[0][1].message == ("" if passed else "not 2")
