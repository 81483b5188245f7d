"""GitHub's workflows: valid, pinned, with the least rights, and calling commands that exist."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
BIN = Path(sys.executable).parent


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_there_are_workflows_to_test() -> None:
    assert {path.stem for path in WORKFLOWS} >= {"book", "weekly"}


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "vendor.dependabot"])
def test_the_files_follow_githubs_schema(schema: str) -> None:
    files = WORKFLOWS if "workflows" in schema else [ROOT / ".github/dependabot.yml"]
    command = [BIN / "check-jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def zizmor(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [BIN / "zizmor", "--offline", "--no-progress", "--persona=pedantic", *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


def test_the_security_linter_finds_nothing() -> None:
    done = zizmor(ROOT / ".github")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_security_linter_would_find_something(tmp_path: Path) -> None:
    spoilt = read(ROOT / ".github/workflows/book.yml")
    spoilt["permissions"] = "write-all"
    spoilt["on"] = spoilt.pop(True)  # YAML reads the key `on` as a truth value
    path = tmp_path / ".github/workflows/book.yml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(spoilt))
    assert "excessive-permissions" in zizmor(path).stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_with_their_version_beside(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if re.search(r"\buses:", line)]
    assert all(re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", x) for x in lines), lines


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_right_is_given_to_one_job_and_none_to_all(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    rights = {
        name: {right for right, level in job["permissions"].items() if level == "write"}
        for name, job in workflow["jobs"].items()
    }
    allowed = {"publish": {"pages", "id-token"}, "report": {"issues"}}
    assert rights == {name: allowed.get(name, set()) for name in rights}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_commands_that_they_run_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    settings = set(re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE))
    runs = "\n".join(step.get("run", "") for step in steps(read(path)))
    for target, given in re.findall(r"\bmake ([a-z]+)((?: [A-Z]+=\S+)*)", runs):
        assert target in targets
        assert set(re.findall(r"([A-Z]+)=", given)) <= settings
    assert "make book" in runs


def test_a_failure_of_any_weekly_job_is_reported() -> None:
    jobs = read(ROOT / ".github/workflows/weekly.yml")["jobs"]
    assert set(jobs["report"]["needs"]) == jobs.keys() - {"report"}
    assert jobs["report"]["if"].startswith("failure()")


def test_what_is_published_has_passed_every_test() -> None:
    jobs = read(ROOT / ".github/workflows/book.yml")["jobs"]
    assert jobs["publish"]["needs"] == "build"
    runs = [step.get("run", "") for step in jobs["build"]["steps"]]
    names = [step.get("uses", "") for step in jobs["build"]["steps"]]
    tested = next(i for i, run in enumerate(runs) if run.startswith("make test"))
    handed = next(i for i, name in enumerate(names) if "upload-pages-artifact" in name)
    assert tested < handed
