"""What the pages of the book know of each other: addresses, labels, references, contents."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml
from markdown_it.token import Token
from sphinx.util.nodes import _make_id as anchor_id
from sphinx_external_toc.api import FileItem, GlobItem
from sphinx_external_toc.parsing import parse_toc_yaml

from coursekit.chapter import JUPYTER_BOOK_EXTENSIONS, Chapter, Directive, parse, read_chapter
from coursekit.project import CourseError
from coursekit.sphinx_ext.fields import anchor


class Target(NamedTuple):
    """What a label points to."""

    title: str
    """words for a link that has none of its own; empty where only the author can give them"""
    url: str


class Book:
    """The book in a repository: `_config.yml`, `_toc.yml` and the files these name.

    Args:
        root: The repository's root folder.

    Raises:
        FileNotFoundError: If `_config.yml` or `_toc.yml` is missing.
    """

    def __init__(self, root: Path):
        self.root = root
        self.config: dict[str, Any] = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
        self.pages = [root / f"{name}.md" for name in _in_reading_order(root)]

    @property
    def repository(self) -> str:
        """Address of the repository, without a slash at the end."""
        return str(self.config["repository"]["url"]).rstrip("/").removesuffix(".git")

    @property
    def branch(self) -> str:
        """Branch that is published."""
        return str(self.config["repository"].get("branch", "main"))

    @property
    def site(self) -> str:
        """Address of the published site, without a slash at the end.

        `html.baseurl` where `_config.yml` gives one, else GitHub's pages of the repository.
        """
        base = (self.config.get("html") or {}).get("baseurl")
        if base:
            return str(base).rstrip("/")
        owner, name = urlsplit(self.repository).path.strip("/").split("/")[-2:]
        return f"https://{owner}.github.io/{name}"

    @property
    def extensions(self) -> Sequence[str]:
        """MyST's syntax extensions that the site uses."""
        parse_settings = self.config.get("parse") or {}
        return parse_settings.get("myst_enable_extensions") or JUPYTER_BOOK_EXTENSIONS

    @cached_property
    def chapters(self) -> dict[Path, Chapter]:
        """Every Markdown page of the contents, read."""
        return {path: read_chapter(path, self.extensions) for path in self.pages if path.exists()}

    def url(self, page: Path, place: str = "") -> str:
        """Address on the site of a page of the book.

        Args:
            page: The page's source.
            place: Id of something on the page.

        Returns:
            An absolute address.
        """
        name = page.resolve().relative_to(self.root.resolve()).with_suffix(".html").as_posix()
        return f"{self.site}/{name}" + (f"#{place}" if place else "")

    def term_url(self, term: str) -> str:
        """Address of a term's definition in the glossary."""
        return self.url(self.root / "book/glossary.md", anchor_id(f"term-{term}"))

    @cached_property
    def labels(self) -> dict[str, Target]:
        """Everything that `{ref}` and `{numref}` can point to, by label."""
        return {
            label: Target(title, self.url(path, anchor_id(label)))
            for path, chapter in self.chapters.items()
            for label, title in _labels(chapter)
        }

    @cached_property
    def references(self) -> dict[str, Target]:
        """The bibliography: author and year, and an address, by citation key.

        Raises:
            CourseError: If a file that `_config.yml` names does not exist.
        """
        from pybtex.database import parse_file  # type: ignore[import-untyped]

        found: dict[str, Target] = {}
        for name in self.config.get("bibtex_bibfiles", []):
            if not (self.root / name).is_file():
                raise CourseError(f"the bibliography {name} does not exist (see _config.yml)")
            for key, entry in parse_file(str(self.root / name)).entries.items():
                authors = [" ".join(person.last_names) for person in entry.persons["author"]]
                found[key] = Target(
                    f"{_et_al(authors)}, {entry.fields.get('year', 'n.d.')}", _address(entry.fields)
                )
        return found


def plain_text(tokens: Sequence[Token] | None) -> str:
    """The words of an inline token's children, without markup and reading labels."""
    return "".join(
        " " if token.type == "softbreak" else token.content.partition(" <")[0]
        for token in tokens or []
        if token.meta.get("name") not in ("required", "optional")
    ).strip()


def _in_reading_order(root: Path) -> Iterator[str]:
    site_map = parse_toc_yaml(root / "_toc.yml")

    def visit(name: str) -> Iterator[str]:
        yield name
        for item in (item for subtree in site_map[name].subtrees for item in subtree.items):
            if isinstance(item, GlobItem):
                found = sorted(root.glob(f"{item}.md"))
                yield from (p.relative_to(root).with_suffix("").as_posix() for p in found)
            elif isinstance(item, FileItem):
                yield from visit(item)

    return visit(site_map.root.docname)


def _labels(chapter: Chapter) -> Iterator[tuple[str, str]]:
    """Labels of a chapter with the words a link to them has on the site."""
    figures = 0
    for block in chapter.blocks:
        if not isinstance(block, Directive):
            yield from _labels_in_text(chapter, block.source)
        elif block.name == "exercise-start":
            yield from _labels_of_exercise(block.options.get("number", ""))
        elif name := figure_options(block).get("name"):
            figures += 1
            yield name, f"Figure {figures}"
        elif name := block.options.get("name") or block.options.get("label"):
            yield name, block.argument


def figure_options(block: Directive) -> dict[str, str]:
    """The `name` and `caption` of a figure, be it a file or the output of a cell."""
    if block.is_code_cell:
        return (block.options.get("mystnb") or {}).get("figure") or {}
    return block.options if block.name == "figure" else {}


def _labels_of_exercise(number: str) -> Iterator[tuple[str, str]]:
    yield anchor("exercise", number), f"Exercise {number}"
    yield anchor("solution", number), f"Solution of exercise {number}"
    yield anchor("expected", number), f"Expected output of exercise {number}"
    for i in range(1, 10):
        yield f"{anchor('hint', number)}-{i}", f"Hint {i} for exercise {number}"


def _labels_in_text(chapter: Chapter, source: str) -> Iterator[tuple[str, str]]:
    """Labels written as `(label)=`, each with the heading that follows it, if one does."""
    waiting: list[str] = []
    in_heading = False
    for token in parse(chapter.parser, source):
        if token.type == "myst_target":
            waiting.append(token.content)
        elif token.type == "heading_open":
            in_heading = True
        elif token.type == "inline" or token.nesting == 0:
            title = plain_text(token.children) if in_heading else ""
            yield from ((label, title) for label in waiting)
            waiting, in_heading = [], False
    yield from ((label, "") for label in waiting)


def _et_al(authors: list[str]) -> str:
    if len(authors) > 2:
        return f"{authors[0]} et al."
    return " and ".join(authors)


def _address(fields: Any) -> str:
    if doi := fields.get("doi"):
        return f"https://doi.org/{doi}"
    if fields.get("eprint") and fields.get("archiveprefix", "arXiv").lower() == "arxiv":
        return f"https://arxiv.org/abs/{fields['eprint']}"
    return str(fields.get("url", ""))
