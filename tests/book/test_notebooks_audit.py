"""What the committed notebooks must and must not hold, and where their links and buttons lead."""

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from coursekit import notebooks
from coursekit.book import Book
from coursekit.chapter import Chapter, Directive
from coursekit.sphinx_ext.repository import Repository

ROOT = Path(__file__).resolve().parents[2]
BOOK = Book(ROOT)
CHAPTERS = {chapter.name: chapter for chapter in notebooks.chapters_with_code(BOOK)}
LEAST = 20
"""Characters of a line that says something."""


def committed(name: str) -> str:
    return (ROOT / f"exercises/{name}/{name}.ipynb").read_text(encoding="utf-8")


def strings_in(value: object) -> Iterator[str]:
    """Every text in a notebook: sources, metadata, outputs, names."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from strings_in(part)
    elif isinstance(value, list):
        yield "".join(part for part in value if isinstance(part, str))
        for part in value:
            yield from strings_in(part)


def solved_lines(chapter: Chapter) -> tuple[list[str], str]:
    """Lines of a chapter's solutions and hidden tests, and the text of all that is public."""
    public = {id(block) for block, _ in notebooks.published(chapter, "student")}
    secret, shown = [], []
    for block in chapter.blocks:
        text = block.body if isinstance(block, Directive) else block.source
        if id(block) in public:
            shown.append(text)
        elif not (isinstance(block, Directive) and notebooks.NEVER_PUBLISHED & set(block.tags)):
            secret += [line.strip() for line in text.splitlines()]
    return [line for line in secret if len(line) >= LEAST], "\n".join(shown)


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_line_of_a_solution_or_hidden_test_is_in_the_notebook(name: str) -> None:
    secret, public = solved_lines(CHAPTERS[name])
    everything = "\n".join(strings_in(json.loads(committed(name))))
    raw = committed(name)
    leaked = [
        line
        for line in secret
        if line not in public and (line in everything or json.dumps(line)[1:-1] in raw)
    ]
    assert not leaked, f"{len(leaked)} lines of solutions, the first: {leaked[0]!r}"


def test_solutions_were_searched_for() -> None:
    found = {name: solved_lines(chapter)[0] for name, chapter in CHAPTERS.items()}
    assert sum(map(len, found.values())) > 300
    with_code = [name for name, lines in found.items() if any("return " in x for x in lines)]
    assert len(with_code) >= 8


@pytest.mark.parametrize("name", CHAPTERS)
def test_notebooks_hold_no_output(name: str) -> None:
    cells = json.loads(committed(name))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)


def functions(source: str) -> dict[str, ast.FunctionDef]:
    return {n.name: n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}


def comments(source: str) -> list[str]:
    """Comments that have a line of their own."""
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    return [t.string for t in tokens if t.type == tokenize.COMMENT and t.line.strip() == t.string]


def exercises() -> Iterator[tuple[str, str, str]]:
    """Number, stub and solution of every exercise whose answer is a function."""
    for chapter in CHAPTERS.values():
        stubs: dict[str, str] = {}
        for block, region in notebooks.published(chapter, "instructor"):
            tags = getattr(block, "tags", [])
            if "stub" in tags and not region.secret:
                stubs[region.exercise] = block.body
            elif "solution" in tags and (stub := stubs.get(region.exercise)):
                solves = region.secret and set(functions(block.body)) & set(functions(stub))
                if solves:
                    yield region.exercise, stub, block.body


EXERCISES = {number: (stub, solution) for number, stub, solution in exercises()}


@pytest.mark.parametrize("number", EXERCISES)
def test_a_stub_has_the_signature_the_docstring_and_the_comments_of_its_solution(
    number: str,
) -> None:
    stub, solution = EXERCISES[number]
    for name, function in functions(stub).items():
        solved = functions(solution)[name]
        assert ast.unparse(function.args) == ast.unparse(solved.args)
        documented = ast.get_docstring(function)
        assert documented, f"the stub of {name} does not say what to write"
        for part in ("Args:", "Returns:"):
            assert part in documented, f"the stub of {name} says nothing of its {part}"
        # the page shows the stub above the solution, which does not repeat its docstring
        assert ast.get_docstring(solved) in (None, documented)
        assert isinstance(function.body[-1], ast.Raise), "a stub ends in its NotImplementedError"
    assert comments(solution) == [c for c in comments(stub) if c in comments(solution)]


def test_every_exercise_with_a_function_is_looked_at() -> None:
    stubs = sum("def " in c.body for ch in CHAPTERS.values() for c in ch.cells if "stub" in c.tags)
    assert len(EXERCISES) == stubs


# ----- where links and buttons lead


@pytest.mark.parametrize("name", CHAPTERS)
def test_launch_addresses_lead_to_files_of_the_tree(name: str) -> None:
    repository = Repository(BOOK.repository, BOOK.branch)
    path = f"exercises/{name}/{name}.ipynb"
    for address in (repository.colab(path), repository.binder(path), repository.file(path)):
        assert repository.slug in address and BOOK.branch in address
        found = re.search(r"exercises/.*\.ipynb$", address)
        assert found and (ROOT / found.group()).is_file(), address
    environment = ROOT / "binder"
    assert (environment / "requirements.txt").is_file() and (environment / "runtime.txt").is_file()


@pytest.mark.parametrize("name", CHAPTERS)
def test_addresses_of_the_repository_and_the_site_lead_somewhere(name: str) -> None:
    text = "\n".join(strings_in(json.loads(committed(name))))
    files = f"{BOOK.repository}/blob/{BOOK.branch}/"
    for address in set(re.findall(r"https://[^\s)\"'<>]+", text)):
        address = address.rstrip(".,")
        if address.startswith(files):
            assert (ROOT / address.removeprefix(files).split("#")[0]).is_file(), address
        elif address.startswith(f"{BOOK.site}/"):
            page = address.removeprefix(f"{BOOK.site}/").split("#")[0]
            assert (ROOT / page).with_suffix(".md").is_file(), address


def test_the_first_cell_installs_from_the_address_of_the_settings() -> None:
    for name in CHAPTERS:
        first = json.loads(committed(name))["cells"][0]["source"]
        source = "".join(first)
        assert f"git+{BOOK.repository}@{BOOK.branch}" in source
        assert 'find_spec("interp_rl") is None' in source


def test_colab_was_simulated() -> None:
    """`tests/colab/simulate.py` takes minutes and a network; what it said is kept."""
    lines = (ROOT / "tests/colab/transcript.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split("/")[1] for line in lines if line.startswith("== exercises/")]
    assert names and set(names) <= set(CHAPTERS)
    for words in (
        "the course installed in",
        "torch is as it was",
        "ran to the end",
        "nothing to do",
    ):
        assert sum(words in line for line in lines) == len(names)
    assert any(line.startswith("check: ○") for line in lines)
