"""The repository keeps the promises its own documents make."""

import re
import subprocess
from pathlib import Path

import pytest

from coursekit.book import Book

TEXT = {".py", ".md", ".yml", ".yaml", ".toml", ".txt", ".cff", ".css", ".js", ".svg", ".bib", ""}
LARGEST = 2_000_000
WEIGHTS = 4_000_000


@pytest.fixture(scope="module")
def files(root: Path) -> list[Path]:
    """Every file that is committed or would be: git's list, without what it ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout
    paths = [root / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts(files: list[Path]) -> dict[Path, str]:
    return {p: p.read_text(encoding="utf-8", errors="ignore") for p in files if p.suffix in TEXT}


def commands_in(document: str) -> set[str]:
    """The targets that a document's `make ...` lines and words name."""
    return set(re.findall(r"(?:^|`|\s)make ((?!sure\b)[a-z]+)(?=`|\s|$)", code_of(document)))


def code_of(document: str) -> str:
    """What a Markdown document shows as code."""
    fenced = re.findall(r"```[^\n]*\n(.*?)```", document, re.DOTALL)
    inline = re.findall(r"`[^`\n]+`", re.sub(r"```.*?```", "", document, flags=re.DOTALL))
    return "\n".join([*fenced, *inline])


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_commands_that_a_document_names_exist(root: Path, document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE))
    named = commands_in((root / document).read_text())
    assert named
    assert named <= targets, f"{document} names {sorted(named - targets)}, which make does not know"


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_files_that_a_document_names_exist(root: Path, document: str) -> None:
    text = (root / document).read_text()
    linked = [path for path in re.findall(r"\]\(([^)#:]+)\)", text) if "://" not in path]
    named = re.findall(r"`((?:book|code|exercises|tests|benchmarks)/[\w./-]*)`", text)
    meant = [name for name in [*linked, *named] if not name.endswith("__init__.py")]
    meant = [name for name in meant if "NAME" not in name]  # a place for a name
    missing = [name for name in meant if not (root / name).exists()]
    assert not missing, f"{document} names {missing}"


def test_the_readme_fits_on_a_screen_and_a_half(root: Path) -> None:
    lines = (root / "README.md").read_text().splitlines()
    assert len(lines) <= 75


def test_only_the_configuration_and_the_notebooks_hold_the_address(
    root: Path, files: list[Path]
) -> None:
    book = Book(root)
    address = book.repository.removeprefix("https://")
    slug = "/".join(address.split("/")[-2:])
    holders = {
        path.relative_to(root).as_posix()
        for path, text in texts(files).items()
        if address in text or book.site in text or slug in text
    }
    assert holders <= {"_config.yml", "README.md", "CITATION.cff"}, holders


def test_no_committed_file_is_large(root: Path, files: list[Path]) -> None:
    large = {
        path.relative_to(root).as_posix(): path.stat().st_size
        for path in files
        if path.stat().st_size > (WEIGHTS if path.suffix == ".safetensors" else LARGEST)
    }
    assert not large


def test_no_file_names_a_place_of_one_machine(root: Path, files: list[Path]) -> None:
    private = re.compile(r"(?<![\w.:/])/(home|root|Users|work|tmp/w|var/folders|mnt)/[\w.-]+")
    named = [
        f"{path.relative_to(root)}: {found.group()}"
        for path in files
        if path.suffix in TEXT | {".ipynb", ".json"} and "assets" not in path.parts
        for found in private.finditer(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert not named, "\n".join(named)


def test_no_notebook_or_cache_of_a_run_is_committed(root: Path, files: list[Path]) -> None:
    names = [path.relative_to(root).as_posix() for path in files]
    strays = [
        name
        for name in names
        if re.search(r"(^|/)(_build|\.ipynb_checkpoints|__pycache__|\.venv|runs)/", name)
        or (name.endswith(".ipynb") and not name.startswith("exercises/"))
    ]
    assert not strays
