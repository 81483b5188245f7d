"""Activation patching: put an activation of one run into another, and let all behind it follow.

Path patching follows one path and freezes the others; here the whole effect counts, direct and
through everything that comes after. Which run is the base and which the source is up to you:

- base clean, source corrupted: what breaks if this activation loses the information;
- base corrupted, source clean: what this activation alone restores.

The two runs may also be runs of two models on the same prompts (`patch_writes`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.ioi.activations import (
    Activations,
    Metric,
    Window,
    Writes,
    add_mlp,
    at_end,
    at_positions,
    index_of,
    read_out,
    resume,
    run,
    writes,
)
from interp_rl.ioi.knockouts import Ablator
from interp_rl.ioi.nodes import Node, indices_of, require_aligned
from interp_rl.ioi.task import IOIDataset
from interp_rl.ioi.weights import Model, Weights, read_weights


@dataclass(frozen=True, eq=False)
class PatchEffects:
    """What activation patching did to the metric."""

    before: Float[Tensor, " prompt"]
    """the metric of the base run"""
    after: Float[Tensor, "layer place prompt"]
    """the metric after patching"""
    places: tuple[str, ...]
    """what the second dimension holds: names of positions, or heads"""

    @property
    def change(self) -> Float[Tensor, "layer place prompt"]:
        """After minus before."""
        return self.after - self.before

    def heatmap(self, *, relative: bool = False) -> Float[Tensor, "layer place"]:
        """Mean change of the metric.

        Args:
            relative: Divide by the mean metric of the base run.

        Returns:
            For the logit difference, negative where the patch speaks for S.
        """
        heat = self.change.mean(-1)
        return heat / self.before.mean() if relative else heat


@torch.no_grad()
def patch_residual_stream(
    model: Model,
    base: IOIDataset,
    source: IOIDataset,
    *,
    positions: Sequence[str] | None = None,
    metric: Metric | None = None,
) -> PatchEffects:
    """Patches the residual stream before each layer, one position at a time.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        base: The prompts that run.
        source: Where the patched activations come from: the same prompts with other names.
        positions: Names of the positions; all of `base.positions` if left out.
        metric: What to measure; the logit difference if left out.

    Returns:
        The metric; entry n of the first dimension is the stream before layer n, the last one the
        stream after the last layer.

    Raises:
        ValueError: If the datasets do not match position by position, or a position does not
            exist.
    """
    weights = read_weights(model)
    require_aligned(base, source, "source")
    names = tuple(base.positions if positions is None else positions)
    at = torch.stack([indices_of(name, base) for name in names], dim=1)
    end, rows = base.positions["END"], torch.arange(len(base))
    window = Window.up_to_end(torch.minimum(at.min(1).values, end), end, base.tokens.shape[1])
    here = torch.stack([index_of(window.positions, indices_of(n, base)) for n in names])

    theirs, own = run(weights, source.tokens), run(weights, base.tokens)
    streams = zip(
        (*own.resid_pre, own.resid_post[-1]),
        (*theirs.resid_pre, theirs.resid_post[-1]),
        strict=True,
    )
    after = []
    for layer, (into, out_of) in enumerate(streams):
        resid = at_positions(into, window.positions).repeat(len(names), 1, 1, 1)
        patch = at_positions(out_of, window.positions)
        for variant, index in enumerate(here):
            resid[variant, rows, index] = patch[rows, index]
        resid = resume(weights, own, resid, window, layer=layer)
        at_last = resid[:, rows, index_of(window.positions, end)]
        after.append(read_out(weights, at_last, base, metric))
    before = read_out(weights, at_end(own, base), base, metric)
    return PatchEffects(before, torch.stack(after), names)


def patch_head_outputs(
    model: Model,
    base: IOIDataset,
    source: IOIDataset,
    *,
    position: str | None = None,
    metric: Metric | None = None,
) -> PatchEffects:
    """Patches each head's output, one head at a time.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        base: The prompts that run.
        source: Where the patched activations come from: the same prompts with other names.
        position: Name of the position to patch; every position if left out.
        metric: What to measure; the logit difference if left out.

    Returns:
        The metric for each head.

    Raises:
        ValueError: If the datasets do not match position by position, or the position does not
            exist.
    """
    ablator = Ablator(model, base, kind="resample", reference=source, metric=metric)
    n_layers, n_heads = ablator.weights.shape
    nodes = [[Node(n, head, position)] for n in range(n_layers) for head in range(n_heads)]
    after = ablator.without(nodes).unflatten(0, (n_layers, n_heads))
    return PatchEffects(ablator.model_metric, after, tuple(str(head) for head in range(n_heads)))


@dataclass(frozen=True, eq=False)
class WriteEffects:
    """What a metric becomes when one head or MLP writes what another run says."""

    before: Float[Tensor, " prompt"]
    """the metric of the run as it is"""
    heads: Float[Tensor, "layer head prompt"]
    """with what one head writes replaced"""
    mlps: Float[Tensor, "layer prompt"]
    """with what one MLP writes replaced"""


@torch.no_grad()
def patch_writes(
    weights: Weights,
    own: Activations,
    theirs: Writes,
    end: Int[Tensor, " prompt"],
    read: Callable[[Float[Tensor, "*variant prompt d_model"]], Float[Tensor, "*variant prompt"]],
) -> WriteEffects:
    """Patches what each head and each MLP writes, one at a time, and lets all behind it follow.

    Args:
        weights: The model that runs.
        own: Its run.
        theirs: What stands in the place of what its heads and MLPs write: `writes` of another run
            of the same shape, of this model or of another one.
        end: The position of each prompt at which the metric is read.
        read: The metric, from the residual stream at `end` after the last layer.

    Returns:
        The metric for each patch.

    Raises:
        ValueError: If the other run has another shape.
    """
    mine = writes(weights, own)
    if [w.shape for w in mine.heads] != [w.shape for w in theirs.heads]:
        raise ValueError(
            f"the two runs differ in shape: {len(mine.heads)} layers of "
            f"{tuple(mine.heads[0].shape)} and {len(theirs.heads)} of "
            f"{tuple(theirs.heads[0].shape)}"
        )
    n_prompts, length = own.tokens.shape
    window, rows = Window.whole(n_prompts, length), torch.arange(n_prompts)

    def metric(resid: Tensor, layer: int) -> Tensor:
        last = resume(weights, own, resid, window, layer=layer)
        return read(last[:, rows, end])

    heads, mlps = [], []
    for layer in range(weights.n_layers):
        mid, post = own.resid_mid[layer], own.resid_post[layer]
        change = (theirs.heads[layer] - mine.heads[layer]).movedim(2, 0)  # one head at a time
        heads.append(metric(add_mlp(weights, layer, mid + change), layer + 1))
        change = theirs.mlps[layer] - mine.mlps[layer]
        mlps.append(metric((post + change)[None], layer + 1)[0])
    before = read(own.resid_post[-1][rows, end])
    return WriteEffects(before, torch.stack(heads), torch.stack(mlps))
