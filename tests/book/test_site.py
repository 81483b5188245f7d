"""The built site as files: nothing foreign, broken, given away or unlabelled."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup, Tag

from coursekit.audit.files import secrets_of
from coursekit.book import Book
from coursekit.chapter import Text
from coursekit.notebooks import chapters_with_code

pytestmark = pytest.mark.site

Pages = dict[str, BeautifulSoup]


def article(page: BeautifulSoup) -> Tag:
    """What the author wrote, without the theme's frame."""
    return page.select_one("article") or Tag(name="article")


def resources(page: BeautifulSoup) -> list[str]:
    """Everything that a browser loads with a page."""
    loaded = [tag["src"] for tag in page.find_all(src=True)]
    loaded += [tag["data"] for tag in page.find_all("object", attrs={"data": True})]
    loaded += [tag["poster"] for tag in page.find_all(poster=True)]
    for tag in page.find_all(srcset=True):
        loaded += [part.split()[0] for part in tag["srcset"].split(",")]
    links = {"stylesheet", "preload", "prefetch", "modulepreload", "icon", "preconnect", "manifest"}
    loaded += [t["href"] for t in page.find_all("link", href=True) if links & set(t["rel"])]
    for css in [*page.find_all("style"), *page.find_all(style=True)]:
        loaded += addresses_in_css(css.get("style") or css.get_text())
    loaded += [tag["xlink:href"] for tag in page.find_all("image", attrs={"xlink:href": True})]
    return loaded


def addresses_in_css(css: str) -> list[str]:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    quoted = r"""url\(\s*["']?([^"')]+)["']?\s*\)|@import\s+["']([^"']+)["']"""
    return [first or second for first, second in re.findall(quoted, css)]


def is_foreign(url: str) -> bool:
    return bool(urlsplit(url).netloc)


def test_every_page_of_the_contents_is_built(pages: Pages, book: Book, root: Path) -> None:
    expected = {p.relative_to(root).with_suffix(".html").as_posix() for p in book.pages}
    assert expected <= set(pages)


def test_no_page_loads_anything_from_another_host(pages: Pages) -> None:
    foreign = {name: [u for u in resources(page) if is_foreign(u)] for name, page in pages.items()}
    assert not any(foreign.values()), foreign


def test_no_style_sheet_loads_anything_from_another_host(site: Path) -> None:
    sheets = {
        p.relative_to(site): addresses_in_css(p.read_text("utf-8")) for p in site.rglob("*.css")
    }
    assert sheets
    foreign = {str(name): [u for u in urls if is_foreign(u)] for name, urls in sheets.items()}
    assert not any(foreign.values()), foreign


def test_every_resource_a_page_loads_is_there(pages: Pages, site: Path) -> None:
    missing = [
        f"{name}: {url}"
        for name, page in pages.items()
        for url in resources(page)
        if not is_foreign(url) and not url.startswith(("data:", "#"))
        if not (site / name).parent.joinpath(unquote(urlsplit(url).path)).exists()
    ]
    assert not missing, "\n".join(map(str, missing))


def anchors(page: BeautifulSoup) -> set[str]:
    return {tag["id"] for tag in page.find_all(id=True)} | {"", "top"}


def test_links_inside_the_site_lead_somewhere(pages: Pages, site: Path) -> None:
    known = {name: anchors(page) for name, page in pages.items()}
    broken = []
    for name, page in pages.items():
        for link in page.find_all("a", href=True):
            url = urlsplit(link["href"])
            if url.scheme or url.netloc:
                continue
            target = (
                (site / name).parent.joinpath(unquote(url.path)).resolve()
                if url.path
                else site / name
            )
            place = target.relative_to(site.resolve()).as_posix() if target.exists() else None
            if place is None or (place in known and unquote(url.fragment) not in known[place]):
                broken.append(f"{name}: {link['href']}")
    assert not broken, "\n".join(map(str, broken))


def test_notebooks_links_to_the_site_lead_somewhere(pages: Pages, site: Path, book: Book) -> None:
    known = {name: anchors(page) for name, page in pages.items()}
    broken, seen = [], 0
    for notebook in site.glob("notebooks/*.ipynb"):
        for page, place in re.findall(
            re.escape(book.site) + r"/([^\s)#\"]+\.html)#?([^\s)\"]*)", notebook.read_text("utf-8")
        ):
            seen += 1
            if place not in known.get(page, set()):
                broken.append(f"{notebook.name}: {page}#{place}")
    assert seen
    assert not broken, "\n".join(broken)


def test_ids_are_unique_on_their_page(pages: Pages) -> None:
    doubled = {
        name: [i for i, n in Counter(t["id"] for t in page.find_all(id=True)).items() if n > 1]
        for name, page in pages.items()
    }
    assert not any(doubled.values()), doubled


def test_every_page_has_one_heading_a_title_and_a_language(pages: Pages) -> None:
    for name, page in pages.items():
        headings = [h for h in page.find_all("h1") if not h.find_parent(class_="onlyprint")]
        assert len(headings) == 1, f"{name} has {len(headings)} headings of level 1"
        assert page.title and page.title.get_text(strip=True), f"{name} has no title"
        assert page.html["lang"] == "en", name


