"""What the page on double negatives says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import models


@pytest.fixture(scope="module")
def page(root) -> Run:
    return run(root, "2-4-double-negatives")


@pytest.fixture(scope="module")
def names(page):
    return page.names


def shares(names, part, kind):
    """Shares of right answers of a kind without a part: alone, and beside another sentence."""
    at = list(names["groups"]).index(kind)
    return names["without"][part][at : at + 2]


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(page):
    used = set(re.findall(r"{glue:text}`([^`]+)`", page.text))
    assert used == set(page.glued)


def test_the_texts_are_held_out_and_have_a_distractor_where_said(names):
    corpus = names["corpus"]
    for group, texts in names["groups"].items():
        kind = group.split(",")[0]
        for text in texts:
            assert corpus.is_held_out(text.pattern, text.verb)
            assert text.answer == text.pattern.kind == kind
            assert len(text.negatives(text.other)) == group.endswith("other")


def test_all_kinds_are_answered(names):
    assert names["intact"].float().mean(1).min() > 0.92


def test_the_card_meets_its_criteria_and_tells_of_runs_that_did_not():
    card = models.load_card("negation")
    (shipped,) = (seed for seed in card.seeds if seed["seed"] == card.seed)
    assert shipped["accepted"] and all(shipped["passed"].values())
    assert any("missed" in run for run in card.more["development"])


def test_errors_on_double_negatives_are_pairs_never_seen(names):
    logits, data = names["logits"], names["data"]
    likeliest = logits[names["rows"], names["ends"]].argmax(-1)
    wrong = [
        text
        for text, guess, answer in zip(data, likeliest, names["answers"], strict=True)
        if guess != answer and text.pattern.kind == "double"
    ]
    held_out = names["corpus"].HELD_OUT_PAIRS
    assert all(text.pattern.negative_parts in held_out for text in wrong)


def test_scope_heads_read_the_sentence_asked_about(names):
    assert names["scope"]
    for at in names["scope"]:
        assert names["asked"][at] >= 0.8
        assert names["other"][at] <= 0.1


def test_the_pairing_head_is_for_concord_and_the_one_it_needs(names):
    at = names["pairing"]
    assert names["paired"][at] > 0.3
    assert names["paired"][at] > 1.5 * names["paired_double"][at]
    assert names["concord_head"] == names["label"](at)


def test_two_heads_decide_for_one_kind_each(names):
    concord, double = names["concord_head"], names["double_head"]
    assert concord != double
    assert (
        shares(names, concord, "concord").max() < 0.4 < 0.8 < shares(names, concord, "double").min()
    )
    assert (
        shares(names, double, "double").max() < 0.4 < 0.8 < shares(names, double, "concord").min()
    )


def test_the_first_mlp_is_needed_and_none_is_needed_at_end(names):
    assert shares(names, "MLP 0", "double").max() < 0.2
    for layer in range(names["n_layers"]):
        at_end = names["without"][f"MLP {layer} at END"]
        assert (at_end > names["intact"].float().mean(1) - 0.2).all()


def test_three_negatives_are_not_counted(names):
    assert names["three"].high < 0.6
    assert all(text.pattern.negatives == 3 for text in names["triple"])


def test_a_knockout_of_nothing_changes_nothing(names):
    model, tokens = names["model"], names["tokens"]
    hooks = [("blocks.0.attn.hook_z", lambda z, hook: z.clone())]
    assert torch.equal(
        names["right"](model.run_with_hooks(tokens, fwd_hooks=hooks)), names["intact"]
    )
