"""Formulas as MathML, which browsers typeset by themselves: no script, and readable to all readers.

Pandoc translates the TeX of a page in one call; what it writes that browsers space or size badly is
put right here. The site's font for formulas is `assets/fonts/book-math.woff2`.
"""

import html
import json
import re
import subprocess
from collections.abc import Iterable
from typing import Any, TypeAlias
from xml.etree import ElementTree

import pypandoc
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

Element: TypeAlias = ElementTree.Element
Formula: TypeAlias = tuple[str, bool]
"""TeX, and whether it stands on a line of its own."""

CLASSES = "math notranslate nohighlight"
"""Classes of what holds a formula: Sphinx's own."""

THIN_SPACE = "0.167em"
APPLY_FUNCTION, PRIME = "\u2061", "\u2032"
SCRIPTED = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
"""Elements whose first child is a base, and the others small beside, above or below it."""

_done: dict[Formula, str] = {}


def translate(formulas: Iterable[Formula]) -> list[str]:
    """Translate formulas, those that are new in one call of Pandoc.

    Args:
        formulas: The formulas.

    Returns:
        A `<math>` element for each; nothing for one that Pandoc does not understand.
    """
    formulas = list(formulas)
    if new := [formula for formula in dict.fromkeys(formulas) if formula not in _done]:
        _done.update(zip(new, map(tidy, _with_pandoc(new)), strict=True))
    return [_done[formula] for formula in formulas]


def _with_pandoc(formulas: list[Formula]) -> list[str]:
    kinds = {True: {"t": "DisplayMath"}, False: {"t": "InlineMath"}}
    document = {
        "pandoc-api-version": [1, 23],
        "meta": {},
        "blocks": [
            {"t": "Para", "c": [{"t": "Math", "c": [kinds[own_line], tex]}]}
            for tex, own_line in formulas
        ],
    }
    command = [pypandoc.get_pandoc_path(), "--from=json", "--to=html", "--mathml", "--wrap=none"]
    done = subprocess.run(
        command, input=json.dumps(document), capture_output=True, check=True, encoding="utf-8"
    )
    paragraphs = re.findall(r"<p>(.*?)</p>", done.stdout, re.DOTALL)
    found = [re.search(r"<math.*</math>", text, re.DOTALL) for text in paragraphs]
    return [match[0] if match else "" for match in found]


def tidy(mathml: str) -> str:
    """Put right what browsers show badly, and drop what they do not use.

    Spaces around names of functions, no spaces around signs in small print, closing brackets with
    an exponent as high as the opening ones, lines of an aligned formula in full size, primes
    that are raised once.
    """
    if not mathml:
        return ""
    root = ElementTree.fromstring(re.sub(r' xmlns="[^"]*"', "", mathml))
    semantics = root[0]
    root[:] = [semantics[0]]  # the rest is the TeX once more
    if root.get("display") == "inline":
        del root.attrib["display"]
    for element in list(root.iter()):
        if element.get("mathvariant") != "normal" or len(element.text or "") != 1:
            element.attrib.pop("mathvariant", None)  # the letters say it themselves
        if element.tag == "msup" and element[1].text == PRIME:
            element.tag = "mrow"  # the sign is raised and small by itself
        if element.tag in SCRIPTED:
            _close_up(element)
        else:
            _bracket(element)
            _space_functions(element)
        if element.tag == "mtable" and any("right" in e.get("style", "") for e in element.iter()):
            element.set("displaystyle", "true")
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _close_up(scripted: Element) -> None:
    """In exponents and indices, signs have no space around them."""
    for small in scripted[1:]:
        if small.tag == "mo" and scripted.tag in {"munder", "mover", "munderover"}:
            continue  # an accent or a brace
        for sign in small.iter("mo"):
            sign.attrib |= {"lspace": "0", "rspace": "0"}


