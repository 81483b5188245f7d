"""The page about the build: what it takes from the build's log, the tests and the site."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from coursekit.sphinx_ext import frame, measured
from coursekit.sphinx_ext.how_made import count_tests
from coursekit.weight import first_view, wire_size

PAGE = """\
# How

```{build-times}
```

```{test-counts}
```

```{site-figures}
```

```{versions}
```
"""
LOG = {
    "jobs": 2,
    "edition": "embedded",
    "chapters": {
        "book/1-first": {"seconds": 12.34, "peak_mb": 500.6},
        "book/index": {"seconds": 1.0, "peak_mb": 900.0},
    },
}


@pytest.fixture(scope="module")
def book(new_book: Callable) -> Any:
    book = new_book()
    book.write({"index": "# Toy\n", "1-first": "# 1 First\n\nWords.\n", "how-made": PAGE})
    (book.folder / "_build").mkdir(exist_ok=True)
    (book.folder / "_build/execution.json").write_text(json.dumps(LOG))
    tests = book.folder / "tests/book"
    tests.mkdir(parents=True)
    (tests / "test_one.py").write_text("def test_a():\n    pass\n\ndef helper():\n    pass\n")
    (tests / "test_two.py").write_text("class X:\n    def test_b(self):\n        pass\n")
    assert book.build() == []
    return book


def rows(page: BeautifulSoup, number: int) -> list[list[str]]:
    table = page.select("article table")[number]
    cells = [
        [" ".join(cell.get_text().split()) for cell in row.select("td")]
        for row in table.select("tr")
    ]
    return cells[1:]


def test_times_and_memory_come_from_the_log_of_the_build(book: Any) -> None:
    page = book.page("how-made")
    assert [row[1:] for row in rows(page, 0)] == [["12", "501"], ["1", "900"], ["13", "900"]]
    assert page.select_one("article table a")["href"] == "1-first.html"


def test_tests_are_counted(book: Any) -> None:
    assert rows(book.page("how-made"), 1)[0] == ["the chapters, the site and the notebooks", "2"]
    assert count_tests(book.folder / "tests") == {"book": 2}


def test_the_weights_are_those_of_the_finished_site(book: Any) -> None:
    shown = dict(rows(book.page("how-made"), 2))
    chapter = first_view(book.html / "book/1-first.html")
    assert shown["First view of a chapter, most"] == f"{chapter / 1000:.0f} KB"
    assert int(shown["Pages"]) >= 5
    known = measured.figures(book.html)
    assert shown["Pages"] == known["pages"]


def test_versions_are_those_that_are_installed(book: Any) -> None:
    import sphinx

    assert ["Sphinx", sphinx.__version__] in rows(book.page("how-made"), 3)


def test_without_a_log_the_page_says_so(new_book: Callable) -> None:
    book = new_book()
    book.write({"index": "# Toy\n\n```{build-times}\n```\n"})
    assert book.build() == []
    assert "No chapter has been executed" in book.page("index").get_text()


def test_a_figure_that_nobody_measures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book/a.html").write_text(measured.place("nonsense"))
    with pytest.raises(KeyError, match="nonsense"):
        measured.fill_in(tmp_path)


def test_a_page_weighs_what_it_names(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text(
        '<link rel="stylesheet" href="s.css?v=1"><script defer src="j.js"></script>'
        '<img src="i.png">'
    )
    (tmp_path / "s.css").write_text(
        '@font-face { src: url("f.woff2") } p { background: url(i.png) }'
    )
    (tmp_path / "j.js").write_text("x" * 5000)
    (tmp_path / "f.woff2").write_bytes(b"y" * 700)
    (tmp_path / "i.png").write_bytes(b"z" * 9000)
    named = [page, *(tmp_path / name for name in ("s.css", "j.js", "f.woff2"))]
    assert first_view(page) == sum(map(wire_size, named))
    assert wire_size(tmp_path / "f.woff2") == 700 and wire_size(tmp_path / "j.js") < 100


# repairs of the frame


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<button class='x'>", "<button type=\"button\" class='x'>"),
        ('<button type="submit">', '<button type="submit">'),
        ('<a href="x" title="Go">', '<a aria-label="Go" href="x" title="Go">'),
        ('<main id="m" role="main">', '<main id="m">'),
        (
            '<summary aria-label="Toggle hidden content"><p class="a">Show</p></summary>',
            '<summary><span class="a">Show</span></summary>',
        ),
        ('<p class="title logo__title">A & B</p>', '<p class="title logo__title">A &amp; B</p>'),
        (
            '<p class="title logo__title">A &amp; B</p>',
            '<p class="title logo__title">A &amp; B</p>',
        ),
        (
            '<table class="indextable"><tr><td></td></tr></table>',
            '<table class="indextable"><tbody><tr><td></td></tr></tbody></table>',
        ),
    ],
)
def test_repairs_of_the_frame(before: str, after: str) -> None:
    assert frame.repair(before) == after
    assert frame.repair(after) == after


def test_a_search_field_gets_its_button_once() -> None:
    keys = '<span class="search-button__kbd-shortcut"></span>'
    form = f'<form class="bd-search d-flex"><input/>{keys}</form>'
    once = frame.repair(form)
    assert once.count('type="submit"') == 1
    assert frame.repair(once) == once
