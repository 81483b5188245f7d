"""A GPT-2's forward pass in parts: every activation kept, or only some positions computed again.

Two functions do the work of all experiments here:

- `run` computes all activations of a batch of prompts, once;
- `resume` starts from the residual stream inside the network and computes the rest again, for many
  variants of it at once and only at the positions that can differ. At all other positions keys and
  values are those of a background run, so that nothing is computed twice.

Both accept an `Edit`, a function that sees queries, keys, values and head outputs and may change
them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from interp_rl.ioi.task import IOIDataset
from interp_rl.ioi.weights import ACTIVATIONS, Weights

Part = Literal["q", "k", "v", "z"]
"""What an edit may change: queries, keys, values, or the heads' outputs before `W_O`."""

Edit = Callable[[Part, int, Tensor, Int[Tensor, "prompt pos"]], Tensor]
"""Called as `edit(part, layer, value, positions)`; returns the new value.

`value` has the shape (variant, prompt, window, head, d_head); `positions` says which positions of
each prompt the window holds. Given one variant, an edit may return several.
"""

Metric = Callable[[Float[Tensor, "prompt pos vocab"], IOIDataset], Float[Tensor, " prompt"]]
"""One number per prompt from the logits at END, such as `metrics.io_probability`."""


Stream = Float[Tensor, "prompt _ d_model"]
"""One vector for each prompt and each of its positions."""

PerHead = Float[Tensor, "prompt _ head d_head"]
"""One vector for each prompt, each of its positions and each head."""


@dataclass(frozen=True, eq=False)
class Activations:
    """What a model computed on a batch of prompts; entry n of each tuple belongs to layer n."""

    tokens: Int[Tensor, "prompt pos"]
    """the prompts, padded on the right"""
    resid_pre: tuple[Stream, ...]
    """residual stream before each layer"""
    resid_mid: tuple[Stream, ...]
    """residual stream between attention and MLP"""
    resid_post: tuple[Stream, ...]
    """residual stream after each layer"""
    q: tuple[PerHead, ...]
    """queries"""
    k: tuple[PerHead, ...]
    """keys"""
    v: tuple[PerHead, ...]
    """values"""
    z: tuple[PerHead, ...]
    """heads' outputs before `W_O`"""

    def pattern(self, layer: int) -> Float[Tensor, "prompt head query key"]:
        """Attention probabilities of a layer.

        Args:
            layer: Which layer.

        Returns:
            For each query position, probabilities over key positions.
        """
        q, k = self.q[layer], self.k[layer]
        scores = torch.einsum("pqhd,pkhd->phqk", q / q.shape[-1] ** 0.5, k)
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        return scores.masked_fill(future, -torch.inf).softmax(-1)


@dataclass(frozen=True, eq=False)
class Writes:
    """What the heads and the MLP of each layer add to the residual stream."""

    heads: tuple[Float[Tensor, "prompt pos head d_model"], ...]
    """of each layer, without the constant `b_O`"""
    mlps: tuple[Stream, ...]
    """of each layer, with their constant"""


@dataclass(frozen=True, eq=False)
class Window:
    """The positions of each prompt that are computed; each at most once, in ascending order."""

    positions: Int[Tensor, "prompt window"]
    """the computed positions"""
    inside: Bool[Tensor, "prompt window window"]
    """which computed positions each computed position attends to"""
    outside: Bool[Tensor, "prompt window pos"] | None
    """which positions of the background it attends to; None where all positions are computed"""

    @classmethod
    def of(cls, positions: Int[Tensor, "prompt window"], length: int) -> "Window":
        """Works out who attends to whom.

        Args:
            positions: The positions, ascending in each row.
            length: Number of positions of the prompts.

        Returns:
            The window.
        """
        inside = positions[:, :, None] >= positions[:, None, :]
        if positions.shape[1] == length:
            return cls(positions, inside, None)
        everywhere = torch.arange(length)
        computed = (positions[:, :, None] == everywhere).any(1)
        earlier = everywhere <= positions[:, :, None]
        return cls(positions, inside, earlier & ~computed[:, None, :])

    @classmethod
    def whole(cls, n_prompts: int, length: int) -> "Window":
        """Every position.

        Args:
            n_prompts: Number of prompts.
            length: Number of positions.

        Returns:
            The window.
        """
        return cls.of(torch.arange(length).expand(n_prompts, length), length)

    @classmethod
    def up_to_end(
        cls, first: Int[Tensor, " prompt"], end: Int[Tensor, " prompt"], length: int
    ) -> "Window":
        """Consecutive positions that hold everything from a first one to END.

        Args:
            first: First position that can differ in each prompt.
            end: Last position of each prompt.
            length: Number of positions.

        Returns:
            A window as wide as the longest stretch; in the other prompts it begins earlier.
        """
        width = int((end - first).max()) + 1
        start = (end - width + 1).clamp(min=0)
        return cls.of(start[:, None] + torch.arange(width), length)


