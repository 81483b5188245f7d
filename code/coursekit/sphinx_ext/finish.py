"""The last step of a build: what can be done only when all pages are written.

Repairs of the frame, the one style sheet, the figures of the page about the build, and what makes
the site readable offline, in this order: each looks at what the one before has left.
"""

from pathlib import Path

from sphinx.application import Sphinx

from coursekit.sphinx_ext import frame, measured, offline, stylesheet


def finish(site: Path) -> None:
    """Finish a site; finishing it again does no harm.

    Args:
        site: The folder of the written site.
    """
    static = site / "_static"
    written = {
        path: path.read_text(encoding="utf-8")
        for path in sorted(site.rglob("*.html"))
        if static not in path.parents
    }
    pages = {path: frame.repair(html) for path, html in written.items()}
    version = stylesheet.write(static, pages.values())
    size = offline.size_of(site)
    pages = {
        path: offline.name_size(stylesheet.name_version(html, version), size)
        for path, html in pages.items()
    }
    for path, html in pages.items():
        if html != written[path]:
            path.write_text(html, encoding="utf-8")
    measured.fill_in(site)
    offline.write(site)


def _finish(app: Sphinx, problem: Exception | None) -> None:
    if problem is None and app.builder.format == "html":
        finish(Path(app.outdir))


def setup(app: Sphinx) -> None:
    """Connect to Sphinx's events."""
    app.connect("build-finished", _finish, priority=900)
