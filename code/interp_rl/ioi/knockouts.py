"""Knockouts: what is left of the behaviour when heads are switched off.

"Off" can mean three things, which differ in what takes the place of a head's output (Wang et al.
2022, Section 2.1):

- `zero`: nothing. Zero is not neutral: later parts may count on the head's average output;
- `mean`: the head's average output over reference prompts, taken for each template and position, so
  that what the reference varies (the names) is removed and what it shares (the grammar) stays;
- `resample`: the head's output on another prompt, the one in the same row of the reference.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp_rl.ioi.activations import (
    Activations,
    Metric,
    Part,
    Window,
    at_end,
    at_positions,
    index_of,
    read_out,
    resume,
    run,
)
from interp_rl.ioi.nodes import Node, NodeLike, as_nodes, node_mask, require_aligned
from interp_rl.ioi.task import IOIDataset
from interp_rl.ioi.weights import Model, Weights, read_weights

KINDS = ("zero", "mean", "resample")
"""The kinds of ablation."""

MINIMUM_REFERENCE = 20
"""Fewest reference prompts of each template over which a mean is taken.

Names are drawn at random, so the mean of n prompts is off by about 1/sqrt(n) of the spread between
prompts: with 20 by less than a quarter. Means of 6 to 8 prompts have given misleading circuits.
"""

MEMORY = 128 * 2**20
"""How many bytes one batch of knockouts may take, roughly."""


@dataclass(frozen=True, eq=False)
class Knockout:
    """Heads held at fixed outputs, for use in any forward pass."""

    mask: Bool[Tensor, "layer head prompt pos"]
    """which outputs are replaced"""
    values: Float[Tensor, "layer prompt pos head d_head"]
    """by what"""

    def edit(self, part: Part, layer: int, value: Tensor, positions: Tensor) -> Tensor:
        """Replaces the outputs; an `Edit`.

        Args:
            part: Only `z` is changed.
            layer: Which layer.
            value: The computed outputs of the layer's heads.
            positions: Which positions they belong to.

        Returns:
            The outputs with those of the knocked-out heads replaced.
        """
        if part != "z":
            return value
        mask = at_positions(self.mask[layer].permute(1, 2, 0), positions)
        return torch.where(mask[..., None], at_positions(self.values[layer], positions), value)


class Ablator:
    """A model on a dataset with everything ready to switch off any sets of heads.

    The reference means and the two runs that all knockouts share, the intact one and the one with
    every head off, are computed once. Each knockout then computes only what differs from one of
    them, and many are computed as one batch.
    """

    def __init__(
        self,
        model: Model,
        dataset: IOIDataset,
        *,
        kind: str = "mean",
        reference: IOIDataset | None = None,
        metric: Metric | None = None,
        memory: int = MEMORY,
    ) -> None:
        """Computes the outputs that stand for "off".

        Args:
            model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
            dataset: The prompts.
            kind: One of `KINDS`.
            reference: For `mean`, at least `MINIMUM_REFERENCE` prompts of each template, usually
                with three unrelated names (`dataset.corrupted("abc", seed)` of a larger dataset).
                For `resample`, one prompt for each of the dataset's, aligned with it.
            metric: What to measure; the logit difference if left out.
            memory: How many bytes one batch of knockouts may take, roughly.

        Raises:
            ValueError: If the kind is unknown, or the reference is missing, too small, or of other
                lengths than the dataset.
        """
        self.weights: Weights = read_weights(model)
        self.dataset, self.metric, self.memory = dataset, metric, memory
        self.values = ablated_outputs(self.weights, dataset, kind, reference)
        self.clean: Activations = run(self.weights, dataset.tokens)

    @cached_property
    def model_metric(self) -> Float[Tensor, " prompt"]:
        """The metric of the intact model."""
        return read_out(self.weights, at_end(self.clean, self.dataset), self.dataset, self.metric)

    @cached_property
    def ablated(self) -> Activations:
        """The run with every head off at every position."""
        everything = torch.ones(*self.weights.shape, *self.dataset.tokens.shape, dtype=torch.bool)
        return run(self.weights, self.dataset.tokens, Knockout(everything, self.values).edit)

    def knockout(self, nodes: Iterable[NodeLike]) -> Knockout:
        """A set of nodes held at the ablated outputs.

        Args:
            nodes: Heads, or heads at a position.

        Returns:
            The knockout, for `run` and `path_patch`.

        Raises:
            ValueError: If a head or position does not exist.
        """
        return Knockout(node_mask(nodes, self.weights.shape, self.dataset), self.values)

    def without(self, sets: Sequence[Collection[NodeLike]]) -> Float[Tensor, "set prompt"]:
        r"""The metric of the model with a set of nodes off, F(M \ K) before averaging.

        Args:
            sets: Sets K of heads, or of heads at a position.

        Returns:
            One row per set.

        Raises:
            ValueError: If a head or position does not exist.
        """
        return self._measure(sets, keep=False)

    def only(self, sets: Sequence[Collection[NodeLike]]) -> Float[Tensor, "set prompt"]:
        """The metric with all heads off except a set of nodes, F(C) before averaging.

        Args:
            sets: Circuits C as sets of heads, or of heads at a position.

        Returns:
            One row per set.

        Raises:
            ValueError: If a head or position does not exist.
        """
        return self._measure(sets, keep=True)

    @torch.no_grad()
    def _measure(
        self, sets: Sequence[Collection[NodeLike]], keep: bool
    ) -> Float[Tensor, "set prompt"]:
        checked = [as_nodes(nodes, self.weights.shape, self.dataset) for nodes in sets]
        background = self.ablated if keep else self.clean
        resting = read_out(
            self.weights, at_end(background, self.dataset), self.dataset, self.metric
        )
        result = resting.repeat(len(sets), 1)

        # together go sets at the same positions, and those that begin in the same layer
        def order(row: int) -> tuple[list[str], int]:
            nodes = checked[row]
            return sorted({str(node.position) for node in nodes}), min(n.layer for n in nodes)

        rows = sorted((row for row, nodes in enumerate(checked) if nodes), key=order)
        for _, group in groupby(rows, key=lambda row: order(row)[0]):
            alike = list(group)
            window = self._window(checked[alike[0]], keep)
            batch = max(1, self.memory // self._bytes_per_set(window))
            for start in range(0, len(alike), batch):
                now = alike[start : start + batch]
                result[now] = self._batch([checked[row] for row in now], window, background, keep)
        return result

    def _batch(
        self,
        sets: Sequence[tuple[Node, ...]],
        window: Window,
        background: Activations,
        keep: bool,
    ) -> Float[Tensor, "set prompt"]:
        weights, dataset = self.weights, self.dataset
        masks = torch.stack([node_mask(nodes, weights.shape, dataset) for nodes in sets])

        def edit(part: Part, layer: int, value: Tensor, positions: Tensor) -> Tensor:
            if part != "z":
                return value
            mask = masks[:, layer].permute(2, 3, 0, 1)  # prompt, pos, set, head
            mask = at_positions(mask, positions).permute(2, 0, 1, 3)[..., None]
            off = at_positions(self.values[layer], positions)
            return torch.where(mask, value, off) if keep else torch.where(mask, off, value)

        first = min(node.layer for nodes in sets for node in nodes)
        start = at_positions(background.resid_pre[first], window.positions)[None]
        resid = resume(weights, background, start, window, layer=first, edit=edit)
        end = index_of(window.positions, dataset.positions["END"])
        at = resid[:, torch.arange(len(dataset)), end]
        return read_out(weights, at, dataset, self.metric)

    def _window(self, nodes: tuple[Node, ...], keep: bool) -> Window:
        """The positions that can differ from the background."""
        length, positions = self.dataset.tokens.shape[1], self.dataset.positions
        names = {node.position for node in nodes}
        if None in names:
            return Window.whole(*self.dataset.tokens.shape)
        named = torch.stack([positions[name] for name in {*names, "END"} if name], dim=1)
        if keep:
            # where no head is kept, the ablated outputs are all that is written
            at = named.sort(1).values
            if (at.diff(dim=1) > 0).all():
                return Window.of(at, length)
        return Window.up_to_end(named.min(1).values, positions["END"], length)

    def _bytes_per_set(self, window: Window) -> int:
        weights, (n_prompts, length) = self.weights, self.dataset.tokens.shape
        d_model, d_mlp = weights.W_in.shape[1:]
        width = window.positions.shape[1]
        floats = 8 * d_model + 2 * d_mlp + 4 * weights.n_heads * (length + width)
        mask = weights.n_layers * weights.n_heads * n_prompts * length
        return 4 * n_prompts * width * floats + mask


def knockout(
    model: Model,
    dataset: IOIDataset,
    nodes: Collection[NodeLike],
    *,
    kind: str = "mean",
    reference: IOIDataset | None = None,
    metric: Metric | None = None,
) -> Float[Tensor, " prompt"]:
    """The metric with some heads switched off.

    For many knockouts on the same prompts, make one `Ablator` and use its `without`.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        dataset: The prompts.
        nodes: What is switched off: heads `(layer, head)` everywhere, or at a position
            `(layer, head, "END")`.
        kind: One of `KINDS`.
        reference: Where `mean` and `resample` take their outputs from; see `Ablator`.
        metric: What to measure; the logit difference if left out.

    Returns:
        One number per prompt; for the logit difference, positive where the model prefers IO.

    Raises:
        ValueError: If the kind, a head or a position does not exist, or the reference is missing,
            too small, or of other lengths than the dataset.
    """
    return Ablator(model, dataset, kind=kind, reference=reference, metric=metric).without([nodes])[
        0
    ]


@torch.no_grad()
def ablated_outputs(
    model: Model, dataset: IOIDataset, kind: str, reference: IOIDataset | None = None
) -> Float[Tensor, "layer prompt pos head d_head"]:
    """What takes the place of each head's output when it is switched off.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        dataset: The prompts.
        kind: One of `KINDS`.
        reference: See `Ablator`; not needed for `zero`.

    Returns:
        Outputs before `W_O`; behind END they are not defined.

    Raises:
        ValueError: If the kind is unknown, or the reference is missing, too small, or of other
            lengths than the dataset.
    """
    weights = read_weights(model)
    if kind not in KINDS:
        raise ValueError(f"unknown ablation {kind!r}: the kinds are {', '.join(KINDS)}")
    if kind == "zero":
        n_layers, n_heads, d_head = weights.b_Q.shape
        return torch.zeros(n_layers, *dataset.tokens.shape, n_heads, d_head)
    if reference is None:
        raise ValueError(f"{kind!r} ablation needs reference prompts: pass `reference`")
    if kind == "resample":
        require_aligned(dataset, reference, "reference")
        return _outputs(weights, reference.tokens, dataset.tokens.shape[1])
    return _mean_outputs(weights, dataset, reference)


def _mean_outputs(
    weights: Weights, dataset: IOIDataset, reference: IOIDataset
) -> Float[Tensor, "layer prompt pos head d_head"]:
    templates = [prompt.template for prompt in dataset.prompts]
    references = [prompt.template for prompt in reference.prompts]
    for template in dict.fromkeys(templates):
        count = references.count(template)
        if count < MINIMUM_REFERENCE:
            raise ValueError(
                f"the reference set is too small for the mean: {count} prompts of the template "
                f"{template!r}, at least {MINIMUM_REFERENCE} are needed of each"
            )
    n_layers, n_heads, d_head = weights.b_Q.shape
    means = torch.zeros(n_layers, *dataset.tokens.shape, n_heads, d_head)
    for template in dict.fromkeys(templates):
        mine = torch.tensor([row for row, own in enumerate(templates) if own == template])
        theirs = torch.tensor([row for row, own in enumerate(references) if own == template])
        ends = {int(end) for end in dataset.positions["END"][mine]}
        ends |= {int(end) for end in reference.positions["END"][theirs]}
        if len(ends) > 1:
            raise ValueError(
                f"sequences of different length: prompts of the template {template!r} end at "
                f"positions {sorted(ends)}, so that a mean per position would mix their words"
            )
        length = ends.pop() + 1
        outputs = _outputs(weights, reference.tokens[theirs], length)
        means[:, mine, :length] = outputs.mean(1, keepdim=True)
    return means


def _outputs(weights: Weights, tokens: Int[Tensor, "prompt pos"], length: int) -> Tensor:
    """The heads' outputs, cut or filled up to a length; other activations are not kept."""
    z = torch.cat([torch.stack(run(weights, t[:, :length]).z) for t in tokens.split(64)], dim=1)
    return torch.nn.functional.pad(z, (0, 0, 0, 0, 0, length - z.shape[2]))
