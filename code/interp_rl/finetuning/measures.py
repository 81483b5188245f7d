"""What a fine-tuned model is worth, and what it cost: reward, KL divergence, fluency, variety."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.finetuning.rewards import Reward, checked
from interp_rl.finetuning.rollouts import (
    Rollout,
    chosen,
    generate,
    response_log_distribution,
)


class Estimate(NamedTuple):
    """A measured mean with its 95% interval (normal approximation)."""

    value: float
    """the mean"""
    low: float
    """lower end of the interval"""
    high: float
    """upper end of the interval"""

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Report:
    """What a policy does on a set of prompts."""

    reward: Estimate
    """mean reward"""
    kl: Estimate
    """KL divergence of the policy from the reference, KL(policy || reference), per sequence, in
    nats"""
    perplexity: float
    """of the completions under the reference, per token: low for what the reference might have
    written, high for gibberish; 1 for a phrase it was sure of"""
    distinct_1: float
    """different tokens over all tokens of the completions (Li et al. 2016)"""
    distinct_2: float
    """different pairs of neighbouring tokens over all of them"""
    ended: float
    """share of texts that the policy ended by itself; the others were cut off"""
    length: float
    """mean number of new tokens, the end token included"""
    texts: list[str]
    """the texts, one per prompt"""
    scores: list[float]
    """their rewards"""

    def __str__(self) -> str:
        return (
            f"reward {self.reward}, KL {self.kl} nats per sequence, perplexity under the reference "
            f"{self.perplexity:.2f}, distinct-1 {self.distinct_1:.3f}, distinct-2 "
            f"{self.distinct_2:.3f}, ended {self.ended:.0%}"
        )


@torch.no_grad()
def evaluate(
    policy: Any,
    reference: Any,
    tokenizer: Any,
    prompts: list[str],
    reward: Reward,
    *,
    seed: int,
    new_tokens: int = 24,
    temperature: float = 1.0,
    batch: int = 256,
) -> Report:
    """Lets a policy write one text per prompt and measures it.

    The KL divergence is that of the whole sequences. At each position that the policy reached, the
    divergence between the two next-token distributions is computed over the whole vocabulary, and
    these are summed: it has the same mean as the log-ratio of the tokens drawn and varies less,
    because the draw of each token itself is averaged out.

    Args:
        policy: The model that writes.
        reference: The model it started from.
        tokenizer: Of both.
        prompts: What the texts begin with.
        reward: The reward function.
        seed: Seed of the texts.
        new_tokens: At most so many tokens are added.
        temperature: Divides the logits of both.
        batch: How many texts are written at once.

    Returns:
        The measurements. Variety (distinct-n) falls with the number of texts, so compare it between
        equal numbers of prompts only.

    Raises:
        ValueError: As `generate` and `checked`, and if the vocabularies differ.
    """
    check_vocabularies(policy, reference)
    rollouts = [
        generate(
            policy,
            tokenizer,
            prompts[start : start + batch],
            new_tokens=new_tokens,
            seed=seed + start,
            temperature=temperature,
        )
        for start in range(0, max(len(prompts), 1), batch)
    ]
    texts = [text for rollout in rollouts for text in rollout.texts]
    scores = checked(reward, texts)
    kls, surprise, n_tokens = [], 0.0, 0
    for rollout in rollouts:
        log_reference = response_log_distribution(reference, rollout)
        log_policy = response_log_distribution(policy, rollout)
        per_token = (log_policy.exp() * (log_policy - log_reference)).sum(-1)
        kls.append((per_token * rollout.mask).sum(1))
        surprise -= float((chosen(log_reference, rollout.response) * rollout.mask).sum())
        n_tokens += int(rollout.mask.sum())
    written = [row for rollout in rollouts for row in written_tokens(rollout)]
    return Report(
        reward=estimate(scores),
        kl=estimate(torch.cat(kls)),
        perplexity=math.exp(surprise / n_tokens),
        distinct_1=distinct(written, 1),
        distinct_2=distinct(written, 2),
        ended=float(torch.cat([rollout.ended for rollout in rollouts]).float().mean()),
        length=n_tokens / len(texts),
        texts=texts,
        scores=scores.tolist(),
    )


def estimate(samples: Float[Tensor, " sample"]) -> Estimate:
    """The mean of independent samples with its 95% interval.

    Args:
        samples: The samples.

    Returns:
        Mean and interval; for a single sample the interval is not a number.
    """
    mean = float(samples.mean())
    half = 1.96 * float(samples.std()) / math.sqrt(len(samples)) if len(samples) > 1 else math.nan
    return Estimate(mean, mean - half, mean + half)


def sequence_kl(
    log_probs: Float[Tensor, "sample new"],
    reference_log_probs: Float[Tensor, "sample new"],
    mask: Bool[Tensor, "sample new"],
) -> Float[Tensor, " sample"]:
    """The log-ratio of each sequence, whose mean estimates the KL divergence (k1, per sequence).

    Args:
        log_probs: Log-probabilities of the tokens under the policy that drew them.
        reference_log_probs: The same under the reference.
        mask: True for tokens that were drawn.

    Returns:
        ``log pi(text) - log pi_ref(text)`` in nats; negative for some, not on average.
    """
    return ((log_probs - reference_log_probs) * mask).sum(1)


def written_tokens(rollout: Rollout) -> list[list[int]]:
    """The tokens of each completion.

    Args:
        rollout: The texts.

    Returns:
        Token ids, without the end token.
    """
    lengths = rollout.mask.sum(1) - rollout.ended.long()
    return [row[:n] for row, n in zip(rollout.response.tolist(), lengths.tolist(), strict=True)]


def distinct(rows: list[list[int]], n: int) -> float:
    """The variety of texts: different n-grams over all n-grams (distinct-n, Li et al. 2016).

    Args:
        rows: Token ids of each text.
        n: Length of the n-grams.

    Returns:
        From near 0 (always the same) to 1 (no n-gram twice); NaN if no text has n tokens.
    """
    grams = [tuple(row[i : i + n]) for row in rows for i in range(len(row) - n + 1)]
    return len(set(grams)) / len(grams) if grams else math.nan


def check_vocabularies(policy: Any, reference: Any) -> None:
    """Makes sure that two models speak of the same tokens.

    Args:
        policy: A language model.
        reference: Another one.

    Raises:
        ValueError: If their vocabularies differ in size.
    """
    ours, theirs = policy.config.vocab_size, reference.config.vocab_size
    if ours != theirs:
        raise ValueError(
            f"the policy has {ours} tokens and the reference {theirs}: a KL divergence between "
            "them has no meaning; the reference must be another copy of the model that is trained"
        )
