"""A random transformer so small that a check can run it dozens of times, with real hooks.

Its places have the names that they have in the book's models, so that an answer written for one of
those runs on it unchanged. Importing this module imports transformer_lens.
"""

from types import SimpleNamespace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens import ActivationCache, HookedRootModule
from transformer_lens.hook_points import HookPoint

from interp_rl.checks.hidden import generator

Stream = Float[Tensor, "prompt pos d_model"]
"""The residual stream, or what is added to it."""


class TinyHooked(HookedRootModule):
    """A decoder with random weights: attention with or without MLPs, LayerNorm before each."""

    def __init__(
        self,
        *,
        layers: int,
        heads: int,
        d_mlp: int,
        seed: int,
        vocabulary: int = 9,
        d_head: int = 3,
        context: int = 8,
    ):
        """Draws the weights.

        Args:
            layers: Number of layers.
            heads: Heads in each layer.
            d_mlp: Width of the MLPs; 0 for a model without.
            seed: Seed of the weights.
            vocabulary: Number of tokens.
            d_head: Numbers in each head's output.
            context: Most positions of a prompt.
        """
        super().__init__()
        draw_from = generator(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=draw_from) / shape[-2] ** 0.5

        d_model = heads * d_head
        self.cfg: Any = SimpleNamespace(
            n_layers=layers, n_heads=heads, d_head=d_head, d_model=d_model, d_vocab=vocabulary
        )
        self.W_E, self.W_pos = 3 * draw(vocabulary, d_model), 3 * draw(context, d_model)
        self.W_U = draw(d_model, vocabulary)
        self.blocks = nn.ModuleList(_Block(draw, heads, d_head, d_mlp) for _ in range(layers))
        self.ln_final = _Norm()
        self.setup()

    def forward(self, tokens: Int[Tensor, "prompt pos"]) -> Float[Tensor, "prompt pos vocab"]:
        """Runs the model.

        Args:
            tokens: The prompts.

        Returns:
            The logits.
        """
        resid = self.W_E[tokens] + self.W_pos[: tokens.shape[1]]
        for block in self.blocks:
            resid = block(resid)
        return self.ln_final(resid) @ self.W_U

    def run_with_cache(self, *inputs: Any, **options: Any) -> Any:
        """Runs the model and records what passes at every place, as the book's models do.

        Args:
            *inputs: The tokens.
            **options: Those of transformer_lens.

        Returns:
            The logits and the cache.
        """
        logits, cache = super().run_with_cache(*inputs, **options)
        return logits, ActivationCache(dict(cache), self)

    @property
    def has_mlps(self) -> bool:
        """Whether there are MLPs."""
        return any(block.d_mlp for block in self.blocks)

    def hooks_left(self) -> list[str]:
        """Places at which a hook is still set.

        Returns:
            Their names.
        """
        return [name for name, point in self.hook_dict.items() if point._forward_hooks]


class _Norm(nn.Module):
    """LayerNorm without weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.hook_scale = HookPoint()

    def forward(self, resid: Stream) -> Stream:
        scale = (resid.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
        return (resid - resid.mean(-1, keepdim=True)) / self.hook_scale(scale)


class _Attention(nn.Module):
    def __init__(self, draw: Any, heads: int, d_head: int):
        super().__init__()
        d_model = heads * d_head
        self.W_Q, self.W_K = draw(heads, d_model, d_head), draw(heads, d_model, d_head)
        self.W_V, self.W_O = draw(heads, d_model, d_head), draw(heads, d_head, d_model)
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        self.hook_pattern, self.hook_z, self.hook_result = HookPoint(), HookPoint(), HookPoint()

    def forward(self, read: Stream) -> Stream:
        def project(matrix: Tensor) -> Tensor:
            return torch.einsum("pnm,hmd->pnhd", read, matrix)

        q, k = self.hook_q(project(self.W_Q)), self.hook_k(project(self.W_K))
        scores = torch.einsum("pqhd,pkhd->phqk", q, k)
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        pattern = self.hook_pattern(scores.masked_fill(future, -torch.inf).softmax(-1))
        z = torch.einsum("phqk,pkhd->pqhd", pattern, self.hook_v(project(self.W_V)))
        return self.hook_result(torch.einsum("pqhd,hdm->pqhm", self.hook_z(z), self.W_O)).sum(2)


class _Block(nn.Module):
    def __init__(self, draw: Any, heads: int, d_head: int, d_mlp: int):
        super().__init__()
        self.ln1, self.attn = _Norm(), _Attention(draw, heads, d_head)
        self.hook_resid_pre, self.hook_attn_out = HookPoint(), HookPoint()
        self.hook_resid_mid, self.hook_resid_post = HookPoint(), HookPoint()
        self.d_mlp = d_mlp
        if d_mlp:
            self.ln2, self.hook_mlp_out = _Norm(), HookPoint()
            self.W_in = draw(heads * d_head, d_mlp)
            self.W_out = 2 * draw(d_mlp, heads * d_head)

    def forward(self, resid: Stream) -> Stream:
        resid = self.hook_resid_pre(resid)
        resid = self.hook_resid_mid(resid + self.hook_attn_out(self.attn(self.ln1(resid))))
        if self.d_mlp:
            written = nn.functional.gelu(self.ln2(resid) @ self.W_in) @ self.W_out
            resid = resid + self.hook_mlp_out(written)
        return self.hook_resid_post(resid)
