"""What a page of the site weighs: the bytes that a browser must load to show it, compressed.

Counted from the files: the page, its style sheets and scripts, compressed as servers do, and fonts.
Figures are left out, those that are files and those that are drawn inside the page.
"""

import gzip
import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

FONTS = (".woff", ".woff2")
COMPRESSED = {*FONTS, ".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".zip"}
"""Endings of files that no server compresses again."""

_LOADED = re.compile(
    r"<script\b[^>]*\ssrc=\"([^\"]+)\"|<link\b(?=[^>]*rel=\"(?:stylesheet|icon)\")[^>]*\shref=\"([^\"]+)\""
)
_DRAWING = re.compile(r"<svg\b[^>]*\brole=\"img\".*?</svg>", re.DOTALL)
_IN_CSS = re.compile(r"url\(\s*[\"']?(?!data:)([^\"')]+)[\"']?\s*\)")


def first_view(page: Path) -> int:
    """Weighs a page with everything it names, every font of its style sheets included.

    A browser may load less: fonts count here whether or not the page uses them.

    Args:
        page: A page of the site.

    Returns:
        Bytes on the way from server to browser.

    Raises:
        OSError: If the page or a file that it names cannot be read.
    """
    text = page.read_text(encoding="utf-8")
    files = {_file(page, first or second) for first, second in _LOADED.findall(text)}
    for sheet in [file for file in files if file.suffix == ".css"]:
        css = sheet.read_text(encoding="utf-8")
        files |= {f for name in _IN_CSS.findall(css) if (f := _file(sheet, name)).suffix in FONTS}
    return wire_size(page) + sum(map(wire_size, files)) - drawings(text)


def drawings(html: str) -> int:
    """Bytes that the figures drawn inside a page add to it, compressed.

    Args:
        html: The page.

    Returns:
        The bytes; the drawings' descriptions and the tables of their data do not count as drawings.
    """
    without = _DRAWING.sub("", html)
    if without == html:
        return 0
    return len(gzip.compress(html.encode(), 6)) - len(gzip.compress(without.encode(), 6))


def wire_size(path: Path) -> int:
    """Bytes of a file as a server sends it: text compressed with gzip, level 6.

    Args:
        path: The file.

    Returns:
        Its size.
    """
    status = path.stat()
    return _wire_size(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _wire_size(path: Path, _changed: int, _size: int) -> int:
    content = path.read_bytes()
    return len(content) if path.suffix in COMPRESSED else len(gzip.compress(content, 6))


def _file(page: Path, address: str) -> Path:
    return (page.parent / unquote(urlsplit(address).path)).resolve()
