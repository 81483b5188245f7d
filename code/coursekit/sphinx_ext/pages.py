"""What the theme shows around a page: its notebook, its assets, the state a failed build leaves."""

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from docutils import nodes
from sphinx.application import ENV_PICKLE_FILENAME, Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

from coursekit.sphinx_ext.repository import Repository

ASSETS = Path(__file__).parent.parent / "assets"
"""Style sheet, scripts, logo and fonts, copied into the site's ``_static``."""

PUBLISHED = "notebooks"
"""The folder of the site that holds the student notebooks."""

COLOUR_SCHEME = """\
const root = document.documentElement.dataset;
root.mode ||= "auto";
root.theme ||= matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";"""
"""The theme leaves these empty on a first visit, and reports an error to the console."""


def student_notebook(docname: str) -> str:
    """Path in the repository of the student notebook generated from a chapter."""
    chapter = PurePosixPath(docname).name
    return f"exercises/{chapter}/{chapter}.ipynb"


def _has_notebook(env: BuildEnvironment, docname: str) -> bool:
    return Path(env.srcdir, student_notebook(docname)).is_file()


def _configure(app: Sphinx, config: Config) -> None:
    """Bring our files; keep the theme from publishing chapter sources, which hold the solutions."""
    config.html_static_path.append(str(ASSETS))
    config.html_css_files.append("course.css")
    config.html_js_files.append(("course.js", {"defer": "defer"}))
    config.html_copy_source = False
    config.html_theme_options["use_download_button"] = False
    # the theme's own launch buttons would copy the executed chapter into the site
    config.html_theme_options.pop("launch_buttons", None)


def _offer_notebook(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Below the title, link to the student notebook of the page, where it has one."""
    if doctree is None or not _has_notebook(app.env, page):
        return
    path = student_notebook(page)
    repository = Repository.of(app.config)
    links = {
        "Colab": repository.colab(path),
        "Binder": repository.binder(path),
        "Download": context["pathto"](f"{PUBLISHED}/{PurePosixPath(path).name}", 1),
    }
    shown = " ".join(f'<a href="{url}">{name}</a>' for name, url in links.items())
    run = (
        '<button type="button" class="live-code" hidden '
        f'data-repository="{repository.slug}/{repository.branch}" '
        f'data-script="{context["pathto"]("_static/live.js", 1)}">Run here</button>'
    )
    line = (
        f'<p class="notebook-links"><span>Work on the exercises:</span> {shown} {run}</p>'
        '<p class="live-status" role="status"></p>'
    )
    context["body"] = context["body"].replace("</h1>", f"</h1>{line}", 1)


def _defer_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """No script keeps a page from being shown; those for tabs only come where there are some."""
    tabs = "sd-tab-set" in context.get("body", "")
    scripts = [
        script
        for script in context["script_files"]
        if tabs or not str(getattr(script, "filename", "")).endswith("design-tabs.js")
    ]
    for script in scripts:
        if getattr(script, "filename", None):
            script.attributes["defer"] = "defer"
    context["script_files"] = [
        script
        for script in scripts
        # the theme asks for these at once, before documentation_options.js is there
        if "DOCUMENTATION_OPTIONS." not in (getattr(script, "attributes", {}).get("body") or "")
    ]


def _publish_notebooks(app: Sphinx) -> None:
    target = Path(app.outdir, PUBLISHED)
    shutil.rmtree(target, ignore_errors=True)
    for notebook in _notebooks(app.env):
        target.mkdir(exist_ok=True)
        shutil.copy(notebook, target)


def _notebooks(env: BuildEnvironment) -> Iterator[Path]:
    for page in sorted(env.found_docs):
        if _has_notebook(env, page):
            yield Path(env.srcdir, student_notebook(page))


def _finish(app: Sphinx, problem: Exception | None) -> None:
    """Publish the notebooks; after warnings forget what was read, so that they come again."""
    if problem is None and app.builder.format == "html":
        _publish_notebooks(app)
    if problem is not None or app._warncount:
        Path(app.doctreedir, ENV_PICKLE_FILENAME).unlink(missing_ok=True)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx's events."""
    app.add_js_file(None, body=COLOUR_SCHEME)
    app.connect("config-inited", _configure)
    app.connect("html-page-context", _offer_notebook)
    app.connect("html-page-context", _defer_scripts, priority=950)
    app.connect("build-finished", _finish)