def index_of(
    positions: Int[Tensor, "prompt window"], at: Int[Tensor, " prompt"]
) -> Int[Tensor, " prompt"]:
    """Where a position of each prompt stands among some positions.

    Args:
        positions: Some positions of each prompt.
        at: One of them for each prompt.

    Returns:
        Its index into the second dimension.
    """
    return (positions == at[:, None]).int().argmax(1)


def at_positions(
    values: Shaped[Tensor, "prompt pos *rest"], positions: Int[Tensor, "prompt window"]
) -> Shaped[Tensor, "prompt window *rest"]:
    """The values at some positions of each prompt.

    Args:
        values: One value per prompt and position.
        positions: Which positions of each prompt.

    Returns:
        The values there.
    """
    return values[torch.arange(len(values))[:, None], positions]


@torch.no_grad()
def run(
    weights: Weights,
    tokens: Int[Tensor, "prompt pos"],
    edit: Edit | None = None,
    *,
    stop: int | None = None,
    last_at: Int[Tensor, "prompt window"] | None = None,
) -> Activations:
    """Runs the model on a batch and keeps everything.

    Args:
        weights: The model.
        tokens: Token ids, padded on the right.
        edit: Changes queries, keys, values or head outputs on the way; it must not add variants.
        stop: The first layer that is not computed; all are if left out.
        last_at: The positions at which the last computed layer is wanted; everywhere if left out.

    Returns:
        All activations of the computed layers; those of the last one hold only `last_at`.

    Raises:
        ValueError: If there are more positions than the model has, or an unknown token.
    """
    length, context = tokens.shape[1], len(weights.W_pos)
    if length > context:
        raise ValueError(f"the prompts have {length} positions, but the model only {context}")
    if int(tokens.max()) >= len(weights.W_E) or int(tokens.min()) < 0:
        raise ValueError(f"a token is not one of the model's {len(weights.W_E)}")
    window = Window.whole(*tokens.shape)
    resid = (F.embedding(tokens, weights.W_E) + weights.W_pos[:length])[None]
    layers, elsewhere = [], None
    depth = weights.n_layers if stop is None else stop
    for layer in range(depth):
        q, k, v = _project(weights, layer, resid, window, edit)
        if layer == depth - 1 and last_at is not None:
            window, elsewhere = Window.of(last_at, length), (k[0], v[0])
            resid, q, k, v = (at_positions(x[0], last_at)[None] for x in (resid, q, k, v))
        pre = resid
        z = _edited(edit, "z", layer, _attend(q, k, v, window, elsewhere), window)
        mid = add_attention(weights, layer, resid, z)
        resid = add_mlp(weights, layer, mid)
        layers.append([value[0] for value in (pre, mid, resid, q, k, v, z)])
    return Activations(tokens, *map(tuple, zip(*layers, strict=True)))


def resume(
    weights: Weights,
    background: Activations,
    resid: Float[Tensor, "start prompt window d_model"],
    window: Window,
    *,
    layer: int = 0,
    edit: Edit | None = None,
) -> Float[Tensor, "variant prompt window d_model"]:
    """Computes the rest of a forward pass for many variants of the residual stream.

    Args:
        weights: The model.
        background: The run that holds at positions outside the window.
        resid: Residual stream before `layer`, at the window's positions; one for each variant, or a
            single one from which an edit makes several.
        window: Which positions are computed. The caller sees to it that no other position changes.
        layer: Where the computation starts.
        edit: Changes queries, keys, values or head outputs on the way.

    Returns:
        The residual stream after the last layer, at the window's positions.
    """
    for current in range(layer, weights.n_layers):
        q, k, v = _project(weights, current, resid, window, edit)
        elsewhere = (background.k[current], background.v[current])
        z = _edited(edit, "z", current, _attend(q, k, v, window, elsewhere), window)
        resid = add_mlp(weights, current, add_attention(weights, current, resid, z))
    return resid


