"""What PyTorch computes, for `runtime.test.mjs`: logits, attention, knockouts, other shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from coursekit.labs.packing import WEIGHT_BITS, pack_model, pack_rows, pack_tokenizer
from coursekit.labs.publish import data_script
from interp_rl import ioi, models
from interp_rl.ioi.activations import run
from interp_rl.models.recipes.ioi_corpus import is_held_out

TEXTS = (
    "When Mary and John went to the store, John gave a drink to",
    "  Then,Mary\tand John...walked (quickly) to the zoo's door!\n",
    "«Mary» – John — “Zed” 5$ a_b <|unk|> mary",
    "",
)
"""For the tokenizer: spaces, marks in a row, marks that are not ASCII, unknown words, none."""

REVIEWS = (
    "this film was wonderful and the acting was great",
    "The plot is dull . I did not like it !",
    "never a boring moment, <|mask|> story",
)


@torch.no_grad()
def write(folder: Path) -> None:
    """Write models and what they answer."""
    torch.set_num_threads(1)
    model, tokenizer, _ = models.load("ioi")
    data = ioi.make_dataset(tokenizer, 200, seed=5, pairs=is_held_out)
    reference = ioi.make_dataset(tokenizer, 600, seed=6, pairs=is_held_out).corrupted("abc", 7)
    other = data.corrupted("subject flip", 8)
    logits = model(data.tokens).logits
    weights = ioi.read_weights(model)
    ran = run(weights, data.tokens)
    heads = [(0, 4), (1, 3), (2, 1), (2, 0)]
    knockouts: dict[str, Any] = {}
    sources = {"zero": None, "mean": reference, "resample": other}
    for kind, source in sources.items():
        ablator = ioi.Ablator(model, data, kind=kind, reference=source)
        sets = [heads, [(*heads[0], "S2"), (*heads[2], "END")]]
        knockouts[kind] = {
            "logit difference": ablator.without(sets).tolist(),
            "direct effects": ioi.direct_logit_attribution(
                model, data, knockout=ablator.knockout(heads)
            )
            .heads.permute(2, 0, 1)[:20]
            .flatten(1)
            .tolist(),
        }
        if kind == "mean":
            knockouts[kind]["values"] = [  # of the first 20 prompts, (layer, pos, head, d_head)
                [layer[n, : int(end) + 1].flatten().tolist() for layer in ablator.values]
                for n, end in enumerate(data.positions["END"][:20])
            ]
    ends = data.positions["END"]
    expected = {
        "tokens": [
            row[: int(end) + 1].tolist() for row, end in zip(data.tokens, ends, strict=True)
        ],
        "other": [
            row[: int(end) + 1].tolist() for row, end in zip(other.tokens, ends, strict=True)
        ],
        "texts": data.texts,
        "positions": {name: at.tolist() for name, at in data.positions.items()},
        "io": data.io_ids.tolist(),
        "s": data.s_ids.tolist(),
        "logits": [logits[n, end].tolist() for n, end in enumerate(ends)],
        "logit difference": ioi.logit_difference(logits, data).tolist(),
        "pattern": [ran.pattern(layer)[0].flatten().tolist() for layer in range(weights.n_layers)],
        "pattern length": data.tokens.shape[1],
        "first tokens": data.tokens[0].tolist(),
        "direct effects": ioi.direct_logit_attribution(model, data)
        .heads.permute(2, 0, 1)[:20]
        .flatten(1)
        .tolist(),
        "heads": heads,
        "knockouts": knockouts,
        "encoded": _encoded(tokenizer),
    }
    models_packed = {
        "ioi": {"model": pack_model(model), "tokenizer": pack_tokenizer(tokenizer)},
        "classifier": _classifier(),
        "with MLPs": _random_model(),
    }
    table = torch.tensor([[1.0, -2.5, 0.125], [0.0, 0.0, 0.0], [1e-6, -1e-6, 3e-7]])
    numbers = {
        "table": table.tolist(),
        "packed": {bits: pack_rows(table, bits) for bits in (2, 7, 13, 20, 24)},
    }
    (folder / "reference.json").write_text(json.dumps(expected))
    (folder / "models.json").write_text(json.dumps(models_packed))
    (folder / "numbers.json").write_text(json.dumps(numbers))
    (folder / "ioi.js").write_text(data_script("ioi", models_packed["ioi"]))
    (folder / "bits.json").write_text(json.dumps(WEIGHT_BITS))


def _unpadded(data: ioi.IOIDataset) -> list[list[int]]:
    rows = zip(data.tokens.tolist(), data.positions["END"].tolist(), strict=True)
    return [row[: end + 1] for row, end in rows]


def _encoded(tokenizer: Any) -> list[dict[str, Any]]:
    return [
        {"text": text, "ids": tokenizer(text, add_special_tokens=False)["input_ids"]}
        for text in TEXTS
    ]


def _classifier() -> dict[str, Any]:
    model, tokenizer, _ = models.load_classifier("sentiment")
    answers = []
    for text in REVIEWS:
        batch = tokenizer([text, " ".join(REVIEWS)], padding=True, return_tensors="pt")
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        # as PyTorch gives it in a padded batch, where the padding must not count
        answers.append({"text": text, "ids": ids, "logits": model(**batch).logits[0].tolist()})
    return {
        "model": pack_model(model),
        "tokenizer": pack_tokenizer(tokenizer),
        "answers": answers,
    }


def _random_model() -> dict[str, Any]:
    """A GPT-2 of another shape, with LayerNorms and biases that do something."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=37, n_positions=20, n_embd=30, n_layer=2, n_head=5, n_inner=44, use_cache=False
    )
    model = GPT2LMHeadModel(config).eval()
    for tensor in model.parameters():
        tensor.add_(0.1 * torch.randn_like(tensor))
    tokens = torch.randint(37, (1, 20))
    return {
        "model": pack_model(model),
        "tokens": tokens[0].tolist(),
        "logits": model(tokens).logits[0].tolist(),
    }
