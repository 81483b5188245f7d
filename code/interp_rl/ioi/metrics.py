"""How well a model does the task: logit difference, IO probability, accuracy, and their intervals.

Each metric looks at one place of the logits, the END position of each prompt (Wang et al. 2022,
Section 2), and gives one number per prompt; means and intervals are taken afterwards.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from interp_rl.ioi.task import IOIDataset

BATCH = 60
"""How many prompts are run at once: the logits of GPT-2 small on them take about 300 MB."""


class Interval(NamedTuple):
    """A mean and where it would lie in repeated draws of the prompts."""

    mean: float
    """mean of the values measured"""
    low: float
    """lower end of the interval"""
    high: float
    """upper end of the interval"""

    def __str__(self) -> str:
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


@torch.no_grad()
def measure(
    model: Callable[[Tensor], Tensor],
    dataset: IOIDataset,
    metric: Callable[[Tensor, IOIDataset], Tensor],
) -> Shaped[Tensor, " prompt"]:
    """A metric on any number of prompts, without holding the logits of all of them at once.

    Args:
        model: Gives logits for tokens, as a model that `models.load_hooked` returned does.
        dataset: The prompts.
        metric: One of this module, such as `prefers_io`.

    Returns:
        What the metric gives for each prompt.

    Raises:
        ValueError: If the metric refuses the logits.
    """
    return torch.cat([metric(model(part.tokens), part) for part in dataset.split(BATCH)])


def logit_difference(
    logits: Float[Tensor, "prompt pos vocab"], dataset: IOIDataset
) -> Float[Tensor, " prompt"]:
    """Logit of IO minus logit of S at END.

    Args:
        logits: The model's output on `dataset.tokens`.
        dataset: The prompts.

    Returns:
        One difference per prompt, in nats; positive where the model prefers IO.

    Raises:
        ValueError: If the logits do not belong to the prompts or are NaN at END.
    """
    at_end = _at_end(logits, dataset)
    rows = torch.arange(len(dataset))
    return at_end[rows, dataset.io_ids] - at_end[rows, dataset.s_ids]


def io_probability(
    logits: Float[Tensor, "prompt pos vocab"], dataset: IOIDataset
) -> Float[Tensor, " prompt"]:
    """Probability of IO as the next token, among all tokens.

    Args:
        logits: The model's output on `dataset.tokens`.
        dataset: The prompts.

    Returns:
        One probability per prompt.

    Raises:
        ValueError: If the logits do not belong to the prompts or are NaN at END.
    """
    probabilities = _at_end(logits, dataset).softmax(-1)
    return probabilities[torch.arange(len(dataset)), dataset.io_ids]


def prefers_io(
    logits: Float[Tensor, "prompt pos vocab"], dataset: IOIDataset
) -> Bool[Tensor, " prompt"]:
    """Whether IO has a higher logit than S.

    Args:
        logits: The model's output on `dataset.tokens`.
        dataset: The prompts.

    Returns:
        One truth value per prompt; False where the two are equal.

    Raises:
        ValueError: If the logits do not belong to the prompts or are NaN at END.
    """
    return logit_difference(logits, dataset) > 0


def accuracy(logits: Float[Tensor, "prompt pos vocab"], dataset: IOIDataset) -> float:
    """Share of the prompts on which the model prefers IO to S.

    Args:
        logits: The model's output on `dataset.tokens`.
        dataset: The prompts.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: If the logits do not belong to the prompts or are NaN at END.
    """
    return prefers_io(logits, dataset).float().mean().item()


def bootstrap_interval(
    values: Float[Tensor, " prompt"] | Bool[Tensor, " prompt"],
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a mean (Efron 1979).

    The values are drawn again with replacement, as many as there are, `resamples` times; the
    interval holds the middle `confidence` of the means. It needs a few dozen values or more. Where
    all values are equal it has no width and says nothing about values not seen: if all of n prompts
    are right, up to about 3/n of all prompts may still be wrong (95%, the rule of three).

    Args:
        values: One number per prompt; truth values count as 0 and 1.
        confidence: Probability that such an interval covers the mean over all prompts.
        resamples: How many times the values are drawn again.
        seed: Seed of the draws.

    Returns:
        The mean of the values and the two ends.

    Raises:
        ValueError: If there are fewer than two values, one is NaN or infinite, `confidence` is not
            between 0 and 1, or `resamples` is below 100.
    """
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"at least two values in one row are needed, not shape {tuple(values.shape)}"
        )
    values = values.double()
    if not values.isfinite().all():
        raise ValueError(f"{int((~values.isfinite()).sum())} of the values are NaN or infinite")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1")
    if resamples < 100:
        raise ValueError(f"resamples is {resamples}; at least 100 are needed")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(values), (resamples, len(values)), generator=generator)
    means = values[drawn].mean(1)
    tails = torch.tensor([(1 - confidence) / 2, (1 + confidence) / 2], dtype=torch.double)
    low, high = means.quantile(tails).tolist()
    return Interval(values.mean().item(), low, high)


def _at_end(logits: Tensor, dataset: IOIDataset) -> Float[Tensor, "prompt vocab"]:
    """The logits at each prompt's END, after checking that they belong to the prompts."""
    shape, end = tuple(logits.shape), dataset.positions["END"]
    if logits.ndim != 3 or len(logits) != len(dataset):
        raise ValueError(
            f"logits of shape {shape} do not belong to {len(dataset)} prompts; the shape should be "
            f"(prompt, pos, vocab), here ({len(dataset)}, {dataset.tokens.shape[1]}, ...)"
        )
    if int(end.max()) >= shape[1] or int(end.min()) < 0:
        raise ValueError(
            f"END is at position {int(end.max())}, but the logits have {shape[1]} positions"
        )
    largest = int(torch.maximum(dataset.io_ids, dataset.s_ids).max())
    if largest >= shape[2]:
        raise ValueError(f"a name has token {largest}, but the logits have {shape[2]} tokens")
    at_end = logits[torch.arange(len(dataset)), end]
    if at_end.isnan().any():
        wrong = int(at_end.isnan().any(1).sum())
        raise ValueError(f"the logits at END are NaN in {wrong} of {len(dataset)} prompts")
    return at_end
