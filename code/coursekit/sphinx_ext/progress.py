"""A reader's progress, kept in the browser, and the minutes that are left.

Pages are built with what holds for a reader who begins: the minutes of the page and of the course,
and buttons that only scripts can serve. `assets/progress.js` keeps what has been done in the
browser's own storage, and changes numbers and marks accordingly. What it has to know of the other
pages stands in `_static/course-progress.js`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from coursekit.sphinx_ext.domain import CourseDomain, Exercise, Page
from coursekit.sphinx_ext.repository import Repository

DATA = "course-progress.js"
"""What the script has to know of the course."""

CALL = "window.courseProgress = "
"""How that file begins; JSON follows."""

_OVERVIEW = re.compile(r'(<p class="overview-title">.*?</p>)', re.DOTALL)


def plan(pages: Mapping[str, Page], exercises: Iterable[Exercise], slug: str) -> dict[str, Any]:
    """What there is to do, for the script.

    Args:
        pages: What each page contributes, by its name; those without a number are left out.
        exercises: All exercises, in reading order.
        slug: The repository, as `owner/name`; tells editions on one host apart.

    Returns:
        `course`, the slug; `pages`, by name, with the minutes of their reading, which are those of
        the budget without the exercises that it covers, and whether they are required; `exercises`,
        each with number, title, page, minutes, and whether it is required.
    """
    numbered = {name: page for name, page in pages.items() if re.match(r"book/\d", name)}
    reading = {}
    for name, page in numbered.items():
        covered = [item for item in page.exercises if page.optional or not item.optional]
        minutes = max(0, page.minutes - sum(item.minutes for item in covered))
        reading[_short(name)] = [minutes, int(not page.optional)]
    listed = []
    for item in exercises:
        if item.docname in numbered:
            required = not item.optional and not numbered[item.docname].optional
            place = (_short(item.docname), item.minutes, int(required))
            listed.append([item.number, item.title, *place])
    return {"course": slug, "pages": dict(sorted(reading.items())), "exercises": listed}


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def minutes_of(data: dict[str, Any], page: str | None = None) -> int:
    """The minutes of a page, or all that are required.

    Args:
        data: What `plan` returns.
        page: The page's name; the required part of the course if left out.

    Returns:
        Minutes, of exercises that are optional on a page that is not none.
    """
    whole = page is None
    total = sum(
        minutes
        for name, (minutes, required) in data["pages"].items()
        if (required if whole else name == page)
    )
    for _, _, name, minutes, required in data["exercises"]:
        optional_page = not data["pages"].get(name, [0, 1])[1]
        if required if whole else name == page and (required or optional_page):
            total += minutes
    return total


class ProgressPanel(SphinxDirective):
    """``{progress-panel}``: what has been done, and the buttons to keep, load and erase it.

    With the option ``short`` one sentence of it.
    """

    option_spec = {"short": lambda _: True}  # noqa: RUF012 (docutils reads it from the class)

    def run(self) -> list[nodes.Node]:
        """Mark the place."""
        return [progress_panel(short="short" in self.options)]


class progress_panel(nodes.General, nodes.Element):  # noqa: N801 (docutils names nodes so)
    """The place of the panel, or of a sentence of it."""


BUTTONS = (
    ("save", "Save as a file"),
    ("load", "Load a file"),
    ("erase", "Erase"),
)


def _visit_panel(self: Any, node: progress_panel) -> None:
    data = self.builder.env._course_plan
    required = sum(needed for *_, needed in data["exercises"])
    total = minutes_of(data)
    bar = (
        f'<progress class="progress-bar" max="{total}" value="0" '
        'aria-label="Minutes done of the required part"></progress>'
    )
    sentence = (
        '<p class="progress-sum">'
        f"0 of {required} required exercises done, {total} of {total} required minutes left.</p>"
    )
    if node["short"]:
        self.body.append(f'<div class="progress-panel progress-short">{bar}{sentence}</div>')
    else:
        buttons = "".join(
            f'<button type="button" data-progress="{name}">{text}</button>'
            for name, text in BUTTONS
        )
        self.body.append(
            f'<div class="progress-panel">{bar}{sentence}'
            f'<p class="progress-buttons">{buttons}'
            '<span class="needs-script">Scripts are off, so that nothing is kept.</span></p>'
            '<p class="progress-says" role="status"></p></div>'
        )
    raise nodes.SkipNode


def _skip(self: Any, node: progress_panel) -> None:
    raise nodes.SkipNode


def _show(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Say on each page how long it takes, and put what marks it as read at its end."""
    data = app.env._course_plan
    name = page.rpartition("/")[2]
    if doctree is None or name not in data["pages"] or not context.get("body"):
        return
    course, here = minutes_of(data), minutes_of(data, name)
    if not here:  # a page of links: there is nothing to have done
        return
    line = (
        f'<p class="time-left" data-page="{escape(name)}">{here} min on this page, '
        f"{course} min in the required part of the course</p>"
    )
    context["body"] = _OVERVIEW.sub(lambda title: title[0] + line, context["body"], count=1)
    context["body"] += (
        f'<p class="page-read"><button type="button" class="mark-done" data-page="{escape(name)}">'
        "Mark this page as read</button></p>"
    )


def _plan_course(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Add up the course; have all pages written again when that has changed."""
    course = cast(CourseDomain, env.get_domain("course"))
    data = plan(course.pages, course.exercises, Repository.of(env.config).slug)
    if app.builder.format == "html":
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        Path(app.outdir, "_static").mkdir(parents=True, exist_ok=True)
        Path(app.outdir, "_static", DATA).write_text(f"{CALL}{text};\n", "utf-8")
    same = getattr(env, "_course_plan", None) == data
    env._course_plan = data
    return [] if same else sorted(env.found_docs)


def _configure(app: Sphinx, config: Config) -> None:
    config.html_js_files.append((DATA, {"defer": "defer"}))
    config.html_js_files.append(("progress.js", {"defer": "defer"}))


def setup(app: Sphinx) -> None:
    """Register the directive, and connect to Sphinx's events."""
    app.add_directive("progress-panel", ProgressPanel)
    other = (_skip, _skip)
    app.add_node(progress_panel, html=(_visit_panel, _skip), latex=other, text=other)
    app.connect("config-inited", _configure)
    app.connect("env-updated", _plan_course)
    app.connect("html-page-context", _show)
