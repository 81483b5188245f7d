"""Runs the laboratories' tests in Node: one test here for each file `*.test.mjs` beside this one.

A file that compares with Python finds the values in the folder that the environment variable
REFERENCE names: a module `reference_NAME.py` beside `NAME.test.mjs` writes them, in a function
``write(folder)``, so that nothing computed is kept in the repository.
"""

from __future__ import annotations

import importlib
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(path.name.removesuffix(".test.mjs") for path in HERE.glob("*.test.mjs"))


def test_there_are_files() -> None:
    assert FILES


@pytest.mark.parametrize("name", FILES)
def test_in_node(name: str, node: str, tmp_path: Path) -> None:
    module = f"reference_{name.replace('-', '_')}"
    if (HERE / f"{module}.py").is_file():
        importlib.import_module(module).write(tmp_path)
    done = subprocess.run(
        [node, "--test", "--test-reporter=spec", str(HERE / f"{name}.test.mjs")],
        capture_output=True,
        text=True,
        env={**os.environ, "REFERENCE": str(tmp_path)},
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
