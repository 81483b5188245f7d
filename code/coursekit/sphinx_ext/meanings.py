"""What a term or a symbol means, at hand where it stands: on hover, on focus, at a touch.

The chapters link a term of the glossary where they bring it in. The first time that a page mentions
one that it never links, it is linked here, as far as its words have one sense only. Each page then
lists, in a part that is closed at first, the terms that it links and the symbols of its formulas,
as `book/glossary` and `book/notation` explain them; `assets/meanings.js` shows an entry beside the
place that it belongs to. Nothing is loaded for it, and without scripts the list is there.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

from coursekit.notation import PAGE as NOTATION
from coursekit.notation import Meaning, Notation
from coursekit.sphinx_ext.nodes import fold
from coursekit.tex import to_html

GLOSSARY = "book/glossary"
"""The page of the glossary."""

ONE_SENSE = {"knockout", "logit", "perplexity", "trajectory", "unembedding"}
"""Single words that mean nothing but their entry, wherever they stand in the chapters."""

NOT_ALONE = {"termination and truncation", "ABBA and BABA", "END", "direct effect"}
"""Terms that are not looked for in the text: their words stand there in other senses, or apart."""

_TERM = re.compile(
    r'<a (class="reference internal[^"]*" href="[^"#]*#(term-[^"]+)")>'
    r'(?=<span class="xref std std-term)'
)
_MATH = re.compile(r'<(span|div) class="math notranslate nohighlight"([^>]*)>(.*?)</\1>', re.DOTALL)
_TEX = re.compile(r"\\\((.*?)\\\)|\\\[(.*?)\\\]", re.DOTALL)


class LinkFirstMention(SphinxPostTransform):
    """Links the first mention of a term on a chapter's page that does not link it itself."""

    default_priority = 20  # behind Sphinx's resolution of references
    formats = ("html",)

    def run(self, **_: object) -> None:
        """Work through one document."""
        page = self.env.docname
        if not re.match(r"book/\d", page):
            return
        places = _terms(self.env)
        linked = {
            link.get("refid") or link.get("refuri", "").partition("#")[2]
            for link in self.document.findall(nodes.reference)
        }
        left = {
            name: place
            for name, place in places.items()
            if place not in linked and (name in ONE_SENSE or _is_distinct(name))
        }
        if not left:
            return
        words = "|".join(sorted(map(_pattern, left), key=len, reverse=True))
        mention = re.compile(rf"(?<![\w-])({words})(?![\w-])")
        for text in list(_prose(self.document)):
            self._link(text, mention, left)

    def _link(self, text: nodes.Text, mention: re.Pattern[str], left: dict[str, str]) -> None:
        """Replace the mentions in a piece of text whose terms are still to be linked."""
        parts: list[nodes.Node] = []
        at = 0
        for found in mention.finditer(text):
            name = next((n for n in left if re.fullmatch(_pattern(n), found[0])), None)
            if name is None:
                continue
            parts.append(nodes.Text(text[at : found.start()]))
            words = nodes.inline("", found[0], classes=["xref", "std", "std-term", "mention"])
            page = self.env.docname
            parts.append(make_refnode(self.app.builder, page, GLOSSARY, left.pop(name), words))
            at = found.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[at:])])


def _terms(env: BuildEnvironment) -> dict[str, str]:
    """The terms of the glossary, and the anchor of each."""
    objects = cast(StandardDomain, env.get_domain("std")).objects
    return {name: place for (kind, name), (_, place) in objects.items() if kind == "term"}


def _is_distinct(name: str) -> bool:
    """Whether a term is not also a word of everyday language."""
    several = " " in name or "-" in name or sum(map(str.isupper, name)) > 1
    return several and name not in NOT_ALONE


def _pattern(name: str) -> str:
    """Matches a term in the text: also at the start of a sentence, and in the plural."""
    first, rest = name[0], re.escape(name[1:])
    start = f"[{first}{first.upper()}]" if first.islower() else re.escape(first)
    return f"{start}{rest}s?"


def _prose(document: nodes.document) -> Iterator[nodes.Text]:
    """The words of a page's paragraphs that are open, and that no markup marks as something."""
    for paragraph in document.findall(nodes.paragraph):
        up: nodes.Element | None = paragraph
        while up is not None and not isinstance(up, fold | nodes.table | nodes.figure):
            up = up.parent
        if up is None:
            yield from (child for child in paragraph.children if isinstance(child, nodes.Text))


