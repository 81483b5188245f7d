"""Each complaint of 2023 has an answer that exists and a test that guards it."""

from __future__ import annotations

import re

import pytest

from coursekit.book import Book
from coursekit.sphinx_ext.guards import missing

NOT_YET = "Not yet:"


@pytest.fixture(scope="module")
def complaints(root) -> dict[str, str]:
    """The text under each heading, by the complaint's number."""
    text = (root / "book/complaints.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (R\d+) .*\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_all_fifteen_are_there_in_order(complaints):
    assert list(complaints) == [f"R{number}" for number in range(1, 16)]


def test_each_is_linked_to_what_answers_it(complaints, root):
    book = Book(root)
    exercises = {
        block.options.get("number")
        for chapter in book.chapters.values()
        for block in chapter.blocks
        if getattr(block, "name", "") == "exercise-start"
    }
    for name, text in complaints.items():
        links = re.findall(r"\{(ref|exercise|repo)\}`([^`]+)`", text)
        assert links or text.lstrip().startswith(NOT_YET), f"{name} has no link to its answer"
        for role, target in links:
            there = {
                "ref": target in book.labels,
                "exercise": target in exercises,
                "repo": (root / target).exists(),
            }
            assert there[role], f"{name} links to {target}, which is not there"


def test_each_names_a_test_that_guards_the_answer(complaints, root):
    for name, text in complaints.items():
        guards = re.findall(r"\{guard\}`([^`]+)`", text)
        assert guards, f"{name} names no test"
        wrong = [problem for guard in guards if (problem := missing(root, guard))]
        assert not wrong, f"{name}: {wrong}"


def test_what_is_said_to_be_missing_is_missing(complaints, root):
    """A part that has come into the book since must no longer be said to be missing."""
    names = {path.stem for path in Book(root).pages}
    there = {
        "R5": any(name.startswith("5") for name in names),
        "R15": any(name.startswith("5") for name in names),
    }
    said = {name for name, text in complaints.items() if NOT_YET in text}
    assert said <= set(there), f"{said - set(there)} are said to be missing"
    stale = [name for name in said if there[name]]
    assert not stale, f"{stale} are answered by now: say where in book/complaints.md"
    silent = [name for name, is_there in there.items() if not is_there and name not in said]
    assert not silent, f"{silent} are not answered: say so"
