"""`coursekit autograder`: zips whose hidden tests a right notebook passes, for any seed."""

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from handed_in import FIRST, handed_out, hostile, solved, with_answer

from coursekit import autograder
from coursekit.book import Book
from coursekit.grading.assignment import Assignment, assignments
from coursekit.project import CourseError

ROOT = Path(__file__).resolve().parents[2]
SHORT = "2-2-circuits-and-metrics"
BOOK = Book(ROOT)
FOUND = assignments(BOOK)


@pytest.fixture(scope="module")
def zips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zips")
    assert autograder.main(["--root", str(ROOT), "--output", str(folder), "--seed", "s3cret"]) == 0
    return folder


def test_there_is_one_zip_for_each_notebook_with_checks(zips: Path) -> None:
    assert {path.stem for path in zips.iterdir()} == set(FOUND)
    assert {"1-transformer-architecture", SHORT, "3-2-derivations"} <= set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_a_zip_holds_what_gradescope_runs(zips: Path, name: str) -> None:
    with zipfile.ZipFile(zips / f"{name}.zip") as archive:
        files = {file: archive.read(file).decode() for file in archive.namelist()}
    assert {"setup.sh", "run_autograder", "run_otter.py", "otter_config.json"} <= files.keys()
    environment = yaml.safe_load(files["environment.yml"])
    assert f"python={autograder.PYTHON}" in environment["dependencies"]
    [pip] = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert f"circuits-and-rewards @ git+{BOOK.repository}@{BOOK.branch}" in pip
    assert any("download.pytorch.org/whl/cpu" in line for line in pip)
    tests = [text for file, text in files.items() if file.startswith("tests/")]
    assert len(tests) == len(FOUND[name].items)
    assert all("s3cret/" in text and ast.parse(text) for text in tests)
    assert json.loads(files["otter_config.json"])["show_hidden"] is True


def run_tests(assignment: Assignment, answers: dict[str, Any], seed: str) -> dict[str, list[str]]:
    """Runs the test files of a zip as Otter does; what each exercise's tests said."""
    said = {}
    for item in assignment.items:
        namespace: dict[str, Any] = {}
        exec(autograder.hidden_test(item, seed), namespace)
        said[item.number] = []
        for name in ("test_as_in_the_notebook", "test_on_hidden_examples"):
            try:
                namespace[name].test_func(answers)
                said[item.number].append("passed")
            except AssertionError as error:
                said[item.number].append(str(error))
    return said


def answers_of(notebook: Any, assignment: Assignment) -> dict[str, Any]:
    """What a notebook's answers are; only the cells of answers are run, and what they import."""
    namespace: dict[str, Any] = {}
    exec("import torch\nfrom torch.nn.functional import layer_norm", namespace)
    exec("\n".join(item.imports for item in assignment.items), namespace)
    for cell in notebook.cells:
        if "stub" in cell.metadata.get("tags", []):
            exec(cell.source, namespace)
    return namespace


@pytest.mark.parametrize("name", FOUND)
def test_solutions_pass_with_any_seed_and_stubs_do_not(name: str) -> None:
    assignment = FOUND[name]
    right = answers_of(solved(BOOK, name), assignment)
    for seed in ("one", "two"):
        said = run_tests(assignment, right, seed)
        assert set(map(tuple, said.values())) == {("passed", "passed")}, said
    stubs = run_tests(assignment, answers_of(handed_out(BOOK, name), assignment), "one")
    assert all("passed" not in words for words in stubs.values())


def test_an_answer_that_knows_the_examples_by_heart_passes_in_the_notebook_only() -> None:
    notebook = hostile(BOOK, "knows the examples by heart", [], "", 0)
    answers = answers_of(notebook, FOUND[SHORT])
    for seed in ("one", "two"):
        [public, hidden] = run_tests(FOUND[SHORT], answers, seed)["2.2a"]
        assert public == "passed"
        assert "right on the examples that the notebook checks, and wrong on others" in hidden


def test_a_missing_answer_is_named() -> None:
    said = run_tests(FOUND[SHORT], {}, "one")
    assert said == {"2.2a": ["there is no `logit_difference` in the notebook"] * 2}


def otter(notebook: Any, zips: Path, folder: Path) -> dict[str, Any]:
    """Grades a notebook by Otter's own runner, without a container."""
    folder.mkdir()
    path = folder / f"{SHORT}.ipynb"
    path.write_text(nbformat.writes(notebook), encoding="utf-8")
    code = "import sys; from otter.run import main; main(*sys.argv[1:2], autograder=sys.argv[2])"
    command = [sys.executable, "-c", code, str(path), str(zips / f"{SHORT}.zip")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_otters_own_runner_takes_the_zip(zips: Path, tmp_path: Path) -> None:
    minutes = FOUND[SHORT].items[0].points
    right = otter(solved(BOOK, SHORT), zips, tmp_path / "right")
    [_, test] = right["tests"]
    assert (test["score"], test["max_score"]) == (minutes, minutes)
    wrong = with_answer(handed_out(BOOK, SHORT), "2.2a", FIRST + "    return io_ids.float()")
    [_, test] = otter(wrong, zips, tmp_path / "wrong")["tests"]
    assert (test["score"], test["max_score"]) == (0, minutes)
    assert "values differ" in test["output"]


def test_an_unknown_notebook_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(CourseError, match=f"no graded notebook is called nothing.*{SHORT}"):
        autograder.main(["--root", str(ROOT), "--seed", "s", "nothing"])


def test_without_otter_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "otter.generate", None)
    with pytest.raises(CourseError, match=r"pip install -c constraints\.txt otter-grader"):
        autograder.write(FOUND[SHORT], BOOK, "s", tmp_path)
