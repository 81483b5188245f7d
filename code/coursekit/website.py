"""Builds the site from the executed chapters with Sphinx, as Jupyter Book configures it."""

import io
import re
import shutil
import sys
import traceback
from collections.abc import Collection
from typing import Any

from jsonschema import ValidationError
from jupyter_book.config import get_final_config
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from coursekit.project import COLOUR_CODE, CourseError, Project


def build_site(
    project: Project, *, changed_pages: Collection[str] | None = None, verbose: bool = False
) -> list[str]:
    """Reads and writes the pages; every page is written again, so that every reference is checked.

    Args:
        project: The course; its chapters are in the cache.
        changed_pages: Names of the pages that differ from the last build, which was one without a
            warning. None: build from nothing.
        verbose: Show Sphinx's own messages.

    Returns:
        The warnings, each beginning with `file:line:` where Sphinx knows the place. After any, the
        next build must start from nothing: Sphinx does not repeat warnings about pages it has read.

    Raises:
        CourseError: If `_config.yml` is not valid or Sphinx cannot go on.
    """
    if changed_pages is None:
        for folder in (project.doctrees, project.html, project.build / "jupyter_execute"):
            shutil.rmtree(folder, ignore_errors=True)
    warnings = io.StringIO()
    settings = sphinx_settings(project)
    app = None
    try:
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                srcdir=project.root,
                confdir=None,
                outdir=project.html,
                doctreedir=project.doctrees,
                buildername="html",
                confoverrides=settings,
                status=sys.stdout if verbose else None,
                warning=warnings,
            )
            app.connect("env-get-outdated", lambda *_: list(changed_pages or ()))
            app.connect("env-get-updated", lambda _, env: env.found_docs)
            app.build()
    except Exception as error:  # any extension may raise anything
        details = "".join(traceback.format_exception(error))
        page = app.env.temp_data.get("docname") if app else None
        place = f" at page {page}" if page else ""
        raise CourseError(f"Sphinx stopped{place}.\n\n{warnings.getvalue()}{details}") from error
    found = _split(COLOUR_CODE.sub("", warnings.getvalue()).replace(f"{project.root}/", ""))
    return [_with_line(project, text) for text in dict.fromkeys(found)]


def sphinx_settings(project: Project) -> dict[str, Any]:
    """Sphinx's settings, as Jupyter Book makes them from `_config.yml`.

    Args:
        project: The course.

    Returns:
        The settings by name.

    Raises:
        CourseError: If `_config.yml` is not valid.
    """
    overrides = {
        "external_toc_path": str(project.root / "_toc.yml"),
        "nb_execution_mode": "cache",
        "nb_execution_cache_path": str(project.cache),
        "nb_execution_raise_on_error": True,
        "latex_individualpages": False,  # Jupyter Book takes this one out again
    }
    try:
        settings, _ = get_final_config(
            user_yaml=project.root / "_config.yml",
            cli_config=overrides,
            sourcedir=project.root,
            raise_on_invalid=True,
        )
    except ValidationError as error:
        raise CourseError(f"_config.yml is not valid:\n{error.message}") from error
    # folders without pages, which Sphinx would walk through, a virtual environment among them
    settings["exclude_patterns"] += [".*", "_build", "code", "exercises", "tests", "benchmarks"]
    return settings


def _split(log: str) -> list[str]:
    """Takes Sphinx's warnings apart; one may go over several lines."""
    start = re.compile(r"^(?=.*\b(?:WARNING|ERROR|CRITICAL): )", flags=re.MULTILINE)
    return [part.strip() for part in start.split(log) if part.strip()]


def _with_line(project: Project, warning: str) -> str:
    """Adds the line where a missing image is named, which Sphinx leaves out."""
    missing = re.match(r"(.*):: (WARNING: image file not readable: (?:.*/)?(.*))", warning)
    if not missing:
        return warning
    page, message, image = missing.groups()
    lines = (project.root / page).read_text(encoding="utf-8").splitlines()
    number = next((n for n, line in enumerate(lines, 1) if image in line), "")
    return f"{page}:{number}: {message}"
