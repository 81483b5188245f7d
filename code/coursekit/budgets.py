"""Time budgets: what pages and exercises take, estimated from what is written on them.

    coursekit budgets                   prints estimate and budget of every item, and the sums
    coursekit budgets --parts           also of every part of a page, to see where the time goes

The rule counts what a reader reads, looks at and writes; `RULE` holds its rates, each with its
reason. What is labelled optional is counted apart. An author's budget is whole minutes; `problems`
says where one is too far from the estimate, and a test fails there.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coursekit.book import Book, figure_options
from coursekit.chapter import Chapter, Directive, Text, parse
from coursekit.project import Project
from coursekit.prose import Line, lines_of_block

SECTIONS: Mapping[str, int] = {"1": 3, "2": 30, "3": 40, "4": 30, "5": 15, "6": 0}
"""Required minutes of each section, as the assignment has them."""

TOTAL = 118
"""Required minutes of the whole course."""


DISPLAYED = {"math_block", "math_block_label", "amsmath"}
"""Tokens of equations on lines of their own."""


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


@dataclass
class Item:
    """Something with a budget: a page without its optional parts, such a part, or an exercise."""

    kind: str
    """`page`, `part` or `exercise`"""
    page: str
    """name of the page's file, without its ending"""
    title: str
    budget: int
    """minutes that the author gives it"""
    optional: bool
    line: int
    number: str = ""
    """of an exercise"""
    alone: bool = False
    """an exercise that neither its page's budget nor that of an optional part covers"""
    effort: Effort = Effort()

    @property
    def estimate(self) -> float:
        """Minutes by the rule."""
        return self.effort.minutes()

    @property
    def section(self) -> str:
        """The section of the course that it belongs to, such as `2`."""
        return self.page.partition("-")[0]


@dataclass
class PageBudget:
    """The items of a page, and what each of its headings takes."""

    page: Item
    parts: list[Item] = field(default_factory=list)
    """optional parts; their exercises count in them"""
    exercises: list[Item] = field(default_factory=list)
    headings: list[tuple[str, Effort]] = field(default_factory=list)
    """every part of the page in order, optional or not, without its exercises"""

    @property
    def items(self) -> list[Item]:
        """All items, the page first."""
        return [self.page, *self.parts, *self.exercises]


def budgets(book: Book) -> list[PageBudget]:
    """Budget and estimate of everything on the numbered pages of a book.

    Args:
        book: The book.

    Returns:
        Pages in reading order.
    """
    numbered = (chapter for chapter in book.chapters.values() if chapter.name[0].isdigit())
    return [page_budget(chapter) for chapter in numbered]


def page_budget(chapter: Chapter) -> PageBudget:
    """Budget and estimate of one page and of its items.

    Args:
        chapter: The page.

    Returns:
        Its items. A page's budget covers its exercises, unless they are optional on a page that is
        not; an optional part's budget covers all that stands in it.
    """
    result = PageBudget(Item("page", chapter.name, chapter.name, 0, False, 1))
    part: Item | None = None
    part_level = 0
    inside: Item | None = None  # the exercise whose statement or solution this is
    homes: dict[str, Item | None] = {}
    for block in chapter.blocks:
        if isinstance(block, Text):
            for level, title, minutes, line, effort in _by_heading(chapter, block):
                if level == 1:
                    result.page.title = title
                if level and level <= part_level:
                    part, part_level = None, 0
                if minutes is not None and part is None:
                    part, part_level = Item("part", chapter.name, title, minutes, True, line), level
                    result.parts.append(part)
                if level:
                    result.headings.append((title, Effort()))
                _give(effort, inside, part, result)
        elif block.name == "overview":
            result.page.budget = int(block.options.get("minutes") or 0)
            result.page.optional = "optional" in block.options
            _give(_effort(chapter, block), None, part, result)
        elif block.name == "exercise-start":
            inside = _exercise(chapter, block)
            homes[inside.number] = part
            result.exercises.append(inside)
        elif block.name == "solution-start":
            inside = next((e for e in result.exercises if e.number == block.argument), None)
        elif block.name in ("exercise-end", "solution-end"):
            inside = None
        elif block.name not in ("hint", "expected"):  # read by those who need them
            _give(_effort(chapter, block), inside, part, result)
    for exercise in result.exercises:
        exercise.effort += Effort(work=_work(chapter, exercise))
        home = homes[exercise.number]
        if home is not None:
            home.effort += exercise.effort
        elif result.page.optional or not exercise.optional:
            result.page.effort += exercise.effort
        else:
            exercise.alone = True
    return result


def problems(pages: Sequence[PageBudget], rule: Rule = RULE) -> list[str]:
    """Budgets that are too far from what the rule gives.

    Args:
        pages: What `budgets` returns.
        rule: The rates and tolerances.

    Returns:
        One line for each, with file and line, and what to do.
    """
    found = []
    for item in (item for page in pages for item in page.items):
        place = f"book/{item.page}.md:{item.line}: {item.title}"
        estimate = item.effort.minutes(rule)
        if estimate > item.budget * (1 + rule.too_short) + rule.rounding:
            found.append(
                f"{place}: {estimate:.1f} min by the rule, and its budget is {item.budget}: "
                "shorten it, or mark some of it optional"
            )
        elif item.budget > max(1, estimate * (1 + rule.too_long) + rule.rounding):
            found.append(
                f"{place}: {estimate:.1f} min by the rule, and its budget is {item.budget}: "
                "lower the budget"
            )
    return found