@torch.no_grad()
def writes(weights: Weights, streams: Activations) -> Writes:
    """What each layer's heads and MLP write when they read the given residual streams.

    The streams may be those of another model: then each layer reads what the other model's layers
    would have given it, so that only its own weights make a difference.

    Args:
        weights: The model whose layers write.
        streams: A run of this model, or of another one of the same shape.

    Returns:
        One tensor for each layer's heads, and one for its MLP.
    """
    whole, heads, mlps = Window.whole(*streams.tokens.shape), [], []
    for layer in range(weights.n_layers):
        pre, mid = streams.resid_pre[layer][None], streams.resid_mid[layer]
        q, k, v = _project(weights, layer, pre, whole, None)
        z = _attend(q, k, v, whole)[0]
        heads.append(torch.einsum("pqhd,hdm->pqhm", z, weights.W_O[layer]))
        mlps.append(add_mlp(weights, layer, mid) - mid)
    return Writes(tuple(heads), tuple(mlps))


def layer_norm(
    resid: Float[Tensor, "*rest d_model"], epsilon: float
) -> Float[Tensor, "*rest d_model"]:
    """LayerNorm without weights of its own; they are folded into the matrices behind it.

    Args:
        resid: Residual stream.
        epsilon: Added to the variance.

    Returns:
        The stream with mean 0 and variance 1 over its last dimension.
    """
    return F.layer_norm(resid, resid.shape[-1:], eps=epsilon)


def project(
    weights: Weights,
    part: Part,
    layer: int,
    resid: Float[Tensor, "*rest d_model"],
    heads: Sequence[int] | None = None,
) -> Float[Tensor, "*rest head d_head"]:
    """Queries, keys or values of a layer.

    Args:
        weights: The model.
        part: `q`, `k` or `v`.
        layer: Which layer.
        resid: Residual stream before the layer.
        heads: Which heads; all if left out.

    Returns:
        One vector per head.
    """
    name = part.upper()
    matrix, bias = getattr(weights, f"W_{name}")[layer], getattr(weights, f"b_{name}")[layer]
    if heads is not None:
        matrix, bias = matrix[list(heads)], bias[list(heads)]
    read = layer_norm(resid, weights.epsilon)
    return torch.einsum("...m,hmd->...hd", read, matrix) + bias


def add_attention(
    weights: Weights,
    layer: int,
    resid: Float[Tensor, "... d_model"],
    z: Float[Tensor, "*rest head d_head"],
) -> Float[Tensor, "*rest d_model"]:
    """Lets a layer's heads add their outputs to the residual stream.

    Args:
        weights: The model.
        layer: Which layer.
        resid: Residual stream before the layer.
        z: The heads' outputs, for as many variants of the stream or more.

    Returns:
        The residual stream after the layer's attention.
    """
    resid = resid.expand(*z.shape[:-2], -1)
    matrix = weights.W_O[layer].flatten(0, 1)
    # in one pass over memory, which is what counts on short prompts
    added = torch.addmm(resid.flatten(0, -2), z.flatten(-2).flatten(0, -2), matrix)
    return added.add_(weights.b_O[layer]).view(resid.shape)


def add_mlp(
    weights: Weights, layer: int, resid: Float[Tensor, "*rest d_model"]
) -> Float[Tensor, "*rest d_model"]:
    """Lets a layer's MLP add its output to the residual stream.

    Args:
        weights: The model.
        layer: Which layer.
        resid: Residual stream after the layer's attention.

    Returns:
        The residual stream after the MLP; unchanged in an attention-only layer.
    """
    if not weights.has_mlp[layer]:
        return resid
    read = layer_norm(resid, weights.epsilon).flatten(0, -2)
    hidden = torch.addmm(weights.b_in[layer], read, weights.W_in[layer])
    hidden = ACTIVATIONS[weights.activation](hidden)
    return resid + torch.addmm(weights.b_out[layer], hidden, weights.W_out[layer]).view_as(resid)


