"""The quick steps of the walk, walked again: they say what the transcript of the whole says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import recoverable
import walk

from coursekit.project import Project

KEPT = walk.TRANSCRIPT.read_text(encoding="utf-8").splitlines()

STEPS = (
    "Fork the repository",
    "Change the address",
    "Hold back the solutions",
    "Build the site",
    "Commit and push",
    "Write the zips",
    "Grade 200 submissions",
    "A student hands in half",
    "A wrong answer to each exercise",
)


def compared(lines: Iterable[str]) -> list[str]:
    """Lines without numbers, and without what depends on the installed versions."""
    return [re.sub(r"\d+", "#", x) for x in lines if not re.match(r"  (ok|MISSING) +pins", x)]


def agrees_with_the_transcript(said: list[str]) -> None:
    strange = [line for line in compared(said) if line not in compared(KEPT)]
    assert not strange, (
        f"{walk.TRANSCRIPT.name} has no {strange[0]!r}: run `python tests/instructor/walk.py`"
    )


def test_a_fork_becomes_an_edition_and_is_published(tmp_path: Path) -> None:
    said: list[str] = []
    me = walk.Instructor(tmp_path, said.append)
    for step in (walk.fork, walk.change_the_address, walk.withhold, walk.publish):
        step(me)
    walk.write_the_autograder(me, "2-2-circuits-and-metrics")
    alone = ("coursekit autograder", "ready to publish", "thing(s) to put right")
    agrees_with_the_transcript([x for x in said if not any(words in x for words in alone)])


def test_a_student_who_is_stuck_sees_the_rest(tmp_path: Path) -> None:
    said: list[str] = []
    walk.study(said.append, tmp_path, patience=2.0)
    agrees_with_the_transcript(said)


def test_every_check_says_what_is_wrong() -> None:
    said: list[str] = []
    walk.ask_the_checks(said.append)
    agrees_with_the_transcript(said)


@pytest.mark.site
def test_what_is_not_withheld_can_be_found(site_project: Project) -> None:
    """So that a search which finds nothing means something."""
    secrets = recoverable.secrets(site_project, "2", with_pages=True)
    found = recoverable.search(site_project.html, secrets)
    assert len(secrets.lines) > 200 and found.lines > 0.9 * len(secrets.lines), found


def test_the_whole_way_was_walked() -> None:
    headings = [line.removeprefix("== ") for line in KEPT if line.startswith("== ")]
    assert [h for h, step in zip(headings, STEPS, strict=True) if not h.startswith(step)] == []
    text = "\n".join(KEPT)
    assert re.search(r"found of them in \d+ files of the site, .*: 0 lines, 0 words", text)
    assert "submissions: 200" in text and "walls: namespaces" in text
    counted = dict(re.findall(r"^  ([\w ]+): (\d+), of which", text, re.MULTILINE))
    assert int(counted["hostile"]) + int(counted["no notebook"]) == 30
    for kind in ("hostile", "no notebook", "untouched"):
        assert f"{kind}: {counted[kind]}, of which 0 with all points, 0 with some" in text


@pytest.fixture
def site_project(root: Path) -> Project:
    project = Project(root)
    if not project.site_state.is_file():
        pytest.fail("the site is not built, or its last build failed: run `make book`")
    return project
