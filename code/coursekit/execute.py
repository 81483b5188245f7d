"""Executes the chapters whose results are not cached: a kernel for each, several at a time.

Results go to jupyter-cache, where Sphinx (myst-nb) finds them by the source of a page's code cells.
A cached result counts only while everything else it depends on is the same, too: what chapters
import, the exact versions, the edition of the models. Failed chapters are never cached.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_client.manager import AsyncKernelManager
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from myst_parser.config.main import MdParserConfig
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from coursekit.project import CourseError, Project, digest, edition, files_below

HEARTBEAT = 30.0
"""Seconds of silence after which the running chapters are named again."""

EXCERPT_LINES = 20
"""Lines of a failing cell that are shown."""

# what a result depends on, besides its chapter
DEPENDENCIES = ("code/interp_rl", "constraints.txt")

# tags that change what a cell's execution does; jupyter-cache looks at the source alone
EXECUTION_TAGS = {"raises-exception", "skip-execution"}

# the same numbers on every machine: one thread, no accelerator, fixed hashes
KERNEL_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": "",
    # and the same pages: progress bars belong to a terminal
    "TQDM_DISABLE": "1",
    "PYTHONWARNINGS": "ignore:IProgress not found",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


@dataclass(frozen=True)
class Chapter:
    """A page with code cells, read as Sphinx will read it."""

    name: str
    """path from the course's folder, without its ending"""
    path: Path
    notebook: NotebookNode = field(repr=False)
    key: str = field(repr=False)
    """digest of what its result depends on, apart from the source of its cells"""

    @property
    def n_cells(self) -> int:
        """Number of code cells."""
        return sum(cell.cell_type == "code" for cell in self.notebook.cells)


@dataclass
class Outcome:
    """How the execution of a chapter went."""

    chapter: Chapter
    seconds: float
    peak_mb: float
    failure: str | None = None
    """what went wrong and where, for people to read; may hold colour codes"""

    def __str__(self) -> str:
        state = "FAILED" if self.failure else "done"
        facts = f"{self.seconds:6.1f} s {self.peak_mb:5.0f} MB"
        return f"{state:<8} {self.chapter.name:<32} {facts}"


def fingerprint(root: Path) -> str:
    """Digest of everything that chapters import or read, the exact versions and the edition."""
    python = sys.version_info[:3]
    return digest(root, files_below(root, DEPENDENCIES), python, edition())


def read_chapters(
    project: Project, pages: Iterable[Path], extensions: Iterable[str]
) -> list[Chapter]:
    """Reads those pages that are notebooks.

    Args:
        project: The course.
        pages: Sources of all pages.
        extensions: Names of MyST's syntax extensions, which decide what is a cell.

    Returns:
        The chapters, in the order of the pages.

    Raises:
        CourseError: If a page is missing or its front matter or a cell's options cannot be read.
    """
    settings = MdParserConfig(enable_extensions=set(extensions))
    common = fingerprint(project.root)
    chapters = []
    for path in pages:
        shown = path.relative_to(project.root).as_posix()
        if not path.is_file():
            raise CourseError(f"_toc.yml names a page that does not exist: {shown}")
        text = path.read_text(encoding="utf-8")
        if not is_myst_markdown_notebook(text):
            continue
        try:
            notebook = read_myst_markdown_notebook(
                text, settings, add_source_map=True, path=str(path)
            )
        except Exception as error:  # a parser's many ways to say that YAML is broken
            raise CourseError(f"{shown} cannot be read as a notebook: {error}") from error
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        tags = [sorted(EXECUTION_TAGS & set(cell.metadata.get("tags", ()))) for cell in cells]
        key = hashlib.sha256(f"{common} {tags}".encode()).hexdigest()
        chapters.append(Chapter(shown.removesuffix(".md"), path, notebook, key))
    return chapters


class ResultCache:
    """Results of executed chapters.

    Args:
        folder: Where jupyter-cache keeps them; made if missing.
    """

    def __init__(self, folder: Path):
        self._cache = get_cache(str(folder))

    def find(self, chapter: Chapter) -> dict[str, Any] | None:
        """`seconds` and `peak_mb` of a chapter's execution; None if it is to be executed."""
        try:
            record = self._cache.match_cache_notebook(chapter.notebook)
            # a build that was killed may have left a record without its file
            self._cache.get_cache_bundle(record.pk)
        except KeyError:
            return None
        if record.data.get("key") != chapter.key:
            return None
        return {"seconds": record.data["execution_seconds"], "peak_mb": record.data["peak_mb"]}

    def store(self, outcome: Outcome) -> None:
        """Keeps a chapter that was executed without failure."""
        chapter = outcome.chapter
        facts = {
            "execution_seconds": outcome.seconds,  # myst-nb's name for it
            "peak_mb": outcome.peak_mb,
            "key": chapter.key,
        }
        bundle = CacheBundleIn(chapter.notebook, str(chapter.path), data=facts)
        self._cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


