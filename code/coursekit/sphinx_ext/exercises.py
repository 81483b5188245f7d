"""The directives an author writes: exercises, hints, expected outputs, solutions.

An exercise or a solution contains executed cells, and a cell cannot stand inside a directive.
So authors mark where it starts and where it ends, and `pairing` gathers what stands between.
"""

from collections.abc import Callable
from typing import TypeVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from coursekit.sphinx_ext import fields
from coursekit.sphinx_ext.nodes import exercise_list, fold, gate, headline, overview
from coursekit.sphinx_ext.reading import check_labelled

logger = logging.getLogger(__name__)

_Value = TypeVar("_Value")


class CourseDirective(SphinxDirective):
    """What the directives share: options read with a warning that says where and what."""

    final_argument_whitespace = True

    def read(self, option: str, parse: Callable[[str], _Value], instead: _Value) -> _Value:
        """Read one option; where it is missing or wrong, warn and go on with ``instead``."""
        try:
            return fields.required(self.options, option, parse)
        except ValueError as problem:
            self.warn(str(problem))
            return instead

    def warn(self, message: str) -> None:
        """Warn at this directive's line; a book is built with warnings as errors."""
        logger.warning("%s: %s", self.name, message, location=self.get_location())

    def headline(self) -> headline:
        """Read the directive's argument as a title with inline Markdown."""
        if not self.arguments:
            return headline()
        children, _ = self.state.inline_text(self.arguments[0], self.lineno)
        return headline("", "", *children)

    def marked(self, node: nodes.Element) -> list[nodes.Node]:
        """Return ``node`` as the directive's result, with its place in the source."""
        self.set_source_info(node)
        return [node]


class ExerciseStart(CourseDirective):
    """``{exercise-start} Title`` with its number, minutes and difficulty.

    A grader gives a point for each star of difficulty, or as many as ``:points:`` says.
    """

    required_arguments = 1
    option_spec = {  # noqa: RUF012 (docutils reads it from the class)
        "number": directives.unchanged,
        "minutes": directives.unchanged,
        "difficulty": directives.unchanged,
        "points": directives.unchanged,
        "optional": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Mark the start of an exercise."""
        if "points" in self.options:  # the page does not show them
            self.read("points", fields.points, 1)
        start = gate(
            "",
            self.headline(),
            kind="exercise",
            opens=True,
            number=self.read("number", fields.number, fields.UNKNOWN),
            minutes=self.read("minutes", fields.minutes, 0),
            difficulty=self.read("difficulty", fields.difficulty, 1),
            optional="optional" in self.options,
        )
        return self.marked(start)


class ExerciseEnd(CourseDirective):
    """``{exercise-end}``."""

    def run(self) -> list[nodes.Node]:
        """Mark the end of an exercise."""
        return self.marked(gate(kind="exercise", opens=False))


class SolutionStart(CourseDirective):
    """``{solution-start} 2.2a``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Mark the start of the solution of the exercise named."""
        start = gate("", headline(), kind="solution", opens=True, number=self.arguments[0])
        return self.marked(start)


class SolutionEnd(CourseDirective):
    """``{solution-end}``."""

    def run(self) -> list[nodes.Node]:
        """Mark the end of a solution."""
        return self.marked(gate(kind="solution", opens=False))


class SpoilerStart(CourseDirective):
    """``{spoiler-start} 1``: what follows gives the answer of the exercise named away."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Mark the start."""
        return self.marked(gate(kind="spoiler", opens=True, number=self.arguments[0]))


class SpoilerEnd(CourseDirective):
    """``{spoiler-end}``."""

    def run(self) -> list[nodes.Node]:
        """Mark the end."""
        return self.marked(gate(kind="spoiler", opens=False))


class Fold(CourseDirective):
    """``{hint}`` and ``{expected}``: closed until the reader opens it."""

    optional_arguments = 1
    has_content = True
    option_spec = {"exercise": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Read the body of the fold."""
        if not self.content:
            self.warn("there is nothing in it")
        node = fold(
            "",
            self.headline(),
            kind=self.name,
            number=self.read("exercise", fields.number, fields.UNKNOWN),
        )
        self.state.nested_parse(self.content, self.content_offset, node)
        return self.marked(node)


class Overview(CourseDirective):
    """``{overview}``: what a chapter teaches, what it needs, how long it takes."""

    has_content = True
    option_spec = {"minutes": directives.unchanged, "optional": directives.flag}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Read the box at the head of a chapter."""
        node = overview(
            minutes=self.read("minutes", fields.budget, 0), optional="optional" in self.options
        )
        self.state.nested_parse(self.content, self.content_offset, node)
        for problem in check_labelled(node):
            self.warn(problem)
        return self.marked(node)


class ExerciseList(CourseDirective):
    """``{exercise-list}``: the table of all exercises of the book with their budgets."""

    def run(self) -> list[nodes.Node]:
        """Mark the place of the table."""
        return self.marked(exercise_list())


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("exercise-start", ExerciseStart)
    app.add_directive("exercise-end", ExerciseEnd)
    app.add_directive("solution-start", SolutionStart)
    app.add_directive("solution-end", SolutionEnd)
    app.add_directive("spoiler-start", SpoilerStart)
    app.add_directive("spoiler-end", SpoilerEnd)
    app.add_directive("hint", Fold, override=True)  # docutils has an admonition of that name
    app.add_directive("expected", Fold)
    app.add_directive("overview", Overview)
    app.add_directive("exercise-list", ExerciseList)