def read_out(
    weights: Weights,
    resid: Float[Tensor, "*variant prompt d_model"],
    dataset: IOIDataset,
    metric: Metric | None = None,
) -> Float[Tensor, "*variant prompt"]:
    """A metric from the residual stream at END after the last layer.

    Args:
        weights: The model.
        resid: Residual stream at END of each prompt, for any number of variants.
        dataset: The prompts.
        metric: What to compute; None for the logit difference, which needs only two columns of
            the unembedding.

    Returns:
        The metric; for the logit difference, positive where the model prefers IO.
    """
    read = layer_norm(resid, weights.epsilon)
    if metric is None:
        io, s = dataset.io_ids, dataset.s_ids
        direction = (weights.W_U[:, io] - weights.W_U[:, s]).T
        return (read * direction).sum(-1) + weights.b_U[io] - weights.b_U[s]
    # logits are computed at END only: a batch of prompts of one position each
    first = torch.zeros_like(dataset.positions["END"])
    shortened = replace(dataset, positions={**dataset.positions, "END": first})
    variants = read.reshape(-1, *read.shape[-2:])
    values = [metric((x @ weights.W_U + weights.b_U)[:, None], shortened) for x in variants]
    return torch.stack(values).reshape(read.shape[:-1])


def at_end(activations: Activations, dataset: IOIDataset) -> Float[Tensor, "prompt d_model"]:
    """The residual stream after the last layer at END.

    Args:
        activations: A run on the dataset.
        dataset: The prompts.

    Returns:
        One vector per prompt.
    """
    return activations.resid_post[-1][torch.arange(len(dataset)), dataset.positions["END"]]


def _project(
    weights: Weights, layer: int, resid: Tensor, window: Window, edit: Edit | None
) -> list[Tensor]:
    """Queries, keys and values of all heads, edited."""
    matrix, bias = (part[layer] for part in weights.qkv)
    read = layer_norm(resid, weights.epsilon)
    together = torch.addmm(bias, read.flatten(0, -2), matrix)
    shape = (*resid.shape[:-1], 3, weights.n_heads, -1)
    parts: tuple[Part, ...] = ("q", "k", "v")
    values = zip(parts, together.view(shape).unbind(-3), strict=True)
    return [_edited(edit, part, layer, value, window) for part, value in values]


def _edited(edit: Edit | None, part: Part, layer: int, value: Tensor, window: Window) -> Tensor:
    return value if edit is None else edit(part, layer, value, window.positions)


def _attend(
    q: Float[Tensor, "#variant prompt window head d_head"],
    k: Float[Tensor, "#variant prompt window head d_head"],
    v: Float[Tensor, "#variant prompt window head d_head"],
    window: Window,
    elsewhere: tuple[PerHead, PerHead] | None = None,
) -> Float[Tensor, "out prompt window head d_head"]:
    """The heads' outputs, attending to the window and to keys and values elsewhere."""
    if window.outside is None or elsewhere is None:
        # a batch of plain matrix products, faster than einsum or fused attention on short prompts
        shape = torch.broadcast_shapes(q.shape, k.shape, v.shape)
        q, k, v = (x.expand(shape).permute(0, 1, 3, 2, 4).flatten(0, 2) for x in (q, k, v))
        future = q.new_full((shape[2], shape[2]), -torch.inf).triu(1)
        scores = torch.baddbmm(future, q, k.mT, alpha=shape[-1] ** -0.5)
        z = torch.bmm(scores.softmax(-1), v)
        return z.view(*shape[:2], shape[3], shape[2], shape[4]).transpose(2, 3)
    keys, values = elsewhere
    q = q / q.shape[-1] ** 0.5
    inside = torch.einsum("vpqhd,vpkhd->vphqk", q, k)
    inside = inside.masked_fill(~window.inside[:, None], -torch.inf)
    outside = torch.einsum("vpqhd,pkhd->vphqk", q, keys)
    outside = outside.masked_fill(~window.outside[:, None], -torch.inf)
    outside = outside.expand(*inside.shape[:-1], -1)  # several variants of keys, one of queries
    pattern = torch.cat([inside, outside], -1).softmax(-1)
    inside, outside = pattern.split([inside.shape[-1], outside.shape[-1]], -1)
    z = torch.einsum("vphqk,vpkhd->vpqhd", inside, v)
    return z + torch.einsum("vphqk,pkhd->vpqhd", outside, values)
