r"""Feedback from a few people: votes, a reward model made from them, and what a policy makes of it.

A rater is a noisy version of the true reward. Of a text with true reward :math:`r \in [0, 1]`, the
rater with leniency :math:`b` puts the thumb up with probability

.. math:: \sigma\bigl(s\,(r - \tfrac12 + b)\bigr), \qquad b \sim N(0, \text{spread}^2)

so that raters agree on clear cases, err on doubtful ones, and differ in strictness. The reward
model is a model that has read much, with a new last layer, fitted to the votes. What few votes can
teach depends on what it has learned before: the language model itself, or a classifier that knows
the difference in question and only lacks the answer. A policy trained with the reward model is
judged by the true reward: what it gains of the one and not of the other is over-optimisation (Gao
et al. 2023, arXiv 2210.10760).
"""

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from interp_rl.finetuning.measures import Report, evaluate
from interp_rl.finetuning.ppo import PPOSettings, train
from interp_rl.finetuning.rewards import Reward, checked, class_probability
from interp_rl.finetuning.rollouts import generate

POLICY_GRADIENT = PPOSettings(
    updates=20,
    batch=64,
    minibatch=32,
    beta=0.02,
    epochs=2,
    value_head=False,
    lam=1.0,
    learning_rate=1e-3,
)
"""A short and cheap policy gradient, so that it can be run often enough to see the spread: PPO with
few updates in large steps and without a value head, so that all tokens of a text share what the
text earned, whitened over the batch, minus the penalties still to come."""


