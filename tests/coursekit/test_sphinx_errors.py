"""What an author gets wrong: one book of wrong pages, built once; each warns at its line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def exercise(number: str, *inside: str, solved: bool = True, **options: str) -> str:
    """An exercise, right unless told otherwise; its marker stands on line 3 of the page."""
    options = {"number": number, "minutes": "3", "difficulty": "1"} | options
    lines = [f":{name}: {value}" for name, value in options.items() if value]
    parts = ["```{exercise-start} Title", *lines, "```", *inside, "```{exercise-end}", "```"]
    return "\n".join(parts + (solution(number) if solved else []))


def solution(number: str) -> list[str]:
    return [f"```{{solution-start}} {number}", "```", "text", "```{solution-end}", "```"]


CELL = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"

# page: what stands below its title, the line and the text of the warning
WRONG = {
    "start-without-end": (
        "```{exercise-start} Title\n:number: 1.1\n:minutes: 3\n:difficulty: 1\n```\ntext",
        "3: WARNING: exercise 1.1 has no exercise-end",
    ),
    "start-after-start": (
        "```{solution-start} 1.2\n```\n" + exercise("1.2"),
        "3: WARNING: solution 1.2 has no end before exercise 1.2",
    ),
    "end-without-start": (
        "```{exercise-end}\n```",
        "3: WARNING: exercise-end has no exercise-start before it",
    ),
    "end-of-another-kind": (
        "```{solution-start} 1.3\n```\n```{exercise-end}\n```",
        "5: WARNING: exercise-end closes solution 1.3",
    ),
    "spoiler-of-nothing": (
        "```{spoiler-start} 9.8\n```\ntext\n\n```{spoiler-end}\n```",
        "3: WARNING: spoiler 9.8 names an exercise that is not in this chapter",
    ),
    "heading-between": (
        exercise("1.4", "## Heading", solved=False),
        "3: WARNING: a heading stands between the start and the end of exercise 1.4",
    ),
    "headings-between": (
        "## One\n\n" + exercise("1.5", "## Two", solved=False),
        "5: WARNING: a heading stands between the start and the end of exercise 1.5",
    ),
    "no-solution": (exercise("1.6", solved=False), "3: WARNING: exercise 1.6 has no solution"),
    "second-solution": (
        "\n".join([exercise("1.7"), *solution("1.7")]),
        "15: WARNING: exercise 1.7 has a second solution",
    ),
    "solution-of-nothing": (
        "\n".join(solution("9.9")),
        "3: WARNING: solution for exercise 9.9, which is not in this chapter",
    ),
    "hint-of-nothing": (
        "```{hint}\n:exercise: 9.8\ntext\n```",
        "3: WARNING: hint for exercise 9.8, which is not in this chapter",
    ),
    "hint-without-exercise": (
        "```{hint}\ntext\n```",
        "3: WARNING: hint: the option :exercise: is missing",
    ),
    "empty-hint": (
        exercise("1.8") + "\n```{hint}\n:exercise: 1.8\n```",
        "15: WARNING: hint: there is nothing in it",
    ),
    "no-minutes": (
        exercise("1.9", minutes=""),
        "3: WARNING: exercise-start: the option :minutes: is missing",
    ),
    "odd-minutes": (
        exercise("1.10", minutes="a few"),
        "3: WARNING: exercise-start: minutes is 'a few'; write a whole number from 1 to 999",
    ),
    "odd-difficulty": (
        exercise("1.11", difficulty="4"),
        "3: WARNING: exercise-start: difficulty is '4'; write a whole number from 1 to 3",
    ),
    "odd-points": (
        exercise("1.40", points="many"),
        "3: WARNING: exercise-start: points is 'many'; write a whole number from 1 to 99",
    ),
    "no-number": (
        exercise("", solved=False),
        "3: WARNING: exercise-start: the option :number: is missing",
    ),
    "odd-number": (
        exercise("1.x?", solved=False),
        "3: WARNING: exercise-start: '1.x?' is no exercise number; "
        "write one such as 2.2a or 3.1 ii",
    ),
    "no-title": (
        "```{exercise-start}\n:number: 1.12\n```",
        "3: ERROR: Directive 'exercise-start': 1 argument(s) required, 0 supplied",
    ),
    "backtick-in-title": (
        "```{exercise-start} A `code` title\n:number: 1.13\n```",
        "3: WARNING: a directive with backticks in its title needs a fence of colons, :::",
    ),
    "stub-without-check": (
        exercise("1.14", "```{code-cell} ipython3\n:tags: [stub]\npass\n```"),
        "9: WARNING: exercise 1.14 has a stub and no check",
    ),
    "open-solution": (
        "```{code-cell} ipython3\n:tags: [solution]\npass\n```",
        "10: WARNING: a cell tagged solution stands outside a solution",
    ),
    "stray-stub": (
        "```{code-cell} ipython3\n:tags: [stub]\npass\n```",
        "10: WARNING: a cell tagged stub stands outside an exercise",
    ),
    "overview-without-minutes": (
        "```{overview}\ntext\n```",
        "3: WARNING: overview: the option :minutes: is missing",
    ),
    "unlabelled-links": (
        "```{overview}\n:minutes: 3\n[a](https://a.org), [b](https://b.org) {optional}`2 min`\n```",
        "3: WARNING: overview: say behind the link to https://a.org whether to read it: "
        "{required} or {optional}",
    ),
    "unlabelled-last-link": (
        "```{overview}\n:minutes: 3\n{optional}`2 min` [c](https://c.org)\n```",
        "3: WARNING: overview: say behind the link to https://c.org whether to read it: "
        "{required} or {optional}",
    ),
    "odd-reading-time": (
        "{required}`five minutes`",
        "3: WARNING: required: 'five minutes' is no reading time; write one such as `5 min`",
    ),
    "no-such-file": (
        "{repo}`no/such/file.py`",
        "3: WARNING: the repository has no file no/such/file.py",
    ),
    "two": (
        exercise("1.15"),
        "two-again.md:3: WARNING: exercise 1.15 exists twice, also in book/two.md:3",
    ),
    "two-again": (
        exercise("1.15"),
        "3: WARNING: exercise 1.15 exists twice, also in book/two.md:3",
    ),
    "no-such-reference": ("{ref}`exercise-7-7`", "undefined label: 'exercise-7-7'"),
    "no-such-function": (
        "{py:func}`interp_rl.nothing`",
        "py:func reference target not found: interp_rl.nothing",
    ),
}


@pytest.fixture(scope="module")
def warnings(new_book: Callable[[], Any]) -> list[str]:
    """The warnings of a book in which every page is wrong."""
    book = new_book()
    pages = {
        name: (CELL if "{code-cell}" in body else "") + f"# Page\n\n{body}\n"
        for name, (body, _) in WRONG.items()
    }
    book.write(pages | {"index": "# Book\n"})
    found = book.build()
    assert not (book.folder / "_build/.doctrees/environment.pickle").exists()
    return found


@pytest.mark.parametrize("name", WRONG)
def test_wrong_page(name: str, warnings: list[str]) -> None:
    expected = WRONG[name][1]
    of_page = [line for line in warnings if name in line]
    assert any(expected in line for line in of_page), "\n".join(of_page or warnings)


def test_the_builder_says_nothing_else(warnings: list[str]) -> None:
    """Every warning is expected, or follows from a marker that was dropped."""
    follow_ups = (
        *("which is not in this chapter", "has no solution", "has no exercise-start before"),
        "No source code lexer found",  # myst-nb knows it only after execution
    )
    expected = [text for _, text in WRONG.values()]
    odd = [line for line in warnings if not any(text in line for text in (*expected, *follow_ups))]
    assert not odd, "\n".join(odd)
