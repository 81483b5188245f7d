"""Student notebooks: what stays, what goes, how MyST becomes plain Markdown, and drift."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from coursekit import notebooks
from coursekit.book import Book
from coursekit.chapter import ChapterError, read_chapter
from coursekit.notebook_markdown import PlainMarkdown
from coursekit.project import Project

CONFIG = """\
title: Toy
repository: {url: "https://git.example/someone/toy", branch: trunk}
html: {baseurl: "https://toy.example/"}
bibtex_bibfiles: [book/references.bib]
parse: {myst_enable_extensions: [dollarmath, colon_fence, amsmath, attrs_inline, deflist]}
"""

BIBLIOGRAPHY = """\
@article{wang, author = {Wang, K. and Li, B. and Xu, C.}, title = {T}, year = 2022,
  eprint = {2211.00593}, archiveprefix = {arXiv}}
@book{knuth, author = {Knuth, D.}, title = {T}, year = 1984, url = {https://knuth.example}}
"""

GLOSSARY = "# Glossary\n\n```{glossary}\nlogit difference\n  A difference.\n```\n"

CHAPTER = """\
---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3}
---

(sums)=
# Sums

```{overview}
:minutes: 6
**You will learn** to add, after {cite:t}`wang`.
```

Why we add.

```{code-cell} ipython3
:tags: [remove-cell]
from myst_nb import glue

glue("toy-sum", f"{3.14159:.2f}", display=False)
```

## Adding

The sum is {glue:text}`toy-sum`.

```{exercise-start} Add two numbers
:number: 1.1a
:minutes: 4
:difficulty: 1
```

Write `add`.

```{code-cell} ipython3
:tags: [stub]
def add(a, b):
    raise NotImplementedError("Exercise 1.1a: add a and b")
```

```{code-cell} ipython3
:tags: [check]
try:
    print("passed" if add(1, 2) == 3 else "failed")
except NotImplementedError as error:
    print(f"not attempted: {error}")
```

```{exercise-end}
```

:::{hint} Use `+`
:exercise: 1.1a
Python has an operator $a + b$.
:::

```{solution-start} 1.1a
```

The secret is the plus sign.

```{code-cell} ipython3
:tags: [solution]
def add(a, b):
    return a + b  # the secret
```

```{code-cell} ipython3
:tags: [solution, check]
print("passed" if add(1, 2) == 3 else "failed")
```

```{solution-end}
```

```{spoiler-start} 1.1a
```

A spoiler: use the secret.

```{code-cell} ipython3
print(1 + 2)  # gives the secret away
```

```{spoiler-end}
```

```{code-cell} ipython3
:tags: [hidden-test]
assert add(2, 2) == 4  # hidden
```

Look at the line.

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-line
    caption: |
      It rises with {term}`logit difference`.
tags: [hide-input]
---
line = [1, 2, 3]
```
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {
        "_config.yml": CONFIG,
        "_toc.yml": "format: jb-book\nroot: book/index\nchapters: [{file: book/1-sums}, "
        "{file: book/glossary}]\n",
        "book/index.md": "# Toy\n\nHello.\n",
        "book/1-sums.md": CHAPTER,
        "book/glossary.md": GLOSSARY,
        "book/references.bib": BIBLIOGRAPHY,
        "book/figures/box.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def chapter_with(repository: Path, text: str) -> Path:
    """The toy repository's chapter, replaced by other text."""
    path = repository / "book/1-sums.md"
    path.write_text(text, encoding="utf-8")
    return path


def build(repository: Path, variant: notebooks.Variant = "student") -> nbformat.NotebookNode:
    book = Book(repository)
    chapter = book.chapters[repository / "book/1-sums.md"]
    return notebooks.build(chapter, book, {"toy-sum": "3.14"}, variant)


def plain(repository: Path, source: str, glue: dict[str, str] | None = None) -> str:
    """A chapter's text as a notebook has it."""
    path = chapter_with(repository, source)
    book = Book(repository)
    chapter = read_chapter(path, book.extensions)
    return PlainMarkdown(chapter, book, glue or {}).text(source, 1)


def sources(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


def test_benchmarks_become_tables(repository: Path) -> None:
    spread = {"median": 2.0, "min": 1.5, "max": 250.0}
    result = {
        "ratios": {"theirs / ours": spread},
        "tables": {"mean return": {"ours": spread}},
        "setting": {"seeds": 3},
        "provenance": {
            "python": "3.11",
            "packages": {"torch": "2"},
            "processor": "x86_64",
            "threads": 1,
            "seed": 0,
        },
    }
    path = repository / "benchmarks/results/toy.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(result), encoding="utf-8")
    first, second, made = plain(repository, "```{benchmark-results} toy\n```").split("\n\n")
    assert first.splitlines() == [
        "| ratio of times | median | smallest | largest |",
        "| --- | ---: | ---: | ---: |",
        "| theirs / ours | 2.00 | 1.50 | 250 |",
    ]
    assert second.startswith("| mean return | median |")
    assert made == "Setting: 3 seeds; 1 thread on x86_64, seed 0. Versions: Python 3.11, torch 2."
    with pytest.raises(ChapterError, match=r"python benchmarks/other\.py --save"):
        plain(repository, "```{benchmark-results} other\n```")


# what stays and what goes


@pytest.mark.parametrize("secret", ["secret", "a + b  #", "plus sign", "# hidden", "glue("])
def test_student_notebook_holds_nothing_of_the_solution(repository: Path, secret: str) -> None:
    assert secret in CHAPTER
    assert secret not in notebooks.as_text(build(repository))


def test_student_notebook_keeps_stub_check_hint_and_value(repository: Path) -> None:
    notebook = build(repository)
    text = "\n".join(sources(notebook))
    assert "raise NotImplementedError" in text
    assert "not attempted" in text
    assert "The sum is 3.14." in text
    assert "<summary>Hint 1 for exercise 1.1a: Use <code>+</code></summary>" in text
    assert "### Exercise 1.1a: Add two numbers" in text
    assert "4 minutes · difficulty 1 of 3" in text
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert "{" + "glue" not in text and "(sums)=" not in text


def test_caption_follows_its_cell_in_italics_with_its_number(repository: Path) -> None:
    cells = sources(build(repository))
    after = cells[cells.index("line = [1, 2, 3]") + 1]
    link = "[logit difference](https://toy.example/book/glossary.html#term-logit-difference)"
    assert after == f"*Figure 1.* It rises with {link}."


def test_hidden_input_is_collapsed_and_exercise_cells_say_their_exercise(repository: Path) -> None:
    cells = {cell.source: cell for cell in build(repository).cells}
    assert cells["line = [1, 2, 3]"].metadata.jupyter.source_hidden is True
    stub = next(cell for source, cell in cells.items() if "NotImplementedError(" in source)
    assert stub.metadata.tags == ["stub"] and stub.metadata.course.exercise == "1.1a"


def test_instructor_notebook_keeps_solution_and_hidden_test(repository: Path) -> None:
    text = "\n".join(sources(build(repository, "instructor")))
    assert "the secret" in text and "plus sign" in text and "# hidden" in text
    assert "### Solution of exercise 1.1a" in text and "glue(" not in text


def test_what_gives_an_answer_away_is_on_the_page_and_not_in_the_students_notebook(
    repository: Path,
) -> None:
    whole, students = (sources(build(repository, who)) for who in ("instructor", "student"))
    assert "print(1 + 2)  # gives the secret away" in whole
    assert not any("spoiler" in source or "1 + 2" in source for source in students)
    where = "What the [page](https://toy.example/book/1-sums.html) has here shows the answer"
    assert any(f"{where} of exercise 1.1a." in source for source in students)
    assert not any(where in source for source in whole)


def test_only_values_the_reader_sees_are_kept(repository: Path) -> None:
    book = Book(repository)
    chapter = book.chapters[repository / "book/1-sums.md"]
    notebook = notebooks.build(chapter, book, {"toy-sum": "3.14", "secret-answer": "42"})
    assert notebook.metadata.course.glue == {"toy-sum": "3.14"}


def test_same_chapter_gives_the_same_bytes_with_unique_cell_ids(repository: Path) -> None:
    first, second = build(repository), build(repository)
    assert notebooks.as_text(first) == notebooks.as_text(second)
    ids = [cell.id for cell in first.cells]
    assert len(set(ids)) == len(ids)


def test_equal_cells_get_different_ids(repository: Path) -> None:
    cell = "```{code-cell}\nx = 1\n```\n"
    chapter_with(repository, f"---\nfile_format: mystnb\n---\n# T\n\n{cell}\nand\n\n{cell}")
    ids = [cell.id for cell in build(repository).cells]
    assert len(set(ids)) == len(ids)


def test_text_is_cut_at_headings_folds_and_figures_only(repository: Path) -> None:
    text = (
        "# T\n\nOne.\n\n```{math}\na\n```\n\n```{note}\nTwo.\n```\n\n```\n# no heading\n```\n\n"
        "## Next\n\nThree.\n\n```{figure} figures/box.svg\n:alt: A.\n```\n\nFour.\n\n"
        "```{code-cell}\n---\nmystnb:\n  figure: {name: fig, caption: Five.}\n---\nx = 1\n```\n"
        "\nSix.\n"
    )
    chapter_with(repository, text)
    firsts = [cell.source.split("\n")[0][:8] for cell in build(repository).cells[1:]]
    assert firsts == ["# T", "## Next", "<img alt", "Four.", "x = 1", "*Figure ", "Six."]


