"""The roles {required} and {optional}: whether a link must be read, and how long that takes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

logger = logging.getLogger(__name__)

LABEL = "reading"
"""The CSS class of a reading label."""


class Reading(SphinxRole):
    """A reading label: ``{required}`5 min``` or ``{optional}`20 min```."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Write the label; warn where the minutes are missing."""
        if not re.fullmatch(r"[1-9]\d* min", self.text):
            message = "%s: %r is no reading time; write one such as `5 min`"
            logger.warning(message, self.name, self.text, location=self.get_location())
        classes = [LABEL, f"{LABEL}-{self.name}"]
        return [nodes.inline(self.rawtext, f"{self.name}, {self.text}", classes=classes)], []


@dataclass(frozen=True)
class Resource:
    """A link out of the book.

    Attributes:
        address: Where it leads.
        words: What the page calls it.
        label: Its reading label, such as ``optional, 5 min``; empty where it has none.
    """

    address: str
    words: str
    label: str


def without_label(title: str) -> str:
    """A heading's words without the reading label behind them."""
    return re.sub(r"\s*(required|optional), \d+ min$", "", title)


def resources_in(document: nodes.Element, repository: str) -> Iterator[Resource]:
    """Find the links of a page that lead out of the book.

    Args:
        document: The page.
        repository: Address of the repository; links to its files are no resources.

    Yields:
        Links in order, each with the first label behind it in the same paragraph.
    """
    for block in document.findall(nodes.TextElement):
        if isinstance(block.parent, nodes.TextElement):
            continue  # it is part of a paragraph that has been looked at
        waiting: list[nodes.reference] = []
        for node in block.findall():
            if isinstance(node, nodes.reference) and _leads_out(node, repository):
                waiting.append(node)
            elif isinstance(node, nodes.inline) and LABEL in node["classes"]:
                yield from (_resource(link, node.astext()) for link in waiting)
                waiting = []
        yield from (_resource(link, "") for link in waiting)


def _leads_out(link: nodes.reference, repository: str) -> bool:
    address = link.get("refuri", "")
    own = bool(repository) and address.startswith(repository)
    return address.startswith(("http://", "https://")) and not own


def _resource(link: nodes.reference, label: str) -> Resource:
    return Resource(link["refuri"], link.astext(), label)


def check_labelled(box: nodes.Element) -> Iterator[str]:
    """Find the external links in ``box`` that do not say whether they must be read."""
    waiting: str | None = None
    for node in box.findall():
        if isinstance(node, nodes.reference) and ":" in node.get("refuri", ""):
            if waiting:
                yield _unlabelled(waiting)
            waiting = node["refuri"]
        elif isinstance(node, nodes.inline) and LABEL in node["classes"]:
            waiting = None
    if waiting:
        yield _unlabelled(waiting)


def _unlabelled(address: str) -> str:
    return f"say behind the link to {address} whether to read it: {{required}} or {{optional}}"


def setup(app: Sphinx) -> None:
    """Register the roles."""
    app.add_role("required", Reading())
    app.add_role("optional", Reading())
