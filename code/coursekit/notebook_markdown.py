"""MyST Markdown turned into the plain Markdown that Jupyter, Colab and VS Code show alike.

Only what plain Markdown lacks is rewritten (directives, roles, labels, links between pages); the
rest of the author's text stays as it is. A directive, role or piece of syntax that is not listed
here is an error that names the chapter and the line, so nothing reaches a notebook unread.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import ClassVar

from markdown_it import MarkdownIt
from markdown_it.token import Token

from coursekit.book import Book, Target
from coursekit.chapter import Chapter, Directive, is_directive, parse, read_directive
from coursekit.sphinx_ext import benchmarks

ADMONITIONS = {
    "note": "Note",
    "tip": "Tip",
    "important": "Important",
    "warning": "Warning",
    "caution": "Caution",
    "attention": "Attention",
    "danger": "Danger",
    "error": "Error",
    "seealso": "See also",
}

PLAIN_TOKENS = {
    *("inline", "text", "text_special", "softbreak", "hardbreak", "code_inline", "html_inline"),
    *("em", "strong", "s", "link", "image", "math_inline", "math_inline_double", "myst_role"),
    *("paragraph", "heading", "bullet_list", "ordered_list", "list_item", "blockquote", "hr"),
    *("table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd"),
    *("fence", "code_block", "html_block", "math_block", "math_block_label", "amsmath"),
    *("myst_target", "myst_line_comment", "myst_block_break"),
}
"""Token types, without `_open` and `_close`, that are plain Markdown or become it."""

PLAIN_ATTRIBUTES = {"href", "src", "alt", "title"}

IMAGE_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
}

_DEFINITION_MARKS = {
    "dt_open": (r"^ *()(?=\S)", "- **"),
    "dt_close": (r"()$", "**:"),
    "dd_open": (r"^ *(:)", " "),
}
"""Where terms and definitions begin and end, and what stands there in a list with bold terms."""

API_ROLES = ("func", "class", "mod", "meth", "attr", "data", "obj")


class PlainMarkdown:
    """Turns one chapter's MyST into plain Markdown.

    Args:
        chapter: The chapter.
        book: The book it belongs to, for links, citations and labels.
        glue: Values of `{glue:text}` keys.
    """

    def __init__(self, chapter: Chapter, book: Book, glue: Mapping[str, str]):
        self.chapter, self.book, self.glue = chapter, book, glue
        self.glue_used: set[str] = set()
        self._hints: dict[str, int] = {}
        self._equations = {label: i for i, label in enumerate(_equation_labels(chapter), start=1)}

    def directive(self, block: Directive) -> str:
        """A directive as plain Markdown.

        Args:
            block: Any directive but a code cell.

        Returns:
            Markdown; empty for a directive that only marks a place.

        Raises:
            ChapterError: If the directive is not known here, or its body holds something unknown.
        """
        if block.name in ADMONITIONS:
            first = self.text(block.argument, block.line)  # an admonition may begin on its fence
            parts = (f"**{ADMONITIONS[block.name]}**", first, self._body(block))
            return _quoted("\n\n".join(part for part in parts if part))
        render = self._directives.get(block.name)
        if render is None:
            raise self.chapter.error(
                block.line,
                f"the directive {{{block.name}}} has no form in a notebook: use another one, "
                f"or give it one in {Path(__file__).name}",
            )
        return render(self, block)

    def text(self, source: str, line: int) -> str:
        """Markdown with roles, labels, links and nested directives rewritten.

        Args:
            source: MyST Markdown.
            line: Line of the chapter's file on which it begins.

        Returns:
            Plain Markdown.

        Raises:
            ChapterError: If it holds a role, directive or syntax that is not known here.
        """
        pieces, end = [], 0
        for start, stop, new in self._changes(source, line):
            pieces += [source[end:start], new]
            end = stop
        return "".join([*pieces, source[end:]]).strip("\n")

    def image(self, source: str, alt: str, line: int) -> str:
        """A picture as an `<img>` that carries its own bytes, so that it shows in every front end.

        Args:
            source: File name as the chapter gives it: relative to the chapter, or from the book's
                folder if it begins with a slash.
            alt: The words for those who cannot see it.
            line: Line of the chapter, for errors.

        Returns:
            HTML on one line, on white ground because an embedded picture does not follow a theme.

        Raises:
            ChapterError: If the file does not exist or is not a picture.
        """
        base = self.book.root if source.startswith("/") else self.chapter.path.parent
        path = base / source.lstrip("/")
        if not path.is_file():
            raise self.chapter.error(line, f"the figure {source} does not exist")
        if path.suffix not in IMAGE_TYPES:
            raise self.chapter.error(line, f"{source} is not one of {', '.join(IMAGE_TYPES)}")
        data = base64.b64encode(path.read_bytes()).decode()
        return (
            f'<img alt="{html.escape(alt)}" style="background-color: white" '
            f'src="data:{IMAGE_TYPES[path.suffix]};base64,{data}">'
        )

    # what a text holds: places to change, in order

    def _changes(self, source: str, line: int) -> Iterator[tuple[int, int, str]]:
        starts = [0, *accumulate(len(text_line) + 1 for text_line in source.splitlines())]
        cursor, row = 0, (0, 0)
        for token in parse(self.chapter.parser, source):
            row = (token.map[0], token.map[1]) if token.map else row
            first, last = starts[row[0]], min(starts[min(row[1], len(starts) - 1)], len(source) + 1)
            self._demand_known(token, line + row[0])
            if token.children:
                cursor = max(cursor, first)
                for change in self._inline_changes(token.children, source, cursor, line):
                    yield change
                    cursor = change[1]
            elif token.type in _DEFINITION_MARKS:
                mark, sign = _DEFINITION_MARKS[token.type]
                found = re.compile(mark, re.MULTILINE).search(source, max(cursor, first))
                if found:
                    yield *found.span(1), sign
                    cursor = found.end(1)
            elif (new := self._new_block(token, source[first:last], line + row[0])) is not None:
                yield first, min(last, len(source)), new
                cursor = last

    def _new_block(self, token: Token, raw: str, line: int) -> str | None:
        """What replaces a block's lines, or None where they stay."""
        if is_directive(token):
            indent = raw[: len(raw) - len(raw.lstrip(" "))]
            plain = self.directive(read_directive(self.chapter, token, line, indent))
            return "".join(f"{indent}{text}".rstrip() + "\n" for text in plain.splitlines())
        if token.type == "math_block_label":
            return f"$$\n{token.content.strip()} \\tag{{{self._equations[token.info]}}}\n$$\n"
        comment = token.type == "html_block" and token.content.startswith("<!--")
        if comment or token.type in ("myst_target", "myst_line_comment", "myst_block_break"):
            return ""
        return None

    def _inline_changes(
        self, tokens: list[Token], source: str, cursor: int, first_line: int
    ) -> Iterator[tuple[int, int, str]]:
        """Changes inside a paragraph; the parser gives no columns, so each token is looked for."""
        for token in tokens:
            self._demand_known(token, first_line + source.count("\n", 0, cursor))
            pattern = _raw_pattern(token)
            if pattern is None:
                continue
            found = re.compile(pattern).search(source, cursor)
            if found is None:
                line = first_line + source.count("\n", 0, cursor)
                raise self.chapter.error(line, f"cannot find {token.content!r} again in the text")
            line = first_line + source.count("\n", 0, found.start())
            cursor = found.end()
            yield found.start(), found.end(), self._new_inline(token, found, line)

    def _new_inline(self, token: Token, found: re.Match[str], line: int) -> str:
        if token.type == "myst_role":
            name = token.meta["name"]
            if name not in self._roles:
                raise self.chapter.error(
                    line,
                    f"the role {{{name}}} has no form in a notebook: use another one, "
                    f"or give it one in {Path(__file__).name}",
                )
            return self._roles[name](self, token.content, line)
        if token.type == "link_open":
            title, url = self._link(str(token.attrs["href"]), line)
            return f"[{title}]({url}" if found.group().startswith("[") else f"]({url}"
        if token.type == "image":
            return self.image(str(token.attrs["src"]), token.content, line)
        return found.group()

    def _demand_known(self, token: Token, line: int) -> None:
        if token.type == "text" and "```{" in token.content:
            raise self.chapter.error(
                line, "not a directive: no backtick may follow ``` on its line; fence it with :::"
            )
        kind = token.type.removesuffix("_open").removesuffix("_close")
        if kind not in PLAIN_TOKENS and not is_directive(token):
            raise self.chapter.error(line, f"{token.type} has no form in a notebook")
        if kind in ("code_inline", "link", "image") and not token.attrs.keys() <= PLAIN_ATTRIBUTES:
            raise self.chapter.error(line, "attributes in braces have no form in a notebook")

    def _link(self, href: str, line: int) -> tuple[str, str]:
        """Title and address of a link inside the book."""
        page, _, anchor = href.partition("#")
        if page.endswith(".md"):
            path = self.chapter.path.parent / page
            if not path.is_file():
                raise self.chapter.error(line, f"the page {page} does not exist")
            return path.stem, self.book.url(path, anchor)
        target = self._target(anchor or page, line)
        return target.title, target.url

    def _target(self, label: str, line: int) -> Target:
        if label not in self.book.labels:
            raise self.chapter.error(line, f"there is no label {label!r}")
        return self.book.labels[label]

    # directives

    def _body(self, block: Directive) -> str:
        return self.text(block.body, block.body_line)

    def _overview(self, block: Directive) -> str:
        minutes = _minutes(block.options.get("minutes"), " · ")
        optional = " · optional" if "optional" in block.options else ""
        return _quoted(f"**Overview**{minutes}{optional}\n\n" + self._body(block))

    def _exercise(self, block: Directive) -> str:
        options = block.options
        facts = [
            _minutes(options.get("minutes")),
            f"difficulty {options['difficulty']} of 3" if options.get("difficulty") else "",
            "optional" if "optional" in options else "",
        ]
        title = f"### Exercise {options.get('number', '')}: {self.text(block.argument, block.line)}"
        facts_line = " · ".join(fact for fact in facts if fact)
        return f"{title}\n\n*{facts_line}*" if facts_line else title

    def _hint(self, block: Directive) -> str:
        exercise = block.options.get("exercise", "")
        self._hints[exercise] = self._hints.get(exercise, 0) + 1
        return self._details(block, f"Hint {self._hints[exercise]} for exercise {exercise}")

    def _expected(self, block: Directive) -> str:
        return self._details(
            block, f"Expected output of exercise {block.options.get('exercise', '')}"
        )

    def _dropdown(self, block: Directive) -> str:
        return self._details(block, "")

    def _details(self, block: Directive, label: str) -> str:
        title = MarkdownIt().renderInline(self.text(block.argument, block.line)).strip()
        summary = ": ".join(part for part in (label, title) if part)
        body = self._body(block)
        return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"

    def _admonition(self, block: Directive) -> str:
        title = self.text(block.argument, block.line)
        return _quoted((f"**{title}**\n\n" if title else "") + self._body(block))

    def _figure(self, block: Directive) -> str:
        picture = self.image(block.argument, block.options.get("alt", ""), block.line)
        return "\n\n".join(
            part for part in (picture, self.caption(block.options, self._body(block))) if part
        )

    def caption(self, options: Mapping[str, str], plain: str) -> str:
        """A figure's caption.

        Args:
            options: The figure's options, with its `name` where it has one.
            plain: The caption's text, already plain.

        Returns:
            The caption after the figure's number in the chapter.
        """
        target = self.book.labels.get(options.get("name", ""))
        return f"*{target.title}.* {plain}" if target and plain else plain

    def _math(self, block: Directive) -> str:
        label = block.options.get("label")
        tag = f" \\tag{{{self._equations[label]}}}" if label else ""
        return f"$$\n{(block.argument + block.body).strip()}{tag}\n$$"

    def _code_block(self, block: Directive) -> str:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", block.body)), default=0))
        return f"{fence}{block.argument}\n{block.body}\n{fence}"

    def _table(self, block: Directive) -> str:
        caption = f"*{self.text(block.argument, block.line)}*\n\n" if block.argument else ""
        return caption + self._body(block)

    def _benchmark(self, block: Directive) -> str:
        path = self.book.root / benchmarks.RESULTS / f"{block.argument}.json"
        if not path.is_file():
            command = f"python benchmarks/{block.argument}.py --save"
            raise self.chapter.error(block.line, f"there is no {path.name} yet: run `{command}`")
        result = json.loads(path.read_text(encoding="utf-8"))
        found = benchmarks.tables(result).items()
        tables = [
            _table_of((heading, *benchmarks.COLUMNS), benchmarks.rows(figures))
            for heading, figures in found
        ]
        return "\n\n".join([*tables, benchmarks.made_with(result)])

    def _lab(self, block: Directive) -> str:
        caption = self.text(block.options.get("caption", ""), block.line)
        url = self.book.url(self.chapter.path, f"lab-{block.argument.strip()}")
        where = f"The page has a laboratory here: [open it]({url})."
        return f"**Laboratory.** {caption}\n\n{where}"

    def _spoiler(self, block: Directive) -> str:
        number = block.argument.strip()
        url = self.book.url(self.chapter.path)
        return f"What the [page]({url}) has here shows the answer of exercise {number}."

    def _nothing(self, block: Directive) -> str:
        return ""

    _directives: ClassVar[dict[str, Callable[["PlainMarkdown", Directive], str]]] = {
        "overview": _overview,
        "exercise-start": _exercise,
        "exercise-end": _nothing,
        "hint": _hint,
        "expected": _expected,
        "dropdown": _dropdown,
        "admonition": _admonition,
        "margin": _admonition,
        "sidebar": _admonition,
        "figure": _figure,
        "image": _figure,
        "math": _math,
        "code-block": _code_block,
        "code": _code_block,
        "table": _table,
        "benchmark-results": _benchmark,
        "lab-start": _lab,
        "lab-end": _nothing,
        "spoiler-start": _spoiler,
    }

    # roles

    def _glue(self, content: str, line: int) -> str:
        key = content.strip()
        if key not in self.glue:
            raise self.chapter.error(
                line,
                f"no value of {{glue:text}}`{key}` is known: build the book first, "
                f"so that the chapter is executed",
            )
        self.glue_used.add(key)
        return self.glue[key]

    def _ref(self, content: str, line: int) -> str:
        words, label = _words_and_target(content)
        target = self._target(label, line)
        if not (words or target.title):
            raise self.chapter.error(line, f"the link to {label!r} needs words of its own")
        return f"[{words or target.title}]({target.url})"

    def _term(self, content: str, line: int) -> str:
        words, term = _words_and_target(content)
        return f"[{words or term}]({self.book.term_url(term)})"

    def _doc(self, content: str, line: int) -> str:
        words, name = _words_and_target(content)
        title, url = self._link(f"{name}.md", line)
        return f"[{words or title}]({url})"

    def _eq(self, content: str, line: int) -> str:
        if content not in self._equations:
            raise self.chapter.error(line, f"no equation of this chapter is labelled {content!r}")
        return f"({self._equations[content]})"

    def _cite(self, content: str, line: int) -> str:
        return f"({self._citations(content, line)})"

    def _citations(self, content: str, line: int) -> str:
        links = []
        for key in (part.strip() for part in content.split(",")):
            if key not in self.book.references:
                raise self.chapter.error(line, f"the bibliography has no entry {key!r}")
            target = self.book.references[key]
            links.append(f"[{target.title}]({target.url})" if target.url else target.title)
        return "; ".join(links)

    def _required(self, content: str, line: int) -> str:
        return f"**(required, {content})**"

    def _optional(self, content: str, line: int) -> str:
        return f"*(optional, {content})*"

    def _code(self, content: str, line: int) -> str:
        words, name = _words_and_target(content)
        return f"`{words or (name.split('.')[-1] if name.startswith('~') else name)}`"

    def _repo(self, content: str, line: int) -> str:
        return f"[`{content}`]({self.book.repository}/blob/{self.book.branch}/{content})"

    def _inline_math(self, content: str, line: int) -> str:
        return f"${content}$"

    def _words(self, content: str, line: int) -> str:
        return content

    def _keyboard(self, content: str, line: int) -> str:
        return f"<kbd>{html.escape(content)}</kbd>"

    _roles: ClassVar[dict[str, Callable[["PlainMarkdown", str, int], str]]] = {
        "glue:text": _glue,
        "glue": _glue,
        "ref": _ref,
        "numref": _ref,
        "term": _term,
        "doc": _doc,
        "eq": _eq,
        "cite": _cite,
        "cite:p": _cite,
        "cite:t": _citations,
        "required": _required,
        "optional": _optional,
        **dict.fromkeys(API_ROLES, _code),
        **dict.fromkeys((f"py:{role}" for role in API_ROLES), _code),
        "repo": _repo,
        "math": _inline_math,
        "abbr": _words,
        "kbd": _keyboard,
    }