def test_headings_go_down_one_level_at_a_time(pages: Pages, book: Book, root: Path) -> None:
    for path in book.pages:
        name = path.relative_to(root).with_suffix(".html").as_posix()
        levels = [int(h.name[1]) for h in article(pages[name]).find_all(re.compile("^h[1-6]$"))]
        jumps = [(a, b) for a, b in pairwise(levels) if b > a + 1]
        assert not jumps, f"{name}: headings jump {jumps}"


def test_every_picture_says_what_it_shows(pages: Pages) -> None:
    silent = []
    for name, page in pages.items():
        written = article(page)
        for img in page.find_all("img"):  # outside the article `alt=""` marks an ornament
            alt = img.get("alt") if written in img.parents else img.get("alt") is not None
            if not alt:
                silent.append(f"{name}: {img['src']}")
        for svg in article(page).find_all("svg"):
            hidden = svg.get("aria-hidden") == "true" or svg.find_parent(
                attrs={"aria-hidden": "true"}
            )
            if not hidden and not (svg.get("role") == "img" and svg.get("aria-label", "").strip()):
                silent.append(f"{name}: an inline drawing")
    assert not silent, "\n".join(map(str, silent))


def test_hints_and_solutions_are_closed_and_hold_their_anchors(pages: Pages) -> None:
    folds = [fold for page in pages.values() for fold in page.select("details.fold")]
    assert folds
    assert [str(fold)[:80] for fold in folds if fold.has_attr("open")] == []
    for fold in folds:
        place = re.compile(r"^(hint|expected|solution)-")
        assert fold.find("summary", recursive=False) and fold.find(id=place), str(fold)[:80]


def test_every_exercise_has_its_anchor_and_its_solution(pages: Pages, book: Book) -> None:
    for path, chapter in book.chapters.items():
        page = pages[path.relative_to(book.root).with_suffix(".html").as_posix()]
        for block in chapter.blocks:
            if not isinstance(block, Text) and block.name == "exercise-start":
                number = block.options["number"].replace(".", "-").replace(" ", "-")
                assert page.find(id=f"exercise-{number}")
                solution = page.find(id=f"solution-{number}")
                assert solution.find_parent("details", class_="fold-solution")


# solutions are on the page, closed, and nowhere else


def test_secrets_are_found_in_the_chapters(book: Book) -> None:
    solved = [c for c in book.chapters.values() if any("stub" in cell.tags for cell in c.cells)]
    assert solved
    for chapter in solved:
        assert secrets_of(chapter), chapter.name


def test_no_chapter_source_is_published(site: Path) -> None:
    assert not (site / "_sources").exists()
    assert [p for p in site.rglob("*.md") if "_static" not in p.parts] == []
    stray = [p for p in site.rglob("*.ipynb") if p.parent != site / "notebooks"]
    assert not stray, "\n".join(map(str, stray))


def test_no_downloadable_file_gives_a_solution_away(site: Path, book: Book) -> None:
    texts = {}
    for path in site.rglob("*"):
        listed = path.suffix in (".html", ".woff", ".woff2", ".map", ".pdf")
        listed = listed or path.name == "searchindex.js"
        if path.is_file() and not listed:
            text = path.read_text(encoding="utf-8", errors="ignore")
            if path.suffix == ".ipynb":  # the text as a reader sees it, and as it is stored
                text += "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
            texts[path] = text
    given_away = [
        f"{path.name}: {line}"
        for chapter in book.chapters.values()
        for line in secrets_of(chapter, *book.chapters.values())
        for path, text in texts.items()
        if line in text
    ]
    assert not given_away, "\n".join(map(str, given_away))


def test_the_site_offers_every_chapters_student_notebook(
    site: Path, book: Book, root: Path
) -> None:
    for chapter in chapters_with_code(book):
        committed = root / f"exercises/{chapter.name}/{chapter.name}.ipynb"
        assert (site / f"notebooks/{chapter.name}.ipynb").read_bytes() == committed.read_bytes()


def test_solution_text_stands_only_inside_closed_folds(pages: Pages, book: Book) -> None:
    for path, chapter in book.chapters.items():
        name = path.relative_to(book.root).with_suffix(".html").as_posix()
        body = BeautifulSoup(str(article(pages[name])), "html.parser")
        for fold in body.select("details.fold"):
            fold.decompose()
        text = body.get_text()
        solutions = secrets_of(chapter, spoilers=False)
        assert [line for line in solutions if line in text] == []


MARKUP = re.compile(r"\{(glue|ref|term|eq|cite|exercise|numref|doc|repo|guard)\b[^}]*\}[\w`]|``")
"""Roles and code marks that were read as text, inside of other markup for example."""


def test_no_markup_is_left_in_the_text(pages: Pages) -> None:
    left = []
    for name, page in pages.items():
        body = BeautifulSoup(str(article(page)), "html.parser")
        for part in body.select("pre, code, .math, script"):
            part.decompose()
        left += [f"{name}: {found.group()}" for found in MARKUP.finditer(body.get_text())]
    assert not left, "\n".join(left)
