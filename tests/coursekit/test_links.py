"""Links to other sites are followed: the good pass, the broken are named with their place."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from coursekit import links


class Elsewhere(BaseHTTPRequestHandler):
    """A site with one page."""

    def do_GET(self) -> None:
        """Answers 200 for `/page`, 404 for all else."""
        self.send_response(200 if self.path == "/page" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def write_book(folder: Path, text: str) -> Path:
    (folder / "book").mkdir()
    (folder / "book/index.md").write_text(f"# Toy\n\n{text}\n")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (folder / "_config.yml").write_text(
        "title: Toy\nonly_build_toc_files: true\nlatex: {use_jupyterbook_latex: false}\n"
        "repository: {url: 'https://github.com/someone/toy'}\n"
    )
    return folder


def test_a_broken_link_is_named_with_its_place(
    tmp_path: Path, elsewhere: str, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setattr(links, "RETRIES", 1)
    text = f"[good]({elsewhere}/page)\n\n[bad]({elsewhere}/gone)"
    assert links.main(["--root", str(write_book(tmp_path, text))]) == 1
    said = capsys.readouterr().out
    assert f"book/index.md:5: {elsewhere}/gone" in said and "404" in said
    assert f"{elsewhere}/page" not in said
    assert "2 links followed, 1 broken" in said


def test_good_links_pass_and_the_courses_own_are_left_out(
    tmp_path: Path, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own = "[ours](https://github.com/someone/toy/blob/main/x) [site](https://someone.github.io/toy)"
    assert links.main(["--root", str(write_book(tmp_path, f"[good]({elsewhere}/page) {own}"))]) == 0
    assert "0 broken" in capsys.readouterr().out
    assert not (tmp_path / "_build").exists()
