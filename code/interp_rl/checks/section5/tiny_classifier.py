"""A real tokenizer and a real classifier, so small that a check can make them on the spot."""

from functools import cache
from typing import Any

WORDS = ("[PAD]", "[UNK]", "[MASK]", "the", "film", "was", "not", "good", "dull", "and")
"""The tokens."""


@cache
def tiny_tokenizer() -> Any:
    """A word-level tokenizer of Hugging Face's transformers.

    Returns:
        A fast tokenizer.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    built = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    built.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=built,
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
    )


@cache
def tiny_classifier() -> Any:
    """A DistilBERT of one layer with three classes and random weights.

    Each position reads all others, so that padding matters unless it is masked.

    Returns:
        The model, in evaluation mode.
    """
    import torch
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = DistilBertConfig(
            vocab_size=len(WORDS), max_position_embeddings=64, dim=16, n_layers=1, n_heads=2,
            hidden_dim=32, num_labels=3, pad_token_id=0, initializer_range=0.5,
            attn_implementation="eager",
        )  # fmt: skip
        model = DistilBertForSequenceClassification(config).eval()
    with torch.no_grad():  # probabilities near 1 have few digits of 1 - p in single precision
        model.classifier.weight *= 0.5
    return model
