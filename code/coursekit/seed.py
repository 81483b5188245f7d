"""The instructor's secret seed, from which graders draw the examples that students do not see."""

import os
import secrets
from pathlib import Path

from coursekit.project import CourseError, Project

VARIABLE = "COURSE_SEED"
"""Environment variable that gives the seed."""

FILE = ".course-seed"
"""File of the course that keeps it; git ignores it."""


def instructor_seed(project: Project, given: str | None = None) -> str:
    """The seed: the one given, that of the environment, or the one in the course's file.

    Args:
        project: The course.
        given: A seed from the command line.

    Returns:
        The seed; a new one, kept in the file, where there is none yet.

    Raises:
        CourseError: If the file is empty.
    """
    if seed := (given or os.environ.get(VARIABLE, "")).strip():
        return seed
    path = project.root / FILE
    if not path.exists():
        _keep(path, secrets.token_hex(16))
        print(f"wrote a new secret seed to {FILE}; keep it to give the same grades again")
    seed = path.read_text(encoding="utf-8").strip()
    if not seed:
        raise CourseError(f"{FILE} is empty: delete it for a new seed, or write one into it")
    return seed


def _keep(path: Path, seed: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{seed}\n")
