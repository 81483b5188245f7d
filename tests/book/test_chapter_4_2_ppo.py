"""What the chapter on PPO says, held against what its own cells compute."""

import re
from dataclasses import replace

import pytest
import torch
from chapter_run import Run, run

from coursekit.labs import advantages
from interp_rl import plots
from interp_rl.finetuning import ppo


@pytest.fixture(scope="module")
def by_hand(root) -> Run:
    return run(root, "4-2-ppo")


@pytest.fixture(scope="module")
def names(by_hand):
    return by_hand.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(by_hand):
    assert set(re.findall(r"{glue:text}`([^`]+)`", by_hand.text)) == set(by_hand.glued)


def test_the_stubs_are_not_attempted_and_the_solutions_pass(by_hand):
    checked = [value for value in by_hand.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"] * 4
    assert [result.exercise for result in checked][::2] == ["4.2a", "4.2b", "4.2c", "4.2d"]


def test_every_figure_brings_its_numbers(by_hand):
    pictures = [value for value in by_hand.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 4
    assert all(picture.table for picture in pictures)


# ----- what the reader writes is what the library uses


def test_the_readers_functions_are_those_of_the_library(names):
    batch, log_ref = names["batch"], names["log_ref"]
    noise = 0.3 * torch.randn(batch.log_probs.shape, generator=torch.Generator().manual_seed(0))
    mask, moved = batch.mask, log_ref + noise
    ours = names["token_rewards"](names["scores"], moved, log_ref, mask, 0.05)
    theirs = ppo.token_rewards(names["scores"], moved, log_ref, mask, beta=0.05)
    assert torch.allclose(ours, theirs, atol=1e-6)
    values = noise.flip(1)
    ours = names["gae"](theirs, values, mask, 1.0, 0.95)
    assert torch.allclose(ours, ppo.gae(theirs, values, mask), atol=1e-6)
    loss = names["clipped_loss"](moved, log_ref, ours, mask, 0.2)
    assert torch.allclose(loss, ppo.policy_loss(moved, log_ref, ours, mask, clip=0.2), atol=1e-6)


def test_the_end_token_counts_and_nothing_after_it(names):
    batch, row = names["batch"], names["shortest"]
    assert batch.ended[row] and not batch.mask[row, -1], "it ends before the longest one"
    last = int(batch.mask[row].sum()) - 1
    assert batch.response[row, last] == names["tokenizer"].eos_token_id


def test_before_the_first_step_nothing_is_left_of_the_penalty(names):
    rewards = names["per_token"]
    assert torch.allclose(rewards.sum(1), names["scores"], atol=1e-5)
    assert (rewards.abs() > 1e-4).sum(1).tolist() == [1] * 4, "one token is paid in each row"


def test_the_rewards_sum_to_the_penalised_score(names):
    generator = torch.Generator().manual_seed(1)
    new, old = torch.randn(2, 3, 5, generator=generator)
    mask = torch.arange(5) < torch.tensor([[5], [2], [3]])
    scores = torch.tensor([0.1, 0.5, 0.9])
    rewards = names["token_rewards"](scores, new, old, mask, 0.05)
    total = scores - 0.05 * ((new - old) * mask).sum(1)
    assert torch.allclose(rewards.sum(1), total, atol=1e-6)


def test_with_no_values_the_advantage_is_the_sum_of_the_later_rewards(names):
    rewards = torch.tensor([[1.0, 2.0, 4.0]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    answer = names["gae"](rewards, torch.zeros(1, 3), mask, 1.0, 1.0)
    assert answer.tolist() == [[7.0, 6.0, 4.0]]


def test_the_curves_of_the_clip_are_flat_on_one_side_only(names):
    ratios, gain = names["ratios"], names["gain"]
    beyond = ratios > 1.2 + 1e-4
    assert torch.tensor(gain[1])[beyond].std() < 1e-5
    below = ratios < 0.8 - 1e-4
    assert torch.tensor(gain[-1])[below].std() < 1e-5
    for sign, side in ((1, ratios < 1.2), (-1, ratios > 0.8)):
        steps = torch.tensor(gain[sign])[side].diff()
        assert (steps * sign > 0).all()


# ----- the still pictures of the laboratories


def test_the_still_picture_shows_the_first_text_of_the_laboratory(root, names):
    data = advantages.data(root)
    text = data["texts"][0]
    word = names["written"]
    assert [*word[:-1], "end"] == text["tokens"] and word[-1] == "end token"
    assert names["reads"] == pytest.approx(text["values"], abs=6e-4)
    assert names["reads"][0] == pytest.approx(data["constant"], abs=6e-4), "what it always says"
    assert names["paid"][names["first"]].item() == pytest.approx(text["score"], abs=6e-4)


def test_with_lambda_0_the_critic_that_reads_credits_one_word_and_the_other_the_end(names):
    credit = names["credit"]
    word, values = names["decided"], names["reads"]
    assert word == max(range(len(values) - 1), key=lambda t: values[t + 1] - values[t])
    assert word < names["n"] - 1, "the value jumps after a word, not at the end"
    reads, gained = credit["reads", 0.0], names["paid"][names["first"]].item() - values[0]
    assert sum(reads) == pytest.approx(gained, abs=1e-5)
    assert reads[word] > 0.6 * gained, "most of the credit"
    others = [a for t, a in enumerate(reads) if t != word]
    assert all(abs(a) < 0.4 * reads[word] for a in others), "near zero but for one word"
    same = credit["same", 0.0]
    assert max(map(abs, same[:-1])) < 1e-6 and same[-1] == pytest.approx(gained, abs=1e-5)


def test_with_lambda_1_every_token_has_a_share(names):
    credit, values = names["credit"], names["reads"]
    score = names["paid"][names["first"]].item()
    assert credit["reads", 1.0] == pytest.approx([score - v for v in values], abs=1e-5)
    for critic in ("reads", "same"):
        assert min(credit[critic, 0.95]) > 0.05 and min(credit[critic, 1.0]) > 0.05
    ends = [credit["same", lam][-1] for lam in (0.0, 0.95, 1.0)]
    assert max(ends) - min(ends) < 1e-6, "there all three meet"


def test_the_clip_takes_the_gradient_on_one_side_and_nothing_elsewhere(names):
    reached, pull = torch.tensor(names["reached"]), names["pull"]
    for sign, beyond in ((1, reached > 1.2 + 1e-4), (-1, reached < 0.8 - 1e-4)):
        with_clip, without = torch.tensor(pull[sign, 0.2]), torch.tensor(pull[sign, None])
        assert 20 < beyond.sum() < len(reached) - 20
        assert (with_clip[beyond] == 0).all() and (without[beyond].abs() > 0.3).all()
        inside = ~beyond & ((reached - 1).abs() - 0.2).abs().gt(1e-4)
        assert torch.allclose(with_clip[inside], without[inside])
        assert torch.allclose(without, sign * reached, atol=1e-6), "in the log-probability"


def test_the_table_of_the_clip_has_a_zero_for_each_sign(by_hand):
    glued = {key: value for key, value in by_hand.glued.items() if key.endswith("-slope")}
    zeros = {key for key, value in glued.items() if value == "0"}
    assert zeros == {"s42p-clip-high-up-slope", "s42p-clip-low-down-slope"} and len(glued) == 6
    assert by_hand.glued["s42p-clip-high-up"] == "+1.20", "objective at the limit"
    assert by_hand.glued["s42p-clip-low-down"] == "-0.80"


# ----- the run


def test_training_raises_the_score_for_few_nats(names):
    before, after = names["before"], names["after"]
    assert 0.4 < before.reward.value < 0.65
    assert after.reward.value > before.reward.value + 0.2
    assert before.kl.value == pytest.approx(0, abs=1e-4)
    assert 0.5 < after.kl.value < 5


def test_the_price_is_the_one_that_the_text_names(by_hand, names):
    assert by_hand.glued["s42p-price"] == "0.07" == f"{names['settings'].beta:g}"
    assert names["settings"].discount == 1


def test_the_clip_is_rarely_met(names):
    assert sum(names["run"].history["clipped"]) / names["settings"].updates < 0.05


def test_the_reference_stays_what_it_was(names):
    from interp_rl import models

    fresh = models.load("reviews").model.state_dict()
    kept = names["reference"].state_dict()
    assert all(torch.equal(fresh[name], kept[name]) for name in fresh)


def test_the_score_stays_while_the_penalty_takes_back_divergence(names):
    reward, kl = (torch.tensor(names["run"].history[name]) for name in ("reward", "kl"))
    start, half, end = slice(5), slice(25, 45), slice(-10, None)
    assert reward[half].mean() > reward[start].mean() + 0.2
    assert reward[end].mean() > reward[half].mean() - 0.05
    assert kl[end].mean() < kl[half].mean() - 0.1


# ----- luck or skill


def test_every_seed_reaches_the_goal(names):
    five = names["five"]
    assert len(five.seconds) == 5
    assert five.final["reward"].min() >= 0.9, "mean P(positive) on 200 held-out prompts"
    assert five.final["kl"].max() <= 3.0, "nats per sequence"
    assert five.seconds.max() <= 60, "of one core"
    assert five.settings == replace(names["settings"], seed=0)


# ----- each term left out


def test_no_other_term_changes_the_divergence_as_the_penalty_does(names):
    kl = {name: runs.final["kl"].mean().item() for name, runs in names["variants"].items()}
    whole = kl.pop("all terms")
    free = kl.pop("no penalty")
    assert all(abs(value - whole) < 0.5 * (free - whole) for value in kl.values())


def test_the_score_hardly_needs_the_other_terms(names):
    reward = {name: runs.final["reward"].mean().item() for name, runs in names["variants"].items()}
    for name in ("no value head", "no whitening", "no clip"):
        assert abs(reward[name] - reward["all terms"]) < 0.12, name


def test_without_values_lambda_is_a_discount_and_responses_are_shorter(names):
    rewards = torch.zeros(1, 5)
    rewards[0, 4] = 1.0
    mask = torch.ones(1, 5, dtype=torch.bool)
    answer = names["gae"](rewards, torch.zeros(1, 5), mask, 1.0, 0.95)
    assert answer[0, 0].item() == pytest.approx(0.95**4)
    assert names["variants"]["no value head"].settings.lam == 0.95
    length = {name: runs.final["length"].mean() for name, runs in names["variants"].items()}
    assert length["no value head"] < 0.85 * length["all terms"]


def test_the_variants_differ_in_what_their_name_says(names):
    from interp_rl.finetuning.ppo_terms import VARIANTS

    assert set(names["variants"]) == set(VARIANTS)


def test_leave_one_out_sums_to_zero_within_a_prompt(names):
    rewards = torch.tensor([0.2, 0.9, 0.4, 1.0, 0.0, 0.3])
    answer = names["rloo_advantages"](rewards, 3)
    assert torch.allclose(answer.view(2, 3).sum(1), torch.zeros(2), atol=1e-6)
