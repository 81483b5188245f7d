"""A small real book, built with the repository's own configuration."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup


class ToyBook:
    """Pages in a folder, and the site Sphinx makes of them."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.html = folder / "_build/html"
        (folder / "code").symlink_to(root / "code")  # logo and style sheet
        self.config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
        self.config["sphinx"]["config"]["course_api_packages"] = []

    def write(self, pages: dict[str, str]) -> None:
        """Write pages, `index` among them when the book is new, and list them as contents."""
        for name, text in pages.items():
            path = self.folder / f"book/{name}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        names = sorted(
            path.relative_to(self.folder).with_suffix("").as_posix()
            for path in (self.folder / "book").rglob("*.md")
        )
        chapters = [{"file": name} for name in names if name != "book/index"]
        toc = {"format": "jb-book", "root": "book/index"} | (
            {"chapters": chapters} if chapters else {}
        )
        (self.folder / "_toc.yml").write_text(yaml.safe_dump(toc))
        (self.folder / "book/references.bib").touch()

    def build(self, *, execute: bool = False) -> list[str]:
        """Build the site; returns the warnings, each from `page.md:line:` on."""
        from jupyter_book.config import get_final_config
        from sphinx.application import Sphinx
        from sphinx.util.docutils import docutils_namespace, patch_docutils

        (self.folder / "_config.yml").write_text(yaml.safe_dump(self.config))
        settings, _ = get_final_config(
            user_yaml=self.folder / "_config.yml",
            sourcedir=self.folder,
            raise_on_invalid=True,
            cli_config={
                "external_toc_path": str(self.folder / "_toc.yml"),
                "nb_execution_mode": "cache" if execute else "off",
                "nb_execution_cache_path": str(self.folder / "_build/.jupyter_cache"),
                "latex_individualpages": False,
            },
        )
        log = io.StringIO()
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                *(self.folder, None, self.html, self.folder / "_build/.doctrees", "html"),
                confoverrides=settings,
                status=None,
                warning=log,
            )
            app.build()
        plain = re.sub(r"\x1b\[[0-9;]*m", "", log.getvalue())
        return [line.replace(f"{self.folder}/book/", "") for line in plain.splitlines() if line]

    def page(self, name: str) -> BeautifulSoup:
        """A page of the site."""
        return BeautifulSoup((self.html / f"book/{name}.html").read_text("utf-8"), "html.parser")


@pytest.fixture(scope="session")
def new_book(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Callable[[], ToyBook]:
    """Makes books in folders of their own."""
    return lambda: ToyBook(tmp_path_factory.mktemp("book"), root)
