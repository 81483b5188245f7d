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
        assert links, f"{name} has no link to its answer"
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


MISSING = {("R5", "4"), ("R5", "5"), ("R15", "5")}
"""Complaints that a section answers, and the section."""


def test_what_is_said_to_be_missing_is_missing(complaints, root):
    """As long as a section is not in the book, the page says so; once it is, it must not."""
    there = {path.stem[0] for path in Book(root).pages if path.stem[0].isdigit()}
    said = {
        (name, section)
        for name, text in complaints.items()
        for section in re.findall(rf"{NOT_YET} .*, in section (\d)\.", text)
    }
    assert sum(text.count(NOT_YET) for text in complaints.values()) == len(said)
    missing_now = {(name, section) for name, section in MISSING if section not in there}
    assert said == missing_now, (
        "book/complaints.md: say where these are answered, or that they are not"
    )
