"""Walks an instructor's whole way, from a fork to grades, and a student's, who gets stuck.

    python tests/instructor/walk.py            prints each step; tests/instructor/transcript.txt

The fork is a bare clone on this machine, and `a-university` is nobody. Every command is run as the
instructor would run it, in the clone of the fork; what it says is the transcript, but for the names
of folders. Each step raises where something is not as the book says it is.

The whole takes about ten minutes on two idle processors, or fifteen where the chapters of this
checkout are not executed yet, for which reason `tests/instructor/test_walk.py` walks only the quick
steps, and compares them with the transcript. The student's installation in Colab has a script of
its own: `tests/colab/simulate.py`.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
for folder in ("tests/coursekit", "tests/mutation", "benchmarks"):
    sys.path.insert(0, str(ROOT / folder))

import recoverable  # noqa: E402
from grading import hand_in  # noqa: E402  the 200 submissions that the benchmark grades
from handed_in import handed_out, solved, with_answer  # noqa: E402

from coursekit.book import Book  # noqa: E402
from coursekit.project import Project  # noqa: E402

TRANSCRIPT = Path(__file__).with_name("transcript.txt")
ORIGINAL = Book(ROOT)
"""The course that is forked; it may be a fork itself."""
FORK = "https://github.com/a-university/rewarding-circuits"
WITHHELD_TO = "{1: withheld, 2: 2999-01-15, 3: 2026-01-15}"
"""Section 1 for good, 2 until a day that has not come, and 3 until one that has."""

LIMITS = ("--seconds", "8", "--memory", "600", "--workers", "2")
STUDENTS = "3-2-derivations"
"""The notebook in which a student gets stuck."""

DIAGRAM = "book/1-transformer-architecture.html"
"""The page whose first exercise is answered by a later figure."""

Say = Callable[[str], None]


class Instructor:
    """Somebody with a fork, a clone of it, and a terminal.

    Args:
        folder: An empty folder for all that the instructor has.
        say: Takes each line of the transcript.
    """

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder, self._say = folder, say
        self.course = folder / "rewarding-circuits"
        self.bare = folder / "fork.git"
        self.on_this_machine = ("-c", f"url.file://{self.bare}.insteadOf={FORK}")
        """for git, where it would reach the fork on GitHub"""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "COURSE_"))}
        nowhere = "http://127.0.0.1:9"  # so that what the doctor finds does not depend on a network
        self._environment = {
            **kept,
            "PYTHONPATH": str(self.course / "code"),
            "https_proxy": nowhere,
            "HTTPS_PROXY": nowhere,
            "OMP_NUM_THREADS": "1",
        }

    def say(self, text: str) -> None:
        """A line of the transcript, without what differs from machine to machine."""
        for path in (self.course.resolve(), self.course, self.folder.resolve(), self.folder):
            text = text.replace(f"{path}/", "").replace(str(path), ".")
        text = text.replace(ORIGINAL.repository, "https://github.com/ORIGINAL")
        for mark in ("'{}'", "origin/{}"):
            text = text.replace(mark.format(ORIGINAL.branch), mark.format("main"))
        self._say(text)

    def run(self, *command: str, status: int = 0, shown: str = ".*") -> str:
        """Runs a command in the clone.

        Args:
            command: Its words; the first is `git` or `coursekit`.
            status: The exit status that it must have.
            shown: Pattern of the lines of its output that go into the transcript.

        Returns:
            What it wrote.

        Raises:
            AssertionError: If it ends with another status.
        """
        self.say(f"$ {' '.join(command)}")
        full = [sys.executable, "-m", "coursekit.cli"] if command[0] == "coursekit" else ["git"]
        done = subprocess.run(
            [*full, *command[1:]],
            cwd=self.course if self.course.is_dir() else self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
        )
        said = done.stdout + done.stderr
        assert done.returncode == status, f"{command} ended with {done.returncode}:\n{said}"
        for line in said.splitlines():
            if line.strip() and re.search(shown, line):
                self.say(f"  {line}")
        return said

    def edit(self, pattern: str, line: str) -> None:
        """Changes the one line of `_config.yml` that matches a pattern, or adds one to `sphinx`."""
        path = self.course / "_config.yml"
        text, n = re.subn(pattern, line, path.read_text("utf-8"), count=1, flags=re.MULTILINE)
        assert n == 1, f"_config.yml has no line {pattern!r}"
        path.write_text(text, encoding="utf-8")
        self.say(f"_config.yml now says: {line.strip().splitlines()[-1].strip()}")


def fork(me: Instructor) -> None:
    """A fork on GitHub, for which a bare clone stands, and a clone of it; the doctor's first look.

    Args:
        me: The instructor.
    """
    me.say("== Fork the repository, clone the fork, ask the doctor")
    bare = me.bare
    commands = (
        ["clone", "--quiet", "--bare", str(ROOT), str(bare)],
        ["-C", str(bare), "update-ref", f"refs/heads/{ORIGINAL.branch}", "HEAD"],
        ["-C", str(bare), "symbolic-ref", "HEAD", f"refs/heads/{ORIGINAL.branch}"],
    )
    for command in commands:
        subprocess.run(["git", *command], check=True, capture_output=True)
    me.say(f"$ git clone {FORK}")
    subprocess.run(
        ["git", *me.on_this_machine, "clone", "--quiet", FORK, str(me.course)], check=True
    )
    config = me.course / "_config.yml"  # which may withhold something already
    config.write_text(re.sub(r"(?m)^ +course_solutions:.*\n", "", config.read_text("utf-8")))
    said = me.run("coursekit", "doctor", status=1)
    assert f"but this clone comes from {FORK}" in said
    assert "the site is not built" in said


def change_the_address(me: Instructor) -> None:
    """The one line to edit, and what follows from it.

    Args:
        me: The instructor.
    """
    me.say("== Change the address")
    me.edit(r"^  url: .*$", f"  url: {FORK}")
    said = me.run("coursekit", "doctor", status=1)
    assert f"links lead to {FORK}, where this clone comes from" in said
    assert "run `make notebooks` and commit what it writes" in said
    me.run("coursekit", "notebooks", shown="^wrote .*/(1-transformer|6-|2-1-the).*|notebooks")
    for path in me.course.glob("exercises/*/*.ipynb"):
        text = path.read_text("utf-8")
        assert ORIGINAL.repository not in text, path
        assert f"git+{FORK}@{ORIGINAL.branch}" in text, path
    everywhere = subprocess.run(
        ["git", "grep", "-l", ORIGINAL.repository], cwd=me.course, capture_output=True, text=True
    ).stdout.split()
    me.say(f"files that still name the original's address: {', '.join(everywhere) or 'none'}")
    said = me.run("coursekit", "doctor", status=1)
    assert "the student notebooks are up to date and install from your address" in said
    assert "commit and push: buttons open what lies at origin/" in said


def withhold(me: Instructor) -> None:
    """Three sections' solutions held back, one of them to a day that is over.

    Args:
        me: The instructor.
    """
    me.say("== Hold back the solutions of sections 1 and 2, and of section 3 to a day gone by")
    me.edit(r"^  config:$", f"  config:\n    course_solutions: {WITHHELD_TO}")
    said = me.run("coursekit", "doctor", status=1, shown="^(note|MISSING)|thing")
    assert "solutions are withheld (1: for good; 2: 2999-01-15)" in said


def build(me: Instructor) -> None:
    """The whole book; nothing of what is withheld can be recovered from it.

    Args:
        me: The instructor.
    """
    me.say("== Build the site, and search it for what is withheld")
    cache = ROOT / "_build/.jupyter_cache"
    (me.course / "_build").mkdir()
    if cache.is_dir():  # the same chapters: what they gave need not be computed again
        shutil.copytree(cache, me.course / "_build/.jupyter_cache")
    me.run("coursekit", "build", shown="^(building the site|built|build failed)")
    project = Project(me.course)
    secrets = recoverable.secrets(project, "12", with_pages=True)
    others = recoverable.secrets(project, "3", with_pages=False)
    found = recoverable.search(project.html, secrets)
    me.say(f"sections 1 and 2, withheld, and pages that hold answers: {secrets}")
    me.say(f"found of them in {found.files} files of the site, its PDFs and notebooks: {found}")
    assert not found.anything, found.examples
    assert "fig-decoder-blank" in (page := (project.html / DIAGRAM).read_text("utf-8"))
    assert "fig-decoder-shapes" not in page  # the diagram of a run would fill the blanks
    shown = recoverable.search(project.html, others)
    me.say(f"section 3, whose day is over: {others}")
    me.say(f"found of them: {shown}")
    assert shown.lines > 0.9 * len(others.lines), shown
    assert not (project.html / "handouts/solutions.pdf").exists()
    assert not list(project.html.rglob("_sources"))
    me.say("no PDF with solutions, no sources")


def publish(me: Instructor) -> None:
    """Commit and push: what GitHub's workflow would get.

    Args:
        me: The instructor.
    """
    me.say("== Commit and push")
    somebody = ("-c", "user.name=An instructor", "-c", "user.email=nobody@a-university.example")
    subprocess.run(
        ["git", *somebody, "commit", "--quiet", "--all", "--message", "Our own edition"],
        cwd=me.course,
        check=True,
    )
    push = ["git", *me.on_this_machine, "push", "--quiet", "origin", ORIGINAL.branch]
    subprocess.run(push, cwd=me.course, check=True, capture_output=True)
    me.say("$ git commit --all; git push")
    pushed = me.run("git", "-C", str(me.bare), "ls-tree", "-r", "--name-only", "HEAD", shown="^$")
    assert "_config.yml" in pushed.split()
    assert not [name for name in pushed.split() if name.startswith(("_build", ".course-seed"))]
    there = me.run("git", "-C", str(me.bare), "show", "HEAD:_config.yml", shown="url:|course_sol")
    assert FORK in there and WITHHELD_TO in there
    built = Project(me.course).site_state.is_file()
    said = me.run(
        "coursekit", "doctor", status=0 if built else 1, shown="^(ok|MISSING) +links|ready"
    )
    assert "buttons open the notebooks as they are here" in said


def write_the_autograder(me: Instructor, *names: str) -> None:
    """The zips for Gradescope, from a secret seed that git never sees.

    Args:
        me: The instructor.
        names: Notebooks; all if left out.
    """
    me.say("== Write the zips for Gradescope")
    me.run("coursekit", "autograder", *names)
    seed = (me.course / ".course-seed").read_text("utf-8").strip()
    status = me.run("git", "status", "--short", "--untracked-files", shown="_config|seed|zip")
    assert "seed" not in status and ".zip" not in status
    assert len(seed) == 32


def grade(me: Instructor) -> None:
    """200 submissions, of which 30 are hostile or broken.

    Args:
        me: The instructor.
    """
    me.say("== Grade 200 submissions, 30 of them hostile or broken")
    kinds = hand_in(Book(me.course), me.folder / "class")
    me.run("coursekit", "grade", str(me.folder / "class/in"), *LIMITS)
    reports = me.course / "_build/grades/reports"
    with (me.course / "_build/grades/grades.csv").open(encoding="utf-8") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    assert rows.keys() == kinds.keys()
    counted: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for name, kind in kinds.items():
        counted[kind].append((int(rows[name]["points"]), int(rows[name]["out of"])))
    for kind, points in sorted(counted.items()):
        full, none = sum(p == n > 0 for p, n in points), sum(p == 0 for p, n in points)
        rest = len(points) - full - none
        me.say(
            f"  {kind}: {len(points)}, of which {full} with all points, {rest} with some, "
            f"{none} with none"
        )
        if kind == "right":
            assert full == len(points)
        elif kind == "wrong":
            assert full == 0
        elif kind == "half":
            assert none == 0
        else:
            assert none == len(points)
    assert len(rows) == 200 and len(counted["hostile"]) + len(counted["no notebook"]) == 30
    assert not list((me.folder / "class/victims").iterdir())
    for number in range(len(counted["hostile"])):
        text = (reports / f"hostile-{number:02}.md").read_text("utf-8")
        said = " ".join(line.removeprefix("> ") for line in text.splitlines() if line[:1] == ">")
        me.say(f"  hostile-{number:02}: {said[:110]}")


WRONG_ANSWERS = {
    "3.2a": "right",
    "3.2b": """\
