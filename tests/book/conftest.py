"""What tests of the book share: its files and the built site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from coursekit.book import Book
from coursekit.browser import served
from coursekit.project import Project


@pytest.fixture(scope="session")
def project(root: Path) -> Project:
    return Project(root)


@pytest.fixture(scope="session")
def book(root: Path) -> Book:
    return Book(root)


@pytest.fixture(scope="session")
def site(project: Project) -> Path:
    """The built site; a site that is missing, or whose last build failed, fails the test."""
    if not project.site_state.is_file():
        pytest.fail("the site is not built, or its last build failed: run `make book`")
    return project.html


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, BeautifulSoup]:
    """Every page of the site, read, by its path."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        if "_static" not in path.parts and 'http-equiv="Refresh"' not in text[:200]:
            found[path.relative_to(site).as_posix()] = BeautifulSoup(text, "html.parser")
    return found


@pytest.fixture(scope="session")
def address(site: Path, project: Project) -> Iterator[str]:
    """Where the site is served while the tests run."""
    with served(project) as url:
        yield url


@pytest.fixture
def hub_edition(connections: list, monkeypatch) -> Iterator[Callable[[Path], Path]]:
    """Puts the hub edition in force, on a directory; any use of a network fails the test."""
    from interp_rl.models import files, registry

    def on(directory: Path) -> Path:
        monkeypatch.setenv(registry.EDITION_VARIABLE, "hub")
        monkeypatch.setenv(files.HUB_DIR_VARIABLE, str(directory))
        return directory

    yield on
    assert not connections
