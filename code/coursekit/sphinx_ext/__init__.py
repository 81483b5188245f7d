"""The Sphinx extension of the course.

Chapters write exercises, hints, expected outputs and solutions with it, the site gets its look from
it, and a build fails where an exercise is incomplete or a public name undocumented. Load it with
``extensions = ["coursekit.sphinx_ext"]``; `exercises` lists the directives.
"""

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything; Sphinx calls this."""
    # here, because some parts read the book with modules that in turn need ours
    from coursekit.sphinx_ext import (
        accessible,
        api_docs,
        benchmarks,
        domain,
        exercises,
        find,
        finish,
        formulas,
        guards,
        handouts,
        how_made,
        labs,
        listings,
        meanings,
        nodes,
        offline,
        pages,
        pairing,
        progress,
        reading,
        repository,
        stylesheet,
        withholding,
    )

    parts = (
        *(nodes, exercises, reading, repository, pairing, domain, pages, api_docs, accessible),
        *(benchmarks, labs, listings, guards, handouts, withholding, progress, meanings, find),
        *(formulas, stylesheet, how_made, offline, finish),
    )
    for part in parts:
        part.setup(app)
    app.add_config_value("comments_config", {}, "html")  # Jupyter Book always sets it
    return {"env_version": 2, "parallel_read_safe": True, "parallel_write_safe": True}
