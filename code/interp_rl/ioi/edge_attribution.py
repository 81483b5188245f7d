"""Edges one by one: exact patches of single edges, and their estimates by gradients.

An edge leads from the output of a head to one input of a later head, its queries, keys or values,
or to the logits, along the residual connection alone: all else between them is frozen. To patch it
exactly takes a forward pass for each edge. Attribution patching (Nanda 2023; for edges Syed et al.
2023) estimates all edges from one backward pass, to first order:

    effect = (sender's output, corrupted - clean) . (gradient of the metric at the receiver's input)

with the gradient on the clean prompts. It is wrong where the metric is not linear between clean and
corrupted, as behind a saturated softmax. Integrated gradients (EAP-IG, Hanna et al. 2024) average
the gradient over prompts whose embeddings lie between clean and corrupted.

All effects are after minus before: negative where the edge supports IO over S.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.ioi.activations import (
    Activations,
    Metric,
    Part,
    Stream,
    Window,
    add_attention,
    add_mlp,
    at_end,
    layer_norm,
    project,
    read_out,
    resume,
    run,
)
from interp_rl.ioi.nodes import Head, all_heads, as_node, require_aligned
from interp_rl.ioi.path_patching import LOGITS, Receiver, path_patch
from interp_rl.ioi.task import IOIDataset
from interp_rl.ioi.weights import Model, Weights, read_weights

INPUTS: tuple[Part, ...] = ("q", "k", "v")
"""The inputs of a head."""

Target = Receiver | str
"""Where an edge ends: an input of a head at every position, or `LOGITS`."""


class Edge(NamedTuple):
    """A residual connection between a head and an input of a later head, or the logits."""

    sender: Head
    """the head whose output is carried"""
    receiver: Target
    """the input that reads it"""

    def __str__(self) -> str:
        return f"{self.sender} -> {self.receiver}"


@dataclass(frozen=True, eq=False)
class EdgeEffects:
    """What patching each edge does to the metric, or is estimated to do."""

    edges: tuple[Edge, ...]
    """receiver by receiver, senders in the order of `all_heads`"""
    change: Float[Tensor, "edge prompt"]
    """after minus before; negative where the edge supports IO"""

    @property
    def mean(self) -> Float[Tensor, " edge"]:
        """Mean change over the prompts."""
        return self.change.mean(1)


def all_receivers(n_layers: int, n_heads: int) -> list[Target]:
    """Every receiver that has a sender: the inputs of all heads behind layer 0, and the logits.

    Args:
        n_layers: Number of layers.
        n_heads: Heads in each layer.

    Returns:
        The receivers, layer by layer.
    """
    later = [head for head in all_heads(n_layers, n_heads) if head.layer > 0]
    return [*(Receiver(part, *head) for head in later for part in INPUTS), LOGITS]


def exact_edges(
    model: Model,
    clean: IOIDataset,
    corrupted: IOIDataset,
    *,
    receivers: Iterable[Target] | None = None,
    metric: Metric | None = None,
) -> EdgeEffects:
    """Patches every edge by itself.

    Path patching with a single receiver, a single sender, and MLPs frozen; the senders of a
    receiver go together as one batch.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        clean: The prompts of the task.
        corrupted: The same prompts with other names, in the same order.
        receivers: Where the edges end; `all_receivers` if left out.
        metric: What to measure; the logit difference if left out.

    Returns:
        The exact effects.

    Raises:
        ValueError: If the datasets do not match position by position, or a receiver does not exist,
            names a position, or has no sender.
    """
    weights = read_weights(model)
    edges, changes = [], []
    for receiver in _checked(receivers, weights, clean):
        senders = _senders(receiver, weights)
        patched = path_patch(
            weights,
            clean,
            corrupted,
            senders=senders,
            receivers=receiver if isinstance(receiver, str) else [receiver],
            mlps="frozen",
            metric=metric,
        )
        edges += [Edge(sender, receiver) for sender in senders]
        changes.append(patched.change)
    return EdgeEffects(tuple(edges), torch.cat(changes))


def attribution_edges(
    model: Model,
    clean: IOIDataset,
    corrupted: IOIDataset,
    *,
    steps: int | None = None,
    receivers: Iterable[Target] | None = None,
    metric: Metric | None = None,
) -> EdgeEffects:
    """Estimates the effect of every edge from gradients (Syed et al. 2023; Hanna et al. 2024).

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        clean: The prompts of the task.
        corrupted: The same prompts with other names, in the same order.
        steps: At how many points the gradient is taken, the midpoints of as many equal parts of the
            way from the clean to the corrupted embeddings (integrated gradients). If left out, it
            is taken on the clean prompts alone (attribution patching).
        receivers: Where the edges end; `all_receivers` if left out.
        metric: What to measure; the logit difference if left out.

    Returns:
        The estimates, for the same edges in the same order as `exact_edges`.

    Raises:
        ValueError: If there is not at least one step, the datasets do not match position by
            position, or a receiver does not exist, names a position, or has no sender.
    """
    if steps is not None and steps < 1:
        raise ValueError(f"steps is {steps}; at least one gradient is needed")
    weights = read_weights(model)
    require_aligned(clean, corrupted, "corrupted")
    targets = _checked(receivers, weights, clean)
    points = [0.0] if steps is None else [(step + 0.5) / steps for step in range(steps)]
    own, other = run(weights, clean.tokens), run(weights, corrupted.tokens)
    change = torch.stack([b - a for a, b in zip(own.z, other.z, strict=True)])
    written = torch.einsum("lpshd,lhdm->lpshm", change, weights.W_O)

    found: dict[Target, Tensor] = {}
    for point in points:
        start = torch.lerp(own.resid_pre[0], other.resid_pre[0], point)
        for ends, gradient in _gradients(weights, own, start, clean, metric):
            layer = _layer_of(ends[0], weights)
            effect = torch.einsum("lpshm,psrm->rlhp", written[:layer], gradient).flatten(1, 2)
            for target, estimate in zip(ends, effect / len(points), strict=True):
                found[target] = found[target] + estimate if target in found else estimate
    edges = [Edge(sender, target) for target in targets for sender in _senders(target, weights)]
    return EdgeEffects(tuple(edges), torch.cat([found[target] for target in targets]))


@torch.no_grad()
def partial_edge(
    model: Model,
    clean: IOIDataset,
    corrupted: IOIDataset,
    edge: tuple[Head | tuple[int, int], Target],
    fractions: Sequence[float],
    *,
    metric: Metric | None = None,
) -> Float[Tensor, "fraction prompt"]:
    """Patches one edge part of the way, to see how straight the way is.

    Attribution patching follows the tangent at 0; the exact effect is the value at 1.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        clean: The prompts of the task.
        corrupted: The same prompts with other names, in the same order.
        edge: Sender and receiver.
        fractions: How much of the sender's change, corrupted minus clean, arrives at the receiver.
        metric: What to measure; the logit difference if left out.

    Returns:
        The change of the metric for each fraction, after minus before.

    Raises:
        ValueError: If the datasets do not match position by position, or the edge does not exist.
    """
    weights = read_weights(model)
    require_aligned(clean, corrupted, "corrupted")
    (target,) = _checked([edge[1]], weights, clean)
    sender, layer = as_node(edge[0], weights.shape, clean), _layer_of(target, weights)
    if sender.layer >= layer:
        raise ValueError(f"there is no edge from {sender} to {target}: the sender must be earlier")
    own, other = run(weights, clean.tokens), run(weights, corrupted.tokens)
    change = (other.z[sender.layer] - own.z[sender.layer])[:, :, sender.head]
    written = change @ weights.W_O[sender.layer, sender.head]
    scale = torch.tensor(fractions, dtype=written.dtype)[:, None, None, None]
    end = torch.arange(len(clean)), clean.positions["END"]
    before = read_out(weights, at_end(own, clean), clean, metric)
    if isinstance(target, str):
        patched = at_end(own, clean) + scale[..., 0] * written[end]
        return read_out(weights, patched, clean, metric) - before
    read = own.resid_pre[layer] + scale * written

    def patch(part: Part, at: int, value: Tensor, positions: Tensor) -> Tensor:
        if (part, at) != target[:2]:
            return value
        value = value.repeat(len(fractions), 1, 1, 1, 1)
        value[:, :, :, target.head] = project(weights, part, at, read, [target.head])[..., 0, :]
        return value

    start, window = own.resid_pre[layer][None], Window.whole(*clean.tokens.shape)
    last = resume(weights, own, start, window, layer=layer, edit=patch)
    return read_out(weights, last[:, *end], clean, metric) - before


def _gradients(
    weights: Weights,
    background: Activations,
    start: Stream,
    dataset: IOIDataset,
    metric: Metric | None,
) -> Iterator[tuple[list[Target], Float[Tensor, "prompt pos receiver d_model"]]]:
    """Gradients of the metric with respect to what receivers read from the residual stream.

    Each receiver counts as a reader of its own: the gradient is that of its input alone.
    """
    passed: dict[tuple[Part, int], Tensor] = {}

    def keep(part: Part, layer: int, value: Tensor, positions: Tensor) -> Tensor:
        passed[part, layer] = value
        return value

    n_prompts, length = dataset.tokens.shape
    rows, end = torch.arange(n_prompts), dataset.positions["END"]
    with torch.enable_grad():
        window = Window.whole(n_prompts, length)
        last = resume(weights, background, start[None].requires_grad_(), window, edit=keep)
        measured = read_out(weights, last[0, rows, end], dataset, metric)
        gradients = torch.autograd.grad(measured.sum(), [*passed.values(), last])
    at = dict(zip(passed, gradients, strict=False))
    yield [LOGITS], gradients[-1][0, :, :, None]

    resid = start
    for layer in range(weights.n_layers):
        for part in INPUTS if layer else ():
            matrix = getattr(weights, f"W_{part.upper()}")[layer]
            read = torch.einsum("pshd,hmd->pshm", at[part, layer][0], matrix)
            ends: list[Target] = [Receiver(part, layer, h) for h in range(weights.n_heads)]
            yield ends, _through_layer_norm(resid, read, weights.epsilon)
        z = passed["z", layer].detach()[0]
        resid = add_mlp(weights, layer, add_attention(weights, layer, resid, z))


def _through_layer_norm(
    resid: Stream, gradient: Float[Tensor, "prompt pos receiver d_model"], epsilon: float
) -> Float[Tensor, "prompt pos receiver d_model"]:
    """From gradients with respect to LayerNorm's output to those with respect to its input."""
    with torch.enable_grad():
        read = resid[:, :, None].expand_as(gradient).clone().requires_grad_()
        return torch.autograd.grad(layer_norm(read, epsilon), read, gradient)[0]


def _layer_of(target: Target, weights: Weights) -> int:
    """The layer before which a target reads."""
    return weights.n_layers if isinstance(target, str) else target.layer


def _senders(target: Target, weights: Weights) -> list[Head]:
    return all_heads(_layer_of(target, weights), weights.n_heads)


def _checked(
    receivers: Iterable[Target] | None, weights: Weights, dataset: IOIDataset
) -> list[Target]:
    """Receivers that exist, each once."""
    if receivers is None:
        return all_receivers(*weights.shape)
    targets = list(dict.fromkeys(receivers))
    if not targets:
        raise ValueError("no receiver: leave `receivers` out for every edge")
    for target in targets:
        if isinstance(target, str):
            if target != LOGITS:
                raise ValueError(f"unknown receiver {target!r}: give LOGITS or a Receiver")
            continue
        if target.part not in INPUTS:
            raise ValueError(f"receiver {target!r}: the part must be 'q', 'k' or 'v'")
        as_node(target[1:], weights.shape, dataset)
        if target.position is not None:
            raise ValueError(f"receiver {target}: an edge is patched at every position")
        if target.layer == 0:
            raise ValueError(f"receiver {target} has no sender: no head is before layer 0")
    return targets
