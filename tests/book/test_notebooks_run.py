"""The committed notebooks: up to date, run untouched, and every check passes once solved."""

import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from coursekit import notebooks
from coursekit.book import Book
from coursekit.project import Project

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = sorted(ROOT.glob("exercises/*/*.ipynb"))


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def shown(cell: NotebookNode) -> str:
    """What a cell showed, as text."""
    outputs: list[Any] = cell.get("outputs", [])
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs)


def solutions(project: Project, book: Book, committed: NotebookNode) -> list[NotebookNode]:
    """A chapter's solution cells, those of each exercise followed by its check, then the status."""
    course = committed.metadata.course
    [chapter] = [c for c in book.chapters.values() if c.name == course.chapter]
    # the committed values are those of the student's text; solutions may have more
    glue = {**course.glue, **(notebooks.executed_glue(project, chapter) or {})}
    full = notebooks.build(chapter, book, glue, "instructor")
    solved = [cell for cell in full.cells if "solution" in tags(cell)]
    checks = {c.metadata.course.exercise: [c] for c in committed.cells if "check" in tags(c)}
    cells = []
    for exercise, answer in groupby(solved, lambda cell: cell.metadata.course.exercise):
        cells += [*answer, *checks.get(exercise, [])]  # an open question may have code, too
    return [*cells, committed.cells[-1]] if cells else []


def test_committed_notebooks_are_what_the_chapters_give(project: Project) -> None:
    problems = notebooks.drift(project)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_notebook_runs_untouched_and_its_checks_pass_once_solved(
    path: Path, project: Project, book: Book, tmp_path: Path
) -> None:
    """One fresh kernel, its folder elsewhere: first the notebook as it is, then the solutions."""
    notebook = nbformat.read(path, as_version=4)
    untouched = len(notebook.cells)
    notebook.cells += [nbformat.from_dict(cell) for cell in solutions(project, book, notebook)]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()

    before, after = notebook.cells[:untouched], notebook.cells[untouched:]
    for cells, expected in ((before, "not attempted"), (after, "passed")):
        for cell in cells:
            if "check" in tags(cell):
                assert expected in shown(cell), f"{cell.source}\n{shown(cell)}"
    stubs = {cell.metadata.course.exercise for cell in before if "stub" in tags(cell)}
    assert shown(notebook.cells[-1]).count("✓") == len(stubs) or not stubs


def test_the_course_is_importable_outside_the_repository(tmp_path: Path) -> None:
    """What a notebook's first import does, in a folder that is not the repository."""
    code = "import interp_rl.checks, interp_rl.models; interp_rl.models.load_card('ioi')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
