"""Time budgets: what pages and exercises take, estimated from what is written on them.

    coursekit budgets                   prints estimate and budget of every item, and the sums
    coursekit budgets --parts           also of every part of a page, to see where the time goes

The rule counts what a reader reads, looks at and writes; `effort.RULE` holds its rates, each with
its reason. What is labelled optional is counted apart, and the still picture of a laboratory not at
all. An author's budget is whole minutes; `problems` says where one is too far from the estimate,
and a test fails there.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coursekit.book import Book
from coursekit.chapter import Chapter, Directive, Text
from coursekit.effort import (
    RULE,
    Effort,
    Rule,
    by_heading,
    code_lines,
    count_blanks,
    count_words,
    effort_of,
)
from coursekit.project import Project

SECTIONS: Mapping[str, int] = {"1": 3, "2": 30, "3": 40, "4": 30, "5": 15, "6": 0}
"""Required minutes of each section, as the assignment has them."""

TOTAL = 118
"""Required minutes of the whole course."""


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
    effort: Effort = field(default_factory=Effort)

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
    in_lab = False  # what stands there is for those who do not use the laboratory
    homes: dict[str, Item | None] = {}
    for block in chapter.blocks:
        if in_lab:
            in_lab = isinstance(block, Text) or block.name != "lab-end"
        elif isinstance(block, Text):
            for level, title, minutes, line, effort in by_heading(chapter, block):
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
            _give(effort_of(chapter, block), None, part, result)
        elif block.name == "exercise-start":
            inside = _exercise(chapter, block)
            homes[inside.number] = part
            result.exercises.append(inside)
        elif block.name == "solution-start":
            inside = next((e for e in result.exercises if e.number == block.argument), None)
        elif block.name in ("exercise-end", "solution-end"):
            inside = None
        elif block.name not in ("hint", "expected"):  # read by those who need them
            _give(effort_of(chapter, block), inside, part, result)
            in_lab = block.name == "lab-start"
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


def counted(pages: Sequence[PageBudget]) -> list[Item]:
    """The items whose budgets add up to those of the course: none of them contains another.

    Args:
        pages: What `budgets` returns.

    Returns:
        Pages, optional parts, and exercises that neither covers.
    """
    items = (item for page in pages for item in page.items)
    return [item for item in items if item.kind != "exercise" or item.alone]


def sums(pages: Sequence[PageBudget], section: str | None = None) -> Sums:
    """Adds up pages and optional parts; exercises are contained in these.

    Args:
        pages: What `budgets` returns.
        section: Number of a section of the course; the whole course if left out.

    Returns:
        Required and optional minutes, as budgeted and by the rule.
    """
    items = [item for item in counted(pages) if section in (None, item.section)]
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
            name = f"{'' if item.kind == 'page' else f'  {item.kind} {item.number} '}{item.title}"
            state = "optional" if item.optional else ""
            print(f"{item.budget:4} min {item.estimate:6.1f} {state:9} {name}")
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


def _code_of(chapter: Chapter, exercise: Item) -> tuple[list[Directive], list[Directive], int]:
    """Stubs, cells of the solution, and difficulty of an exercise."""
    stubs: list[Directive] = []
    solutions: list[Directive] = []
    difficulty, at = 1, ""
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


def _work(chapter: Chapter, exercise: Item, rule: Rule = RULE) -> float:
    """Minutes of thinking and writing that an exercise takes."""
    stubs, solutions, difficulty = _code_of(chapter, exercise)
    blanks = sum(count_blanks(cell.body) for cell in stubs)
    if blanks:
        return blanks * difficulty * rule.seconds_per_blank / 60
    written = sum(code_lines(cell.body) for cell in solutions if "check" not in cell.tags)
    lines = written if stubs else exercise.effort.equations
    return difficulty * rule.minutes_per_star + lines * rule.minutes_per_line


if __name__ == "__main__":
    sys.exit(main())
