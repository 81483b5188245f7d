"""Formulas as this book writes them: the symbols in one, and a simple one as HTML.

No typesetting: what a page lists beside its formulas must stand without any script, so the few
commands of the page of notation are turned into letters, `<i>`, `<sub>` and `<sup>`.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)

LETTERS = {
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ϵ",
    "theta": "θ",
    "lambda": "λ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "ell": "ℓ",
}
"""Commands that are letters of variables, set in italics."""

SIGNS = {
    "Sigma": "Σ",
    "sum": "∑",
    "prod": "∏",
    "nabla": "∇",
    "partial": "∂",
    "propto": "∝",
    "approx": "≈",
    "top": "⊤",
    "log": "log",
    "mid": " | ",
    "Vert": "‖",
    "setminus": " ∖ ",
    "cup": "∪",
    "emptyset": "∅",
    "cdot": "·",
    "times": " × ",
    "cap": "∩",
}
"""Other commands, set upright."""

BLACKBOARD = {"E": "𝔼", "1": "𝟙"}
"""Letters of `\\mathbb`."""

ACCENTS = {"hat": "\u0302", "bar": "\u0304"}
"""Commands that set something on the letter behind them, and the character that does it."""

NAMED = ("text", "mathrm", "operatorname", "mathbb")
"""Commands whose argument is a name."""

_SPACE = {"\\,", "\\;", "\\:", "\\!", "\\ ", "\\left", "\\right", "\\big", "\\Big", "\\bigg"}


@dataclass(frozen=True)
class Symbol:
    """One symbol with what belongs to it."""

    base: str
    """a letter, a command such as `\\pi`, or the name of an operator such as `KL`"""
    sub: str = ""
    """its index, without spaces and outer braces"""
    accent: str = ""
    """`hat`, `bar`, or nothing"""
    primes: int = 0
    """how many"""
    applied: bool = False
    """whether a parenthesis opens behind it, as in `V(s)`"""


def tokens(tex: str) -> list[str]:
    """Takes a formula apart.

    Args:
        tex: The formula.

    Returns:
        Commands with their backslash, numbers, and single characters; no spaces, no sizes of
        parentheses.
    """
    found = _TOKEN.findall(tex)
    return [token for token in found if token not in _SPACE and not token.isspace()]


def symbols(tex: str) -> list[Symbol]:
    r"""The symbols of a formula, also those in indices and fractions.

    Args:
        tex: The formula.

    Returns:
        Symbols in the order in which they stand; words in `\text` are none.
    """
    return list(_symbols(tokens(tex)))


def _symbols(left: list[str]) -> Iterator[Symbol]:
    left = list(left)
    while left:
        token = left.pop(0)
        if token in ("\\begin", "\\end"):  # an environment, and how it aligns its columns
            environment = _argument(left)
            if token == "\\begin" and "".join(environment) == "array":
                _argument(left)
            continue
        accent = ""
        if token[1:] in ACCENTS and token[0] == "\\":
            accent, token = token[1:], _argument(left)[0]
        name = token[1:] if token[0] == "\\" else ""
        if name in NAMED:
            base = "".join(_argument(left))
            if name == "text":
                continue  # words
            base = f"\\mathbb{{{base}}}" if name == "mathbb" else base
        elif token.isalpha() or len(name) > 0:
            base = token
        elif token == "^":
            yield from _symbols(_argument(left))
            continue
        else:
            continue
        sub, sup, primes = [], [], 0
        while left and left[0] in ("_", "^", "'"):
            kind = left.pop(0)
            if kind == "'":
                primes += 1
            elif kind == "_":
                sub = _argument(left)
            else:
                sup = _argument(left)
        yield Symbol(base, "".join(sub), accent, primes, applied=left[:1] == ["("])
        if not _is_name(sub):
            yield from _symbols(sub)
        yield from _symbols(sup)


def _is_name(sub: list[str]) -> bool:
    """Whether an index belongs to the symbol's name, as that of W_Q does, and is none itself."""
    return len(sub) == 1 and sub[0].isupper()


def _argument(left: list[str]) -> list[str]:
    """Takes the argument of a command or an index: a group without its braces, or one token."""
    if not left:
        return []
    first = left.pop(0)
    if first == "{":
        depth = 1
        group: list[str] = []
        while left:
            token = left.pop(0)
            depth += (token == "{") - (token == "}")
            if not depth:
                return group
            group.append(token)
        return group
    if first[0] == "\\" and first[1:] in NAMED:
        return [first, "{", *_argument(left), "}"]
    return [first]


def to_html(tex: str) -> str:
    """Writes a simple formula as HTML.

    Args:
        tex: A formula, of the commands that this module lists.

    Returns:
        HTML without any script or style.

    Raises:
        ValueError: If a command is not among those.
    """
    return _write(tokens(tex))


def _write(left: list[str]) -> str:
    left, written = list(left), ""
    while left:
        token = left.pop(0)
        name = token[1:] if token[0] == "\\" else ""
        if token in ("_", "^"):
            tag = "sub" if token == "_" else "sup"
            written += f"<{tag}>{_write(_argument(left))}</{tag}>"
        elif name == "frac":
            written += " / ".join(_grouped(_argument(left)) for _ in range(2))
        elif name == "mathbb":
            written += BLACKBOARD["".join(_argument(left))]
        elif name in NAMED:
            written += html.escape("".join(_argument(left)))
        elif name in ACCENTS:
            written += f"<i>{''.join(_argument(left))}{ACCENTS[name]}</i>"
        elif name in LETTERS:
            written += f"<i>{LETTERS[name]}</i>"
        elif name in SIGNS:
            written += SIGNS[name] + " " * (name == "log")
        elif name:
            raise ValueError(f"{token} is not among the commands that coursekit.tex can write")
        elif token.isalpha():
            written += f"<i>{token}</i>"
        elif token == "-" and written:
            written += " − "  # between two terms
        elif token not in "{}":
            spaced = {"-": "−", "'": "′", ",": ", ", "=": " = ", "/": " / "}
            written += spaced.get(token, html.escape(token))
    return written.strip()


def _grouped(part: list[str]) -> str:
    return _write(part) if len(part) == 1 else f"({_write(part)})"
