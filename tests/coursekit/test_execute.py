"""Execution of chapters on toy courses: what runs again, what runs at once, what failures say."""

import json
import os
import shutil
from pathlib import Path

import psutil
import pytest

from coursekit.execute import (
    Chapter,
    ResultCache,
    execute_stale,
    peak_memory_mb,
    read_chapters,
    write_log,
)
from coursekit.project import COLOUR_CODE, CourseError, Project

FRONT_MATTER = """---
file_format: mystnb
kernelspec:
  name: python3
  display_name: Python 3
---
"""


def page(*cells: str, options: str = "") -> str:
    """Source of a chapter with these code cells."""
    fences = [f"```{{code-cell}} ipython3\n{options}{cell}\n```\n" for cell in cells]
    return f"{FRONT_MATTER}# Title\n\nProse.\n\n" + "\nMore prose.\n\n".join(fences)


class Course:
    """A toy course without contents or settings: chapters, and what they depend on."""

    def __init__(self, root: Path):
        self.project = Project(root)
        (root / "code/interp_rl").mkdir(parents=True)
        (root / "code/interp_rl/value.py").write_text("VALUE = 1\n")
        (root / "constraints.txt").write_text("numpy==2.0\n")
        (root / "book").mkdir()
        (root / "_build").mkdir()
        self.lines: list[str] = []

    def write(self, **sources: str) -> None:
        for name, source in sources.items():
            (self.project.root / f"book/{name}.md").write_text(source)

    def chapters(self) -> list[Chapter]:
        return read_chapters(self.project, sorted(self.project.root.glob("book/*.md")), [])

    def execute(self, jobs: int = 2, memory_limit_mb: float = 1024, **options):
        chapters = self.chapters()
        limits = {"jobs": jobs, "memory_limit_mb": memory_limit_mb}
        outcomes = execute_stale(self.project, chapters, say=self.lines.append, **limits, **options)
        write_log(self.project, chapters, jobs)
        return outcomes

    def output(self, name: str) -> str:
        """What a chapter's cells printed, from the cache."""
        from jupyter_cache import get_cache

        [chapter] = [c for c in self.chapters() if c.name == f"book/{name}"]
        _, notebook = get_cache(str(self.project.cache)).merge_match_into_notebook(chapter.notebook)
        outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
        return "".join(o.text for o in outputs)

    def stale(self) -> set[str]:
        """Names of the chapters that would be executed."""
        cache = ResultCache(self.project.cache)
        return {c.name.removeprefix("book/") for c in self.chapters() if cache.find(c) is None}


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Two chapters, executed."""
    course = Course(tmp_path_factory.mktemp("course"))
    course.write(
        one=page("print(6 * 7)"), two=page("print('two')"), none=f"{FRONT_MATTER}# No cells\n"
    )
    outcomes = course.execute()
    assert [o.failure for o in outcomes] == [None, None]
    return course


@pytest.fixture
def again(executed: Course, tmp_path: Path) -> Course:
    """A copy of the executed course, to change."""
    copy = Course(tmp_path / "elsewhere")
    shutil.copytree(executed.project.root, copy.project.root, dirs_exist_ok=True)
    return copy


def test_progress_names_each_chapter_with_seconds_and_memory(executed: Course):
    words = [line.split() for line in executed.lines]
    assert ["queued", "book/one"] in words
    assert ["running", "book/two"] in words
    [done] = [line for line in words if line[:2] == ["done", "book/one"]]
    assert done[3] == "s" and 0 < float(done[2]) < 60
    assert done[5] == "MB" and 20 < float(done[4]) < 500
    assert not any("book/none" in line for line in words)  # nothing to run there


def test_execution_log_has_seconds_and_memory_of_every_chapter(executed: Course):
    log = json.loads(executed.project.execution_log.read_text())
    assert log["edition"] == "embedded" and log["jobs"] == 2
    assert set(log["chapters"]) == {"book/one", "book/two"}
    assert log["chapters"]["book/one"]["peak_mb"] > 20


def test_nothing_runs_again_unless_it_changed(again: Course):
    assert again.stale() == set()
    assert again.execute() == []
    assert again.lines == []
    assert set(json.loads(again.project.execution_log.read_text())["chapters"]) == {
        "book/one",
        "book/two",
    }


def test_prose_may_change_without_execution(again: Course):
    again.write(one=page("print(6 * 7)").replace("Prose.", "Other prose.") + "\nAn end.\n")
    assert again.stale() == set()


def test_a_changed_cell_runs_its_chapter_alone(again: Course):
    again.write(one=page("print(6 * 8)"))
    assert again.stale() == {"one"}
    again.execute()
    assert again.output("one") == "48\n" and again.output("two") == "two\n"


def test_a_cell_that_may_no_longer_raise_runs_again(course: Course):
    course.write(one=page("1 / 0", options=":tags: [raises-exception]\n"))
    assert course.execute()[0].failure is None
    assert course.stale() == set()
    course.write(one=page("1 / 0"))
    assert "ZeroDivisionError" in course.execute()[0].failure


@pytest.mark.parametrize(
    "name", ["code/interp_rl/value.py", "code/interp_rl/weights.bin", "constraints.txt"]
)
def test_what_chapters_import_runs_all_of_them_again(again: Course, name: str):
    (again.project.root / name).write_text("another\n")
    assert again.stale() == {"one", "two", "none"}


def test_another_edition_runs_all_chapters_again(again: Course, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INTERP_RL_MODELS", "hub")
    assert again.stale() == {"one", "two", "none"}


def test_compiled_files_and_tests_run_nothing_again(again: Course):
    root = again.project.root
    for name in ("code/interp_rl/__pycache__/value.pyc", "code/coursekit/x.py", "tests/test_x.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    assert again.stale() == set()


def test_a_result_whose_file_was_lost_is_made_again(again: Course):
    shutil.rmtree(again.project.cache / "executed")
    assert again.stale() == {"one", "two", "none"}


def test_kernels_run_side_by_side(course: Course):
    """Each of two chapters waits for a sign of the other: one at a time, neither would end well."""
    meet = """
