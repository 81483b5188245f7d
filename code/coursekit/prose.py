"""The prose linter: how chapters are written.

    coursekit prose              lints the book's pages, README.md and CONTRIBUTING.md
    coursekit prose FILES        lints these

Each rule is a function from a chapter to findings; `RULES` lists them. Rules that speak of
exercises, cells and figures apply to every page, rules about a chapter's anatomy to pages whose
name begins with a number.
"""

import argparse
import ast
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from markdown_it.token import Token

from coursekit.book import Book, figure_options
from coursekit.chapter import (
    Block,
    Chapter,
    Directive,
    Text,
    is_directive,
    parse,
    read_chapter,
    read_directive,
)
from coursekit.project import CourseError, Project
from coursekit.prose_rules import (
    ABBREVIATIONS,
    BANNED_WORDS,
    MAY_PRECEDE_CELL,
    NOT_PROSE,
    NUMBERED_THINGS,
    PROSELINT_OFF,
)

CODE_WIDTH = 78
"""Longest line of a code cell, so that it fits a phone held sideways and a printed page."""

STAND_IN = "□"
"""Stands for code and formulas in the text that rules look at; begins a sentence as a word does."""

READING_ROLES = {"required", "optional"}


@dataclass(frozen=True, order=True)
class Finding:
    """Something to change."""

    path: Path
    line: int
    rule: str
    message: str
    """what to do"""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Line:
    """One line of prose as rules see it."""

    number: int
    text: str
    """its words, without markup; code and formulas replaced by `STAND_IN`"""
    tokens: list[Token]
    kind: Literal["paragraph", "heading", "table", "title"]
    is_last: bool
    """whether its paragraph ends with it"""

    def roles(self) -> set[str]:
        """Names of the roles on it."""
        return {token.meta["name"] for token in self.tokens if token.type == "myst_role"}


def lint(chapter: Chapter) -> list[Finding]:
    """Applies every rule to a page.

    Args:
        chapter: The page.

    Returns:
        What to change, in the order of the file.
    """
    found = (
        Finding(chapter.path, line, rule.__name__.replace("_", "-"), message)
        for rule in RULES
        for line, message in rule(chapter)
    )
    return sorted(set(found))


def prose_lines(chapter: Chapter) -> list[Line]:
    """Every line of prose of a page: text, titles and bodies of directives, captions.

    Args:
        chapter: The page.

    Returns:
        Lines in order.
    """
    return [line for block in chapter.blocks for line in lines_of_block(chapter, block)]