@dataclass(frozen=True)
class VotesSettings:
    """Everything that decides how a draw goes, the models and prompts apart."""

    votes: int = 3
    """how many votes there are, each on a text of its own"""
    raters: int = 3
    """how many people share in them, in turn"""
    sharpness: float = 8.0
    """how clearly raters see the true reward: the slope s"""
    leniency_spread: float = 0.1
    """how much raters differ, in units of the true reward"""
    fit_steps: int = 20
    """gradient steps of the reward model, each on all votes"""
    fit_learning_rate: float = 1e-3
    """their step size"""
    training: PPOSettings = POLICY_GRADIENT
    """how the policy is trained; its seed is that of the draw"""
    seed: int = 0
    """seed of the texts, the raters, the votes and all training"""

    def __post_init__(self) -> None:
        for name in ("votes", "raters", "fit_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("sharpness", "fit_learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if not self.leniency_spread >= 0:
            raise ValueError(f"leniency_spread is {self.leniency_spread}; it is a spread")


@dataclass(frozen=True, eq=False)
class Votes:
    """What raters said."""

    texts: list[str]
    """the texts"""
    thumbs: Bool[Tensor, " vote"]
    """true where the thumb went up"""
    raters: Int[Tensor, " vote"]
    """who voted, counted from 0"""
    true: Float[Tensor, " vote"]
    """the true reward of each text, which neither raters nor reward model are told"""


@dataclass
class Draw:
    """A draw of votes, and all that followed from it."""

    settings: VotesSettings
    """what decided how it went"""
    votes: Votes
    """the votes"""
    fitted: float
    """share of the votes that the reward model repeats"""
    agreement: float
    """share of other texts on which reward model and true reward are on the same side of 1/2"""
    history: dict[str, list[float]] = field(default_factory=dict)
    """one entry per update: mean "proxy" reward of the batch (what the policy is trained on), its
    mean "true" reward, and "kl" from the reference per sequence in nats"""
    before: Report | None = None
    """the language model on other prompts, by the true reward"""
    after: Report | None = None
    """the policy on the same prompts"""
    policy: Any = None
    """the policy"""


def cast_votes(texts: list[str], true: Float[Tensor, " vote"], settings: VotesSettings) -> Votes:
    """Lets raters vote on texts.

    Args:
        texts: The texts.
        true: Their true rewards, from 0 to 1.
        settings: The raters' model and the seed.

    Returns:
        One vote on each text; raters take turns.

    Raises:
        ValueError: If a true reward is not from 0 to 1.
    """
    if not ((true >= 0) & (true <= 1)).all():
        raise ValueError(
            f"true rewards reach from {true.min():.2f} to {true.max():.2f}; the raters' model is "
            "one for rewards from 0 to 1"
        )
    generator = torch.Generator().manual_seed(settings.seed)
    leniency = settings.leniency_spread * torch.randn(settings.raters, generator=generator)
    raters = torch.arange(len(texts)) % settings.raters
    up = (settings.sharpness * (true - 0.5 + leniency[raters])).sigmoid()
    return Votes(texts, torch.rand(len(texts), generator=generator) < up, raters, true)


def fit_reward_model(
    start: Any, tokenizer: Any, votes: Votes, settings: VotesSettings
) -> tuple[Reward, float]:
    """Makes a reward model from votes: a model with a new last layer, all of it fitted.

    Args:
        start: The GPT-2 that it starts from, with whatever last layer; it is left alone.
        tokenizer: Its tokenizer.
        votes: The votes.
        settings: Steps, step size and seed.

    Returns:
        The reward function, the probability of a thumb up; and the share of the votes that it
        repeats.

    Raises:
        ValueError: If there are no votes.
    """
    from transformers import GPT2ForSequenceClassification

    if not votes.texts:
        raise ValueError("there are no votes; a reward model needs at least one")
    config = copy.deepcopy(start.config)
    config.num_labels = 2
    config.id2label, config.label2id = {0: "down", 1: "up"}, {"down": 0, "up": 1}
    config.pad_token_id = tokenizer.pad_token_id
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model: Any = GPT2ForSequenceClassification(config).eval()
    model.transformer.load_state_dict(start.transformer.state_dict())
    nn.init.zeros_(model.score.weight)  # before it has learned, it calls everything even

    bos = tokenizer.bos_token
    encoded = tokenizer(
        [bos + text for text in votes.texts],
        add_special_tokens=False,
        padding=True,
        padding_side="right",
        return_tensors="pt",
    )
    inputs = {name: encoded[name] for name in ("input_ids", "attention_mask")}
    optimiser = torch.optim.AdamW(model.parameters(), settings.fit_learning_rate)
    for _ in range(settings.fit_steps):
        loss = F.cross_entropy(model(**inputs).logits, votes.thumbs.long())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.requires_grad_(False)
    reward = class_probability(model, tokenizer, "up")
    repeated = ((reward(votes.texts) > 0.5) == votes.thumbs).float().mean()
    return reward, float(repeated)


def run_draw(
    language_model: Any,
    tokenizer: Any,
    true_reward: Reward,
    prompts: list[str],
    held_out: list[str],
    settings: VotesSettings,
    *,
    start: Any = None,
    progress: bool = False,
) -> Draw:
    """Draws votes, makes a reward model, trains a policy with it, and judges by the true reward.

    Args:
        language_model: Writes the texts that are voted on, and is where the policy starts from; it
            is left alone.
        tokenizer: Its tokenizer.
        true_reward: The true reward of whole texts, from 0 to 1.
        prompts: Beginnings of the texts that are voted on and trained with.
        held_out: Beginnings of the texts that the policy is judged by.
        settings: The settings.
        start: The GPT-2 that the reward model starts from; the language model if left out.
        progress: Whether to show a progress bar.

    Returns:
        The draw.

    Raises:
        ValueError: If there are no prompts, or the true reward leaves the range from 0 to 1; as
            `generate` and `train`.
    """
    if not prompts or not held_out:
        raise ValueError("there are no prompts, or none to judge by")
    generator = torch.Generator().manual_seed(settings.seed)
    picked = torch.randint(len(prompts), (settings.votes,), generator=generator).tolist()
    new_tokens, seed = settings.training.new_tokens, settings.seed
    shown = generate(
        language_model,
        tokenizer,
        [prompts[row] for row in picked],
        new_tokens=new_tokens,
        seed=seed,
    )
    votes = cast_votes(shown.texts, checked(true_reward, shown.texts), settings)
    start = language_model if start is None else start
    proxy, fitted = fit_reward_model(start, tokenizer, votes, settings)

    def judged(model: Any) -> Report:
        return evaluate(
            model,
            language_model,
            tokenizer,
            held_out,
            true_reward,
            seed=seed,
            new_tokens=new_tokens,
        )

    before = judged(language_model)
    true_side = torch.tensor(before.scores) > 0.5
    agreement = ((checked(proxy, before.texts) > 0.5) == true_side).float().mean()

    true: list[float] = []

    def watched(texts: list[str]) -> Float[Tensor, " sample"]:
        """The proxy; the true reward of the same texts is noted, and nothing learns from it."""
        true.append(checked(true_reward, texts).mean().item())
        return proxy(texts)

    policy = copy.deepcopy(language_model)
    run = train(
        policy,
        language_model,
        tokenizer,
        prompts,
        watched,
        replace(settings.training, seed=seed),
        progress=progress,
    )
    return Draw(
        settings=settings,
        votes=votes,
        fitted=fitted,
        agreement=float(agreement),
        history={"proxy": run.history["reward"], "true": true, "kl": run.history["kl"]},
        before=before,
        after=judged(policy),
        policy=policy,
    )
