"""What the chapter on few votes says, held against what its own cells compute."""

import re

import pytest
from chapter_run import Run, run

from interp_rl import plots
from interp_rl.finetuning.ppo import PPOSettings
from interp_rl.finetuning.supervised import ppo_passes


@pytest.fixture(scope="module")
def few(root) -> Run:
    return run(root, "4-2-few-votes")


@pytest.fixture(scope="module")
def names(few):
    return few.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(few):
    used = set(re.findall(r"{glue:text}`([^`]+)`", few.text))
    assert used <= set(few.glued)


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
    assert names["proxy_end"] > names["true_end"] + 0.1, "the policy has pleased its judge only"


def test_there_are_thirty_draws_of_each_number_of_votes(names):
    assert list(names["shipped"]) == [3, 10, 30, 100]
    assert all(len(draws.after) >= 30 for draws in names["shipped"].values())


def test_three_votes_hardly_beat_guessing(names):
    draws = names["shipped"][3]
    assert 0.45 < draws.agreement.mean() < 0.65


def test_policies_of_three_votes_scatter_around_where_they_began(names):
    change = names["changes"][3]
    assert abs(change.mean()) < 0.12
    assert (change > 0.1).any() and (change < -0.1).any()


def test_more_votes_are_better(names):
    means = [draws.after.mean().item() for draws in names["shipped"].values()]
    agreement = [draws.agreement.mean().item() for draws in names["shipped"].values()]
    assert means[-1] > means[0] + 0.05
    assert agreement[-1] > agreement[0] + 0.05


def test_the_reward_model_is_satisfied_in_both_cases(names):
    for n in (3, 100):
        curves = names["shipped"][n].curves
        proxy, true = (curves[name][:, -5:].mean() for name in ("proxy", "true"))
        assert proxy > 0.8 and proxy > true + 0.05, n
    gaps = {n: names["shipped"][n].curves for n in (3, 100)}
    gap = {n: (c["proxy"] - c["true"])[:, -5:].mean() for n, c in gaps.items()}
    assert gap[3] > gap[100]


# ----- 4.2ii and 4.2iii


def test_both_raise_the_score_and_imitation_less(names):
    mean, compared = names["mean"], names["compared"]
    before, imitated, ppo = (mean(points, "reward") for points in compared.values())
    assert before + 0.05 < imitated < ppo


def test_the_budgets_are_about_equal(names):
    """What is called PPO's budget, from the lengths that were measured."""
    points = names["compared"]["PPO"]
    used = ppo_passes(PPOSettings(), prompt_length=5, response_length=points[0].length)
    assert names["budget"] == pytest.approx(used, rel=0.35)


def test_imitation_cannot_go_beyond_its_collection(few, names):
    liked = float(few.glued["s42v-data-reward"])
    assert names["mean"](names["compared"]["supervised"], "reward") < liked + 0.03


# ----- 4.2iv


def test_a_free_word_is_said_more_often_than_one_with_a_price(few):
    assert "one_word" in few.text
