"""Gathers what stands between markers, and ties hints, outputs and solutions to exercises."""

from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from coursekit.sphinx_ext import fields
from coursekit.sphinx_ext.nodes import exercise, fold, gate, lab, label, spoiler

logger = logging.getLogger(__name__)

_WHOLE: dict[str, type[nodes.Element]] = {
    "exercise": exercise,
    "solution": fold,
    "lab": lab,
    "spoiler": spoiler,
}
"""What the content between two markers of a kind becomes."""


class Pair(SphinxTransform):
    """Turn pairs of markers into what they enclose, then tie folds to their exercises."""

    # before docutils hands labels written above a marker on to the node that follows (260)
    default_priority = 200

    def apply(self) -> None:
        """Work through one document."""
        for cell in _cells(self.document, "hidden-test"):
            cell.parent.remove(cell)
        self._pair_markers()
        exercises = self._number_exercises()
        self._tie_folds(exercises)
        self._check_cells()
        self._check_fences()

    def _pair_markers(self) -> None:
        start: gate | None = None
        for marker in list(self.document.findall(gate)):
            if start is None and not marker["opens"]:
                _warn(marker, f"{marker['kind']}-end has no {marker['kind']}-start before it")
            elif start is None:
                start = marker
                continue  # it stays until its end is found
            elif marker["opens"]:
                _warn(start, f"{_name(start)} has no end before {_name(marker)}")
                start.parent.remove(start)
                start = marker
                continue
            else:
                self._join(start, marker)
                start = None
            marker.parent.remove(marker)
        if start is not None:
            _warn(start, f"{_name(start)} has no {start['kind']}-end")
            start.parent.remove(start)

    def _join(self, start: gate, end: gate) -> None:
        """Replace ``start`` and what follows it up to ``end`` by one node."""
        siblings = start.parent
        first = siblings.index(start)
        if end["kind"] != start["kind"]:
            _warn(end, f"{end['kind']}-end closes {_name(start)}")
        elif end.parent is not siblings or any(
            isinstance(node, nodes.section) for node in siblings[first : siblings.index(end)]
        ):
            _warn(start, f"a heading stands between the start and the end of {_name(start)}")
        else:
            last = siblings.index(end)
            whole = _WHOLE[start["kind"]](
                "", *start.children, *siblings[first + 1 : last], **start.attributes
            )
            whole.source, whole.line = start.source, start.line
            siblings[first:last] = [whole]
            return
        siblings.remove(start)

    def _number_exercises(self) -> dict[str, exercise]:
        exercises: dict[str, exercise] = {}
        for node in self.document.findall(exercise):
            # a second one of the same number is reported when all chapters are read
            exercises.setdefault(node["number"], node)
            node["level"] = 1 + sum(isinstance(up, nodes.section) for up in _ancestors(node))
            node["folds"] = []
            node["has_code"] = any(_cells(node, "stub"))
            node["has_check"] = any(_cells(node, "check"))
            if node["has_code"] and not node["has_check"]:
                _warn(node, f"{_name(node)} has a stub and no check")
            self._place(node, fields.anchor("exercise", node["number"]))
        return exercises

    def _tie_folds(self, exercises: dict[str, exercise]) -> None:
        for node in self.document.findall(fold):
            kind, item = node["kind"], node["number"]
            if item not in exercises:
                _warn(node, f"{kind} for exercise {item}, which is not in this chapter")
                continue
            links = exercises[item]["folds"]
            earlier = sum(name == kind for name, _, _ in links)
            if earlier and kind != "hint":
                _warn(node, f"exercise {item} has a second {kind}")
            node["position"] = earlier + 1
            place = fields.anchor(kind, item) + (f"-{earlier + 1}" if kind == "hint" else "")
            self._place(node, place)
            links.append((kind, place, label(node).split(" for ")[0].split(" of ")[0]))
        for node in self.document.findall(spoiler):
            if node["number"] not in exercises:
                _warn(node, f"{_name(node)} names an exercise that is not in this chapter")
        for node in exercises.values():
            if not any(kind == "solution" for kind, _, _ in node["folds"]):
                _warn(node, f"{_name(node)} has no solution")
            node["folds"] = [(place, text) for _, place, text in node["folds"]]

    def _place(self, node: nodes.Element, anchor: str) -> None:
        node["ids"].append(anchor)
        self.document.ids.setdefault(anchor, node)

    def _check_cells(self) -> None:
        """Report code at the wrong place: above all, solutions standing open on the page."""
        for cell in _cells(self.document, "solution"):
            if not any(up.get("kind") == "solution" for up in _ancestors(cell)):
                _warn(cell, "a cell tagged solution stands outside a solution")
        for cell in _cells(self.document, "stub"):
            if not any(isinstance(up, exercise) for up in _ancestors(cell)):
                _warn(cell, "a cell tagged stub stands outside an exercise")

    def _check_fences(self) -> None:
        """Markdown takes a fence of backticks for text when there is a backtick in its title."""
        for node in self.document.findall(nodes.paragraph):
            if node.astext().startswith("```{"):
                _warn(node, "a directive with backticks in its title needs a fence of colons, :::")


def _cells(within: nodes.Element, tag: str) -> list[nodes.container]:
    """The code cells that carry ``tag``."""
    # myst-nb writes a cell's tags as classes of its container
    return [
        node for node in within.findall(nodes.container) if f"tag_{tag}" in node.get("classes", [])
    ]


def _ancestors(node: nodes.Element) -> Iterator[nodes.Element]:
    while node.parent is not None:
        node = node.parent
        yield node


def _name(node: nodes.Element) -> str:
    """Name it in the middle of a sentence: exercise 2.2a."""
    return f"{node['kind']} {node['number']}"


def _warn(node: nodes.Element, message: str) -> None:
    logger.warning("%s", message, location=node)


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_transform(Pair)
