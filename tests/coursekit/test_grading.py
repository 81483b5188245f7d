"""`coursekit grade`: every submission gets its points, and a hostile one costs only its own."""

import csv
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import nbformat
import pytest
from handed_in import HOSTILE, NOT_NOTEBOOKS, handed_out, hostile, solved, with_answer

from coursekit.book import Book
from coursekit.chapter import Directive
from coursekit.grade import main
from coursekit.grading.assignment import assignments
from coursekit.grading.sandbox import available
from coursekit.grading.slicing import needed, read_cell
from coursekit.project import CourseError, Project
from coursekit.seed import FILE, instructor_seed

ROOT = Path(__file__).resolve().parents[2]
SHORT, LONG = "2-2-circuits-and-metrics", "3-2-derivations"
SEED = "a secret"


@pytest.fixture(scope="module")
def book() -> Book:
    return Book(ROOT)


class Run:
    """What grading a folder wrote."""

    def __init__(self, output: Path, done: subprocess.CompletedProcess[str], visits: list[str]):
        self.output, self.done, self.visits = output, done, visits
        with (output / "grades.csv").open(encoding="utf-8") as file:
            self.rows = {row["submission"]: row for row in csv.DictReader(file)}

    def report(self, name: str) -> str:
        return (self.output / "reports" / f"{name}.md").read_text(encoding="utf-8")


