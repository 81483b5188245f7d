"""The three versions of the diagram are one drawing, say all in words, and show true shapes."""

import re

import pytest

from interp_rl.models import shapes
from interp_rl.models.diagram import ANSWERS, WORD_BANK, decoder, decoder_with_shapes
from interp_rl.models.errors import TextError

TEXT = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(scope="module")
def with_shapes(ioi_model):
    return decoder_with_shapes(ioi_model, TEXT)


def labels(picture):
    """The labels in bold, from the top down and from left to right."""
    return re.findall(r'font-weight="600"[^>]*>([^<]+)<', picture.svg)


def frames(picture):
    """Place and size of every box, whatever is written in it."""
    return re.findall(r'<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', picture.svg)


def test_the_bank_holds_each_answer_once():
    assert sorted(WORD_BANK) == sorted(ANSWERS.values())
    assert WORD_BANK == ("Dropout", "Attention", "Index 1", "Token embed", "add")


def test_all_versions_have_the_same_boxes(with_shapes):
    bank = 1
    assert frames(decoder()) == frames(with_shapes) == frames(decoder(blanks=True))[:-bank]


def test_blanks_are_numbered_and_lack_their_labels():
    blank, solved = decoder(blanks=True), decoder()
    assert re.findall(r'data-blank="(\d)"', blank.svg) == ["4", "5", "3", "2", "1"]
    assert "data-blank" not in solved.svg
    drawn, bank = labels(blank)[: -len(WORD_BANK)], labels(blank)[-len(WORD_BANK) :]
    assert tuple(bank) == WORD_BANK
    complete = labels(solved)
    for label in WORD_BANK:
        assert drawn.count(label) == complete.count(label) - 1
    assert len(drawn) == len(complete) - len(ANSWERS)


def test_each_label_follows_its_number_in_the_solution():
    order = labels(decoder())
    for number, label in ANSWERS.items():
        assert order[order.index(str(number)) + 1] == label


def test_the_alternative_text_says_where_the_blanks_are_and_not_what_fills_them():
    blank, solved = decoder(blanks=True).alt, decoder().alt
    text, bank = blank.split(" Word bank: ")
    assert bank == f"{', '.join(WORD_BANK)}."
    for number in ANSWERS:
        assert text.count(f"blank {number}") == 1
        assert f"blank {number}" not in solved
    for label in ("Index 1", "Token embed", "Attention"):  # the others occur elsewhere, too
        assert label not in text
        assert label in solved


def test_the_form_offers_the_word_bank_for_each_blank_and_marks_nothing():
    form = decoder(blanks=True).table
    assert form.count("<select") == form.count("<label") == len(ANSWERS)
    for label in WORD_BANK:
        assert form.count(f"<option>{label}</option>") == len(ANSWERS)
    assert "selected" not in form
    assert decoder().table == ""


def test_shapes_are_those_of_the_run(ioi_model, with_shapes):
    cfg = ioi_model.cfg
    n = len(ioi_model.tokenizer(TEXT)["input_ids"]) + 1
    texts = re.findall(r">([^<>]+)</t", with_shapes.svg)
    assert f"{n} × {cfg.d_model}" in texts
    assert f"q, k, v: {n} × {cfg.n_heads} × {cfg.d_head}" in texts
    assert f"pattern: {cfg.n_heads} × {n} × {n}" in texts
    assert f"{n} × {cfg.d_vocab}" in texts
    assert f": {cfg.d_model} × {cfg.d_vocab}" in texts  # after the W with its U
    assert f"one of {cfg.n_layers} blocks" in texts
    for text in (f"{n} × {cfg.d_vocab}", f"q, k, v: {n} × {cfg.n_heads} × {cfg.d_head}"):
        assert text in with_shapes.alt


def test_every_shape_in_the_diagram_is_in_the_trace(ioi_model, with_shapes):
    traced = {" × ".join(map(str, step.shape[1:])) for step in shapes.trace(ioi_model, TEXT)}
    weights = f"{ioi_model.cfg.d_model} × {ioi_model.cfg.d_vocab}"
    drawn = set(re.findall(r"\d+(?: × \d+)+", with_shapes.alt))
    assert drawn
    assert drawn <= traced | {weights}


def test_absent_mlps_are_said_to_be_absent(ioi_model, with_shapes):
    _, cache = ioi_model.run_with_cache(ioi_model.to_tokens(TEXT))
    absent = not any(cache[f"blocks.{i}.hook_mlp_out"].any() for i in range(ioi_model.cfg.n_layers))
    assert ("none in this model" in with_shapes.svg) == absent
    assert (with_shapes.svg.count('stroke-dasharray="5 3"') == 3) == absent
    assert 'stroke-dasharray="5 3"' not in decoder().svg


def test_a_text_that_the_model_cannot_read_is_refused(ioi_model):
    with pytest.raises(TextError, match="does not know 'Zaphod'"):
        decoder_with_shapes(ioi_model, "When Mary met Zaphod")


@pytest.mark.parametrize("blanks", [False, True])
def test_it_prints_and_reads_in_light_and_dark(blanks):
    version = decoder(blanks=blanks)
    assert 'fill="currentColor"' in version.svg
    assert set(re.findall(r'stroke="([^"]+)"', version.svg)) == {"currentColor"}
    assert "<text" in version.svg
    assert "max-width:100%" in version.svg
