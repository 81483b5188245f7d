"""What chapter 5.3 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import attribution, plots
from interp_rl.attribution.model_diff import read_weights


@pytest.fixture(scope="module")
def inside(root) -> Run:
    return run(root, "5-3-what-ppo-changed")


@pytest.fixture(scope="module")
def names(inside):
    return inside.names


def test_prose_uses_only_numbers_that_its_cells_provide(inside):
    assert set(re.findall(r"{glue:text}`([^`]+)`", inside.text)) <= set(inside.glued)


def test_the_stub_is_not_attempted_and_the_solution_passes(inside):
    checked = [value for value in inside.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


def test_ppo_raises_the_reward_on_held_out_beginnings(names):
    before, after = (names["reports"][name].reward for name in ("before", "after"))
    assert after.low > before.high
    assert names["reports"]["before"].kl.value == pytest.approx(0, abs=1e-5)
    assert 0.5 < names["reports"]["after"].kl.value < 8


def test_the_base_model_is_as_it_was(names):
    from interp_rl import models

    fresh = models.load("reviews").model.state_dict()
    assert all(torch.equal(w, fresh[k]) for k, w in names["base"].model.state_dict().items())


def test_the_largest_rise_is_no_word_of_praise(names):
    from interp_rl.models.recipes.reviews_corpus import ADJECTIVES

    shift, first = names["shift"], names["rose"][0]
    assert shift.after[first] - shift.before[first] > 0.1
    assert ADJECTIVES.get(shift.words[first], 0) != 1


def test_what_is_explained_was_chosen_on_other_beginnings(names):
    assert not set(names["ours"]) & set(names["others"])
    assert names["effects"].change > 1


def test_the_shares_of_the_difference_are_differences_of_shares(names):
    one, two, three = (names["stories"][n].values for n in ("before", "after", "difference"))
    assert torch.allclose(two - one, three, atol=1e-4)


def test_the_change_rests_on_the_last_word(names):
    story = names["story"]
    assert int(story.abs().argmax()) == len(story) - 1
    assert story[-3:].sum() > 0.75 * story.sum(), "subject and verb of the clause"
    assert story[:-3].sum().abs() < 0.25 * story.sum()


def test_no_head_carries_the_change(names):
    assert names["heads"].abs().max() < 0.15
    shares = names["shares"]
    assert 0.7 < sum(shares.values()) < 1.3, "parts do little that only works in company"
    assert "head" not in [part.kind for part in list(shares)[:2]]


def test_it_sits_late(names):
    """Unembedding and the last MLP come first, in both directions."""
    for found in (names["shares"], names["lost"]):
        first = {str(part) for part in list(found)[:2]}
        assert first == {"unembedding", f"MLP {len(names['heads']) - 1}"}


def test_a_few_parts_bring_most_of_it_and_the_rest_is_spread(names):
    place, n = names["place"], len(names["shares"])
    assert place.needed(0.8) < n / 3 < place.needed(0.95)
    assert place.ranked[place.needed(0.8)] > 2 * place.random[:, place.needed(0.8)].mean()
    assert place.ranked[-1] == pytest.approx(1, abs=1e-3)


def test_all_matrices_moved_by_similar_amounts(names):
    relative = names["relative"]
    assert relative[0] < 4 * relative[-1]
    assert relative == sorted(relative, reverse=True)


def test_the_base_model_has_no_direction_and_ppo_wrote_one(names):
    rows = names["rows"]
    assert rows.base < 0.6
    assert rows.change > rows.chance[1]
    assert rows.change > 0.85


def test_shap_and_circuit_tell_the_same_story(names):
    assert names["agreement"]("five parts") > 0.9
    assert names["agreement"]("five parts") > names["agreement"]("five other parts")
    size = names["told"]["five parts"].abs().sum() / names["told"]["the tuned model"].abs().sum()
    other = names["told"]["five other parts"].abs().sum()
    assert size > 0.6 and other < names["told"]["five parts"].abs().sum()
    assert not set(names["few"]) & set(names["random_few"])


def test_the_whole_graft_is_the_tuned_model(names):
    weights = [read_weights(names[name]) for name in ("tuned",)]
    whole = attribution.CircuitContrast(weights[0], names["pair"]["before"])
    text = names["others"][:3]
    assert torch.allclose(whole(text), names["pair"]["after"](text), atol=1e-3)


def test_every_figure_brings_its_numbers(inside):
    pictures = [value for value in inside.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 3
    assert all("<table>" in picture.table for picture in pictures)
