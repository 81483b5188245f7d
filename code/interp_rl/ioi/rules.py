"""Rules that answer the task without a model; two of them are tied to one order of the names."""

import torch
from jaxtyping import Int
from torch import Tensor

from interp_rl.ioi.task import IOIDataset


def first_name(dataset: IOIDataset) -> Int[Tensor, " prompt"]:
    """Answers with the name that comes first: right in ABBA only.

    Args:
        dataset: The prompts.

    Returns:
        The token of the answer for each prompt.
    """
    at = torch.minimum(dataset.positions["IO"], dataset.positions["S1"])
    return dataset.tokens.gather(1, at[:, None])[:, 0]


def second_name(dataset: IOIDataset) -> Int[Tensor, " prompt"]:
    """Answers with the name that comes second: right in BABA only.

    Args:
        dataset: The prompts.

    Returns:
        The token of the answer for each prompt.
    """
    at = torch.maximum(dataset.positions["IO"], dataset.positions["S1"])
    return dataset.tokens.gather(1, at[:, None])[:, 0]


def name_said_once(dataset: IOIDataset) -> Int[Tensor, " prompt"]:
    """Answers with the one name among the three mentions that is not repeated: the task's concept.

    Args:
        dataset: The prompts; each has one name twice and one once.

    Returns:
        The token of the answer for each prompt.
    """
    at = torch.stack([dataset.positions[name] for name in ("IO", "S1", "S2")], dim=1)
    names = dataset.tokens.gather(1, at)
    mentions = (names[:, :, None] == names[:, None, :]).sum(2)
    return names.gather(1, mentions.argmin(1, keepdim=True))[:, 0]
