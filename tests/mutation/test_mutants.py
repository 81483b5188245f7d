"""Every exercise's check rejects wrong answers: real misconceptions, and mutants of the solution.

The figures are printed at the end of the test run.
"""

import ast
import contextlib
import io
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from answers import Answers, known
from inputs import alike, inputs_of, observed, recorded
from mutants import mutants

from coursekit.book import Book
from coursekit.chapter import Chapter, Directive
from interp_rl.checks import framework
from interp_rl.checks.hidden import hidden_inputs

ROOT = Path(__file__).resolve().parents[2]
AT_LEAST = 8
"""Misconceptions of each exercise."""

Namespace = dict[str, Any]


class Exercise:
    """An exercise of the book that has a check, with its solution."""

    def __init__(self, chapter: Chapter, number: str):
        self.chapter, self.number = chapter, number
        self.solution, self.stub = "", ""

    @property
    def name(self) -> str:
        """Name of the answer: of a function, or of a value."""
        last = ast.parse(self.stub).body[-1]
        if isinstance(last, ast.FunctionDef):
            return last.name
        assert isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name)
        return last.targets[0].id

    def namespace(self) -> Namespace:
        """What the chapter's cells import, as far as the solution uses it."""
        used = {
            node.id for node in ast.walk(ast.parse(self.solution)) if isinstance(node, ast.Name)
        }
        namespace: Namespace = {}
        for cell in self.chapter.cells:
            for node in ast.parse(cell.body).body:
                if not isinstance(node, ast.Import | ast.ImportFrom):
                    continue
                if used & {(a.asname or a.name).split(".")[0] for a in node.names}:
                    exec(ast.unparse(node), namespace)
        return namespace

    def answer(self, source: str) -> Any:
        """The answer that a source defines."""
        namespace = self.namespace()
        exec(compile(source, "<answer>", "exec"), namespace)
        return namespace[self.name]


def exercises() -> Iterator[Exercise]:
    for chapter in Book(ROOT).chapters.values():
        found: dict[str, Exercise] = {}
        number, solved = "", False
        for block in chapter.blocks:
            if not isinstance(block, Directive):
                continue
            if block.name in ("exercise-start", "solution-start"):
                solved = block.name == "solution-start"
                number = block.argument if solved else block.options.get("number", "")
            tags = set(block.tags) & {"stub", "solution", "check"}
            exercise = found.setdefault(number, Exercise(chapter, number))
            if "stub" in tags and not solved:
                exercise.stub = block.body
            elif "solution" in tags and exercise.stub and not exercise.solution:
                wanted = exercise.name
                if wanted in block.body.split("(")[0] or f"{wanted} = " in block.body:
                    exercise.solution = _without_check(block.body)
                elif f"def {wanted}" in block.body:
                    exercise.solution = block.body
        yield from (e for e in found.values() if e.stub)


def _without_check(source: str) -> str:
    """A solution without the line that checks it."""
    tree = ast.parse(source)
    if isinstance(tree.body[-1], ast.Expr):
        tree.body.pop()
    return ast.unparse(tree)


