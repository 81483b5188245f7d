"""The command line: its help, its errors, and how little it imports."""

import subprocess
import sys

import pytest

from coursekit import cli
from coursekit.project import CourseError


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        cli.main([command, "--help"])
    assert f"coursekit {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["bild"]])
def test_an_unknown_command_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert "COMMAND" in capsys.readouterr().err


def test_what_people_can_put_right_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def fail(argv):
        raise CourseError("the flux is out of step")

    monkeypatch.setattr("coursekit.serve.main", fail)
    assert cli.main(["serve"]) == 1
    assert capsys.readouterr().err == "error: the flux is out of step\n"


def test_asking_for_help_imports_nothing_heavy():
    code = "import sys, coursekit.cli; print({'sphinx', 'nbclient', 'torch'} & sys.modules.keys())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert shown == "set()\n"
