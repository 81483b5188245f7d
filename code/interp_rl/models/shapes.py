"""What happens between tokens and logits, with the true shape of every tensor on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from interp_rl.models.table import Row, Table
from interp_rl.models.text import to_tokens, tokenizer_of

if TYPE_CHECKING:
    import transformer_lens.model_bridge

Axes = tuple[str, ...]
"""What each axis of a tensor counts."""


@dataclass(frozen=True)
class Step:
    """One box of the diagram, as it ran."""

    name: str
    """in the words of the diagram"""
    axes: Axes
    """what each axis of the tensor counts"""
    shape: tuple[int, ...]
    """how many there are along each axis"""
    meaning: str
    """what the tensor holds"""
    hook: str
    """where transformer_lens lets you read the tensor, or how to compute it"""
    block: int | None = None
    """the block it belongs to, from 0; before and after the blocks: `None`"""
    zeros: bool = False
    """whether the tensor was zero everywhere, as the MLPs' outputs are in a model without MLPs"""

    @property
    def named_shape(self) -> str:
        """Such as `(batch=1, pos=14, d_model=96)`."""
        pairs = (f"{axis}={size}" for axis, size in zip(self.axes, self.shape, strict=True))
        return f"({', '.join(pairs)})"


_IDS = ("batch", "pos")
_STREAM = ("batch", "pos", "d_model")
_HEADS = ("batch", "pos", "head", "d_head")
_PAIRS = ("batch", "head", "query_pos", "key_pos")
_WRITES = ("batch", "pos", "head", "d_model")
_HIDDEN = ("batch", "pos", "d_mlp")
_LOGITS = ("batch", "pos", "vocab")

_SUM = "hook_embed + hook_pos_embed"
_NORMALIZED = "each position's vector, brought to mean 0 and variance 1"

# name, hook, axes, meaning
_BEFORE = (
    ("Index 0", "embed.hook_in", _IDS, "the id of each token; the first begins every text"),
    ("Token embed", "hook_embed", _STREAM, "one row of the matrix W_E for each token id"),
    ("Index 1", "pos_embed.hook_in", _IDS, "the position of each token, from 0"),
    ("Position embed", "hook_pos_embed", _STREAM, "one row of W_pos for each position"),
    ("add", _SUM, _STREAM, "their sum, in which the residual stream begins"),
    ("Dropout", "blocks.0.hook_resid_pre", _STREAM, "the same sum: Dropout acts in training only"),
)
_BLOCK = (
    ("LayerNorm", "ln1.hook_normalized", _STREAM, _NORMALIZED),
    ("Attention: query q", "attn.hook_q", _HEADS, "what each position looks for"),
    ("Attention: key k", "attn.hook_k", _HEADS, "what each position can be found by"),
    ("Attention: value v", "attn.hook_v", _HEADS, "what each position hands on when attended to"),
    ("Attention: scores", "attn.hook_attn_scores", _PAIRS, "q · k / √d_head, the future masked"),
    ("Attention: pattern", "attn.hook_pattern", _PAIRS, "softmax of the scores: rows sum to 1"),
    ("Attention: z", "attn.hook_z", _HEADS, "values averaged with the weights of the pattern"),
    ("Attention: result", "attn.hook_result", _WRITES, "z times W_O: what each head writes"),
    ("Attention", "hook_attn_out", _STREAM, "the heads' results and a bias, summed; then Dropout"),
    ("add", "hook_resid_mid", _STREAM, "residual stream plus attention"),
    ("LayerNorm", "ln2.hook_normalized", _STREAM, _NORMALIZED),
    ("MLP: hidden", "mlp.hook_post", _HIDDEN, "hidden units of the MLP, after GELU"),
    ("MLP", "hook_mlp_out", _STREAM, "what the MLP writes; then Dropout"),
    ("add", "hook_resid_post", _STREAM, "residual stream plus MLP: what the next block reads"),
)
_AFTER = (
    ("LayerNorm", "ln_final.hook_normalized", _STREAM, _NORMALIZED),
    ("Unembed", "hook_unembed", _LOGITS, "logits: how strongly each token is expected next"),
)


