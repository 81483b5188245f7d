"""The weights of a GPT-2, head by head, in one plain object.

LayerNorm's own weights are folded into the matrices that read from it, the value biases into `b_O`,
and the unembedding is centred, as transformer_lens does in compatibility mode. None of this changes
a log probability or a logit difference. It does decide what "zero" means for a head: with the value
biases folded, a head whose output is set to zero loses all it writes except a constant.
"""
# ruff: noqa: N806, N815  the field's names for weights have capitals

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Union

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import GPT2LMHeadModel

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "gelu": F.gelu,
    "relu": F.relu,
}
"""Nonlinearities of the MLP, by their names in a Hugging Face configuration."""


@dataclass(frozen=True, eq=False)
class Weights:
    """A decoder of GPT-2's kind: learned positions, LayerNorm before every matrix that reads.

    Attributes:
        W_E, W_pos: token and position embeddings
        W_Q, W_K, W_V: each head's matrices that read the residual stream
        b_Q, b_K, b_V: what is added to their products
        W_O, b_O: each head's matrix that writes to it, and what each attention layer adds
        W_in, b_in: the MLP's matrix that reads; `d_mlp` may be 0
        W_out, b_out: the MLP's matrix that writes
        W_U, b_U: the unembedding
    """

    W_E: Float[Tensor, "vocab d_model"]
    W_pos: Float[Tensor, "context d_model"]
    W_Q: Float[Tensor, "layer head d_model d_head"]
    b_Q: Float[Tensor, "layer head d_head"]
    W_K: Float[Tensor, "layer head d_model d_head"]
    b_K: Float[Tensor, "layer head d_head"]
    W_V: Float[Tensor, "layer head d_model d_head"]
    b_V: Float[Tensor, "layer head d_head"]
    W_O: Float[Tensor, "layer head d_head d_model"]
    b_O: Float[Tensor, "layer d_model"]
    W_in: Float[Tensor, "layer d_model d_mlp"]
    b_in: Float[Tensor, "layer d_mlp"]
    W_out: Float[Tensor, "layer d_mlp d_model"]
    b_out: Float[Tensor, "layer d_model"]
    W_U: Float[Tensor, "d_model vocab"]
    b_U: Float[Tensor, " vocab"]
    epsilon: float = 1e-5
    """added to the variance in LayerNorm"""
    activation: str = "gelu_new"
    """one of `ACTIVATIONS`"""

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise ValueError(f"unknown MLP activation {self.activation!r}; known are {known}")

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return self.W_Q.shape[0]

    @property
    def n_heads(self) -> int:
        """Heads in each layer."""
        return self.W_Q.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """Layers, and heads in each."""
        return self.n_layers, self.n_heads

    @cached_property
    def qkv(self) -> tuple[Float[Tensor, "layer d_model qkv"], Float[Tensor, "layer qkv"]]:
        """Matrix and bias that give queries, keys and values of all heads in one product."""
        matrices = [W.permute(0, 2, 1, 3).flatten(2) for W in (self.W_Q, self.W_K, self.W_V)]
        biases = [b.flatten(1) for b in (self.b_Q, self.b_K, self.b_V)]
        return torch.cat(matrices, dim=2), torch.cat(biases, dim=1)

    @cached_property
    def has_mlp(self) -> tuple[bool, ...]:
        """For each layer, whether its MLP writes anything; attention-only layers have zeros."""
        return tuple(bool(w.any() or b.any()) for w, b in zip(self.W_out, self.b_out, strict=True))


Model = Union["TransformerBridge", "GPT2LMHeadModel", Weights]
"""What the functions of `interp_rl.ioi` accept as a model."""


