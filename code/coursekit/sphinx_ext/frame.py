"""Repairs of what theme and extensions write around and inside a page, made in the finished HTML.

Every repair answers a complaint of a validator or of assistive technology; repairing twice does no
harm. `accessible` repairs what is a page's text.
"""

import re

_BUTTON = re.compile(
    r"<(button|a)\b(?=[^>]*\stitle=\"([^\"]+)\")(?![^>]*\saria-label=)(?![^>]*headerlink)"
)
_SUMMARY = re.compile(r"<summary aria-label=\"Toggle hidden content\">(.*?)</summary>", re.DOTALL)
_LOGO = re.compile(r"(<p class=\"title logo__title\">)(.*?)(</p>)", re.DOTALL)
_SEARCH = re.compile(
    r"(<form class=\"bd-search.*?)(\s*<span class=\"search-button__kbd-shortcut\">)", re.DOTALL
)
SUBMIT = '<button type="submit" class="search-submit">Search</button>'
"""What a form must have to be sent without knowing that Enter does it."""


def repair(html: str) -> str:
    """Repair a page.

    Args:
        html: All of the page.

    Returns:
        The page with names for buttons that have only an icon, types for buttons, a button in each
        search field, and without roles that say nothing, paragraphs inside summaries, and unescaped
        ampersands.
    """
    html = _BUTTON.sub(r'<\1 aria-label="\2"', html)
    html = re.sub(r"<button(?![^>]*\stype=)", '<button type="button"', html)
    html = re.sub(r"(<main\b[^>]*?) role=\"main\"", r"\1", html)
    html = _SUMMARY.sub(lambda found: f"<summary>{_as_spans(found[1])}</summary>", html)
    html = _LOGO.sub(lambda found: found[1] + _escaped(found[2]) + found[3], html)
    if SUBMIT not in html:
        html = _SEARCH.sub(rf"\1\n  {SUBMIT}\2", html)
    # an index is a table without a body of its own
    html = re.sub(
        r"(<table[^>]*indextable[^>]*>)\s*<tr>(.*?)</table>", _with_body, html, flags=re.S
    )
    return re.sub(r"(<input\b[^>]*?) autocorrect=\"off\"", r"\1", html)


def _as_spans(summary: str) -> str:
    return re.sub(r"<(/?)p\b", r"<\1span", summary)


def _escaped(text: str) -> str:
    return re.sub(r"&(?!#?\w+;)", "&amp;", text)


def _with_body(table: re.Match[str]) -> str:
    return f"{table[1]}<tbody><tr>{table[2]}</tbody></table>"
