"""Reading and showing cards."""

import json

import pytest

from interp_rl.models import CardError, MissingModelError, ModelCard

CARD = {
    "name": "toy",
    "what": "Predicts <b> & nothing else.",
    "figures": {"logit difference": 3.14159265, "n": 20000},
    "files": {"model.safetensors": "a" * 64},
    "minutes_on_one_core": 12,
    "seeds": [{"seed": seed, "accepted": seed > 2} for seed in range(6)],
}


@pytest.fixture
def card(tmp_path) -> ModelCard:
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    return ModelCard.read(tmp_path)


def test_fields_are_read_and_unknown_ones_kept(card):
    assert (card.name, card.files) == (CARD["name"], CARD["files"])
    assert card.steps is None
    assert card.more == {"minutes_on_one_core": 12}


def test_the_text_shows_what_is_filled_in(card):
    text = repr(card)
    assert "logit difference: 3.142; n: 20,000" in text
    assert "minutes on one core: 12" in text
    assert "model.safetensors: sha256 aaaaaaaaaaaa…" in text
    assert "steps" not in text


def test_the_html_escapes_and_folds_long_lists(card):
    html = card._repr_html_()
    assert "Predicts &lt;b&gt; &amp; nothing else." in html
    assert "<summary>6 entries</summary>" in html
    assert html.count("<details>") == 1


def test_a_missing_card_is_named(tmp_path):
    with pytest.raises(MissingModelError, match=r"has no card.json.*cannot be verified"):
        ModelCard.read(tmp_path)


def test_a_broken_card_is_named(tmp_path):
    (tmp_path / "card.json").write_text('{"name": ')
    with pytest.raises(CardError, match=r"card.json is not valid JSON"):
        ModelCard.read(tmp_path)


@pytest.mark.parametrize("entries", [[], {"name": "toy", "what": "x"}, {"name": "", "what": "x"}])
def test_a_card_without_checksums_is_refused(tmp_path, entries):
    (tmp_path / "card.json").write_text(json.dumps(entries))
    with pytest.raises(CardError, match=r"lacking: .*'files'"):
        ModelCard.read(tmp_path)
