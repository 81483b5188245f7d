"""What an exercise, a fold and an overview are in the document tree, and their HTML."""

from typing import Any, cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from coursekit.sphinx_ext import fields


class gate(nodes.Invisible, nodes.Element):  # noqa: N801 (docutils names nodes in lower case)
    """A start or end marker of a ``kind`` that ``opens`` or not; `pairing` removes it."""


class exercise(nodes.General, nodes.Element):  # noqa: N801
    """An exercise: a `headline`, then everything that stood between its markers."""


class fold(nodes.General, nodes.Element):  # noqa: N801
    """A hint, an expected output or a solution: a `headline`, then what opens."""


class lab(nodes.General, nodes.Element):  # noqa: N801
    """A laboratory: its caption as a `headline`, then what stands there without scripts."""


class spoiler(nodes.General, nodes.Element):  # noqa: N801
    """What gives an answer away: a page shows it like any text, unless the answer is withheld."""


class headline(nodes.Part, nodes.TextElement):  # noqa: N801
    """The title an author gave to an exercise or a fold; empty where there is none."""


class overview(nodes.General, nodes.Element):  # noqa: N801
    """The box at the head of a chapter."""


class exercise_list(nodes.General, nodes.Element):  # noqa: N801
    """The place of the table of all exercises, filled in when every chapter has been read."""


class listing(nodes.General, nodes.Element):  # noqa: N801
    """The place of a table of a ``kind`` about all pages, filled in when they have been read."""


def setup(app: Sphinx) -> None:
    """Register the nodes; formats other than HTML get their content without decoration."""
    plain = (_pass, _pass)
    for node, html in {
        exercise: (_visit_exercise, _depart_exercise),
        fold: (_visit_fold, _depart_fold),
        overview: (_visit_overview, _depart_overview),
    }.items():
        app.add_node(node, html=html, latex=plain, text=plain)
    app.add_node(headline, html=(_skip, _pass), latex=plain, text=plain)


def label(node: nodes.Element) -> str:
    """What links call the exercise or fold: "Exercise 2.2a", "Hint 1 for exercise 2.2a", ..."""
    item = node["number"]
    return {
        "exercise": f"Exercise {item}",
        "hint": f"Hint {node.get('position', 1)} for exercise {item}",
        "expected": f"Expected output of exercise {item}",
        "solution": f"Solution of exercise {item}",
    }[node["kind"]]


def _pass(self: Any, node: nodes.Element) -> None:
    """Write nothing around the content."""


def _skip(self: Any, node: nodes.Element) -> None:
    """Leave the node out: its parent writes it."""
    raise nodes.SkipNode


def _write_headline(self: HTML5Translator, node: nodes.Element, css_class: str) -> None:
    """Write the author's title of ``node``, where it has one."""
    title = cast(headline, node[0])
    if title.children:
        self.body.append(f'<span class="{css_class}">')
        for child in title.children:
            child.walkabout(self)
        self.body.append("</span>")


def _visit_exercise(self: HTML5Translator, node: exercise) -> None:
    level, stars = node["difficulty"], fields.stars(node["difficulty"])
    heading = f"h{min(6, node['level'])}"
    self.body.append(self.starttag(node, "section", CLASS="exercise"))
    self.body.append(f'<header class="exercise-header"><{heading} class="exercise-title">')
    self.body.append(f'<span class="exercise-number">{label(node)}</span> ')
    _write_headline(self, node, "exercise-name")
    self.body.append(
        f'<a class="headerlink" href="#{node["ids"][0]}" title="Link to this exercise">#</a>'
        f'</{heading}><p class="exercise-facts"><span>{node["minutes"]} min</span> '
        f'<span class="stars" role="img" aria-label="difficulty {level} of {fields.HARDEST}">'
        f"{stars}</span>"
    )
    if node["optional"]:
        self.body.append(' <span class="exercise-optional">optional</span>')
    self.body.append('</p></header><div class="exercise-body">')


def _depart_exercise(self: HTML5Translator, node: exercise) -> None:
    # plain links: they work without JavaScript, and following one opens its fold
    links = " ".join(f'<a href="#{target}">{text}</a>' for target, text in node["folds"])
    done = (
        f'<button type="button" class="mark-done" data-exercise="{node["number"]}">'
        "Mark as done</button>"
    )
    self.body.append(f'</div><p class="exercise-links">{links} {done}</p></section>')


def _visit_fold(self: HTML5Translator, node: fold) -> None:
    kind, item = node["kind"], node["number"]
    self.body.append(f'<details class="fold fold-{kind}"><summary>')
    self.body.append(f'<span class="fold-label">{label(node)}</span> ')
    _write_headline(self, node, "fold-name")
    # a browser opens a closed <details> when a link leads inside it, not when it leads to it
    self.body.append("</summary>" + self.starttag(node, "div", CLASS="fold-body"))
    node["back"] = f'<a href="#{fields.anchor("exercise", item)}">Back to exercise {item}</a>'


def _depart_fold(self: HTML5Translator, node: fold) -> None:
    self.body.append(f'<p class="fold-back">{node["back"]}</p></div></details>')


def _visit_overview(self: HTML5Translator, node: overview) -> None:
    self.body.append(self.starttag(node, "section", CLASS="overview", **{"aria-label": "Overview"}))
    self.body.append(
        '<p class="overview-title"><span>Overview</span> '
        f'<span class="overview-minutes">{node["minutes"]} min'
        f"{', optional' if node['optional'] else ''}</span></p>"
    )


def _depart_overview(self: HTML5Translator, node: overview) -> None:
    self.body.append("</section>")
