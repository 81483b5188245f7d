"""Every question has a commentary, and every open one a rubric."""

from __future__ import annotations

import re

import pytest

from coursekit.grading.assignment import assignments

OPEN = (
    *("2.1", "2.3", "2.4", "2.5", "2.6", "3.1i", "3.1ii", "3.1iii", "3.2ii", "3.3i", "3.3ii"),
    *("4.1i", "4.2i", "4.2ii", "4.2iii", "5"),
)
"""The homework's questions in words."""

WIDE = {"5"}
"""Stand for all questions in words of a section whose questions the homework did not number."""

PARTS = ("Why\n: ", "Goal\n: ", "Common wrong answers\n: ")


def by_question(text: str) -> dict[str, str]:
    """What stands under the heading of each question."""
    parts = re.split(r"^#{2,3} Question (\S+)\n", text, flags=re.MULTILINE)
    assert len(parts[1::2]) == len(set(parts[1::2])), "a question is commented on twice"
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def commentary(root) -> dict[str, str]:
    return by_question((root / "book/instructors/questions.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rubrics(root) -> dict[str, str]:
    return by_question((root / "book/instructors/rubrics.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def exercises(book) -> dict[str, str]:
    """Each exercise's number, with the section that it belongs to."""
    return {
        block.options["number"]: chapter.name[0]
        for chapter in book.chapters.values()
        for block in chapter.blocks
        if getattr(block, "name", "") == "exercise-start"
    }


def test_every_exercise_has_a_commentary(commentary, exercises):
    lacking = sorted(set(exercises) - set(commentary))
    assert not lacking, f"book/instructors/questions.md says nothing of {', '.join(lacking)}"


def test_no_commentary_is_on_a_question_that_a_section_of_the_book_lacks(commentary, exercises):
    sections = set(exercises.values())
    stray = [n for n in set(commentary) - WIDE if n not in exercises and n[0] in sections]
    assert not stray, f"there is no exercise {', '.join(stray)}"


def test_every_commentary_has_all_its_parts(commentary):
    for number, text in commentary.items():
        assert all(part in text for part in PARTS), number
        first = text.strip().splitlines()[0]
        if number not in WIDE:
            assert f"{{exercise}}`{number}`" in first, number
            assert f"{{exercise-time}}`{number}`" in first, number
        assert re.search(r"\bpoints?\b", first), f"{number}: how many points?"


def test_the_questions_stand_in_the_order_of_the_book(commentary):
    sections = [number[0] for number in commentary]
    assert sections == sorted(sections)


def test_every_open_question_has_a_rubric(rubrics, exercises):
    missing = [number for number in OPEN if number not in rubrics]
    assert not missing, f"no rubric for {missing}"
    sections = set(exercises.values())
    stray = [n for n in set(rubrics) - WIDE if n not in exercises and n[0] in sections]
    assert not stray, f"a rubric for {stray}, which the book has not"


WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "twelve": 12}


def test_the_points_of_an_open_question_are_those_of_its_rubric(commentary, rubrics):
    for number, rubric in rubrics.items():
        criteria = [line for line in rubric.splitlines() if line.startswith("| ")][1:]
        (points,) = re.findall(r"(\w+) points", commentary[number].strip().splitlines()[0])
        assert WORDS[points.lower()] == 2 * len(criteria), number


def test_the_points_of_code_are_those_that_the_grader_gives(book, commentary):
    for assignment in assignments(book).values():
        for item in assignment.items:
            first = commentary[item.number].strip().splitlines()[0]
            (points,) = re.findall(r"(\w+) points?\b", first)
            assert WORDS[points] == item.points, item.number
