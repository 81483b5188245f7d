"""What grading costs: 200 submissions, of which 30 are hostile or broken, on two processes.

python benchmarks/grading.py [--json] [--save]
"""

from __future__ import annotations

import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from harness import provenance, ratio, run

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/coursekit"))

from handed_in import (  # noqa: E402  the same ones that the tests grade
    HOSTILE,
    NOT_NOTEBOOKS,
    handed_out,
    hostile,
    solved,
    with_answer,
)

from coursekit import autograder  # noqa: E402
from coursekit.book import Book  # noqa: E402
from coursekit.grade import grade_folder  # noqa: E402
from coursekit.grading.assignment import assignments  # noqa: E402
from coursekit.grading.report import Grades  # noqa: E402
from coursekit.grading.sandbox import Limits, available  # noqa: E402
from coursekit.project import Project  # noqa: E402

SEED = 0
SUBMISSIONS, WORKERS, PAIRS = 200, 2, 3
LIMITS = Limits(seconds=3.0, memory_mb=600)
SHORT = "2-2-circuits-and-metrics"


def hand_in(book: Book, folder: Path) -> dict[str, str]:
    """Writes the submissions; returns what kind each is, by name."""
    draw = random.Random(SEED)
    kinds: dict[str, str] = {}
    (folder / "victims").mkdir(parents=True)

    def write(name: str, notebook: object, kind: str) -> None:
        (folder / "in").mkdir(exist_ok=True)
        (folder / "in" / f"{name}.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
        kinds[name] = kind

    for number, kind in enumerate(HOSTILE):
        victims = [str(folder / "victims"), str(folder / "in")]
        write(f"hostile-{number:02}", hostile(book, kind, victims, "127.0.0.1", 9), "hostile")
    for name, make in NOT_NOTEBOOKS.items():
        make(folder / "in" / name)
        kinds[name.removesuffix(".ipynb")] = "no notebook"
    found = assignments(book)
    ready = {name: (handed_out(book, name), solved(book, name)) for name in found}
    for number in range(SUBMISSIONS - len(kinds)):
        name = draw.choice(list(found))
        untouched, right = ready[name]
        kind = draw.choices(["right", "half", "wrong", "untouched"], [6, 2, 2, 1])[0]
        notebook = right if kind in ("right", "wrong") else untouched
        item = draw.choice(found[name].items)
        answer = next(
            cell.source
            for cell in right.cells
            if cell.metadata.get("course", {}).get("exercise") == item.number
            and "stub" in cell.metadata.get("tags", [])
        )
        if kind == "half":
            notebook = with_answer(notebook, item.number, answer)
        elif kind == "wrong":
            wrong = answer.replace("return ", "return 0 * ")
            if wrong == answer:  # a value, such as the labels of a diagram
                wrong += f"\n{item.answer} = {{}}"
            notebook = with_answer(notebook, item.number, wrong)
        write(f"student-{number:03}", notebook, kind)
    return kinds


def by_otter(folder: Path, archive: Path, notebook: Path) -> float:
    """Seconds in which Otter's own runner grades a notebook, without a container."""
    code = "import sys; from otter.run import main; main(sys.argv[1], autograder=sys.argv[2])"
    started = time.perf_counter()
    command = [sys.executable, "-c", code, str(notebook), str(archive)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def measure() -> dict:
    """Grade the folder, and a few of its notebooks by Otter, too."""
    project, book = Project(ROOT), Book(ROOT)
    walls = available()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        kinds = hand_in(book, folder)
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        grades, seconds = grade_folder(
            project, folder / "in", "a secret", workers=WORKERS, walls=walls, limits=LIMITS
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        loading = time.perf_counter() - started - seconds
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        for grade in grades:
            correct(grade, kinds[grade.submission.name])
        archive = autograder.write(assignments(book)[SHORT], book, "a secret", folder)
        alone, otter = [], []
        (folder / "one").mkdir()
        path = folder / "one" / f"{SHORT}.ipynb"
        path.write_text(nbformat.writes(solved(book, SHORT)), encoding="utf-8")
        for _ in range(PAIRS):
            otter.append(by_otter(folder, archive, path))
            one = grade_folder(
                project, folder / "one", "a secret", workers=1, walls=walls, limits=LIMITS
            )
            alone.append(one[1])
    spent: dict[str, list[float]] = {}
    for grade in grades:
        spent.setdefault(kinds[grade.submission.name], []).append(grade.seconds)
    return {
        "question": "What does grading cost?",
        "ratios": {"a notebook run by Otter / graded here, once loaded": ratio(otter, alone)},
        "tables": {
            "seconds for a submission": {
                "loading, once for all": one_number(loading),
                **{kind: spread(times) for kind, times in spent.items() if any(times)},
                "all, by the clock": one_number(seconds / len(grades)),
                "all, of the processor": one_number(processor / len(grades)),
            }
        },
        "setting": {
            "submissions": len(grades),
            "hostile or broken": sum(k in ("hostile", "no notebook") for k in kinds.values()),
            "processes": WORKERS,
            "seconds allowed": LIMITS.seconds,
        },
        "provenance": provenance(["torch", "transformers", "otter-grader"], SEED),
    }


def correct(grade: Grades, kind: str) -> None:
    """Stops the benchmark where a submission did not get what it deserves."""
    if kind == "right":
        assert grade.points == grade.out_of > 0, grade
    if kind == "wrong":
        assert grade.points < grade.out_of, grade
    if kind in ("hostile", "untouched", "no notebook"):
        assert grade.points == 0, grade


def spread(values: list[float]) -> dict[str, float]:
    """Median, smallest and largest of some numbers."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def one_number(value: float) -> dict[str, float]:
    """A number that was measured once, in the form of a spread."""
    return {"median": value, "min": value, "max": value}


if __name__ == "__main__":
    run("grading", measure)