EXERCISES = {exercise.number: exercise for exercise in exercises()}
FUNCTIONS = [number for number, exercise in EXERCISES.items() if exercise.stub.count("def ")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Mutants that never end cost less; warnings of broken code are no news."""
    monkeypatch.setattr(framework, "TIME_LIMIT", 20.0)
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def answers_to(number: str) -> Answers:
    assert number in known(), (
        f"no test in tests/interp_rl/checks has answers to exercise {number}: write one with "
        "right solutions and a table WRONG, or say KNOWN = [Answers(...)] in it"
    )
    return known()[number]


@pytest.mark.parametrize("number", EXERCISES)
def test_the_solution_passes_for_any_seed(number: str) -> None:
    exercise, check = EXERCISES[number], answers_to(number).check
    assert exercise.solution, f"exercise {number} has no solution cell"
    solution = exercise.answer(exercise.solution)
    assert check(solution).passed, check(solution)
    for secret in ("a", "b", "autumn 2026", "seed 4"):
        with hidden_inputs(secret):
            assert check(solution).passed, (secret, check(solution))


@pytest.mark.parametrize("number", FUNCTIONS)
def test_an_answer_that_knows_the_public_examples_by_heart_fails_with_a_secret(number: str) -> None:
    exercise, check = EXERCISES[number], answers_to(number).check
    solution = exercise.answer(exercise.solution)
    by_heart = [(text_of(inputs), inputs) for inputs in recorded(check, solution, [""])]

    if all(text == text_of(()) for text, _ in by_heart):
        pytest.skip("the inputs are functions, which nobody knows by heart")

    def remembers(*inputs: Any) -> Any:
        """Computes nothing for inputs that it has not seen."""
        if any(text == text_of(inputs) for text, _ in by_heart):
            return solution(*inputs)
        return torch.zeros(())

    assert check(remembers).passed, check(remembers)
    for secret in ("a", "b"):
        with hidden_inputs(secret):
            result = check(remembers)
            assert not result.passed, (
                f"the check of {number} gives a grader the examples that readers see: draw them "
                "from interp_rl.checks.hidden.generator(seed)"
            )


def text_of(inputs: tuple[Any, ...]) -> str:
    """The numbers in some inputs, as text; of a network its weights."""
    parts = []
    for value in inputs:
        if isinstance(value, torch.nn.Module):
            weights = [*value.parameters(), *value.state_dict().values()]
            parts.append([w.detach().flatten()[:50].tolist() for w in weights])
        elif isinstance(value, torch.Tensor):
            parts.append(value.detach().tolist())
        elif isinstance(value, np.ndarray):
            parts.append(value.tolist())
        elif isinstance(value, int | float | str | list | dict):
            parts.append(value)
    return repr(parts)


@pytest.mark.parametrize("number", EXERCISES)
def test_right_answers_written_differently_pass(number: str) -> None:
    answers = answers_to(number)
    least = 3 if answers.check.takes_function else 1
    assert len(answers.right) >= least, f"exercise {number} has {len(answers.right)} right answers"
    for right in answers.right:
        assert answers.check(right).passed, (right, answers.check(right))
        for secret in ("a", "b"):
            with hidden_inputs(secret):
                assert answers.check(right).passed, (secret, right, answers.check(right))


@pytest.mark.parametrize("number", EXERCISES)
def test_every_misconception_gets_its_own_message(
    number: str, record_property: Callable[[str, object], None]
) -> None:
    answers = answers_to(number)
    said: dict[str, set[str]] = {}
    for name, wrong, words in answers.wrong:
        result = answers.check(wrong)
        assert result.status == "failed", (name, result)
        assert words in result.message, (name, words, result)
        said.setdefault(result.message, set()).add(words)
    assert len(said) >= AT_LEAST, f"exercise {number} has {len(said)} misconceptions"
    # two ways into the same misconception may share its message, but few do
    assert sum(map(len, said.values())) - len(said) <= 1, said
    record_property("misconceptions", (number, len(said)))


@pytest.mark.parametrize("number", EXERCISES)
def test_every_mutant_of_the_solution_is_rejected_or_does_the_same(
    number: str, record_property: Callable[[str, object], None]
) -> None:
    exercise, check = EXERCISES[number], answers_to(number).check
    solution = exercise.answer(exercise.solution)
    started = time.process_time()
    made = rejected = 0
    equal, survivors = [], []
    cases: list[tuple[Any, list[Any]]] = []
    namespace = exercise.namespace()
    for change, source in mutants(exercise.solution):
        made += 1
        answer = _made(source, namespace, exercise.name)
        if answer is None or not check(answer).passed:
            rejected += 1
            continue
        if check.takes_function and not cases:
            cases = [(inputs, observed(solution, inputs)) for inputs in inputs_of(check, solution)]
        if check.takes_function and all(
            alike(right, observed(answer, inputs)) for inputs, right in cases
        ):
            equal.append(change)
        else:
            survivors.append(change)
    seconds = time.process_time() - started
    record_property("mutants", (number, made, rejected, equal, round(seconds, 1)))
    assert made >= 10
    assert not survivors, f"{len(survivors)} of {made} mutants pass the check of {number}:\n" + (
        "\n".join(survivors)
    )


def _made(source: str, namespace: Namespace, name: str) -> Any:
    """The answer of a mutant; None where its source does not even run."""
    here = dict(namespace)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, "<mutant>", "exec"), here)
    except Exception:
        return None
    return here.get(name)


def test_the_mutants_of_a_small_program() -> None:
    source = "def f(a, b):\n    c = a[1:] - 2 * b\n    return -c.mean(0)"
    found = {text for _, text in mutants(source)}
    for part in ("a[1:] + 2 * b", "a[:] - 2 * b", "a[1:] - 2 / b", "3 * b", "return c.mean(0)"):
        assert any(part in text for text in found), part
    for part in ("c.sum(0)", "c.mean()", "return -c\n", "2 * a", "c.mean(1)", "pass"):
        assert any(part in f"{text}\n" for text in found), part
    assert not any(text == ast.unparse(ast.parse(source)) for text in found)


def test_a_check_that_accepts_everything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite itself is tested: an exercise whose check is broken fails it."""
    number = "3.2b"
    accepts = framework.check(number)(lambda fn: None)
    monkeypatch.setitem(known(), number, Answers(accepts, (), ()))
    with pytest.raises(AssertionError, match=r"mutants pass the check of 3\.2b"):
        test_every_mutant_of_the_solution_is_rejected_or_does_the_same(number, lambda *_: None)
