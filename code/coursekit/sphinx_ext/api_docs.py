"""The reference: every public name documented, every module on a page, re-exported names linked."""

from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from coursekit.sphinx_ext import public_names

logger = logging.getLogger(__name__)

LONGEST_VALUE = 80
"""Characters of a constant's value that the reference still shows."""

PAGE_WRITER = "coursekit.sphinx_ext.reference_pages"
"""The program that writes the pages of the reference."""

HIDDEN_COLON = "\ue000"
"""Stands for a colon while napoleon reads; a character for private use."""


class PackageContents(SphinxDirective):
    """``.. package-contents:: interp_rl.models``: names to import from it, and its modules."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """List names and modules, each with a link and the first lines of its docstring."""
        package = self.arguments[0]
        modules = public_names.modules(package.split(".")[0])
        names, parts = [], []
        for name, home in public_names.reexported(package, modules[package]).items():
            where, _, what = home.rpartition(".")
            if where in modules:
                text = public_names.summary(modules[where], what)
                names.append(self._row(name, "obj", home, text))
        for name, path in modules.items():
            self.env.note_dependency(str(path))
            if name.startswith(f"{package}."):
                parts.append(self._row(name, "mod", name, public_names.summary(path)))
        return [*_listed(f"To import from {package}", names), *_listed("Modules", parts)]

    def _row(self, name: str, kind: str, target: str, text: str) -> nodes.definition_list_item:
        link: nodes.Node = nodes.literal("", name)
        if name.split(".")[0] in self.config.course_api_packages:
            where = {"refdomain": "py", "reftype": kind, "reftarget": target}
            link = addnodes.pending_xref("", link, refwarn=True, **where)
        words, _ = self.state.inline_text(text, self.lineno)
        return nodes.definition_list_item(
            *("", nodes.term("", "", link)), nodes.definition("", nodes.paragraph("", "", *words))
        )


def _listed(title: str, rows: list[nodes.definition_list_item]) -> list[nodes.Node]:
    if not rows:
        return []
    return [
        nodes.rubric("", title),
        nodes.definition_list("", *rows, classes=["package-contents"]),
    ]


def _check_docstrings(app: Sphinx) -> None:
    """Warn about every undocumented name of the packages the reference shows."""
    for package in app.config.course_api_packages:
        for module, path in public_names.modules(package).items():
            for name, line in public_names.undocumented(module, path):
                logger.warning("%s has no documentation", name, location=f"{path}:{line}")


def _check_pages(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn about every public module that no page of the reference shows."""
    shown = env.domains["py"].data["modules"]
    for package in app.config.course_api_packages:
        for module in public_names.modules(package):
            if module not in shown:
                logger.warning("%s has no page: run python -m %s", module, PAGE_WRITER)


def _find_home(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, text: nodes.TextElement
) -> nodes.Element | None:
    """Lead a reference to ``interp_rl.models.load`` to the module that defines ``load``."""
    package, _, name = node.get("reftarget", "").rpartition(".")
    if node.get("refdomain") != "py" or package.split(".")[0] not in app.config.course_api_packages:
        return None
    path = public_names.modules(package.split(".")[0]).get(package)
    home = public_names.reexported(package, path).get(f"{package}.{name}") if path else None
    if home is None:
        return None
    return env.domains["py"].resolve_xref(
        *(env, node["refdoc"], app.builder, node["reftype"], home, node, text)
    )


def _skip_tuple_fields(
    app: Sphinx, what: str, name: str, item: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out what Python writes about a NamedTuple's fields ("Alias for field number 0")."""
    return True if type(item).__name__ == "_tuplegetter" else None


def _before_napoleon(
    app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]
) -> None:
    """Take indented lines after a colon and a blank line for code, and keep napoleon from guessing.

    In the docstring of a field or constant napoleon would take a colon for the end of its type.
    """
    for at, line in enumerate(lines[:-2]):
        follows = lines[at + 2].removeprefix(" " * (len(line) - len(line.lstrip())))
        if line.endswith(":") and line[-2:-1] != ":" and not lines[at + 1]:
            lines[at] += ":" * follows.startswith(" ")
    if lines and what in ("attribute", "data", "property"):
        lines[0] = lines[0].replace(":", HIDDEN_COLON)


def _after_napoleon(
    app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]
) -> None:
    lines[:] = [line.replace(HIDDEN_COLON, ":") for line in lines]


def _leave_out_long_values(
    app: Sphinx, domain: str, kind: str, content: addnodes.desc_content
) -> None:
    """Do not print a constant's value where it is long, or an object without a readable form."""
    for note in list(content.parent.findall(addnodes.desc_annotation)):
        value = note.astext().removeprefix(" = ")
        if value != note.astext() and (len(value) > LONGEST_VALUE or value.startswith("<")):
            note.parent.remove(note)


def setup(app: Sphinx) -> None:
    """Register the checks; ``course_api_packages`` names the packages they cover."""
    app.add_config_value("course_api_packages", [], "env", list)
    app.add_directive("package-contents", PackageContents)
    app.connect("builder-inited", _check_docstrings)
    app.connect("env-updated", _check_pages)
    app.connect("missing-reference", _find_home)
    app.connect("autodoc-skip-member", _skip_tuple_fields)
    app.connect("autodoc-process-docstring", _before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", _after_napoleon, priority=600)
    app.connect("object-description-transform", _leave_out_long_values)
