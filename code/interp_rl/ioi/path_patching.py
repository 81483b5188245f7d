"""Path patching (Wang et al. 2022, Section 3.1 and Appendix B), for all senders together.

Which heads matter to a set of receivers by the direct path, not through other heads? In the paper's
terms there are four forward passes for each sender:

A. on the corrupted prompts, to record the sender's output there;
B. on the clean prompts, to record all heads' outputs;
C. on the clean prompts, with the sender's output taken from A, all other heads frozen to B, and
   MLPs and LayerNorm recomputed: what the receivers read here is recorded;
D. on the clean prompts, with the receivers set to what they read in C and all else recomputed.

The change of the metric from B to D is the effect of the path.

Passes A and B are the same for all senders. In pass C no head moves anything between positions, so
that only the positions where a receiver reads need computing; in pass D only those positions and
what comes after them can differ from B. All senders therefore go through C and D as one batch, over
one or a few positions instead of all, from the layer on where they differ from B.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp_rl.ioi.activations import (
    Activations,
    Edit,
    Metric,
    Part,
    PerHead,
    Window,
    add_mlp,
    at_end,
    at_positions,
    index_of,
    project,
    read_out,
    resume,
    run,
)
from interp_rl.ioi.knockouts import Knockout
from interp_rl.ioi.nodes import Node, NodeLike, all_heads, as_node, as_nodes, require_aligned
from interp_rl.ioi.task import IOIDataset
from interp_rl.ioi.weights import Model, Weights, read_weights

LOGITS: Literal["logits"] = "logits"
"""The receiver at the very end: the final LayerNorm and the unembedding at END."""

MEMORY = 128 * 2**20
"""How many bytes one batch of senders may take, roughly."""


class Receiver(NamedTuple):
    """An input of an attention head: its queries, keys or values, at one position or at all."""

    part: str
    """`q`, `k` or `v`"""
    layer: int
    """counted from 0"""
    head: int
    """counted from 0 within the layer"""
    position: str | None = None
    """a name among `dataset.positions`; None for every position"""

    def __str__(self) -> str:
        return f"{Node(*self[1:])} {self.part}"


@dataclass(frozen=True, eq=False)
class PathEffects:
    """What path patching did to the metric, for each sender."""

    senders: tuple[tuple[Node, ...], ...]
    """the heads patched together in each row"""
    shape: tuple[int, int]
    """layers of the model, and heads in each"""
    before: Float[Tensor, " prompt"]
    """the metric of the clean run, on which no path is patched"""
    after: Float[Tensor, "sender prompt"]
    """the metric after patching"""

    @property
    def change(self) -> Float[Tensor, "sender prompt"]:
        """After minus before; negative where the path speaks for IO."""
        return self.after - self.before

    def heatmap(self, *, relative: bool = False) -> Float[Tensor, "layer head"]:
        """Mean change of the metric for each head.

        Args:
            relative: Divide by the mean metric of the clean run.

        Returns:
            Negative where the head's path supports IO over S, positive where it opposes it; NaN
            for heads that were no sender.

        Raises:
            ValueError: If a row patches several heads, or two rows the same head.
        """
        heat = torch.full(self.shape, torch.nan)
        for nodes, change in zip(self.senders, self.change.mean(1), strict=True):
            if len(nodes) != 1 or not heat[nodes[0][:2]].isnan():
                raise ValueError("a heatmap needs one row per head: each head alone, and once")
            heat[nodes[0][:2]] = change
        return heat / self.before.mean() if relative else heat


@torch.no_grad()
def path_patch(
    model: Model,
    clean: IOIDataset,
    corrupted: IOIDataset,
    *,
    senders: Iterable[NodeLike | Iterable[NodeLike]] | None = None,
    receivers: str | Iterable[Receiver] = LOGITS,
    mlps: str = "recomputed",
    knockout: Knockout | None = None,
    metric: Metric | None = None,
    memory: int = MEMORY,
) -> PathEffects:
    """Measures the direct effect of heads on receivers, each head alone or several jointly.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        clean: The prompts of the task.
        corrupted: The same prompts with other names, in the same order.
        senders: What is patched in each row: a head `(layer, head)`, a head at one position
            `(layer, head, "S2")`, or a collection of these, patched jointly. Every head alone if
            left out.
        receivers: `LOGITS`, or the inputs of heads, which are all patched together.
        mlps: `recomputed` as in the paper, so that a path may lead through MLPs, or `frozen` to
            the clean run in pass C, which leaves the residual connections only.
        knockout: Heads held at fixed values in all four passes, as for the paper's backup heads.
        metric: What to measure; the logit difference if left out.
        memory: How many bytes one batch of senders may take, roughly.

    Returns:
        The metric before and after. A sender that cannot reach the receivers, because it is not
        in an earlier layer, leaves it as it is.

    Raises:
        ValueError: If the two datasets do not match position by position, a head or position does
            not exist, there is no sender or receiver, or `mlps` is neither of the two.
    """
    weights = read_weights(model)
    require_aligned(clean, corrupted, "corrupted")
    if mlps not in ("recomputed", "frozen"):
        raise ValueError(f"unknown mlps={mlps!r}: they can be 'recomputed' or 'frozen'")
    groups = _sender_groups(senders, weights, clean)
    targets = _checked_receivers(receivers, weights, clean)

    edit = None if knockout is None else knockout.edit
    last = weights.n_layers if targets is None else max(target.layer for target in targets)
    # the logits read the last layer at END only
    last_at = clean.positions["END"][:, None] if targets is None else None
    other = run(weights, corrupted.tokens, edit, stop=max(last, 1), last_at=last_at).z  # pass A
    base = run(weights, clean.tokens, edit, last_at=last_at)  # pass B
    resting = at_end(base, clean) if targets else base.resid_post[-1][:, 0]
    before = read_out(weights, resting, clean, metric)
    patcher = _Patcher(weights, clean, base, other, targets, mlps, edit, metric)

    after = before.repeat(len(groups), 1)
    # senders of one layer start together; one behind all receivers changes nothing
    by_layer = sorted(range(len(groups)), key=lambda row: _first_layer(groups[row]))
    reaching = [row for row in by_layer if _first_layer(groups[row]) < patcher.last_layer]
    batch = max(1, memory // patcher.bytes_per_sender)
    for start in range(0, len(reaching), batch):
        rows = reaching[start : start + batch]
        after[rows] = patcher.metric_after([groups[row] for row in rows])
    return PathEffects(tuple(groups), weights.shape, before, after)


@dataclass(frozen=True, eq=False)
class _Patcher:
    """Passes C and D for one set of receivers."""

    weights: Weights
    clean: IOIDataset
    base: Activations
    other_z: tuple[PerHead, ...]
    """head outputs on the corrupted prompts"""
    receivers: tuple[Receiver, ...] | None
    """None for the logits"""
    mlps: str
    edit: Edit | None
    metric: Metric | None

    @cached_property
    def read_layers(self) -> list[int]:
        """Layers before which a receiver reads; the number of layers stands for the logits."""
        if self.receivers is None:
            return [self.weights.n_layers]
        return sorted({receiver.layer for receiver in self.receivers})

    @property
    def last_layer(self) -> int:
        """The last layer before which a receiver reads."""
        return self.read_layers[-1]

    @cached_property
    def read_positions(self) -> Int[Tensor, "prompt window"]:
        """Positions at which a receiver reads."""
        names = ["END"] if self.receivers is None else [r.position for r in self.receivers]
        named = dict.fromkeys(name for name in names if name is not None)
        if None in names:
            return torch.arange(self.clean.tokens.shape[1]).expand(len(self.clean), -1)
        return torch.stack([self.clean.positions[name] for name in named], dim=1)

    @cached_property
    def window(self) -> Window:
        """Positions that can change in pass D."""
        first = self.read_positions.min(1).values
        end = self.clean.positions["END"]
        # keys and values behind END are read by nothing
        return Window.up_to_end(torch.minimum(first, end), end, self.clean.tokens.shape[1])

    @property
    def bytes_per_sender(self) -> int:
        """Roughly how much memory a sender takes in the larger of the two passes."""
        weights, (n_prompts, length) = self.weights, self.clean.tokens.shape
        d_model, d_mlp = weights.W_in.shape[1:]
        if self.receivers is None:
            width = 1
        else:
            width = max(self.window.positions.shape[1], self.read_positions.shape[1])
        floats = 8 * d_model + 2 * d_mlp + 4 * weights.n_heads * (length + width)
        return 4 * n_prompts * width * floats

    def metric_after(self, groups: Sequence[tuple[Node, ...]]) -> Float[Tensor, "sender prompt"]:
        """The metric for some senders, sorted by their first layers, which reach a receiver."""
        reads = self._pass_c(groups)
        if self.receivers is None:
            return read_out(self.weights, reads[self.last_layer][:, :, 0], self.clean, self.metric)
        return self._pass_d(reads, self.receivers, len(groups))

    def _pass_c(
        self, groups: Sequence[tuple[Node, ...]]
    ) -> dict[int, Float[Tensor, "sender prompt window d_model"]]:
        """The residual stream that receivers read, with senders patched and other heads frozen.

        The first dimension holds the senders that have written anything by then: only the first
        few for receivers in early layers.
        """
        weights, base = self.weights, self.base
        starts = [_first_layer(group) for group in groups]
        resid, reads = None, {}
        for layer in range(starts[0], self.last_layer):
            mid = self._read(base.resid_mid[layer])
            started = sum(start <= layer for start in starts)
            if resid is None:
                resid = mid.repeat(started, 1, 1, 1)
            else:
                resid = resid + (mid - self._read(base.resid_pre[layer]))
                fresh = mid.expand(started - len(resid), *mid.shape)
                resid = torch.cat([resid, fresh])
            self._add_changes(resid, layer, groups[:started])
            if self.mlps == "recomputed":
                resid = add_mlp(weights, layer, resid)
            else:
                resid = resid + (self._read(base.resid_post[layer]) - mid)
            if layer + 1 in self.read_layers:
                reads[layer + 1] = resid
        return reads

    def _read(self, values: Tensor) -> Tensor:
        """The values at the positions where a receiver reads."""
        if values.shape[1] < self.clean.tokens.shape[1]:  # nothing else was computed
            return values
        return at_positions(values, self.read_positions)

    def _add_changes(self, resid: Tensor, layer: int, groups: Sequence[tuple[Node, ...]]) -> None:
        """Adds, in place, what the senders of a layer write more than in the clean run."""
        z_change = self._read(self.other_z[layer]) - self._read(self.base.z[layer])
        written = torch.einsum("pwhd,hdm->hpwm", z_change, self.weights.W_O[layer])
        for row, group in enumerate(groups):
            for head in {node.head for node in group if node.layer == layer}:
                positions = {node.position for node in group if node[:2] == (layer, head)}
                resid[row] += written[head] * self._covered(positions)[..., None]

    def _covered(self, positions: set[str | None]) -> Bool[Tensor, "prompt window"]:
        """Which of the positions that are read a sender with these positions writes to."""
        at = self.read_positions
        if None in positions:
            return torch.ones_like(at, dtype=torch.bool)
        own = torch.stack([self.clean.positions[name] for name in positions if name], dim=1)
        return (at[:, :, None] == own[:, None, :]).any(2)

    def _pass_d(
        self, reads: dict[int, Tensor], receivers: tuple[Receiver, ...], n_senders: int
    ) -> Float[Tensor, "sender prompt"]:
        """A forward pass with the receivers set to what they read in pass C."""
        weights, window = self.weights, self.window
        prompts = torch.arange(len(self.clean))

        def edit(part: Part, layer: int, value: Tensor, positions: Tensor) -> Tensor:
            if self.edit is not None:
                value = self.edit(part, layer, value, positions)
            mine = [r for r in receivers if (r.part, r.layer) == (part, layer)]
            if not mine or layer not in reads:
                return value
            patches = project(weights, part, layer, reads[layer], [r.head for r in mine])
            value = value.expand(n_senders, *value.shape[1:]).clone()
            for receiver, patch in zip(mine, patches.unbind(-2), strict=True):
                if receiver.position is None:  # the window is then every position
                    value[: len(patch), :, :, receiver.head] = at_window(patch, positions)
                else:
                    at = self.clean.positions[receiver.position]
                    here, there = index_of(positions, at), index_of(self.read_positions, at)
                    value[: len(patch), prompts, here, receiver.head] = patch[:, prompts, there]
            return value

        def at_window(patch: Tensor, positions: Tensor) -> Tensor:
            return patch[:, prompts[:, None], positions]

        first = self.read_layers[0]
        start = at_positions(self.base.resid_pre[first], window.positions)[None]
        resid = resume(weights, self.base, start, window, layer=first, edit=edit)
        end = index_of(window.positions, self.clean.positions["END"])
        return read_out(weights, resid[:, prompts, end], self.clean, self.metric)


def _first_layer(group: tuple[Node, ...]) -> int:
    return min(node.layer for node in group)


def _sender_groups(
    senders: Iterable[NodeLike | Iterable[NodeLike]] | None, weights: Weights, clean: IOIDataset
) -> list[tuple[Node, ...]]:
    """Checked senders, a single head as a group of one."""
    if senders is None:
        senders = all_heads(*weights.shape)
    groups = []
    for sender in senders:
        members: Any = list(sender)
        single = bool(members) and isinstance(members[0], int)
        nodes = as_nodes([tuple(members)] if single else members, weights.shape, clean)
        if not nodes:
            raise ValueError("a sender without any head: give (layer, head) or a group of them")
        groups.append(tuple(sorted(set(nodes), key=str)))
    if not groups:
        raise ValueError("no sender: leave `senders` out to patch every head")
    return groups


def _checked_receivers(
    receivers: str | Iterable[Receiver], weights: Weights, clean: IOIDataset
) -> tuple[Receiver, ...] | None:
    """Checked receivers; None for the logits."""
    if isinstance(receivers, str):
        if receivers != LOGITS:
            raise ValueError(f"unknown receivers {receivers!r}: give LOGITS or a list of Receiver")
        return None
    found = tuple(Receiver(*receiver) for receiver in receivers)
    if not found:
        raise ValueError("no receiver: give LOGITS or at least one Receiver")
    for receiver in found:
        if receiver.part not in ("q", "k", "v"):
            raise ValueError(f"receiver {receiver!r}: the part must be 'q', 'k' or 'v'")
        as_node(receiver[1:], weights.shape, clean)
    return found
