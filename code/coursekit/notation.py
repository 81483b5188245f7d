"""The page of notation, read: what a symbol of a formula means on a given page.

A symbol is explained by a row that says so for the page (`in 2.5: ...`), else by one of the page's
section, else by one that holds everywhere; where none does, it stays unexplained, since a wrong
meaning is worse than none.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from coursekit.tex import Symbol, symbols, to_html

PAGE = "book/notation"
"""The page of notation."""

EVERYWHERE = ""
"""Stands for the section of rows that hold on all pages."""

QUIET = {*"eijk", "\\log", "\\sum", "\\prod", "\\propto", "\\approx", "\\top"}
"""Symbols that a page lists, and that no formula needs to be explained by."""

_ROW = re.compile(r"^\| (.+?) \| (.+) \|$")
_FORMULA = re.compile(r"\$([^$]+)\$")
PLACES = {"the gallery of 3.2": "3-2-broken-gradients"}
"""What rows call a page that shares its number with another."""

_ONLY_IN = re.compile(r"in ((?:the \w+ of )?\d\.\d): ")
_AS_IN = re.compile(r"as in section (\d)$")


@dataclass(frozen=True)
class Meaning:
    """A row of the page of notation."""

    keys: tuple[Symbol, ...]
    """the symbols that it explains"""
    shown: str
    """these symbols as HTML"""
    text: str
    """what they mean, as HTML"""
    section: str
    """the section of the course in which it holds, or `EVERYWHERE`"""
    only: str = ""
    """the part of it to which it is limited: `2.5`, or a name among `PLACES`"""
    as_in: str = ""
    """the section in which they are explained"""

    @property
    def quiet(self) -> bool:
        """Whether every formula that has it can do without it."""
        return all(key.base in QUIET for key in self.keys)


def read_notation(source: str) -> list[Meaning]:
    """Reads the page of notation.

    Args:
        source: Its Markdown.

    Returns:
        A meaning for each row with a formula; the table of letters with two meanings has none that
        is not in another table.

    Raises:
        ValueError: If a symbol has a command that `coursekit.tex` cannot write.
    """
    found: list[Meaning] = []
    section: str | None = None
    for line in source.splitlines():
        if line.startswith("## "):
            number = re.match(r"## Section (\d)", line)
            section = number[1] if number else EVERYWHERE if line == "## Everywhere" else None
        row = _ROW.match(line)
        if row and section is not None and (formulas := _FORMULA.findall(row[1])):
            found.append(_meaning(row[1], row[2], formulas, section, found))
    return found


def _meaning(
    shown: str, text: str, formulas: Sequence[str], section: str, earlier: Sequence[Meaning]
) -> Meaning:
    only = _ONLY_IN.match(text)
    as_in = _AS_IN.match(text)
    known = {key for row in earlier if row.section == section for key in row.keys}
    # of "C \ K" the sign is new, where C has a row of its own
    keys = [next((s for s in symbols(f) if s not in known), symbols(f)[0]) for f in formulas]
    return Meaning(
        tuple(keys),
        inline_html(shown),
        inline_html(text[only.end() :] if only else text),
        section,
        only[1] if only else "",
        as_in[1] if as_in else "",
    )


def inline_html(markdown: str) -> str:
    """Writes a line of text with formulas as HTML.

    Args:
        markdown: Text whose only markup is formulas between dollars.

    Returns:
        HTML.

    Raises:
        ValueError: If a formula has a command that `coursekit.tex` cannot write.
    """
    parts = re.split(r"\$([^$]+)\$", markdown)
    return "".join(to_html(p) if i % 2 else html.escape(p) for i, p in enumerate(parts))


class Notation:
    """What symbols mean on the pages of a course.

    Args:
        rows: What `read_notation` returns.
    """

    def __init__(self, rows: Sequence[Meaning]):
        self.rows = rows

    @classmethod
    def of(cls, root: Path) -> "Notation":
        """Reads the page of notation of a course; without one, nothing is explained."""
        path = root / f"{PAGE}.md"
        return cls(read_notation(path.read_text("utf-8")) if path.is_file() else [])

    def meaning(self, symbol: Symbol, page: str) -> Meaning | None:
        """What a symbol means on a page.

        Args:
            symbol: The symbol as a formula has it.
            page: Name of the page's file, such as `2-5-tracing-back`.

        Returns:
            The row that explains it, or None.
        """
        number = re.match(r"(\d)(?:-(\d))?", page)
        section = number[1] if number else EVERYWHERE
        narrower = ["", f"{section}.{number[2]}" if number and number[2] else ""]
        narrower += [name for name, of in PLACES.items() if of == page]
        ranked = [
            (narrower.index(row.only), fit, row.section != EVERYWHERE, -i, row)
            for i, row in enumerate(self.rows)
            if row.section in (EVERYWHERE, section) and row.only in narrower
            for fit in [max(_fit(symbol, key) for key in row.keys)]
            if fit
        ]
        if not ranked:
            return None
        best = max(ranked, key=lambda rank: rank[:-1])[-1]
        return self.meaning(symbol, best.as_in) if best.as_in else best

    def in_formula(self, tex: str, page: str) -> Iterator[tuple[Symbol, Meaning | None]]:
        """The symbols of a formula with their meanings on a page.

        Args:
            tex: The formula.
            page: Name of the page's file.

        Yields:
            Each symbol, in order, and the row that explains it, or None.
        """
        for symbol in symbols(tex):
            yield symbol, self.meaning(symbol, page)


def _fit(symbol: Symbol, key: Symbol) -> int:
    """How well a row's symbol fits one of a formula: 0 for not at all, up to 4."""
    if (symbol.base, symbol.accent) != (key.base, key.accent):
        return 0
    if symbol.primes and symbol.primes != key.primes:
        return 0
    if symbol.sub == key.sub:
        return 3 + (symbol.applied == key.applied)
    if _is_index(key.sub) and (_is_index(symbol.sub) or not symbol.sub):
        return 2
    return 0 if key.sub else 1


def _is_index(sub: str) -> bool:
    """Whether an index only counts, as t, 0 or t+1 do; `ref` and `theta` are part of a name."""
    return re.fullmatch(r"[<>]?[a-z0-9](\\?[a-z+\-<>=]|\d)*", sub) is not None
