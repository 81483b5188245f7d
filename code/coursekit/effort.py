"""What there is to read, to look at and to write in a piece of a page, and how long that takes."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from coursekit.book import figure_options
from coursekit.chapter import Chapter, Directive, Text, parse
from coursekit.prose import STAND_IN, Line, lines_of_block

DISPLAYED = {"math_block", "math_block_label", "amsmath"}
"""Tokens of equations on lines of their own."""

TEMPLATE = "# fill in the blanks:"
"""The line of a stub that is followed by a solution with blanks, as comments."""


@dataclass(frozen=True)
class Rule:
    """What counts how much."""

    words_per_minute: float = 238
    """mean of adults who read non-fiction silently in English (Brysbaert, 2019)"""
    slow_words_per_minute: float = 175
    """most of them are faster than this (Brysbaert, 2019); shown beside the estimate"""
    seconds_per_line: float = 2
    """of code that is shown; code behind a fold is not counted"""
    seconds_per_output: float = 10
    """of a cell whose code is shown, as its output is a few lines"""
    seconds_per_figure: float = 20
    """besides the words of its caption"""
    seconds_per_equation: float = 15
    """on a line of its own; one within a sentence counts as a word"""
    minutes_per_star: float = 1
    """thinking about a question, for each star of its difficulty"""
    minutes_per_line: float = 0.5
    """writing a line of the solution: of code where code is asked for, else a displayed equation"""
    seconds_per_blank: float = 15
    """filling in one blank, for each star of the difficulty, in the place of writing lines"""

    too_short: float = 0.15
    """share by which an estimate may exceed its budget"""
    too_long: float = 0.5
    """share by which a budget may exceed its estimate"""
    rounding: float = 0.5
    """minutes by which either may be off in addition, as budgets are whole minutes, at least one"""


RULE = Rule()


@dataclass(frozen=True)
class Effort:
    """What there is to read, to look at and to write."""

    words: int = 0
    lines: int = 0
    """lines of code that are shown"""
    outputs: int = 0
    figures: int = 0
    equations: int = 0
    work: float = 0.0
    """minutes of thinking and writing, in an exercise"""

    def __add__(self, other: "Effort") -> "Effort":
        mine, its = vars(self), vars(other)
        return Effort(**{name: mine[name] + its[name] for name in mine})

    def minutes(self, rule: Rule = RULE) -> float:
        """What all of it takes.

        Args:
            rule: The rates.

        Returns:
            Minutes, not rounded.
        """
        seconds = (
            self.lines * rule.seconds_per_line
            + self.outputs * rule.seconds_per_output
            + self.figures * rule.seconds_per_figure
            + self.equations * rule.seconds_per_equation
        )
        return self.words / rule.words_per_minute + seconds / 60 + self.work


def by_heading(chapter: Chapter, block: Text) -> Iterator[tuple[int, str, int | None, int, Effort]]:
    """Takes text apart at its headings.

    Args:
        chapter: The page.
        block: Text of it.

    Yields:
        For each piece: level of its heading (0 where it has none), the heading's words, its minutes
        if it is labelled optional, its line, and what the piece asks of a reader.
    """
    tokens = parse(chapter.parser, block.source)
    levels = iter([int(token.tag[1]) for token in tokens if token.type == "heading_open"])
    equations = [t.map[0] for t in tokens if t.type in DISPLAYED and t.map]
    level, title, minutes, line = 0, "", None, block.line
    words, start = 0, block.line

    def so_far(end: float) -> Effort:
        here = sum(start <= block.line + row < end for row in equations)
        return Effort(words=words, equations=here)

    for prose in lines_of_block(chapter, block):
        if prose.kind == "heading":
            yield level, title, minutes, line, so_far(prose.number)
            level, title, line, words = next(levels), prose.text.strip(), prose.number, 0
            minutes, start = _optional_minutes(prose), prose.number
        words += count_words(prose.text)
    yield level, title, minutes, line, so_far(float("inf"))


def _optional_minutes(heading: Line) -> int | None:
    """The minutes of a heading that is labelled optional."""
    for token in heading.tokens:
        if token.type == "myst_role" and token.meta["name"] == "optional":
            found = re.match(r"\d+", token.content)
            return int(found.group()) if found else 0
    return None


def count_words(text: str) -> int:
    """Counts words.

    Args:
        text: A line as the linter sees it.

    Returns:
        Their number; a formula, a piece of code or a glued number is one.
    """
    return sum(any(c.isalnum() or c == STAND_IN for c in word) for word in text.split())


def effort_of(chapter: Chapter, block: Directive) -> Effort:
    """Measures a directive other than an exercise.

    Args:
        chapter: The page.
        block: A directive of it.

    Returns:
        What it asks of a reader.
    """
    words = sum(count_words(line.text) for line in _read_lines(chapter, block))
    if not block.is_code_cell:
        return Effort(words=words, figures=block.name == "figure", equations=block.name == "math")
    if {"remove-cell", "remove-input", "hidden-test"} & set(block.tags):
        return Effort()
    figure = bool(figure_options(block)) or "plots.show(" in block.body
    if "hide-input" in block.tags:
        return Effort(words=words, figures=figure, outputs=not figure)
    lines = sum(bool(line.strip()) for line in block.body.splitlines())
    is_check = "check" in block.tags
    return Effort(
        words=words,
        lines=0 if is_check else lines,
        figures=figure,
        outputs=not figure and not is_check and "stub" not in block.tags,
    )


def _read_lines(chapter: Chapter, block: Directive) -> list[Line]:
    """The prose of a directive that is seen: texts for those who cannot see are not counted."""
    alt = block.options.get("alt")
    lines = lines_of_block(chapter, block)
    return [line for line in lines if not (alt and line.kind == "title" and line.text in alt)]


def count_blanks(code: str) -> int:
    """Places in a stub where `...` stands for a value that the reader fills in.

    Args:
        code: Python. A stub that has to end in its error may hold a template in the comments that
            follow the line `# fill in the blanks:`.

    Returns:
        Their number. An ellipsis among indices, or as a body, is none, but in a template, which
        says of itself what its ellipses are, each is one.
    """
    template = re.search(rf"^ *{TEMPLATE}\n((?: *#.*\n?)+)", code, re.MULTILINE)
    if template:
        return template[1].count("...")
    tree = ast.parse(code)
    indices = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        for inner in ast.walk(node.slice)
    }
    bodies = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return sum(
        isinstance(node, ast.Constant)
        and node.value is Ellipsis
        and id(node) not in indices | bodies
        for node in ast.walk(tree)
    )


def code_lines(code: str) -> int:
    """Lines of a solution that a reader writes: no comments, imports, headers, texts, blank lines.

    Args:
        code: Python.

    Returns:
        Their number.
    """
    tree = ast.parse(code)
    given: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = node.body[0]
            given.update(range(node.lineno, first.lineno))
        if isinstance(node, ast.Import | ast.ImportFrom) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            given.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    numbered = enumerate(code.splitlines(), start=1)
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in given
        for number, line in numbered
    )
