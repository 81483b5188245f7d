"""Packs models and arrays for the laboratories: few bits for each number, text for a script.

A phone that opens a laboratory should load hundreds of kilobytes and not megabytes. Weights are
whole numbers with a scale for each row; `book/labs/runtime/packed.js` unpacks them.
"""

import base64
import json
from typing import Any

import numpy as np

WEIGHT_BITS = 20
"""Bits of a weight. The logits of `ioi-mini` are off by 8e-4 with 16 bits, by 5e-4 with 18, and by
4e-5 with 20, which is what single precision gives; a test holds them below 1e-4."""


def pack_rows(array: Any, bits: int) -> dict[str, Any]:
    """Packs an array with few bits for each number.

    Args:
        array: NumPy array or tensor with at least one dimension.
        bits: From 2 to 24.

    Returns:
        Whole numbers without gaps between them, the lowest bit first, and a scale for each row
        along the last dimension.

    Raises:
        ValueError: If `bits` is out of range, or a number is NaN or infinite.
    """
    if not 2 <= bits <= 24:
        raise ValueError(f"bits is {bits}; numbers are packed with 2 to 24 bits")
    values = _numpy(array)
    rows = values.reshape(-1, values.shape[-1]).astype("float64")
    if not np.isfinite(rows).all():
        raise ValueError("there are numbers that are NaN or infinite")
    largest = 2 ** (bits - 1) - 1
    scales = (np.abs(rows).max(1) / largest).astype("float32")
    scales[scales == 0] = 1
    whole = np.clip(np.rint(rows / scales[:, None]), -largest, largest).astype("int64")
    shifted = (whole + 2 ** (bits - 1)).astype("<u4").reshape(-1)
    as_bits = np.unpackbits(shifted.view("u1").reshape(-1, 4), axis=1, bitorder="little")
    packed = np.packbits(as_bits[:, :bits].reshape(-1), bitorder="little")
    return {
        "base64": _text(packed),
        "bits": bits,
        "shape": list(values.shape),
        "scales": _text(scales.astype("<f4")),
    }


def pack_model(model: Any, bits: int = WEIGHT_BITS) -> dict[str, Any]:
    """Packs a GPT-2 for `loadModel` of `book/labs/runtime/gpt2.js`.

    Args:
        model: A Hugging Face `GPT2LMHeadModel` whose embedding is also its unembedding, or a
            `GPT2ForSequenceClassification`.
        bits: Of a weight; vectors are kept as they are.

    Returns:
        Its shape and its weights. MLPs that write nothing are left out.

    Raises:
        ValueError: If the model is of another kind, or its attention is not GPT-2's own.
    """
    kind, config = type(model).__name__, model.config
    if kind not in ("GPT2LMHeadModel", "GPT2ForSequenceClassification"):
        raise ValueError(f"a {kind} cannot be packed: only a GPT-2, or a classifier made of one")
    if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
        raise ValueError("only GPT-2's own attention can be packed: scaled by 1/sqrt(d_head) alone")
    tensors = {
        name.removeprefix("transformer."): _numpy(tensor)
        for name, tensor in model.state_dict().items()
    }
    if not np.array_equal(
        tensors.pop("lm_head.weight", tensors["wte.weight"]), tensors["wte.weight"]
    ):
        raise ValueError("the unembedding differs from the embedding; tie the two")
    if "score.weight" in tensors:
        tensors["score"] = tensors.pop("score.weight")
    tensors["wte"], tensors["wpe"] = tensors.pop("wte.weight"), tensors.pop("wpe.weight")
    for layer in range(config.n_layer):
        written = (f"h.{layer}.mlp.c_proj.weight", f"h.{layer}.mlp.c_proj.bias")
        if not any(tensors[name].any() for name in written):
            for name in [n for n in tensors if n.startswith((f"h.{layer}.mlp", f"h.{layer}.ln_2"))]:
                del tensors[name]
    return {
        "config": {
            "layers": config.n_layer,
            "heads": config.n_head,
            "width": config.n_embd,
            "context": config.n_positions,
            "epsilon": config.layer_norm_epsilon,
            "activation": config.activation_function,
        },
        "weights": {
            name: pack_rows(tensor, bits) if tensor.ndim > 1 else _floats(tensor)
            for name, tensor in tensors.items()
        },
    }


def pack_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """The words of a shipped model's tokenizer, for `Tokenizer` of `book/labs/runtime`.

    Args:
        tokenizer: A fast tokenizer of the Hugging Face kind, with one token for each word.

    Returns:
        Words in the order of their tokens, and what else tells texts apart.

    Raises:
        ValueError: If it is not a tokenizer of words.
    """
    made = json.loads(tokenizer.backend_tokenizer.to_str())
    if made["model"]["type"] != "WordLevel":
        raise ValueError(f"a tokenizer of the type {made['model']['type']} cannot be packed")
    steps = (made["pre_tokenizer"] or {}).get("pretokenizers", [])
    if [step["type"] for step in steps] != ["WhitespaceSplit", "Punctuation"]:
        raise ValueError("only tokenizers that split at spaces and punctuation can be packed")
    normalizer = made["normalizer"]
    if normalizer not in (None, {"type": "Lowercase"}):
        raise ValueError(f"the normalizer {normalizer} has no counterpart in the laboratories")
    vocabulary = made["model"]["vocab"]
    return {
        "words": sorted(vocabulary, key=vocabulary.get),
        "lowercase": normalizer is not None,
        "unknown": tokenizer.unk_token_id,
        "bos": tokenizer.bos_token_id,
        "specials": [token["content"] for token in made["added_tokens"]],
    }


def _numpy(array: Any) -> np.ndarray:
    return np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)


def _floats(array: np.ndarray) -> dict[str, Any]:
    return {"base64": _text(array.astype("<f4")), "shape": list(array.shape)}


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