# markers that do not match


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# T\n\n```{solution-start} 1.1a\n```\n\nSecret.\n", r"1-sums\.md:3: .*not closed"),
        ("# T\n\n```{solution-end}\n```\n", r"1-sums\.md:3: .*closes nothing"),
        (
            "# T\n\n```{exercise-start} A\n:number: 1.1a\n```\n```{solution-end}\n```\n",
            r"1-sums\.md:6: .*closes nothing",
        ),
        (
            "# T\n\n```{spoiler-start} 1.1a\n```\n\nThe end is missing.\n",
            r"1-sums\.md:3: \{spoiler-start\} is not closed",
        ),
        (
            "# T\n\n```{exercise-start} A\n:number: 1.1a\n```\n```{solution-start} 1.1a\n```\n",
            r"1-sums\.md:3: \{exercise-start\} is not closed",
        ),
    ],
)
def test_unbalanced_markers_are_errors(repository: Path, text: str, message: str) -> None:
    chapter_with(repository, text)
    with pytest.raises(ChapterError, match=message):
        build(repository)


def test_unreadable_cell_metadata_is_an_error(repository: Path) -> None:
    chapter_with(repository, "# T\n\n```{code-cell}\n---\ntags: [\n---\nx\n```\n")
    with pytest.raises(ChapterError, match=r"1-sums\.md:3: the options of \{code-cell\}"):
        build(repository)