def grade(folder: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coursekit.cli", "grade", str(folder), "--output", str(output)]
    settings = ["--seed", SEED, "--workers", "2", "--root", str(ROOT), *options]
    done = subprocess.run([*command, *settings], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done


def write(folder: Path, name: str, notebook: Any) -> None:
    path = folder / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


HELPERS = """\
import math

import torch

SIGN = 1
def helper(x):
    return SIGN * x
"""

USES_HELPERS = """\
def logit_difference(logits, io_ids, s_ids, end_positions):
    rows = torch.arange(len(io_ids))
    at_end = logits[rows, end_positions]
    return helper(at_end[rows, io_ids] - at_end[rows, s_ids])
"""


def half_done(book: Book) -> Any:
    """Two of four exercises, one of them wrong, and a last cell that hangs."""
    notebook = handed_out(book, LONG)
    right = {c.metadata.course.exercise: c.source for c in answers_in(solved(book, LONG))}
    notebook = with_answer(notebook, "3.2a", right["3.2a"])
    notebook = with_answer(notebook, "3.2b", right["3.2b"].replace("- 1", "- 0"))
    notebook.cells.append(nbformat.v4.new_code_cell("while True: pass"))
    return notebook


def answers_in(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if "stub" in cell.metadata.get("tags", [])]


@pytest.fixture(scope="module")
def listener() -> Any:
    """Somebody who listens on this machine, and writes down who comes."""
    visits: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.2)
    over = threading.Event()

    def listen() -> None:
        while not over.is_set():
            try:
                server.accept()[0].close()
                visits.append("came")
            except TimeoutError:
                continue

    thread = threading.Thread(target=listen)
    thread.start()
    yield server.getsockname(), visits
    over.set()
    thread.join()
    server.close()


@pytest.fixture(scope="module")
def graded(book: Book, listener: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One folder with a submission of every kind, graded once."""
    folder, output = tmp_path_factory.mktemp("handed-in"), tmp_path_factory.mktemp("grades")
    targets = tmp_path_factory.mktemp("targets")
    (targets / "keep.txt").write_text("keep")
    (host, port), visits = listener
    write(folder, "anna/right", solved(book, SHORT))
    write(folder, "ben/right-long", solved(book, LONG))
    write(folder, "carl/untouched", handed_out(book, SHORT))
    write(folder, "dora/half", half_done(book))
    with_helpers = with_answer(handed_out(book, SHORT), "2.2a", USES_HELPERS)
    with_helpers.cells.insert(3, nbformat.v4.new_code_cell(HELPERS))
    with_helpers.cells.insert(1, nbformat.v4.new_code_cell("%matplotlib inline\n!pip list\n1/0"))
    del with_helpers.metadata["course"]
    write(folder, "emil/2-2-circuits-and-metrics (1)", with_helpers)
    renamed = solved(book, SHORT)
    del renamed.metadata["course"]
    write(folder, "fritz/homework", renamed)
    for number, kind in enumerate(HOSTILE):
        victims = [str(targets), str(folder / "anna"), str(folder), str(output)]
        write(folder, f"hostile/{number}", hostile(book, kind, victims, host, port))
    for name, make in NOT_NOTEBOOKS.items():
        (folder / "files").mkdir(exist_ok=True)
        make(folder / "files" / name)
    done = grade(folder, output, "--seconds", "3", "--memory", "600")
    assert (targets / "keep.txt").read_text() == "keep"
    assert sorted(path.name for path in targets.iterdir()) == ["keep.txt"]
    assert (folder / "anna/right.ipynb").exists()
    return Run(output, done, visits)


def points(run: Run, name: str) -> tuple[int, int]:
    return int(run.rows[name]["points"]), int(run.rows[name]["out of"])


def test_a_right_notebook_gets_all_points(graded: Run, book: Book) -> None:
    found = assignments(book)
    assert points(graded, "anna/right") == (found[SHORT].points,) * 2
    assert points(graded, "ben/right-long") == (found[LONG].points,) * 2
    assert "✓ Exercise 3.2d" in graded.report("ben/right-long")


def test_helpers_in_other_cells_commands_and_failing_cells_do_no_harm(graded: Run) -> None:
    name = "emil/2-2-circuits-and-metrics (1)"
    assert graded.rows[name]["2.2a"] == graded.rows["anna/right"]["2.2a"], graded.report(name)


def test_a_renamed_notebook_is_recognised_by_its_answers(graded: Run) -> None:
    assert graded.rows["fritz/homework"]["notebook"] == SHORT
    assert graded.rows["fritz/homework"]["points"] == graded.rows["anna/right"]["points"]


def test_an_untouched_notebook_gets_nothing_and_is_told_why(graded: Run) -> None:
    assert points(graded, "carl/untouched")[0] == 0
    assert "Your turn." in graded.report("carl/untouched")


def test_points_for_an_exercise_are_kept_when_another_one_or_a_later_cell_fails(
    graded: Run, book: Book
) -> None:
    row = graded.rows["dora/half"]
    worth = {item.number: item.points for item in assignments(book)[LONG].items}
    assert [int(row[n]) for n in ("3.2a", "3.2b", "3.2c", "3.2d")] == [worth["3.2a"], 0, 0, 0]
    report = graded.report("dora/half")
    assert "✓ Exercise 3.2a" in report and "You divide the sum of the others by N" in report


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_submission_gets_nothing_and_its_report_says_why(graded: Run, kind: str) -> None:
    name = f"hostile/{list(HOSTILE).index(kind)}"
    assert points(graded, name)[0] == 0
    assert re.search(HOSTILE[kind][1], graded.report(name), re.DOTALL), graded.report(name)


@pytest.mark.parametrize("name", NOT_NOTEBOOKS)
def test_a_file_that_is_no_notebook_is_listed_with_its_problem(graded: Run, name: str) -> None:
    row = graded.rows[f"files/{name.removesuffix('.ipynb')}"]
    assert row["points"] == "0"
    assert "not a notebook" in row["problem"] or "no chapter" in row["problem"]


def test_nobody_was_reached_over_the_network(graded: Run) -> None:
    assert graded.visits == []


def test_the_run_says_what_it_did(graded: Run) -> None:
    assert f"submissions: {len(graded.rows)}" in graded.done.stdout
    assert f"walls: {available()}" in graded.done.stdout
    assert "seconds per submission" in graded.done.stdout


def test_the_secret_seed_is_in_no_report(graded: Run) -> None:
    for path in graded.output.rglob("*.*"):
        assert SEED not in path.read_text(encoding="utf-8")


def test_the_guard_keeps_what_the_kernel_would(book: Book, listener: Any, tmp_path: Path) -> None:
    """Where there are no namespaces: files, programs and network are refused by Python."""
    folder, output, targets = (tmp_path / name for name in ("in", "out", "targets"))
    for path in (folder, output, targets):
        path.mkdir()
    (targets / "keep.txt").write_text("keep")
    (host, port), visits = listener
    seen = len(visits)
    write(folder, "right", solved(book, SHORT))
    kinds = ("deletes files", "writes elsewhere", "network", "programs", "forks", "fills memory")
    for kind in kinds:
        victims = [str(targets), str(folder)]
        write(folder, kind, hostile(book, kind, victims, host, port))
    done = grade(folder, output, "--seconds", "3", "--memory", "600", "--walls", "guard")
    run = Run(output, done, visits)
    assert run.rows["right"]["points"] == run.rows["right"]["out of"]
    for kind in kinds:
        assert run.rows[kind]["points"] == "0"
        assert re.search(f"{HOSTILE[kind][1]}|refuses", run.report(kind), re.DOTALL)
    assert sorted(path.name for path in targets.iterdir()) == ["keep.txt"]
    assert len(visits) == seen


# ----- which cells are run


def test_only_the_statements_that_an_answer_needs_are_run() -> None:
    sources = [
        "import torch\nimport time\ntime.sleep(100)",
        "scale = 2\n\n\n@decorated\ndef helper(x):\n    return scale * x",
        "def unused(x):\n    return slow(x)",
        "def answer(model):\n    return helper(torch.ones(3))",
        "model = load()",
        "scale += 1",
        "answers = {}",
        "answers[1] = 'x'\nanswers.update(a=1)",
        "this is no Python",
        "answer(model)",
    ]
    parts = [part for i, source in enumerate(sources) for part in read_cell(source, i)]
    assert [parts[i].source.split("\n")[0] for i in needed(parts, {"answer"})] == [
        "import torch",
        "scale = 2",
        "@decorated",
        "def answer(model):",
        "scale += 1",
    ]
    assert [parts[i].cell for i in needed(parts, {"answers"})] == [6, 7, 7]
    assert needed(parts, {"nothing"}) == []
    [broken] = [part for part in parts if part.cell == 8]
    assert not broken.binds and not broken.uses


def test_what_is_graded_is_read_from_the_chapters(book: Book) -> None:
    found = assignments(book)
    [item] = found[SHORT].items
    [chapter] = [chapter for chapter in book.chapters.values() if chapter.name == SHORT]
    [start] = [b for b in chapter.blocks if isinstance(b, Directive) and b.name == "exercise-start"]
    assert (item.number, item.answer) == ("2.2a", "logit_difference")
    assert (item.check, item.points) == (
        "section2.check_logit_difference",
        int(start.options["difficulty"]),
    )
    assert item.imports == "from interp_rl.checks import section2"
    assert [item.number for item in found[LONG].items] == ["3.2a", "3.2b", "3.2c", "3.2d"]
    checked = {i.number for assignment in found.values() for i in assignment.items}
    assert {"1", "2.4a", "3.2e", "3.3a"} <= checked


def test_a_folder_without_submissions_is_an_error(tmp_path: Path) -> None:
    for folder, message in ((tmp_path, "no file to grade"), (tmp_path / "none", "no folder")):
        with pytest.raises(CourseError, match=message):
            main(["--root", str(ROOT), "--seed", "x", str(folder)])
    with pytest.raises(CourseError, match="make grade SUBMISSIONS=path/to/folder"):
        main(["--root", str(ROOT), "--seed", "x", ""])


def test_a_seed_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_SEED", raising=False)
    project = Project(tmp_path)
    first = instructor_seed(project)
    assert len(first) == 32 and instructor_seed(project) == first
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    assert instructor_seed(project, "given") == "given"
    monkeypatch.setenv("COURSE_SEED", "of the environment")
    assert instructor_seed(project) == "of the environment"
    monkeypatch.delenv("COURSE_SEED")
    (tmp_path / FILE).write_text("\n")
    with pytest.raises(CourseError, match="is empty"):
        instructor_seed(project)