@dataclass(frozen=True)
class Sums:
    """Minutes of a section or of the course."""

    required: int
    required_estimate: float
    optional: int
    optional_estimate: float


def sums(pages: Sequence[PageBudget], section: str | None = None) -> Sums:
    """Adds up pages and optional parts; exercises are contained in these.

    Args:
        pages: What `budgets` returns.
        section: Number of a section of the course; the whole course if left out.

    Returns:
        Required and optional minutes, as budgeted and by the rule.
    """
    items = [
        item
        for page in pages
        for item in page.items
        if (item.kind != "exercise" or item.alone) and section in (None, item.section)
    ]
    required = [item for item in items if not item.optional]
    optional = [item for item in items if item.optional]
    return Sums(
        sum(item.budget for item in required),
        sum(item.estimate for item in required),
        sum(item.budget for item in optional),
        sum(item.estimate for item in optional),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: prints the budgets.

    Args:
        argv: Arguments without the program's name.

    Returns:
        0 if every budget is within the tolerance of its estimate, else 1.

    Raises:
        CourseError: If there is no course.
    """
    parser = argparse.ArgumentParser(prog="coursekit budgets", description=main.__doc__)
    parser.add_argument("--parts", action="store_true", help="show every part of each page")
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    options = parser.parse_args(argv)
    pages = budgets(Book(Project.find(options.root).root))
    for page in pages:
        for item in page.items:
            name = {"page": "", "part": "  part", "exercise": f"  exercise {item.number}"}[item.kind]
            state = "optional" if item.optional else ""
            print(f"{item.budget:4} min {item.estimate:6.1f} {state:9} {name} {item.title}".rstrip())
        for title, effort in page.headings if options.parts else ():
            print(f"{'':8} {effort.minutes():6.1f} {'':9}     {title}")
    for section in (*SECTIONS, None):
        total = sums(pages, section)
        name = "whole course" if section is None else f"section {section}"
        allowed = TOTAL if section is None else SECTIONS[section]
        print(
            f"{name}: required {total.required} min of {allowed}, by the rule "
            f"{total.required_estimate:.1f}; optional {total.optional}, by the rule "
            f"{total.optional_estimate:.1f}"
        )
    found = problems(pages)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


def _give(effort: Effort, inside: Item | None, part: Item | None, page: PageBudget) -> None:
    """Counts an effort where it belongs: to an exercise, an optional part, or the page."""
    (inside or part or page.page).effort += effort
    if page.headings and inside is None:
        title, so_far = page.headings[-1]
        page.headings[-1] = (title, so_far + effort)


def _by_heading(
    chapter: Chapter, block: Text
) -> Iterator[tuple[int, str, int | None, int, Effort]]:
    """Text taken apart at its headings: level (0 without one), title, optional minutes, line."""
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
    """Words of a line as the linter sees it; a formula, a piece of code or a number is one."""
    return sum(any(c.isalnum() or c == "□" for c in word) for word in text.split())


def _effort(chapter: Chapter, block: Directive) -> Effort:
    """What a directive other than an exercise asks of a reader."""
    words = sum(count_words(line.text) for line in _read_lines(chapter, block))
    if not block.is_code_cell:
        return Effort(
            words=words, figures=block.name == "figure", equations=block.name == "math"
        )
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


def _exercise(chapter: Chapter, block: Directive) -> Item:
    options = block.options
    item = Item(
        "exercise",
        chapter.name,
        block.argument,
        int(options.get("minutes") or 0),
        "optional" in options,
        block.line,
        options.get("number", ""),
    )
    item.effort = Effort(words=count_words(block.argument))
    return item


def _work(chapter: Chapter, exercise: Item, rule: Rule = RULE) -> float:
    """Minutes of thinking and writing that an exercise takes."""
    stubs, solutions, difficulty = _code_of(chapter, exercise)
    blanks = sum(count_blanks(cell.body) for cell in stubs)
    if blanks:
        return blanks * difficulty * rule.seconds_per_blank / 60
    written = sum(code_lines(cell.body) for cell in solutions if "check" not in cell.tags)
    lines = written if stubs else exercise.effort.equations
    return difficulty * rule.minutes_per_star + lines * rule.minutes_per_line


def _code_of(chapter: Chapter, exercise: Item) -> tuple[list[Directive], list[Directive], int]:
    """Stubs, cells of the solution, and difficulty of an exercise."""
    stubs, solutions, difficulty, at = [], [], 1, ""
    for block in chapter.blocks:
        if isinstance(block, Text):
            continue
        if block.name in ("exercise-start", "solution-start"):
            at = block.options.get("number") or block.argument
            if at == exercise.number and block.name == "exercise-start":
                difficulty = int(block.options.get("difficulty") or 1)
        elif block.name in ("exercise-end", "solution-end"):
            at = ""
        elif at == exercise.number and block.is_code_cell:
            (stubs if "stub" in block.tags else solutions).append(block)
    return stubs, [cell for cell in solutions if "solution" in cell.tags], difficulty


def count_blanks(code: str) -> int:
    """Places in a stub where `...` stands for a value that the reader fills in.

    Args:
        code: Python.

    Returns:
        Their number; an ellipsis among indices, or as a body, is none.
    """
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
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Import | ast.ImportFrom) or is_text:
            given.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    numbered = enumerate(code.splitlines(), start=1)
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in given
        for number, line in numbered
    )


if __name__ == "__main__":
    sys.exit(main())
