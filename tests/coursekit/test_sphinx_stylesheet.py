"""The one style sheet: what it keeps and what it drops."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coursekit.sphinx_ext.stylesheet import purge, variables_in_use, words_in_use

PAGE = '<div class="note warm" id="here"><p data-bs-toggle="x">words</p></div>'
WORDS = words_in_use([PAGE], ["element.classList.add('shown')"])


def kept(css: str, variables: set[str] | None = None) -> str:
    return purge(css, WORDS, variables or set())


@pytest.mark.parametrize(
    "selector",
    [
        "p",
        ".note",
        "div.note.warm > p:first-child",
        "#here::before",
        ".shown",  # a script may add it
        ".note:not(.absent)",
        ":is(.absent, .note) p",
        "*",
        ":root",
        "html[data-theme=dark] .note",
        "[class*=absent]",
    ],
)
def test_what_may_apply_is_kept(selector: str) -> None:
    assert kept(f"{selector} {{ color: red }}") == f"{selector}{{color: red}}"


@pytest.mark.parametrize(
    "selector",
    [".absent", "table", ".note .absent", "#nowhere", ".fa-solid", "[data-bs-theme=dark]"],
)
def test_what_cannot_apply_is_dropped(selector: str) -> None:
    assert kept(f"{selector} {{ color: red }}") == ""
    assert kept(f"{selector}, p {{ color: red }}") == "p{color: red}"


def test_rules_inside_others_are_looked_at() -> None:
    css = (
        "@media print { .absent { color: red } .note { color: red } } @supports (x: y) { table {} }"
    )
    assert kept(css).replace(" ", "") == "@mediaprint{.note{color:red}}"


def test_a_semicolon_in_an_address_is_no_end() -> None:
    css = '.note { --a: url("data:image/svg+xml;utf8,<svg>{}</svg>"); color: var(--a) }'
    css += " p { color: red }"
    assert kept(css, {"--a"}).endswith("p{color: red}")
    assert 'utf8,<svg>{}</svg>"' in kept(css, {"--a"})


def test_variables_are_kept_where_something_reads_them() -> None:
    css = "p { --a: 1px; --b: var(--c); --c: 2px; --d: 3px; width: var(--b) }"
    used = variables_in_use([css, '<p style="height: var(--a)">'])
    assert used == {"--a", "--b", "--c"}
    assert "--d" not in kept(css, used) and "--c: 2px" in kept(css, used)


def test_animations_are_kept_where_something_moves() -> None:
    css = "@keyframes turn { from { top: 0 } to { top: 1px } } @keyframes still { from { top: 0 } }"
    moved = kept(css + " p { animation: turn 1s }")
    assert "@keyframes turn" in moved and "still" not in moved


def test_a_page_has_one_sheet_with_its_version(new_book: Callable) -> None:
    book = new_book()
    book.write({"index": "# Toy\n\nSome words.\n"})
    assert book.build() == []
    page = book.page("index")
    sheet, comforts = page.select("link[rel=stylesheet]")
    assert "comforts.css" in comforts["href"]
    name, version = sheet["href"].rsplit("?v=")
    css = (book.html / "book" / name).read_text("utf-8")
    assert len(version) == 8 and version != "0"
    assert "fa-solid-900" not in css and "vendor/" not in css
    assert ".bd-article" in css and 'src: url("fonts/' in css
    assert len(css) < 150_000
    assert not list(book.html.rglob("*ootstrap*")) and not list(book.html.rglob("*awesome*"))
    # building again changes nothing
    assert book.build() == []
    assert book.page("index").select_one("link[rel=stylesheet]")["href"] == sheet["href"]


def test_no_script_keeps_a_page_from_being_shown(new_book: Callable) -> None:
    book = new_book()
    book.write({"index": "# Toy\n\nSome words.\n"})
    assert book.build() == []
    scripts = book.page("index").select("script[src]")
    assert scripts
    assert [script["src"] for script in scripts if not script.has_attr("defer")] == []
    assert not [s for s in scripts if "searchindex" in s["src"] or "design-tabs" in s["src"]]
