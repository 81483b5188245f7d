"""Tables about all pages, links to exercises that may be missing, names of tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag

from coursekit.sphinx_ext.guards import missing

CHAPTER = """\
# 2 Sums

```{overview}
:minutes: 1

**You will learn** from [a paper](https://example.org/paper), Section 1 {optional}`5 min`.
```

Look at [it](https://example.org/paper) again {optional}`20 min`, or at {repo}`_toc.yml`.

```{exercise-start} Add
:number: 2.1
:minutes: 2
:difficulty: 1
```
Add.

```{exercise-end}
```

```{solution-start} 2.1
```
Added.

```{solution-end}
```

(a-part)=
## A part {optional}`2 min`

Words.
"""
OPTIONAL = "# 2.9 More\n\n```{overview}\n:minutes: 4\n:optional:\n\nAll of it.\n```\n"
INDEX = """\
# Book

{exercise}`2.1` ({exercise-time}`2.1`) and {exercise}`7.1` ({exercise-time}`7.1`).
{guard}`tests/test_a.py::test_one`, {guard}`tests/test_a.py`.

{ref}`a-part`

```{budget-sums}
```

```{budget-list}
```

```{budget-rule}
```

```{resource-list}
```
"""
PAGES = {"index": INDEX, "2-1-sums": CHAPTER, "2-9-more": OPTIONAL}


@pytest.fixture(scope="module")
def book(new_book: Callable[[], Any]) -> Any:
    book = new_book()
    (book.folder / "tests").mkdir()
    (book.folder / "tests/test_a.py").write_text("def test_one():\n    pass\n")
    book.write(PAGES)
    book.warnings = book.build()
    return book


@pytest.fixture(scope="module")
def tables(book: Any) -> list[list[list[str]]]:
    """The rows of each table of the index, as texts."""
    return [
        [[text(cell) for cell in row.select("td")] for row in table.select("tbody tr")]
        for table in book.page("index").select("table")
    ]


def text(tag: Tag) -> str:
    return " ".join(tag.get_text().split())


def test_the_book_builds_without_a_warning(book: Any) -> None:
    assert book.warnings == []


def test_exercises_are_linked_where_they_exist_and_named_where_they_do_not(book: Any) -> None:
    first = book.page("index").select_one("article p")
    assert text(first).startswith(
        "Exercise 2.1, Add (2 min, required) and exercise 7.1 (not in this edition) (no time yet)."
    )
    assert first.select_one("a.internal")["href"] == "2-1-sums.html#exercise-2-1"


def test_tests_are_linked(book: Any) -> None:
    links = {text(a): a["href"] for a in book.page("index").select("article p a:has(.guard)")}
    url = book.config["repository"]["url"]
    address = f"{url}/blob/main/tests/test_a.py"
    assert links == {"test_one": address, "tests/test_a.py": address}


def test_budgets_are_summed_by_section_and_in_all(tables: list[list[list[str]]]) -> None:
    assert tables[0] == [["2 Sums", "1", "6"], ["Together", "1", "6"]]


def test_every_item_has_its_budget_and_its_estimates(tables: list[list[list[str]]]) -> None:
    *items, required, optional = tables[1]
    rows = {row[0]: row[1:] for row in items}
    assert list(rows) == ["2 Sums", "A part", "Exercise 2.1 Add", "2.9 More"]
    assert required[:2] == ["All that is required", "1"]
    assert optional[:2] == ["All that is optional", "6"]
    assert rows["2.9 More"][0::3] == ["4", "optional"]
    assert rows["Exercise 2.1 Add"][0::3] == ["2", "yes"]
    assert all(float(fast) <= float(slow) for _, fast, slow, _ in rows.values())


def test_the_rule_has_its_rates(tables: list[list[list[str]]]) -> None:
    assert ["prose, tables and captions", "238 words a minute"] in tables[2]


def test_links_out_of_the_book_are_listed_once_with_all_labels(
    tables: list[list[list[str]]],
) -> None:
    assert tables[3] == [["A paper", "optional, 5 to 20 min", "2 Sums"]]


def test_a_link_to_a_section_leaves_its_reading_label_out(book: Any) -> None:
    assert text(book.page("index").select("article p")[1].a) == "A part"


def test_an_optional_page_says_so(book: Any) -> None:
    page: BeautifulSoup = book.page("2-9-more")
    assert text(page.select_one(".overview-minutes")) == "4 min, optional"


def test_a_link_without_a_label_and_a_test_that_is_gone_are_warnings(
    new_book: Callable[[], Any],
) -> None:
    book = new_book()
    book.write(
        {
            "index": "# Book\n\n```{resource-list}\n```\n\n{guard}`tests/test_b.py::test_two`\n",
            "credits": "# Credits\n\n[Somebody](https://example.org/somebody).\n",
        }
    )
    warnings = "\n".join(book.build())
    assert "the link to https://example.org/somebody has no reading label" in warnings
    assert "index.md:6: WARNING: guard: there is no file of tests tests/test_b.py" in warnings


@pytest.mark.parametrize(
    "guard, problem",
    [
        ("test_a.py::test_one", ""),
        ("test_a.py", ""),
        ("test_a.py::test_on", "test_a.py has no test test_on"),
        ("test_b.py::test_one", "there is no file of tests test_b.py"),
    ],
)
def test_what_is_missing_of_a_guard(tmp_path: Path, guard: str, problem: str) -> None:
    (tmp_path / "test_a.py").write_text("def test_one() -> None:\n    pass\n")
    assert missing(tmp_path, guard) == problem
