"""The role {guard}: the test that keeps a promise of the book."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from coursekit.sphinx_ext.repository import Repository

logger = logging.getLogger(__name__)


def missing(root: Path, guard: str) -> str:
    """What is wrong with the name of a test.

    Args:
        root: The repository's root folder.
        guard: A file of tests, or `file.py::test_name`.

    Returns:
        Nothing if the file exists and has the test, else what is missing.
    """
    path, _, name = guard.partition("::")
    if not (root / path).is_file():
        return f"there is no file of tests {path}"
    source = (root / path).read_text(encoding="utf-8")
    if name and not re.search(rf"^def {re.escape(name)}\(", source, re.MULTILINE):
        return f"{path} has no test {name}"
    return ""


class Guard(SphinxRole):
    """A link to a test: ``{guard}`tests/book/test_site.py::test_name```."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Write the link; warn where there is no such test."""
        if problem := missing(Path(self.env.srcdir), self.text):
            logger.warning("guard: %s", problem, location=self.get_location())
        path, _, name = self.text.partition("::")
        words = nodes.literal(self.rawtext, name or path, classes=["guard"])
        address = Repository.of(self.config).file(path)
        return [nodes.reference(self.rawtext, "", words, refuri=address)], []


def setup(app: Sphinx) -> None:
    """Register the role."""
    app.add_role("guard", Guard())