def _explain(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """List at the end of a page what its terms and symbols mean, and tie these to the list."""
    if doctree is None or page == GLOSSARY or not context.get("body"):
        return
    entries: dict[str, str] = {}
    body = _tie_terms(app, context["body"], entries)
    if page != NOTATION:
        body = _tie_symbols(app, page, body, entries)
    if entries:
        kinds = ["terms"] * any(i.startswith("means-term-") for i in entries)
        kinds += ["symbols"] * any(not i.startswith("means-term-") for i in entries)
        body += (
            f'<details class="meanings"><summary>{" and ".join(kinds).capitalize()} on this page'
            f"</summary><dl>{''.join(entries.values())}</dl></details>"
        )
    context["body"] = body


def _entry(place: str, what: str, meaning: str) -> str:
    return f'<div id="{place}"><dt>{what}</dt> <dd>{meaning}</dd></div>'


def _tie_terms(app: Sphinx, body: str, entries: dict[str, str]) -> str:
    explained = _glossary(app)

    def tie(link: re.Match[str]) -> str:
        attributes, place = link[1], link[2]
        if place not in explained:
            return link[0]
        entries.setdefault(place, _entry(f"means-{place}", *explained[place]))
        return f'<a {attributes} aria-describedby="means-{place}">'

    tied = _TERM.sub(tie, body)
    for place in [name for name in entries if name.startswith("term-")]:
        entries[f"means-{place}"] = entries.pop(place)
    return tied


def _tie_symbols(app: Sphinx, page: str, body: str, entries: dict[str, str]) -> str:
    notation: Notation = app.env._course_notation
    name = page.rpartition("/")[2]

    def place_of(row: Meaning) -> str:
        return f"means-{notation.rows.index(row)}"

    def tie(formula: re.Match[str]) -> str:
        tag, attributes, content = formula.groups()
        tex = " ".join(a or b for a, b in _TEX.findall(html.unescape(content)))
        shown: dict[str, None] = {}
        for _, row in notation.in_formula(tex, name):
            if row is not None:
                entries.setdefault(place_of(row), _entry(place_of(row), row.shown, row.text))
                if not row.quiet:
                    shown[place_of(row).removeprefix("means-")] = None
        means = f' data-means="{" ".join(shown)}"' if shown else ""
        return f'<{tag} class="math notranslate nohighlight"{attributes}{means}>{content}</{tag}>'

    return _MATH.sub(tie, body)


def _glossary(app: Sphinx) -> dict[str, tuple[str, str]]:
    """Each term and its explanation, as HTML, by the term's anchor."""
    known: dict[str, tuple[str, str]] | None = getattr(app, "_course_glossary", None)
    if known is None:
        known = {}
        if GLOSSARY in app.env.found_docs:
            for item in app.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
                definition = next(child for child in item if isinstance(child, nodes.definition))
                for term in (child for child in item if isinstance(child, nodes.term)):
                    text = " ".join(map(_plain, definition))
                    known |= {place: (html.escape(term.astext()), text) for place in term["ids"]}
        app._course_glossary = known
    return known


def _plain(node: nodes.Node) -> str:
    """A piece of an explanation as HTML without links."""
    if isinstance(node, nodes.math):
        return to_html(node.astext())
    if isinstance(node, nodes.Text):
        return html.escape(" ".join(node.split("\n")))
    inside = "".join(map(_plain, node.children))
    return f"<em>{inside}</em>" if isinstance(node, nodes.emphasis) else inside


def _read_notation(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Read the page of notation; have all pages written again when an explanation has changed."""
    notation, glossary = Notation.of(Path(env.srcdir)), Path(env.srcdir, f"{GLOSSARY}.md")
    words = glossary.read_text("utf-8") if glossary.is_file() else ""
    before = getattr(env, "_course_meanings", None)
    env._course_notation = notation
    env._course_meanings = (notation.rows, words)
    return [] if before == (notation.rows, words) else sorted(env.found_docs)


def _configure(app: Sphinx, config: Config) -> None:
    config.html_js_files.append(("meanings.js", {"defer": "defer"}))
    config.html_css_files.append("comforts.css")


def setup(app: Sphinx) -> None:
    """Connect to Sphinx's events."""
    app.add_post_transform(LinkFirstMention)
    app.connect("config-inited", _configure)
    app.connect("env-updated", _read_notation)
    app.connect("html-page-context", _explain)
