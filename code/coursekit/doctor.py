"""`coursekit doctor`: is this edition ready to be published? Says what is missing and what to do.

Each question is a function from the course to an `Answer`; `QUESTIONS` lists them. Nothing is
changed. Only the last question needs a network, and says so where there is none.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from coursekit.book import Book
from coursekit.project import Project
from coursekit.withholding import withholding

GITHUB = "https://api.github.com"
"""Where GitHub answers questions about a repository; GITHUB_TOKEN, if set, is sent along."""

TIMEOUT = 10
"""Seconds to wait for an answer of GitHub."""


@dataclass(frozen=True)
class Answer:
    """What came of a question."""

    state: str
    """`ok`, `MISSING` (must be put right before the edition works), or `note` (to be known)"""
    text: str
    """what was found, and for anything but `ok` what to do"""


def ok(text: str) -> Answer:
    """All is well."""
    return Answer("ok", text)


def missing(text: str) -> Answer:
    """Something must be put right."""
    return Answer("MISSING", text)


def note(text: str) -> Answer:
    """Something ought to be known."""
    return Answer("note", text)


def address(project: Project) -> Answer:
    """Is the address in `_config.yml` that of this repository?"""
    book = Book(project.root)
    ours = book.repository
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", ours):
        return missing(
            f"_config.yml: repository: url: is {ours!r}; "
            "write your repository's address, https://github.com/OWNER/NAME"
        )
    origin = _git(project, "remote", "get-url", "origin")
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(\.git)?/?$", origin)
    if not found:
        return note(f"links lead to {ours}; this clone has no origin on GitHub to compare it with")
    if found[1].lower() != _slug(book).lower():
        return missing(
            f"_config.yml: repository: url: is {ours}, but this clone comes from "
            f"https://github.com/{found[1]}; write that address there"
        )
    return ok(f"links lead to {ours}, where this clone comes from")


def branch(project: Project) -> Answer:
    """Is the branch in `_config.yml` the one that is published?"""
    ours = Book(project.root).branch
    head = _git(project, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").partition("/")[2]
    if head and head != ours:
        return missing(
            f"_config.yml: repository: branch: is {ours!r}, but the default branch is {head!r}; "
            "Colab and Binder would open the wrong one"
        )
    return ok(f"notebooks are opened from the branch {ours!r}")


def workflow(project: Project) -> Answer:
    """Is there a workflow that publishes?"""
    path = project.root / ".github/workflows/book.yml"
    if not path.is_file() or "deploy-pages" not in path.read_text(encoding="utf-8"):
        return missing(
            ".github/workflows/book.yml does not publish; restore it from the original repository"
        )
    return ok("each push to the default branch builds, tests and publishes (workflow `Book`)")


def pins(project: Project) -> Answer:
    """Are the installed versions those of constraints.txt?"""
    lines = (project.root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    differ = []
    for name, pinned in (line.split("==") for line in lines if "==" in line and line[0] != "#"):
        try:
            found = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue  # what is not asked for is not installed
        if found != pinned:
            differ.append(f"{name} {found} instead of {pinned}")
    if differ:
        return missing(f"other versions than constraints.txt pins: {', '.join(differ)}; run `make`")
    return ok("the installed versions are those of constraints.txt")


def notebooks(project: Project) -> Answer:
    """Are the student notebooks what the chapters and the address give?"""
    from coursekit.notebooks import drift

    problems = drift(project)
    if problems:
        names = ", ".join(sorted({problem.partition(":")[0] for problem in problems}))
        return missing(f"run `make notebooks` and commit what it writes; stale: {names}")
    return ok("the student notebooks are up to date and install from your address")


def solutions(project: Project) -> Answer:
    """Which solutions does the site hold?"""
    try:
        withheld = withholding(Book(project.root).config).withheld
    except ValueError as error:
        return missing(f"_config.yml: course_solutions: {error}")
    if withheld:
        return note(
            f"solutions are withheld ({'; '.join(withheld)}); the chapters' sources still hold "
            "them, so keep the repository private as long as that matters"
        )
    return ok("the site shows all solutions")


def site(project: Project) -> Answer:
    """Was the site built without a warning?"""
    if not project.site_state.is_file():
        return missing("the site is not built, or its last build failed: run `make book`")
    return ok(f"the site is built in {project.html.relative_to(project.root)}")


def links(project: Project) -> Answer:
    """Are the notebooks that the pages open in Colab and Binder the ones that were pushed?"""
    book = Book(project.root)
    there = f"origin/{book.branch}"
    listed = _git(project, "ls-tree", "-r", there, "--", "exercises", "binder")
    if not listed:
        return note(f"nothing is known of {there}; buttons lead to what you push there")
    pushed = {
        path: facts.split()[2] for facts, path in (x.split("\t") for x in listed.splitlines())
    }
    ours = _git(project, "ls-files", "-co", "--exclude-standard", "--", "exercises", "binder")
    names = [name for name in ours.splitlines() if (project.root / name).is_file()]
    digests = _git(project, "hash-object", "--", *names).splitlines() if names else []
    stale = sorted(
        name for name, digest in zip(names, digests, strict=True) if pushed.get(name) != digest
    )
    if stale:
        return missing(
            f"commit and push: buttons open what lies at {there}, which lacks or has otherwise "
            f"{len(stale)} file(s), {stale[0]} among them"
        )
    return ok("buttons open the notebooks as they are here; `make links` follows other links")


def pages(project: Project) -> Answer:
    """Does GitHub publish from the workflow?"""
    book = Book(project.root)
    settings = f"{book.repository}/settings/pages"
    request = urllib.request.Request(f"{GITHUB}/repos/{_slug(book)}/pages")
    if token := os.environ.get("GITHUB_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
            kind = json.load(reply).get("build_type")
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return missing(
                f"GitHub knows no Pages site of {_slug(book)}: at {settings} set Source to "
                "GitHub Actions (a private repository is seen only with GITHUB_TOKEN)"
            )
        return note(f"GitHub did not say ({error.code}); look at {settings}: Source")
    except (OSError, ValueError):
        return note(f"GitHub cannot be reached; look at {settings}: Source: GitHub Actions")
    if kind != "workflow":
        return missing(f"Pages publishes from a branch: at {settings} set Source to GitHub Actions")
    return ok(f"Pages publishes from the workflow, at {book.site}")


QUESTIONS: Sequence[Callable[[Project], Answer]] = (
    address,
    branch,
    workflow,
    pins,
    notebooks,
    solutions,
    site,
    links,
    pages,
)
"""In the order in which to put things right."""


def main(argv: Sequence[str]) -> int:
    """Runs the command.

    Args:
        argv: Its arguments.

    Returns:
        The exit status: 1 if something is missing.
    """
    parser = argparse.ArgumentParser("coursekit doctor", description=__doc__)
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    project = Project.find(parser.parse_args(argv).root)
    answers = {question.__name__: question(project) for question in QUESTIONS}
    for name, answer in answers.items():
        print(f"{answer.state:8}{name:10} {answer.text}")
    lacking = sum(answer.state == "MISSING" for answer in answers.values())
    sys.stdout.write(f"\n{lacking} thing(s) to put right\n" if lacking else "\nready to publish\n")
    return 1 if lacking else 0


def _slug(book: Book) -> str:
    return "/".join(urlsplit(book.repository).path.strip("/").split("/")[-2:])


def _git(project: Project, *arguments: str) -> str:
    """What git says; nothing where it has no answer or is not there."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=project.root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
