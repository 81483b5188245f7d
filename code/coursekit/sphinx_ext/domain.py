"""The exercises of all chapters: links to them, duplicates, the table of budgets."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.domains import Domain
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

from coursekit.sphinx_ext import fields
from coursekit.sphinx_ext.nodes import exercise, exercise_list, fold, label, listing, overview
from coursekit.sphinx_ext.reading import Resource, resources_in, without_label
from coursekit.sphinx_ext.repository import Repository

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exercise:
    """One exercise, as other pages need it.

    Attributes:
        number: The assignment's item number, such as ``2.2a``.
        title: Its title, without markup.
        minutes: Its time budget.
        difficulty: 1 to 3.
        optional: Whether a reader may leave it out.
        has_code: Whether it asks for code (it contains a stub).
        has_check: Whether it comes with a check.
        docname: The page it stands on.
        line: Its line in the chapter's source.
    """

    number: str
    title: str
    minutes: int
    difficulty: int
    optional: bool
    has_code: bool
    has_check: bool
    docname: str
    line: int | None


@dataclass
class Page:
    """What one page contributes.

    Attributes:
        exercises: Its exercises, in order.
        minutes: The time its overview promises, 0 without an overview.
        optional: Whether its overview says that it may be left out.
        lists_exercises: Whether it shows the table of all exercises.
        lists_pages: Whether it shows another table about all pages.
        resources: Its links out of the book.
    """

    exercises: list[Exercise] = field(default_factory=list)
    minutes: int = 0
    optional: bool = False
    lists_exercises: bool = False
    lists_pages: bool = False
    resources: list[Resource] = field(default_factory=list)


class CourseDomain(Domain):
    """The exercises page by page, so that pages can be read again one by one or in parallel."""

    name = "course"
    label = "Course"
    initial_data: dict[str, Any] = {"pages": {}, "listed": []}  # noqa: RUF012 (Sphinx copies it)

    @property
    def pages(self) -> dict[str, Page]:
        """What each page contributes, by its name."""
        return cast(dict[str, Page], self.data["pages"])

    @property
    def exercises(self) -> list[Exercise]:
        """All exercises of the book in reading order."""
        every = [exercise for page in self.pages.values() for exercise in page.exercises]
        return sorted(every, key=lambda item: fields.in_reading_order(item.number))

    def clear_doc(self, docname: str) -> None:
        """Forget a page that is about to be read again."""
        self.pages.pop(docname, None)

    def merge_domaindata(self, docnames: list[str], otherdata: dict[str, Any]) -> None:
        """Take over the pages that another process has read."""
        for docname in docnames:
            if docname in otherdata["pages"]:
                self.pages[docname] = otherdata["pages"][docname]

    def process_doc(self, env: BuildEnvironment, docname: str, document: nodes.document) -> None:
        """Note the exercises of one page, and make them and their folds targets of ``{ref}``."""
        self.pages[docname] = Page(
            exercises=[
                _record(node, docname)
                for node in document.findall(exercise)
                if node["number"] != fields.UNKNOWN
            ],
            minutes=sum(node["minutes"] for node in document.findall(overview)),
            optional=any(node["optional"] for node in document.findall(overview)),
            lists_exercises=any(document.findall(exercise_list)),
            lists_pages=any(document.findall(listing)),
            resources=list(resources_in(document, Repository.of(env.config).url)),
        )
        standard = cast(StandardDomain, env.domains["std"])
        for name, (page, anchor, title) in list(standard.labels.items()):
            if page == docname:  # a link to a section leaves its reading label out
                standard.labels[name] = (page, anchor, without_label(title))
        for node in document.findall(lambda node: isinstance(node, exercise | fold)):
            for anchor in node["ids"]:
                standard.anonlabels.setdefault(anchor, (docname, anchor))
                standard.labels.setdefault(anchor, (docname, anchor, label(node)))

    def check_consistency(self) -> None:
        """Warn about two exercises of the same number."""
        first: dict[str, Exercise] = {}
        for item in self.exercises:
            seen = first.setdefault(item.number, item)
            if seen is not item:
                logger.warning(
                    "exercise %s exists twice, also in %s:%s",
                    *(item.number, self.env.doc2path(seen.docname, base=False), seen.line),
                    location=(item.docname, item.line),
                )

    def resolve_any_xref(self, *_: Any) -> list[tuple[str, nodes.Element]]:
        """Leave references to the standard domain, which knows the labels."""
        return []


def _record(node: exercise, docname: str) -> Exercise:
    return Exercise(
        title=node[0].astext(),
        docname=docname,
        line=node.line,
        **{
            name: node[name]
            for name in ("number", "minutes", "difficulty", "optional", "has_code", "has_check")
        },
    )


def _pages_with_an_old_list(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Have the pages that list the exercises written again when an exercise has changed."""
    course = cast(CourseDomain, env.get_domain("course"))
    changed = course.data["listed"] != course.exercises
    course.data["listed"] = course.exercises
    return [
        name
        for name, page in course.pages.items()
        if page.lists_pages or (changed and page.lists_exercises)
    ]


class FillExerciseLists(SphinxPostTransform):
    """Put the table of all exercises where a page asks for it."""

    default_priority = 5

    def run(self, **_: Any) -> None:
        """Work through one document."""
        course = cast(CourseDomain, self.env.get_domain("course"))
        for place in list(self.document.findall(exercise_list)):
            place.replace_self(_table(course.exercises, self.app.builder, self.env.docname))


def _table(exercises: list[Exercise], builder: Builder, page: str) -> nodes.table:
    """A row per exercise with a link to it, and the sums."""
    head = _row(*(nodes.Text(text) for text in ("Exercise", "Minutes", "Difficulty", "Required")))
    rows = [
        _row(
            make_refnode(
                *(builder, page, item.docname, fields.anchor("exercise", item.number)),
                nodes.inline("", f"{item.number} {item.title}"),
            ),
            nodes.Text(str(item.minutes)),
            nodes.inline("", fields.stars(item.difficulty), classes=["stars"]),
            nodes.Text("optional" if item.optional else "yes"),
        )
        for item in exercises
    ]
    for text, optional in (("required", False), ("optional", True)):
        total = sum(item.minutes for item in exercises if item.optional is optional)
        name = nodes.strong("", f"All {text} exercises")
        rows.append(_row(name, nodes.strong("", str(total)), nodes.Text(""), nodes.Text("")))
    columns = [nodes.colspec(colwidth=width) for width in (55, 15, 15, 15)]
    group = nodes.tgroup("", *columns, nodes.thead("", head), nodes.tbody("", *rows), cols=4)
    return nodes.table("", group, classes=["exercise-list"])


def _row(*cells: nodes.Node) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def exercises_of(env: BuildEnvironment) -> Iterator[Exercise]:
    """All exercises a finished build has seen, in reading order."""
    yield from cast(CourseDomain, env.get_domain("course")).exercises


def setup(app: Sphinx) -> None:
    """Register the domain and what fills the tables."""
    app.add_domain(CourseDomain)
    app.add_post_transform(FillExerciseLists)
    app.connect("env-updated", _pages_with_an_old_list)
