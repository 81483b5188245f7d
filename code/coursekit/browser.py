"""Chromium, driven by playwright, for the tests of the site and for screenshots."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coursekit.project import CourseError, Project
from coursekit.serve import make_server

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

QUIET = (
    "--no-sandbox",  # containers have no user namespaces
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> Path | None:
    """Finds a Chromium on this machine.

    Returns:
        The one that the environment variable CHROMIUM names, else one on the path, else
        playwright's own, else None.

    Raises:
        CourseError: If CHROMIUM names a file that does not exist.
    """
    if named := os.environ.get("CHROMIUM"):
        if not Path(named).is_file():
            raise CourseError(f"CHROMIUM is {named}, and there is no such file")
        return Path(named)
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.is_file() else None


@contextmanager
def open_chromium() -> Iterator[Any]:
    """Starts a Chromium without a window.

    Yields:
        Playwright's `Browser`.

    Raises:
        CourseError: If there is none on this machine.
    """
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    if path is None:
        raise CourseError(
            "no Chromium found: install one, set CHROMIUM to its path, "
            "or run `playwright install chromium`"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(project: Project) -> Iterator[str]:
    """Serves the built site on this machine while the block runs.

    Args:
        project: The course.

    Yields:
        The site's address, without a slash at the end.

    Raises:
        CourseError: If the site has not been built.
    """
    server = make_server(project.html, port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
