"""The notebooks that readers work in, generated from the chapters.

    coursekit notebooks            writes exercises/<chapter>/<chapter>.ipynb
    coursekit notebooks --check    says whether the committed ones are what the chapters give

A notebook holds no solution, no hidden test and no output. Numbers that the site takes from a run
are written out; the notebook keeps them in its metadata (`course.glue`), so that whether it has
drifted from its chapter can be told without running anything.
"""

import argparse
import ast
import dataclasses
import difflib
import hashlib
import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from coursekit.book import Book, figure_options
from coursekit.chapter import Block, Chapter, ChapterError, Directive
from coursekit.notebook_markdown import PlainMarkdown
from coursekit.project import Project

Variant = Literal["student", "instructor"]

NEVER_PUBLISHED = {"remove-cell", "remove_cell"}
INSTRUCTORS_ONLY = {"solution", "hidden-test"}
KEPT_TAGS = ("stub", "check", "solution", "hidden-test")

SETUP = """\
# Installs the course where it is missing, in Colab for example, with the
# versions that the site was made with, and keeps the torch that is already
# there. Where the course is present, nothing happens.
import importlib.metadata
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("interp_rl") is None:
    course = "circuits-and-rewards @ git+{repository}@{branch}"
    pinned = [{pins}]
    present = importlib.metadata.distributions(name="torch")
    torch = [f"torch=={{package.version}}" for package in present]
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.check_call([*pip, course, *pinned, *torch])"""

PINNED = (
    *("accelerate", "captum", "gymnasium", "jaxtyping", "shap", "transformer-lens"),
    *("transformers", "trl"),
)
"""What the first cell installs in the version of constraints.txt. Not NumPy and the like, which
Colab's own packages are built for."""

STATUS = """\
from interp_rl.checks import progress

progress.status({minutes})"""

STATUS_PROSE = """\
## Where you stand

Run this cell after the checks above: it lists the exercises of this notebook,
the minutes each is meant to take, and whether your answer passes."""


@dataclass
class Region:
    """What the blocks between a start and an end marker belong to."""

    exercise: str = ""
    """number of the exercise, or of the one that a solution solves; empty outside of both"""
    secret: bool = False
    """whether this is a solution, or gives one away"""


def build(
    chapter: Chapter,
    book: Book,
    glue: Mapping[str, str],
    variant: Variant = "student",
    *,
    framed: bool = True,
) -> NotebookNode:
    """Makes a chapter's notebook.

    Args:
        chapter: The chapter.
        book: The book it belongs to.
        glue: Values for `{glue:text}`, by key.
        variant: "student", or "instructor" for one that keeps solutions and hidden tests.
        framed: Whether it has a first cell that installs the course and a last one that lists the
            exercises; a notebook to be printed has neither.

    Returns:
        A notebook without outputs, the same for the same input.

    Raises:
        ChapterError: If the chapter holds something that has no form in a notebook, a solution is
            not closed, or a value of `glue` is missing.
    """
    markdown = PlainMarkdown(chapter, book, glue)
    pins = "".join(f'\n        "{pin}",' for pin in _pins(book.root)) + "\n    "
    setup = SETUP.format(repository=book.repository, branch=book.branch, pins=pins)
    cells = [new_code_cell(setup)] if framed else []
    answers: dict[str, str] = {}
    for block, region in published(chapter, variant):
        if not isinstance(block, Directive):
            _add_markdown(cells, markdown.text(block.source, block.line))
        elif block.is_code_cell:
            if "stub" in block.tags:
                answers |= dict.fromkeys(defined(block.body), region.exercise)
            elif framed and variant == "student" and "check" not in block.tags:
                block = _goes_on_without(block, answers, chapter)
            cells += _code_cells(block, region, markdown)
        elif block.name == "solution-start":
            _add_markdown(cells, f"### Solution of exercise {region.exercise}")
        else:
            _add_markdown(cells, markdown.directive(block))
    minutes = _minutes_of_checked_exercises(chapter)
    if framed and minutes:
        listed = "\n".join(f'    "{name}": {value},' for name, value in minutes.items())
        cells.append(new_markdown_cell(STATUS_PROSE))
        cells.append(new_code_cell(STATUS.format(minutes=f"{{\n{listed}\n}}")))
    notebook = new_notebook(
        cells=_with_ids(cells),
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
            "course": {
                "chapter": chapter.name,
                "glue": {key: glue[key] for key in sorted(markdown.glue_used)},
            },
        },
    )
    nbformat.validate(notebook)
    return notebook


