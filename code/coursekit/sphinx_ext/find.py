"""The index of the overlay that finds pages, headings, terms, exercises and public names.

It holds titles only, so that it is small: nothing of a page's text, and nothing of a solution. The
text is searched by Sphinx's own search. `assets/find.js` loads the index when it is first needed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.domains.python import PythonDomain
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment

from coursekit.sphinx_ext import fields
from coursekit.sphinx_ext.domain import CourseDomain
from coursekit.sphinx_ext.reading import without_label

INDEX = "course-index.js"
"""The file in `_static`."""

CALL = "window.courseIndex("
"""How that file begins; JSON and a closing parenthesis follow."""


def index_of(env: BuildEnvironment) -> dict[str, Any]:
    """What the overlay finds.

    Args:
        env: Everything that Sphinx has read.

    Returns:
        `pages`, each with its address without the ending, its title, and its headings as pairs of
        anchor and words; `terms`, with the page's number among these, anchor and words;
        `exercises`, with number of the page, item number and title; `names`, for each page of the
        reference, by its number, the public names that it documents.
    """
    pages = [
        [name, without_label(env.titles[name].astext()), list(_headings(env, name))]
        for name in sorted(env.found_docs, key=_reading_order(env))
    ]
    number = {name: i for i, (name, *_) in enumerate(pages)}
    objects = cast(StandardDomain, env.get_domain("std")).objects
    terms = [
        [number[page], anchor, term]
        for (kind, term), (page, anchor) in sorted(objects.items())
        if kind == "term"
    ]
    course = cast(CourseDomain, env.get_domain("course"))
    exercises = [[number[item.docname], item.number, item.title] for item in course.exercises]
    anchors = [fields.anchor("exercise", item.number) for item in course.exercises]
    names: dict[int, list[str]] = {}
    for name, entry in cast(PythonDomain, env.get_domain("py")).objects.items():
        if entry.objtype != "module" and entry.node_id == name and not entry.aliased:
            names.setdefault(number[entry.docname], []).append(name)
    return {
        "pages": pages,
        "terms": terms,
        "exercises": [[*item, at] for item, at in zip(exercises, anchors, strict=True)],
        "names": names,
    }


def _headings(env: BuildEnvironment, page: str) -> Iterator[list[str]]:
    """Anchors and words of a page's headings below its title."""
    for link in env.tocs[page].findall(nodes.reference):
        anchor = link.get("anchorname", "")
        name = link.astext()
        if anchor and link["refuri"] == page and not anchor.startswith("#interp_rl."):
            yield [anchor.removeprefix("#"), without_label(name)]


def _reading_order(env: BuildEnvironment) -> Any:
    order: dict[str, int] = {}

    def visit(page: str) -> None:
        if page not in order:
            order[page] = len(order)
            for child in env.toctree_includes.get(page, []):
                visit(child)

    visit(env.config.root_doc)
    return lambda page: (order.get(page, len(order)), page)


def _write(app: Sphinx, problem: Exception | None) -> None:
    if problem is None and app.builder.format == "html":
        text = json.dumps(index_of(app.env), ensure_ascii=False, separators=(",", ":"))
        Path(app.outdir, "_static", INDEX).write_text(f"{CALL}{text});\n", "utf-8")
        # Sphinx's search looks for a page's text by a role that our frame leaves out
        search = Path(app.outdir, "_static/searchtools.js")
        search.write_text(search.read_text("utf-8").replace('[role="main"]', "main"), "utf-8")


def _configure(app: Sphinx, config: Config) -> None:
    config.html_js_files.append(("find.js", {"defer": "defer"}))


def setup(app: Sphinx) -> None:
    """Connect to Sphinx's events."""
    app.connect("config-inited", _configure)
    app.connect("build-finished", _write)
