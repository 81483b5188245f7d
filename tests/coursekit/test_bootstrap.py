"""The environment: made once, redone when interrupted, refused with words where it cannot be."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from coursekit import bootstrap

GIGABYTE = 10**9
EXTRAS = ("book", "dev")  # those that the set-up installs; "bench" comes with `make bench`


class Machine:
    """A course's folder whose commands are noted instead of run."""

    def __init__(self, root: Path):
        self.root = root
        self.commands: list[str] = []
        self.fail_at: str | None = None
        self.failure: type[BaseException] | None = None
        (root / "constraints.txt").write_text("torch==2.0\n")
        (root / "pyproject.toml").write_text("[project]\n")

    def run(self, command: list) -> None:
        text = " ".join(map(str, command))
        if self.fail_at and self.fail_at in text:
            if self.failure:
                raise self.failure
            raise subprocess.CalledProcessError(1, [str(part) for part in command])
        self.commands.append(text)
        if "venv --clear" in text:
            shutil.rmtree(self.root / ".venv", ignore_errors=True)
            (self.root / ".venv/bin").mkdir(parents=True)
            (self.root / ".venv/bin/python").touch()

    def set_up(self, *arguments: str) -> list[str]:
        """What a run of the program did: `venv`, or what pip was asked for."""
        self.commands.clear()
        bootstrap.main(list(arguments))
        return [
            "venv" if "venv --clear" in text else text.partition(" -c constraints.txt ")[2]
            for text in self.commands
        ]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "run", machine.run)
    return machine


ALL = ["venv", "torch", "-e .[book,dev]"]


def test_torch_comes_first_and_a_second_run_does_nothing(machine: Machine):
    assert machine.set_up() == ALL
    assert machine.set_up() == []


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_new_pins_are_installed_over_the_present_environment(machine: Machine, name: str):
    machine.set_up()
    (machine.root / name).write_text("changed")
    assert machine.set_up() == ALL[1:]
    assert machine.set_up() == []


def test_the_cpu_build_comes_from_its_own_index_and_stays_chosen(machine: Machine):
    cpu = f"--extra-index-url {bootstrap.CPU_INDEX} torch"
    assert machine.set_up("--torch", "cpu") == ["venv", cpu, "-e .[book,dev]"]
    assert machine.set_up() == []
    (machine.root / "constraints.txt").write_text("torch==2.1\n")
    assert machine.set_up() == [cpu, "-e .[book,dev]"]


def test_choosing_the_cpu_build_later_makes_the_environment_anew(machine: Machine):
    machine.set_up()
    assert machine.set_up("--torch", "cpu")[0] == "venv"


def test_the_newest_versions_can_be_asked_for_and_are_left_again(machine: Machine):
    machine.set_up()
    assert machine.set_up("--pins", "none")[0] == "venv"
    assert not any("constraints" in command for command in machine.commands)
    assert machine.set_up("--pins", "none") == []
    assert machine.set_up() == ALL


@pytest.mark.parametrize("step", ["venv --clear", "txt torch", "[book,dev]"])
@pytest.mark.parametrize("failure", [None, KeyboardInterrupt])
def test_an_installation_that_did_not_end_is_done_anew(machine: Machine, step: str, failure):
    machine.fail_at, machine.failure = step, failure
    with pytest.raises(SystemExit, match="begins the installation anew"):
        machine.set_up()
    machine.fail_at = None
    assert machine.set_up() == ALL


def test_an_update_that_did_not_end_is_done_anew(machine: Machine):
    machine.set_up()
    (machine.root / "constraints.txt").write_text("torch==2.1\n")
    machine.fail_at = "[book,dev]"
    with pytest.raises(SystemExit):
        machine.set_up()
    machine.fail_at = None
    assert machine.set_up() == ALL


