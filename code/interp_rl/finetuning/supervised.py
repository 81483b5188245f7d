"""Supervised fine-tuning on texts that somebody liked, with as much compute as PPO had.

The traditional way: no reward function and no texts of the model's own, only examples, each token
of which is made more probable. How much is equal is counted in token passes, see `ppo_passes`.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional as F

from interp_rl.finetuning.ppo import PPOSettings
from interp_rl.finetuning.rollouts import check_tokenizer
from interp_rl.models.recipes import reviews_corpus

BACKWARD = 2
"""A backward pass costs as much as two forward passes (Kaplan et al. 2020, Section 2.1)."""


@dataclass(frozen=True)
class SupervisedSettings:
    """Everything that decides how a run goes; the same settings and texts give the same run."""

    passes: int = 500_000
    """the budget in token passes, three for each token that is learned from (see `ppo_passes`)"""
    batch: int = 64
    """texts in each gradient step"""
    learning_rate: float = 1e-3
    """Adam's step size, constant over the run"""
    largest_gradient: float = 1.0
    """longer gradients are shortened to this length"""
    seed: int = 0
    """seed of the order of the texts"""

    def __post_init__(self) -> None:
        for name in ("passes", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("learning_rate", "largest_gradient"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")


@dataclass
class SupervisedRun:
    """A finished run."""

    settings: SupervisedSettings
    """what decided how it went"""
    policy: Any
    """the trained model, the same object that was given"""
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"loss": [], "passes": [], "texts": []}
    )
    """one entry per gradient step: mean loss per token in nats, before the step; token passes and
    texts used so far"""
    seconds: float = 0.0
    """processor time used; the only thing here that differs between equal runs"""


def ppo_passes(settings: PPOSettings, *, prompt_length: float, response_length: float) -> int:
    """The compute of a PPO run, in token passes: one token through one forward pass of one model.

    For each text, that is one pass to write it, one through the policy for values and entropy, one
    through the reference, one through the reward model (if it is as large as the policy), and a
    forward and a backward pass in each epoch of learning, where a backward pass counts twice. So a
    token costs ``4 + 3 epochs`` passes; supervised learning uses 3 for each of its tokens. The last
    token of a text is written, but nothing reads it.

    Args:
        settings: The settings of the run.
        prompt_length: Mean tokens of a prompt, the beginning token included.
        response_length: Mean new tokens, which the run's history has as "length".

    Returns:
        Token passes, padding not counted.
    """
    tokens = settings.updates * settings.batch * (prompt_length + response_length - 1)
    return round(tokens * (4 + settings.epochs * (1 + BACKWARD)))


def positive_reviews(n: int, *, seed: int = 0) -> list[str]:
    """Reviews that were labelled positive, as somebody might have collected them.

    Args:
        n: How many.
        seed: The same seed gives the same reviews.

    Returns:
        Whole texts, from the part of the corpus that the language model was trained on.
    """
    rng = random.Random(f"positive reviews {seed}")
    return [reviews_corpus.draw(rng, "train", sentiment="positive").text for _ in range(n)]


def train_supervised(
    policy: Any,
    tokenizer: Any,
    texts: Sequence[str],
    settings: SupervisedSettings | None = None,
    *,
    progress: bool = False,
) -> SupervisedRun:
    """Fine-tunes a language model on texts, until the budget is used up.

    Args:
        policy: The model to train, in place.
        tokenizer: Its tokenizer.
        texts: Whole texts without special tokens; read in random order, again and again if the
            budget allows.
        settings: The settings; the defaults if left out.
        progress: Whether to show a progress bar.

    Returns:
        The run.

    Raises:
        ValueError: If there are no texts; if one is empty, too long for the model, or has words
            outside the vocabulary; or if the tokenizer lacks a token that begins, ends or pads.
    """
    from tqdm.auto import tqdm

    settings = settings or SupervisedSettings()
    check_tokenizer(policy, tokenizer)
    rows = encode(policy, tokenizer, texts)
    order = torch.Generator().manual_seed(settings.seed)
    optimiser = torch.optim.Adam(policy.parameters(), settings.learning_rate)
    run = SupervisedRun(settings, policy)
    policy.eval()  # dropout stays off, as in all trainings of this section
    passes, read = 0, 0
    waiting: list[int] = []
    start = time.process_time()
    with tqdm(total=settings.passes, disable=not progress, unit="pass") as bar:
        while passes < settings.passes:
            while len(waiting) < settings.batch:
                waiting += torch.randperm(len(rows), generator=order).tolist()
            picked, waiting = waiting[: settings.batch], waiting[settings.batch :]
            batch = [torch.tensor(rows[index]) for index in picked]
            ids = torch.nn.utils.rnn.pad_sequence(batch, True, tokenizer.pad_token_id)
            lengths = torch.tensor([len(row) for row in batch])
            real = torch.arange(ids.shape[1]) < lengths[:, None]
            ids, real = ids.to(policy.device), real.to(policy.device)
            logits = policy(
                input_ids=ids[:, :-1], attention_mask=real[:, :-1].long(), use_cache=False
            ).logits
            targets = ids[:, 1:].where(real[:, 1:], -100)
            loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), settings.largest_gradient)
            optimiser.step()
            used = int(lengths.sum() - len(lengths)) * (1 + BACKWARD)
            passes, read = passes + used, read + len(batch)
            for name, value in (("loss", loss.item()), ("passes", passes), ("texts", read)):
                run.history[name].append(value)
            bar.update(used)
    run.seconds = time.process_time() - start
    return run


def encode(policy: Any, tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of whole texts, between the tokens that begin and end them.

    Args:
        policy: The model that is to read them.
        tokenizer: Its tokenizer.
        texts: Whole texts without special tokens.

    Returns:
        Rows of unequal length.

    Raises:
        ValueError: If there are no texts; or if one is empty, too long for the model, or has words
            outside the vocabulary.
    """
    if isinstance(texts, str) or not texts:
        raise ValueError("texts must be a list of texts, at least one")
    limit = policy.config.max_position_embeddings
    rows = []
    for text, ids in zip(
        texts, tokenizer(list(texts), add_special_tokens=False)["input_ids"], strict=True
    ):
        if not ids:
            raise ValueError(f"the text {text!r} is empty; there is nothing to learn from it")
        if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in ids:
            raise ValueError(f"the text {text[:60]!r} has words outside the vocabulary")
        if len(ids) + 2 > limit:
            raise ValueError(
                f"the text {text[:60]!r} has {len(ids) + 2} tokens with beginning and end; the "
                f"model has {limit} positions"
            )
        rows.append([tokenizer.bos_token_id, *ids, tokenizer.eos_token_id])
    return rows
