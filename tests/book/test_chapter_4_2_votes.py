"""What the chapter on few votes says, held against what its own cells compute."""

import re

import pytest
from chapter_run import Run, run

from interp_rl import plots
from interp_rl.finetuning.supervised import ppo_passes
from interp_rl.finetuning.training_runs import PPO_SETTINGS


@pytest.fixture(scope="module")
def few(root) -> Run:
    return run(root, "4-2-few-votes")


@pytest.fixture(scope="module")
def names(few):
    return few.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(few):
    assert set(re.findall(r"{glue:text}`([^`]+)`", few.text)) == set(few.glued)


def test_every_figure_brings_its_numbers(few):
    pictures = [value for value in few.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 2
    assert all(picture.table for picture in pictures)


# ----- 4.2i


def test_three_equal_thumbs_are_one_case_in_four():
    assert 2 * 0.5**3 == 0.25


def test_a_run_asks_for_thousands_of_judgements(few):
    assert int(few.glued["s42v-judgements"].replace(",", "")) > 1_000


def test_the_reward_model_repeats_its_votes_and_knows_little_else(names):
    draw = names["draw"]
    assert len(draw.votes.texts) == 3 and len(set(draw.votes.raters.tolist())) == 3
    assert draw.fitted == 1
    rise = {
        name: names["batches"]["last", name] - names["batches"]["first", name]
        for name in ("proxy", "true")
    }
    assert rise["proxy"] > 0.1 > abs(rise["true"]) + 0.01, "it has pleased its judge only"


def test_there_are_thirty_draws_of_three_votes(names):
    assert {body: list(sizes) for body, sizes in names["shipped"].items()} == {
        "language model": [3, 100],
        "classifier": [3, 10, 30, 100],
    }
    assert all(len(sizes[3].after) >= 30 for sizes in names["shipped"].values())


def test_three_votes_hardly_beat_guessing(names):
    assert 0.45 < names["few"].agreement.mean() < 0.65


def test_policies_of_three_votes_scatter_around_where_they_began(names):
    change = names["changes"]["language model", 3]
    assert abs(change.mean()) < 0.12
    assert (change > 0.1).any() and (change < -0.1).any()


def test_more_votes_help_and_other_peoples_labels_more(names):
    plain, taught = names["plain"], names["taught"]
    assert plain[100].after.mean() > plain[3].after.mean() - 0.02
    assert taught[3].agreement.mean() > plain[3].agreement.mean() + 0.05
    assert taught[100].agreement.mean() > taught[3].agreement.mean() + 0.02
    assert taught[100].after.mean() > plain[3].after.mean() + 0.1


def test_the_proxy_rises_in_every_panel_and_the_truth_in_all_but_the_first(names):
    def rise(draws, name):
        return (names["last"](draws, name) - draws.curves[name][:, :5].mean()).item()

    first, *others = names["panels"].values()
    assert first is names["few"] and len(others) == 3
    assert rise(first, "proxy") > 0.1 and rise(first, "true") < 0.05
    for draws in others:
        assert rise(draws, "proxy") > 0.1 and rise(draws, "true") > 0.08


def test_more_votes_add_little_to_a_reward_model_that_knew_the_difference(names):
    taught = names["taught"]
    assert abs(taught[100].after.mean() - taught[3].after.mean()) < 0.1


# ----- 4.2ii and 4.2iii


def test_both_raise_the_score_and_imitation_less(names):
    mean, compared = names["mean"], names["compared"]
    before, imitated, ppo = (mean(points, "reward") for points in compared.values())
    assert before + 0.05 < imitated < ppo


def test_at_a_higher_price_ppo_and_imitation_are_closer(names):
    mean, compared = names["mean"], names["compared"]
    for column in ("reward", "kl"):
        imitated, ppo = (mean(compared[name], column) for name in ("supervised", "PPO"))
        assert abs(mean(names["dear"], column) - imitated) < abs(ppo - imitated), column


def test_the_budgets_are_about_equal(names):
    """What is called PPO's budget, from the lengths that were measured."""
    points = names["compared"]["PPO"]
    used = ppo_passes(PPO_SETTINGS, prompt_length=5.0, response_length=points[0].length)
    assert names["budget"] == pytest.approx(used, rel=0.35)


def test_imitation_does_not_come_near_its_collection(few, names):
    liked = float(few.glued["s42v-data-reward"])
    assert names["mean"](names["compared"]["supervised"], "reward") < liked - 0.1


# ----- 4.2iv


def test_a_free_word_is_said_more_often_than_one_with_a_price(few):
    assert "one_word" in few.text
