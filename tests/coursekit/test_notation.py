"""Symbols of formulas, and what the page of notation says of them on each page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coursekit.book import Book
from coursekit.chapter import Text
from coursekit.notation import PLACES, Notation, inline_html, read_notation
from coursekit.tex import Symbol, symbols, to_html

PAGE = r"""
## Everywhere

| symbol | meaning |
|---|---|
| $p$, $P$ | a probability |
| $\sum$ | a sum |

## Section 1, a first one

| symbol | meaning |
|---|---|
| $t$ | a position |
| $V$ | number of words |
| $W_V$ | a matrix |

## Section 2, another

| symbol | meaning |
|---|---|
| $C$ | a circuit |
| $C(x)$ | its logits |
| $C \setminus K$ | without |
| $p$ | in 2.5: agreement |
| $W_V$ | as in section 1 |
| $s_t$ | state at $t$ |
| $x$ | in the gallery of 3.2: a place |

## Letters with two meanings

| letter | one | the other |
|---|---|---|
| $V$ | number of words | not this |
"""


@pytest.fixture(scope="module")
def toy() -> Notation:
    return Notation(read_notation(PAGE))


def says(notation: Notation, tex: str, page: str) -> list[str | None]:
    return [row and row.text for _, row in notation.in_formula(tex, page)]


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"\pi_\theta(a \mid s)", [r"\pi_\theta()", r"\theta", "a", r"\mid", "s"]),
        (r"\hat g_b", ["^hat g_b", "b"]),
        (r"W_Q x_t^2", ["W_Q", "x_t", "t"]),  # Q is no symbol of its own, t is
        (r"d_\text{model}", [r"d_\text{model}"]),
        (r"\mathrm{KL}(P \,\Vert\, Q)", ["KL()", "P", r"\Vert", "Q"]),
        (r"x_i' + \frac{1}{N}", ["x_i'", "i", r"\frac", "N"]),
        (r"\text{id of the token at } t", ["t"]),
        (r"\bar R_{-i}", ["^bar R_-i", "i"]),
        (r"\begin{aligned} a &= b \end{aligned}", ["a", "b"]),
        ("2^n", ["n"]),
    ],
)
def test_symbols_of_a_formula(tex: str, expected: list[str]) -> None:
    def short(symbol: Symbol) -> str:
        accent = f"^{symbol.accent} " if symbol.accent else ""
        sub = f"_{symbol.sub}" if symbol.sub else ""
        primes = "'" * symbol.primes
        return f"{accent}{symbol.base}{sub}{primes}{'()' if symbol.applied else ''}"

    assert [short(symbol) for symbol in symbols(tex)] == expected


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"\pi_\theta(a \mid s)", "<i>π</i><sub><i>θ</i></sub>(<i>a</i> | <i>s</i>)"),
        (r"d_\text{model}", "<i>d</i><sub>model</sub>"),
        (r"\hat g", "<i>g\u0302</i>"),
        (r"\log \frac{p}{1 - p}", "log <i>p</i> / (1 − <i>p</i>)"),
        ("x_{<t}", "<i>x</i><sub>&lt;<i>t</i></sub>"),
        (r"\mathbb{E}", "𝔼"),
        (r"\bar R_{-i}", "<i>R\u0304</i><sub>−<i>i</i></sub>"),
    ],
)
def test_simple_formulas_as_html(tex: str, expected: str) -> None:
    assert to_html(tex) == expected


def test_a_command_that_cannot_be_written_is_named() -> None:
    with pytest.raises(ValueError, match=r"\\wp is not among"):
        to_html(r"\wp x")


def test_text_around_formulas_is_escaped() -> None:
    assert inline_html("a < b & $x$") == "a &lt; b &amp; <i>x</i>"


def test_a_symbol_means_what_its_section_says(toy: Notation) -> None:
    assert says(toy, "V", "1-first") == ["number of words"]
    assert says(toy, "V", "2-1-other") == [None]
    assert says(toy, "p", "2-1-other") == ["a probability"]


def test_a_row_for_one_part_goes_before_others_and_nowhere_else(toy: Notation) -> None:
    assert says(toy, "p", "2-5-part") == ["agreement"]
    assert says(toy, "p", "2-6-part") == ["a probability"]
    gallery = Notation(read_notation(PAGE.replace("## Section 2", "## Section 3")))
    assert says(gallery, "x", PLACES["the gallery of 3.2"]) == ["a place"]
    assert says(gallery, "x", "3-2-derivations") == [None]


def test_a_letter_and_its_application_are_told_apart(toy: Notation) -> None:
    assert says(toy, "C", "2-1-other") == ["a circuit"]
    assert says(toy, "C(y)", "2-1-other") == ["its logits", None]
    assert says(toy, r"C \setminus C", "2-1-other") == ["a circuit", "without", "a circuit"]


def test_any_index_fits_one_that_counts_but_not_a_name(toy: Notation) -> None:
    state = "state at <i>t</i>"
    assert says(toy, "s_0 + s_{t+1} + s", "2-1-other") == [state, state, None, state]
    assert says(toy, "W_Q", "1-first") == [None]


def test_a_row_may_refer_to_another_section(toy: Notation) -> None:
    assert says(toy, "W_V", "2-1-other") == ["a matrix"]


def test_signs_that_everybody_reads_are_quiet(toy: Notation) -> None:
    quiet = [row.text for row in toy.rows if row.quiet]
    assert quiet == ["a sum"]


# the book's own page


@pytest.fixture(scope="module")
def notation(root: Path) -> Notation:
    return Notation.of(root)


@pytest.mark.parametrize(
    ("tex", "page", "meaning"),
    [
        ("t", "1-transformer-architecture", "a position in the text"),
        ("t", "2-5-tracing-back", "agreement"),
        ("t", "3-1-the-idea", "a step of an episode"),
        ("V", "1-transformer-architecture", "number of tokens"),
        ("V", "3-1-the-idea", "mean squared distance"),
        ("V(s_t)", "3-2-derivations", "value of a state"),
        ("x", "2-7-later-work", "an activation"),
        ("x", "3-2-derivations", "any square matrix"),
        ("x", "3-2-broken-gradients", "the place"),
        ("b", "3-2-derivations", "a baseline"),
        ("b(a)", "3-1-the-idea", "the behaviour policy"),
        ("r", "4-1-why-kl", "the ratio"),
        ("r_t", "4-2-ppo", "the reward"),
        (r"\nabla_\theta", "4-1-why-kl", "gradient"),
        ("s", "5-explaining", "number of others"),
    ],
)
def test_letters_with_several_meanings(
    notation: Notation, tex: str, page: str, meaning: str
) -> None:
    first = says(notation, tex, page)[0]
    assert first is not None and meaning in first


def test_pages_that_rows_are_limited_to_exist(root: Path, notation: Notation) -> None:
    assert {row.only for row in notation.rows if row.only.startswith("the ")} == set(PLACES)
    assert all((root / f"book/{page}.md").is_file() for page in PLACES.values())
    parts = {row.only for row in notation.rows if re.fullmatch(r"\d\.\d", row.only)}
    assert parts and all(list(root.glob(f"book/{p.replace('.', '-')}-*.md")) for p in parts)


GENERIC = {
    ("3-1-the-idea", "f"),  # any function, explained where it stands
    ("4-2-few-votes", "z"),  # the argument of the logistic function
}
"""Letters that have no meaning of their own."""


def test_every_letter_of_the_chapters_is_explained(root: Path, notation: Notation) -> None:
    unexplained = set()
    formulas = 0
    for path, chapter in Book(root).chapters.items():
        if not path.stem[0].isdigit():
            continue
        blocks = [
            b.source if isinstance(b, Text) else b.body
            for b in chapter.blocks
            if isinstance(b, Text) or b.name == "math" or not b.is_code_cell
        ]
        text = re.sub(r"`[^`]*`", "", "\n".join(blocks))
        for found in re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", text, re.DOTALL):
            formulas += 1
            for symbol, row in notation.in_formula("".join(found), path.stem):
                is_letter = len(symbol.base) == 1 and symbol.base.isalpha()
                if row is None and is_letter and (path.stem, symbol.base) not in GENERIC:
                    unexplained.add((path.stem, symbol.base, "".join(found)))
    assert formulas > 400
    assert not unexplained
