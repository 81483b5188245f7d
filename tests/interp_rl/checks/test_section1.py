"""Every wrong set of labels gets a message that says what is wrong; only the right one passes."""

import re
from itertools import combinations, permutations

import pytest
from answers import Answers

from interp_rl.checks.section1 import check_diagram
from interp_rl.models.diagram import ANSWERS, WORD_BANK

RIGHT = dict(ANSWERS)


def test_the_right_labels_pass_and_say_what_was_learned():
    result = check_diagram(RIGHT)
    assert result.passed
    assert "residual stream" in result.learned


@pytest.mark.parametrize(
    "answers",
    [
        {number: label.upper() for number, label in RIGHT.items()},
        {number: f"  {label.lower()}\n" for number, label in RIGHT.items()},
        {str(number): label.replace(" ", "  ") for number, label in RIGHT.items()},
        dict(reversed(RIGHT.items())),
    ],
    ids=["upper case", "spaces around", "numbers as strings, double spaces", "another order"],
)
def test_spelling_makes_no_difference(answers):
    assert check_diagram(answers).passed


def test_of_all_orders_of_the_labels_only_one_passes():
    passing = [
        order
        for order in permutations(WORD_BANK)
        if check_diagram(dict(zip(ANSWERS, order, strict=True))).passed
    ]
    assert passing == [tuple(RIGHT.values())]


@pytest.mark.parametrize(("a", "b"), list(combinations(ANSWERS, 2)))
def test_swapped_labels_are_counted_and_the_first_is_explained(a, b):
    result = check_diagram({**RIGHT, a: RIGHT[b], b: RIGHT[a]})
    assert not result.passed
    assert f"3 of 5 blanks are right. Blank {a} is not {RIGHT[b]!r}." in result.message
    assert len(result.message.split(". ")) >= 3, "the message only says that it is wrong"
    given_away = re.search(rf"\b{RIGHT[a]}\b", result.message)
    assert not given_away, "the message gives the answer away"


def test_an_easily_made_mistake_has_a_message_of_its_own():
    swapped = {**RIGHT, 3: "Dropout", 4: "Attention"}
    assert "Dropout lets no position read another" in check_diagram(swapped).message


def test_a_label_that_is_not_in_the_word_bank():
    result = check_diagram({**RIGHT, 3: "self-attention"})
    assert "Blank 3 holds 'self-attention', which is not in the word bank" in result.message
    assert "Token embed" in result.message


def test_a_label_used_twice():
    result = check_diagram({**RIGHT, 3: "Dropout"})
    assert "'Dropout' stands in the blanks 3 and 4; each label fills one blank" in result.message


@pytest.mark.parametrize("nothing", [..., None, "", "  "])
def test_a_blank_left_empty(nothing):
    result = check_diagram({**RIGHT, 2: nothing, 5: nothing})
    assert result.status == "failed"
    assert "Still without a label: blank 2, 5." in result.message


def test_a_blank_left_out():
    answers = {number: label for number, label in RIGHT.items() if number != 4}
    assert "Still without a label: blank 4." in check_diagram(answers).message


@pytest.mark.parametrize("stub", [dict.fromkeys(ANSWERS, ...), {}, ..., None], ids=repr)
def test_an_untouched_stub_is_not_attempted(stub):
    result = check_diagram(stub)
    assert result.status == "not attempted"
    assert "..." in result.message


@pytest.mark.parametrize("number", [0, 6, "first"])
def test_a_blank_that_does_not_exist(number):
    result = check_diagram({**RIGHT, number: "add"})
    assert f"There is no blank {number}; the blanks are numbered 1 to 5." in result.message


@pytest.mark.parametrize("answers", [list(RIGHT.values()), "add", 3, check_diagram])
def test_an_answer_that_is_no_dictionary(answers):
    result = check_diagram(answers)
    assert result.status == "failed"
    assert f"a value of type `{type(answers).__name__}`" in result.message


def test_an_answer_that_cannot_be_read_fails_without_raising():
    class Hostile:
        def __str__(self):
            raise RuntimeError("no text")

    assert check_diagram({**RIGHT, 1: Hostile()}).status == "failed"


WRONG = {
    "an embed is no input": ({**RIGHT, 1: RIGHT[2], 2: RIGHT[1]}, "Blank 1 is an input"),
    "an input is no embed": ({**RIGHT, 2: RIGHT[3], 3: RIGHT[2]}, "Blank 2 is not 'Attention'"),
    "dropout for attention": (
        {**RIGHT, 3: "Dropout", 4: "Attention"},
        "Dropout lets no position read another",
    ),
    "add for dropout": ({**RIGHT, 4: "add", 5: "Dropout"}, "Blank 4 lies on the way back"),
    "attention for add": ({**RIGHT, 3: "add", 5: "Attention"}, "Blank 3 is not 'add'"),
    "index for add": ({**RIGHT, 1: "add", 5: "Index 1"}, "Blank 1 is not 'add'"),
    "own words": ({**RIGHT, 3: "self-attention"}, "not in the word bank"),
    "twice": ({**RIGHT, 3: "Dropout"}, "each label fills one blank"),
    "left empty": ({**RIGHT, 2: ...}, "Still without a label"),
    "a blank too many": ({**RIGHT, 6: "add"}, "There is no blank 6"),
    "a list": (list(RIGHT.values()), "it should be a dictionary"),
}

SAME = ({str(number): f" {label.upper()}" for number, label in RIGHT.items()}, RIGHT)
KNOWN = [Answers.of(check_diagram, SAME, WRONG)]
