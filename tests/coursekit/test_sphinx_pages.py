"""What the Sphinx extension makes of a chapter: one book, built once, its cells executed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup, Tag

from coursekit.sphinx_ext.pages import ASSETS

CHAPTER = """\
---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
---

(the-chapter)=
# 2.2 Circuits

```{overview}
:minutes: 14
**You will learn** things from [a paper](https://example.org/paper) {required}`5 min`
and [a blog](https://example.org/blog) {optional}`20 min`.
```

## Measures

:::{exercise-start} The `difference` of $a$ and $b$
:number: 2.2a
:minutes: 8
:difficulty: 2
:::
State it.

```{code-cell} ipython3
:tags: [stub]
def difference(a, b):
    raise NotImplementedError("Exercise 2.2a")
```

```{code-cell} ipython3
:tags: [check]
print("checked")
```

```{code-cell} ipython3
:tags: [hidden-test]
print("never shown")
```

:::{exercise-end}
:::

```{hint} Subtract
:exercise: 2.2a
Use a minus sign.
```

```{hint}
:exercise: 2.2a
Another one.
```

```{expected}
:exercise: 2.2a
A number.
```

```{solution-start} 2.2a
```
Prose of the solution.

```{code-cell} ipython3
:tags: [solution]
print("executed:", 40 + 2)
```

```{solution-end}
```

```{exercise-start} A thought
:number: 2.2b
:minutes: 4
:difficulty: 1
:optional:
```
Think.

```{exercise-end}
```

```{solution-start} 2.2b
```
Thought: $x$.

```{solution-end}
```

