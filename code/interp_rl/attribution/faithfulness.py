"""Is an attribution true? Take away the tokens that it calls decisive, and see what the model says.

Two questions (DeYoung et al. 2020), each about the share k of tokens that an attribution ranks
highest for an output:

- comprehensiveness: how much does the output fall without them? Much, if they were needed;
- sufficiency: how much does it fall with them alone? Little, if they were enough.

Each is averaged over several k, and over at least a few hundred texts, with an interval. A number
by itself says nothing, because any masking disturbs a model: it is held against tokens in random
order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.attribution.attributions import Attribution
from interp_rl.attribution.text_models import TextModel
from interp_rl.attribution.text_tokens import TextTokens, read_text, require_mask
from interp_rl.ioi.metrics import Interval, bootstrap_interval

SHARES = (0.1, 0.2, 0.3, 0.5)
"""Shares of the tokens that count as the highest-ranked ones; at least one token each."""

MINIMUM_TEXTS = 200
"""Fewest texts of a comparison; with fewer, its intervals would be wider than its differences."""

RANDOM_ORDERS = 3
"""Random orders of each text, over which the comparison is averaged."""


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """How faithful one way of ranking tokens is, text by text."""

    comprehensiveness: Float[Tensor, " text"]
    """fall of the output without the highest-ranked tokens; larger is better"""
    sufficiency: Float[Tensor, " text"]
    """fall of the output with nothing but them; smaller is better"""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several methods on the same texts, held against random orders."""

    methods: Mapping[str, Faithfulness]
    """each method's results under its name"""
    random: Faithfulness
    """tokens in random order, averaged over several"""

    def comprehensiveness(self, method: str) -> Interval:
        """Mean comprehensiveness of a method minus that of random orders; above 0 is better.

        Args:
            method: Its name.

        Returns:
            The mean of the differences within each text, with a 95% interval.
        """
        found = self.methods[method].comprehensiveness - self.random.comprehensiveness
        return bootstrap_interval(found)

    def sufficiency(self, method: str) -> Interval:
        """Mean sufficiency of random orders minus that of a method; above 0 is better.

        Args:
            method: Its name.

        Returns:
            The mean of the differences within each text, with a 95% interval.
        """
        return bootstrap_interval(self.random.sufficiency - self.methods[method].sufficiency)


def compare(
    f: TextModel,
    texts: Sequence[str],
    outputs: Sequence[str],
    attributions: Mapping[str, Sequence[Attribution]],
    *,
    mask: str,
    seed: int,
    shares: Sequence[float] = SHARES,
    minimum: int = MINIMUM_TEXTS,
) -> Comparison:
    """Measures how faithful several methods are, on the same texts and against random orders.

    Args:
        f: The model; its outputs should be of a kind that can fall, such as log odds.
        texts: The texts.
        outputs: For each text the output that is explained, such as the class that it is given.
        attributions: Under the name of each method, its attribution of each text.
        mask: What stands for an absent token; the empty text deletes it.
        seed: Seed of the random orders.
        shares: Shares of the tokens that count as the highest-ranked ones.
        minimum: Fewest texts that are accepted.

    Returns:
        The comparison.

    Raises:
        ValueError: If there are too few texts, the outputs or attributions are not theirs, or a
            share is not between 0 and 1.
    """
    if len(texts) < minimum:
        raise ValueError(
            f"{len(texts)} texts are too few to tell methods apart: give at least {minimum}"
        )
    if len(texts) != len(outputs):
        raise ValueError(f"{len(texts)} texts but {len(outputs)} outputs: they go in pairs")
    for name, found in attributions.items():
        if [one.text for one in found] != list(texts):
            raise ValueError(f"the attributions by {name} are not those of the given texts")
    if not all(0 < share < 1 for share in shares):
        raise ValueError(f"shares of the tokens lie between 0 and 1, not {tuple(shares)}")
    require_mask(f.tokenizer, mask)
    generator = torch.Generator().manual_seed(seed)
    tokens = [read_text(f.tokenizer, text) for text in texts]
    orders = {
        name: [one.ranking(output) for one, output in zip(found, outputs, strict=True)]
        for name, found in attributions.items()
    }
    measured = {
        name: score_orders(f, tokens, outputs, order, mask=mask, shares=shares)
        for name, order in orders.items()
    }
    at_random = [
        score_orders(
            f,
            tokens,
            outputs,
            [torch.randperm(len(text), generator=generator) for text in tokens],
            mask=mask,
            shares=shares,
        )
        for _ in range(RANDOM_ORDERS)
    ]
    random = Faithfulness(
        torch.stack([one.comprehensiveness for one in at_random]).mean(0),
        torch.stack([one.sufficiency for one in at_random]).mean(0),
    )
    return Comparison(measured, random)


def score_orders(
    f: TextModel,
    texts: Sequence[TextTokens],
    outputs: Sequence[str],
    orders: Sequence[Int[Tensor, " _"]],
    *,
    mask: str,
    shares: Sequence[float] = SHARES,
) -> Faithfulness:
    """Comprehensiveness and sufficiency of given orders of the tokens.

    Args:
        f: The model.
        texts: The texts.
        outputs: For each text the output that is explained.
        orders: For each text its tokens, the highest-ranked first.
        mask: What stands for an absent token.
        shares: Shares of the tokens that count as the highest-ranked ones.

    Returns:
        One number of each kind per text, averaged over the shares.
    """
    without, alone = [], []
    for text, order in zip(texts, orders, strict=True):
        for share in shares:
            top = torch.zeros(len(text), dtype=torch.bool)
            top[order[: n_highest(share, len(text))]] = True
            without.append(text.masked(~top, mask))
            alone.append(text.masked(top, mask))
    index = torch.tensor([f.output(output) for output in outputs])
    rows = torch.arange(len(texts))
    full = f([text.text for text in texts])[rows, index]

    def fall(masked: list[str]) -> Float[Tensor, " text"]:
        left = f(masked).unflatten(0, (len(texts), len(shares)))
        return (full[:, None] - left[rows, :, index]).mean(1)

    return Faithfulness(fall(without), fall(alone))


def n_highest(share: float, n_tokens: int) -> int:
    """How many tokens a share of a text is: rounded, at least one.

    Args:
        share: From 0 to 1.
        n_tokens: Tokens of the text.

    Returns:
        The number.
    """
    return max(1, round(share * n_tokens))
