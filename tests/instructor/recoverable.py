"""What of some sections' solutions can be found in a built site, wherever it may be.

The secrets are every line of the solutions, of what their cells printed, and of the pages that hold
answers; every image that their cells made; and every word that stands in nothing else. They are
looked for in all files: pages without their markup, notebooks, the search index, the text of PDFs.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    images: frozenset[str] = field(repr=False)
    """digests"""

    def __str__(self) -> str:
        return f"{len(self.lines)} lines, {len(self.words)} words, {len(self.images)} images"


@dataclass(frozen=True)
class Found:
    """What was found."""

    files: int
    lines: int
    words: int
    images: int
    examples: tuple[str, ...] = field(repr=False)

    @property
    def anything(self) -> bool:
        """Whether there was anything."""
        return bool(self.lines or self.words or self.images)

    def __str__(self) -> str:
        return f"{self.lines} lines, {self.words} words, {self.images} images"


def secrets(project: Project, sections: set[str]) -> Secrets:
    """Collects what the solutions of some sections hold and no other part of the book does.

    Args:
        project: The course; what its chapters' cells gave is read from the cache.
        sections: Their numbers.

    Returns:
        The secrets.
    """
    book = Book(project.root)
    secret, public = [], []
    images: dict[bool, set[str]] = {True: set(), False: set()}
    for chapter in book.chapters.values():
        answers = any(getattr(block, "name", "") == "holds-answers" for block in chapter.blocks)
        solutions = {id(block) for block, _ in _solutions(chapter)}
        hidden_cells = set()
        for block in chapter.blocks:
            hidden = answers or (chapter.name[0] in sections and id(block) in solutions)
            is_cell = isinstance(block, Directive) and block.is_code_cell
            text = block.body if isinstance(block, Directive) else block.source
            (secret if hidden else public).extend(_pieces(text, is_cell))
            if hidden and is_cell:
                hidden_cells.add(text.strip())
        for cell, text, image in _outputs(project, chapter):
            hidden = cell in hidden_cells
            (secret if hidden else public).extend(text.splitlines())
            images[hidden] |= {image} - {""}
    code = [
        path.read_text("utf-8")
        for path in files_below(project.root, ("code", "README.md"))
        if path.suffix in (".py", ".md")
    ]
    shown = squeezed("\n".join(public))
    lines = {squeezed(line): line.strip() for line in secret}
    return Secrets(
        {key: line for key, line in lines.items() if len(key) >= LEAST and key not in shown},
        _words(secret) - _words([*public, *code]),
        frozenset(images[True] - images[False]),
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
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    found = len(lines), len(words), len(wanted.images & digests)
    return Found(len(files), *found, (*lines[:20], *sorted(words)[:20]))


def squeezed(text: str) -> str:
    """The letters and digits of a text."""
    return re.sub(r"[\W_]+", "", text)


def _solutions(chapter: Chapter) -> Iterator[tuple[Block, Any]]:
    """Blocks of a chapter that only instructors get."""
    student = {id(block) for block, _ in notebooks.published(chapter, "student")}
    for block, region in notebooks.published(chapter, "instructor"):
        if id(block) not in student:
            yield block, region


def _pieces(text: str, is_code: bool) -> Iterator[str]:
    for line in text.splitlines():
        yield from [line] if is_code else MARKUP.split(line)


def _outputs(project: Project, chapter: Chapter) -> Iterator[tuple[str, str, str]]:
    """Source of a cell, a text that it showed, and the digest of an image of it, if it is one."""
    executed = notebooks.executed(project, chapter) if chapter.cells else None
    for cell in executed.cells if executed else []:
        for output in cell.get("outputs", []):
            yield cell.source.strip(), output.get("text", ""), ""
            for kind, value in output.get("data", {}).items():
                if kind == "image/png":
                    content = base64.b64decode(value)
                elif kind == "image/svg+xml":
                    content = value.encode()
                else:
                    yield cell.source.strip(), html.unescape(re.sub("<[^>]*>", " ", str(value))), ""
                    continue
                yield cell.source.strip(), "", hashlib.sha256(content).hexdigest()


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
    """Words as Sphinx's search index has them."""
    language = SearchEnglish({})
    found = language.split("\n".join(texts))
    return frozenset(language.stem(word.lower()) for word in set(found) if len(word) > 3)
