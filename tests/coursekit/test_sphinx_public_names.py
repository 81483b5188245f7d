"""Reading a package's public names from its source."""

from __future__ import annotations

from pathlib import Path

import pytest

from coursekit.sphinx_ext import public_names, reference_pages

SOURCE = '''\
import os
from typing import NamedTuple, overload

BARE = 1
DESCRIBED = 2
"""A constant."""
#: Another.
COMMENTED = 3
ALSO = 4  #: And one more.
_PRIVATE = 5
FIRST, SECOND = 6, 7


def bare(): ...


def _private(): ...


@overload
def described(a: int): ...


def described(a):
    """Has a docstring."""


class Bare:
    field: int

    def bare(self): ...


class Described(NamedTuple):
    """Has one.

    Attributes:
        one: The first.
        two, three: The others.
        four (int): The last.
    """

    one: int
    two: int
    three: int
    four: int
    five: int
    six: int
    """The sixth."""

    @property
    def bare(self): ...

    @property
    def whole(self):
        """Has one."""

    @whole.setter
    def whole(self, value): ...

    def __len__(self): ...
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "named_package"
    (folder / "_hidden").mkdir(parents=True)
    (folder / "_hidden/__init__.py").touch()
    (folder / "__init__.py").write_text(
        '"""First line\ngoes on.\n\nMore."""\n\n'
        "from os import path\n"
        "from named_package.names import Described, _private\n"
        "from named_package.names import described as renamed\n"
    )
    (folder / "names.py").write_text(SOURCE)
    (folder / "_private.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_undocumented_names_are_found_with_their_lines(package: Path) -> None:
    found = dict(public_names.undocumented("m", package / "names.py"))
    assert found == {
        "m": 1,
        "m.BARE": 4,
        "m.FIRST": 11,
        "m.SECOND": 11,
        "m.bare": 14,
        "m.Bare": 28,
        "m.Bare.field": 29,
        "m.Bare.bare": 31,
        "m.Described.five": 47,
        "m.Described.bare": 52,
    }


def test_a_documented_module_is_fine(package: Path) -> None:
    assert list(public_names.undocumented("named_package", package / "__init__.py")) == []


def test_public_modules_of_a_package(package: Path) -> None:
    assert public_names.modules("named_package") == {
        "named_package": package / "__init__.py",
        "named_package.names": package / "names.py",
    }


def test_a_package_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="there is no package named no_such_package"):
        public_names.modules("no_such_package")


def test_names_imported_for_users_lead_to_their_definition(package: Path) -> None:
    assert public_names.reexported("named_package", package / "__init__.py") == {
        "named_package.Described": "named_package.names.Described",
        "named_package.renamed": "named_package.names.described",
    }


def test_summaries_are_the_first_paragraph(package: Path) -> None:
    assert public_names.summary(package / "__init__.py") == "First line goes on."
    assert public_names.summary(package / "names.py", "Described") == "Has one."
    assert public_names.summary(package / "names.py", "Bare") == ""


def test_a_build_warns_of_names_and_modules_left_out(package: Path, new_book) -> None:
    book = new_book()
    book.write({"index": "# Book\n"})
    book.config["sphinx"]["config"]["course_api_packages"] = ["named_package"]
    warnings = "\n".join(book.build())
    assert (
        f"{package}/names.py:4: WARNING: named_package.names.BARE has no documentation" in warnings
    )
    for module in ("named_package", "named_package.names"):
        assert f"WARNING: {module} has no page: run python -m coursekit." in warnings


def test_the_pages_of_the_reference_are_those_of_the_library(root: Path) -> None:
    committed = {path.name: path.read_text() for path in (root / "book/api").glob("interp_rl.*.md")}
    assert committed == reference_pages.pages(), f"run python -m {reference_pages.__name__}"


def test_writing_the_reference_removes_pages_of_modules_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "interp_rl.no_such_module.md").touch()
    (tmp_path / "index.md").touch()
    reference_pages.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"index.md", *reference_pages.pages()}
    package = (tmp_path / "interp_rl.models.md").read_text()
    assert ".. package-contents:: interp_rl.models" in package and ":no-members:" in package