def as_text(notebook: NotebookNode) -> str:
    """A notebook as the text of its file."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def executed(project: Project, chapter: Chapter) -> NotebookNode | None:
    """A chapter's cells with their outputs, as they were last executed.

    Args:
        project: The course.
        chapter: The chapter as it is now.

    Returns:
        The executed cells, or None if the chapter's cells, as they are now, have not been executed.
    """
    if not project.cache.is_dir():
        return None
    from jupyter_cache import get_cache
    from myst_nb.core.read import myst_nb_reader_plugin

    cache = get_cache(project.cache)
    try:
        record = cache.match_cache_notebook(myst_nb_reader_plugin(str(chapter.path)))
    except KeyError:
        return None
    return cache.get_cache_bundle(record.pk).nb


def executed_glue(project: Project, chapter: Chapter) -> dict[str, str] | None:
    """The values a chapter glued when it was last executed.

    Args:
        project: The course.
        chapter: The chapter as it is now.

    Returns:
        Text by key, or None if the chapter's cells, as they are now, have not been executed.
    """
    notebook = executed(project, chapter)
    return None if notebook is None else dict(_glued(notebook))


def agree(one: str, other: str) -> bool:
    """Whether two glued texts say the same up to what another processor changes.

    Args:
        one: A text with numbers in it.
        other: The other one.

    Returns:
        True if the words are equal and each number is within 2% of its partner, or within one unit
        of its last digit where that is rounded: in a percentage, or after two decimals. (A number
        with one decimal may be the name of a head.)
    """
    digits = r"\d+(?:\.\d+)?"
    if re.split(digits, one) != re.split(digits, other):
        return False
    return all(
        abs(_value(a) - _value(b)) <= max(0.02 * _value(b), 1.001 * max(_unit(a), _unit(b)))
        for a, b in zip(
            re.findall(f"{digits}%?", one), re.findall(f"{digits}%?", other), strict=True
        )
    )


def _pins(root: Path) -> list[str]:
    """The lines of constraints.txt for what the first cell pins."""
    path = root / "constraints.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line for line in lines if line.partition("==")[0] in PINNED]


def chapters_with_code(book: Book) -> list[Chapter]:
    """The chapters (pages whose name begins with a number) that have code cells."""
    return [c for c in book.chapters.values() if c.cells and c.name[0].isdigit()]


def write(project: Project) -> list[Path]:
    """Writes the student notebook of every chapter with code.

    A value that agrees with the one in the notebook stays as it is there, so that a build on
    another machine changes nothing.

    Args:
        project: The course.

    Returns:
        The files whose content changed.

    Raises:
        ChapterError: As `build`.
    """
    book, changed = Book(project.root), []
    for chapter in chapters_with_code(book):
        path = _notebook_path(project, chapter)
        committed = _committed_glue(path)
        glue = {**committed, **(executed_glue(project, chapter) or {})}
        settled = {
            key: committed[key] if key in committed and agree(value, committed[key]) else value
            for key, value in glue.items()
        }
        text = as_text(build(chapter, book, settled))
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def drift(project: Project) -> list[str]:
    """What makes the committed notebooks differ from what the chapters give.

    Args:
        project: The course.

    Returns:
        One message per problem, each naming the file; empty if there is none.
    """
    book, problems = Book(project.root), []
    chapters = chapters_with_code(book)
    for chapter in chapters:
        problems += _drift_of(project, book, chapter)
    expected = {_notebook_path(project, chapter) for chapter in chapters}
    for stale in sorted(set((project.root / "exercises").glob("*/*.ipynb")) - expected):
        problems.append(
            f"{stale.relative_to(project.root)}: no chapter gives this notebook; delete it"
        )
    return problems


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: writes the notebooks, or checks them.

    Args:
        argv: Arguments without the program's name.

    Returns:
        0, or 1 if the committed notebooks have drifted.

    Raises:
        CourseError: If there is no course, or a chapter cannot be published.
    """
    parser = argparse.ArgumentParser(prog="coursekit notebooks", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail on drift")
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    options = parser.parse_args(argv)
    project = Project.find(options.root)
    if options.check:
        problems = drift(project)
        for problem in problems:
            print(problem, file=sys.stderr)
        if problems:
            print("run `make notebooks` and commit what it writes", file=sys.stderr)
        return 1 if problems else 0
    changed = write(project)
    for path in changed:
        print(f"wrote {path.relative_to(project.root)}")
    print(f"{len(changed)} notebook(s) changed")
    return 0


def published(chapter: Chapter, variant: Variant) -> Iterator[tuple[Block, Region]]:
    """The blocks that a variant shows.

    Of what gives an answer away, students get the marker at its start only.

    Args:
        chapter: The chapter.
        variant: "student", or "instructor" for solutions and hidden tests, too.

    Yields:
        Each block with the exercise or solution it belongs to.

    Raises:
        ChapterError: If an exercise, a solution or a spoiler is not closed.
    """
    region = Region()
    opened: Directive | None = None
    for block in chapter.blocks:
        if isinstance(block, Directive):
            if block.name in ("exercise-start", "solution-start", "spoiler-start"):
                if opened:
                    raise chapter.error(opened.line, f"{{{opened.name}}} is not closed")
                opened = block
                if block.name == "spoiler-start":
                    region = Region(secret=True)
                    if variant == "student":
                        yield block, region
                    continue
                secret = block.name == "solution-start"
                exercise = block.argument if secret else block.options.get("number", "")
                region = Region(exercise, secret)
            elif block.name in ("exercise-end", "solution-end", "spoiler-end"):
                if opened is None or opened.name.split("-")[0] != block.name.split("-")[0]:
                    raise chapter.error(block.line, f"{{{block.name}}} closes nothing")
                region, opened = Region(), None
                continue
            if NEVER_PUBLISHED & set(block.tags):
                continue
            if variant == "student" and INSTRUCTORS_ONLY & set(block.tags):
                continue
        if variant == "instructor" or not region.secret:
            yield block, region
    if opened:
        raise chapter.error(opened.line, f"{{{opened.name}}} is not closed")


def defined(stub: str) -> set[str]:
    """Names of the answers that a stub stands for.

    Args:
        stub: Code of a stub cell.

    Returns:
        The functions and values that it defines.
    """
    names = set()
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _goes_on_without(block: Directive, answers: Mapping[str, str], chapter: Chapter) -> Directive:
    """A cell that says in one line, and raises no error, that it needs an exercise not yet done."""
    if not answers:
        return block
    tree = ast.parse(block.body)
    loaded = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    needed = sorted({exercise for name, exercise in answers.items() if name in loaded})
    if not needed:
        return block
    body = block.body
    if isinstance(tree.body[-1], ast.Expr):  # inside of `with` it would not be shown
        lines = body.splitlines()
        last = tree.body[-1]
        shown = "\n".join(lines[last.lineno - 1 : last.end_lineno])
        body = "\n".join([*lines[: last.lineno - 1], f"display({shown})"])
    wrapped = f"with progress.needs({', '.join(map(json.dumps, needed))}):\n" + textwrap.indent(
        body, "    "
    )
    inside = ast.parse(wrapped).body[0]
    if ast.dump(ast.parse(body)) != ast.dump(ast.Module(inside.body, [])):  # type: ignore[attr-defined]
        raise chapter.error(
            block.line,
            f"this cell uses the answer to exercise {needed[0]} and has a text of several lines, "
            "which cannot be moved to the right: give the text a cell of its own",
        )
    source = f"from interp_rl.checks import progress\n\n{wrapped}"
    return dataclasses.replace(block, body=source)


def _code_cells(
    block: Directive, region: Region, markdown: PlainMarkdown
) -> Iterator[NotebookNode]:
    """A code cell, and its figure's caption."""
    metadata: dict[str, Any] = {}
    if tags := [tag for tag in block.tags if tag in KEPT_TAGS]:
        metadata["tags"] = tags
    if "hide-input" in block.tags:
        metadata["jupyter"] = {"source_hidden": True}
    if region.exercise:
        metadata["course"] = {"exercise": region.exercise}
    yield new_code_cell(block.body, metadata=metadata)
    figure = figure_options(block)
    if figure.get("caption"):
        plain = markdown.text(figure["caption"], block.line)
        yield new_markdown_cell(markdown.caption(figure, plain))


def _add_markdown(cells: list[NotebookNode], text: str) -> None:
    """Appends Markdown to the last cell; a heading begins one, folds and figures keep theirs."""
    for piece in _at_headings(text):
        last = cells[-1] if cells else None
        follows_text = (
            last is not None
            and last.cell_type == "markdown"
            and not last.source.startswith(("<", "*Figure"))
        )
        if last is not None and follows_text and not re.match(r"#{1,3} |<", piece):
            last.source += f"\n\n{piece}"
        else:
            cells.append(new_markdown_cell(piece))


def _at_headings(text: str) -> list[str]:
    """Cuts Markdown before each heading, down to the third level."""
    in_fence, pieces = False, [""]
    for line in text.splitlines(keepends=True):
        in_fence ^= line.lstrip().startswith(("```", "~~~"))
        if not in_fence and re.match(r"#{1,3} ", line):
            pieces.append("")
        pieces[-1] += line
    return [piece.strip("\n") for piece in pieces if piece.strip()]


def _minutes_of_checked_exercises(chapter: Chapter) -> dict[str, int]:
    """Minutes of the exercises that have a check cell, by number."""
    minutes: dict[str, int] = {}
    for block, region in published(chapter, "student"):
        if isinstance(block, Directive) and "check" in block.tags and region.exercise:
            minutes[region.exercise] = minutes.get(region.exercise, 0)
    for block in chapter.blocks:
        if isinstance(block, Directive) and block.name == "exercise-start":
            number = block.options.get("number", "")
            if number in minutes:
                minutes[number] = int(block.options.get("minutes") or 0)
    return minutes


def _with_ids(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Gives each cell an id made from its content, and from its place among equal ones."""
    seen: dict[str, int] = {}
    for cell in cells:
        content = f"{cell.cell_type}\n{cell.source}"
        seen[content] = seen.get(content, 0) + 1
        cell.id = hashlib.sha256(f"{content}\n{seen[content]}".encode()).hexdigest()[:12]
    return cells


def _glued(executed: NotebookNode) -> Iterator[tuple[str, str]]:
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            scrapbook = output.get("metadata", {}).get("scrapbook")
            if scrapbook:
                text = output["data"].get(scrapbook.get("mime_prefix", "") + "text/plain", "")
                yield scrapbook["name"], text.strip("'\"")  # the site shows strings without quotes


def _value(number: str) -> float:
    return float(number.rstrip("%"))


def _unit(number: str) -> float:
    """One unit of a printed number's last digit where that is rounded, else 0."""
    decimals = len(number.rstrip("%").partition(".")[2])
    return 10.0**-decimals if decimals >= 2 or number.endswith("%") else 0.0


def _notebook_path(project: Project, chapter: Chapter) -> Path:
    return project.root / "exercises" / chapter.name / f"{chapter.name}.ipynb"


def _committed_glue(path: Path) -> dict[str, str]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["metadata"]["course"]["glue"]
    except (FileNotFoundError, ValueError, KeyError):  # no notebook, or none of ours
        return {}


def _drift_of(project: Project, book: Book, chapter: Chapter) -> list[str]:
    path = _notebook_path(project, chapter)
    name = path.relative_to(project.root)
    if not path.exists():
        return [f"{name}: missing; {chapter.path.relative_to(project.root)} has code cells"]
    committed, found = _committed_glue(path), path.read_text(encoding="utf-8")
    try:
        expected = as_text(build(chapter, book, committed))
    except ChapterError as error:
        return [f"{name}: differs from its chapter: {error}"]
    if expected != found:
        lines = difflib.unified_diff(
            found.splitlines(),
            expected.splitlines(),
            "committed",
            "from the chapter",
            lineterm="",
            n=1,
        )
        excerpt = "\n".join(f"    {line[:160]}" for line, _ in zip(lines, range(20), strict=False))
        return [f"{name}: differs from {chapter.path.relative_to(project.root)}\n{excerpt}"]
    executed = executed_glue(project, chapter) or committed
    return [
        f"{name}: {key} is {value} in the notebook and {executed.get(key)} in the last run"
        for key, value in committed.items()
        if not agree(value, executed.get(key, ""))
    ]


if __name__ == "__main__":
    sys.exit(main())
