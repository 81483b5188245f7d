"""Supervised fine-tuning: it learns its texts, within its budget, which is counted as PPO's is."""

import copy

import pytest
import torch

from interp_rl.finetuning import supervised
from interp_rl.finetuning.ppo import PPOSettings
from interp_rl.finetuning.rollouts import generate
from interp_rl.finetuning.supervised import SupervisedSettings, ppo_passes, train_supervised
from interp_rl.models.recipes import reviews_corpus

TEXTS = ["the film was good .", "the food was very good .", "the plot was not bad ."]
SETTINGS = SupervisedSettings(passes=20_000, batch=8, learning_rate=1e-2)


def test_what_is_read_becomes_probable(model, tokenizer):
    run = train_supervised(model, tokenizer, TEXTS, SETTINGS)
    assert run.policy is model and not model.training
    loss = run.history["loss"]
    assert loss[-1] < 0.3 * loss[0]
    rollout = generate(model, tokenizer, ["the"] * 40, new_tokens=10, seed=0)
    assert sum(text in TEXTS for text in rollout.texts) > 30


def test_the_loss_is_the_mean_over_real_tokens(model, tokenizer):
    """Padding neither counts nor changes anything: the first loss is that of the texts alone."""
    settings = SupervisedSettings(passes=1, batch=3, learning_rate=1e-9)
    run = train_supervised(model, tokenizer, TEXTS, settings)
    losses, count = 0.0, 0
    for ids in supervised.encode(model, tokenizer, TEXTS):
        with torch.no_grad():
            log_all = model(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        losses -= log_all[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].sum().item()
        count += len(ids) - 1
    assert run.history["loss"][0] == pytest.approx(losses / count, rel=1e-4)


def test_the_budget_is_kept_to_a_batch_and_counted_in_token_passes(model, tokenizer):
    run = train_supervised(model, tokenizer, TEXTS[:1], SETTINGS)
    per_step = 8 * 6 * 3  # texts, tokens that are read, forward and backward
    assert run.history["passes"][0] == per_step
    assert SETTINGS.passes <= run.history["passes"][-1] < SETTINGS.passes + per_step
    assert run.history["texts"][-1] == 8 * len(run.history["loss"])


def test_ppos_passes_are_what_a_run_does(untouched, model, tokenizer, reward, monkeypatch):
    """Counts the tokens that go through models in a run of PPO."""
    from interp_rl.finetuning.ppo import train

    settings = PPOSettings(updates=2, batch=4, minibatch=2, epochs=3, new_tokens=5)
    passes = {"write": 0, "read": 0, "learn": 0}
    forward = type(model).forward

    def counting(self, *arguments, **options):
        tokens = options["input_ids"].numel()
        if options.get("use_cache"):
            passes["write"] += tokens
        elif torch.is_grad_enabled():
            passes["learn"] += tokens
        else:
            passes["read"] += tokens
        output = forward(self, *arguments, **options)
        output.logits = output.logits.index_fill(-1, torch.tensor(tokenizer.eos_token_id), -1e9)
        return output  # no text ends, so that nothing is padding

    monkeypatch.setattr(type(model), "forward", counting)
    reference = copy.deepcopy(untouched)
    run = train(model, reference, tokenizer, ["the film"], reward, settings, progress=False)
    assert set(run.history["length"]) == {5.0}
    per_text = 3 + 5 - 1  # the last token is never read
    assert passes["write"] == 2 * 4 * per_text
    assert passes["read"] == 2 * 4 * per_text * 2  # policy and reference
    assert passes["learn"] == 2 * 4 * per_text * 3  # epochs
    # with the reward model, as large as the policy, and each backward pass counted twice
    total = passes["write"] + passes["read"] + 2 * 4 * per_text + 3 * passes["learn"]
    assert ppo_passes(settings, prompt_length=3.0, response_length=5.0) == total


def test_positive_reviews_are_positive_and_repeat(untouched):
    texts = supervised.positive_reviews(40, seed=1)
    assert texts == supervised.positive_reviews(40, seed=1) != supervised.positive_reviews(40)
    tokenizer = reviews_corpus.build_tokenizer()
    ids = tokenizer(texts)["input_ids"]
    assert not any(tokenizer.unk_token_id in row for row in ids)
    assert len(set(texts)) > 35


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "at least one"),
        ("the film", "list of texts"),
        (["the film", ""], "is empty"),
        (["the zebra"], "outside the vocabulary"),
        (["the film " * 20], "has 42 tokens.*32 positions"),
    ],
)
def test_texts_that_cannot_be_learned_from_are_refused(texts, message, model, tokenizer):
    with pytest.raises(ValueError, match=message):
        train_supervised(model, tokenizer, texts, SETTINGS)


@pytest.mark.parametrize("changes", [{"passes": 0}, {"batch": 0}, {"learning_rate": -1.0}])
def test_settings_that_cannot_be_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        SupervisedSettings(**changes)
