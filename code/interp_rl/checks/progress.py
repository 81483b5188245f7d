"""Where a reader stands in a notebook: which exercises pass, and the minutes each takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from interp_rl.checks.framework import MARKS, Status, latest_results


@dataclass(frozen=True)
class Progress:
    """The exercises of a notebook and how they stand; shows itself as text or as an HTML table."""

    minutes: Mapping[str, int]
    """time budget of each exercise, by its number"""
    statuses: Mapping[str, Status]
    """how each stands, by its number"""

    @property
    def summary(self) -> str:
        """One sentence: how many exercises pass, and the budget of the others."""
        passed = [number for number, status in self.statuses.items() if status == "passed"]
        left = sum(self.minutes[number] for number in self.minutes if number not in passed)
        counted = f"{len(passed)} of {len(self.minutes)} exercises passed"
        return f"{counted}, {left} minutes to go." if left else f"{counted}."

    def __repr__(self) -> str:
        lines = []
        for number, minutes in self.minutes.items():
            sign, words, _ = MARKS[self.statuses[number]]
            lines.append(f"{sign} Exercise {number} ({minutes} min): {words}")
        return "\n".join([*lines, self.summary])

    def _repr_html_(self) -> str:
        rows = ""
        for number, minutes in self.minutes.items():
            sign, words, colour = MARKS[self.statuses[number]]
            rows += (
                f'<tr><th scope="row">Exercise {escape(number)}</th><td>{minutes} min</td>'
                f'<td><span aria-hidden="true" style="color:{colour}">{sign}</span> {words}</td>'
                "</tr>"
            )
        return f"<table><caption>{self.summary}</caption><tbody>{rows}</tbody></table>"


def status(minutes: Mapping[str, int]) -> Progress:
    """Says how the exercises of a notebook stand.

    An exercise passes when each of its checks passed the last time it ran in this session; it is
    not yet right when one of them said so.

    Args:
        minutes: Time budget of each exercise of the notebook, by its number.

    Returns:
        The exercises in the given order.
    """
    return Progress(minutes, {number: _status_of(number) for number in minutes})


class needs:  # noqa: N801  reads as a word: `with progress.needs("2.2a"):`
    """Runs cells that use the answer to an exercise, and goes on where there is none yet.

        with progress.needs("2.2a"):
            logit_difference(logits, io_ids, s_ids, end_positions).mean()

    Where the exercise has its stub, or what is there does not pass its check, an error inside is
    one line instead. The error of an answer that passes is shown as ever.

    Args:
        *exercises: Numbers of the exercises.
    """

    def __init__(self, *exercises: str):
        self._exercises = exercises

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> bool:
        open_ones = [name for name in self._exercises if _status_of(name) != "passed"]
        stub = isinstance(error, NotImplementedError)
        if not isinstance(error, Exception) or not (stub or open_ones):
            return False
        exercises = " and ".join(open_ones or self._exercises)
        why = "" if stub else f" ({type(error).__name__}: {str(error)[:80]})"
        print(f"This cell needs exercise {exercises}, which does not pass yet; go on below.{why}")
        return True


def _status_of(exercise: str) -> Status:
    said = {result.status for result in latest_results.get(exercise, {}).values()}
    if "failed" in said:
        return "failed"
    return "passed" if said == {"passed"} else "not attempted"