def lines_of_block(chapter: Chapter, block: Block) -> list[Line]:
    """Every line of prose of one block of a page.

    Args:
        chapter: The page.
        block: Text between directives, or a directive.

    Returns:
        Lines in order.
    """
    if isinstance(block, Text):
        return list(_lines_of_text(chapter, block.source, block.line))
    return list(_lines_of_directive(chapter, block))


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: lints pages.

    Args:
        argv: Arguments without the program's name.

    Returns:
        0 if nothing is to be changed, else 1.

    Raises:
        CourseError: If there is no course, or a file cannot be read.
    """
    parser = argparse.ArgumentParser(prog="coursekit prose", description=main.__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="pages; the whole book if left out")
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    options = parser.parse_args(argv)
    project = Project.find(options.root)
    book = Book(project.root)
    others = [project.root / name for name in ("README.md", "CONTRIBUTING.md")]
    paths = options.files or [path for path in (*book.pages, *others) if path.exists()]
    for path in paths:
        if not path.is_file():
            raise CourseError(f"{path} does not exist")
    findings = [f for path in paths for f in lint(read_chapter(path, book.extensions))]
    for finding in findings:
        print(replace(finding, path=_shortest(finding.path, project.root)))
    print(f"{len(paths)} page(s), {len(findings)} finding(s)", file=sys.stderr)
    return 1 if findings else 0


# rules: each yields line numbers and what to do there

Rule = Callable[[Chapter], Iterator[tuple[int, str]]]


def one_sentence_per_line(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """A line of prose holds one sentence, whole."""
    for line in prose_lines(chapter):
        if line.kind != "paragraph":
            continue
        if second := _second_sentence(line.text):
            yield line.number, f"begin a new line before {_start(second)}"
        if not line.is_last and not _ends_sentence(line):
            yield line.number, f"the sentence goes on below; join the lines after {_end(line.text)}"


def words(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """Some words hide what should be said."""
    for line in prose_lines(chapter):
        for pattern, advice in BANNED_WORDS.items():
            for found in re.finditer(pattern, line.text, re.IGNORECASE):
                yield line.number, f"`{found.group()}`: {advice}"


def proselint(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """What the library proselint finds."""
    from proselint.tools import LintFile

    lines = prose_lines(chapter)
    text = "\n".join(line.text for line in lines)
    if not text.strip():
        return
    linted = LintFile(str(chapter.path), text)
    for found in linted.lint(_proselint_settings()):
        start, end = found.check_result.span
        if "\n" not in linted.content[start:end].strip(
            "\n"
        ):  # lines are not neighbours on the page
            number = lines[linted.content.count("\n", 0, start) - 1].number
            yield number, f"{found.check_result.message} ({found.check_result.check_path})"


def overview(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """A chapter opens with minutes, what the reader will learn, and what that takes."""
    if not _is_numbered(chapter):
        return
    boxes = [b for b in chapter.blocks if isinstance(b, Directive) and b.name == "overview"]
    if not boxes:
        yield 1, "add an {overview} below the title"
    for box in boxes:
        if not str(box.options.get("minutes", "")).isdigit():
            yield box.line, "give the chapter's time: `:minutes: 6`"
        for phrase in ("You will learn", "Prerequisites"):
            if phrase.lower() not in box.body.lower():
                yield box.line, f'say "{phrase}" in the overview, and what'


def summary(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """A chapter with code ends with a summary; only what comes next may follow."""
    if not (_is_numbered(chapter) and chapter.cells):
        return
    sections = [line for level, line in _headings(chapter) if level == 2]
    if not any(line.text.strip().lower() == "summary" for line in sections[-2:]):
        last = sections[-1].number if sections else 1
        yield last, "end the chapter with a section `## Summary`; only one section may follow it"


def heading_levels(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """A page has one title, and headings go down one level at a time."""
    headings = list(_headings(chapter))
    titles = [line for level, line in headings if level == 1]
    if not titles or headings[0][0] != 1:
        yield 1, "begin the page with its title, `# ...`"
    for line in titles[1:]:
        yield line.number, "a page has one title; make this a section, `## ...`"
    for (before, _), (level, line) in pairwise(headings):
        if level > before + 1:
            yield (
                line.number,
                f"a level {before} heading comes before: make this level {before + 1}",
            )


def prose_before_cell(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """Before each cell stands why it is there and what to look for in its output."""
    before: Text | Directive | None = None
    for block in chapter.blocks:
        if isinstance(block, Directive) and {"remove-cell", "hidden-test"} & set(block.tags):
            continue
        if isinstance(block, Directive) and block.is_code_cell:
            problem = _nothing_said(chapter, before, block)
            if problem:
                yield block.line, f"say why this cell is here and what to look for: {problem}"
        before = block


def reading_label(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """A link out of the book says whether it must be read, and how long that takes."""
    if not _is_numbered(chapter):
        return
    for line in prose_lines(chapter):
        links = [t.attrs["href"] for t in line.tokens if t.type == "link_open"]
        outside = [link for link in links if str(link).startswith(("http://", "https://"))]
        if outside and not READING_ROLES & line.roles():
            label = "{required}`5 min` or {optional}`5 min`"
            yield line.number, f"label the link to {outside[0]} with {label}, on its line"


def figure_alt(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """Every picture has words for those who cannot see it."""
    for block in _directives(chapter):
        if block.name in ("figure", "image") and not block.options.get("alt"):
            yield block.line, f"give {block.argument} an `:alt:`"
    for line in prose_lines(chapter):
        for token in line.tokens:
            if token.type == "image" and not token.content:
                yield line.number, f"say what {token.attrs['src']} shows: `![words](...)`"


def plot_alt(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """Every plot of a cell has words for those who cannot see it."""
    for cell in chapter.cells:
        tree = _parsed(cell)
        for node in ast.walk(tree) if tree else ():
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "plots.show"):
                continue
            if not any(keyword.arg == "alt" for keyword in node.keywords):
                yield cell.body_line + node.lineno - 1, 'say what the plot shows: `alt="..."`'


def code_runs(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """A cell is Python."""
    for cell in chapter.cells:
        if _parsed(cell) is None:
            yield cell.line, "this cell is not Python"


def code_width(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """Code fits its box on the page."""
    for cell in chapter.cells:
        for number, code in enumerate(cell.body.splitlines(), start=cell.body_line):
            if len(code) > CODE_WIDTH and "remove-cell" not in cell.tags:
                yield number, f"{len(code)} columns; break the line at {CODE_WIDTH}"


def exercise_complete(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """Every exercise has a hint and a solution."""
    blocks = list(_directives(chapter))
    hinted = {b.options.get("exercise") for b in blocks if b.name == "hint"}
    solved = {b.argument for b in blocks if b.name == "solution-start"}
    for block in blocks:
        number = block.options.get("number", "")
        if block.name == "exercise-start" and number not in hinted:
            yield block.line, f"give exercise {number} a {{hint}} with `:exercise: {number}`"
        if block.name == "exercise-start" and number not in solved:
            yield block.line, f"give exercise {number} a solution: {{solution-start}} {number}"


def typed_number(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """A measured number comes from the run, or from a source that is cited on its line."""
    if not _is_numbered(chapter):
        return
    named = rf"\b({'|'.join(NUMBERED_THINGS)})s?[ -]\d[\d.]*[a-z]?"
    more = r"(( ?[-–,] ?| and | to | or )\d[\d.]*[a-z]?)*"
    for line in prose_lines(chapter):
        cites = any(role.startswith("cite") for role in line.roles())
        if line.kind not in ("paragraph", "title") or cites:
            continue
        text = re.sub(named + more, "", line.text, flags=re.IGNORECASE)
        for found in re.findall(r"\d+\.\d+(?!\.?\d)\s?%?|\d+\s?%", text):
            yield line.number, f"glue {found.strip()} from a run, cite it, or make it math: `$...$`"


def fence(chapter: Chapter) -> Iterator[tuple[int, str]]:
    """A directive's first line cannot hold backticks where its fence is made of them."""
    for line in prose_lines(chapter):
        if "```{" in line.text:
            yield line.number, "no directive begins here: fence it with `:::`"


