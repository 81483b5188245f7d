"""Figures about the finished site, filled in where a page asks for them.

A page that tells what the site weighs is part of it, so its figures can stand there only when all
else is written: until then an empty element holds their place.
"""

import re
import statistics
from pathlib import Path

from coursekit.weight import first_view

_PLACE = re.compile(r"(<span class=\"measured\" data-of=\"([\w-]+)\">)[^<]*(</span>)")


def place(name: str) -> str:
    """The HTML that holds the place of a figure.

    Args:
        name: One of the names that `figures` gives.

    Returns:
        An element without content.
    """
    return f'<span class="measured" data-of="{name}"></span>'


def figures(site: Path) -> dict[str, str]:
    """Measure the site.

    Args:
        site: Its folder.

    Returns:
        Numbers of pages and files, sizes, and weights of the chapters' pages, as text.
    """
    pages = [p for p in site.rglob("*.html") if "_static" not in p.relative_to(site).parts]
    files = [p for p in site.rglob("*") if p.is_file()]
    chapters = [first_view(p) / 1000 for p in pages if re.match(r"\d", p.name)] or [0.0]
    texts = [p.stat().st_size for p in files if p.suffix != ".pdf"]
    return {
        "pages": f"{len(pages)}",
        "files": f"{len(files)}",
        "megabytes": f"{sum(p.stat().st_size for p in files) / 1e6:.1f}",
        "megabytes-without-pdf": f"{sum(texts) / 1e6:.1f}",
        "least": f"{min(chapters):.0f}",
        "median": f"{statistics.median(chapters):.0f}",
        "most": f"{max(chapters):.0f}",
    }


def fill_in(site: Path) -> None:
    """Write the figures into the pages that ask for them.

    Args:
        site: The folder of the finished site.

    Raises:
        KeyError: If a page asks for a figure that nobody measures.
    """
    pages = {path: path.read_text(encoding="utf-8") for path in (site / "book").rglob("*.html")}
    asking = {path: html for path, html in pages.items() if _PLACE.search(html)}
    if not asking:
        return
    known = figures(site)
    for path, html in asking.items():
        filled = _PLACE.sub(lambda found: found[1] + known[found[2]] + found[3], html)
        if filled != html:
            path.write_text(filled, encoding="utf-8")
