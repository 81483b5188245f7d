"""The prose linter: for each rule a sample that offends and one that does not."""

from pathlib import Path

import pytest

from coursekit import prose
from coursekit.chapter import read_chapter
from coursekit.project import CourseError

CLEAN = """\
---
file_format: mystnb
---

# Sums

```{overview}
:minutes: 6
**You will learn** to add.

**Prerequisites:** numbers.
```

Why we add.

```{code-cell} ipython3
total = 1 + 2
```

## Adding

```{exercise-start} Add
:number: 1.1a
```

Write `add`.

```{code-cell} ipython3
:tags: [stub]
def add(a, b):
    raise NotImplementedError("Exercise 1.1a: add")
```

```{code-cell} ipython3
:tags: [check]
add(1, 2)
```

```{exercise-end}
```

```{hint}
:exercise: 1.1a
Python can add.
```

```{solution-start} 1.1a
```

The operator does it.

```{code-cell} ipython3
:tags: [solution]
def add(a, b):
    return a + b
```

```{code-cell} ipython3
:tags: [solution, check]
add(1, 2)
```

```{solution-end}
```

## Summary

Sums are sums.

## What next

Differences.
"""


def findings(folder: Path, text: str, name: str = "1-sums.md") -> list[tuple[str, int, str]]:
    """Rule, line and message of everything found in a page."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return [(f.rule, f.line, f.message) for f in prose.lint(read_chapter(path))]


def test_clean_chapter_has_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path, CLEAN) == []


WELL = [  # rule, sample that offends, line of the finding, sample that does not
    ("one-sentence-per-line", "One. Two.", 3, "One.\nTwo."),
    ("one-sentence-per-line", 'He said "so." Then he went.', 3, 'He said "so."\nThen he went.'),
    ("one-sentence-per-line", "First.\nSecond. `x` is third.", 4, "First.\nSecond.\n`x` is third."),
    ("one-sentence-per-line", "Is it?  Yes.", 3, "Is it?\nYes."),
    ("one-sentence-per-line", "A sentence that\ngoes on.", 3, "A sentence that goes on."),
    ("one-sentence-per-line", "- Item. Another.", 3, "- Item.\n  Another."),
    ("one-sentence-per-line", "> Quoted. Twice.", 3, "> Quoted.\n> Twice."),
    ("one-sentence-per-line", "```{note}\nOne. Two.\n```", 4, "```{note}\nOne.\nTwo.\n```"),
    ("one-sentence-per-line", ":::{tip}\n```{note}\nAa. Bb.\n```\n:::", 5, "E.g. Ada, et al. Two."),
    ("one-sentence-per-line", "From Bach. To Ann.", 3, "(Eq. One) and (cf. Two)."),
    ("one-sentence-per-line", "So **it ends.** Then.", 3, "**For whom.** Students."),
    ("one-sentence-per-line", "It is. (See there.)", 3, "See Fig. 3, i.e. Table 2, vs. Bob."),
    ("one-sentence-per-line", "As is. $x$ grows.", 3, "It is 3.5 in `a. B` and $a. B$ (cf. Ada)."),
    ("one-sentence-per-line", "It ends. {numref}`x` shows it.", 3, "| a |\n|---|\n| One. Two. |"),
    ("words", "Obviously so.", 3, "It is so."),
    ("words", "It is simply so.", 3, "It is `simply` so."),
    ("words", "It is just so.", 3, "We adjust it."),
    ("words", "By magic.", 3, "By magnetism."),
    ("words", "You rip open a model.", 3, "You look inside a model."),
    ("words", "It is grokking.", 3, "It generalises late."),
    ("words", "The importance of a head.", 3, "The direct effect of a head."),
    ("words", "This head is important.", 3, "This head matters by its direct effect."),
    ("words", "## Just this", 3, "## This"),
    ("words", "| a |\n|---|\n| simply |", 5, "| a |\n|---|\n| b |"),
    ("words", "```{note}\nSimply so.\n```", 4, "```{note}\nSo.\n```"),
    ("words", "```{glossary}\nsum\n  Just this.\n```", 5, "```{glossary}\njust\n  A sum.\n```"),
    ("proselint", "This is the the end.", 3, "This is the end."),
    ("proselint", "A grid of 3 x 4 tiles.", 3, "A grid of 3 × 4 tiles."),
    ("proselint", "It is very unique.", 3, "It is unique."),
    ("heading-levels", "### Deep", 3, "## Less deep"),
    ("heading-levels", "# Another title", 3, "## Section\n\n### Part\n\n## Section"),
    ("figure-alt", "```{figure} a.svg\n:name: a\n```", 3, "```{figure} a.svg\n:alt: A.\n```"),
    ("figure-alt", ":::{note}\n```{image} a.svg\n```\n:::", 4, "```{image} a.svg\n:alt: A.\n```"),
    ("figure-alt", "See ![](a.svg).", 3, "See ![A box](a.svg)."),
    ("reading-label", "See [a](https://x.org).", 3, "See [a](https://x.org), {optional}`5 min`."),
    ("reading-label", "[a](http://x.example).\n{required}`5 min`.", 3, "See [this](other.md)."),
    ("typed-number", "It gains 3.56 nats.", 3, "It gains {glue:text}`gain` nats."),
    ("typed-number", "It is right in 99% of cases.", 3, "It is right in 99.3% {cite:p}`wang`."),
    ("typed-number", "The mean is 0.5.", 3, "By definition it is $0.5$, or `0.5`."),
    ("typed-number", "The gap of 0.46 is large.", 3, "Head 9.9, sections 2.1 to 2.3."),
    ("fence", "```{hint} Use `+`\nSo.\n```", 3, ":::{hint} Use `+`\nSo.\n:::"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "offending", "line", "clean"), WELL)
def test_rule_on_text(tmp_path: Path, rule: str, offending: str, line: int, clean: str) -> None:
    found = [(name, number) for name, number, _ in findings(tmp_path, f"# T\n\n{offending}\n")]
    assert (rule, line) in found
    rest = findings(tmp_path, f"# T\n\n{clean}\n")
    assert [f for f in rest if f[0] == rule] == []


CHANGES = [  # rule, what to replace in the clean chapter, by what, words of the message
    ("overview", "{overview}", "{note}", "add an {overview}"),
    ("overview", ":minutes: 6", ":minutes: six", "chapter's time"),
    ("overview", "**You will learn** to", "To", "You will learn"),
    ("overview", "**Prerequisites:** n", "N", "Prerequisites"),
    ("summary", "## Summary", "## In brief", "## Summary"),
    ("summary", "## What next", "## One\n\n## Two", "only one section may follow"),
    ("heading-levels", "# Sums\n", "", "its title"),
    ("prose-before-cell", "Why we add.\n", "", "{overview} comes right before"),
    ("prose-before-cell", "Why we add.", "## Why", "a heading comes right before"),
    ("prose-before-cell", "Write `add`.\n", "", "{exercise-start} comes right before"),
    ("prose-before-cell", "The operator does it.\n", "", "{solution-start} comes right before"),
    ("prose-before-cell", ":tags: [stub]\n", "", "another cell comes right before"),
    ("code-width", "total = 1 + 2", "total = " + "1 + " * 20 + "2", "89 columns"),
    ("code-runs", "total = 1 + 2", "total = = 2", "not Python"),
    ("plot-alt", "total = 1 + 2", "plots.show(fig)", "what the plot shows"),
    ("exercise-complete", "{hint}", "{note}", "{hint}"),
    ("exercise-complete", ":exercise: 1.1a", ":exercise: 1.1b", "{hint}"),
    ("exercise-complete", "{solution-start} 1.1a", "{solution-start} 1.2", "{solution-start} 1.1a"),
]


@pytest.mark.parametrize(("rule", "old", "new", "message"), CHANGES)
def test_rule_on_chapter(tmp_path: Path, rule: str, old: str, new: str, message: str) -> None:
    assert old in CLEAN
    found = findings(tmp_path, CLEAN.replace(old, new, 1))
    assert any(name == rule and message in text for name, _, text in found), found


def test_every_rule_has_an_offending_sample() -> None:
    rules = {rule.__name__.replace("_", "-") for rule in prose.RULES}
    assert rules == {sample[0] for sample in (*WELL, *CHANGES)}


@pytest.mark.parametrize(
    "cell",
    [
        "```{code-cell} ipython3\n:tags: [remove-cell]\nglue = 1\n```\n",
        "```{code-cell} ipython3\n%matplotlib inline\n```\n",
        '```{code-cell} ipython3\nplots.show(fig, alt="A plot.")\n```\n',
        "```{code-cell} ipython3\n---\ntags: [remove-cell]\n---\nx = '" + "x" * 90 + "'\n```\n",
    ],
)
def test_cells_that_are_as_they_should_be(tmp_path: Path, cell: str) -> None:
    assert findings(tmp_path, CLEAN.replace("Why we add.", f"Why we add.\n\n{cell}\nAnd so.")) == []


def test_removed_cell_stands_between_others_unseen(tmp_path: Path) -> None:
    hidden = "```{code-cell} ipython3\n:tags: [remove-cell]\nglue = 1\n```\n"
    assert findings(tmp_path, CLEAN.replace("Why we add.\n", f"Why we add.\n\n{hidden}")) == []
    assert findings(tmp_path, CLEAN.replace("Write `add`.\n", f"Write `add`.\n\n{hidden}")) == []


def test_caption_of_a_cells_figure_is_linted_at_its_cell(tmp_path: Path) -> None:
    options = "---\nmystnb:\n  figure:\n    caption: |\n      One. Two.\n---\n"
    text = CLEAN.replace("total = 1 + 2", f"{options}total = 3")
    assert [(rule, line) for rule, line, _ in findings(tmp_path, text)] == [
        ("one-sentence-per-line", 16)
    ]


def test_column_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    text = CLEAN.replace("total = 1 + 2", f"---\ntags: [x]\n---\ny = 1\ntotal = {'1' * 90}")
    assert [(rule, line) for rule, line, _ in findings(tmp_path, text)] == [("code-width", 21)]


def test_pages_without_a_number_need_no_anatomy(tmp_path: Path) -> None:
    text = "# Glossary\n\nSee [this](https://x.example): 3.5 is a number.\n"
    assert findings(tmp_path, text, "glossary.md") == []


@pytest.fixture
def course(tmp_path: Path) -> Path:
    (tmp_path / "book").mkdir()
    (tmp_path / "_config.yml").write_text("title: Toy\n")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/1-sums\n")
    (tmp_path / "book/1-sums.md").write_text(CLEAN)
    return tmp_path


def test_command_line_names_file_line_rule_and_what_to_do(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prose.main(["--root", str(course)]) == 0
    (course / "README.md").write_text("# Toy\n\nIt is simply that.\n")
    assert prose.main(["--root", str(course)]) == 1
    shown = capsys.readouterr()
    assert "README.md:3: words: `simply`: leave it out" in shown.out
    assert "2 page(s), 1 finding(s)" in shown.err
    assert prose.main(["--root", str(course), str(course / "book/1-sums.md")]) == 0


def test_missing_file_is_an_error(course: Path) -> None:
    with pytest.raises(CourseError, match=r"nothing\.md does not exist"):
        prose.main(["--root", str(course), "nothing.md"])
