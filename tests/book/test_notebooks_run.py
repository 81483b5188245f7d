"""The committed notebooks: up to date, leak nothing, run untouched, pass when solved."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from coursekit import notebooks
from coursekit.book import Book
from coursekit.project import Project
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = sorted(ROOT.glob("exercises/*/*.ipynb"))


def run(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Executes every cell in a fresh kernel whose working folder is elsewhere."""
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    return notebook


def outputs(cell: Any) -> str:
    """What a cell showed, as text."""
    return "".join(
        out.get("text", "") or out.get("data", {}).get("text/plain", "") for out in cell.outputs
    )


def test_committed_notebooks_are_what_the_chapters_give(project: Project) -> None:
    problems = notebooks.drift(project)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_notebook_runs_untouched_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    done = run(nbformat.read(path, as_version=4), tmp_path)
    for cell in done.cells:
        if "check" in cell.metadata.get("tags", []):
            assert "not attempted" in outputs(cell), cell.source


def solved(root: Path, name: str) -> nbformat.NotebookNode:
    """A chapter's notebook in which each stub is replaced by its solution."""
    book = Book(root)
    [chapter] = [c for c in book.chapters.values() if c.name == name]
    committed = json.loads((root / f"exercises/{name}/{name}.ipynb").read_text())
    glue = committed["metadata"]["course"]["glue"]
    answers: dict[str, list[str]] = {}
    for cell in notebooks.build(chapter, book, glue, "instructor").cells:
        tags = cell.metadata.get("tags", [])
        if "solution" in tags and "check" not in tags:
            answers.setdefault(cell.metadata.course.exercise, []).append(cell.source)
    notebook = notebooks.build(chapter, book, glue)
    for cell in notebook.cells:
        if "stub" in cell.metadata.get("tags", []):
            cell.source = "\n\n".join(answers[cell.metadata.course.exercise])
    return notebook


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_every_check_passes_with_the_solutions(path: Path, root: Path, tmp_path: Path) -> None:
    notebook = solved(root, path.stem)
    checks = [c for c in notebook.cells if "check" in c.metadata.get("tags", [])]
    if not checks:
        assert "stub" not in path.read_text()
        return
    done = run(notebook, tmp_path)
    for cell in done.cells:
        if "check" in cell.metadata.get("tags", []):
            assert "passed" in outputs(cell), outputs(cell)
    assert "not attempted" not in outputs(done.cells[-1])


def test_importing_the_course_needs_no_network_and_no_repository(tmp_path: Path) -> None:
    """What a notebook's first import does, in a folder that is not the repository."""
    code = "import interp_rl.checks, interp_rl.models; interp_rl.models.load_card('ioi')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