class KernelRun:
    """A chapter executed in its own kernel, once, in a thread of its own.

    Args:
        chapter: What to execute; its notebook receives the outputs.
        ipython: Folder for IPython's files, so that a user's start-up files play no part.
        cell_timeout: Seconds a cell may take, or None for no limit.
        memory_limit_mb: Resident memory the kernel may reach, in MB.
    """

    def __init__(
        self, chapter: Chapter, ipython: Path, cell_timeout: float | None, memory_limit_mb: float
    ):
        self.chapter = chapter
        self.started = time.monotonic()
        self.cell_number = 0
        self.peak_mb = 0.0
        self._cell: NotebookNode | None = None
        self._cell_index = 0
        self._limit = memory_limit_mb
        self._stopped = False
        self._environment = {**os.environ, **KERNEL_ENVIRONMENT, "IPYTHONDIR": str(ipython)}
        if edition() != "hub":
            self._environment |= OFFLINE
        kernel_name = chapter.notebook.metadata.get("kernelspec", {}).get("name", "python3")
        # sockets, not ports: kernels that start at the same time may choose the same port
        self._kernel = AsyncKernelManager(kernel_name=kernel_name, transport="ipc")
        self._client = NotebookClient(
            chapter.notebook,
            self._kernel,
            timeout=cell_timeout,
            record_timing=False,
            coalesce_streams=True,  # how a stream is cut into pieces is a matter of luck
            on_cell_start=self._note_cell,
            on_cell_executed=self._note_memory,
        )

    def __call__(self) -> Outcome:
        """Executes every cell.

        Returns:
            The outcome; errors are part of it, none is raised.
        """
        self.started = time.monotonic()
        failure = None
        folder = str(self.chapter.path.parent)
        try:
            with TemporaryDirectory(prefix="kernel-") as sockets:
                self._kernel.connection_file = f"{sockets}/connection.json"
                self._client.execute(env=self._environment, cwd=folder, cleanup_kc=True)
        except CellExecutionError as error:
            failure = self._in_cell(self._traceback() or str(error))
        except CellTimeoutError:
            failure = self._in_cell(
                f"The cell took longer than {self._client.timeout} s; execute.timeout in "
                "_config.yml is the limit."
            )
        except DeadKernelError:
            failure = self._in_cell("The kernel died. Did it run out of memory?")
        except Exception:
            failure = self._in_cell(traceback.format_exc())
        if failure is None and self.peak_mb > self._limit:
            failure = (
                f"{self.chapter.name}: the kernel held {self.peak_mb:.0f} MB of memory, more than "
                f"the limit of {self._limit:.0f} MB.\n"
                "Use smaller batches, or delete what is no longer needed before a large step."
            )
        return Outcome(self.chapter, time.monotonic() - self.started, self.peak_mb, failure)

    def progress(self) -> str:
        """Where the execution is, in words."""
        seconds = time.monotonic() - self.started
        return f"cell {self.cell_number} of {self.chapter.n_cells}, {seconds:.0f} s"

    def stop(self) -> None:
        """Ends the kernel and its children, now and for good; may be called again."""
        self._stopped = True
        if pid := self._pid():
            with contextlib.suppress(psutil.NoSuchProcess):
                kernel = psutil.Process(pid)
                for process in [*kernel.children(recursive=True), kernel]:
                    process.kill()

    def _pid(self) -> int | None:
        return getattr(self._kernel.provisioner, "pid", None)

    def _note_cell(self, cell: NotebookNode, cell_index: int) -> None:
        if self._stopped:
            raise DeadKernelError("stopped")
        self._cell, self._cell_index = cell, cell_index
        self.cell_number += cell.cell_type == "code"

    def _note_memory(self, **_: Any) -> None:
        if pid := self._pid():
            self.peak_mb = max(self.peak_mb, peak_memory_mb(pid))

    def _traceback(self) -> str:
        """What the cell printed when it failed."""
        outputs = self._cell.outputs if self._cell else []
        return "\n".join(line for o in outputs for line in o.get("traceback", ()))

    def _in_cell(self, message: str) -> str:
        """A failure's place, the cell and the message."""
        if self._cell is None:
            return f"{self.chapter.name}: the kernel did not start.\n\n{message}"
        line = self.chapter.notebook.metadata.source_map[self._cell_index] + 1
        source = self._cell.source.splitlines()
        excerpt = [f"    {text}" for text in source[:EXCERPT_LINES]]
        if len(source) > EXCERPT_LINES:
            excerpt.append(f"    ... ({len(source) - EXCERPT_LINES} more lines)")
        place = f"{self.chapter.name}: cell {self.cell_number}, {self.chapter.name}.md:{line}"
        return "\n".join([place, "", *excerpt, "", message.rstrip()])


