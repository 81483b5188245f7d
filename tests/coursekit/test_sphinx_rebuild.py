"""Builds after an edit and after a warning; pages read by several processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coursekit.sphinx_ext.domain import CourseDomain, Exercise, Page

INDEX = "# Book\n\n{ref}`exercise-1-1`\n\n```{exercise-list}\n```\n"


def page(number: str, minutes: int) -> str:
    return (
        f"# Page\n\n```{{exercise-start}} Title\n:number: {number}\n:minutes: {minutes}\n"
        ":difficulty: 1\n```\ntext\n```{exercise-end}\n```\n"
        f"```{{solution-start}} {number}\n```\ntext\n```{{solution-end}}\n```\n"
    )


@pytest.fixture(scope="module")
def book(new_book: Callable[[], Any]) -> Any:
    """Eight pages with an exercise each."""
    book = new_book()
    book.write({"index": INDEX} | {f"page-{i}": page(f"1.{i}", i) for i in range(1, 9)})
    assert book.build() == []
    return book


def totals(book: Any) -> list[str]:
    return [cell.get_text() for cell in book.page("index").select("tbody td:nth-child(2)")]


def test_the_list_shows_every_exercise(book: Any) -> None:
    assert totals(book) == [*"12345678", "36", "0"]
    assert book.page("index").select_one('article a[href="page-1.html#exercise-1-1"]')


def test_the_list_follows_an_edit_of_another_page(book: Any) -> None:
    book.write({"page-8": page("1.8", 18)})
    assert book.build() == []
    assert totals(book) == [*"1234567", "18", "46", "0"]


def test_a_duplicate_is_noticed_and_forgotten_with_its_page(book: Any) -> None:
    book.write({"page-7": page("1.6", 7)})
    assert any("exercise 1.6 exists twice" in line for line in book.build())
    again = book.build()  # nothing was edited in between
    assert any("exercise 1.6 exists twice" in line for line in again)
    book.write({"page-7": page("1.7", 7)})
    assert book.build() == []


def exercise(number: str, docname: str) -> Exercise:
    return Exercise(number, "Title", 3, 1, False, False, False, docname, 3)


def test_what_another_process_read_is_taken_over_page_by_page() -> None:
    domain = object.__new__(CourseDomain)
    old = {"a": Page([exercise("1.1", "a")]), "b": Page([exercise("1.2", "b")])}
    new = {"a": Page([exercise("9.9", "a")]), "b": Page([exercise("1.3", "b")])}
    domain.data = {"pages": old, "listed": []}
    domain.merge_domaindata(["b", "c"], {"pages": new})
    assert [item.number for item in domain.exercises] == ["1.1", "1.3"]
    domain.clear_doc("a")
    assert [item.number for item in domain.exercises] == ["1.3"]
