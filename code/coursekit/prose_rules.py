"""Words, patterns and names that the prose linter goes by."""

BANNED_WORDS: dict[str, str] = {
    r"\bobviously\b": "leave it out, or give the reason",
    r"\bsimply\b": "leave it out; what is simple for you may not be for the reader",
    r"\bjust\b": "leave it out, or say `only`",
    r"\bmagic(al|ally)?\b": "say what happens",
    r"\bripp?(ed|ing|s)? open\b": "say `knock out`, `look inside` or what is meant",
    r"\bgrok(k?ing|ked|s)?\b": "say `understand`, unless the phenomenon of that name is meant",
    r"\b(importance|important)\b[^.?!]{0,30}\bheads?\b": "say by which measure: direct effect, ...",
    r"\bheads?\b[^.?!]{0,30}\b(importance|important)\b": "say by which measure: direct effect, ...",
}
"""Regular expressions, whatever the case, and what to do instead."""

ABBREVIATIONS = (
    *("e.g.", "i.e.", "al.", "etc.", "vs.", "cf.", "resp.", "approx."),
    *("fig.", "figs.", "eq.", "eqs.", "sec.", "ch.", "dr.", "prof.", "mr.", "mrs.", "ms."),
)
"""After these, whatever their case, a capital letter does not begin a sentence."""

NUMBERED_THINGS = (
    *("appendix", "chapter", "equation", "exercise", "figure", "head", "item", "part", "question"),
    *("section", "step", "table", "version", "python", "torch", "cc by", "gpt"),
)
"""A decimal after one of these is a name, not a measurement."""

NOT_PROSE = frozenset(
    ("code-cell", "code-block", "code", "math", "eval-rst", "raw", "bibliography", "toctree")
)
"""Directives whose bodies hold no sentences."""

MAY_PRECEDE_CELL = frozenset(
    ("note", "tip", "important", "warning", "caution", "attention", "danger", "error", "seealso")
) | {"admonition", "figure", "table", "math", "code-block"}
"""Directives that say something before a code cell, as a paragraph does."""

PROSELINT_OFF = (
    "typography.symbols.curly_quotes",  # the book's quotation marks are straight ones
    "typography.symbols.ellipsis",  # as are its dots
    "typography.symbols.copyright",  # (c) may be an item of a list
    "dates_times.am_pm",  # 11 am is a head's name before it is an hour
    "restricted",  # lists of elementary words
)
"""Checks of proselint that are wrong for this book, each for its reason."""
