"""What graders and students read: one table of points, and a page for each submission."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coursekit.grading.submissions import Submission
from coursekit.grading.worker import Verdict


@dataclass
class Grades:
    """A submission and what became of its exercises."""

    submission: Submission
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """by the exercise's number"""

    @property
    def points(self) -> int:
        """Points earned."""
        assignment = self.submission.assignment
        items = assignment.items if assignment else ()
        return sum(
            item.points
            for item in items
            if item.number in self.verdicts and self.verdicts[item.number].passed
        )

    @property
    def out_of(self) -> int:
        """Points that could be earned; 0 where it is not known what was handed in."""
        return self.submission.assignment.points if self.submission.assignment else 0

    @property
    def seconds(self) -> float:
        """Time that grading took."""
        return sum(verdict.seconds for verdict in self.verdicts.values())


def write(grades: Sequence[Grades], folder: Path) -> Path:
    """Writes `grades.csv` and `reports/<submission>.md`.

    Args:
        grades: All submissions.
        folder: Where to write; made if missing.

    Returns:
        Path of the table.
    """
    numbers = sorted({number for each in grades for number in each.verdicts})
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "grades.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["submission", "notebook", "points", "out of", *numbers, "problem"])
        for each in grades:
            assignment = each.submission.assignment
            writer.writerow(
                [
                    _plain(each.submission.name),
                    assignment.name if assignment else "",
                    each.points,
                    each.out_of,
                    *(_points(each, number) for number in numbers),
                    each.submission.problem,
                ]
            )
    for each in grades:
        path = folder / "reports" / f"{each.submission.name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(each), encoding="utf-8")
    return table


def page(grades: Grades) -> str:
    """A submission's report.

    Args:
        grades: The submission and its verdicts.

    Returns:
        Markdown.
    """
    submission = grades.submission
    lines = [f"# {submission.name}", ""]
    if submission.problem or submission.assignment is None:
        return "\n".join([*lines, f"Not graded: {submission.problem}.", ""])
    lines += [
        f"**{grades.points} of {grades.out_of} points** for {submission.assignment.name}.",
        "",
    ]
    for item in submission.assignment.items:
        verdict = grades.verdicts.get(item.number, Verdict(False, "It was not graded."))
        sign, points = ("✓", item.points) if verdict.passed else ("✗", 0)
        lines.append(f"## {sign} Exercise {item.number}: {item.title}")
        lines += ["", f"{points} of {item.points} points."]
        if verdict.message:
            lines += ["", *(f"> {line}" for line in verdict.message.splitlines())]
        lines.append("")
    return "\n".join(lines)


def summary(grades: Sequence[Grades], walls: str, seconds: float) -> Mapping[str, object]:
    """Figures of a grading run.

    Args:
        grades: All submissions.
        walls: What held the students' code.
        seconds: Time from beginning to end, without loading.

    Returns:
        How many submissions there were, how many could not be read, and the time for each.
    """
    unread = sum(bool(each.submission.problem) for each in grades)
    return {
        "submissions": len(grades),
        "not graded": unread,
        "walls": walls,
        "seconds": round(seconds, 1),
        "seconds per submission": round(seconds / max(1, len(grades)), 2),
    }


def _points(grades: Grades, number: str) -> int | str:
    assignment = grades.submission.assignment
    points = {item.number: item.points for item in assignment.items} if assignment else {}
    if number not in points:
        return ""
    return points[number] if number in grades.verdicts and grades.verdicts[number].passed else 0


def _plain(name: str) -> str:
    """A name that a spreadsheet does not take for a formula."""
    return f"'{name}" if name[:1] in "=+-@\t" else name
