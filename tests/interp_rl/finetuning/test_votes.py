"""Few votes: the raters' model, the reward model that fits them, and a draw from end to end."""

import copy
import dataclasses

import pytest
import torch

from interp_rl.finetuning import ppo
from interp_rl.finetuning import votes as module
from interp_rl.finetuning.votes import Votes, VotesSettings, cast_votes, fit_reward_model, run_draw

PROMPTS = ["the film", "the food was", "the plot"]
SHORT = dataclasses.replace(
    module.POLICY_GRADIENT, updates=6, batch=16, minibatch=16, new_tokens=6, learning_rate=1e-2
)


def true_reward(texts):
    """High for texts that say good."""
    return torch.tensor([0.95 if "good" in text.split() else 0.1 for text in texts])


# ----- the raters


@pytest.mark.parametrize("true", [0.1, 0.5, 0.8])
def test_thumbs_follow_the_stated_probability(true):
    settings = VotesSettings(votes=20_000, leniency_spread=0.0, sharpness=6.0)
    found = cast_votes(["a text"] * 20_000, torch.full((20_000,), true), settings)
    expected = torch.tensor(6.0 * (true - 0.5)).sigmoid().item()
    assert found.thumbs.float().mean().item() == pytest.approx(expected, abs=0.01)


def test_raters_take_turns_and_differ_in_strictness():
    settings = VotesSettings(raters=30, leniency_spread=0.2, seed=1)
    found = cast_votes(["a text"] * 30_000, torch.full((30_000,), 0.5), settings)
    assert found.raters[:31].tolist() == [*range(30), 0]
    ups = torch.stack([found.thumbs[found.raters == one].float().mean() for one in range(30)])
    logits = ups.logit() / settings.sharpness
    assert 0.13 < logits.std().item() < 0.27, "leniencies, read back from how often thumbs go up"


def test_votes_repeat_and_differ_between_seeds():
    true = torch.full((50,), 0.5)
    one, same, other = (
        cast_votes(["x"] * 50, true, VotesSettings(seed=seed)).thumbs for seed in (1, 1, 2)
    )
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_rewards_beyond_the_raters_model_are_refused():
    with pytest.raises(ValueError, match=r"from -0\.50 to 2\.00"):
        cast_votes(["a", "b"], torch.tensor([-0.5, 2.0]), VotesSettings())


# ----- the reward model


