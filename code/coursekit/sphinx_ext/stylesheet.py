"""One small style sheet for all pages, made from the theme's and ours, without what no page uses.

The theme and the extensions bring eight style sheets, most of whose rules are for things that the
book does not have. Once all pages are written, those rules are kept whose classes, ids and elements
stand on some page, or are named in a script, which may write them. Our own sheet is kept whole.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import tinycss2
from docutils import nodes
from sphinx.application import Sphinx

NAME = "style.css"
"""The sheet that is made, in the site's ``_static``."""

OWN = "course.css"
"""The sheet of the book itself; it comes last and stays whole."""

THEIRS = (
    *(
        "basic.css",
        "styles/pydata-sphinx-theme.css",
        "pygments.css",
        "styles/sphinx-book-theme.css",
    ),
    *("copybutton.css", "mystnb.*.css", "sphinx-design.min.css"),
)
"""The sheets of theme and extensions, in the order in which pages had them."""

UNUSED = (
    *("styles", "vendor", "locales", "images", "scripts/bootstrap.*", "scripts/*.map"),
    *("scripts/fontawesome.*", "*webpack-macros.html", "handout.typ", *THEIRS, OWN),
)
"""What no page asks for any more, below ``_static``."""

NOT_OURS = ("thebe",)
"""Folders below ``_static`` whose scripts bring their own style sheets."""

ICON = re.compile(r"fa([srbldtk]|-.*)?$")
"""Classes of Font Awesome, whose icons the book's own sheet draws."""

_NAME = r"-?[A-Za-z_][\w-]*"
_GROUP = re.compile(r":(?:not|is|where|has|matches)\((?:[^()]|\([^()]*\))*\)")
_ATTRIBUTE = re.compile(r"\[[^\]]*\]")
_PSEUDO = re.compile(r"::?[\w-]+(?:\([^()]*\))?")


def words_in_use(pages: Iterable[str], scripts: Iterable[str]) -> set[str]:
    """All that a selector may name with effect: elements, classes, ids, and words of scripts.

    Args:
        pages: The HTML of pages.
        scripts: The text of scripts.

    Returns:
        The words, elements in lower case.
    """
    words = {"html", "body", "root"}
    for html in pages:
        words.update(tag.lower() for tag in re.findall(r"<([A-Za-z][\w-]*)", html))
        for names in set(re.findall(r"\b(?:class|id)=\"([^\"]*)\"", html)):
            words.update(names.split())
        words.update(re.findall(r"\s(data-[\w-]+)[=\s>]", html))
    for text in scripts:
        words.update(re.findall(_NAME, text))
    return words


def purge(css: str, words: set[str], variables: set[str] | None = None) -> str:
    """Keep what can apply to a page.

    Args:
        css: A style sheet.
        words: What pages hold, as `words_in_use` says.
        variables: The variables that are used, as `variables_in_use` says; all if left out.

    Returns:
        The sheet without the other rules, variables and animations, and without comments.
    """
    kept = "".join(_kept(_rules(css), words, variables))
    animated = set(re.findall(_NAME, " ".join(re.findall(r"animation(?:-name)?:([^;}]*)", kept))))
    return "".join(
        rule.serialize()
        for rule in _rules(kept)
        if getattr(rule, "at_keyword", "") != "keyframes"
        or tinycss2.serialize(rule.prelude).strip() in animated
    )


def variables_in_use(texts: Iterable[str]) -> set[str]:
    """Names of the variables that are read somewhere, or stand in the value of one that is.

    Args:
        texts: Style sheets, pages and scripts.

    Returns:
        The names, with their hyphens.
    """
    used: set[str] = set()
    inside: dict[str, set[str]] = {}
    for text in texts:
        for name, value in re.findall(r"(--[\w-]+)\s*:((?:[^;{}\"]|\"[^\"]*\")*)", text):
            inside.setdefault(name, set()).update(_read_in(value))
        used |= _read_in(re.sub(r"--[\w-]+\s*:(?:[^;{}\"]|\"[^\"]*\")*", "", text))
    waiting = list(used)
    while waiting:
        for name in inside.get(waiting.pop(), set()) - used:
            used.add(name)
            waiting.append(name)
    return used


def _read_in(text: str) -> set[str]:
    return set(re.findall(r"var\(\s*(--[\w-]+)", text))


def _rules(css: str | list[Any]) -> list[Any]:
    return list(tinycss2.parse_rule_list(css, skip_comments=True, skip_whitespace=True))