def test_an_environment_that_lost_its_python_or_was_moved_is_made_anew(machine: Machine):
    machine.set_up()
    (machine.root / ".venv/bin/python").unlink()
    assert machine.set_up() == ALL
    stamp = machine.root / ".venv/installed.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "folder": "/elsewhere"}))
    assert machine.set_up() == ALL


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 13, 0), (2, 7, 18)])
def test_a_python_too_old_or_too_new_is_refused_before_anything_is_made(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
):
    monkeypatch.setattr(sys, "version_info", (*version, "final", 0))
    message = rf"3\.11 or 3\.12, but .* is Python {version[0]}\.{version[1]}(.|\n)*PYTHON=python3"
    with pytest.raises(SystemExit, match=message):
        machine.set_up()
    assert machine.commands == [] and not (machine.root / ".venv").exists()


def test_a_python_that_cannot_make_environments_is_refused(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        machine.set_up()
    assert machine.commands == []


@pytest.mark.parametrize(
    ("system", "torch", "free_gb", "needed_gb"),
    [("Linux", "default", 11, 12), ("Linux", "cpu", 3, 4), ("Darwin", "default", 3, 4)],
)
def test_too_little_disk_is_refused_with_what_is_needed(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    torch: str,
    free_gb: int,
    needed_gb: int,
):
    monkeypatch.setattr(bootstrap.platform, "system", lambda: system)
    usage = shutil._ntuple_diskusage(100 * GIGABYTE, 0, free_gb * GIGABYTE)
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SystemExit, match=rf"need {needed_gb} GB .*there are {free_gb}\.0 GB") as e:
        machine.set_up("--torch", torch)
    assert ("TORCH=cpu" in str(e.value)) == (system == "Linux" and torch == "default")
    assert machine.commands == [] and not (machine.root / ".venv").exists()


def test_enough_disk_for_the_cpu_build_is_enough(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    usage = shutil._ntuple_diskusage(100 * GIGABYTE, 0, 5 * GIGABYTE)
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda _: usage)
    assert machine.set_up("--torch", "cpu")[0] == "venv"


def test_an_old_python_can_read_the_program():
    source = Path(bootstrap.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                for alias in node.names}  # fmt: skip
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_the_pythons_it_accepts_are_those_of_the_package(root: Path):
    package = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    (low, low_minor), (high, high_minor) = bootstrap.OLDEST, bootstrap.NEWEST
    assert package["requires-python"] == f">={low}.{low_minor},<{high}.{high_minor + 1}"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, str]:
    """Versions by package, from constraints.txt."""
    lines = (root / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_constraints_are_exact_versions_without_a_local_part(pins: dict[str, str]):
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pins.values())
    assert pins["torch"] == "2.13.0"


def test_the_set_up_installs_the_extras_whose_pins_are_checked():
    assert f"[{','.join(EXTRAS)}]" in Path(bootstrap.__file__).read_text()


def test_constraints_pin_all_that_the_package_leads_to(root: Path, pins: dict[str, str]):
    stamp = Path(sys.prefix, "installed.json")
    if stamp.is_file() and json.loads(stamp.read_text()).get("versions") == "newest":
        pytest.skip("this environment was asked to have the newest versions, not the pinned ones")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    installed = [project["optional-dependencies"][extra] for extra in EXTRAS]
    to_see = [*project["dependencies"], *chain.from_iterable(installed)]
    pinned, seen = {normal(name): version for name, version in pins.items()}, set()
    while to_see:
        requirement = Requirement(to_see.pop())
        name, extras = normal(requirement.name), requirement.extras or {""}
        if (name, *extras) in seen:
            continue
        seen.add((name, *extras))
        found = distribution(name)
        assert name in pinned, f"{name} {found.version} is installed but not pinned"
        assert found.version.partition("+")[0] == pinned[name]
        for line in found.requires or []:
            marker = Requirement(line).marker
            if not marker or any(marker.evaluate({"extra": extra}) for extra in extras):
                to_see.append(line)
    assert len(seen) > 100
