"""Grades a folder of notebooks that students handed in.

    coursekit grade SUBMISSIONS      writes _build/grades/grades.csv and a report for each student

Each exercise is graded in a process of its own, with limits of time and memory, without a network,
and with the examples that the instructor's secret seed gives. A submission that breaks costs itself
its points, and no other.
"""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from coursekit.book import Book
from coursekit.grading import report
from coursekit.grading.assignment import assignments
from coursekit.grading.pool import Pool, preload
from coursekit.grading.report import Grades
from coursekit.grading.sandbox import Limits, Walls, available
from coursekit.grading.submissions import Submission, code_for, find
from coursekit.grading.worker import Job
from coursekit.project import CourseError, Project
from coursekit.seed import FILE, instructor_seed

GRADER = "interp_rl.checks.grading"
"""Module of the checks' package with `grade(check, answer, secret)`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: grades a folder.

    Args:
        argv: Arguments without the program's name.

    Returns:
        0: that submissions are wrong is no failure of grading.

    Raises:
        CourseError: If there is no course or nothing to grade.
    """
    parser = argparse.ArgumentParser(prog="coursekit grade", description=main.__doc__)
    parser.add_argument("submissions", help="folder of notebooks")
    parser.add_argument("--output", type=Path, help="folder for the results (_build/grades)")
    parser.add_argument("--seed", help="the secret seed (COURSE_SEED, or the file .course-seed)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument(
        "--seconds", type=float, default=Limits.seconds, help="limit for each exercise"
    )
    parser.add_argument(
        "--memory", type=int, default=Limits.memory_mb, help="limit for each exercise, in MB"
    )
    parser.add_argument(
        "--walls",
        choices=["auto", "namespaces", "guard"],
        default="auto",
        help="what holds the students' code; auto: the kernel's namespaces where there are any",
    )
    parser.add_argument("--root", type=Path, help="the course's folder (found from the current)")
    options = parser.parse_args(argv)
    if not options.submissions:  # which would be the current folder
        raise CourseError("name the folder to grade: make grade SUBMISSIONS=path/to/folder")
    project = Project.find(options.root)
    walls: Walls = available() if options.walls == "auto" else options.walls
    if walls == "guard":
        print(
            "the kernel gives no namespaces here: a guard in Python refuses network, programs and "
            "writing elsewhere, which stops accidents; grade what you do not trust in a container",
            file=sys.stderr,
        )
    limits = Limits(seconds=options.seconds, memory_mb=options.memory)
    output = options.output or project.build / "grades"
    seed = instructor_seed(project, options.seed)
    grades, seconds = grade_folder(
        project,
        Path(options.submissions),
        seed,
        workers=options.workers or 1,
        walls=walls,
        limits=limits,
    )
    table = report.write(grades, output)
    for what, figure in report.summary(grades, walls, seconds).items():
        print(f"{what}: {figure}")
    print(f"wrote {table} and {output / 'reports'}")
    return 0


def grade_folder(
    project: Project, folder: Path, seed: str, *, workers: int, walls: Walls, limits: Limits
) -> tuple[list[Grades], float]:
    """Grades every file in a folder.

    Args:
        project: The course.
        folder: The submissions.
        seed: The instructor's secret seed.
        workers: How many processes at a time.
        walls: What holds each of them.
        limits: What each may use.

    Returns:
        The grades in the order of the names, and the seconds they took without loading.

    Raises:
        CourseError: If there is nothing to grade.
    """
    submissions = find(folder, assignments(Book(project.root)))
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    wanted = {s.assignment.name: s.assignment for s in submissions if s.assignment}
    try:
        grade = importlib.import_module(GRADER).grade
    except ImportError as error:
        raise CourseError(f"the course's package cannot be imported: {error}") from error
    preload(wanted.values())
    pool = Pool(grade, workers, walls, limits)
    hidden = (folder.resolve(), project.root.resolve() / FILE)
    graded = {submission.name: Grades(submission) for submission in submissions}
    started = time.monotonic()
    first = _jobs(submissions, seed, hidden, code_for)
    again = []
    for (submission, item), verdict in pool.grade_all(first):
        graded[submission.name].verdicts[item.number] = verdict
        everything = code_for(submission, item, changed_too=True)
        if not verdict.passed and everything != code_for(submission, item):
            again.append(((submission, item), _job(item, everything, seed, hidden)))
    # an answer may lean on cells in ways that its names do not show: try with all that was changed
    for (submission, item), verdict in pool.grade_all(again):
        if verdict.finished:
            graded[submission.name].verdicts[item.number] = verdict
    return list(graded.values()), time.monotonic() - started


def _jobs(
    submissions: Sequence[Submission],
    seed: str,
    hidden: tuple[Path, ...],
    code: Callable[..., list[str]],
) -> list[tuple[Any, Job]]:
    return [
        ((submission, item), _job(item, code(submission, item), seed, hidden))
        for submission in submissions
        if submission.assignment
        for item in submission.assignment.items
    ]


def _job(item: Any, code: list[str], seed: str, hidden: tuple[Path, ...]) -> Job:
    return Job(item, code, f"{seed}/{item.number}", Path(), hidden)


if __name__ == "__main__":
    sys.exit(main())