import time
from pathlib import Path
Path("{me}.here").touch()
for _ in range(200):
    if Path("{other}.here").exists():
        break
    time.sleep(0.1)
else:
    raise TimeoutError("alone")
"""
    course.write(a=page(meet.format(me="a", other="b")), b=page(meet.format(me="b", other="a")))
    assert [outcome.failure for outcome in course.execute(jobs=2)] == [None, None]


def test_a_failure_names_chapter_cell_line_source_and_traceback(course: Course):
    course.write(good=page("print('fine')"), bad=page("x = 3", "y = x - 3\nx / y"))
    outcomes = {o.chapter.name: o for o in course.execute()}
    failure = COLOUR_CODE.sub("", outcomes["book/bad"].failure)
    line = course.chapters()[0].path.read_text().splitlines().index("y = x - 3") + 1
    assert f"book/bad: cell 2, book/bad.md:{line}" in failure
    assert "    y = x - 3\n    x / y\n" in failure
    assert "ZeroDivisionError" in failure and "Traceback" in failure
    assert failure.count("y = x - 3") == 2  # the cell, and the lines that the traceback shows
    assert any(text.split()[:2] == ["FAILED", "book/bad"] for text in course.lines)
    # the other chapter is kept; the failing one is not, so it fails again
    assert course.stale() == {"bad"}
    assert [o.failure is None for o in course.execute()] == [False]


def test_a_long_failing_cell_is_shown_in_part(course: Course):
    course.write(bad=page("\n".join(f"a{i} = {i}" for i in range(50)) + "\n1 / 0"))
    [outcome] = course.execute()
    assert "a19 = 19\n    ... (31 more lines)" in outcome.failure


def test_a_kernel_that_dies_is_told(course: Course):
    course.write(bad=page("import os; os._exit(9)"))
    [outcome] = course.execute()
    assert "book/bad: cell 1" in outcome.failure and "kernel died" in outcome.failure


def test_a_cell_may_not_take_longer_than_allowed(course: Course):
    course.write(slow=page("import time; time.sleep(60)"))
    [outcome] = course.execute(cell_timeout=1)
    assert "longer than 1 s" in outcome.failure and outcome.seconds < 30


def test_a_kernel_that_does_not_exist_is_told(course: Course):
    course.write(bad=page("1").replace("name: python3", "name: fortran"))
    [outcome] = course.execute()
    assert "book/bad: the kernel did not start" in outcome.failure and "fortran" in outcome.failure


def test_memory_over_the_limit_fails_and_is_not_cached(course: Course):
    course.write(big=page("block = bytearray(300 * 2**20); del block", "print('small again')"))
    [outcome] = course.execute(memory_limit_mb=200)
    assert 300 < outcome.peak_mb < 450
    assert "book/big" in outcome.failure and "limit of 200 MB" in outcome.failure
    assert course.stale() == {"big"}
    assert course.execute(memory_limit_mb=500)[0].failure is None


def test_peak_memory_of_this_process_is_at_least_its_memory_now():
    now = psutil.Process().memory_info().rss / 2**20
    assert 0.9 * now < peak_memory_mb(os.getpid()) < 50_000


def test_kernels_are_reproducible_and_offline(course: Course, monkeypatch: pytest.MonkeyPatch):
    names = ["OMP_NUM_THREADS", "PYTHONHASHSEED", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    show = f"import os; print([os.environ.get(n) for n in {names}], hash('text'), flush=True)"
    course.write(a=page(show), b=page(show + "\nprint('b')"))
    course.execute()
    assert course.output("a").startswith("['1', '0', '1', '1']")
    assert course.output("b") == course.output("a") + "b\n"
    monkeypatch.setenv("INTERP_RL_MODELS", "hub")
    course.write(b="prose")
    course.execute()
    assert course.output("a").startswith("['1', '0', None, None]")


def test_progress_goes_on_while_a_chapter_is_long(course: Course, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("coursekit.execute.HEARTBEAT", 0.3)
    course.write(slow=page("pass", "import time; time.sleep(1.5)"))
    course.execute()
    assert any("cell 2 of 2" in line for line in course.lines)


def test_a_page_that_does_not_exist_is_named(course: Course):
    with pytest.raises(
        CourseError, match=r"_toc\.yml names a page that does not exist: book/x\.md"
    ):
        read_chapters(course.project, [course.project.root / "book/x.md"], [])


def test_unreadable_options_of_a_cell_are_told(course: Course):
    course.write(bad=page("1", options=":tags: [never-closed\n"))
    with pytest.raises(CourseError, match=r"book/bad\.md cannot be read as a notebook"):
        course.chapters()


def test_pages_without_a_notebooks_front_matter_are_no_chapters(course: Course):
    course.write(plain="# Only words\n", chapter=page("1"))
    assert [c.name for c in course.chapters()] == ["book/chapter"]
