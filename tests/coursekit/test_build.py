"""`coursekit build` on a toy book, through the command: what is rebuilt, and what makes it fail."""

import contextlib
import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from coursekit import cli
from coursekit.build import SiteState, main
from coursekit.project import CourseError, Project

CONFIG = """
title: Toy
execute:
  execute_notebooks: cache
  timeout: 60
only_build_toc_files: true
bibtex_bibfiles: [book/references.bib]
latex: {use_jupyterbook_latex: false}
sphinx:
  config:
    # as in the course; of Jupyter Book's own list, sphinx_thebe keeps what another build has left
    extensions:
      - myst_nb
      - jupyter_book
      - sphinx_comments
      - sphinx_external_toc
      - sphinx_book_theme
      - sphinxcontrib.bibtex
"""
TOC = """
format: jb-book
root: book/index
chapters:
  - file: book/one
  - file: book/two
"""
INDEX = """# Toy

See {ref}`chapter-two` by {cite:t}`someone`.

```{bibliography}
```
"""
CHAPTER = """---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
---
(chapter-%(name)s)=
# Chapter %(name)s

Some prose.

```{code-cell} ipython3
from pathlib import Path
print("cell of %(name)s:", Path("../code/interp_rl/value.txt").read_text())
```
"""
BIBLIOGRAPHY = "@misc{someone, author={Some One}, title={A title}, year={2020}}\n"


@dataclass
class Result:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def executed(self) -> set[str]:
        """Chapters that were executed."""
        words = [line.split() for line in self.out.splitlines()]
        return {w[1].removeprefix("book/") for w in words if w[:1] in (["done"], ["FAILED"])}


@dataclass
class Book:
    """A toy book."""

    root: Path

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def html(self, page: str) -> str:
        return (self.root / f"_build/html/book/{page}.html").read_text()

    def build(self, *arguments: str) -> Result:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main(["build", "--root", str(self.root), *arguments])
        return Result(status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Book, Result]:
    """A toy book and the result of its first build."""
    book = Book(tmp_path_factory.mktemp("toy"))
    book.write("_config.yml", CONFIG)
    book.write("_toc.yml", TOC)
    book.write("constraints.txt", "")
    book.write("code/interp_rl/value.txt", "forty-two")
    book.write("book/index.md", INDEX)
    book.write("book/references.bib", BIBLIOGRAPHY)
    book.write("book/one.md", CHAPTER % {"name": "one"})
    book.write("book/two.md", CHAPTER % {"name": "two"})
    return book, book.build()


@pytest.fixture
def book(first: tuple[Book, Result], tmp_path: Path) -> Book:
    """A copy of the built book, to change."""
    copy = Book(tmp_path / "copy")
    shutil.copytree(first[0].root, copy.root, symlinks=True)
    return copy


def test_the_first_build_executes_all_and_says_where_to_open_it(first: tuple[Book, Result]):
    book, result = first
    assert result.status == 0, result.err
    assert result.executed == {"one", "two"}
    index = book.root / "_build/html/index.html"
    assert str(index) in result.out and index.is_file() and "make serve" in result.out
    assert "cell of one: forty-two" in book.html("one")
    log = json.loads((book.root / "_build/execution.json").read_text())
    assert set(log["chapters"]) == {"book/one", "book/two"}


def test_sphinx_finds_every_chapter_in_the_cache(first: tuple[Book, Result]):
    """A page that Sphinx had to execute itself would have been recorded as its project's."""
    from jupyter_cache import get_cache

    cache = get_cache(str(first[0].root / "_build/.jupyter_cache"))
    assert len(cache.list_cache_records()) == 2 and cache.list_project_records() == []


