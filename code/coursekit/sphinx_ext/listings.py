"""Tables about all pages: time budgets, and links out of the book with what they are good for."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeAlias, cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import make_refnode

from coursekit.book import Book
from coursekit.budgets import SECTIONS, Item, PageBudget, budgets, counted, sums
from coursekit.effort import RULE, Rule
from coursekit.sphinx_ext import fields
from coursekit.sphinx_ext.domain import CourseDomain, Exercise
from coursekit.sphinx_ext.nodes import listing
from coursekit.sphinx_ext.reading import Resource

logger = logging.getLogger(__name__)

UNLISTED = ("book/api/", "book/bibliography")
"""Pages whose links are not for reading: the reference, and the works cited."""

Cell: TypeAlias = str | nodes.Node


class Listing(SphinxDirective):
    """``{budget-sums}``, ``{budget-list}``, ``{budget-rule}`` and ``{resource-list}``."""

    def run(self) -> list[nodes.Node]:
        """Mark the place of the table."""
        return [listing(kind=self.name)]


class OfExercise(SphinxRole):
    """``{exercise}`2.1``` links to an exercise, ``{exercise-time}`2.1``` gives its budget.

    Both may name an exercise of a section that is not in this edition; the page then says so.
    """

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Mark the place of the link or the budget."""
        return [listing(kind=self.name, number=self.text)], []


class FillListings(SphinxPostTransform):
    """Puts the tables where pages ask for them, once all pages have been read."""

    default_priority = 5

    def run(self, **_: object) -> None:
        """Work through one document."""
        here = _Here(self.app.builder, self.env, self.env.docname)
        for place in list(self.document.findall(listing)):
            place.replace_self(FILL[place["kind"]](here, place))


class _Here:
    """The page that a table stands on, and what it links to."""

    def __init__(self, builder: Builder, env: BuildEnvironment, page: str):
        self.builder, self.env, self.page = builder, env, page

    @property
    def course(self) -> CourseDomain:
        return cast(CourseDomain, self.env.get_domain("course"))

    @cached_property
    def budgets(self) -> list[PageBudget]:
        return budgets(Book(Path(self.env.srcdir)))

    def exercise(self, number: str) -> Exercise | None:
        """The exercise of this number, if the edition has it."""
        return next((e for e in self.course.exercises if e.number == number), None)

    def link(self, words: str, page: str, place: str = "") -> nodes.Node:
        """A link to a page of the book, or the words alone where it is not in the contents."""
        if page not in self.env.found_docs:
            return nodes.inline("", words)
        return make_refnode(self.builder, self.page, page, place, nodes.inline("", words))


def _budget_sums(here: _Here, _: listing) -> list[nodes.Node]:
    """A row per section of the course: required and optional minutes."""
    pages = here.budgets
    rows: list[Sequence[Cell]] = []
    for section in [name for name in SECTIONS if any(p.page.section == name for p in pages)]:
        first = next(p.page for p in pages if p.page.section == section)
        total = sums(pages, section)
        link = here.link(first.title, f"book/{first.page}")
        rows.append((link, str(total.required), str(total.optional)))
    whole = sums(pages)
    rows.append((nodes.strong("", "Together"), *_strong(str(whole.required), str(whole.optional))))
    return [table(("Section", "Required, min", "Optional, min"), rows, (60, 20, 20), "budgets")]


def _budget_list(here: _Here, _: listing) -> list[nodes.Node]:
    """A row per item: its budget, and the estimates of the rule."""
    slow = Rule(words_per_minute=RULE.slow_words_per_minute)
    rows: list[Sequence[Cell]] = []
    for page in here.budgets:
        for item in page.items:
            rows.append(
                (
                    _name(here, item),
                    f"{item.budget}",
                    f"{item.estimate:.1f}",
                    f"{item.effort.minutes(slow):.1f}",
                    "optional" if item.optional else "yes",
                )
            )
    for words, optional in (("All that is required", False), ("All that is optional", True)):
        all_of_it = [item for item in counted(here.budgets) if item.optional is optional]
        figures = (
            f"{sum(item.budget for item in all_of_it)}",
            f"{sum(item.estimate for item in all_of_it):.0f}",
            f"{sum(item.effort.minutes(slow) for item in all_of_it):.0f}",
        )
        rows.append((*_strong(words, *figures), ""))
    head = ("Item", "Budget, min", "By the rule", "Slow reader", "Required")
    return [table(head, rows, (52, 12, 12, 12, 12), "budgets")]


def _name(here: _Here, item: Item) -> nodes.Node:
    page = f"book/{item.page}"
    if item.kind == "exercise":
        place = fields.anchor("exercise", item.number)
        words = f"Exercise {item.number} {item.title}"
        return nodes.inline("", "", here.link(words, page, place), classes=["budget-exercise"])
    if item.kind == "part":
        return nodes.inline("", item.title, classes=["budget-part"])
    return nodes.strong("", "", here.link(item.title, page))


