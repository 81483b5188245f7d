"""What single heads do: where they attend, whether they copy, what repeated tokens do to them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.ioi.activations import Activations, layer_norm, run
from interp_rl.ioi.nodes import indices_of
from interp_rl.ioi.task import IOIDataset
from interp_rl.ioi.weights import Model, read_weights


@torch.no_grad()
def attention_to(
    activations: Activations, dataset: IOIDataset, query: str, key: str
) -> Float[Tensor, "layer head prompt"]:
    """Attention probability from one named position to another.

    Args:
        activations: A run on the dataset.
        dataset: The prompts.
        query: Name of the position that attends, such as `END`.
        key: Name of the position that is attended to, such as `IO`.

    Returns:
        Probabilities; 0 where the key stands behind the query.

    Raises:
        ValueError: If a position does not exist.
    """
    rows, at, to = torch.arange(len(dataset)), indices_of(query, dataset), indices_of(key, dataset)
    layers = range(len(activations.q))
    return torch.stack([activations.pattern(layer)[rows, :, at, to].T for layer in layers])


@torch.no_grad()
def copy_scores(
    model: Model,
    dataset: IOIDataset,
    *,
    positions: Sequence[str] = ("IO", "S1"),
    top: int = 5,
    negative: bool = False,
) -> Float[Tensor, "layer head"]:
    """How often a head that attends to a name raises this name (Wang et al. 2022, Section 3.1).

    The residual stream at each name's position, taken after the first layer, goes through the
    head's OV matrix as if attended to fully, then through the final LayerNorm and the unembedding.
    The score is the share of names found among the highest logits. Heads of the first layer read
    the stream before it, which is all that they ever see.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        dataset: The prompts.
        positions: Positions of the names.
        top: How many of the highest logits count.
        negative: Use the negative of the OV matrix: how often the head lowers the name.

    Returns:
        Scores from 0 to 1.

    Raises:
        ValueError: If a position does not exist, or `top` is not from 1 to the vocabulary's size.
    """
    weights = read_weights(model)
    n_layers, n_heads = weights.shape
    if not 1 <= top <= len(weights.b_U):
        raise ValueError(f"top is {top}; it must be from 1 to {len(weights.b_U)}, the vocabulary")
    rows = torch.arange(len(dataset)).repeat(len(positions))
    at = torch.cat([indices_of(name, dataset) for name in positions])
    names = dataset.tokens[rows, at]
    streams = run(weights, dataset.tokens, stop=1)
    scores = torch.zeros(n_layers, n_heads)
    for layer in range(n_layers):
        stream = streams.resid_post[0] if layer else streams.resid_pre[0]
        read = layer_norm(stream[rows, at], weights.epsilon)
        value = torch.einsum("nm,hmd->hnd", read, weights.W_V[layer]) + weights.b_V[layer][:, None]
        for head in range(n_heads):
            written = value[head] @ weights.W_O[layer, head]
            written = layer_norm(-written if negative else written, weights.epsilon)
            highest = (written @ weights.W_U + weights.b_U).topk(top).indices
            scores[layer, head] = (highest == names[:, None]).any(1).float().mean()
    return scores


@dataclass(frozen=True, eq=False)
class RepeatScores:
    """Mean attention on random tokens said twice (Wang et al. 2022, Appendices H and I)."""

    previous_token: Float[Tensor, "layer head"]
    """to the token before"""
    duplicate_token: Float[Tensor, "layer head"]
    """from a token to its first occurrence"""
    induction: Float[Tensor, "layer head"]
    """from a token to the one behind its first occurrence"""


@torch.no_grad()
def repeat_scores(
    model: Model,
    candidates: Int[Tensor, " token"],
    *,
    bos: int,
    n_sequences: int = 50,
    length: int = 25,
    seed: int = 0,
) -> RepeatScores:
    """Previous-token, duplicate-token and induction scores on random repeats.

    Each sequence is BOS, some distinct random tokens, and the same tokens again. As the tokens mean
    nothing, a head that finds the earlier occurrence does so by comparing tokens.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        candidates: Tokens to draw from, such as all but the special ones.
        bos: The token that begins a sequence.
        n_sequences: How many sequences.
        length: How many tokens are repeated; a sequence has one more than twice as many.
        seed: Seed of the draw.

    Returns:
        Mean attention probabilities.

    Raises:
        ValueError: If `length` is below 2, more than there are candidates, or too much for the
            model's context.
    """
    weights = read_weights(model)
    context = len(weights.W_pos)
    if not 2 <= length <= min(len(candidates), (context - 1) // 2):
        raise ValueError(
            f"length is {length}; it must be from 2 to {min(len(candidates), (context - 1) // 2)}, "
            f"with {len(candidates)} tokens to draw from and {context} positions"
        )
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.stack(
        [torch.randperm(len(candidates), generator=generator)[:length] for _ in range(n_sequences)]
    )
    once = candidates[drawn]
    tokens = torch.cat([torch.full((n_sequences, 1), bos), once, once], dim=1)
    ran = run(weights, tokens)
    patterns = torch.stack([ran.pattern(n).mean(0) for n in range(weights.n_layers)])

    def attention_back(distance: int, first: int) -> Float[Tensor, "layer head"]:
        """Mean probability from each position, from `first` on, to the one `distance` before."""
        return patterns.diagonal(-distance, dim1=2, dim2=3)[..., first - distance :].mean(-1)

    return RepeatScores(
        # the first token has nothing before it but BOS
        previous_token=attention_back(1, first=2),
        duplicate_token=attention_back(length, first=length + 1),
        induction=attention_back(length - 1, first=length + 1),
    )
