"""The Makefile's commands, seen through make itself."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs make as from a terminal, though these tests may themselves be run by make."""
    outer = {"MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS", "TORCH", "PYTHON", "PINS", "ARGS"}
    inherited = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**inherited, **environment},
    )


def test_help_lists_every_command(root: Path):
    phony = re.search(r"^\.PHONY: (.*)", (root / "Makefile").read_text(), flags=re.MULTILINE)[1]
    listed = re.findall(r"^make (\w+) +\w", make(root, "help").stdout, flags=re.MULTILINE)
    assert sorted(listed) == sorted(phony.split())
    assert make(root).stdout == make(root, "help").stdout


def test_every_command_but_help_and_clean_sets_up_first(root: Path):
    for command in (
        "book",
        "test",
        "lint",
        "format",
        "serve",
        "notebooks",
        "autograder",
        "grade",
        "handouts",
        "doctor",
        "links",
        "audit",
        "models",
        "results",
        "bench",
    ):
        first = make(root, "-n", command).stdout.splitlines()[0]
        assert "coursekit/bootstrap.py --torch default" in first, command


def test_test_lints_then_builds_then_tests(root: Path):
    plan = make(root, "-n", "test", "ARGS=-x").stdout
    order = ["ruff check", "ruff format --check", "mypy", "codespell", "coursekit prose"]
    places = [plan.index(step) for step in [*order, "coursekit build", "bin/pytest -n 2"]]
    assert places == sorted(places) and "--dist loadfile -x" in plan


def test_torch_and_python_can_be_chosen(root: Path):
    plan = make(root, "-n", "book", "TORCH=cpu", "PYTHON=python3.12").stdout
    assert plan.startswith("python3.12 code/coursekit/bootstrap.py --torch cpu")


def test_the_pins_can_be_left_out(root: Path):
    assert "--pins constraints.txt" in make(root, "-n", "book").stdout
    assert "--pins none" in make(root, "-n", "book", "PINS=none").stdout


@pytest.mark.parametrize(("edition", "switched_off"), [("embedded", True), ("hub", False)])
def test_hubs_are_switched_off_but_for_the_hub_edition(
    root: Path, tmp_path: Path, edition: str, switched_off: bool
):
    python = script(tmp_path / "python", "env >&2; exit 1")
    off = dict.fromkeys(("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"), "")
    seen = make(root, "book", f"PYTHON={python}", INTERP_RL_MODELS=edition, **off).stderr
    assert all((f"{name}=1" in seen) == switched_off for name in off)


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def fake_python(path: Path, patch: str) -> Path:
    """A Python that differs from this one by a patch, run before the program."""
    code = f"import runpy, shutil, sys; {patch}; sys.argv = sys.argv[1:]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    return script(path, f'exec {sys.executable} -c "{code}" "$@"')


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ("sys.version_info = (3, 9, 2, 'final', 0)", "needs Python 3.11 or 3.12"),
        ("shutil.disk_usage = lambda _: shutil._ntuple_diskusage(0, 0, 10**9)", "GB of free disk"),
    ],
)
def test_make_stops_with_words_where_the_machine_will_not_do(
    root: Path, tmp_path: Path, patch: str, message: str
):
    (tmp_path / "code/coursekit").mkdir(parents=True)
    for name in ("Makefile", "constraints.txt", "pyproject.toml", "code/coursekit/bootstrap.py"):
        shutil.copy(root / name, tmp_path / name)
    python = fake_python(tmp_path / "python", patch)
    result = make(tmp_path, "book", f"PYTHON={python}")
    assert result.returncode != 0
    assert message in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / ".venv").exists() and not (tmp_path / "_build").exists()


def test_ci_runs_the_commands_of_the_readme(root: Path):
    ci = (root / ".ci/run").read_text()
    assert os.access(root / ".ci/run", os.X_OK) and "set -euo pipefail" in ci
    commands = [line for line in ci.splitlines() if line.startswith("make ")]
    assert commands == ["make book", "make audit", "make test"]
    assert all(command in (root / "README.md").read_text() for command in commands)