def _budget_rule(here: _Here, _: listing) -> list[nodes.Node]:
    """The rates of the rule."""
    rows: list[Sequence[Cell]] = [
        ("prose, tables and captions", f"{RULE.words_per_minute:g} words a minute"),
        ("code that is shown", f"{RULE.seconds_per_line:g} s a line"),
        ("the printed output of a cell", f"{RULE.seconds_per_output:g} s"),
        ("a figure, besides its caption", f"{RULE.seconds_per_figure:g} s"),
        ("an equation on a line of its own", f"{RULE.seconds_per_equation:g} s"),
        (
            "thinking about an exercise",
            f"{RULE.minutes_per_star:g} min for each star of its difficulty",
        ),
        (
            "writing a line of its solution, of code or an equation",
            f"{60 * RULE.minutes_per_line:g} s",
        ),
        (
            "filling in a blank, in the place of the two above",
            f"{RULE.seconds_per_blank:g} s for each star",
        ),
    ]
    return [table(("What", "Time"), rows, (60, 40))]


def _resource_list(here: _Here, _: listing) -> list[nodes.Node]:
    """A row per address: what it is called, whether it must be read, and which pages name it."""
    rows: list[Sequence[Cell]] = []
    for address, found in sorted(_by_address(here.course), key=lambda item: _words(item[1])):
        pages = nodes.inline()
        for i, docname in enumerate(dict.fromkeys(name for name, _ in found)):
            if i:
                pages += nodes.Text(", ")
            pages += here.link(here.env.titles[docname].astext(), docname)
        words = nodes.reference("", _words(found), refuri=address)
        rows.append((words, _labels(found), pages))
    return [table(("What", "Reading", "Where"), rows, (40, 20, 40))]


def _by_address(course: CourseDomain) -> Iterator[tuple[str, list[tuple[str, Resource]]]]:
    found: dict[str, list[tuple[str, Resource]]] = {}
    for name, page in course.pages.items():
        for resource in page.resources if not name.startswith(UNLISTED) else ():
            found.setdefault(resource.address, []).append((name, resource))
    yield from found.items()


def _words(found: Sequence[tuple[str, Resource]]) -> str:
    """The longest name that pages give to a link: the most telling one."""
    name = max((resource.words for _, resource in found), key=len)
    return name[:1].upper() + name[1:]


def _labels(found: Sequence[tuple[str, Resource]]) -> str:
    """Whether to read it, with the minutes of the shortest and of the longest reading."""
    texts = []
    for kind in ("required", "optional"):
        labels = [resource.label for _, resource in found if resource.label.startswith(kind)]
        minutes = sorted({int("".join(filter(str.isdecimal, label)) or 0) for label in labels})
        if minutes:
            texts.append(f"{kind}, {' to '.join(map(str, minutes[:: len(minutes) - 1 or 1]))} min")
    return "; ".join(texts)


def _exercise(here: _Here, place: listing) -> list[nodes.Node]:
    number = place["number"]
    item = here.exercise(number)
    if item is None:
        return [nodes.Text(f"exercise {number} (not in this edition)")]
    words = f"Exercise {number}, {item.title}"
    return [here.link(words, item.docname, fields.anchor("exercise", number))]


def _exercise_time(here: _Here, place: listing) -> list[nodes.Node]:
    item = here.exercise(place["number"])
    if item is None:
        return [nodes.Text("no time yet")]
    return [nodes.Text(f"{item.minutes} min, {'optional' if item.optional else 'required'}")]


def _check_labels(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn about links out of the book that do not say whether they must be read."""
    course = cast(CourseDomain, env.get_domain("course"))
    if not any(page.lists_pages for page in course.pages.values()):
        return
    for _, found in _by_address(course):
        for name, resource in found:
            if not resource.label:
                logger.warning(
                    "the link to %s has no reading label: write {required}`5 min` or "
                    "{optional}`5 min` behind it",
                    resource.address,
                    location=name,
                )


def table(
    head: Sequence[Cell], rows: Sequence[Sequence[Cell]], widths: Sequence[int], look: str = ""
) -> nodes.table:
    """A table with a head.

    Args:
        head: Its headings.
        rows: Its rows; texts, or nodes with markup.
        widths: Relative widths of the columns.
        look: A CSS class.

    Returns:
        The node.
    """
    columns = [nodes.colspec(colwidth=width) for width in widths]
    group = nodes.tgroup("", *columns, cols=len(widths))
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *map(_row, rows))
    return nodes.table("", group, classes=["listing", *look.split()])


def _row(cells: Sequence[Cell]) -> nodes.row:
    written = [nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells]
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in written))


def _strong(*texts: str) -> list[nodes.Node]:
    return [nodes.strong("", text) for text in texts]


FILL: dict[str, Callable[[_Here, listing], list[nodes.Node]]] = {
    "budget-sums": _budget_sums,
    "budget-list": _budget_list,
    "budget-rule": _budget_rule,
    "resource-list": _resource_list,
    "exercise": _exercise,
    "exercise-time": _exercise_time,
}


def setup(app: Sphinx) -> None:
    """Register directives, roles, and what fills them in."""
    for name in FILL:
        if name.startswith("exercise"):
            app.add_role(name, OfExercise())
        else:
            app.add_directive(name, Listing)
    app.add_post_transform(FillListings)
    app.connect("env-check-consistency", _check_labels)
