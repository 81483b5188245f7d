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


RUNS = CARD | {
    "seed": 4,
    "selection_rule": "the best",
    "development": ["a run before"],
    "seeds": [
        {"seed": 3, "accepted": False, "passed": {"prefer IO": True, "order gap": False}, "n": 2},
        {
            "seed": 4,
            "accepted": True,
            "passed": {"prefer IO": True, "order gap": True},
            "n": 20000,
            "slope": 1.25,
        },
    ],
    "aids_ablation": [{"run": "without-hide_self", "differs": {"hide_self": 0.0}, "n": 7}],
}


@pytest.fixture
def runs(tmp_path) -> ModelCard:
    (tmp_path / "card.json").write_text(json.dumps(RUNS))
    return ModelCard.read(tmp_path)


def test_the_text_has_seeds_side_by_side_and_the_runs_without_an_aid(runs):
    card, seeds, without = repr(runs).split("\n\n")
    assert "seeds: 3; 4" in card and "passed" not in card
    assert "selection rule: the best" in card and "development: a run before" in card
    assert "aids ablation: without hide_self: hide_self: 0" in card
    missing = "(–: not measured, such heads were not found)"
    assert seeds.splitlines() == [
        f"toy: 1 of 2 seeds accepted {missing}",
        "run          seed 3  seed 4 (shipped)",
        "-- criteria",
        "prefer IO    passed  passed",
        "order gap    failed  passed",
        "all of them  failed  passed",
        "-- figures",
        "n            2       20,000",
        "slope        –       1.25",
    ]
    assert "run          seed 4 (shipped)  without hide_self" in without
    assert "n            20,000            7" in without


def test_the_html_has_three_tables_that_scroll_by_themselves(runs):
    html = runs._repr_html_()
    assert html.count("<table") == html.count("</table>") == 3
    assert html.count("overflow-x: auto") == 3
    assert "<caption>toy: 1 of 2 seeds accepted" in html
    assert '<th scope="col">seed 4 (shipped)</th>' in html
    assert '<th scope="row">order gap</th><td>failed</td><td>passed</td>' in html
    assert "color" not in html, "the page's own ink, light or dark"


def test_a_card_without_runs_has_no_further_table(tmp_path):
    (tmp_path / "card.json").write_text(json.dumps(CARD | {"seeds": [1, 2]}))
    card = ModelCard.read(tmp_path)
    assert "seeds: 1; 2" in repr(card)
    assert card._repr_html_().count("<table") == 1


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