RULES: tuple[Rule, ...] = (
    one_sentence_per_line,
    words,
    proselint,
    overview,
    summary,
    heading_levels,
    prose_before_cell,
    reading_label,
    figure_alt,
    plot_alt,
    code_runs,
    code_width,
    exercise_complete,
    typed_number,
    fence,
)


# what the rules look at


def _lines_of_text(chapter: Chapter, source: str, first_line: int) -> Iterator[Line]:
    kind: Any = "paragraph"
    row = 0
    for token in parse(chapter.parser, source):
        row = token.map[0] if token.map else row
        if token.type in ("heading_open", "paragraph_open", "tr_open"):
            kind = {"h": "heading", "p": "paragraph", "t": "table"}[token.type[0]]
        elif is_directive(token):
            yield from _lines_of_directive(
                chapter, read_directive(chapter, token, first_line + row)
            )
        elif token.children:
            parts = _split_at_breaks(token.children)
            for i, (tokens, hard) in enumerate(parts):
                is_last = hard or i == len(parts) - 1
                yield Line(first_line + row + i, _words(tokens), tokens, kind, is_last)


def _lines_of_directive(chapter: Chapter, block: Directive) -> Iterator[Line]:
    """Titles, bodies and captions; an argument counts as a title."""
    if block.name in ("exercise-start", "hint", "expected", "admonition", "dropdown"):
        for line in _lines_of_text(chapter, block.argument, block.line):
            yield replace(line, kind="title")
    if block.is_code_cell and (caption := figure_options(block).get("caption")):
        yield from (
            replace(line, number=block.line)
            for line in _lines_of_text(chapter, caption, block.line)
        )
    if block.name == "lab-start" and (caption := block.options.get("caption")):
        for line in _lines_of_text(chapter, caption, block.line):
            yield replace(line, number=block.line)
    if block.options.get("alt") and not block.is_code_cell:
        for line in _lines_of_text(chapter, block.options["alt"], block.line):
            yield replace(line, kind="title")
    if block.name not in NOT_PROSE:
        body = _definitions(block.body) if block.name == "glossary" else block.body
        yield from _lines_of_text(chapter, body, block.body_line)


def _definitions(body: str) -> str:
    """A glossary's definitions, without the terms, line by line."""
    lines = (line if line.startswith(" ") else "" for line in body.splitlines())
    return textwrap.dedent("\n".join(lines))


def _split_at_breaks(tokens: list[Token]) -> list[tuple[list[Token], bool]]:
    """A paragraph's tokens line by line, each with whether its author broke the line on purpose."""
    parts: list[tuple[list[Token], bool]] = [([], False)]
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            parts[-1] = (parts[-1][0], token.type == "hardbreak")
            parts.append(([], False))
        else:
            parts[-1][0].append(token)
    return parts


