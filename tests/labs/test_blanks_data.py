"""What the laboratory of section 1 is given: the check's own words, and no answer in plain text."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from coursekit.labs import blanks
from coursekit.labs.bundle import bundle
from coursekit.labs.sealing import key_of, seal, unseal
from interp_rl.checks import section1
from interp_rl.models.diagram import ANSWERS, WORD_BANK

NOT_ELSEWHERE = ("Attention", "Index 1", "Token embed")
"""Labels that fill a blank and stand nowhere else in the diagram."""


@pytest.fixture(scope="module")
def data(root: Path) -> dict[str, Any]:
    return blanks.data(root)


def said(data: dict[str, Any], blank: int, label: str) -> str:
    answer = f"{blank}={label}"
    return unseal(answer, data["said"][key_of(answer)])


def test_right_is_right_and_wrong_is_wrong(data: dict[str, Any]) -> None:
    for blank, label in itertools.product(ANSWERS, WORD_BANK):
        assert said(data, blank, label).startswith("+" if ANSWERS[blank] == label else "-")


def test_a_wrong_label_is_explained_in_the_words_of_the_check(data: dict[str, Any]) -> None:
    compared = set()
    for filling in itertools.permutations(WORD_BANK):
        answers = dict(zip(ANSWERS, filling, strict=True))
        wrong = [blank for blank, label in answers.items() if ANSWERS[blank] != label]
        if not wrong:
            continue
        message = section1.check_diagram(answers).message  # explains the first that is wrong
        assert message.endswith(said(data, wrong[0], answers[wrong[0]])[1:])
        compared.add((wrong[0], answers[wrong[0]]))
    assert len(compared) == 10  # as blank n can be the first wrong one with 5-n labels


def test_no_answer_can_be_read_in_script_or_data(root: Path, data: dict[str, Any]) -> None:
    script = bundle({"lab": root / "book/labs/blanks/lab.js"}, root / "book/labs").script
    assert not [label for label in NOT_ELSEWHERE if label in script]
    plain = json.dumps({name: value for name, value in data.items() if name != "bank"})
    assert not [label for label in NOT_ELSEWHERE if label in plain]
    advice = [*section1._WHY_NOT.values(), *section1._LOOK_AT.values()]
    assert not [text for text in advice if text[:30] in script + plain]


def test_nothing_about_the_sealed_texts_tells_the_right_ones(data: dict[str, Any]) -> None:
    assert len(data["said"]) == len(ANSWERS) * len(WORD_BANK)
    assert len({len(text) for text in data["said"].values()}) == 1
    assert list(data["said"]) == sorted(data["said"])
    assert data["bank"] == list(WORD_BANK), "the bank is in the chapter's order, not the answers'"


def test_who_tries_all_labels_finds_the_right_ones(data: dict[str, Any]) -> None:
    """No check that answers at once can keep that from happening: the limit of what is sealed."""
    found = {
        blank: label
        for blank, label in itertools.product(ANSWERS, WORD_BANK)
        if said(data, blank, label) == "+"
    }
    assert found == ANSWERS


def test_the_walk_opens_with_the_right_labels_only(data: dict[str, Any]) -> None:
    opened = 0
    for filling in itertools.permutations(WORD_BANK):
        key = ";".join(f"{blank}={label}" for blank, label in zip(ANSWERS, filling, strict=True))
        try:
            walk = json.loads(unseal(key, data["walk"]))
        except ValueError:
            continue
        opened += 1
        assert filling == tuple(ANSWERS.values())
    assert opened == 1
    assert walk["learned"] == section1.check_diagram(dict(ANSWERS)).learned


def test_the_walk_passes_every_box_of_every_block(data: dict[str, Any], root: Path) -> None:
    walk = json.loads(unseal(blanks._all_right(), data["walk"]))
    drawing = (root / "book/labs/blanks/drawing.js").read_text(encoding="utf-8")
    at = {stop["place"]: stop["name"] for stop in walk["stops"]}
    assert {"i0", "i1", "e0", "e1", "s0", "t0", "n", "u", "l"} <= set(at)
    inside = [stop["place"] for stop in walk["stops"] if stop["block"] == 0]
    assert inside == ["r1", "m1", "w1", "j1", "r2", "m2", "w2", "j2"]
    assert len(walk["stops"]) == 9 + 3 * len(inside)
    for place, label in re.findall(r'"(\w\d?)", [^{\n]*\{ label: "([^"]+)"', drawing):
        assert at[place] == label


def test_a_sealed_text_may_be_of_any_length() -> None:
    for length in (0, 1, 31, 32, 33, 64, 100):
        assert unseal("answer", seal("answer", "é" * length)) == "é" * length
    assert unseal("answer", seal("answer", "short", 40)) == "short"
