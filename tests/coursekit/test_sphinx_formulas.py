"""Formulas: TeX to MathML that browsers set well."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from docutils import nodes

from coursekit.sphinx_ext.formulas import formula_of, translate


def mathml(tex: str, own_line: bool = False) -> ElementTree.Element:
    (found,) = translate([(tex, own_line)])
    assert found, f"{tex} was not understood"
    return ElementTree.fromstring(found)


def letters(element: ElementTree.Element) -> str:
    return "".join(element.itertext()).replace("\u2061", "")


def test_many_formulas_come_back_in_their_order() -> None:
    found = translate([("a", False), ("b", False), ("a", False), ("c", True)])
    assert [letters(ElementTree.fromstring(one)) for one in found] == ["a", "b", "a", "c"]
    assert ElementTree.fromstring(found[-1]).get("display") == "block"
    assert ElementTree.fromstring(found[0]).get("display") is None


def test_what_pandoc_does_not_understand_is_empty() -> None:
    assert translate([(r"\notacommand{x}", False), ("x", False)])[0] == ""


def test_the_tex_is_not_repeated() -> None:
    root = mathml(r"\frac{a}{b}")
    assert {e.tag for e in root.iter()} == {"math", "mrow", "mfrac", "mi"} - (
        set() if root.find("mrow") is not None else {"mrow"}
    )


@pytest.mark.parametrize(
    ("tex", "spaces"),
    [
        (r"\log x", 1),  # behind
        (r"a \log x", 2),  # before and behind
        (r"\log(x)", 0),  # a bracket stands close
        (r"= \log x", 1),  # a sign brings its own space
        (r"(a)\log x", 2),
        (r"\log\det A", 2),  # one between the two, not two
    ],
)
def test_names_of_functions_have_thin_spaces(tex: str, spaces: int) -> None:
    assert len(list(mathml(tex).iter("mspace"))) == spaces


def test_signs_in_an_index_stand_close() -> None:
    root = mathml(r"x_{s \le t} \le y")
    small = root.find(".//msub/mrow/mo")
    large = [sign for sign in root.iter("mo") if sign is not small]
    assert small is not None and small.get("lspace") == small.get("rspace") == "0"
    assert large and all(sign.get("lspace") is None for sign in large)


def test_a_bracket_with_an_exponent_is_its_base_as_a_whole() -> None:
    base = mathml(r"\left(\frac{a}{b}\right)^2", own_line=True).find(".//msup/mrow")
    assert base is not None
    assert letters(base) == "(ab)"
    nested = mathml(r"\Big(\Big(a\Big)^2 + b\Big)^3", own_line=True).find(".//msup/mrow")
    assert nested is not None
    assert re.sub(r"\s", "", letters(nested)) == "((a)2+b)"


def test_a_prime_is_raised_once() -> None:
    root = mathml("z'")
    assert root.find(".//msup") is None
    assert letters(root) == "z\u2032"


def test_lines_of_an_aligned_formula_are_in_full_size() -> None:
    table = mathml(r"\begin{aligned}a &= b\\ &= c\end{aligned}", own_line=True).find(".//mtable")
    assert table is not None and table.get("displaystyle") == "true"


def block(tex: str, **attributes: object) -> nodes.math_block:
    return nodes.math_block("", tex, **attributes)


def test_several_lines_are_aligned_as_sphinx_does_it() -> None:
    assert formula_of(nodes.math("", " x ")) == ("x", False)
    assert formula_of(block("x", nowrap=False)) == ("x", True)
    aligned = r"\begin{aligned}" + "\na \\\\ b\n" + r"\end{aligned}"
    assert formula_of(block(r"a \\ b", nowrap=False)) == (aligned, True)
    assert formula_of(block("a\n\nb", nowrap=False))[0].count(r"\\") == 1
    whole = r"\begin{align}a \\ b\end{align}"
    assert formula_of(block(whole, nowrap=True)) == (whole, True)


def test_a_formula_that_cannot_be_set_fails_the_build(new_book: Callable) -> None:
    book = new_book()
    book.write({"index": "# Toy\n\nA bad one: $\\notacommand{x}$.\n\nGood: $x$\n"})
    (warning,) = book.build()
    assert "index.md:3" in warning and "notacommand" in warning