See [](#expected-2-2a).
"""

INDEX = """\
# Book

See {ref}`exercise-2-2a`, {ref}`hint-2-2a-2`, {ref}`expected-2-2a`,
{ref}`its solution <solution-2-2a>`,
{py:func}`toy_package.double`, {repo}`_toc.yml` and {ref}`the-chapter`.

```{exercise-list}
```
"""

API = """\
# API

```{eval-rst}
.. automodule:: toy_package
   :no-members:

.. package-contents:: toy_package
```
"""

API_SUMS = """\
# Sums

```{eval-rst}
.. automodule:: toy_package.sums
```
"""

SUMS = '''\
"""Adds things.

For example:

    double(1)
"""

from typing import NamedTuple

from jaxtyping import Float
from numpy import ndarray

LIMIT = 3
"""Largest number: no more than this."""

TABLE = {"name": "a value that is long enough to be left out of the reference page" * 2}
"""Something long."""


class Pair(NamedTuple):
    """Two numbers.

    Attributes:
        first: One.
        second: Two.
    """

    first: int
    second: int


def double(
    values: Float[ndarray, "prompt pos"], another_argument: int = 2
) -> Float[ndarray, "prompt pos"]:
    """Doubles `values`."""
    return another_argument * values
'''


@pytest.fixture(scope="module")
def book(new_book: Callable[[], Any]) -> Any:
    """The book, with its warnings."""
    book = new_book()
    package = book.folder / "toy_package"
    package.mkdir()
    (package / "__init__.py").write_text(
        '"""A toy."""\n\nfrom toy_package.sums import Pair, double\n__all__ = ["Pair", "double"]\n'
    )
    (package / "sums.py").write_text(SUMS)
    notebook = book.folder / "exercises/chapter/chapter.ipynb"
    notebook.parent.mkdir(parents=True)
    notebook.write_text('{"cells": []}')
    book.write({"index": INDEX, "chapter": CHAPTER, "api/toy": API, "api/sums": API_SUMS})
    book.config["sphinx"]["config"]["course_api_packages"] = ["toy_package"]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(book.folder))
        book.warnings = book.build(execute=True)
    return book


@pytest.fixture(scope="module")
def chapter(book: Any) -> BeautifulSoup:
    return book.page("chapter")


@pytest.fixture(scope="module")
def index(book: Any) -> BeautifulSoup:
    return book.page("index")


def text(tag: Tag | None) -> str:
    assert tag is not None
    return " ".join(tag.get_text().split())


def test_the_repository_configuration_builds_without_a_warning(book: Any) -> None:
    assert book.warnings == []


def test_an_exercise_says_its_number_title_minutes_and_difficulty(chapter: BeautifulSoup) -> None:
    card = chapter.find(id="exercise-2-2a")
    assert card["class"] == ["exercise"]
    assert text(card.find("h3")).startswith("Exercise 2.2a The difference of a")
    assert text(card.select_one(".exercise-facts")) == "8 min ★★☆"
    assert card.select_one(".stars")["aria-label"] == "difficulty 2 of 3"
    assert "optional" in text(chapter.select_one("#exercise-2-2b .exercise-facts"))


def test_an_exercise_holds_its_statement_stub_and_check(chapter: BeautifulSoup) -> None:
    body = chapter.select_one("#exercise-2-2a .exercise-body")
    assert "State it." in text(body)
    assert "NotImplementedError" in text(body.select_one(".tag_stub"))
    assert "checked" in text(body.select_one(".tag_check .cell_output"))


def test_an_exercise_links_to_its_hints_and_solution_and_these_link_back(
    chapter: BeautifulSoup,
) -> None:
    links = {a["href"]: text(a) for a in chapter.select("#exercise-2-2a .exercise-links a")}
    assert links == {
        "#hint-2-2a-1": "Hint 1",
        "#hint-2-2a-2": "Hint 2",
        "#expected-2-2a": "Expected output",
        "#solution-2-2a": "Solution",
    }
    for place in links:
        assert chapter.select_one(f'{place} a[href="#exercise-2-2a"]')


@pytest.mark.parametrize(
    "place, summary",
    [
        ("hint-2-2a-1", "Hint 1 for exercise 2.2a Subtract"),
        ("hint-2-2a-2", "Hint 2 for exercise 2.2a"),
        ("expected-2-2a", "Expected output of exercise 2.2a"),
        ("solution-2-2a", "Solution of exercise 2.2a"),
    ],
)
def test_folds_are_closed_details_with_the_anchor_inside(
    chapter: BeautifulSoup, place: str, summary: str
) -> None:
    body = chapter.find(id=place)
    details = body.parent
    assert details.name == "details" and not details.has_attr("open")
    assert text(details.find("summary", recursive=False)) == summary
    assert not details.find("summary", recursive=False).find(id=True)


def test_a_solution_is_executed_inside_its_fold(chapter: BeautifulSoup) -> None:
    solution = chapter.find(id="solution-2-2a")
    assert "Prose of the solution." in text(solution)
    assert "executed: 42" in text(solution.select_one(".cell_output"))
    assert "executed: 42" not in text(chapter.find(id="exercise-2-2a"))


def test_hidden_tests_are_nowhere_in_the_site(book: Any) -> None:
    files = [path for path in book.html.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"never shown" in path.read_bytes()] == []


def test_no_file_of_the_site_is_a_chapters_source(book: Any) -> None:
    assert not (book.html / "_sources").exists()
    holding = [p for p in book.html.rglob("*") if p.is_file() and b"40 + 2" in p.read_bytes()]
    assert holding == []  # on the page itself the code is split into coloured pieces


def test_references_from_another_page(index: BeautifulSoup) -> None:
    links = {text(a): a["href"] for a in index.select("article p a.internal")}
    assert links["Exercise 2.2a"] == "chapter.html#exercise-2-2a"
    assert links["Hint 2 for exercise 2.2a"] == "chapter.html#hint-2-2a-2"
    assert links["Expected output of exercise 2.2a"] == "chapter.html#expected-2-2a"
    assert links["its solution"] == "chapter.html#solution-2-2a"


def test_a_markdown_link_to_a_fold(chapter: BeautifulSoup) -> None:
    link = chapter.find("a", string="Expected output of exercise 2.2a")
    assert link["href"] == "#expected-2-2a"


def test_the_list_of_exercises_links_and_sums(index: BeautifulSoup) -> None:
    rows = [[text(cell) for cell in row.select("td")] for row in index.select("tbody tr")]
    assert rows == [
        ["2.2a The difference of a and b", "8", "★★☆", "yes"],
        ["2.2b A thought", "4", "★☆☆", "optional"],
        ["All required exercises", "8", "", ""],
        ["All optional exercises", "4", "", ""],
    ]
    assert index.select_one("tbody a")["href"] == "chapter.html#exercise-2-2a"


def test_the_overview_shows_minutes_and_labels_links(chapter: BeautifulSoup) -> None:
    box = chapter.select_one("section.overview")
    assert text(box.select_one(".overview-minutes")) == "14 min"
    labels = [text(label) for label in box.select(".reading")]
    assert labels == ["required, 5 min", "optional, 20 min"]


def test_a_chapter_with_a_notebook_offers_it(book: Any, chapter: BeautifulSoup) -> None:
    links = {text(a): a["href"] for a in chapter.select(".notebook-links a")}
    url = book.config["repository"]["url"]
    slug, path = urlsplit(url).path.strip("/"), "exercises/chapter/chapter.ipynb"
    assert links["Colab"].endswith(f"/github/{slug}/blob/main/{path}")
    assert links["Binder"].endswith(f"/gh/{slug}/main?urlpath=lab/tree/{path}")
    assert (book.html / "book" / links["Download"]).read_text() == '{"cells": []}'
    assert not book.page("index").select(".notebook-links")


def test_a_link_into_the_repository(book: Any, index: BeautifulSoup) -> None:
    url = book.config["repository"]["url"]
    assert index.find("a", string="_toc.yml")["href"] == f"{url}/blob/main/_toc.yml"


def test_pages_load_nothing_from_elsewhere(book: Any) -> None:
    for path in book.html.rglob("*.html"):
        page = BeautifulSoup(path.read_text(), "html.parser")
        loaded = [tag["src"] for tag in page.select("[src]")]
        loaded += [tag["href"] for tag in page.select("link[href]")]
        assert loaded or path.name == "index.html"
        assert [url for url in loaded if urlsplit(url).netloc] == []
        assert "THEBE" not in path.read_text()


def test_formulas_are_mathml_and_need_no_script(book: Any, chapter: BeautifulSoup) -> None:
    formulas = chapter.select(".math")
    assert formulas and all(formula.find("math") for formula in formulas)
    assert "\\(" not in text(chapter.select_one("article"))
    assert not list(book.html.rglob("*athjax*"))


def test_nothing_that_is_shipped_names_a_delivery_network() -> None:
    scripts = [*ASSETS.rglob("*.js"), *ASSETS.rglob("*.css")]
    assert len(scripts) > 5
    assert [path.name for path in scripts if "cdn." in path.read_text("utf-8")] == []


def test_buttons_and_toggles_have_names(chapter: BeautifulSoup) -> None:
    for summary in chapter.select(".bd-sidebar-primary summary"):
        assert summary["aria-label"]
    for button in chapter.select("button"):
        assert button["type"]
        assert button.get_text(strip=True) or button["aria-label"]
    assert chapter.select_one("nav[aria-label=Home] .navbar-brand")


# the reference


def test_types_are_readable(book: Any) -> None:
    signature = text(book.page("api/sums").find(id="toy_package.sums.double"))
    assert re.sub(r"\s", "", signature).startswith(
        "double(values:Float[ndarray,'promptpos'],another_argument:int=2,)→Float[ndarray,'promptpos']"
    )


def test_long_signatures_are_no_lists_without_terms(book: Any) -> None:
    signature = book.page("api/sums").find(id="toy_package.sums.double")
    assert signature.select(".sig-dd") and not signature.select("dl, dd")


def test_constants_keep_their_colons_and_lose_long_values(book: Any) -> None:
    page = book.page("api/sums")
    limit = page.find(id="toy_package.sums.LIMIT").parent
    assert text(limit).endswith("Largest number: no more than this.")
    assert "= 3" in text(limit)
    assert "left out" not in text(page)


def test_indented_lines_after_a_colon_are_code(book: Any) -> None:
    assert "double(1)" in text(book.page("api/sums").select_one("div.highlight pre"))


def test_fields_of_a_tuple_are_described_once(book: Any) -> None:
    assert "Alias for field" not in text(book.page("api/sums"))


def test_a_package_lists_what_to_import_and_its_modules(book: Any) -> None:
    page = book.page("api/toy")
    entries = {text(term): term.a["href"] for term in page.select("dl.package-contents dt")}
    assert entries == {
        "toy_package.Pair": "sums.html#toy_package.sums.Pair",
        "toy_package.double": "sums.html#toy_package.sums.double",
        "toy_package.sums": "sums.html#module-toy_package.sums",
    }
    assert "Doubles values." in text(page)


def test_a_name_may_be_referred_to_where_it_is_imported_from(index: BeautifulSoup) -> None:
    link = index.find("a", string="toy_package.double()")
    assert link["href"] == "api/sums.html#toy_package.sums.double"
