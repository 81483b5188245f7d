"""The first page: its live result says what its words say, and it is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chapter_run import Run, run

from coursekit.book import Book


@pytest.fixture(scope="module")
def index(root: Path) -> Run:
    return run(root, "index")


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(index):
    assert set(re.findall(r"{glue:text}`([^`]+)`", index.text)) == set(index.glued)


def test_the_model_says_mary_and_without_the_circuit_it_does_not(index):
    means = index.names["means"]
    whole, cut, others = means["Mary"]
    assert whole > 5 * means["John"][0]
    assert cut < 0.2 * whole, "without the circuit Mary's bar nearly vanishes"
    assert others > 0.6 * whole, "without other heads Mary's bar is nearly as long"
    assert cut < 2 * means["John"][1], "the right name is hardly likelier than the wrong one"
    assert others > 5 * means["John"][2], "without other heads it stays far likelier"


def test_no_draw_of_other_heads_does_as_much_as_the_circuit(index):
    mary = index.names["answers"]["Mary"]
    assert (mary[2:] > 2 * mary[1]).all()
    circuit = index.names["circuit"]
    for other in index.names["others"]:
        assert len(other) == len(circuit) and not other.nodes & circuit.nodes


def test_the_heads_are_found_on_other_prompts_than_the_sentence(index):
    (sentence,) = index.names["sentence"].texts
    assert sentence not in index.names["data"].texts


def test_the_first_page_has_a_card_for_each_section(index, book: Book):
    cards = re.findall(r":::\{grid-item-card\} (\d) ", index.text)
    assert cards == list("123456")
    there = {page.stem[0] for page in book.pages if page.stem[0].isdigit()}
    linked = re.findall(r":::\{grid-item-card\} (\d) [^\n]*\n:link: ", index.text)
    assert sorted(linked) == sorted(there), "link the card of every section that is there"


def test_every_page_around_the_sections_can_be_reached_from_the_first(index, book: Book):
    for label in ("exercises", "complaints", "errata", "credits", "for-instructors"):
        assert f"{{ref}}`{label}`" in index.text and label in book.labels
