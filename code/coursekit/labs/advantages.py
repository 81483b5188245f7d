"""Three texts with the score of each, and what a critic says at every token of them.

No value head ships with the course, and a good critic needs none here: the value of a beginning is
the mean score of many continuations that the model writes from it.
"""

from pathlib import Path
from typing import Any

import torch

from interp_rl import models
from interp_rl.finetuning.rewards import Reward, class_probability
from interp_rl.finetuning.rollouts import Rollout, generate
from interp_rl.models.review_prompts import prompts as review_prompts

N_CANDIDATES = 24
"""Texts that are written; three of them are kept."""

N_CONTINUATIONS = 128
"""Continuations whose mean score is the value of a beginning."""

NEW_TOKENS = 24
"""At most so many tokens are added to a prompt, as on the frontier."""

LONGEST = 16
"""Tokens of the longest response that is kept, so that a phone can show it."""


def data(root: Path) -> dict[str, Any]:
    """Writes texts and values them.

    Args:
        root: The course's folder.

    Returns:
        `texts`: prompt, tokens of the response, score of the text, and `values`, one before each
        token; they are the first short one that the classifier likes, the first that it does not,
        and the second that it likes. `constant`: the value of the first one's prompt, what a critic
        says that cannot read. `continuations`: how many make a value.
    """
    torch.set_num_threads(1)
    policy, tokenizer, _ = models.load("reviews", edition="embedded")
    classifier = models.load_classifier("sentiment", edition="embedded")
    positive = class_probability(classifier.model, classifier.tokenizer, "positive")
    prompts = review_prompts("held-out", N_CANDIDATES, words=4, tokenizer=tokenizer)
    written = generate(policy, tokenizer, prompts, new_tokens=NEW_TOKENS, seed=5)
    scores = positive(written.texts).tolist()
    tokens = [
        tokenizer.convert_ids_to_tokens(row[mask])
        for row, mask in zip(written.response, written.mask, strict=True)
    ]
    short = written.ended & (written.mask.sum(1) <= LONGEST)
    candidates = short.nonzero().flatten().tolist()
    liked = [row for row in candidates if scores[row] > 0.5]
    disliked = [row for row in candidates if scores[row] <= 0.5]
    values = {
        row: _values(policy, tokenizer, positive, written, row)
        for row in (*liked[:1], *disliked[:1], *liked[1:2])
    }
    return {
        "continuations": N_CONTINUATIONS,
        "constant": round(next(iter(values.values()))[0], 3),
        "texts": [
            {
                "prompt": prompts[row],
                "tokens": ["end" if t == tokenizer.eos_token else t for t in tokens[row]],
                "score": round(scores[row], 3),
                "values": [round(value, 3) for value in values[row]],
            }
            for row in values
        ],
    }


def _values(
    policy: Any, tokenizer: Any, positive: Reward, written: Rollout, row: int
) -> list[float]:
    """The value before each token of a response: the mean score of continuations from there."""
    response = written.response[row][written.mask[row]]
    values = []
    for t in range(len(response)):
        beginning = " ".join([written.prompts[row], tokenizer.decode(response[:t])]).strip()
        further = generate(
            policy,
            tokenizer,
            [beginning] * N_CONTINUATIONS,
            new_tokens=NEW_TOKENS - t,
            seed=1 + t,
        )
        values.append(positive(further.texts).mean().item())
    return values