# MyST as plain Markdown

SITE = "https://toy.example/book"
SUMS = f"{SITE}/1-sums.html"


@pytest.mark.parametrize(
    ("myst", "expected"),
    [
        (
            "{term}`logit difference`",
            f"[logit difference]({SITE}/glossary.html#term-logit-difference)",
        ),
        ("{term}`it <logit difference>`", f"[it]({SITE}/glossary.html#term-logit-difference)"),
        ("{cite:p}`wang`", "([Wang et al., 2022](https://arxiv.org/abs/2211.00593))"),
        ("{cite:t}`knuth`", "[Knuth, 1984](https://knuth.example)"),
        ("{required}`5 min`", "**(required, 5 min)**"),
        ("{optional}`20 min`", "*(optional, 20 min)*"),
        ("{py:func}`~interp_rl.plots.show`", "`show`"),
        ("{py:func}`interp_rl.plots.show`", "`interp_rl.plots.show`"),
        ("{math}`a^2`", "$a^2$"),
        (
            "{repo}`README.md`",
            "[`README.md`](https://git.example/someone/toy/blob/trunk/README.md)",
        ),
        ("{kbd}`A & B`", "<kbd>A &amp; B</kbd>"),
        ("`` {kbd}`A` `` is {kbd}`A`", "`` {kbd}`A` `` is <kbd>A</kbd>"),
        ("| a | b |\n|---|---|\n| {kbd}`A` | 1 |", "| a | b |\n|---|---|\n| <kbd>A</kbd> | 1 |"),
        ("- one\n- {kbd}`A`\n  - {kbd}`B`", "- one\n- <kbd>A</kbd>\n  - <kbd>B</kbd>"),
        ("$a$ and\n\n$$\nb\n$$", "$a$ and\n\n$$\nb\n$$"),
        ("$$\nb\n$$ (eq-b)\n\nBy {eq}`eq-b`.", "$$\nb \\tag{1}\n$$\n\nBy (1)."),
        ("```{math}\n:label: eq-c\nc\n```\n\n{eq}`eq-c`", "$$\nc \\tag{1}\n$$\n\n(1)"),
        ("```{note}\nYou *may*.\n```", "> **Note**\n>\n> You *may*."),
        ("```{tip} Short.\n```", "> **Tip**\n>\n> Short."),
        (":::{admonition} Why {kbd}`A`\nSo.\n:::", "> **Why <kbd>A</kbd>**\n>\n> So."),
        (
            ":::{note}\nOuter\n\n```{tip}\nInner {kbd}`A`\n```\n:::",
            "> **Note**\n>\n> Outer\n>\n> > **Tip**\n> >\n> > Inner <kbd>A</kbd>",
        ),
        ("- item\n\n  ```{note}\n  Inside.\n  ```", "- item\n\n  > **Note**\n  >\n  > Inside."),
        ("```{code-block} python\nx = '`'\n```", "```python\nx = '`'\n```"),
        ("```{overview}\n:minutes: 1\nLook.\n```", "> **Overview** · 1 minute\n>\n> Look."),
        (
            "```{overview}\n:minutes: 9\n:optional:\nLook.\n```",
            "> **Overview** · 9 minutes · optional\n>\n> Look.",
        ),
        (
            "```{expected} The *plot*\n:exercise: 1.1a\nA line.\n```",
            "<details>\n<summary>Expected output of exercise 1.1a: The <em>plot</em></summary>"
            "\n\nA line.\n\n</details>",
        ),
        (
            "Sum\n: Of *two*.\n  Or more.\n\nThe {kbd}`A`\n: A key.",
            "- **Sum**:\n  Of *two*.\n  Or more.\n\n- **The <kbd>A</kbd>**:\n  A key.",
        ),
        ("- one\n\n  Sum\n  : Of two.", "- one\n\n  - **Sum**:\n    Of two."),
        ("% a note to authors\n\nText.", "Text."),
        ("<!-- a note -->\n\nText.", "Text."),
        ("(here)=\n## Place\n\n{ref}`here`", f"## Place\n\n[Place]({SUMS}#here)"),
        ("(here)=\n## Place\n\n{ref}`go <here>`", f"## Place\n\n[go]({SUMS}#here)"),
        ("(here)=\n## Place\n\n[](#here)", f"## Place\n\n[Place]({SUMS}#here)"),
        ("[home](index.md)", f"[home]({SITE}/index.html)"),
        ("[out](https://out.example/a_b)", "[out](https://out.example/a_b)"),
        ("```python\n{ref}`x`\n```", "```python\n{ref}`x`\n```"),
    ],
)
def test_myst_becomes_plain_markdown(repository: Path, myst: str, expected: str) -> None:
    assert plain(repository, myst) == expected