def _kept(rules: Iterable[Any], words: set[str], variables: set[str] | None) -> Iterator[str]:
    for rule in rules:
        keyword = getattr(rule, "at_keyword", "")
        if rule.type == "qualified-rule":
            selectors = [one for one in _split(rule.prelude) if _may_match(one, words)]
            content = _declarations(rule.content, variables) if selectors else ""
            if content:
                yield f"{','.join(selectors)}{{{content}}}"
        elif keyword in {"media", "supports"}:
            if body := "".join(_kept(_rules(rule.content), words, variables)):
                yield f"@{keyword}{tinycss2.serialize(rule.prelude)}{{{body}}}"
        elif keyword == "font-face" and "Awesome" in tinycss2.serialize(rule.content):
            continue
        elif keyword and keyword not in {"charset", "import"}:
            yield rule.serialize()


def _declarations(content: list[Any], variables: set[str] | None) -> str:
    """The declarations of a rule, without variables that nothing reads."""
    found = tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
    return ";".join(
        one.serialize().strip()
        for one in found
        if one.type == "declaration"
        and (variables is None or not one.name.startswith("--") or one.name in variables)
    )


def _split(prelude: list[Any]) -> list[str]:
    """The selectors of a list; a comma inside brackets does not part two."""
    parts: list[list[Any]] = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            parts.append([])
        elif token.type != "comment":
            parts[-1].append(token)
    return [tinycss2.serialize(part).strip() for part in parts]


def _may_match(selector: str, words: set[str]) -> bool:
    if any(name not in words for name in re.findall(r"\[(data-bs-[\w-]+)", selector)):
        return False
    plain = selector.replace("\\", "")
    plain = _ATTRIBUTE.sub("", _GROUP.sub("", plain))
    names = re.findall(rf"[.#]({_NAME})", plain)
    if names and all(ICON.fullmatch(name) for name in names):
        return False
    if any(name not in words for name in names):
        return False
    bare = _PSEUDO.sub("", re.sub(rf"[.#]{_NAME}", "", plain))
    return all(tag.lower() in words for tag in re.findall(_NAME, bare))


def _drop_links(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """The template links the one sheet; the others are parts of it."""
    parts = [re.compile(re.escape(name).replace(r"\*", ".*")) for name in (*THEIRS, OWN)]

    def is_part(sheet: Any) -> bool:
        name = str(getattr(sheet, "filename", sheet)).partition("?")[0].removeprefix("_static/")
        return any(part.fullmatch(name) for part in parts)

    context["css_files"] = [sheet for sheet in context["css_files"] if not is_part(sheet)]


def write(static: Path, pages: Iterable[str]) -> str:
    """Make the sheet, and remove what no page asks for any more.

    Args:
        static: The site's folder ``_static``.
        pages: The HTML of all pages.

    Returns:
        A short digest of the sheet, its version.
    """
    pages = list(pages)
    scripts = [
        path.read_text(encoding="utf-8")
        for path in static.rglob("*.js")
        if path.relative_to(static).parts[0] not in NOT_OURS and path.name != "bootstrap.js"
    ]
    words = words_in_use(pages, scripts)
    theirs = [_read(sheet, static) for name in THEIRS for sheet in sorted(static.glob(name))]
    own = re.sub(r"/\*.*?\*/", "", _read(static / OWN, static), flags=re.DOTALL)
    others = [sheet.read_text(encoding="utf-8") for sheet in static.rglob("*.css")]
    kept = [purge(sheet, words) for sheet in theirs]
    variables = variables_in_use([*kept, own, *others, *pages, *scripts])
    css = "".join(purge(sheet, words, variables) for sheet in kept) + own
    (static / NAME).write_text(css, encoding="utf-8")
    for pattern in UNUSED:
        for path in static.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return sha256(css.encode()).hexdigest()[:8]


def name_version(html: str, version: str) -> str:
    """Write the sheet's version into a page's link to it, so that no browser uses an older one."""
    return re.sub(rf"{re.escape(NAME)}\?v=\w+", f"{NAME}?v={version}", html)


def _read(sheet: Path, static: Path) -> str:
    """A sheet, with addresses as they are from ``_static``."""
    css = sheet.read_text(encoding="utf-8")
    return css if sheet.parent == static else re.sub(r"url\((['\"]?)\.\./", r"url(\1", css)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx's events."""
    app.connect("html-page-context", _drop_links, priority=950)
