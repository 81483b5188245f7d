"""Repairs what theme, Sphinx and docutils write that assistive technology cannot use."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

TEMPLATES = Path(__file__).parent / "templates"
"""Templates that replace the theme's."""

_SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
_CITATIONS = re.compile(r'<div (role="list" )?class="citation[^>]*>')


def repair(body: str) -> str:
    """Repair the HTML of a page's text.

    The parameters of a long signature are a list of definitions without terms; they become plain
    blocks. Citations lose roles that ARIA has withdrawn or does not allow there.
    """
    body = _SIGNATURE.sub(lambda signature: _without_lists(signature[0]), body)
    return _CITATIONS.sub(lambda start: re.sub(r' role="[a-z-]+"', "", start[0]), body)


def _without_lists(signature: str) -> str:
    for tag in ("dl", "dd"):
        signature = signature.replace(f"<{tag}>", f'<span class="sig-{tag}">')
        signature = signature.replace(f"</{tag}>", "</span>")
    return signature


def _name_toggles(contents: Callable[..., Any]) -> Callable[..., str]:
    """Name the buttons that unfold a part of the table of contents."""

    def named(*args: Any, **options: Any) -> str:
        return str(contents(*args, **options)).replace(
            "<summary>", '<summary aria-label="Pages of this section">'
        )

    return named


def _repair_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    if "body" in context:
        context["body"] = repair(context["body"])
    if "generate_toctree_html" in context:
        context["generate_toctree_html"] = _name_toggles(context["generate_toctree_html"])


def _use_templates(app: Sphinx, config: Config) -> None:
    config.templates_path.insert(0, str(TEMPLATES))


def setup(app: Sphinx) -> None:
    """Connect to Sphinx's events."""
    app.connect("config-inited", _use_templates, priority=900)  # in front of the theme's
    app.connect("html-page-context", _repair_page, priority=900)
