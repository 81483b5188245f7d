"""What of some sections' solutions can be found in a built site, wherever it may be.

The secrets are every line of the solutions, of what their cells printed, and of the pages that hold
answers; and every word that stands in nothing else. They are looked for in all files: pages with
and without their markup, notebooks, the search index, the text of PDFs.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pypdfium2
from sphinx.search.en import SearchEnglish

from coursekit import notebooks
from coursekit.book import Book
from coursekit.chapter import Block, Chapter, Directive
from coursekit.project import Project, files_below

LEAST = 20
"""Letters and digits of a line that says something."""

ROLE = r"\{[\w:-]+\}`[^`]*`"
MARKUP = re.compile(rf"{ROLE}|\]\([^)]*\)|\$[^$]*\$|[\[\]|*`]|^:[\w-]+:.*$")
"""Where a line of Markdown is cut, since the page shows something else there."""


@dataclass(frozen=True)
class Secrets:
    """What nobody may find."""

    lines: dict[str, str] = field(repr=False)
    """pieces of lines, by their letters and digits"""
    words: frozenset[str] = field(repr=False)
    """as the search index has them"""

    def __str__(self) -> str:
        return f"{len(self.lines)} lines, {len(self.words)} words"


@dataclass(frozen=True)
class Found:
    """What was found."""

    files: int
    lines: int
    words: int
    examples: tuple[str, ...] = field(repr=False)

    @property
    def anything(self) -> bool:
        """Whether there was anything."""
        return bool(self.lines or self.words)

    def __str__(self) -> str:
        return f"{self.lines} lines, {self.words} words"


def secrets(project: Project, sections: str, *, with_pages: bool) -> Secrets:
    """Collects what solutions, and what gives them away, hold and no other part of the book does.

    Args:
        project: The course; what its chapters' cells gave is read from the cache.
        sections: Their numbers, one digit each.
        with_pages: Whether pages that hold answers to several sections count, too.

    Returns:
        The secrets.
    """
    book = Book(project.root)
    secret, public = [], []
    for chapter in book.chapters.values():
        answers = False  # from the mark of a page that holds them on
        solutions = _solutions(chapter) if chapter.name[0] in sections else set()
        hidden_cells = set()
        for block in chapter.blocks:
            answers = answers or getattr(block, "name", "") == "holds-answers"
            hidden = (answers and with_pages) or id(block) in solutions
            is_cell = isinstance(block, Directive) and block.is_code_cell
            (secret if hidden else public).extend(_pieces(block))
            if hidden and is_cell:
                hidden_cells.add(block.body.strip())
        for cell, text in _outputs(project, chapter):
            (secret if cell in hidden_cells else public).extend(text.splitlines())
    code = [
        path.read_text("utf-8")
        for path in files_below(project.root, ("code", "README.md", "book/references.bib"))
        if path.suffix in (".py", ".md", ".bib")
    ]
    shown = squeezed("\n".join(public))
    lines = {squeezed(line): line.strip() for line in secret}
    return Secrets(
        {key: line for key, line in lines.items() if len(key) >= LEAST and key not in shown},
        frozenset(word for word in _words(secret) - _words([*public, *code]) if len(word) > 3),
    )


def search(site: Path, wanted: Secrets) -> Found:
    """Looks for secrets in every file of a site.

    Args:
        site: Its folder.
        wanted: What to look for.

    Returns:
        What was found.
    """
    files = [path for path in sorted(site.rglob("*")) if path.is_file()]
    everything = "\n".join(squeezed(_text(path)) for path in files)
    lines = [line for key, line in wanted.lines.items() if key in everything]
    index = (site / "searchindex.js").read_text("utf-8")
    terms = json.loads(index[index.index("(") + 1 : index.rindex(")")])
    words = wanted.words & (terms["terms"].keys() | terms["titleterms"].keys())
    return Found(len(files), len(lines), len(words), (*lines[:20], *sorted(words)[:20]))


def squeezed(text: str) -> str:
    """The letters and digits of a text."""
    return re.sub(r"[\W_]+", "", text)


def _solutions(chapter: Chapter) -> set[int]:
    """Identities of a chapter's blocks that only instructors get."""
    student, instructor = (
        {id(block) for block, _ in notebooks.published(chapter, variant)}
        for variant in ("student", "instructor")
    )
    return instructor - student


def _pieces(block: Block) -> Iterator[str]:
    """The lines of a block; of Markdown what stands between its markup."""
    if not isinstance(block, Directive):
        for line in block.source.splitlines():
            yield from MARKUP.split(line)
        return
    yield from [block.argument, *map(str, block.options.values())]
    for line in block.body.splitlines():
        yield from [line] if block.is_code_cell else MARKUP.split(line)


def _outputs(project: Project, chapter: Chapter) -> Iterator[tuple[str, str]]:
    """Source of a cell, and a text that it showed."""
    executed = notebooks.executed(project, chapter) if chapter.cells else None
    for cell in executed.cells if executed else []:
        for output in cell.get("outputs", []):
            for text in (output.get("text", ""), *output.get("data", {}).values()):
                yield cell.source.strip(), html.unescape(re.sub("<[^>]*>", " ", str(text)))


def _text(path: Path) -> str:
    """What a file says to people; for what is no text, whatever letters its bytes make."""
    if path.suffix == ".pdf":
        pages = pypdfium2.PdfDocument(path)
        return "\n".join(page.get_textpage().get_text_bounded() for page in pages)
    text = path.read_bytes().decode("utf-8", "ignore")
    if path.suffix == ".html":  # and once more with its markup, attributes and comments among it
        return html.unescape(re.sub("<[^>]*>", "", text)) + "\n" + html.unescape(text)
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells) + "\n" + text
    return text


def _words(texts: list[str]) -> frozenset[str]:
    """Stems of words, as Sphinx's search index has them."""
    language = SearchEnglish({})
    found = language.split("\n".join(texts))
    return frozenset(language.stem(word.strip("_").lower()) for word in found)
