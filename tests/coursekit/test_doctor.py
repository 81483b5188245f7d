"""The doctor: a healthy edition passes, and each illness is named with its cure."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from coursekit import doctor
from coursekit.project import Project

SLUG = "someone/course"


@pytest.fixture
def fork(tmp_path: Path, root: Path) -> Project:
    """A fork whose owner has done everything but build the site."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book/index.md").write_text("# Toy\n")
    (tmp_path / "book/references.bib").touch()
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (tmp_path / "constraints.txt").write_text(f"# exact\npytest=={version('pytest')}\nabsent==1\n")
    shutil.copytree(root / ".github", tmp_path / ".github")
    configure(tmp_path, url=f"https://github.com/{SLUG}")
    for command in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", f"git@github.com:{SLUG}.git"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return Project(tmp_path)


def configure(folder: Path, *, url: str, branch: str = "main", solutions: object = "shown") -> None:
    config = {
        "title": "Toy",
        "repository": {"url": url, "branch": branch},
        "sphinx": {"config": {"course_solutions": solutions}},
    }
    (folder / "_config.yml").write_text(yaml.safe_dump(config))


class GitHub(BaseHTTPRequestHandler):
    """Answers as GitHub does when asked for a repository's Pages."""

    reply: tuple[int, object] = (200, {})
    asked: tuple[str, str | None] = ("", None)

    def do_GET(self) -> None:
        type(self).asked = (self.path, self.headers.get("Authorization"))
        body = json.dumps(self.reply[1]).encode()
        self.send_response(self.reply[0])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[GitHub]]:
    server = HTTPServer(("127.0.0.1", 0), GitHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(doctor, "GITHUB", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    yield GitHub
    server.shutdown()


def test_a_healthy_edition_is_ready(
    fork: Project, github: type[GitHub], capsys: pytest.CaptureFixture[str]
) -> None:
    github.reply = (200, {"build_type": "workflow"})
    fork.build.mkdir()
    fork.site_state.touch()
    status = doctor.main(["--root", str(fork.root)])
    said = capsys.readouterr().out
    assert status == 0, said
    assert "ready to publish" in said and "https://someone.github.io/course" in said
    assert github.asked == (f"/repos/{SLUG}/pages", "Bearer secret")


def test_what_is_missing_is_counted_and_fails(
    fork: Project, github: type[GitHub], capsys: pytest.CaptureFixture[str]
) -> None:
    github.reply = (404, {})
    assert doctor.main(["--root", str(fork.root)]) == 1
    said = capsys.readouterr().out
    assert "2 thing(s) to put right" in said
    assert "run `make book`" in said and "set Source to GitHub Actions" in said


def test_an_address_left_unchanged_is_noticed(fork: Project) -> None:
    configure(fork.root, url="https://github.com/original/course")
    answer = doctor.address(fork)
    assert answer.state == "MISSING" and f"https://github.com/{SLUG}" in answer.text
    configure(fork.root, url="github.com/x")
    assert "https://github.com/OWNER/NAME" in doctor.address(fork).text
    subprocess.run(["git", "remote", "remove", "origin"], cwd=fork.root, check=True)
    configure(fork.root, url=f"https://github.com/{SLUG}")
    assert doctor.address(fork).state == "note"


def test_another_default_branch_is_noticed(fork: Project) -> None:
    assert doctor.branch(fork).state == "ok"
    head = ["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk"]
    subprocess.run(["git", *head], cwd=fork.root, check=True)
    answer = doctor.branch(fork)
    assert answer.state == "MISSING" and "'trunk'" in answer.text


def test_a_workflow_that_does_not_publish_is_noticed(fork: Project) -> None:
    assert doctor.workflow(fork).state == "ok"
    (fork.root / ".github/workflows/book.yml").write_text("name: Book\n")
    assert doctor.workflow(fork).state == "MISSING"


def test_other_versions_are_noticed(fork: Project) -> None:
    pins = (fork.root / "constraints.txt").read_text()
    (fork.root / "constraints.txt").write_text(pins.replace("pytest==", "pytest==0."))
    answer = doctor.pins(fork)
    assert answer.state == "MISSING" and "pytest " in answer.text and "instead of 0." in answer.text


def test_withheld_solutions_come_with_a_warning(fork: Project) -> None:
    url = f"https://github.com/{SLUG}"
    assert doctor.solutions(fork).state == "ok"
    configure(fork.root, url=url, solutions={2: "withheld"})
    assert "keep the repository private" in doctor.solutions(fork).text
    configure(fork.root, url=url, solutions="perhaps")
    assert doctor.solutions(fork).state == "MISSING"


def test_stale_notebooks_are_named(fork: Project) -> None:
    (fork.root / "exercises/old").mkdir(parents=True)
    (fork.root / "exercises/old/old.ipynb").write_text("{}")
    answer = doctor.notebooks(fork)
    assert answer.state == "MISSING" and "exercises/old/old.ipynb" in answer.text


def test_notebooks_that_were_not_pushed_are_named(fork: Project) -> None:
    assert doctor.links(fork).state == "note"
    name = "exercises/one/one.ipynb"
    (fork.root / name).parent.mkdir(parents=True)
    (fork.root / name).write_text("{}")

    def git(*arguments: str) -> None:
        somebody = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        subprocess.run(["git", *somebody, *arguments], cwd=fork.root, check=True)

    git("add", name)
    git("commit", "--quiet", "--message", "One")
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert doctor.links(fork).state == "ok"
    (fork.root / name).write_text("{ }")
    answer = doctor.links(fork)
    assert answer.state == "MISSING" and name in answer.text and "commit and push" in answer.text
    (fork.root / "exercises/two.ipynb").write_text("{}")
    assert "2 file(s)" in doctor.links(fork).text


@pytest.mark.parametrize(
    ("reply", "state", "words"),
    [
        ((200, {"build_type": "legacy"}), "MISSING", "publishes from a branch"),
        ((500, {}), "note", "did not say (500)"),
    ],
)
def test_what_github_says_of_pages(
    fork: Project, github: type[GitHub], reply: tuple[int, object], state: str, words: str
) -> None:
    github.reply = reply
    answer = doctor.pages(fork)
    assert answer.state == state and words in answer.text


def test_without_a_network_the_last_question_stays_open(
    fork: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "GITHUB", "http://127.0.0.1:9")
    answer = doctor.pages(fork)
    assert answer.state == "note" and "cannot be reached" in answer.text


def test_this_repository_answers_every_question_but_where_it_lies(root: Path) -> None:
    here = Project(root)
    assert doctor.workflow(here).state == "ok"
    assert doctor.notebooks(here).state == "ok"
    assert doctor.solutions(here).state == "ok"
