"""Writes one zip for each notebook with graded exercises, which Gradescope and Otter-Grader run.

    coursekit autograder             writes _build/autograder/<notebook>.zip

The zips hold the hidden tests with the instructor's secret seed: they go to Gradescope or to
Otter's containers, and never to students. `book/instructors/grading.md` says how.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from coursekit.book import Book
from coursekit.grade import GRADER
from coursekit.grading.assignment import Assignment, Item, assignments
from coursekit.project import CourseError, Project
from coursekit.seed import instructor_seed

PYTHON = "3.11"
"""Python of the container."""

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
"""Where the container gets PyTorch's CPU build."""

CONFIG = {"show_hidden": True, "show_stdout": False, "print_summary": True}
"""Otter's settings: students see why an answer fails, and not what they printed."""

TEST_FILE = """\
OK_FORMAT = False

from otter.test_files import test_case

name = {number!r}
points = {points!r}


@test_case(name="as in the notebook", points=0)
def test_as_in_the_notebook(env):
    {imports}

    result = {check}(_answer(env))
    assert result.passed, result.message or result.status


@test_case(name="hidden examples", points={points!r}, hidden=True)
def test_on_hidden_examples(env):
    {imports}
    from {grader} import grade

    result = grade({check}, _answer(env), {secret!r})
    assert result.passed, result.message or result.status


def _answer(env):
    assert {name!r} in env, "there is no `{name}` in the notebook"
    return eval({answer!r}, dict(env))
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: writes the zips.

    Args:
        argv: Arguments without the program's name.

    Returns:
        0.

    Raises:
        CourseError: If there is no course, no such notebook, or Otter-Grader is not installed.
    """
    parser = argparse.ArgumentParser(prog="coursekit autograder", description=main.__doc__)
    parser.add_argument("notebooks", nargs="*", help="names of notebooks (all with exercises)")
    parser.add_argument("--output", type=Path, help="folder for the zips (_build/autograder)")
    parser.add_argument("--seed", help="the secret seed (COURSE_SEED, or the file .course-seed)")
    parser.add_argument("--root", type=Path, help="the course's folder (found from the current)")
    options = parser.parse_args(argv)
    project = Project.find(options.root)
    book = Book(project.root)
    found = assignments(book)
    if unknown := sorted(set(options.notebooks) - set(found)):
        raise CourseError(
            f"no graded notebook is called {unknown[0]}; there are {', '.join(found)}"
        )
    output = (options.output or project.build / "autograder").resolve()
    seed = instructor_seed(project, options.seed)
    for name in options.notebooks or found:
        path = write(found[name], book, seed, output)
        print(f"wrote {path} ({len(found[name].items)} exercises, {found[name].points} points)")
    return 0


def write(assignment: Assignment, book: Book, seed: str, folder: Path) -> Path:
    """Writes the zip of one notebook.

    Args:
        assignment: What is graded.
        book: The book, for the address from which the container installs the course.
        seed: The instructor's secret seed.
        folder: Where to write; made if missing.

    Returns:
        Path of the zip.

    Raises:
        CourseError: If Otter-Grader is not installed.
    """
    try:
        from otter.generate import main as generate
    except ImportError as error:
        raise CourseError(
            "Otter-Grader is not installed: `pip install -c constraints.txt otter-grader`"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{assignment.name}.zip"
    with tempfile.TemporaryDirectory() as scratch, _inside(Path(scratch)):
        tests = Path("tests")
        tests.mkdir()
        for item in assignment.items:
            (tests / f"{_file_name(item)}.py").write_text(hidden_test(item, seed), encoding="utf-8")
        Path("config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        Path("requirements.txt").write_text(requirements(book), encoding="utf-8")
        generate(
            tests_dir="tests",
            output_path=str(path),
            config="config.json",
            requirements="requirements.txt",
            python_version=PYTHON,
            no_environment=True,
        )
    return path


def hidden_test(item: Item, seed: str) -> str:
    """Otter's test file of an exercise.

    Args:
        item: The exercise.
        seed: The instructor's secret seed; each exercise gets its own from it.

    Returns:
        Python, in the format that Otter calls exception-based.
    """
    return TEST_FILE.format(
        number=item.number,
        points=item.points,
        imports=item.imports,
        grader=GRADER,
        name=item.answer.partition("[")[0].partition(".")[0],
        answer=item.answer,
        check=item.check,
        secret=f"{seed}/{item.number}",
    )


def requirements(book: Book) -> str:
    """What the container installs.

    Args:
        book: The book.

    Returns:
        Lines for pip: PyTorch's CPU build, and the course from its repository.
    """
    course = f"circuits-and-rewards @ git+{book.repository}@{book.branch}"
    return f"--extra-index-url {TORCH_INDEX}\ntorch\n{course}\n"


def _file_name(item: Item) -> str:
    """Otter takes the name of the file for the name of the test where there is no other."""
    return "q" + item.number.replace(".", "_")


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    sys.exit(main())