def peak_memory_mb(pid: int) -> float:
    """Most memory a process has had resident so far, in MB (2**20 bytes).

    Where the system keeps no such record (it is Linux's), the memory resident now.
    """
    status = Path(f"/proc/{pid}/status")
    if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(peak[1]) / 2**10
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def execute_stale(
    project: Project,
    chapters: Sequence[Chapter],
    *,
    jobs: int,
    force: bool = False,
    cell_timeout: float | None = None,
    memory_limit_mb: float,
    say: Callable[[str], None] = print,
) -> list[Outcome]:
    """Executes the chapters that have no valid result in the cache, and caches theirs.

    Args:
        project: The course.
        chapters: The chapters to consider.
        jobs: How many kernels run at a time.
        force: Execute every chapter.
        cell_timeout: Seconds a cell may take, or None for no limit.
        memory_limit_mb: Resident memory a kernel may reach, in MB.
        say: Receives progress, a line at a time.

    Returns:
        Outcomes of the chapters that were executed, failures included, in the order they ended.

    Raises:
        KeyboardInterrupt: If interrupted; finished chapters are cached, and no kernel is left.
    """
    cache = ResultCache(project.cache)
    stale = [c for c in chapters if force or cache.find(c) is None]
    for chapter in [c for c in stale if not c.n_cells]:  # nothing to run, but Sphinx asks for it
        cache.store(Outcome(chapter, 0.0, 0.0))
        stale.remove(chapter)
    earlier = _earlier_seconds(project)
    # longest first, so that all cores end at about the same time
    stale.sort(key=lambda c: -earlier.get(c.name, float("inf")))
    ipython = project.build / ".ipython"
    runs = [KernelRun(c, ipython, cell_timeout, memory_limit_mb) for c in stale]
    outcomes = []
    with contextlib.closing(_run_all(runs, jobs, say)) as results:
        for outcome in results:
            if outcome.failure is None:
                cache.store(outcome)
            say(f"  {outcome}")
            outcomes.append(outcome)
    return outcomes


def write_log(project: Project, chapters: Sequence[Chapter], jobs: int) -> None:
    """Writes down seconds and memory of every chapter's last execution, as far as there is one.

    Args:
        project: The course; its `execution_log` is written.
        chapters: All chapters of the course.
        jobs: How many kernels ran at a time.
    """
    cache = ResultCache(project.cache)
    facts = {c.name: found for c in chapters if c.n_cells and (found := cache.find(c))}
    log = {"jobs": jobs, "edition": edition(), "chapters": facts}
    project.execution_log.write_text(json.dumps(log, indent=1) + "\n")


def _run_all(
    runs: Sequence[KernelRun], jobs: int, say: Callable[[str], None]
) -> Generator[Outcome, None, None]:
    """Executes chapters side by side and yields each outcome as it comes."""
    if not runs:
        return
    say(f"executing {len(runs)} chapter(s), {jobs} at a time")
    for run in runs:
        say(f"  queued   {run.chapter.name}")
    running: set[KernelRun] = set()

    def execute(run: KernelRun) -> Outcome:
        say(f"  running  {run.chapter.name}")
        running.add(run)
        try:
            return run()
        finally:
            running.discard(run)

    started = time.monotonic()
    pool = ThreadPoolExecutor(max_workers=jobs)
    pending = {pool.submit(execute, run) for run in runs}
    try:
        while pending:
            done, pending = wait(pending, timeout=HEARTBEAT, return_when=FIRST_COMPLETED)
            if not done:
                for run in sorted(running, key=lambda r: r.started):
                    say(f"  running  {run.chapter.name:<32} {run.progress()}")
            for future in done:
                yield future.result()
        say(f"executed {len(runs)} chapter(s) in {time.monotonic() - started:.1f} s")
    finally:
        _stop_all(runs, pending)
        pool.shutdown()


def _stop_all(runs: Collection[KernelRun], pending: set[Future[Outcome]]) -> None:
    """Ends what still runs, kernels that are only starting included."""
    for future in pending:
        future.cancel()
    while pending:
        for run in runs:
            run.stop()
        _, pending = wait(pending, timeout=0.1)


def _earlier_seconds(project: Project) -> dict[str, float]:
    if not project.execution_log.exists():
        return {}
    log = json.loads(project.execution_log.read_text())
    return {name: facts["seconds"] for name, facts in log["chapters"].items()}
