"""Direct logit attribution: what each part of the model writes towards the answer.

The residual stream at END is a sum of what the embedding, every head and every MLP wrote, and the
logits are a linear function of it once the scale of the final LayerNorm is held at its value. So
the logit difference is a sum with one term per part. Unlike path patching this needs no corrupted
prompts; like it, it sees direct effects only.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.ioi.activations import at_end, run
from interp_rl.ioi.knockouts import Knockout
from interp_rl.ioi.task import IOIDataset
from interp_rl.ioi.weights import Model, read_weights

TARGETS = ("IO - S", "IO", "S")
"""What can be attributed: the logit difference, or one of its two logits."""


@dataclass(frozen=True, eq=False)
class LogitAttribution:
    """The terms whose sum is the logit difference (or logit), in nats."""

    heads: Float[Tensor, "layer head prompt"]
    """what each head writes; for the logit difference, positive where it speaks for IO"""
    mlps: Float[Tensor, "layer prompt"]
    """what each MLP writes, its bias included"""
    embedding: Float[Tensor, " prompt"]
    """token and position embedding at END"""
    biases: Float[Tensor, " prompt"]
    """biases of the attention layers and of the unembedding"""

    @property
    def total(self) -> Float[Tensor, " prompt"]:
        """The sum of all terms: the logit difference (or logit) itself."""
        return self.heads.sum((0, 1)) + self.mlps.sum(0) + self.embedding + self.biases

    def heatmap(self, *, relative: bool = False) -> Float[Tensor, "layer head"]:
        """Mean over prompts for each head.

        Args:
            relative: Divide by the mean of the total.

        Returns:
            For the logit difference, positive where the head speaks for IO. A path patch of such
            a head to the logits is negative: it takes the contribution away.
        """
        heat = self.heads.mean(-1)
        return heat / self.total.mean() if relative else heat


@torch.no_grad()
def direct_logit_attribution(
    model: Model,
    dataset: IOIDataset,
    *,
    target: str = "IO - S",
    knockout: Knockout | None = None,
) -> LogitAttribution:
    """Splits the logit difference at END into what each part of the model wrote.

    Args:
        model: A bridge, a GPT-2 of Hugging Face, or `Weights`.
        dataset: The prompts.
        target: One of `TARGETS`. Single logits are relative to the mean over the vocabulary.
        knockout: Heads held at fixed values.

    Returns:
        The terms.

    Raises:
        ValueError: If there is no such target.
    """
    if target not in TARGETS:
        raise ValueError(f"unknown target {target!r}: the targets are {', '.join(TARGETS)}")
    weights = read_weights(model)
    ran = run(weights, dataset.tokens, None if knockout is None else knockout.edit)
    rows, end = torch.arange(len(dataset)), dataset.positions["END"]

    io, s = dataset.io_ids, dataset.s_ids
    for_io, for_s = float("IO" in target), -1.0 if "-" in target else float(target == "S")
    towards = for_io * weights.W_U[:, io].T + for_s * weights.W_U[:, s].T
    constant = for_io * weights.b_U[io] + for_s * weights.b_U[s]
    # LayerNorm subtracts the mean, here from the direction instead of the stream, and divides
    deviation = at_end(ran, dataset).var(-1, correction=0, keepdim=True)
    towards = towards - towards.mean(-1, keepdim=True)
    towards = towards / (deviation + weights.epsilon).sqrt()

    mlps = torch.stack(
        [
            post[rows, end] - mid[rows, end]
            for post, mid in zip(ran.resid_post, ran.resid_mid, strict=True)
        ]
    )
    z = torch.stack([z[rows, end] for z in ran.z])
    attention_biases = (weights.b_O @ towards.T).sum(0)
    return LogitAttribution(
        heads=torch.einsum("lphd,lhdm,pm->lhp", z, weights.W_O, towards),
        mlps=(mlps * towards).sum(-1),
        embedding=(ran.resid_pre[0][rows, end] * towards).sum(-1),
        biases=attention_biases + constant,
    )
