"""Measures: what evaluate reports is what it says."""

import copy
import itertools
import math

import pytest
import torch

from interp_rl.finetuning import measures
from interp_rl.finetuning.measures import distinct, estimate, evaluate
from interp_rl.finetuning.rollouts import generate, response_log_probs


@pytest.fixture
def drifted(model):
    """A policy that is no longer its reference."""
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return model


def test_a_copy_has_no_divergence(untouched, tokenizer, prompts, reward):
    report = evaluate(untouched, copy.deepcopy(untouched), tokenizer, prompts, reward, seed=0)
    assert abs(report.kl.value) < 1e-5


def test_divergence_has_the_mean_of_the_log_ratios_and_varies_less(
    drifted, untouched, tokenizer, prompts, reward
):
    many = prompts * 250
    report = evaluate(drifted, untouched, tokenizer, many, reward, seed=0, batch=1000)
    rollout = generate(drifted, tokenizer, many, seed=1)
    with torch.no_grad():
        other = response_log_probs(untouched, rollout)
    ratios = estimate(measures.sequence_kl(rollout.log_probs, other, rollout.mask))
    assert abs(report.kl.value - ratios.value) < 2 * (ratios.high - ratios.low)
    assert report.kl.high - report.kl.low < ratios.high - ratios.low
    assert report.kl.value > 0.5


def test_batches_change_nothing_but_the_draws(drifted, untouched, tokenizer, prompts, reward):
    report = evaluate(drifted, untouched, tokenizer, prompts * 4, reward, seed=0, batch=5)
    assert len(report.texts) == len(report.scores) == 16
    again = evaluate(drifted, untouched, tokenizer, prompts * 4, reward, seed=0, batch=5)
    assert again == report


def test_figures_agree_with_a_direct_computation(drifted, untouched, tokenizer, prompts, reward):
    report = evaluate(drifted, untouched, tokenizer, prompts, reward, seed=0)
    rollout = generate(drifted, tokenizer, prompts, seed=0)
    assert report.texts == rollout.texts
    assert report.scores == reward(rollout.texts).tolist()
    assert report.reward.value == pytest.approx(reward(rollout.texts).mean().item())
    with torch.no_grad():
        log_probs = response_log_probs(untouched, rollout)[rollout.mask]
    assert report.perplexity == pytest.approx(math.exp(-log_probs.mean().item()), rel=1e-4)
    pairs = []
    for row, mask in zip(rollout.response.tolist(), rollout.mask.tolist(), strict=True):
        real = [token for token, there in zip(row, mask, strict=True) if there]
        pairs += itertools.pairwise([token for token in real if token != tokenizer.eos_token_id])
    assert report.distinct_2 == pytest.approx(len(set(pairs)) / len(pairs))
    assert report.ended == pytest.approx(rollout.ended.float().mean().item())
    assert report.length == pytest.approx(rollout.mask.sum().item() / 4)
    assert "nats per sequence" in str(report)


def test_distinct_counts_different_n_grams():
    rows = [[1, 2, 1, 2], [1, 2]]
    assert distinct(rows, 1) == 2 / 6
    assert distinct(rows, 2) == 2 / 4  # (1, 2), (2, 1), (1, 2) and (1, 2)
    assert math.isnan(distinct([[], [1]], 2))


def test_an_interval_covers_the_mean_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    samples = torch.rand(2000, 50, generator=generator)
    hits = sum(low < 0.5 < high for _, low, high in map(estimate, samples))
    assert 0.93 < hits / 2000 < 0.965
    assert math.isnan(estimate(torch.ones(1)).low)


def test_different_vocabularies_are_refused(untouched, tokenizer, prompts, reward):
    from transformers import GPT2Config, GPT2LMHeadModel

    other = GPT2LMHeadModel(GPT2Config(vocab_size=99, n_embd=8, n_layer=1, n_head=1)).eval()
    with pytest.raises(ValueError, match="the reference 99"):
        evaluate(untouched, other, tokenizer, prompts, reward, seed=0)
    with pytest.raises(ValueError, match="no prompts"):
        evaluate(untouched, untouched, tokenizer, [], reward, seed=0)
