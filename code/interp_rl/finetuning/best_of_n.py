"""Best-of-n sampling: write n texts, keep the best one; the baseline that trains nothing.

What it costs is sampling, n times as much for every text that is ever written. How far it goes from
the model is known beforehand (`kl_bound`), so that it stands on the same axes as a trained policy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp_rl.finetuning.measures import Estimate, Report, distinct, estimate, written_tokens
from interp_rl.finetuning.rewards import Reward, checked
from interp_rl.finetuning.rollouts import generate


def kl_bound(n: int) -> float:
    r"""How far best-of-n sampling goes from the model it samples from, at most.

    .. math:: KL(\pi_n \| \pi) \le \log n - \frac{n-1}{n}

    The formula is that of Stiennon et al. (2020, Appendix G.3), where it stands as an equality. It
    is one if no two texts have the same reward and no single text is probable; otherwise the
    divergence is smaller (Beirami et al. 2024, arXiv 2401.01879, Theorem 1).

    Args:
        n: How many texts are written for each that is kept.

    Returns:
        The bound in nats per sequence; 0 for n = 1.

    Raises:
        ValueError: If n is less than 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}; at least one text must be written")
    return math.log(n) - (n - 1) / n


@dataclass(frozen=True, eq=False)
class Pool:
    """Several texts for each prompt, all from the same model, with their rewards."""

    texts: list[list[str]]
    """for each prompt, its texts"""
    tokens: list[list[list[int]]]
    """their completions as token ids, without the end token"""
    scores: Float[Tensor, "prompt sample"]
    """their rewards"""
    log_probs: Float[Tensor, "prompt sample"]
    """log-probability of each completion under the model, in nats"""
    lengths: Int[Tensor, "prompt sample"]
    """new tokens, the end token included"""
    ended: Bool[Tensor, "prompt sample"]
    """whether the model ended the text by itself"""


def draw_pool(
    policy: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    reward: Reward,
    *,
    samples: int,
    seed: int,
    new_tokens: int = 24,
    temperature: float = 1.0,
    batch: int = 256,
) -> Pool:
    """Lets a model write several texts for each prompt, and scores them.

    Args:
        policy: The model, in evaluation mode.
        tokenizer: Its tokenizer.
        prompts: Beginnings of texts.
        reward: Scores whole texts.
        samples: Texts for each prompt.
        seed: Seed of the texts.
        new_tokens: Longest continuation.
        temperature: The logits are divided by this.
        batch: How many texts are written at once.

    Returns:
        The pool.

    Raises:
        ValueError: If `samples` is less than 1; as `generate` and `checked`.
    """
    if samples < 1:
        raise ValueError(f"samples is {samples}; at least one text must be written")
    rows = [prompt for prompt in prompts for _ in range(samples)]
    rollouts = [
        generate(
            policy,
            tokenizer,
            rows[start : start + batch],
            new_tokens=new_tokens,
            seed=seed + start,
            temperature=temperature,
        )
        for start in range(0, max(len(rows), 1), batch)
    ]
    texts = [text for rollout in rollouts for text in rollout.texts]
    tokens = [row for rollout in rollouts for row in written_tokens(rollout)]

    def by_prompt(column: list[Any]) -> list[Any]:
        return [column[start : start + samples] for start in range(0, len(column), samples)]

    shape = len(prompts), samples
    return Pool(
        texts=by_prompt(texts),
        tokens=by_prompt(tokens),
        scores=checked(reward, texts).view(shape),
        log_probs=torch.cat([rollout.log_probs.sum(1) for rollout in rollouts]).view(shape),
        lengths=torch.cat([rollout.mask.sum(1) for rollout in rollouts]).view(shape),
        ended=torch.cat([rollout.ended for rollout in rollouts]).view(shape),
    )


def best_of(pool: Pool, n: int) -> Report:
    """What keeping the best of n texts comes to.

    Args:
        pool: The texts; the first n of each prompt compete.
        n: How many.

    Returns:
        The measurements of the winners, as `measures.evaluate` gives them for a policy. The
        divergence is not measured but bounded: its value and its upper end are `kl_bound(n)`, its
        lower end is not a number. The reference of the perplexity is the model itself.

    Raises:
        ValueError: If n is less than 1, or more than there are texts for a prompt.
    """
    bound = kl_bound(n)
    if n > pool.scores.shape[1]:
        raise ValueError(f"n is {n}, but the pool has {pool.scores.shape[1]} texts for a prompt")
    winners = pool.scores[:, :n].argmax(1)
    picked = torch.arange(len(winners)), winners
    scores, lengths = pool.scores[picked], pool.lengths[picked]
    tokens = [row[at] for row, at in zip(pool.tokens, winners.tolist(), strict=True)]
    return Report(
        reward=estimate(scores),
        kl=Estimate(bound, math.nan, bound),
        perplexity=math.exp(-float(pool.log_probs[picked].sum()) / int(lengths.sum())),
        distinct_1=distinct(tokens, 1),
        distinct_2=distinct(tokens, 2),
        ended=float(pool.ended[picked].float().mean()),
        length=float(lengths.float().mean()),
        texts=[row[at] for row, at in zip(pool.texts, winners.tolist(), strict=True)],
        scores=scores.tolist(),
    )


def expected_best(scores: Float[Tensor, "prompt sample"], n: int) -> Float[Tensor, " prompt"]:
    """The mean reward of the best of n, over all ways to draw n of the samples.

    It has the mean of `best_of`'s reward and varies less, because every sample is used.

    Args:
        scores: Rewards of the samples of each prompt.
        n: How many compete.

    Returns:
        One mean per prompt.

    Raises:
        ValueError: If n is less than 1, or more than there are samples.
    """
    samples = scores.shape[1]
    if not 1 <= n <= samples:
        raise ValueError(f"n is {n}; there are {samples} samples to draw it from")
    # the i-th smallest of m is the best of n if the other n - 1 are among the i - 1 smaller ones
    wins = [math.comb(rank, n - 1) / math.comb(samples, n) for rank in range(samples)]
    return (scores.sort(1).values * torch.tensor(wins)).sum(1)


def optimal_frontier(
    scores: Float[Tensor, "prompt sample"], betas: Sequence[float]
) -> tuple[Float[Tensor, " beta"], Float[Tensor, " beta"]]:
    r"""The best that any policy can do: reward and divergence of the optimum for each beta.

    The policy that maximises ``E[R] - beta KL`` gives each text its old probability times
    :math:`e^{R/\beta}`, up to a constant (Korbak et al. 2022, arXiv 2205.11275). So it need not be
    trained to be known: samples of the model, weighted in this way, are samples of it.

    Args:
        scores: Rewards of samples of the model, for each prompt.
        betas: Prices of a nat, all positive.

    Returns:
        Mean reward, and divergence in nats per sequence, over the prompts. The divergence cannot
        come out larger than the logarithm of the number of samples; near it, take more samples.

    Raises:
        ValueError: If a beta is not positive.
    """
    if not all(beta > 0 for beta in betas):
        raise ValueError(f"betas are {list(betas)}; each must be positive")
    rewards, divergences = [], []
    for beta in betas:
        log_weights = (scores / beta).log_softmax(1)
        weights = log_weights.exp()
        rewards.append((weights * scores).sum(1).mean())
        # against the samples themselves, of which each has weight 1 / m
        divergences.append((weights * (log_weights + math.log(scores.shape[1]))).sum(1).mean())
    return torch.stack(rewards), torch.stack(divergences)
