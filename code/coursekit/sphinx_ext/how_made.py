"""The tables of the page "How this book is made", from what the last build left behind."""

import ast
import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from coursekit.project import Project
from coursekit.sphinx_ext import measured
from coursekit.sphinx_ext.listings import Cell, table

PACKAGES = (
    *("torch", "transformers", "transformer-lens", "gymnasium", "trl", "shap", "captum", "numpy"),
    *("matplotlib", "jupyter-book", "Sphinx", "myst-nb", "sphinx-book-theme"),
)
"""What the page names, with the versions that are installed."""

TESTED = {
    "interp_rl": "what readers import",
    "coursekit": "what publishes the course",
    "book": "the chapters, the site and the notebooks",
    "labs": "the laboratories in the pages",
    "instructor": "an instructor's way, from a fork to grades",
    "mutation": "whether the tests would notice a mistake",
}
"""Folders below `tests`, and what each tests."""


class BuildTimes(SphinxDirective):
    """``{build-times}``: seconds and memory of each chapter's last execution."""

    def run(self) -> list[nodes.Node]:
        """Make the table; without a log, as in a first build of pages alone, say so."""
        log = Project(Path(self.env.srcdir)).execution_log
        self.env.note_dependency(str(log))
        chapters: dict[str, Any] = {}
        if log.is_file():
            chapters = json.loads(log.read_text(encoding="utf-8"))["chapters"]
        if not chapters:
            return [nodes.paragraph("", "No chapter has been executed.")]
        rows: list[Sequence[Cell]] = [
            (_link(name), f"{facts['seconds']:.0f}", f"{facts['peak_mb']:.0f}")
            for name, facts in chapters.items()
        ]
        total = sum(facts["seconds"] for facts in chapters.values())
        most = max(facts["peak_mb"] for facts in chapters.values())
        rows.append(
            (nodes.strong("", "Sum of seconds, most memory"), f"{total:.0f}", f"{most:.0f}")
        )
        return [table(("Chapter", "Time, s", "Memory, MB"), rows, (60, 20, 20), "budgets")]


def _link(page: str) -> nodes.Node:
    from sphinx import addnodes

    words = nodes.inline("", page.removeprefix("book/"))
    link = addnodes.pending_xref(
        *("", words), refdomain="std", reftype="doc", reftarget=f"/{page}", refexplicit=False
    )
    link["refwarn"] = True
    return link


class TestCounts(SphinxDirective):
    """``{test-counts}``: how many test functions there are."""

    def run(self) -> list[nodes.Node]:
        """Make the table from the files of tests."""
        counts = count_tests(Path(self.env.srcdir, "tests"))
        rows: list[Sequence[Cell]] = [
            (TESTED.get(name, name), f"{n}") for name, n in counts.items()
        ]
        rows.append((nodes.strong("", "Together"), f"{sum(counts.values())}"))
        return [table(("What is tested", "Test functions"), rows, (70, 30), "budgets")]


def count_tests(folder: Path) -> dict[str, int]:
    """Counts test functions; one that runs with many inputs counts once.

    Args:
        folder: The folder of all tests.

    Returns:
        Their number by the folder that they lie in, directly or deeper.
    """
    counts: dict[str, int] = {}
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = sum(
            isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
            for node in ast.walk(tree)
        )
        part = path.relative_to(folder).parts[0]
        counts[part] = counts.get(part, 0) + found
    return counts


class Versions(SphinxDirective):
    """``{versions}``: Python's version and those of the packages that matter most."""

    def run(self) -> list[nodes.Node]:
        """Make the table from what is installed."""
        rows: list[Sequence[Cell]] = [("Python", platform.python_version())]
        for name in PACKAGES:
            try:
                rows.append((name, metadata.version(name)))
            except metadata.PackageNotFoundError:
                continue
        return [table(("Package", "Version"), rows, (60, 40))]


class SiteFigures(SphinxDirective):
    """``{site-figures}``: what the finished site weighs; filled in when it is finished."""

    LINES = (
        ("Pages", "pages", ""),
        ("Files", "files", ""),
        ("All files", "megabytes", " MB"),
        ("All files without the printed editions", "megabytes-without-pdf", " MB"),
        ("First view of a chapter, least", "least", " KB"),
        ("First view of a chapter, median", "median", " KB"),
        ("First view of a chapter, most", "most", " KB"),
    )
    """Words, the figure's name, its unit."""

    def run(self) -> list[nodes.Node]:
        """Make a table that holds the places of the figures."""
        rows: list[Sequence[Cell]] = []
        for words, name, unit in self.LINES:
            figure = nodes.raw("", f"{measured.place(name)}{unit}", format="html")
            rows.append((words, figure))
        return [table(("What", "How much"), rows, (70, 30), "budgets")]


def setup(app: Sphinx) -> None:
    """Register the directives."""
    app.add_directive("build-times", BuildTimes)
    app.add_directive("test-counts", TestCounts)
    app.add_directive("versions", Versions)
    app.add_directive("site-figures", SiteFigures)