def _bracket(row: Element) -> None:
    """Make all of a bracket the base of its exponent, so that both its ends stretch alike."""
    for position, scripted in enumerate(list(row)):
        if scripted.tag not in SCRIPTED or not _is_fence(scripted[0], "postfix"):
            continue
        depth = 1
        for start in range(position - 1, -1, -1):
            depth += _is_fence(row[start], "postfix") or (
                row[start].tag in SCRIPTED and _is_fence(row[start][0], "postfix")
            )
            depth -= _is_fence(row[start], "prefix")
            if depth == 0:
                base = ElementTree.Element("mrow")
                base[:] = [*row[start:position], scripted[0]]
                scripted[0] = base
                del row[start:position]
                return _bracket(row)
    return None


def _is_fence(element: Element, form: str) -> bool:
    stretches = element.get("stretchy") == "true"
    return element.tag == "mo" and stretches and element.get("form") == form


def _space_functions(row: Element) -> None:
    """A thin space before and behind log, exp and their like, where TeX has one."""
    children = list(row)
    spaced: list[Element] = []
    for position, child in enumerate(children):
        before = children[position - 1] if position else None
        after = children[position + 1] if position + 1 < len(children) else None
        if not _is_function(child):
            spaced.append(child)
            continue
        if before is not None and (_is_operand(before) or before.get("form") == "postfix"):
            spaced.append(_space())
        spaced.append(child)
        if after is not None and _is_operand(after) and not _is_function(after):
            spaced.append(_space())
    row[:] = spaced


def _is_function(element: Element) -> bool:
    return element.tag == "mrow" and len(element) > 1 and element[-1].text == APPLY_FUNCTION


def _is_operand(element: Element) -> bool:
    return element.tag not in {"mo", "mspace"}


def _space() -> Element:
    return ElementTree.Element("mspace", {"width": THIN_SPACE})


class TranslateFormulas(SphinxPostTransform):
    """Translates all formulas of a page at once, before it is written."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: object) -> None:
        """Work through one document."""
        found = [*self.document.findall(nodes.math), *self.document.findall(nodes.math_block)]
        translate(map(formula_of, found))


def formula_of(node: nodes.math | nodes.math_block) -> Formula:
    """The TeX of a node, as Pandoc wants it, and whether it stands on a line of its own."""
    tex = node.astext().strip()
    if not isinstance(node, nodes.math_block):
        return tex, False
    lines = [part.strip() for part in tex.split("\n\n") if part.strip()]
    if not node.get("nowrap") and (len(lines) > 1 or (r"\\" in tex and r"\begin{" not in tex)):
        tex = "\\begin{aligned}\n" + "\\\\\n".join(lines) + "\n\\end{aligned}"
    return tex, True


def _mathml(node: nodes.math | nodes.math_block) -> str:
    (mathml,) = translate([formula_of(node)])
    if not mathml:
        logger.warning("this formula cannot be set: %s", node.astext(), location=node)
    return mathml


def _visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    start = self.starttag(node, "span", "", CLASS=CLASSES)
    self.body.append(f"{start}{_mathml(node)}{_note(node)}</span>")
    raise nodes.SkipNode


def _visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS=CLASSES))
    if node.get("number"):
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
        self.body.append(f'<span class="formula">{_mathml(node)}</span>')  # scrolls by itself
    else:
        self.body.append(_mathml(node))
    self.body.append(f"{_note(node)}</div>\n")
    raise nodes.SkipNode


def _note(node: nodes.math | nodes.math_block) -> str:
    """The TeX, for other parts of this extension that work on a page's HTML; `_forget` drops it."""
    if isinstance(node.parent, nodes.title):
        return ""
    left, right = (r"\[", r"\]") if isinstance(node, nodes.math_block) else (r"\(", r"\)")
    return f"<!--tex {left}{html.escape(node.astext()).replace('-', '&#45;')}{right}-->"


def _forget(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    if "body" in context:
        context["body"] = re.sub(r"<!--tex .*?-->", "", context["body"], flags=re.DOTALL)


def _use_mathml(app: Sphinx, config: Config) -> None:
    config.html_math_renderer = "mathml"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer and choose it."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    app.add_post_transform(TranslateFormulas)
    app.connect("config-inited", _use_mathml)
    app.connect("html-page-context", _forget, priority=940)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
