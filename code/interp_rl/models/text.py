"""Text to tokens, checked: what a model cannot read is an error instead of a silent `<|unk|>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int
from torch import Tensor

from interp_rl.models.errors import TextError

if TYPE_CHECKING:
    import transformers


def to_tokens(model: Any, text: str) -> Int[Tensor, "1 pos"]:
    """Turns a text into token ids, the token that begins a text first.

    Args:
        model: What `load` or `load_hooked` returned, or a tokenizer.
        text: A text without `<|bos|>` (GPT-2: `<|endoftext|>`), which is put before it here.

    Returns:
        A batch of one row.

    Raises:
        TextError: If the text is empty, has words outside the vocabulary, brings its own BOS
            token, or is longer than the model has positions.
    """
    tokenizer = tokenizer_of(model)
    if not text.strip():
        raise TextError("The text is empty. Give at least one word.")
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, spans = encoded["input_ids"], encoded["offset_mapping"]

    bos = tokenizer.bos_token_id
    if bos in ids:
        raise TextError(
            f"Leave out {tokenizer.bos_token} in {text!r}: it is put before every text."
        )
    unknown = [
        text[a:b] for i, (a, b) in zip(ids, spans, strict=True) if i == tokenizer.unk_token_id
    ]
    if unknown:
        raise TextError(
            f"The model does not know {', '.join(map(repr, dict.fromkeys(unknown)))}. It reads "
            f"{len(tokenizer):,} words; sorted(model.tokenizer.get_vocab()) lists them."
        )
    limit = _positions(model, tokenizer)
    if len(ids) + 1 > limit:
        raise TextError(
            f"The text has {len(ids) + 1} tokens, {tokenizer.bos_token} included; the model has "
            f"{limit} positions. Shorten it by {len(ids) + 1 - limit}."
        )
    return torch.tensor([[bos, *ids]])


def tokenizer_of(model: Any) -> transformers.PreTrainedTokenizerBase:
    """The tokenizer of a model.

    Args:
        model: What `load` or `load_hooked` returned, or a tokenizer.

    Returns:
        The tokenizer.
    """
    return getattr(model, "tokenizer", model)


def _positions(model: Any, tokenizer: Any) -> int:
    """The number of tokens that fit, `<|bos|>` included."""
    if hasattr(model, "cfg"):  # with hooks
        return model.cfg.n_ctx
    if hasattr(model, "card"):  # Loaded
        return model.model.config.n_positions
    return tokenizer.model_max_length
