"""What the opening of chapter 5 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import attribution, plots


@pytest.fixture(scope="module")
def opening(root) -> Run:
    return run(root, "5-explaining")


@pytest.fixture(scope="module")
def names(opening):
    return opening.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(opening):
    used = set(re.findall(r"{glue:text}`([^`]+)`", opening.text))
    assert used <= set(opening.glued)
    assert {"s5-not-share", "s5-bad-share", "s5-gap-owen"} <= used


def test_the_stub_is_not_attempted_and_the_solution_passes(opening):
    checked = [value for value in opening.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


def test_shares_by_hand_are_those_of_shap(names):
    assert len(names["tokens"]) == 4 and len(names["orders"]) == 24
    assert names["apart"] < 1e-5
    assert torch.allclose(names["shares"], names["reported"], atol=1e-5)


def test_the_solution_is_the_share_of_not(names, opening):
    value = float(names["shapley_value"](names["worth"], 2))
    assert f"{value:+.2f}" == opening.glued["s5-not-share"]


def test_shares_sum_to_the_sentence_minus_the_base_value(names, opening):
    total = names["worth"][-1] - names["worth"][0]
    assert names["shares"].sum() == pytest.approx(float(total))
    assert opening.glued["s5-total"] == opening.glued["s5-shares"]


def test_the_model_is_undecided_about_masks_and_decided_about_the_sentence(names):
    assert names["worth"][0].abs() < 0.5
    assert names["worth"][-1] > 1


def test_bad_blames_and_beside_not_it_praises(names):
    assert names["base_of"]("it", "was", "bad") < names["base_of"]("it", "was")
    assert names["base_of"]("it", "was", "not", "bad") > 1
    shares = names["shares"]
    assert shares[3] > 0 and shares[2] > 0


def test_what_two_words_achieve_only_together_is_split_evenly():
    def game(members):
        return (members[:, 0] & members[:, 1]).double()[:, None] * 3

    assert torch.allclose(
        attribution.exact_shapley(game, 3)[:, 0], torch.tensor([1.5, 1.5, 0.0]).double()
    )


def test_owen_values_differ_from_shapley_values_and_have_the_same_sum(names):
    assert names["gap"].max() > 0.1
    assert names["shapley"].sum() == pytest.approx(float(names["owen"].sum()), abs=1e-4)
    assert 2**15 == 32768


def test_equal_weights_do_not_sum_to_the_total(names):
    worth, n = names["worth"], 4
    banzhaf = 0.0
    for player in range(n):
        added = [float(worth[c + 2**player] - worth[c]) for c in range(2**n) if not c >> player & 1]
        banzhaf += sum(added) / len(added)
    assert banzhaf != pytest.approx(float(worth[-1] - worth[0]), abs=0.02)


def test_the_classifier_was_trained_with_its_mask(names):
    aids = {aid.aid if hasattr(aid, "aid") else aid["aid"] for aid in _aids(names)}
    assert "masked" in aids


def _aids(names):
    return names["classifier"].card.training_aids


def test_figures_bring_their_numbers(opening):
    shares, circles = (value for value in opening.values if isinstance(value, plots.Picture))
    assert shares.table.count('<th scope="row"') == 4
    assert circles.table.count('<th scope="row"') == 4 * 2**3


# ----- the laboratory's still picture


def added(names, word):
    """For each set of words that are there already: how many orders, and what `word` adds."""
    return {
        frozenset(there.split()) - {"none"}: (count, value)
        for player, there, count, value in names["rows"]
        if player == word
    }


def test_circles_average_to_the_shapley_values(names):
    assert names["word_of"] == ["it", "was", "not", "bad"]
    for player, word in enumerate(names["word_of"]):
        circles = added(names, word).values()
        assert sum(count for count, _ in circles) == 24
        mean = sum(count * value for count, value in circles) / 24
        assert mean == pytest.approx(float(names["shares"][player]), abs=1e-6)


def test_bad_raises_with_not_and_lowers_without(names):
    for there, (_, value) in added(names, "bad").items():
        assert (value > 3) if "not" in there else (value < 0)
    assert min(value for _, value in added(names, "bad").values()) < -3


def test_not_adds_most_and_was_hardly_anything(names):
    most = {word: max(v for _, v in added(names, word).values()) for word in names["word_of"]}
    assert max(most, key=most.get) == "not"
    assert names["shares"].argmax() == 2
    assert max(abs(value) for _, value in added(names, "was").values()) < 0.5


def test_the_laboratorys_table_has_the_same_from_both(opening, names):
    said = opening.glued
    for word in (*names["word_of"], None):
        key = f"s5-lab-{word}-" if word else "s5-lab-"
        assert said[f"{key}exact"] == said[f"{key}shap"]
        if word:
            values = [value for _, value in added(names, word).values()]
            assert said[f"{key}least"] == f"{min(values):+.2f}"
            assert said[f"{key}most"] == f"{max(values):+.2f}"