def test_reference_to_an_exercise_has_its_number(repository: Path) -> None:
    start = "```{exercise-start} A\n:number: 2.10\n```\n```{exercise-end}\n```\n"
    text = plain(repository, start + "\n{ref}`exercise-2-10`")
    assert text.endswith(f"[Exercise 2.10]({SUMS}#exercise-2-10)")


def test_figure_carries_its_bytes_and_its_alternative_text(repository: Path) -> None:
    source = '```{figure} figures/box.svg\n:alt: A "box".\n:name: fig-box\nA box.\n```'
    text = plain(repository, source)
    assert text.startswith('<img alt="A &quot;box&quot;." ')
    assert 'src="data:image/svg+xml;base64,' in text
    assert text.endswith("\n\n*Figure 1.* A box.")
    assert plain(repository, "![A box](figures/box.svg)").startswith('<img alt="A box" ')


@pytest.mark.parametrize(
    ("myst", "message"),
    [
        ("# T\n\n```{tabbed} A\n```", r"1-sums\.md:3: the directive \{tabbed\}"),
        ("# T\n\n:::{note}\nOne.\n\n```{tabbed} A\n```\n:::", r"1-sums\.md:6: .*\{tabbed\}"),
        ("# T\n\nOne.\nA {download}`x` file.", r"1-sums\.md:4: the role \{download\}"),
        ("# T\n\nA claim.[^1]\n\n[^1]: Note.", r"1-sums\.md:3: footnote_ref"),
        ("# T\n\nBy {cite:p}`nobody`.", r"1-sums\.md:3: .*no entry 'nobody'"),
        ("# T\n\nSee {ref}`nowhere`.", r"1-sums\.md:3: there is no label 'nowhere'"),
        ("# T\n\nSee [this](#nowhere).", r"1-sums\.md:3: there is no label 'nowhere'"),
        ("# T\n\nSee [this](nowhere.md).", r"1-sums\.md:3: the page nowhere\.md does not exist"),
        ("# T\n\nBy {eq}`nothing`.", r"1-sums\.md:3: no equation"),
        ("# T\n\nIt is {glue:text}`x`.", r"1-sums\.md:3: no value of .*`x`.*build the book"),
        ("# T\n\n```{figure} figures/none.svg\n```", r"1-sums\.md:3: .*none\.svg does not exist"),
        ("# T\n\n![a](index.md)", r"1-sums\.md:3: index\.md is not one of \.svg"),
        ("# T\n\n```{hint} Use `+`\nSo.\n```", r"1-sums\.md:3: not a directive"),
        ("# T\n\nCode `x`{l=python}.", r"1-sums\.md:3: attributes in braces"),
        ("# T\n\n:::just a box\nSo.\n:::", r"1-sums\.md:3: colon_fence"),
        ("# T\n\n(here)=\nText.\n\nSee {ref}`here`.", r"1-sums\.md:6: .*needs words"),
    ],
)
def test_what_has_no_plain_form_is_an_error_with_its_place(
    repository: Path, myst: str, message: str
) -> None:
    with pytest.raises(ChapterError, match=message):
        plain(repository, myst)


