"""A time limit for code that may never end, also for code that catches every exception."""

import contextlib
import ctypes
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

_CLEAN_UP = 0.5
"""Seconds that code has to clean up before it is interrupted again."""

_AGAIN = 2e-3
"""Seconds between later interruptions, of code that caught the earlier ones."""

_HERE = str(Path(__file__).parent)
"""Where the checks are; their own lines are not interrupted between two calls of the student's."""


class Overtime(BaseException):
    """The time is over; not an `Exception`, so that `except Exception` does not catch it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupts what runs inside once the time is over.

    In the main thread of Linux and macOS a signal interrupts, and ends sleeping and waiting, too.
    Elsewhere a second thread does, which reaches Python code only. A single long operation inside a
    compiled library ends before the interruption is seen.

    Args:
        seconds: Time by the wall's clock.

    Yields:
        Nothing.

    Raises:
        Overtime: At the end of the time, at whatever line is running.
    """
    main = threading.current_thread() is threading.main_thread()
    armed = _Armed()
    start = _by_signal if main and hasattr(signal, "setitimer") else _by_thread
    stop = start(armed, seconds)
    try:
        try:
            yield
        finally:
            armed.on = False  # what arrives from now on is ignored
    finally:
        armed.on = False  # the line above may have been interrupted
        stop()


class _Armed:
    """Whether the interruption is still wanted."""

    def __init__(self) -> None:
        self.on = True


def _by_signal(armed: _Armed, seconds: float) -> Callable[[], None]:
    fired, traced = False, sys.gettrace()
    chance = random.Random(0)

    def interrupt(_signal: int, frame: FrameType | None) -> None:
        nonlocal fired
        if not armed.on:
            return
        if fired:  # it was caught: some line that comes soon stands in no `try`
            signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
            sys.settrace(at_some_line)
            while frame is not None:
                frame.f_trace = at_some_line
                frame = frame.f_back
        fired = True
        raise Overtime

    def at_some_line(frame: FrameType, event: str, value: Any) -> Any:
        if not armed.on:
            return None
        if not frame.f_code.co_filename.startswith(_HERE) and chance.random() < 0.3:
            raise Overtime  # and Python stops tracing, until the next signal
        return at_some_line

    handler = signal.signal(signal.SIGALRM, interrupt)
    # again and again: where code recurses too deep, a call of the handler may fail
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _CLEAN_UP)

    def stop() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if sys.gettrace() is not traced:
            sys.settrace(traced)
        signal.signal(signal.SIGALRM, handler if handler is not None else signal.SIG_DFL)
        if timer[0]:  # somebody else's alarm, which is late by the time we took
            signal.setitimer(signal.ITIMER_REAL, *timer)

    return stop


def _by_thread(armed: _Armed, seconds: float) -> Callable[[], None]:
    target = ctypes.c_ulong(threading.get_ident())
    over, lock = threading.Event(), threading.Lock()

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            with lock:
                if armed.on:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(Overtime))
            wait = _CLEAN_UP

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()

    def stop() -> None:
        over.set()
        with lock:  # take back what was sent and has not arrived
            ctypes.pythonapi.PyThreadState_SetAsyncExc(target, None)

    return stop