def test_nothing_is_done_and_nothing_heavy_imported_when_nothing_changed(book: Book):
    page = book.root / "_build/html/book/one.html"
    before = page.stat().st_mtime_ns
    code = (
        "import sys; from coursekit import cli; status = cli.main(sys.argv[1:]);"
        "assert 'sphinx' not in sys.modules and 'nbclient' not in sys.modules; sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "build", "--root", book.root], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing has changed" in done.stdout and "index.html" in done.stdout
    assert page.stat().st_mtime_ns == before


def test_new_prose_is_shown_without_execution(book: Book):
    book.edit("book/one.md", "Some prose.", "Other prose.")
    os.utime(book.root / "book/one.md", (0, 0))  # content counts, not time
    result = book.build()
    assert result.status == 0 and result.executed == set()
    assert "Other prose." in book.html("one")
    assert "Nothing has changed" in book.build().out


def test_a_changed_cell_executes_its_chapter_and_shows_the_output(book: Book):
    book.edit("book/one.md", "cell of", "new cell of")
    result = book.build()
    assert result.status == 0 and result.executed == {"one"}
    assert "new cell of one: forty-two" in book.html("one")


def test_a_changed_library_executes_all_and_shows_the_output(book: Book):
    book.write("code/interp_rl/value.txt", "forty-three")
    result = book.build()
    assert result.status == 0 and result.executed == {"one", "two"}
    assert "forty-three" in book.html("one") and "forty-three" in book.html("two")


def test_a_failing_cell_fails_cold_and_warm_and_keeps_the_others(book: Book):
    book.edit("book/one.md", "print(", "print(undefined_name, ")
    book.edit("book/two.md", "cell of", "new cell of")
    result = book.build()
    assert result.status == 1 and result.executed == {"one", "two"}
    for words in ("book/one: cell 1, book/one.md:13", "print(undefined_name", "NameError"):
        assert words in result.err
    assert "\x1b[" not in result.err and "build failed: 1 chapter(s)" in result.err
    warm = book.build()
    assert warm.status == 1 and warm.executed == {"one"} and "NameError" in warm.err
    book.edit("book/one.md", "undefined_name, ", "")
    assert book.build().status == 0
    assert "new cell of two" in book.html("two")


def test_bad_references_fail_cold_and_warm_each_with_its_place(book: Book):
    page = (book.root / "book/one.md").read_text()
    bad = "{ref}`nowhere`\n\n![](missing.png)\n\n{cite:p}`nobody`\n\n{doc}`absent`\n"
    book.write("book/one.md", page + bad)
    line = len(page.splitlines()) + 2  # myst-nb counts one too many
    for _ in range(2):
        result = book.build()
        assert result.status == 1 and result.executed == set()
        assert f"book/one.md:{line}: WARNING: undefined label: 'nowhere'" in result.err
        assert f"book/one.md:{line + 1}: WARNING: image file not readable: " in result.err
        assert "missing.png" in result.err
        assert f'book/one.md:{line + 4}: WARNING: could not find bibtex key "nobody"' in result.err
        assert f"book/one.md:{line + 6}: WARNING: unknown document" in result.err
        assert "build failed: 4 warning(s)" in result.err
    book.write("book/one.md", page)
    assert book.build().status == 0


def test_a_reference_breaks_when_another_page_loses_its_target(book: Book):
    book.edit("book/two.md", "(chapter-two)=", "(chapter-2)=")
    for _ in range(2):
        result = book.build()
        assert result.status == 1
        assert "book/index.md:3: WARNING: undefined label: 'chapter-two'" in result.err


def test_a_page_taken_out_of_the_contents_leaves_the_site(book: Book):
    book.edit("_toc.yml", "  - file: book/two\n", "")
    book.edit("book/index.md", "{ref}`chapter-two`", "chapter two")
    assert book.build().status == 0
    assert not (book.root / "_build/html/book/two.html").exists()


def test_a_build_that_was_cut_short_is_not_taken_for_a_good_one(
    book: Book, monkeypatch: pytest.MonkeyPatch
):
    def cut_short(*_, **__):
        raise KeyboardInterrupt

    book.edit("book/one.md", "Some prose.", "Other prose.")
    with monkeypatch.context() as patch:
        patch.setattr("coursekit.website.build_site", cut_short)
        result = book.build()
    assert result.status == 130 and "interrupted" in result.err
    assert SiteState.of_last_build(Project(book.root)) is None
    assert book.build().status == 0


def test_an_error_inside_sphinx_names_the_page(book: Book):
    book.write(
        "code/broken.py",
        "def setup(app):\n"
        "    app.connect('source-read', lambda app, page, source: 1 / 0 if 'two' in page else 0)\n",
    )
    book.edit("_config.yml", "sphinx:\n", "sphinx:\n  local_extensions: {broken: code}\n")
    book.edit("_config.yml", "- myst_nb\n", "- myst_nb\n      - broken\n")
    result = book.build()
    assert result.status == 1
    assert "Sphinx stopped at page book/two" in result.err and "ZeroDivisionError" in result.err


def test_named_pages_are_executed_and_nothing_is_built(book: Book):
    book.edit("book/one.md", "cell of", "new cell of")
    book.edit("book/two.md", "cell of", "new cell of")
    result = book.build(str(book.root / "book/two.md"))
    assert result.status == 0 and result.executed == {"two"}
    assert "new cell" not in book.html("two")
    log = json.loads((book.root / "_build/execution.json").read_text())
    assert set(log["chapters"]) == {"book/two"}  # the other one is stale
    assert book.build().executed == {"one"}


def test_force_executes_everything(book: Book):
    assert book.build("--force").executed == {"one", "two"}


def test_too_much_memory_fails(book: Book):
    result = book.build("--force", "--memory-limit", "10")
    assert result.status == 1 and "more than the limit of 10 MB" in result.err


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: b.edit("_toc.yml", "book/two", "book/three"), "does not exist: book/three.md"),
        (lambda b: b.write("_toc.yml", "root: [1"), "_config.yml or _toc.yml cannot be read"),
        (lambda b: b.write("_toc.yml", "chapters: []"), "_config.yml or _toc.yml cannot be read"),
        (lambda b: b.edit("_config.yml", "title: Toy", "title: [1]"), "_config.yml is not valid"),
        (lambda b: (b.root / "_toc.yml").unlink(), "no course found"),
    ],
)
def test_a_book_that_cannot_be_read_is_told(
    book: Book, spoil: Callable[[Book], None], message: str
):
    spoil(book)
    result = book.build()
    assert result.status == 1 and message in result.err and "Traceback" not in result.err