def _words(tokens: list[Token]) -> str:
    words = list(map(_word, tokens))
    kinds = [token.type for token in tokens if token.type != "text" or token.content]
    if kinds[:3] == ["strong_open", "text", "strong_close"]:  # a lead-in such as **For whom.**
        end = [token.type for token in tokens].index("strong_close")
        words[:end] = ["".join(words[:end]).rstrip(".")]
    return "".join(words)


def _word(token: Token) -> str:
    if token.type in ("code_inline", "math_inline", "math_inline_double"):
        return STAND_IN
    if token.type == "myst_role":
        name = token.meta["name"]
        if name in ("term", "abbr", "ref", "doc"):
            return token.content.partition("<")[0].strip()
        return "" if name in READING_ROLES or name.startswith("cite:p") else STAND_IN
    return token.content if token.type in ("text", "text_special") else ""


def _second_sentence(text: str) -> str:
    """What follows the first sentence of a line."""
    for found in re.finditer(r"[.?!][\"')\]]*\s+(?=[\"'(\[]*[A-Z□])", text):
        last_word = re.split(r"[\s(\[]", text[: found.start() + 1])[-1]
        if last_word.lower() not in ABBREVIATIONS:
            return text[found.end() :]
    return ""


def _ends_sentence(line: Line) -> bool:
    return bool(re.search(r"[.?!:;][\"')\]]*\s*$", line.text)) or not line.text.strip()


def _start(text: str) -> str:
    return '"' + textwrap.shorten(text, 30, placeholder=" ...") + '"'


def _end(text: str) -> str:
    return '"... ' + text[-25:].split(" ", 1)[-1] + '"'


def _headings(chapter: Chapter) -> Iterator[tuple[int, Line]]:
    for block in chapter.blocks:
        if isinstance(block, Text):
            tokens = parse(chapter.parser, block.source)
            levels = [int(token.tag[1]) for token in tokens if token.type == "heading_open"]
            lines = _lines_of_text(chapter, block.source, block.line)
            headings = [line for line in lines if line.kind == "heading"]
            yield from zip(levels, headings, strict=True)


def _directives(chapter: Chapter) -> Iterator[Directive]:
    """Every directive, also those inside others."""

    def inside(source: str, line: int) -> Iterator[Directive]:
        for token in parse(chapter.parser, source):
            if is_directive(token) and token.map:
                block = read_directive(chapter, token, line + token.map[0])
                yield block
                yield from below(block)

    def below(block: Directive) -> Iterator[Directive]:
        if block.name not in NOT_PROSE:
            yield from inside(block.body, block.body_line)

    for block in chapter.blocks:
        if isinstance(block, Directive):
            yield block
            yield from below(block)
        else:
            yield from inside(block.source, block.line)


def _nothing_said(chapter: Chapter, before: Text | Directive | None, cell: Directive) -> str:
    """What is wrong with what stands before a cell; nothing if it says something."""
    if before is None:
        return "the page begins with it"
    if isinstance(before, Text):
        kinds = [token.type for token in parse(chapter.parser, before.source) if token.level == 0]
        said = [kind for kind in kinds if kind not in ("myst_target", "myst_line_comment")]
        return "a heading comes right before" if said[-1:] == ["heading_close"] else ""
    if before.is_code_cell:
        is_check_of_answer = "check" in cell.tags and {"stub", "solution"} & set(before.tags)
        return "" if is_check_of_answer else "another cell comes right before"
    return "" if before.name in MAY_PRECEDE_CELL else f"{{{before.name}}} comes right before"


def _parsed(cell: Directive) -> ast.Module | None:
    from IPython.core.inputtransformer2 import TransformerManager  # knows %magics and !commands

    try:
        return ast.parse(TransformerManager().transform_cell(cell.body))
    except SyntaxError:
        return None


@cache
def _proselint_settings() -> Any:
    from proselint.checks import __register__
    from proselint.config import DEFAULT
    from proselint.registry import CheckRegistry

    CheckRegistry().register_many(__register__)
    checks = {**dict.fromkeys(PROSELINT_OFF, False), **DEFAULT["checks"]}
    by_depth = sorted(checks.items(), key=lambda item: -item[0].count("."))
    return {**DEFAULT, "checks": {**dict(by_depth), "restricted": False}}


def _is_numbered(chapter: Chapter) -> bool:
    return chapter.name[0].isdigit()


def _shortest(path: Path, root: Path) -> Path:
    path = path.resolve()
    return path.relative_to(root.resolve()) if path.is_relative_to(root.resolve()) else path


if __name__ == "__main__":
    sys.exit(main())
