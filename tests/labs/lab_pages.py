"""Laboratories on bare pages, opened from a folder as a reader without a server would."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from coursekit.labs.publish import preview

FALLBACK = "<table><tr><td>what stands there without scripts</td></tr></table>"


@contextmanager
def opened(
    browser: Any,
    root: Path,
    folder: Path,
    name: str,
    *,
    width: int = 900,
    start: bool = True,
    **options: Any,
) -> Iterator[Any]:
    """A page with one laboratory; errors on it fail the test."""
    page_file = folder / f"{name}.html"
    if not page_file.is_file():
        preview(root, name, folder, FALLBACK)
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda r: r.url.startswith(("file:", "data:")) or problems.append(f"asks for {r.url}"),
    )
    try:
        page.goto(page_file.as_uri())
        if start:
            page.wait_for_selector("section.lab[data-state]")
            button = page.get_by_role("button", name="Start the laboratory")
            if button.is_visible():
                button.click()
            page.wait_for_selector("section.lab[data-state=started]")
        yield page
        assert not problems
    finally:
        context.close()


@contextmanager
def openings(
    browser: Any, root: Path, folder: Path, name: str, **usual: Any
) -> Iterator[Callable[..., Any]]:
    """A function that opens a laboratory as `opened` does, as often as a test wants."""
    with ExitStack() as pages:
        yield lambda **options: pages.enter_context(
            opened(browser, root, folder, name, **{**usual, **options})
        )


def said(page: Any) -> str:
    """What the laboratory says in words."""
    return page.locator(".lab-verdict").inner_text()


def numbers(page: Any) -> dict[str, list[str]]:
    """The rows of its first table."""
    rows = page.locator("table.lab-numbers tbody tr").all()
    return {
        row.locator("th").inner_text(): [cell.inner_text() for cell in row.locator("td").all()]
        for row in rows
    }
