"""What the last cell of a notebook says."""

import pytest

from interp_rl.checks import framework, progress
from interp_rl.checks.framework import Student, Wrong, check


@check("8.1")
def check_one(fn: Student) -> None:
    if fn() != 1:
        raise Wrong("It is 1.")


@check("8.1")
def check_one_again(fn: Student) -> None:
    if fn() != 1:
        raise Wrong("It is still 1.")


@check("8.2")
def check_two(fn: Student) -> None:
    if fn() != 2:
        raise Wrong("It is 2.")


@pytest.fixture(autouse=True)
def fresh_session() -> None:
    framework.latest_results.clear()


def stub() -> int:
    raise NotImplementedError("Exercise 8.1")


MINUTES = {"8.1": 4, "8.2": 6}


def test_nothing_checked_is_nothing_attempted() -> None:
    shown = progress.status(MINUTES)
    assert set(shown.statuses.values()) == {"not attempted"}
    assert shown.summary == "0 of 2 exercises passed, 10 minutes to go."


def test_a_stub_is_not_attempted_and_a_wrong_answer_is_not_right() -> None:
    check_one(stub)
    check_two(lambda: 3)
    assert progress.status(MINUTES).statuses == {"8.1": "not attempted", "8.2": "failed"}


def test_the_last_answer_counts() -> None:
    check_two(lambda: 3)
    check_two(lambda: 2)
    assert progress.status(MINUTES).statuses["8.2"] == "passed"
    check_two(lambda: 3)
    assert progress.status(MINUTES).statuses["8.2"] == "failed"


def test_every_check_of_an_exercise_must_pass() -> None:
    check_one(lambda: 1)
    check_one_again(lambda: 2)
    assert progress.status(MINUTES).statuses["8.1"] == "failed"
    check_one_again(stub)
    assert progress.status(MINUTES).statuses["8.1"] == "not attempted"
    check_one_again(lambda: 1)
    assert progress.status(MINUTES).statuses["8.1"] == "passed"


def test_text_and_table_say_the_same() -> None:
    check_one(lambda: 1)
    check_one_again(lambda: 1)
    check_two(stub)
    shown = progress.status(MINUTES)
    assert repr(shown).splitlines() == [
        "✓ Exercise 8.1 (4 min): passed",
        "○ Exercise 8.2 (6 min): not attempted yet",
        "1 of 2 exercises passed, 6 minutes to go.",
    ]
    table = shown._repr_html_()
    for words in ("Exercise 8.1", "4 min", "passed", "Exercise 8.2", "not attempted yet"):
        assert words in table
    assert shown.summary in table


def test_all_passed_leaves_no_minutes() -> None:
    check_two(lambda: 2)
    assert progress.status({"8.2": 6}).summary == "1 of 1 exercises passed."


def test_a_cell_that_needs_an_open_exercise_says_so_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress.needs("8.1"):
        stub()
    check_two(lambda: 3)
    with progress.needs("8.1", "8.2"):
        print("as far as it goes")
        {}["text of an error\n" * 100]
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "This cell needs exercise 8.1, which does not pass yet; go on below.",
        "as far as it goes",
    ]
    assert lines[2].startswith("This cell needs exercise 8.1 and 8.2, which")
    assert "KeyError" in lines[2] and len(lines) == 3


def test_errors_of_a_cell_whose_exercise_passes_are_shown() -> None:
    check_two(lambda: 2)
    with pytest.raises(KeyError), progress.needs("8.2"):
        {}["x"]
    with pytest.raises(KeyboardInterrupt), progress.needs("8.1"):
        raise KeyboardInterrupt
