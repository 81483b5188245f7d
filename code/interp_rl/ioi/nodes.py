"""Names for the parts of a model that an experiment touches: heads, and heads at a position.

Everywhere in `interp_rl.ioi` a head may be given as a plain pair `(layer, head)`, and a head at one
position as a triple `(layer, head, "END")`; `as_nodes` checks that it exists.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp_rl.ioi.task import IOIDataset


class Head(NamedTuple):
    """An attention head; layers and heads are counted from 0."""

    layer: int
    """counted from 0"""
    head: int
    """counted from 0 within the layer"""

    def __str__(self) -> str:
        return f"{self.layer}.{self.head}"


class Node(NamedTuple):
    """An attention head at one position of each prompt, or at all of them."""

    layer: int
    """counted from 0"""
    head: int
    """counted from 0 within the layer"""
    position: str | None = None
    """a name among `dataset.positions`; None for every position"""

    def __str__(self) -> str:
        return f"{self.layer}.{self.head}" + (f"@{self.position}" if self.position else "")


NodeLike = Node | Head | tuple[int, int] | tuple[int, int, str | None]
"""What functions accept in place of a `Node`."""


def all_heads(n_layers: int, n_heads: int) -> list[Head]:
    """Every head of a model, layer by layer.

    Args:
        n_layers: Number of layers.
        n_heads: Heads in each layer.

    Returns:
        The heads.
    """
    return [Head(layer, head) for layer in range(n_layers) for head in range(n_heads)]


def as_nodes(
    nodes: Iterable[NodeLike], shape: tuple[int, int], dataset: IOIDataset
) -> tuple[Node, ...]:
    """Checks nodes against a model and a dataset.

    Args:
        nodes: Pairs or triples.
        shape: Layers of the model and heads in each.
        dataset: The prompts whose positions may be named.

    Returns:
        The nodes.

    Raises:
        ValueError: If an entry is not a pair or triple, or a head or position does not exist.
    """
    return tuple(as_node(node, shape, dataset) for node in nodes)


def as_node(node: tuple, shape: tuple[int, int], dataset: IOIDataset) -> Node:
    """Checks one node; see `as_nodes`.

    Args:
        node: A pair or triple.
        shape: Layers of the model and heads in each.
        dataset: The prompts whose positions may be named.

    Returns:
        The node.

    Raises:
        ValueError: If it is not a pair or triple, or the head or position does not exist.
    """
    if len(node) not in (2, 3):
        raise ValueError(f"{node!r} is not a head: give (layer, head) or (layer, head, position)")
    found = Node(*node)
    n_layers, n_heads = shape
    if not (0 <= found.layer < n_layers and 0 <= found.head < n_heads):
        raise ValueError(
            f"head {found.layer}.{found.head} does not exist: the model has layers 0 to "
            f"{n_layers - 1} with heads 0 to {n_heads - 1}"
        )
    if found.position is not None:
        indices_of(found.position, dataset)
    return found


def indices_of(position: str, dataset: IOIDataset) -> Int[Tensor, " prompt"]:
    """Where a named position is in each prompt.

    Args:
        position: A name among `dataset.positions`.
        dataset: The prompts.

    Returns:
        One index per prompt.

    Raises:
        ValueError: If the dataset has no such position.
    """
    if position not in dataset.positions:
        names = ", ".join(dataset.positions)
        raise ValueError(f"position {position!r} does not exist: the dataset has {names}")
    return dataset.positions[position]


def node_mask(
    nodes: Iterable[NodeLike], shape: tuple[int, int], dataset: IOIDataset
) -> Bool[Tensor, "layer head prompt pos"]:
    """Which outputs of heads a set of nodes covers.

    Args:
        nodes: Pairs or triples.
        shape: Layers of the model and heads in each.
        dataset: The prompts.

    Returns:
        True at each head and position that a node names.

    Raises:
        ValueError: If a head or position does not exist.
    """
    n_prompts, n_positions = dataset.tokens.shape
    mask = torch.zeros(*shape, n_prompts, n_positions, dtype=torch.bool)
    rows = torch.arange(n_prompts)
    for layer, head, position in as_nodes(nodes, shape, dataset):
        if position is None:
            mask[layer, head] = True
        else:
            mask[layer, head, rows, dataset.positions[position]] = True
    return mask


def require_aligned(clean: IOIDataset, other: IOIDataset, what: str) -> None:
    """Checks that two datasets are the same prompts, position by position.

    Args:
        clean: The original prompts.
        other: The prompts that should match them.
        what: Name of the second dataset in the error message.

    Raises:
        ValueError: If the number of prompts, the lengths or the named positions differ.
    """
    if len(clean) != len(other):
        raise ValueError(f"{len(clean)} prompts but {len(other)} {what} prompts: they go in pairs")
    lengths, others = clean.positions["END"], other.positions["END"]
    if not torch.equal(lengths, others):
        row = int((lengths != others).nonzero()[0])
        raise ValueError(
            f"sequences of different length: prompt {row} has {int(lengths[row]) + 1} tokens and "
            f"its {what} version {int(others[row]) + 1}; activations can only be exchanged between "
            "prompts that agree position by position"
        )
    for name, at in clean.positions.items():
        if name not in other.positions or not torch.equal(at, other.positions[name]):
            raise ValueError(f"position {name!r} is not at the same place in the {what} prompts")
