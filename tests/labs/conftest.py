"""What the laboratories' tests share: Node with reference values."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def node_test() -> Callable[..., None]:
    """Runs one file of tests in Node, with reference values that Python has written."""
    node = shutil.which("node")
    if node is None:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop("no Node on this machine, which runs the tests of the laboratories")

    def run(name: str, *, reference: Path) -> None:
        done = subprocess.run(
            [node, "--test", str(Path(__file__).parent / name)],
            env=os.environ | {"LAB_REFERENCE": str(reference)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "# skipped 0" in done.stdout, "a test against the library was left out"

    return run