def leave_one_out(returns):
    return returns - (returns.sum() - returns) / len(returns)""",
    "3.2d": """\
def gae(rewards, values, terminated, discount, lam):
    while True:
        pass""",
}
"""One right answer, one wrong, one not begun (3.2c), and one that never ends."""


def study(say: Say, folder: Path, patience: float | None = None) -> None:
    """A student does half a notebook, and every cell of it still runs.

    Args:
        say: Takes each line of the transcript.
        folder: Where the notebook runs.
        patience: Seconds that a check may take; what the book allows if left out.
    """
    say(f"== A student hands in half of {STUDENTS}: a right answer, a wrong one, none, an endless")
    book = Book(ROOT)
    notebook, right = handed_out(book, STUDENTS), solved(book, STUDENTS)
    for exercise, answer in WRONG_ANSWERS.items():
        if answer == "right":
            [answer] = [c.source for c in _cells(right, "stub") if _number(c) == exercise]
        notebook = with_answer(notebook, exercise, answer)
    if patience is not None:
        limit = f"from interp_rl.checks import framework\nframework.TIME_LIMIT = {patience}"
        notebook.cells[0].source += f"\n{limit}"
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in codes), "a cell did not run"
    say(f"all {len(codes)} code cells ran to the end")
    for cell in [*_cells(notebook, "check"), codes[-1]]:
        say(f"{_number(cell) or 'status'}:")
        for line in _shown(cell).strip().splitlines():
            say(f"  {line}")
    said = {_number(cell): _shown(cell) for cell in _cells(notebook, "check")}
    assert "passed" in said["3.2a"] and "sum of the others by N" in said["3.2b"]
    assert "not attempted" in said["3.2c"] and "seconds" in said["3.2d"]


def ask_the_checks(say: Say) -> None:
    """What each exercise's check says to one wrong answer that tests know.

    Args:
        say: Takes each line of the transcript.
    """
    from answers import known

    say("== A wrong answer to each exercise, and what the check says")
    for number, answers in sorted(known().items()):
        name, wrong, words = answers.wrong[0]
        result = answers.check(wrong)
        assert result.status == "failed" and words in result.message, (number, result)
        say(f"{number}: {name if name != words else 'a wrong answer'}")
        for line in str(result).splitlines():
            say(f"  {line}")


def _cells(notebook: Any, tag: str) -> list[Any]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def _number(cell: Any) -> str:
    return cell.metadata.get("course", {}).get("exercise", "")


def _shown(cell: Any) -> str:
    outputs = cell.get("outputs", [])
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in outputs)


def main() -> int:
    """Command line."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    lines: list[str] = []

    def say(text: str) -> None:
        lines.append(text)
        print(text, flush=True)

    with tempfile.TemporaryDirectory(prefix="instructor-") as temporary:
        me = Instructor(Path(temporary), say)
        for step in (fork, change_the_address, withhold, build, publish):
            step(me)
        write_the_autograder(me)
        grade(me)
        study(say, me.folder)
        ask_the_checks(say)
    TRANSCRIPT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
