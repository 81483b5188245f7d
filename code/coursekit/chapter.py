"""A chapter's source read into blocks: plain Markdown, and the directives between it.

The reader is MyST's own Markdown parser, with the extensions that `_config.yml` switches on, so
what counts as a directive or a role here is what counts as one on the site.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docutils.parsers.rst.directives.misc import TestDirective
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.directives import parse_directive_text
from myst_parser.parsers.mdit import create_md_parser

from coursekit.project import CourseError

JUPYTER_BOOK_EXTENSIONS = ("colon_fence", "dollarmath", "linkify", "substitution", "tasklist")
"""What Jupyter Book switches on where `_config.yml` says nothing."""


class ChapterError(CourseError):
    """A chapter that cannot be read or published; the message begins with `file:line:`."""

    def __init__(self, path: Path | str, line: int, message: str):
        super().__init__(f"{path}:{line}: {message}")


@dataclass(frozen=True)
class Text:
    """Markdown without a directive at its top level."""

    source: str
    line: int
    """line of the file on which the text begins, counted from 1"""


@dataclass(frozen=True)
class Directive:
    """A fence such as ```` ```{note} ````, with options and body taken apart."""

    name: str
    argument: str
    options: dict[str, Any]
    """strings, as on the site; for a code cell YAML values (its metadata)"""
    body: str
    line: int
    body_line: int
    last_line: int
    indent: str = ""
    """white space before the fence, inside a list"""

    @property
    def tags(self) -> list[str]:
        """Tags of a code cell."""
        tags = self.options.get("tags") or []
        return tags.split() if isinstance(tags, str) else list(tags)

    @property
    def is_code_cell(self) -> bool:
        """Whether this is an executed cell."""
        return self.name == "code-cell"


Block = Text | Directive


@dataclass
class Chapter:
    """A chapter and the parser that read it."""

    path: Path
    blocks: list[Block]
    parser: MarkdownIt = field(repr=False)

    @property
    def name(self) -> str:
        """File name without its ending: the name of the chapter's notebook."""
        return self.path.stem

    @property
    def cells(self) -> list[Directive]:
        """The code cells, in order."""
        return [b for b in self.blocks if isinstance(b, Directive) and b.is_code_cell]

    def error(self, line: int, message: str) -> ChapterError:
        """An error that names this chapter and a line of it."""
        return ChapterError(self.path, line, message)


def make_parser(extensions: Sequence[str] = JUPYTER_BOOK_EXTENSIONS) -> MarkdownIt:
    """MyST's parser.

    Args:
        extensions: Names of MyST's syntax extensions.

    Returns:
        A parser that gives every block token the lines it came from.
    """
    return create_md_parser(MdParserConfig(enable_extensions=set(extensions)), RendererHTML)


def read_chapter(path: Path, extensions: Sequence[str] = JUPYTER_BOOK_EXTENSIONS) -> Chapter:
    """Reads a chapter's file.

    Args:
        path: A Markdown file.
        extensions: Names of MyST's syntax extensions.

    Returns:
        The chapter as blocks, without its front matter.

    Raises:
        ChapterError: If a directive's options cannot be read.
    """
    chapter = Chapter(path, [], make_parser(extensions))
    chapter.blocks = list(read_blocks(chapter, path.read_text(encoding="utf-8"), 1))
    return chapter


def read_blocks(chapter: Chapter, source: str, first_line: int) -> Iterator[Block]:
    """Splits Markdown at the directives of its top level.

    Args:
        chapter: The chapter it stands in.
        source: Markdown: a whole file or the body of a directive.
        first_line: Line of the file on which it begins.

    Yields:
        Blocks in order; text blocks are never blank.

    Raises:
        ChapterError: If a directive's options cannot be read.
    """
    lines, start = source.splitlines(), 0

    def text_before(end: int) -> Iterator[Text]:
        blank = next((i for i, line in enumerate(lines[start:end]) if line.strip()), None)
        if blank is not None:
            text = "\n".join(lines[start + blank : end]).rstrip()
            yield Text(text, first_line + start + blank)

    for token in parse(chapter.parser, source):
        if token.type == "front_matter" and token.map:
            start = token.map[1]
        elif token.level == 0 and is_directive(token) and token.map:
            yield from text_before(token.map[0])
            yield read_directive(chapter, token, first_line + token.map[0])
            start = token.map[1]
    yield from text_before(len(lines))


def parse(parser: MarkdownIt, source: str) -> list[Token]:
    """Tokens of a piece of Markdown, read on its own."""
    return parser.parse(source + "\n", {})


def is_directive(token: Token) -> bool:
    """Whether a token is a fence that names a directive."""
    return token.type in ("fence", "colon_fence") and token.info.strip().startswith("{")


def read_directive(chapter: Chapter, token: Token, line: int, indent: str = "") -> Directive:
    """Takes a directive apart the way MyST does.

    Args:
        chapter: The chapter it stands in.
        token: The fence.
        line: Line of the file with the opening fence.
        indent: White space before the fence.

    Returns:
        The directive.

    Raises:
        ChapterError: If its options cannot be read.
    """
    name, _, argument = token.info.strip().removeprefix("{").partition("}")
    is_cell = name == "code-cell"  # whose options are notebook metadata: YAML, not strings
    parsed = parse_directive_text(
        TestDirective,
        "" if is_cell else argument.strip(),
        token.content,
        validate_options=not is_cell,
    )
    if parsed.warnings:
        raise chapter.error(
            line, f"the options of {{{name}}} cannot be read: {parsed.warnings[0].msg}"
        )
    return Directive(
        name=name,
        argument=argument.strip(),
        options=parsed.options,
        body="\n".join(parsed.body),
        line=line,
        body_line=line + 1 + parsed.body_offset,
        last_line=line + (token.map[1] - token.map[0] if token.map else 1) - 1,
        indent=indent,
    )
