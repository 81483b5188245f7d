"""The button "Run here": the page's cells run in a kernel, checks included; nothing before a click.

The kernel is that of a Jupyter server on this machine; what would be asked of Binder is looked at.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coursekit.serve import make_server

pytestmark = pytest.mark.browser

CHAPTER = """\
---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
---

# 2.2 A chapter

:::{exercise-start} The logit difference
:number: 2.2a
:minutes: 6
:difficulty: 1
:::
Write it.

```{code-cell} ipython3
:tags: [stub]
def logit_difference(logits, io_ids, s_ids, end_positions):
    raise NotImplementedError("Exercise 2.2a: Your turn.")
```

```{code-cell} ipython3
:tags: [check]
from interp_rl.checks import section2

section2.check_logit_difference(logit_difference)
```

:::{exercise-end}
:::

:::{solution-start} 2.2a
:::
One entry per prompt.

:::{solution-end}
:::
"""

SOLUTION = """\
import torch
def logit_difference(logits, io_ids, s_ids, end_positions):
    rows = torch.arange(len(io_ids))
    at_end = logits[rows, end_positions]
    return at_end[rows, io_ids] - at_end[rows, s_ids]
"""


@pytest.fixture(scope="module")
def page_address(new_book: Callable) -> Iterator[str]:
    """The address of a chapter with an exercise, built and served."""
    book = new_book()
    book.write({"index": "# Toy\n", "2-2-chapter": CHAPTER})
    notebook = book.folder / "exercises/2-2-chapter/2-2-chapter.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text("{}")
    assert book.build(execute=True) == []
    server = make_server(book.html, port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/book/2-2-chapter.html"
    server.shutdown()


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[dict[str, Any]]:
    """A Jupyter server, as thebe wants it described."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, folder = secrets.token_hex(8), tmp_path_factory.mktemp("server")
    options = {
        "port": port,
        "root_dir": folder,
        "allow_origin": "*",
        "allow_root": True,
        "disable_check_xsrf": True,
        "open_browser": False,
    }
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter_server", f"--IdentityProvider.token={token}"),
            *(f"--ServerApp.{name}={value}" for name, value in options.items()),
        ],
        env={**os.environ, "PYTHONPATH": str(root / "code"), "JUPYTER_CONFIG_DIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=2).close()
            break
        except OSError:
            time.sleep(0.2)
    else:
        pytest.fail("the Jupyter server did not start")
    yield {
        "baseUrl": address,
        "wsUrl": address.replace("http", "ws"),
        "token": token,
        "appendToken": True,
    }
    server.terminate()
    server.wait(20)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def view(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.set_default_timeout(120_000)
    yield page
    page.close()


def test_until_the_button_is_pressed_nothing_is_loaded(view: Any, page_address: str) -> None:
    view.goto(page_address, wait_until="load")
    assert view.locator("button.live-code").is_visible()
    site = page_address.rsplit("/book/", 1)[0]
    assert all(url.startswith(site) for url in view.asked)
    assert not [url for url in view.asked if "thebe" in url or "live.js" in url]


def test_cells_run_and_the_check_answers(
    view: Any, page_address: str, jupyter: dict[str, Any]
) -> None:
    view.add_init_script(f"window.liveServer = {jupyter!r}".replace("True", "true"))
    view.goto(page_address, wait_until="load")
    view.locator("button.live-code").click()
    view.locator(".live-status", has_text="Ready").wait_for()

    cells = view.locator("div.cell")
    assert cells.locator(".CodeMirror").count() == 2
    run = cells.locator(".thebe-run-button")
    run.nth(0).click()
    run.nth(1).click()
    cells.nth(1).get_by_text("not attempted yet").first.wait_for()

    write = "(editor, code) => editor.CodeMirror.setValue(code)"
    cells.nth(0).locator(".CodeMirror").evaluate(write, SOLUTION.replace(" - at_end", " + at_end"))
    run.nth(0).click()
    run.nth(1).click()
    cells.nth(1).get_by_text("not yet right").first.wait_for()
    assert view.locator(".exercise.is-done").count() == 0

    cells.nth(0).locator(".CodeMirror").evaluate(write, SOLUTION)
    run.nth(0).click()
    run.nth(1).click()
    cells.nth(1).get_by_text(re.compile(r"2\.2a: passed")).first.wait_for()
    view.locator(".exercise.is-done").wait_for()  # the page keeps it by itself
    assert view.locator(".mark-done[data-exercise='2.2a']").inner_text() == "Done"
    site, server = page_address.rsplit("/book/", 1)[0], jupyter["baseUrl"]
    strangers = [url for url in view.asked if not url.startswith((site, server, "data:", "blob:"))]
    assert not strangers


def test_by_default_the_kernel_comes_from_binder(view: Any, page_address: str, book: Any) -> None:
    builds: list[str] = []

    def refuse(route: Any) -> None:
        builds.append(route.request.url)
        route.fulfill(status=503, body="")

    view.route("https://mybinder.org/**", refuse)
    view.goto(page_address, wait_until="load")
    view.locator("button.live-code").click()
    view.wait_for_function("() => document.querySelector('.live-status').textContent !== ''")
    for _ in range(100):
        if builds:
            break
        view.wait_for_timeout(100)
    slug = "/".join(book.repository.split("/")[-2:])
    assert builds and f"/gh/{slug}/{book.branch}" in builds[0]


@pytest.fixture
def book(root: Path) -> Any:
    from coursekit.book import Book

    return Book(root)