# the first cell and the whole notebook, run


def test_first_cell_does_nothing_where_the_course_is_present(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "check_call", lambda *_: pytest.fail("it installs"))
    exec(build(repository).cells[0].source, {})


def test_first_cell_installs_the_course_and_keeps_torch(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = "# all\nnumpy==2.0\nshap==0.51.0\ntorch==2.13.0\ntransformers==5.23.0\n"
    (repository / "constraints.txt").write_text(pins)
    calls: list[list[str]] = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "check_call", calls.append)
    exec(build(repository).cells[0].source, {})
    import torch

    [command] = calls
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert "circuits-and-rewards @ git+https://git.example/someone/toy@trunk" in command
    pinned = [argument for argument in command if "==" in argument]
    assert pinned == ["shap==0.51.0", "transformers==5.23.0", f"torch=={torch.__version__}"]


def test_what_the_first_cell_pins_is_in_the_constraints_and_needed_by_the_course() -> None:
    root = Path(__file__).resolve().parents[2]
    lines = (root / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lines}
    needs = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(notebooks.PINNED) <= pinned & {
        re.match(r"[\w-]+", need)[0].replace("_", "-") for need in needs
    }


def run(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    from nbclient import NotebookClient

    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def printed(notebook: nbformat.NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_untouched_notebook_runs_to_its_end(repository: Path, tmp_path: Path) -> None:
    done = run(build(repository), tmp_path)
    assert "not attempted: Exercise 1.1a" in printed(done)
    assert all(cell.execution_count for cell in done.cells if cell.cell_type == "code")


USES_THE_ANSWER = """\

```{code-cell} ipython3
total = add(1, 2)  # the reader's own
label = "sum"
add(total, 3)
```

```{code-cell} ipython3
print("the rest", add)
```
"""


def test_cells_that_use_an_answer_say_that_it_is_missing_and_the_rest_runs(
    repository: Path, tmp_path: Path
) -> None:
    chapter_with(repository, CHAPTER + USES_THE_ANSWER)
    notebook = build(repository)
    [first, _] = [c for c in notebook.cells if "progress.needs(" in c.source]
    assert first.source == (
        'from interp_rl.checks import progress\n\nwith progress.needs("1.1a"):\n'
        "    total = add(1, 2)  # the reader's own\n"
        '    label = "sum"\n    display(add(total, 3))'
    )
    done = run(notebook, tmp_path)
    said = printed(done)
    assert said.count("This cell needs exercise 1.1a, which does not pass yet; go on below.") == 1
    assert "the rest <function add" in said
    solved = build(repository)
    for cell in solved.cells:
        if "stub" in cell.metadata.get("tags", []):
            cell.source = "def add(a, b):\n    return a + b"
    outputs = [o for c in run(solved, tmp_path).cells for o in c.get("outputs", [])]
    assert any(o.get("data", {}).get("text/plain") == "6" for o in outputs)


def test_a_cell_that_uses_an_answer_cannot_hold_a_long_text(repository: Path) -> None:
    cell = '\n```{code-cell} ipython3\nprint(add, """a\nb""")\n```\n'
    chapter_with(repository, CHAPTER + cell)
    with pytest.raises(ChapterError, match=r"uses the answer to exercise 1\.1a .* text of several"):
        build(repository)


def test_the_instructors_notebook_has_cells_as_the_chapter_has_them(repository: Path) -> None:
    chapter_with(repository, CHAPTER + USES_THE_ANSWER)
    assert "progress.needs" not in "".join(sources(build(repository, "instructor")))


def test_status_lists_the_checked_exercise_with_its_minutes(repository: Path) -> None:
    assert build(repository).cells[-1].source.endswith('progress.status({\n    "1.1a": 4,\n})')


def test_chapter_without_checks_has_no_status(repository: Path) -> None:
    chapter_with(repository, "---\nfile_format: mystnb\n---\n# T\n\n```{code-cell}\nx = 1\n```\n")
    assert "progress" not in "".join(sources(build(repository)))


# glue, writing, drift


def execute(repository: Path, value: str) -> None:
    """Puts an executed chapter into the cache of the build, as if its cell had glued `value`."""
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn
    from myst_nb.core.read import myst_nb_reader_plugin
    from nbformat.v4 import new_output

    path = repository / "book/1-sums.md"
    executed = myst_nb_reader_plugin(str(path))
    executed.metadata.pop("source_map")
    cell = next(c for c in executed.cells if "glue(" in c.source)
    prefix = "application/papermill.record/"
    metadata = {"scrapbook": {"name": "toy-sum", "mime_prefix": prefix}}
    data = {f"{prefix}text/plain": repr(value)}
    cell.outputs = [new_output("display_data", data=data, metadata=metadata)]
    for number, code in enumerate((c for c in executed.cells if c.cell_type == "code"), start=1):
        code.execution_count = number
    cache = get_cache(repository / "_build/.jupyter_cache")
    cache.cache_notebook_bundle(
        CacheBundleIn(executed, str(path)), check_validity=False, overwrite=True
    )


def notebook_path(repository: Path) -> Path:
    return repository / "exercises/1-sums/1-sums.ipynb"


def test_values_come_from_the_executed_chapter(repository: Path) -> None:
    execute(repository, "3.14")
    assert notebooks.write(Project(repository)) == [notebook_path(repository)]
    assert "The sum is 3.14." in notebook_path(repository).read_text()
    assert notebooks.drift(Project(repository)) == []


def test_writing_again_changes_nothing_even_after_another_machines_digit(repository: Path) -> None:
    execute(repository, "3.14")
    notebooks.write(Project(repository))
    execute(repository, "3.15")
    assert notebooks.write(Project(repository)) == []
    assert notebooks.drift(Project(repository)) == []


def test_value_that_moved_is_drift_and_is_written_anew(repository: Path) -> None:
    execute(repository, "3.14")
    notebooks.write(Project(repository))
    execute(repository, "4.00")
    [problem] = notebooks.drift(Project(repository))
    assert "toy-sum is 3.14 in the notebook and 4.00 in the last run" in problem
    assert notebooks.write(Project(repository)) == [notebook_path(repository)]


def test_chapter_never_executed_is_an_error_until_the_notebook_has_values(repository: Path) -> None:
    with pytest.raises(ChapterError, match=r"1-sums\.md:25: .*build the book first"):
        notebooks.write(Project(repository))
    execute(repository, "3.14")
    notebooks.write(Project(repository))
    for file in sorted((repository / "_build").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    assert notebooks.write(Project(repository)) == [] and notebooks.drift(Project(repository)) == []


def test_changed_chapter_is_drift_and_the_message_shows_where(repository: Path) -> None:
    execute(repository, "3.14")
    notebooks.write(Project(repository))
    chapter_with(repository, CHAPTER.replace("Why we add.", "Why we ever add."))
    [problem] = notebooks.drift(Project(repository))
    assert "exercises/1-sums/1-sums.ipynb: differs from book/1-sums.md" in problem
    assert '+    "Why we ever add."' in problem.replace("   +", "+")


def test_notebook_edited_by_hand_is_drift(repository: Path) -> None:
    execute(repository, "3.14")
    notebooks.write(Project(repository))
    path = notebook_path(repository)
    path.write_text(path.read_text().replace("Why we add.", "Because."))
    assert "differs from" in notebooks.drift(Project(repository))[0]


def test_solution_pasted_into_the_notebook_is_drift(repository: Path) -> None:
    execute(repository, "3.14")
    notebooks.write(Project(repository))
    path = notebook_path(repository)
    content = json.loads(path.read_text())
    content["metadata"]["course"]["answer"] = "a + b"
    path.write_text(json.dumps(content))
    assert "differs from" in notebooks.drift(Project(repository))[0]


def test_missing_and_stale_notebooks_are_drift(repository: Path) -> None:
    execute(repository, "3.14")
    notebooks.write(Project(repository))
    stale = repository / "exercises/9-old/9-old.ipynb"
    stale.parent.mkdir()
    notebook_path(repository).rename(stale)
    missing, left = notebooks.drift(Project(repository))
    assert "1-sums.ipynb: missing" in missing and "9-old.ipynb: no chapter" in left


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("3.14", "3.14", True),
        ("3.14", "3.19", True),
        ("3.14", "3.31", False),
        ("0.01", "0.02", True),  # one unit of the last digit
        ("0.01", "0.03", False),
        ("99.3%", "98.9%", True),
        ("512", "512", True),
        ("12", "13", False),
        ("1,234", "1,234", True),
        ("0.4 to 0.5", "0.4 to 0.5", True),
        ("0.4 to 0.5", "0.4 and 0.5", False),
        ("-3.14", "3.14", False),
        ("head 2.1", "head 2.2", False),
        ("38%", "39%", True),
        ("38%", "40%", False),
        ("38%", "38", False),
        ("Mary", "John", False),
        ("3.14", "", False),
    ],
)
def test_agreement_of_printed_values(one: str, other: str, same: bool) -> None:
    assert notebooks.agree(one, other) is same


def test_command_line_writes_then_checks_then_reports(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--root", str(repository)]
    execute(repository, "3.14")
    assert notebooks.main(root) == 0
    assert notebooks.main(["--check", *root]) == 0
    notebook_path(repository).write_text("{}")
    assert notebooks.main(["--check", *root]) == 1
    assert "run `make notebooks`" in capsys.readouterr().err
