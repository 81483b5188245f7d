"""Attribution from the inside: integrated gradients, and attention rollout as a contrast.

Integrated gradients (Sundararajan et al. 2017) follow a straight path from a baseline to the text,
in the space of embeddings, and add up the gradients on the way. They are complete: the values sum
to the output for the text minus that for the baseline. The baseline here is the text with every
token masked, which is also where SHAP starts, so that both methods divide the same amount.

Attention rollout (Abnar and Zuidema 2020) multiplies the attention patterns of all layers, each
mixed with the identity for the residual stream. It looks like an attribution, but it knows neither
which output it is about nor in which direction a token pushes.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp_rl.attribution.attributions import Attribution
from interp_rl.attribution.text_models import Difference, TextModel
from interp_rl.attribution.text_tokens import read_text, require_mask

STEPS = 64
"""Points of the path at which the gradient is taken, by Gauss and Legendre's rule."""


def integrated_gradients(f: TextModel, text: str, *, mask: str, steps: int = STEPS) -> Attribution:
    """Integrated gradients of every output with respect to the tokens' embeddings, by captum.

    Args:
        f: The model.
        text: The text.
        mask: The token whose embedding is the baseline of every token of the text; it must be one
            token, since the baseline has as many as the text.
        steps: Points of the path; more of them make the values sum up better.

    Returns:
        For each token and output, the sum over the numbers of the embedding; `missing` says how far
        the values are from completeness.

    Raises:
        TypeError: If the tokenizer is slow, or `f` is a difference of two models.
        ValueError: If the text is empty or unknown, the mask is not one token, or there are fewer
            than two steps.
    """
    from captum.attr import LayerIntegratedGradients

    if isinstance(f, Difference):
        raise TypeError(
            "two models have two tables of embeddings, and a path goes through one: explain each "
            "of the two models, and subtract"
        )
    tokens = read_text(f.tokenizer, text)
    if not require_mask(f.tokenizer, mask):
        raise ValueError("a deleted token has no embedding: give a mask token")
    if steps < 2:
        raise ValueError(f"{steps} steps: a path needs at least 2")
    encoded = f.encode([text])
    masked = torch.where(encoded.players, _mask_id(f.tokenizer, mask), encoded.ids)

    def output(
        ids: Int[Tensor, "text pos"], read: Bool[Tensor, "text pos"], index: int
    ) -> Float[Tensor, " text"]:
        return f.outputs(ids, read.expand(len(ids), -1))[:, index]

    method = LayerIntegratedGradients(output, f.model.get_input_embeddings())
    columns = []
    with torch.enable_grad():
        for index in range(len(f.output_names)):
            along = method.attribute(
                encoded.ids,
                baselines=masked,
                additional_forward_args=(encoded.read, index),
                n_steps=steps,
            )
            columns.append(along.detach().sum(-1)[encoded.players].double())
    with torch.no_grad():
        base, full = (f.outputs(ids, encoded.read)[0].double() for ids in (masked, encoded.ids))
    return Attribution(
        text,
        tokens.words,
        torch.stack(columns, dim=1),
        base,
        full,
        f.output_names,
        f"integrated gradients, {steps} steps",
    )


@torch.no_grad()
def attention_rollout(f: TextModel, text: str) -> Attribution:
    """Attention rollout to the position from which the output is read.

    Args:
        f: A model whose attention is computed eagerly, so that it hands out its patterns.
        text: The text.

    Returns:
        The same non-negative numbers for every output; they sum to at most 1, and to nothing that
        the model computes. Base and full are NaN, since rollout knows of neither.

    Raises:
        TypeError: If the tokenizer is slow.
        ValueError: If the text is empty or unknown, or the model does not hand out its patterns.
    """
    tokens = read_text(f.tokenizer, text)
    encoded = f.encode([text])
    attentions: Any = _backbone(f.model)(
        input_ids=encoded.ids, attention_mask=encoded.read.long(), output_attentions=True
    ).attentions
    if not attentions or attentions[0] is None:
        raise ValueError(
            "the model does not hand out attention patterns: load it with "
            'attn_implementation="eager"'
        )
    length = encoded.ids.shape[1]
    together = torch.eye(length)
    for pattern in attentions:
        mixed = (pattern[0].mean(0) + torch.eye(length)) / 2  # half for the residual stream
        together = mixed @ together
    causal = not torch.triu(attentions[0][0], 1).any()
    row = together[-1 if causal else 0]  # a causal model reads at the end, others at [CLS]
    values = row[encoded.players[0]].double()
    unknown = torch.full((len(f.output_names),), torch.nan, dtype=torch.double)
    return Attribution(
        text,
        tokens.words,
        values[:, None].expand(-1, len(f.output_names)).clone(),
        unknown,
        unknown,
        f.output_names,
        "attention rollout",
    )


def _mask_id(tokenizer: Any, mask: str) -> int:
    return tokenizer(mask, add_special_tokens=False)["input_ids"][0]


def _backbone(model: Any) -> Any:
    """The model without its last layer."""
    return getattr(model, model.base_model_prefix, model)
