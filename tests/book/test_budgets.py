"""The book takes no longer than it says."""

from __future__ import annotations

import pytest

from coursekit.book import Book
from coursekit.budgets import SECTIONS, TOTAL, PageBudget, budgets, problems, sums

QUESTIONS = {
    "1": ("1",),
    "2": ("2.1", "2.3", "2.4", "2.5", "2.6"),
    "3": ("3.1i", "3.1ii", "3.1iii", "3.2i", "3.2ii"),
    "4": ("4.1i", "4.2i", "4.2ii", "4.2iii"),
}
"""The homework's required questions; those of section 5 have no numbers."""


@pytest.fixture(scope="module")
def pages(book: Book) -> list[PageBudget]:
    return budgets(book)


def present(pages: list[PageBudget]) -> list[str]:
    return [name for name in SECTIONS if any(page.page.section == name for page in pages)]


def test_the_homeworks_minutes_add_up():
    assert sum(SECTIONS.values()) == TOTAL


def test_every_budget_is_near_its_estimate(pages):
    found = problems(pages)
    assert not found, "\n".join(found)


def test_the_required_parts_fit_into_the_course(pages):
    assert {"1", "2", "3"} <= set(present(pages))
    for section in present(pages):
        total = sums(pages, section)
        assert total.required <= SECTIONS[section], f"section {section}: {total}"
        # the same tolerance as for a page
        assert total.required_estimate <= 1.15 * SECTIONS[section] + 0.5, f"{section}: {total}"
    whole = sums(pages)
    allowed = sum(SECTIONS[section] for section in present(pages))
    assert whole.required <= allowed <= TOTAL, whole
    assert whole.required_estimate <= allowed, whole


def test_the_homeworks_questions_are_required_and_have_time(pages):
    exercises = {exercise.number: exercise for page in pages for exercise in page.exercises}
    for section in set(present(pages)) & set(QUESTIONS):
        for number in QUESTIONS[section]:
            assert number in exercises, f"question {number} is missing"
            assert not exercises[number].optional, f"question {number} is optional"
            assert exercises[number].budget >= 1


def test_no_required_question_stands_in_an_optional_part(pages):
    for page in pages:
        inside = sum(part.effort.work for part in page.parts)
        optional = sum(e.effort.work for e in page.exercises if e.optional and not e.alone)
        assert page.page.optional or inside == pytest.approx(optional), page.page.title


def test_the_lander_takes_the_homeworks_twenty_optional_minutes(pages):
    (lander,) = (page.page for page in pages if page.page.page == "3-3-lunar-lander")
    assert lander.optional and lander.budget == 20


def test_an_optional_page_says_so_in_words(book, pages):
    for path, chapter in book.chapters.items():
        item = next((page.page for page in pages if page.page.page == chapter.name), None)
        says = "The whole page is optional." in path.read_text(encoding="utf-8")
        assert (item is not None and item.optional) == says, chapter.name
