"""Leaves withheld solutions out of the site (`coursekit.withholding` says which).

They are taken out when a page is read, before anything is made of it: neither the pages, nor the
search index, nor the images of the site hold any part of them. With them goes what gives them away,
between `{spoiler-start} NUMBER` and `{spoiler-end}`. A page that holds answers to several
sections says so with the directive `{holds-answers}`, and is left out as long as any section's
solutions are.
"""

import datetime

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError
from sphinx.transforms import SphinxTransform

from coursekit.sphinx_ext.exercises import CourseDirective
from coursekit.sphinx_ext.nodes import fold, spoiler
from coursekit.withholding import SETTING, SHOWN, Withholding, today_utc


class holds_answers(nodes.Invisible, nodes.Element):  # noqa: N801 (docutils names nodes so)
    """Marks a page that is left out while any solution is withheld."""


class HoldsAnswers(CourseDirective):
    """``{holds-answers}``: this page holds answers of several sections."""

    def run(self) -> list[nodes.Node]:
        """Mark the page."""
        return self.marked(holds_answers())


class Withhold(SphinxTransform):
    """Replace withheld solutions, and pages that hold answers, by a sentence."""

    default_priority = 205  # right after the markers are paired, before anything is collected

    def apply(self) -> None:
        """Work through one document."""
        rule = withholding_of(self.config)
        for node in self.document.findall(fold):
            if node["kind"] == "solution" and (until := rule.until(node["number"])):
                del node[1:]
                node[0].clear()
                node += _notice(
                    "The solution is not on this site.", "The solution appears here", until
                )
        for node in list(self.document.findall(spoiler)):
            instead = node.children
            if until := rule.until(node["number"]):
                what = f"What stands here shows the answer of exercise {node['number']}"
                instead = [
                    _notice(f"{what}, and is not on this site.", f"{what}. It appears", until)
                ]
            node.replace_self(instead)
        marks = list(self.document.findall(holds_answers))
        for mark in marks:
            mark.parent.remove(mark)
        if marks and rule.withheld:
            body = next(self.document.findall(nodes.section), self.document)
            first = 1 if body and isinstance(body[0], nodes.title) else 0
            del body[first:]
            body += _notice("This page holds answers, and is not on this site.", "", True)


def _notice(for_good: str, from_a_day: str, until: datetime.date | bool) -> nodes.paragraph:
    if until is True:
        text = f"{for_good} Ask your instructor for it."
    else:
        text = f"{from_a_day} on {until:%d %B %Y}."
    return nodes.paragraph("", text, classes=["withheld"])


def withholding_of(config: Config) -> Withholding:
    """What is withheld, by Sphinx's settings."""
    return Withholding(config[SETTING], today_utc())


def _check(app: Sphinx, config: Config) -> None:
    try:
        withholding_of(config)
    except ValueError as error:
        raise ConfigError(f"{SETTING} in _config.yml: {error}") from error


def setup(app: Sphinx) -> None:
    """Register the setting, the directive and the transform."""
    app.add_config_value(SETTING, SHOWN, "env", types=(str, dict, datetime.date))
    app.add_directive("holds-answers", HoldsAnswers)
    app.add_transform(Withhold)
    app.connect("config-inited", _check)
