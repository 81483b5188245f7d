"""Notebooks as students hand them in: right, wrong, half done, broken and hostile."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from coursekit import notebooks
from coursekit.book import Book

Notebook = Any

RIGHT = "right"


def handed_out(book: Book, name: str) -> Notebook:
    """The student notebook of a chapter, as it is committed."""
    return nbformat.read(book.root / f"exercises/{name}/{name}.ipynb", as_version=4)


def solved(book: Book, name: str) -> Notebook:
    """The same with the book's solutions in the place of the stubs."""
    notebook = handed_out(book, name)
    solutions = {}
    [chapter] = [c for c in book.chapters.values() if c.name == name]
    for block, region in notebooks.published(chapter, "instructor"):
        tags = getattr(block, "tags", [])
        if "solution" in tags and region.exercise:
            solutions.setdefault(region.exercise, block.body)
    for cell in notebook.cells:
        exercise = cell.metadata.get("course", {}).get("exercise")
        if "stub" in cell.metadata.get("tags", []) and exercise in solutions:
            cell.source = solutions[exercise]
    return notebook


def with_answer(notebook: Notebook, exercise: str, source: str) -> Notebook:
    """A notebook with other code in the place of an answer."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        here = cell.metadata.get("course", {}).get("exercise") == exercise
        if here and "stub" in cell.metadata.get("tags", []):
            cell.source = source
    return notebook


FIRST = "def logit_difference(logits, io_ids, s_ids, end_positions):\n"
RIGHT_LINES = (
    "    rows = torch.arange(len(io_ids))\n"
    "    at_end = logits[rows, end_positions]\n"
    "    return at_end[rows, io_ids] - at_end[rows, s_ids]\n"
)

HOSTILE: dict[str, tuple[str, str]] = {
    "hangs": (FIRST + "    while True: pass", "took longer|stopped after"),
    "hangs in its cell": ("while True: pass", "took longer"),
    "sleeps": ("import time\ntime.sleep(10**6)", "took longer"),
    "fills memory": ("x = []\nwhile True: x.append(bytearray(10**7))", "memory|MemoryError"),
    "fills memory in the answer": (
        FIRST + "    import torch\n    return [torch.ones(10**8) for _ in range(100)]",
        "memory|MemoryError|allocate",
    ),
    "ends the process": (FIRST + "    import os\n    os._exit(0)", "ended its own process"),
    "crashes": ("import ctypes\nctypes.string_at(0)", "ended its own process"),
    "kills": (
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos.kill(os.getpid(), 9)\n"
        "raise SystemExit",
        "no `logit_difference`|ended its own process|refuses",
    ),
    "exits": ("import sys\nsys.exit(0)", "no `logit_difference`"),
    "forks": (
        "import os, time\nfor _ in range(200):\n    if os.fork() == 0: time.sleep(60)",
        "processes at a time|ended its own|refuses|no `logit",
    ),
    "deletes files": (
        "import os, shutil, glob\nfor path in {targets!r}:\n"
        "    shutil.rmtree(path, ignore_errors=True)\n"
        "    try: os.remove(path)\n    except OSError: pass\nshutil.rmtree(os.getcwd())",
        "no `logit_difference`",
    ),
    "writes elsewhere": ("open({targets!r}[0] + '/new', 'w').write('x')", "no `logit_difference`"),
    "network": (
        "import socket\nsocket.create_connection(({host!r}, {port})).send(b'here')",
        "no `logit_difference`",
    ),
    "programs": (
        "import subprocess\nsubprocess.run(['touch', {targets!r}[0] + '/touched'], check=True)",
        "no `logit_difference`",
    ),
    "prints for ever": ("while True: print('.' * 10**6)", "took longer"),
    "fills the disk": (
        "with open('big', 'wb') as f:\n    while True: f.write(bytes(10**7))",
        "no `logit_difference`|ended its own",
    ),
    "raises": ("raise RuntimeError('never mind')", "no `logit_difference`.*never mind"),
    "no Python": (FIRST + "    return logits[[", "no `logit_difference`"),
    "patches torch": (
        "import torch\ntorch.allclose = lambda *a, **k: True\n"
        "torch.isclose = lambda *a, **k: torch.tensor(True)\n"
        + FIRST
        + "    return io_ids.float()",
        "differ",
    ),
    "patches the check": (
        "from interp_rl.checks import framework\n"
        "from interp_rl.checks.section2 import logit_difference as m\n"
        "m.compare = framework.compare = lambda *a, **k: None\n"
        + FIRST
        + "    return io_ids.float()",
        "differ",
    ),
    "knows the examples by heart": (
        "import torch\nfrom interp_rl.checks.section2 import logit_difference as m\nKNOWN = {{}}\n"
        "def keep(*x):\n    KNOWN[x[0].sum().item()] = m._logit_difference(*x)\n"
        "for a in (dict(ends=(4, 3, 5, 2), positions=8, seed=1),\n"
        "    dict(ends=(3, 6), positions=7, seed=2, vocabulary=12),\n"
        "    dict(ends=(2,), positions=4, seed=3)):\n"
        "    keep(*m._example(**a))\n"
        + FIRST
        + "    return KNOWN.get(logits.sum().item(), torch.zeros(1))",
        "right on the examples that the notebook checks",
    ),
}
"""Code in the place of the answer to Exercise 2.2a, and words that the report must have."""

NOT_NOTEBOOKS: dict[str, Callable[[Path], object]] = {
    "empty.ipynb": lambda path: path.write_text(""),
    "text.ipynb": lambda path: path.write_text("my answer is 42"),
    "picture.ipynb": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
    "list.ipynb": lambda path: path.write_text("[1, 2]"),
    "no-cells.ipynb": lambda path: path.write_text('{"nbformat": 4}'),
    "odd-cells.ipynb": lambda path: path.write_text('{"cells": [{"cell_type": "code"}, 3]}'),
    "deep.ipynb": lambda path: path.write_text("[" * 100_000),
    "other.ipynb": lambda path: path.write_text(
        '{"cells": [{"cell_type": "code", "source": "x = 1"}], "metadata": {}}'
    ),
    "essay.pdf": lambda path: path.write_bytes(b"%PDF-1.4"),
}
"""Files that cannot be graded."""


def hostile(book: Book, kind: str, targets: list[str], host: str, port: int) -> Notebook:
    """A notebook of 2-2 whose answer is one of `HOSTILE`."""
    source = HOSTILE[kind][0]
    if "{" in source and ("{targets" in source or "{host" in source or "{{" in source):
        source = source.format(targets=targets, host=host, port=port)
    return with_answer(handed_out(book, "2-2-circuits-and-metrics"), "2.2a", source)
