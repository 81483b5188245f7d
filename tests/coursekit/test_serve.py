"""The local server."""

import socket
import threading
from pathlib import Path
from urllib.request import urlopen

import pytest

from coursekit import cli
from coursekit.project import CourseError
from coursekit.serve import make_server


@pytest.fixture
def html(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<p>the book</p>")
    return tmp_path


def test_it_serves_the_site_on_this_machine_only(html: Path):
    with make_server(html, 0) as server:
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urlopen(f"http://{host}:{port}/index.html", timeout=10) as page:
            assert page.read() == b"<p>the book</p>"
            assert page.headers["Cache-Control"] == "no-cache"
        server.shutdown()


def test_a_port_in_use_is_replaced_by_a_free_one(html: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with make_server(html, port) as server:
            assert server.server_address[1] != port


def test_a_book_that_was_not_built_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(CourseError, match=r"no site in .* run `make book` first"):
        make_server(tmp_path, 0)
    (tmp_path / "_config.yml").touch()
    (tmp_path / "_toc.yml").touch()
    assert cli.main(["serve", "--root", str(tmp_path)]) == 1
    assert "make book" in capsys.readouterr().err