def _raw_pattern(token: Token) -> str | None:
    """A regular expression for how a token stands in the source, where it may have to change."""
    content = r"\s+".join(re.escape(part) for part in token.content.split(" "))
    if token.type == "myst_role":
        return re.escape("{" + token.meta["name"] + "}") + r"(`+)" + content + r"\1"
    if token.type == "code_inline":  # stays, but must not be taken for what it shows
        return r"(?<!`)(`+)\s?" + content + r"\s?\1(?!`)"
    if token.type == "link_open" and not re.match(r"[a-z]+:", str(token.attrs["href"])):
        return r"\[?\]\(" + re.escape(str(token.attrs["href"]))
    if token.type == "image" and not re.match(r"[a-z]+:", str(token.attrs["src"])):
        return r"!\[[^\]]*\]\(" + re.escape(str(token.attrs["src"])) + r"[^)]*\)"
    return None


def _words_and_target(content: str) -> tuple[str, str]:
    """Splits a role's `words <target>`; the words are empty where only a target is given."""
    found = re.fullmatch(r"(.*?)\s*<([^<>]+)>", content, re.DOTALL)
    return (found[1], found[2]) if found else ("", content)


def _equation_labels(chapter: Chapter) -> Iterator[str]:
    for block in chapter.blocks:
        if isinstance(block, Directive):
            if block.name == "math" and "label" in block.options:
                yield block.options["label"]
            source = (
                "" if block.is_code_cell or block.name in ("code-block", "math") else block.body
            )
        else:
            source = block.source
        yield from (t.info for t in parse(chapter.parser, source) if t.type == "math_block_label")


def _minutes(minutes: str | None, before: str = "") -> str:
    if not minutes:
        return ""
    return f"{before}{minutes} {'minute' if minutes == '1' else 'minutes'}"


def _table_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first column is text and the others numbers."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