def test_the_reward_model_repeats_its_votes_and_knows_little_else(untouched, tokenizer):
    texts = ["the film was good", "the food was bad", "the plot was great"]
    votes = Votes(
        texts, torch.tensor([True, False, True]), torch.arange(3), torch.tensor([0.9, 0.1, 0.9])
    )
    before = copy.deepcopy(untouched.state_dict())
    state = torch.get_rng_state()
    settings = VotesSettings(fit_learning_rate=1e-2)
    reward, fitted = fit_reward_model(untouched, tokenizer, votes, settings)
    assert fitted == 1
    scores = reward(texts)
    assert (scores > 0.5).tolist() == [True, False, True]
    assert ((scores > 0) & (scores < 1)).all()
    again, _ = fit_reward_model(untouched, tokenizer, votes, settings)
    assert torch.equal(again(texts), scores)
    assert all(torch.equal(value, before[key]) for key, value in untouched.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_reward_model_starts_from_what_it_is_given(untouched, classifier, tokenizer):
    votes = Votes(["the film"], torch.tensor([True]), torch.tensor([0]), torch.tensor([0.9]))
    one, other = (
        fit_reward_model(start, tokenizer, votes, VotesSettings())[0](["the plot was bad"])
        for start in (untouched, classifier)
    )
    assert not torch.allclose(one, other)


def test_an_untrained_reward_model_calls_everything_even(untouched, tokenizer):
    votes = Votes(["the film"], torch.tensor([True]), torch.tensor([0]), torch.tensor([0.9]))
    settings = VotesSettings(fit_steps=1, fit_learning_rate=1e-12)
    reward, _ = fit_reward_model(untouched, tokenizer, votes, settings)
    assert reward(["the plot was bad"]).item() == pytest.approx(0.5, abs=1e-4)


def test_no_votes_are_refused(untouched, tokenizer):
    empty = Votes([], torch.zeros(0, dtype=torch.bool), torch.zeros(0).long(), torch.zeros(0))
    with pytest.raises(ValueError, match="no votes"):
        fit_reward_model(untouched, tokenizer, empty, VotesSettings())


# ----- a draw


@pytest.fixture(scope="module")
def draw(untouched, tokenizer):
    settings = VotesSettings(votes=8, training=SHORT, fit_learning_rate=1e-2, seed=2)
    return run_draw(untouched, tokenizer, true_reward, PROMPTS, ["the food is"], settings)


def test_a_draw_has_what_followed_from_its_votes(draw, untouched, tokenizer):
    assert len(draw.votes.texts) == 8 and draw.votes.raters.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert torch.allclose(draw.votes.true, true_reward(draw.votes.texts))
    assert 0 <= draw.fitted <= 1 and 0 <= draw.agreement <= 1
    assert {name: len(values) for name, values in draw.history.items()} == {
        "proxy": 6, "true": 6, "kl": 6,
    }  # fmt: skip
    assert draw.history["kl"][0] == pytest.approx(0, abs=1e-4) and draw.history["kl"][-1] != 0
    assert draw.before.kl.value == pytest.approx(0, abs=1e-4)
    assert draw.after.kl.value > 1e-3
    assert draw.policy is not untouched


def test_the_policy_is_trained_on_the_proxy_and_not_on_the_true_reward(untouched, tokenizer):
    """With another true reward behind the same votes, the policy is the same."""
    settings = VotesSettings(votes=4, training=SHORT, seed=3)

    def trained(scale):
        def true(texts):
            # votes are drawn from the first call; later values must not matter
            calls.append(len(texts))
            return true_reward(texts) * (1.0 if len(calls) == 1 else scale)

        calls = []
        return run_draw(untouched, tokenizer, true, PROMPTS, ["the food is"], settings)

    one, other = trained(1.0), trained(0.3)
    assert one.history["proxy"] == other.history["proxy"]
    assert one.history["true"] != other.history["true"]
    pairs = zip(one.policy.parameters(), other.policy.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_same_seed_gives_the_same_draw(draw, untouched, tokenizer):
    again = run_draw(untouched, tokenizer, true_reward, PROMPTS, ["the food is"], draw.settings)
    assert again.history == draw.history and again.after.texts == draw.after.texts


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"votes": 0}, "votes is 0"),
        ({"raters": 0}, "raters is 0"),
        ({"sharpness": 0.0}, "must be positive"),
        ({"leniency_spread": -0.1}, "it is a spread"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        VotesSettings(**changes)


def test_prompts_are_needed(untouched, tokenizer):
    with pytest.raises(ValueError, match="no prompts"):
        run_draw(untouched, tokenizer, true_reward, [], ["the film"], VotesSettings())


def test_the_cheap_trainer_gives_all_tokens_of_a_text_what_the_text_earned():
    """What the docstring of its settings says."""
    settings = module.POLICY_GRADIENT
    assert settings.value_head is False and settings.lam == settings.discount == 1.0
    mask = torch.tensor([[True, True, True], [True, True, False]])
    rewards = ppo.token_rewards(
        torch.tensor([1.0, 0.2]), torch.zeros(2, 3), torch.zeros(2, 3), mask, beta=settings.beta
    )
    earned = ppo.gae(rewards, torch.zeros(2, 3), mask, discount=1.0, lam=1.0)
    assert torch.allclose(earned, torch.tensor([[1.0, 1.0, 1.0], [0.2, 0.2, 0.0]]))
