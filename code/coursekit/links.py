"""`coursekit links`: follows every link of the book to another site, with Sphinx's own link check.

The chapters must have been executed (`coursekit build`). Links to the repository and to the
published site are left out: a fork has them before its address exists, and the tests resolve them
against the files.
"""

import argparse
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from coursekit.project import Project

RETRIES, TIMEOUT = 2, 30
"""How often a link is tried again, and how many seconds it may take."""

FINE = {"working", "redirected", "timeout", "ignored", "unchecked", "local"}
"""What Sphinx says of links that need no repair; one that does not answer in time is told
apart from a broken one, and looked at again the next week."""


def main(argv: Sequence[str]) -> int:
    """Runs the command.

    Args:
        argv: Its arguments.

    Returns:
        The exit status: 1 if a link is broken.
    """
    parser = argparse.ArgumentParser("coursekit links", description=__doc__)
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    project = Project.find(parser.parse_args(argv).root)
    found = follow(project)
    broken = [link for link in found if link["status"] not in FINE]
    for link in broken:
        print(f"{link['filename']}:{link['lineno']}: {link['uri']}\n  {link['info']}")
    print(f"{len({link['uri'] for link in found})} links followed, {len(broken)} broken")
    return 1 if broken else 0


def follow(project: Project) -> list[dict]:
    """Follows every external link once.

    Args:
        project: The course; its chapters are in the cache.

    Returns:
        For each place of a link `filename`, `lineno`, `uri`, `status` and `info`, as Sphinx writes
        them.

    Raises:
        CourseError: If the course cannot be read.
    """
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    from coursekit.book import Book
    from coursekit.website import sphinx_settings

    book = Book(project.root)
    own = [f"{re.escape(address)}.*" for address in (book.repository, book.site)]
    settings = sphinx_settings(project) | {
        "linkcheck_ignore": [*own, r"https?://(localhost|example\.(com|org)).*"],
        "linkcheck_retries": RETRIES,
        "linkcheck_timeout": TIMEOUT,
        "linkcheck_anchors": False,  # pages that write themselves with JavaScript have none
        "linkcheck_report_timeouts_as_broken": False,
    }
    folder = Path(tempfile.mkdtemp(prefix="links-"))
    try:
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                srcdir=project.root,
                confdir=None,
                outdir=folder,
                doctreedir=folder / "doctrees",
                buildername="linkcheck",
                confoverrides=settings,
                status=None,
                warning=None,
            )
            app.build()
        lines = (folder / "output.json").read_text(encoding="utf-8").splitlines()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [json.loads(line) for line in lines]
