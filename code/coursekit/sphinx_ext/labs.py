"""``{lab-start} NAME``: the place of a laboratory, with what stands there without scripts.

    ```{lab-start} circuit
    :caption: What to conclude, in one sentence.
    ```

    A figure and a table that stand without JavaScript; cells may draw and compute them.

    ```{lab-end}
    ```

The page, and no other, loads the style sheet, and the laboratory's script when it is near.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from coursekit.labs.publish import SECTION_END, STYLE, names, publish, section
from coursekit.project import CourseError
from coursekit.sphinx_ext.exercises import CourseDirective
from coursekit.sphinx_ext.nodes import gate, headline, lab

logger = logging.getLogger(__name__)

FOLDER = "labs"
"""Folder of scripts and style sheet in the site's ``_static``."""


class LabStart(CourseDirective):
    """``{lab-start} NAME`` with a caption, before a figure and a table."""

    required_arguments = 1
    option_spec = {"caption": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        """Mark the start of a laboratory's place, and read its caption."""
        name = self.arguments[0].strip()
        if name not in (there_are := names(Path(self.env.srcdir))):
            self.warn(f"there is no laboratory {name!r} (there are: {', '.join(there_are)})")
            return []
        here: set[str] = self.env.temp_data.setdefault("course_labs", set())
        if name in here:
            self.warn(f"a page can hold the laboratory {name!r} only once")
        here.add(name)
        if not self.options.get("caption", "").strip():
            self.warn("say in `:caption:` what to conclude, in one sentence")
        words, _ = self.state.inline_text(self.options.get("caption", ""), self.lineno)
        return self.marked(gate("", headline("", "", *words), kind="lab", opens=True, number=name))


class LabEnd(CourseDirective):
    """``{lab-end}``."""

    def run(self) -> list[nodes.Node]:
        """Mark the end of a laboratory's place."""
        return self.marked(gate(kind="lab", opens=False))


def _check(app: Sphinx, doctree: nodes.document) -> None:
    """Report laboratories that leave readers without JavaScript with nothing to see."""
    for node in doctree.findall(lab):
        for kind, there in {"figure": nodes.figure, "table": nodes.table}.items():
            if not any(node.findall(there)):
                what = f"give it a {kind} for readers without JavaScript"
                logger.warning("laboratory %s: %s", node["number"], what, location=node)


def _visit(self: HTML5Translator, node: lab) -> None:
    before, after = section(node["number"], "\0").split("\0")
    self.body.append(before)
    for child in node[0].children:
        child.walkabout(self)
    self.body.append(after)


def _depart(self: HTML5Translator, node: lab) -> None:
    self.body.append(SECTION_END)


def _pass(self: Any, node: nodes.Element) -> None:
    """Write nothing around the content."""


def _load(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Tell the pages that have laboratories where their scripts are, after writing these.

    `course.js` loads a script when the reader comes near its laboratory.
    """
    here = [node["number"] for node in doctree.findall(lab)] if doctree else []
    if not here:
        return
    static = Path(app.outdir, "_static", FOLDER)
    written: set[str] = app.builder.__dict__.setdefault("course_labs", set())
    for name in here:
        if name not in written:
            try:
                publish(Path(app.srcdir), name, static)
            except CourseError as error:
                raise ExtensionError(f"laboratory {name}: {error}") from error
            written.add(name)
        version = sha256((static / f"{name}.js").read_bytes()).hexdigest()[:8]
        address = context["pathto"](f"_static/{FOLDER}/{name}.js", 1)
        place = f'data-lab="{name}"'
        marked = f'{place} data-script="{address}?v={version}"'
        context["body"] = context["body"].replace(place, marked, 1)
    app.add_css_file(f"{FOLDER}/{STYLE}")


def setup(app: Sphinx) -> None:
    """Register node, directives and events."""
    app.add_node(lab, html=(_visit, _depart), latex=(_pass, _pass), text=(_pass, _pass))
    app.add_directive("lab-start", LabStart)
    app.add_directive("lab-end", LabEnd)
    app.connect("doctree-read", _check)
    app.connect("html-page-context", _load)