def test_a_part_of_a_page_that_is_no_page_itself_is_noticed(book: Book):
    book.write("book/part.md", "first version")
    book.edit("book/one.md", "Some prose.", "```{include} part.md\n```")
    assert book.build().status == 0 and "first version" in book.html("one")
    book.write("book/part.md", "second version")
    os.utime(book.root / "book/part.md", (0, 0))
    assert book.build().status == 0 and "second version" in book.html("one")


def test_a_second_build_waits_for_the_first(book: Book):
    command = [sys.executable, "-m", "coursekit.cli", "build", "--root", book.root]
    with (book.root / "_build/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert "waiting for another build" in process.stdout.readline()
    assert "Nothing has changed" in process.communicate(timeout=60)[0]


def test_an_unknown_page_is_told_with_those_that_there_are(book: Book):
    with pytest.raises(CourseError, match=r"book/three\.md \(there are: book/one\.md, book/two"):
        main(["--root", str(book.root), "book/three.md"])


def test_an_interrupted_build_keeps_what_is_finished_and_leaves_no_kernel(book: Book):
    book.edit("book/one.md", "print(", "print('quick', ")
    book.edit(
        "book/two.md",
        "print(",
        "import os, time; Path('two.pid').write_text(str(os.getpid())); time.sleep(100)\nprint(",
    )
    command = [sys.executable, "-m", "coursekit.cli", "build", "--root", book.root, "--jobs", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if line.split()[:2] == ["done", "book/one"]:
                break
        while not (pid := book.root / "book/two.pid").exists() or not pid.read_text():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and "interrupted" in err
    kernel = int(pid.read_text())
    assert not psutil.pid_exists(kernel) or psutil.Process(kernel).status() == psutil.STATUS_ZOMBIE
    book.edit("book/two.md", "time.sleep(100)", "pass")
    assert book.build().executed == {"two"}
