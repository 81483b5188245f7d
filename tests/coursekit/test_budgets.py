"""Budgets of a page: what counts where, and what is too far from its estimate."""

from pathlib import Path

import pytest

from coursekit.budgets import Item, PageBudget, main, page_budget, problems, sums
from coursekit.chapter import read_chapter
from coursekit.effort import Effort

WORDS = "word " * 119  # half a minute
PAGE = f"""\
# Title

```{{overview}}
:minutes: 4

{WORDS}
```

## Required

{WORDS}

```{{exercise-start}} Think
:number: 9.1
:minutes: 2
:difficulty: 1
```

{WORDS}

```{{exercise-end}}
```

```{{hint}} Not counted
:exercise: 9.1

{WORDS}
```

```{{solution-start}} 9.1
```

{WORDS}

```{{solution-end}}
```

## Extra {{optional}}`3 min`

{WORDS}

### Within

```{{exercise-start}} Write
:number: 9.1a
:minutes: 3
:difficulty: 2
:optional:
```

```{{code-cell}} python3
:tags: [stub]
def f():
    raise NotImplementedError
```

```{{exercise-end}}
```

```{{solution-start}} 9.1a
```

```{{code-cell}} python3
:tags: [solution]
def f():
    return 1
```

```{{solution-end}}
```

## Required again

{WORDS}
"""


def budget(folder: Path, text: str) -> PageBudget:
    path = folder / "9-page.md"
    path.write_text(text, encoding="utf-8")
    return page_budget(read_chapter(path, ("dollarmath", "colon_fence")))


def test_a_pages_budget_covers_what_is_not_optional(tmp_path: Path):
    page = budget(tmp_path, PAGE)
    headings = 4 / 238  # the words of its required headings
    assert page.page.title == "Title"
    assert page.page.estimate == pytest.approx(
        1.5 + headings + page.exercises[0].estimate, abs=1e-9
    )
    assert page.page.budget == 4 and not page.page.optional


def test_an_exercise_takes_statement_thinking_and_solution_but_no_hints(tmp_path: Path):
    thought, written = budget(tmp_path, PAGE).exercises
    assert thought.estimate == pytest.approx(1 / 238 + 0.5 + 1 + 0.5)
    # title, two lines of stub, two stars, a line to write; reading the solution, which has two
    assert written.effort.work == pytest.approx(2 + 0.5)
    assert (written.optional, thought.optional) == (True, False)


def test_an_optional_part_has_all_that_stands_in_it(tmp_path: Path):
    page = budget(tmp_path, PAGE)
    (part,) = page.parts
    assert (part.title, part.budget, part.optional) == ("Extra", 3, True)
    assert part.estimate == pytest.approx(0.5 + 2 / 238 + page.exercises[1].estimate)


def test_of_a_laboratory_only_the_caption_counts(tmp_path: Path):
    cell = "```{code-cell} python3\n:tags: [hide-input]\nplots.show(fig)\n```"
    picture = f"{WORDS}\n\n{cell}\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    place = (
        "```{{lab-start}} toy\n:caption: Three more words.\n```\n\n{}\n\n```{{lab-end}}\n```\n\n"
    )
    heading = "## Required again"
    page = PAGE.replace(heading, place.format(picture) + heading)
    optional = budget(tmp_path, page).parts[0].effort
    assert optional.words == budget(tmp_path, PAGE).parts[0].effort.words + 3
    assert optional.figures == budget(tmp_path, PAGE).parts[0].effort.figures
    assert budget(tmp_path, page).page.effort == budget(tmp_path, PAGE).page.effort


def test_a_line_of_a_derivation_counts_as_a_line_of_code(tmp_path: Path):
    plain = budget(tmp_path, PAGE).exercises[0].estimate
    derived = PAGE.replace(
        "```{solution-start} 9.1\n```\n", "```{solution-start} 9.1\n```\n\n$$\nx\n$$\n"
    )
    assert budget(tmp_path, derived).exercises[0].estimate == pytest.approx(plain + 0.5 + 0.25)


def test_blanks_count_in_the_place_of_thinking_and_writing(tmp_path: Path):
    filled = PAGE.replace("    raise NotImplementedError", "    return g(..., y=...)")
    assert budget(tmp_path, filled).exercises[1].effort.work == pytest.approx(2 * 2 * 15 / 60)


def test_on_an_optional_page_everything_counts_as_optional(tmp_path: Path):
    text = PAGE.replace(":minutes: 4\n", ":minutes: 4\n:optional:\n").replace(
        " {optional}`3 min`", ""
    )
    page = budget(tmp_path, text)
    assert page.page.optional and not page.parts
    assert page.page.estimate > sum(exercise.estimate for exercise in page.exercises)
    assert sums([page]).required == 0 and sums([page]).optional == 4


def test_an_optional_exercise_outside_of_optional_parts_counts_by_itself(tmp_path: Path):
    page = budget(tmp_path, PAGE.replace(" {optional}`3 min`", ""))
    assert [exercise.alone for exercise in page.exercises] == [False, True]
    assert sums([page]).optional == 3 and sums([page]).required == 4


def test_sums_are_by_section():
    def page(name: str, minutes: int) -> PageBudget:
        return PageBudget(Item("page", name, name, minutes, False, 1, effort=Effort(words=238)))

    pages = [page("2-a", 3), page("2-1-b", 4), page("3-c", 5)]
    assert (sums(pages, "2").required, sums(pages).required) == (7, 12)
    assert sums(pages, "2").required_estimate == pytest.approx(2)


@pytest.mark.parametrize(
    "minutes, words, message",
    [
        (2, 2 * 238, ""),
        (2, 3 * 238, "shorten it"),
        (6, 2 * 238, "lower the budget"),
        (1, 10, ""),  # there is nothing shorter than a minute
    ],
)
def test_a_budget_far_from_its_estimate_is_a_problem(minutes: int, words: int, message: str):
    item = Item("page", "9-page", "Title", minutes, False, 7, effort=Effort(words=words))
    found = problems([PageBudget(item)])
    assert len(found) == bool(message)
    if message:
        assert found[0].startswith("book/9-page.md:7: Title: ") and message in found[0]


def test_a_page_that_grows_becomes_a_problem(tmp_path: Path):
    assert problems([budget(tmp_path, PAGE)]) == []
    longer = budget(tmp_path, PAGE + f"\n{WORDS}\n" * 4)
    assert ["shorten it" in problem for problem in problems([longer])] == [True]


def test_the_command_prints_items_sums_and_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "_config.yml").write_text("title: T\n")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters: [{file: book/9-page}]\n"
    )
    (tmp_path / "book").mkdir()
    (tmp_path / "book/index.md").write_text("# Index\n")
    (tmp_path / "book/9-page.md").write_text(PAGE)
    assert main(["--root", str(tmp_path), "--parts"]) == 0
    shown = capsys.readouterr().out
    assert "exercise 9.1a Write" in shown and "part  Extra" in shown
    assert "whole course: required 4 min of 118" in shown
    (tmp_path / "book/9-page.md").write_text(PAGE.replace(":minutes: 4", ":minutes: 1"))
    assert main(["--root", str(tmp_path)]) == 1
    assert "book/9-page.md:1: Title" in capsys.readouterr().err
