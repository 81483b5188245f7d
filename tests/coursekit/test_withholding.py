"""Withheld solutions: what the setting means, and that nothing of them is anywhere in the site."""

import datetime
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sphinx.errors import ConfigError

from coursekit.withholding import Withholding, withholding

DAY = datetime.date(2027, 2, 1)
SECRET = ("zebra_crossing", "quagga stripes", "okapi output", "numbat heading", "numbat drawn")


@pytest.mark.parametrize(
    ("setting", "number", "expected"),
    [
        ("shown", "2.2a", False),
        ("withheld", "2.2a", True),
        ({2: "withheld"}, "2.2a", True),
        ({2: "withheld"}, "3.1 ii", False),
        ({"2": "shown"}, "2.2a", False),
        ({2: "withheld"}, "20.1", False),
        ({3: datetime.date(2027, 2, 2)}, "3.1 ii", datetime.date(2027, 2, 2)),
        ({3: "2027-02-02"}, "3.1 ii", datetime.date(2027, 2, 2)),
        ({3: DAY}, "3.1 ii", False),
        (datetime.date(2027, 2, 2), "1", datetime.date(2027, 2, 2)),
        ("2027-01-31", "1", False),
    ],
)
def test_what_the_setting_means(setting: Any, number: str, expected: Any) -> None:
    assert Withholding(setting, DAY).until(number) == expected


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("hidden", "'hidden' for all sections is none of: shown, withheld, a date"),
        ({2: "later"}, "'later' for section 2"),
        ({"two": "withheld"}, "'two' is no section"),
        (True, "True for all sections"),
        ({2: "2027-02-30"}, "'2027-02-30' for section 2"),
    ],
)
def test_a_setting_that_cannot_be_understood_is_refused(setting: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Withholding(setting, DAY)


def test_the_site_is_built_anew_when_a_day_of_release_has_come() -> None:
    def on(day: datetime.date) -> list[str]:
        return Withholding({1: "shown", 3: DAY}, day).withheld

    before, after = on(DAY - datetime.timedelta(1)), on(DAY)
    assert before == ["3: 2027-02-01"] and after == []


def test_the_setting_is_read_from_the_configuration() -> None:
    config = {"sphinx": {"config": {"course_solutions": {2: "withheld"}}}}
    assert withholding(config).until("2.1") is True
    assert withholding({"title": "Toy"}).withheld == []


CHAPTER = """\
---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
---

# Chapter

:::{exercise-start} Say it
:number: 2.1a
:minutes: 2
:difficulty: 1
:::
What is said?

```{code-cell} ipython3
:tags: [stub]
said = ...
```

```{code-cell} ipython3
:tags: [check]
print("checked")
```

:::{exercise-end}
:::

:::{solution-start} 2.1a
:::
It has quagga stripes.

```{code-cell} ipython3
:tags: [solution]
zebra_crossing = "okapi"
print(zebra_crossing, "output")
```

```{code-cell} ipython3
:tags: [solution]
from IPython.display import SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg"><text>tapir portrait</text></svg>')
```

:::{solution-end}
:::

:::{spoiler-start} 2.1a
:::
It has a numbat heading.

```{code-cell} ipython3
print("numbat", "drawn")
```

:::{spoiler-end}
:::

:::{exercise-start} Another
:number: 3.1
:minutes: 2
:difficulty: 1
:::
And this?

:::{exercise-end}
:::

:::{solution-start} 3.1
:::
A plain gnu.

:::{solution-end}
:::

See {ref}`the solution <solution-2-1a>`.
"""

INSTRUCTORS = """\
# For instructors

```{holds-answers}
```

The model answer: quagga stripes.

## More

Also zebra_crossing.
"""


def everything_in(site: Path) -> str:
    return "\n".join(
        path.read_bytes().decode("utf-8", "ignore")
        for path in site.rglob("*")
        if path.is_file() and "_static" not in path.parts
    )


@pytest.fixture(scope="module")
def build(new_book: Callable) -> Callable[[Any], Any]:
    """Builds the same small book with a setting."""

    def with_setting(setting: Any) -> Any:
        book = new_book()
        book.config["sphinx"]["config"]["course_solutions"] = setting
        index = "# Toy\n\n```{exercise-list}\n```\n"
        book.write({"index": index, "chapter": CHAPTER, "instructors": INSTRUCTORS})
        assert book.build(execute=True) == []
        return book

    return with_setting


def test_shown_solutions_are_there(build: Callable) -> None:
    book = build("shown")
    found = everything_in(book.html)
    assert all(word in found for word in SECRET)
    assert "tapir portrait" in everything_in(book.html / "_images")
    assert "shows the answer" not in found


@pytest.mark.parametrize("setting", ["withheld", {2: "withheld"}, {2: "2999-01-02"}])
def test_nothing_of_a_withheld_solution_is_anywhere_in_the_site(
    build: Callable, setting: Any
) -> None:
    book = build(setting)
    found = everything_in(book.html)
    assert not [
        word for word in (*SECRET, "quagga", "zebra", "okapi", "tapir", "numbat") if word in found
    ]
    assert ("plain gnu" in found) == (setting != "withheld")
    solution = book.page("chapter").select_one("#solution-2-1a")
    said = solution.get_text(" ", strip=True)
    expected = "appears here on 02 January 2999" if "2999" in str(setting) else "not on this site"
    assert expected in said and "Back to exercise 2.1a" in said
    page = book.page("chapter").get_text(" ", strip=True)
    assert "shows the answer of exercise 2.1a" in page
    instructors = book.page("instructors").select_one("article").get_text(" ", strip=True)
    assert "This page holds answers" in instructors and "More" not in instructors


def test_a_wrong_setting_stops_the_build_with_words(new_book: Callable) -> None:
    book = new_book()
    book.config["sphinx"]["config"]["course_solutions"] = "perhaps"
    book.write({"index": "# Toy\n"})
    with pytest.raises(ConfigError, match=r"course_solutions in _config\.yml: 'perhaps'"):
        book.build()
