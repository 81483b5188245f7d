"""Best-of-n: its divergence in closed form, its expectation, and the frontier nothing can beat."""

import itertools
import math

import pytest
import torch

from interp_rl.finetuning import measures
from interp_rl.finetuning.best_of_n import (
    best_of,
    draw_pool,
    expected_best,
    kl_bound,
    optimal_frontier,
)

PROMPTS = ["the film", "the food was", "the plot"]


@pytest.fixture(scope="module")
def pool(untouched, tokenizer):
    def good(texts):
        return [float(text.split().count("good")) for text in texts]

    return draw_pool(
        untouched, tokenizer, PROMPTS, good, samples=40, seed=3, new_tokens=6, batch=50
    )


# ----- the divergence


def exact_kl(probabilities, rewards, n):
    """KL of best-of-n over finitely many texts; the first drawn of equal ones is kept."""
    kl = 0.0
    for at, p in enumerate(probabilities):
        below = sum(q for q, r in zip(probabilities, rewards, strict=True) if r < rewards[at])
        equal = sum(q for q, r in zip(probabilities, rewards, strict=True) if r == rewards[at])
        best = ((below + equal) ** n - below**n) * p / equal
        kl += best * math.log(best / p)
    return kl


@pytest.mark.parametrize("n", [1, 2, 4, 16])
def test_the_bound_is_reached_by_many_texts_of_different_rewards(n):
    many = 20_000
    assert exact_kl_of_uniform(many, n) == pytest.approx(kl_bound(n), abs=2e-3)


def exact_kl_of_uniform(many, n):
    """The same for equally probable texts with different rewards, without the double loop."""
    rank = torch.arange(many, dtype=torch.double)
    best = ((rank + 1) / many) ** n - (rank / many) ** n
    return float((best * (best * many).log()).nan_to_num(0.0).sum())


def test_the_divergence_is_smaller_where_texts_tie_or_are_probable():
    generator = torch.Generator().manual_seed(0)
    for n in (2, 4, 16):
        for _ in range(20):
            p = torch.rand(6, generator=generator, dtype=torch.double)
            rewards = torch.randint(3, (6,), generator=generator).tolist()
            kl = exact_kl((p / p.sum()).tolist(), rewards, n)
            assert 0 <= kl < kl_bound(n)
    # a reward of two values leaves at most the divergence of conditioning on the better one
    assert exact_kl([0.5, 0.5], [0, 1], 100) == pytest.approx(math.log(2), abs=1e-3)


def test_the_bound_grows_with_n_and_needs_a_text():
    bounds = [kl_bound(n) for n in (1, 2, 4, 8)]
    assert bounds[0] == 0 and bounds == sorted(bounds)
    with pytest.raises(ValueError, match="at least one text"):
        kl_bound(0)


# ----- texts


def test_the_pool_keeps_prompts_apart(pool, untouched, tokenizer):
    assert pool.scores.shape == pool.lengths.shape == (3, 40)
    for prompt, texts, scores in zip(PROMPTS, pool.texts, pool.scores, strict=True):
        assert all(text.startswith(prompt) for text in texts)
        assert scores.tolist() == [float(text.split().count("good")) for text in texts]
    assert pool.scores.std() > 0


def test_the_best_of_one_is_the_model_itself(pool, untouched, tokenizer):
    report = best_of(pool, 1)
    assert report.kl.value == 0 and math.isnan(report.kl.low)
    assert report.texts == [texts[0] for texts in pool.texts]
    assert report.reward.value == pytest.approx(pool.scores[:, 0].mean().item())


def test_the_best_of_many_wins_and_is_measured_as_a_policy_is(pool):
    report = best_of(pool, 40)
    assert report.reward.value == pytest.approx(pool.scores.max(1).values.mean().item())
    assert report.kl.value == report.kl.high == kl_bound(40)
    for text, score, texts, scores in zip(
        report.texts, report.scores, pool.texts, pool.scores, strict=True
    ):
        assert score == scores.max() and text in texts
    assert 0 < report.distinct_1 <= 1 <= report.perplexity
    with pytest.raises(ValueError, match="the pool has 40 texts"):
        best_of(pool, 41)


def test_perplexity_is_that_of_measures(untouched, tokenizer, reward):
    """Of the model's own texts, best-of-1's figures are those that `evaluate` gives."""
    prompts = PROMPTS * 30
    report = measures.evaluate(
        untouched, untouched, tokenizer, prompts, reward, seed=3, new_tokens=6
    )
    drawn = draw_pool(untouched, tokenizer, prompts, reward, samples=1, seed=3, new_tokens=6)
    same = best_of(drawn, 1)
    assert same.texts == report.texts
    for name in ("perplexity", "distinct_1", "distinct_2", "ended", "length"):
        assert getattr(same, name) == pytest.approx(getattr(report, name), rel=1e-4), name


def test_the_expected_best_is_the_mean_over_all_choices():
    scores = torch.tensor([[0.3, 0.9, 0.1, 0.5], [1.0, 1.0, 0.0, 0.2]])
    for n in (1, 2, 3, 4):
        choices = list(itertools.combinations(range(4), n))
        expected = torch.stack([scores[:, list(one)].max(1).values for one in choices]).mean(0)
        assert torch.allclose(expected_best(scores, n), expected)
    with pytest.raises(ValueError, match="4 samples"):
        expected_best(scores, 5)


def test_no_samples_is_an_error(untouched, tokenizer, reward):
    with pytest.raises(ValueError, match="samples is 0"):
        draw_pool(untouched, tokenizer, PROMPTS, reward, samples=0, seed=0)


# ----- the frontier


def test_no_policy_over_the_samples_does_better_than_the_frontier():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(5, 30, generator=generator)
    betas = [1.0, 0.3, 0.1]
    rewards, kls = optimal_frontier(scores, betas)
    assert (rewards.diff() > 0).all() and (kls.diff() > 0).all()
    for beta, reward, kl in zip(betas, rewards, kls, strict=True):
        # the maximum of E[R] - beta KL is beta log mean exp(R / beta)
        best = beta * ((scores / beta).logsumexp(1) - math.log(30)).mean()
        assert (reward - beta * kl).item() == pytest.approx(best.item(), abs=1e-5)
        for _ in range(50):
            policy = torch.randn(5, 30, generator=generator).softmax(1)
            other = (policy * (scores - beta * (policy * 30).log())).sum(1).mean()
            assert other < best


def test_best_of_n_lies_below_the_frontier():
    scores = torch.rand(1, 30, generator=torch.Generator().manual_seed(0))
    rewards, kls = optimal_frontier(scores, torch.logspace(1, -3, 2000).tolist())
    for n in (2, 4, 8):
        # drawn from the samples with replacement: the best is the i-th of 30 with this probability
        rank = torch.arange(30.0)
        best = ((rank + 1) / 30) ** n - (rank / 30) ** n
        reward = (best * scores.sort().values).sum()
        kl = (best * (best * 30).log()).sum()
        assert kl < kl_bound(n)
        same_reward = (rewards - reward).abs().argmin()
        assert kls[same_reward] < kl
        assert kl - kls[same_reward] < 0.15, "and not far below"


def test_a_free_nat_has_no_optimum():
    with pytest.raises(ValueError, match="must be positive"):
        optimal_frontier(torch.rand(2, 3), [0.1, 0.0])
