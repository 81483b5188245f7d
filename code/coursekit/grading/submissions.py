"""The notebooks that students handed in, whatever they really are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coursekit.grading.assignment import Assignment, Item
from coursekit.grading.slicing import Statement, names_in, needed, read_cell
from coursekit.project import CourseError

LARGEST_MB = 25
"""Size of a notebook beyond which it is not read."""


@dataclass(frozen=True)
class Submission:
    """A file that was handed in."""

    name: str
    """path below the folder of submissions, without its ending: what the report calls it"""
    path: Path
    assignment: Assignment | None = None
    problem: str = ""
    """why it cannot be graded, if it cannot"""
    statements: Sequence[Statement] = field(default=(), repr=False)
    """those at the top of its code cells"""
    changed: frozenset[int] = field(default=frozenset(), repr=False)
    """positions of the statements in cells that were not handed out so"""


def find(folder: Path, assignments: Mapping[str, Assignment]) -> list[Submission]:
    """Reads every file in a folder of submissions.

    Args:
        folder: Files, or folders of files, one for each student.
        assignments: What can be graded, by name.

    Returns:
        One submission for each file, in the order of their names; hidden files are passed over.

    Raises:
        CourseError: If the folder does not exist or holds no file.
    """
    if not folder.is_dir():
        raise CourseError(f"there is no folder {folder}: SUBMISSIONS names the one to grade")
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    ]
    if not files:
        raise CourseError(f"the folder {folder} holds no file to grade")
    return [read(path, folder, assignments) for path in files]


def read(path: Path, folder: Path, assignments: Mapping[str, Assignment]) -> Submission:
    """Reads a file that was handed in.

    Args:
        path: The file.
        folder: The folder of submissions.
        assignments: What can be graded, by name.

    Returns:
        The submission; with a `problem` where the file is no notebook of the course.
    """
    relative = path.relative_to(folder)
    name = relative.with_suffix("" if path.suffix == ".ipynb" else path.suffix).as_posix()
    try:
        if path.stat().st_size > LARGEST_MB << 20:
            return Submission(name, path, problem=f"the file is larger than {LARGEST_MB} MB")
        notebook = json.loads(path.read_text(encoding="utf-8"))
        sources = [_source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        chapter = (notebook.get("metadata") or {}).get("course", {}).get("chapter", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Submission(name, path, problem="the file is not a notebook")
    statements = [part for i, source in enumerate(sources) for part in read_cell(source, i)]
    assignment = assignments.get(chapter) or _recognised(path, statements, assignments)
    if assignment is None:
        return Submission(name, path, problem="the notebook belongs to no chapter that is graded")
    handed_out = {source.strip() for source in assignment.cells}
    mine = {i for i, source in enumerate(sources) if source.strip() not in handed_out}
    changed = frozenset(i for i, part in enumerate(statements) if part.cell in mine)
    return Submission(name, path, assignment, statements=statements, changed=changed)


def code_for(submission: Submission, item: Item, *, changed_too: bool = False) -> list[str]:
    """The statements to run for an exercise.

    Args:
        submission: A submission that can be graded.
        item: The exercise.
        changed_too: Whether to run every cell that the student changed, and what it needs.

    Returns:
        Their code, in the order of the notebook.
    """
    parts, wanted = submission.statements, names_in(item.answer)
    chosen = set(needed(parts, wanted))
    if changed_too or not chosen:  # perhaps something that is no plain definition defines it
        uses = {name for i in submission.changed for name in parts[i].uses}
        chosen |= {*submission.changed, *needed(parts, wanted | uses)}
    return [parts[i].source for i in sorted(chosen)]


def _source(cell: dict) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _recognised(
    path: Path, statements: Sequence[Statement], assignments: Mapping[str, Assignment]
) -> Assignment | None:
    """The assignment of a notebook without our metadata: by its name, or by its answers."""
    for part in (path.stem, path.parent.name):
        found = [name for name in assignments if name in part]
        if found:
            return assignments[max(found, key=len)]
    bound = {name for statement in statements for name in statement.binds}
    scores = {
        name: sum(names_in(item.answer) <= bound for item in assignment.items)
        for name, assignment in assignments.items()
    }
    best = max(scores, key=lambda name: scores[name], default="")
    return assignments[best] if best and scores[best] else None