def read_weights(model: Any, *, fold_value_biases: bool = True) -> Weights:
    """Reads the weights of a model; the model is left as it is.

    Args:
        model: A `TransformerBridge` in compatibility mode (as `models.load_hooked` returns), a
            Hugging Face `GPT2LMHeadModel`, or `Weights`, which are returned as they are.
        fold_value_biases: False leaves each head its value bias, so that what a head writes is all
            that its own weights give, its constant included. A bridge has folded them already.

    Returns:
        The weights. Changing the model afterwards does not change them.

    Raises:
        TypeError: If the model is of another kind.
        ValueError: If the bridge is not in compatibility mode, or the model differs from GPT-2 in a
            way that is not handled here (rotary positions, scaling by layer, grouped keys, ...).
    """
    if isinstance(model, Weights):
        return model
    # compared by name, so that neither library is imported only to be compared with
    kind = type(model).__name__
    with torch.no_grad():
        if kind == "TransformerBridge":
            return _from_bridge(model)
        if kind == "GPT2LMHeadModel":
            return _from_hugging_face(model, fold_value_biases)
    raise TypeError(
        f"a {kind} is not a model that can be read: give a TransformerBridge, a GPT2LMHeadModel or "
        "Weights"
    )


def _from_bridge(model: Any) -> Weights:
    config = model.cfg
    if not model.compatibility_mode:
        raise ValueError(
            "the bridge is not in compatibility mode: call its enable_compatibility_mode() first, "
            "or load it with interp_rl.models.load_hooked"
        )
    if (
        config.positional_embedding_type != "standard"
        or config.scale_attn_by_inverse_layer_idx
        or config.uses_rms_norm
        or config.parallel_attn_mlp
    ):
        raise ValueError("only decoders of GPT-2's architecture can be read")
    names = [field.name for field in fields(Weights) if field.name[:2] in ("W_", "b_")]
    tensors = {name: getattr(model, name).detach().clone() for name in names}
    return Weights(**tensors, epsilon=config.eps, activation=config.act_fn)


def _from_hugging_face(model: Any, fold_value_biases: bool) -> Weights:
    config, decoder = model.config, model.transformer
    if (
        config.scale_attn_by_inverse_layer_idx
        or not config.scale_attn_weights
        or config.add_cross_attention
    ):
        raise ValueError("only GPT-2's own attention can be read: scaled by 1/sqrt(d_head) alone")
    heads, width = config.n_head, config.n_embd
    layers: dict[str, list[Tensor]] = {}

    def keep(**tensors: Tensor) -> None:
        for name, tensor in tensors.items():
            layers.setdefault(name, []).append(tensor)

    for block in decoder.h:
        # Conv1D computes x @ weight + bias; the last dimension holds q, k, v one after another
        W, b = _fold(block.ln_1, block.attn.c_attn.weight, block.attn.c_attn.bias)
        W_Q, W_K, W_V = W.reshape(width, 3, heads, -1).permute(1, 2, 0, 3)
        b_Q, b_K, b_V = b.reshape(3, heads, -1)
        W_O = _centred(block.attn.c_proj.weight)
        b_O = _centred(block.attn.c_proj.bias)
        if fold_value_biases:
            b_O, b_V = b_O + b_V.flatten() @ W_O, torch.zeros_like(b_V)
        W_in, b_in = _fold(block.ln_2, block.mlp.c_fc.weight, block.mlp.c_fc.bias)
        W_out, b_out = _centred(block.mlp.c_proj.weight), _centred(block.mlp.c_proj.bias)
        keep(W_Q=W_Q, b_Q=b_Q, W_K=W_K, b_K=b_K, W_V=W_V, b_V=b_V)
        keep(W_O=W_O.reshape(heads, -1, width), b_O=b_O)
        keep(W_in=W_in, b_in=b_in, W_out=W_out, b_out=b_out)

    W_U, b_U = _fold(decoder.ln_f, model.lm_head.weight.T, torch.zeros(config.vocab_size))
    return Weights(
        W_E=_centred(decoder.wte.weight),
        W_pos=_centred(decoder.wpe.weight),
        **{name: torch.stack(tensors) for name, tensors in layers.items()},
        W_U=_centred(W_U),
        b_U=b_U - b_U.mean(),
        epsilon=config.layer_norm_epsilon,
        activation=config.activation_function,
    )


def _fold(norm: Any, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """LayerNorm's own weights, moved into the matrix that reads from it; that matrix is centred."""
    folded = norm.weight[:, None] * weight
    return folded - folded.mean(0, keepdim=True), bias + norm.bias @ weight


def _centred(weight: Tensor) -> Tensor:
    """Without the mean over the last dimension, which the next LayerNorm (or a softmax) removes."""
    return weight - weight.mean(-1, keepdim=True)
