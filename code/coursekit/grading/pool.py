"""Grades many exercises, several at a time, each in a process forked from this one.

This process has imported everything that the notebooks import, so that a submission costs what its
own code costs. It never runs a student's code itself. It kills a process, with all that the process
started, when its time is over, or when it takes more memory or processes than it may.
"""

import contextlib
import importlib
import json
import os
import selectors
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from coursekit.grading.assignment import Assignment, imports
from coursekit.grading.sandbox import MEGABYTE, PATIENCE, Limits, Walls
from coursekit.grading.worker import Job, Verdict, resolve, work

POLL = 0.1
"""Seconds between two looks at the memory of the running processes."""


def preload(assignments: Iterable[Assignment]) -> None:
    """Imports what the handed-out notebooks import, so that their copies need not.

    Args:
        assignments: What is to be graded.
    """
    os.environ.setdefault("MPLBACKEND", "Agg")
    for assignment in assignments:
        for statement in imports(assignment.cells):
            module = getattr(statement, "module", None)
            names = [module] if module else [alias.name for alias in statement.names]
            if module:
                names += [f"{module}.{alias.name}" for alias in statement.names]
            for name in names:
                with contextlib.suppress(Exception):  # a name that is no module, or not there
                    importlib.import_module(name)
        for item in assignment.items:
            with contextlib.suppress(Exception):  # what a check itself imports when it runs
                resolve(item)(_untouched)


def _untouched(*inputs: Any) -> None:
    raise NotImplementedError("Exercise")


@dataclass
class _Running:
    job: Job
    key: Any
    process: int
    pipe: int
    started: float
    scratch: tempfile.TemporaryDirectory
    data: bytearray = field(default_factory=bytearray)
    killed: str = ""


class Pool:
    """Processes that grade.

    Args:
        grade: `grade(check, answer, secret)`: what the checks' package offers for graders.
        size: How many at a time.
        walls: What holds each of them.
        limits: What a student's code may use.
    """

    def __init__(self, grade: Callable[..., Any], size: int, walls: Walls, limits: Limits):
        self._grade, self._size, self._walls, self._limits = grade, max(1, size), walls, limits
        self._selector = selectors.DefaultSelector()
        self._running: list[_Running] = []

    def grade_all(self, jobs: Sequence[tuple[Any, Job]]) -> Iterator[tuple[Any, Verdict]]:
        """Grades exercises.

        Args:
            jobs: Each with a key of the caller's.

        Yields:
            Key and verdict, in the order in which they become known.
        """
        waiting = list(reversed(jobs))
        while waiting or self._running:
            while waiting and len(self._running) < self._size:
                self._start(*waiting.pop())
            for key, _ in self._selector.select(POLL):
                self._receive(key.data)
            for run in list(self._running):
                self._watch(run)
                if run.pipe < 0:
                    yield run.key, self._finish(run)

    def _start(self, key: Any, job: Job) -> None:
        reading, writing = os.pipe()
        scratch = tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True)
        job = replace(job, folder=Path(scratch.name))
        process = os.fork()
        if process == 0:
            with contextlib.suppress(BaseException):
                os.setsid()
                self._selector.close()
                os.close(reading)
                for other in self._running:
                    os.close(other.pipe)
                work(job, self._grade, writing, self._walls, self._limits)
            os._exit(1)
        os.close(writing)
        os.set_blocking(reading, False)
        run = _Running(job, key, process, reading, time.monotonic(), scratch)
        self._selector.register(reading, selectors.EVENT_READ, run)
        self._running.append(run)

    def _receive(self, run: _Running) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(run.pipe, 65536):
                run.data += data
                if len(run.data) > MEGABYTE:
                    self._stop(run, "wrote to the grader's own channel")
                    return
            self._close(run)  # everything that held the other end is gone

    def _watch(self, run: _Running) -> None:
        limits = self._limits
        if run.pipe < 0:
            return
        if time.monotonic() - run.started > PATIENCE * limits.seconds:
            self._stop(run, f"took longer than {PATIENCE * limits.seconds:g} seconds")
            return
        with contextlib.suppress(psutil.Error, OSError):
            top = psutil.Process(run.process)
            family = [top, *top.children(recursive=True)]
            if top.status() == psutil.STATUS_ZOMBIE:
                self._receive(run)  # it may have spoken since we last listened
                self._close(run)
            elif sum(map(_time, family)) > limits.seconds:
                self._stop(run, f"took longer than {limits.seconds:g} seconds of the processor")
            elif len(family) > limits.processes:
                self._stop(run, f"had more than {limits.processes} processes at a time")
            elif sum(map(_own_memory, family)) > limits.memory_mb * MEGABYTE:
                self._stop(run, f"used more than {limits.memory_mb} MB of memory")

    def _stop(self, run: _Running, why: str) -> None:
        run.killed = why
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(run.process).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(run.process, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(run.process, signal.SIGKILL)
        self._close(run)

    def _close(self, run: _Running) -> None:
        if run.pipe >= 0:
            self._selector.unregister(run.pipe)
            os.close(run.pipe)
            run.pipe = -1

    def _finish(self, run: _Running) -> Verdict:
        self._running.remove(run)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(run.process, signal.SIGKILL)  # what it left running
        status = os.waitpid(run.process, 0)[1]
        run.scratch.cleanup()
        seconds = time.monotonic() - run.started
        if run.killed:
            return Verdict(False, f"The code {run.killed} and was stopped.", seconds, False)
        try:
            said = json.loads(run.data)
            return Verdict(said["passed"] is True, str(said["message"]), seconds)
        except (ValueError, KeyError, TypeError):
            end = os.waitstatus_to_exitcode(status)
            how = f"signal {-end}" if end < 0 else f"status {end}"
            return Verdict(False, f"The code ended its own process ({how}).", seconds, False)


def _time(process: psutil.Process) -> float:
    """Seconds of the processor that a process and those that it waited for have had."""
    with contextlib.suppress(psutil.Error):
        return sum(process.cpu_times()[:4])
    return 0.0


def _own_memory(process: psutil.Process) -> int:
    """Bytes that a process shares with no other; what it has in common with us is not its own."""
    total = 0
    with contextlib.suppress(psutil.Error, OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_"):
                total += int(line.split()[1]) * 1024
    return total
