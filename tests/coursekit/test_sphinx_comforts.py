"""Meanings at hand, progress and the index of titles, in small books."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

GLOSSARY = """\
(glossary)=
# Glossary

```{glossary}
policy
  The rule; see {term}`reward model`, and $\\lambda$ < 1.

reward model
  It scores texts, as the {term}`policy` does not.

path patching
  Measuring one connection.
```
"""

NOTATION = """\
# Notation

## Section 2, some

| symbol | meaning |
|---|---|
| $C$ | a circuit |
| $\\sum$ | a sum |
"""

CHAPTER = """\
# 2.2 A chapter

```{{overview}}
:minutes: 10
You learn it.
```

## A heading {{optional}}`3 min`

The {{term}}`policy` is trained. A reward model, or two reward models, may help: {formula}.
Path patching is done, `path patching` is code, and *path patching* is marked.

:::{{exercise-start}} The exercise
:number: 2.2a
:minutes: 4
:difficulty: 1
:::
Do it.
:::{{exercise-end}}
:::

:::{{exercise-start}} Another
:number: 2.2b
:minutes: 5
:difficulty: 1
:optional:
:::
Do it.
:::{{exercise-end}}
:::

:::{{solution-start}} 2.2a
:::
Secret words.
:::{{solution-end}}
:::

:::{{solution-start}} 2.2b
:::
Other secret words.
:::{{solution-end}}
:::
"""

PAGES = {
    "index": "# Toy\n\n```{progress-panel}\n:short:\n```\n",
    "2-2-chapter": CHAPTER.format(formula="$C = \\sum q$"),
    "glossary": GLOSSARY,
    "notation": NOTATION,
}


@pytest.fixture(scope="module")
def book(new_book: Callable) -> Any:
    toy = new_book()
    toy.write(PAGES)
    assert toy.build() == []
    return toy


def index_of(book: Any) -> dict[str, Any]:
    text = (book.html / "_static/course-index.js").read_text("utf-8")
    return json.loads(text[text.index("(") + 1 : text.rindex(")")])


def meanings(book: Any) -> dict[str, str]:
    rows = book.page("2-2-chapter").select("details.meanings dl > div")
    return {row.dt.get_text(): row.dd.decode_contents() for row in rows}


def test_a_page_lists_what_its_terms_and_symbols_mean(book: Any) -> None:
    assert meanings(book) == {
        "policy": "The rule; see reward model, and <i>λ</i> &lt; 1.",
        "reward model": "It scores texts, as the policy does not.",
        "path patching": "Measuring one connection.",
        "C": "a circuit",
        "∑": "a sum",
    }


def test_terms_and_formulas_are_tied_to_the_list(book: Any) -> None:
    page = book.page("2-2-chapter")
    for link in page.select("article a:has(.std-term)"):
        assert (
            page.find(id=link["aria-describedby"]).dt.get_text().lower() in link.get_text().lower()
        )
    formula = page.select_one("span.math")
    shown = [
        page.find(id=f"means-{place}").dt.get_text() for place in formula["data-means"].split()
    ]
    assert shown == ["C"]  # nobody has to be told what a sum is


def test_only_the_first_mention_is_linked_and_no_code_or_emphasis(book: Any) -> None:
    links = [link.get_text() for link in book.page("2-2-chapter").select("a:has(.mention)")]
    assert links == ["reward model", "Path patching"]


def test_the_reference_pages_explain_nothing_twice(book: Any) -> None:
    assert book.page("glossary").select(".meanings, [aria-describedby^=means]") == []
    assert book.page("notation").select(".meanings, [data-means]") == []


def test_pages_are_written_again_when_an_explanation_changes(new_book: Callable) -> None:
    toy = new_book()
    toy.write(PAGES)
    toy.build()
    toy.write(
        {
            "glossary": GLOSSARY.replace("one connection", "an edge"),
            "notation": NOTATION.replace("a circuit", "a part"),
        }
    )
    assert toy.build() == []
    found = meanings(toy)
    assert found["path patching"] == "Measuring an edge."
    assert found["C"] == "a part"


def test_minutes_are_those_of_the_budgets(book: Any) -> None:
    text = (book.html / "_static/course-progress.js").read_text("utf-8")
    data = json.loads(text.removeprefix("window.courseProgress = ").rstrip(";\n"))
    assert data["pages"] == {"2-2-chapter": [6, 1]}  # 10 without the 4 of the required exercise
    assert data["exercises"] == [
        ["2.2a", "The exercise", "2-2-chapter", 4, 1],
        ["2.2b", "Another", "2-2-chapter", 5, 0],
    ]
    line = book.page("2-2-chapter").select_one(".time-left").get_text()
    assert line == "10 min on this page, 10 min in the required part of the course"
    assert "0 of 1 required" in book.page("index").select_one(".progress-sum").get_text()


def test_every_exercise_and_page_has_its_button(book: Any) -> None:
    page = book.page("2-2-chapter")
    buttons = page.select("button.mark-done")
    assert [b.get("data-exercise") or b.get("data-page") for b in buttons] == [
        "2.2a",
        "2.2b",
        "2-2-chapter",
    ]


def test_the_index_has_titles_headings_terms_and_exercises(book: Any) -> None:
    index = index_of(book)
    titles = [title for _, title, _ in index["pages"]]
    assert titles[0] == "Toy" and set(titles) == {"Toy", "2.2 A chapter", "Glossary", "Notation"}
    page = titles.index("2.2 A chapter")
    ((anchor, heading),) = index["pages"][page][2]
    assert heading == "A heading" and book.page("2-2-chapter").find(id=anchor)
    assert [term for *_, term in index["terms"]] == ["path patching", "policy", "reward model"]
    assert index["exercises"][0] == [page, "2.2a", "The exercise", "exercise-2-2a"]


@pytest.mark.parametrize("setting", ["shown", "withheld"])
def test_nothing_of_a_solution_is_in_the_index(new_book: Callable, setting: str) -> None:
    toy = new_book()
    toy.config["sphinx"]["config"]["course_solutions"] = setting
    answers = (
        "# Answers\n\n```{holds-answers}\n```\n\n## The answer is forty-two\n\nSecret words.\n"
    )
    toy.write({**PAGES, "answers": answers})
    assert toy.build() == []
    text = json.dumps(index_of(toy))
    assert "secret words" not in text.lower()
    assert ("forty-two" in text) is (setting == "shown")  # the page is on the site, or it is not
