"""What chapter 5.2 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import plots


@pytest.fixture(scope="module")
def trust(root) -> Run:
    return run(root, "5-2-trust-an-explanation")


@pytest.fixture(scope="module")
def names(trust):
    return trust.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(trust):
    assert set(re.findall(r"{glue:text}`([^`]+)`", trust.text)) == set(trust.glued)


def test_the_stub_is_not_attempted_and_the_solution_passes(trust):
    checked = [value for value in trust.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


def test_the_complete_methods_are_complete_and_start_at_the_same_base(names):
    shap, gradients = (names["three"][n] for n in ("SHAP", "integrated gradients"))
    for found in (shap, gradients):
        assert found.missing.abs().max() < 0.05
    assert torch.allclose(shap.base, gradients.base, atol=1e-4)
    assert shap.ranking(names["chosen"])[0] == gradients.ranking(names["chosen"])[0]
    assert shap.words[int(shap.ranking(names["chosen"])[0])].strip() == "despised"


def test_rollout_has_no_sign(names):
    assert (names["three"]["attention rollout"].values >= 0).all()


def test_the_reviews_are_held_out_and_classified_well(names):
    assert len(set(names["texts"])) == len(names["texts"]) == 200
    assert names["right"] >= 190


def test_three_methods_beat_random_order_and_words_of_opinion_are_far_behind(names):
    for how in ("masked", "deleted"):
        test = names["tests"][how]
        for name in ("SHAP", "integrated gradients", "attention rollout"):
            assert test.comprehensiveness(name).low > 0
            assert test.sufficiency(name).low > 0
        means = {name: test.comprehensiveness(name).mean for name in names["methods"]}
        assert means["words of opinion"] < 0.5 * means["attention rollout"]
        assert means["SHAP"] > means["attention rollout"], "the order of the methods"
        assert means["integrated gradients"] > means["attention rollout"]
    test = names["tests"]["masked"]
    opinion, rollout = (test.sufficiency(n) for n in ("words of opinion", "attention rollout"))
    assert opinion.high < 0.5 * rollout.mean


def test_hiding_the_marked_words_does_not_lower_the_output(names):
    assert names["after"] >= names["before"]
    assert not names["kept"].all(), "something was marked"
    assert len(names["misleading"]) > 20


def test_every_figure_brings_its_numbers(trust):
    pictures = [value for value in trust.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 4
    assert all("<table>" in picture.table for picture in pictures)