def trace(model: transformer_lens.model_bridge.TransformerBridge, text: str) -> list[Step]:
    """Runs a text through a model and notes every step.

    Args:
        model: A GPT-2 with hooks, as `load_hooked` returns it.
        text: What it reads.

    Returns:
        The steps in the order in which they run, with the shapes the run had.

    Raises:
        TextError: If the model cannot read the text; see `to_tokens`.
        ValueError: If the model is not a GPT-2, or does not keep each head's output.
    """
    if model.cfg.architecture != "GPT2LMHeadModel":
        raise ValueError(f"trace follows a GPT-2; this model is a {model.cfg.architecture}")
    if not model.cfg.use_attn_result:
        raise ValueError(
            "The model does not keep each head's output: call model.set_use_attn_result(True), "
            "or load it with models.load_hooked."
        )
    tokens = to_tokens(model, text)
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens)

    # the sum of the two embeddings has no hook of its own
    values = {**cache, _SUM: cache["hook_embed"] + cache["hook_pos_embed"]}

    def step(block: int | None, name: str, hook: str, axes: Axes, meaning: str) -> Step:
        hook = hook if block is None else f"blocks.{block}.{hook}"
        zeros = not values[hook].any()
        if name == "MLP" and zeros:
            meaning = "zeros: this model does without MLPs and keeps their place empty"
        return Step(name, axes, tuple(values[hook].shape), meaning, hook, block, zeros)

    return [
        *(step(None, *row) for row in _BEFORE),
        *(step(block, *row) for block in range(model.cfg.n_layers) for row in _BLOCK),
        *(step(None, *row) for row in _AFTER),
    ]


def show(steps: list[Step]) -> Table:
    """A table of the steps.

    If all blocks have the same steps with the same shapes, the first stands for all of them.

    Args:
        steps: As `trace` returns them.

    Returns:
        A table that a notebook displays.

    Raises:
        ValueError: If there are no steps.
    """
    if not steps:
        raise ValueError("There are no steps to show; get them from trace(model, text).")
    blocks = sorted({step.block for step in steps if step.block is not None})
    inside = [_without_index(steps, block) for block in blocks]
    alike = len(blocks) > 1 and all(other == inside[0] for other in inside)
    if alike:
        steps = [step for step in steps if step.block in (None, blocks[0])]

    groups: dict[str, list[Row]] = {}
    for step in steps:
        if step.block is None:
            heading = "After the blocks" if len(groups) > 1 else "Before the blocks"
        elif alike:
            heading = f"Each of the {len(blocks)} blocks (hooks of block {blocks[0]})"
        else:
            heading = f"Block {step.block}"
        row = (step.name, step.named_shape, step.meaning, step.hook)
        groups.setdefault(heading, []).append(row)
    columns = ("Step", "Shape", "What it holds", "Hook")
    return Table("From tokens to logits", columns, groups, code=("Shape", "Hook"))


def _without_index(steps: list[Step], block: int) -> list[Step]:
    """The steps of a block as if it were any block."""
    inside = [step for step in steps if step.block == block]
    return [replace(s, block=None, hook=s.hook.removeprefix(f"blocks.{block}.")) for s in inside]


def tokens_table(model: Any, text: str) -> Table:
    """The pieces of a text, their ids and positions.

    Args:
        model: What `load` or `load_hooked` returned, or a tokenizer.
        text: What it reads.

    Returns:
        A table that a notebook displays; a space that belongs to a piece is shown as `␣`.

    Raises:
        TextError: If the model cannot read the text; see `to_tokens`.
    """
    ids = to_tokens(model, text)[0].tolist()
    decode = tokenizer_of(model).decode
    rows: list[Row] = [
        (position, decode([i]).replace(" ", "␣"), i) for position, i in enumerate(ids)
    ]
    return Table(f"The {len(ids)} tokens", ("Position", "Token", "Id"), {"": rows}, code=("Token",))
