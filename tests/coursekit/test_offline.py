"""The site without a network: kept, installed, replaced by a new build; and read from a folder."""

from __future__ import annotations

import functools
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from coursekit.serve import HOST, QuietHandler
from coursekit.sphinx_ext import offline

PAGES = {
    "index": "# Toy\n\nSee [](other.md) and [](third.md).\n",
    "other": "# Another page\n\nSomething about perplexity, $x^2$.\n",
    "third": "# A third page\n\nWords.\n",
}


@pytest.fixture(scope="module")
def built(new_book: Callable) -> Path:
    book = new_book()
    book.write(PAGES)
    assert book.build() == []
    return book.html


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "site"))


class Server:
    """A server that can be switched off."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        handler = functools.partial(QuietHandler, directory=str(folder))
        self._server = ThreadingHTTPServer((HOST, port), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = self._server.server_port
        self.address = f"http://{HOST}:{self.port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def view(browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda m: m.type == "error" and page.problems.append(m.text))
    yield page
    context.close()


def wait_for_worker(view: Any) -> None:
    view.wait_for_function("() => navigator.serviceWorker.controller !== null")


# the files


def test_the_manifest_names_what_is_there(built: Path) -> None:
    manifest = json.loads((built / offline.MANIFEST).read_text())
    assert manifest["name"] and manifest["start_url"] and manifest["display"]
    assert {icon["sizes"] for icon in manifest["icons"]} == {"192x192", "512x512"}
    for icon in manifest["icons"]:
        assert (built / icon["src"]).is_file()


def test_all_that_is_kept_is_there_and_what_needs_a_kernel_is_not(built: Path) -> None:
    files = json.loads((built / offline.FILES).read_text())["files"]
    assert {
        "book/index.html",
        "_static/style.css",
        "searchindex.js",
        "manifest.webmanifest",
    } <= set(files)
    assert all((built / name).is_file() for name in files)
    assert not [
        n for n in files if n.startswith(("notebooks", "handouts", "_static/thebe")) or n == "sw.js"
    ]


def test_the_version_is_the_digest_of_the_build(site: Path) -> None:
    first = offline.write(site)
    assert f'VERSION = "{first}"' in (site / "sw.js").read_text()
    assert offline.write(site) == first
    page = site / "book/other.html"
    page.write_text(page.read_text().replace("perplexity", "surprise"))
    assert offline.write(site) != first


# in a browser


@pytest.mark.browser
def test_what_was_read_can_be_read_without_a_network(view: Any, site: Path) -> None:
    server = Server(site)
    view.goto(f"{server.address}/book/index.html")
    wait_for_worker(view)
    view.goto(f"{server.address}/book/other.html")
    view.wait_for_load_state("networkidle")
    view.goto(f"{server.address}/book/index.html")
    server.stop()
    view.get_by_role("article").get_by_text("Another page").click()
    view.get_by_role("heading", name="Another page").wait_for()
    assert view.evaluate("getComputedStyle(document.body).fontFamily.includes('Source Sans')")
    assert view.evaluate("document.fonts.check('16px \"Source Serif 4\"')")


@pytest.mark.browser
def test_the_whole_book_on_request_and_a_new_build_replaces_it(view: Any, site: Path) -> None:
    server = Server(site)
    view.goto(f"{server.address}/book/index.html")
    button = view.get_by_role("button", name="Keep the book for reading offline")
    assert "MB" in button.inner_text()
    wait_for_worker(view)
    button.click()
    view.get_by_text("The whole book is kept on this device").wait_for()
    assert not button.is_visible()
    server.stop()
    view.goto(f"{server.address}/book/third.html")  # never opened before
    view.get_by_role("heading", name="A third page").wait_for()

    page = site / "book/third.html"
    page.write_text(page.read_text().replace("A third page", "A page of the new build"))
    version = offline.write(site)
    server = Server(site, server.port)
    view.goto(f"{server.address}/book/index.html")
    for _ in range(200):
        if view.evaluate("caches.keys()") == [f"book-{version}"]:
            break
        view.wait_for_timeout(100)
    server.stop()
    view.goto(f"{server.address}/book/third.html")
    view.get_by_role("heading", name="A page of the new build").wait_for()


@pytest.mark.browser
def test_a_browser_can_install_it(view: Any, site: Path) -> None:
    server = Server(site)
    view.goto(f"{server.address}/book/index.html")
    wait_for_worker(view)
    control = view.context.new_cdp_session(view)
    manifest = control.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["url"].endswith("manifest.webmanifest")
    errors = control.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [e for e in errors if e["errorId"] != "in-incognito"] == []
    server.stop()


@pytest.mark.browser
def test_from_a_folder_it_reads_and_searches_as_from_a_server(view: Any, site: Path) -> None:
    view.goto((site / "book/index.html").as_uri())
    assert view.evaluate("getComputedStyle(document.body).fontFamily.includes('Source Sans')")
    assert view.locator("link[rel=manifest]").count() == 0
    view.get_by_role("article").get_by_text("Another page").click()
    view.get_by_role("heading", name="Another page").wait_for()
    assert view.locator("math").is_visible()
    assert view.problems == []
    view.goto((site / "search.html").as_uri() + "?q=perplexity")
    view.locator("#search-results a", has_text="Another page").wait_for()
