"""What the files of the site say: links that lead nowhere, solutions that are given away."""

import html
import re
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from coursekit.book import Book
from coursekit.chapter import Chapter, Text
from coursekit.withholding import Withholding, withholding

SHORTEST_SECRET = 12
"""Characters of a line of a solution that gives something away."""


def pages_of(site: Path) -> dict[str, str]:
    """Every page of the site but those that only lead to another.

    Args:
        site: The folder of the built site.

    Returns:
        The HTML of each page, by its path.
    """
    found = {}
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site)
        text = path.read_text(encoding="utf-8")
        if name.parts[0] != "_static" and 'http-equiv="refresh"' not in text[:200].lower():
            found[name.as_posix()] = text
    return found


class _Places(HTMLParser):
    """The ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids = {"", "top"}
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif name == "href" and value and tag == "a":
                self.links.append(value)


def broken_links(site: Path, pages: Mapping[str, str]) -> dict[str, list[str]]:
    """Find links inside the site that lead to no file, or to no place of a page.

    Args:
        site: The folder of the site.
        pages: HTML by path, as `pages_of` gives it.

    Returns:
        The broken links of each page that has any.
    """
    places = {name: _Places(text) for name, text in pages.items()}
    root = site.resolve()
    broken: dict[str, list[str]] = {}
    for name, page in places.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (root / name).parent / unquote(url.path) if url.path else root / name
            target = target.resolve()
            inside = target.is_file() and target.is_relative_to(root)
            known = places.get(target.relative_to(root).as_posix()) if inside else None
            if not inside or (known and unquote(url.fragment) not in known.ids):
                broken.setdefault(name, []).append(link)
    return broken


def secrets_of(chapter: Chapter, *others: Chapter, spoilers: bool = True) -> set[str]:
    """Lines that only solutions and hidden tests of a chapter hold.

    Args:
        chapter: The chapter.
        *others: Chapters whose open text shows the lines to anybody, too.
        spoilers: Whether what gives an answer away is secret, too.

    Returns:
        The lines, without the spaces around them.
    """
    secret, open_text = lines_of(chapter, spoilers=spoilers)
    for other in others:
        open_text |= lines_of(other)[1]
    published = "\n".join(open_text)
    # the rule under a table's head says nothing
    long = {line for line in secret if len(line) >= SHORTEST_SECRET and any(map(str.isalnum, line))}
    return {line for line in long if line not in published}


def lines_of(
    chapter: Chapter, number: re.Pattern[str] = re.compile(""), *, spoilers: bool = True
) -> tuple[set[str], set[str]]:
    """The lines of a chapter that are to be hidden, and those that anybody may see.

    Args:
        chapter: The chapter.
        number: Which solutions count, by the numbers of their exercises; the others' lines are in
            neither set.
        spoilers: Whether what gives an answer away is to be hidden, too.

    Returns:
        Lines of solutions and hidden tests, and all other lines.
    """
    secret: set[str] = set()
    open_text: set[str] = set()
    openers = ("solution-start", "spoiler-start") if spoilers else ("solution-start",)
    inside, counts = False, True
    for block in chapter.blocks:
        if isinstance(block, Text):
            lines = block.source.splitlines()
        else:
            lines = block.body.splitlines()
            if block.name in openers:
                inside, counts = True, bool(number.match(block.argument.strip()))
            inside = inside and block.name not in ("solution-end", "spoiler-end")
        hidden = inside or (not isinstance(block, Text) and "hidden-test" in block.tags)
        if not inside or counts:
            (secret if hidden else open_text).update(line.strip() for line in lines)
    return secret, open_text


def leaks(book: Book, texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Find lines of withheld solutions in what the site publishes.

    Args:
        book: The book.
        texts: The text of files of the site, HTML or other, by path.

    Returns:
        For each file that gives something away, the first lines that do.
    """
    secrets = withheld_lines(book.chapters.values(), withholding(book.config))
    if not secrets:
        return {}
    found: dict[str, list[str]] = {}
    for name, text in texts.items():
        shown = _visible(text) if name.endswith(".html") else text
        lines = {line.strip() for line in shown.splitlines()}
        if given_away := sorted(line for line in secrets if line in lines or line in shown):
            found[name] = given_away[:3]
    return found


def withheld_lines(chapters: Iterable[Chapter], rule: Withholding) -> set[str]:
    """Lines of the solutions that are withheld today, and of no text that is open.

    Args:
        chapters: All chapters.
        rule: What is withheld.

    Returns:
        The lines.
    """
    chapters = list(chapters)
    secret, open_text = set(), set()
    for chapter in chapters:
        numbers = [
            block.argument.strip()
            for block in chapter.blocks
            if not isinstance(block, Text) and block.name in ("solution-start", "spoiler-start")
        ]
        withheld = [re.escape(number) for number in numbers if rule.until(number)]
        which = re.compile(f"({'|'.join(withheld)})$" if withheld else "(?!)")
        hidden, shown = lines_of(chapter, which)
        secret |= hidden if withheld else set()
        open_text |= shown
        open_text |= lines_of(chapter)[0] - hidden  # solutions that are not withheld
    published = "\n".join(open_text)
    return {
        line
        for line in secret
        if len(line) >= SHORTEST_SECRET and any(map(str.isalnum, line)) and line not in published
    }


def _visible(text: str) -> str:
    """The words of a page, as a reader sees them."""
    without = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", "", without))
