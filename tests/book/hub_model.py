"""A directory with the files of the hub's `gpt2`, and a small model in it that does the task.

The model is `ioi-mini` moved into GPT-2's surroundings: a byte-level BPE tokenizer in place of the
one of words, MLPs in place of none, and a longer table of positions. As the book's model does, it
finishes the sentences of the task, so that the chapters find in it what they look for. A few names,
a place and an object take several tokens, as rare words do in GPT-2.
"""

import json
from pathlib import Path

from interp_rl.models import registry
from interp_rl.models.recipes import ioi_corpus

END = "<|endoftext|>"
"""GPT-2's only special token: it begins a text, ends one, and stands for what is unknown."""

SEVERAL_TOKENS = ("Christina", "Kimberly", "theater", "necklace")
"""Words that this tokenizer cuts into pieces."""

POSITIONS = 1024
"""As in GPT-2 small."""

SPACE = "Ġ"
"""How byte-level BPE writes the space before a word."""


def save_model_that_does_the_task(directory: Path) -> Path:
    """`ioi-mini` with another tokenizer, and with MLPs that add a little noise.

    Args:
        directory: Where to; it is made.

    Returns:
        The directory.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    mini = registry.WEIGHTS / "ioi-mini"
    sizes = json.loads((mini / "config.json").read_text())
    weights = load_file(mini / "model.safetensors")
    weights = {key.removeprefix("transformer."): tensor for key, tensor in weights.items()}
    words = AutoTokenizer.from_pretrained(mini).get_vocab()

    vocabulary = _save_tokenizer(directory)
    generator = torch.Generator().manual_seed(0)

    def noise(size: float, *shape: int) -> torch.Tensor:
        return size * torch.randn(shape, generator=generator)

    # pieces of words get the row of the unknown word: no context predicts them
    rows = weights["wte.weight"]
    unknown = rows[words[ioi_corpus.UNK]]
    weights["wte.weight"] = unknown + noise(0.02, len(vocabulary), len(unknown))
    for piece, index in vocabulary.items():
        word = ioi_corpus.BOS if piece == END else piece.removeprefix(SPACE)
        if word in words:
            weights["wte.weight"][index] = rows[words[word]]
    lacking = POSITIONS - len(weights["wpe.weight"])
    added = noise(0.02, lacking, len(unknown))
    weights["wpe.weight"] = torch.cat([weights["wpe.weight"], added])

    width = sizes["n_embd"]
    for layer in range(sizes["n_layer"]):
        mlp = f"h.{layer}.mlp"
        weights[f"{mlp}.c_fc.weight"] = noise(width**-0.5, width, 4 * width)
        weights[f"{mlp}.c_fc.bias"] = noise(0.1, 4 * width)
        weights[f"{mlp}.c_proj.weight"] = noise(0.1 / width, 4 * width, width)
        weights[f"{mlp}.c_proj.bias"] = noise(0.01, width)
    shape = {key: sizes[key] for key in ("n_embd", "n_layer", "n_head")}
    _save_weights(directory, weights, len(vocabulary), **shape)
    return directory


def save_random_model(directory: Path) -> Path:
    """A model that has learned nothing.

    Args:
        directory: Where to; it is made.

    Returns:
        The directory.
    """
    import torch
    from transformers import GPT2Config, GPT2Model

    vocabulary = _save_tokenizer(directory)
    shape = {"n_embd": 48, "n_layer": 2, "n_head": 4}
    torch.manual_seed(0)
    model = GPT2Model(
        GPT2Config(
            vocab_size=len(vocabulary), n_positions=POSITIONS, initializer_range=0.2, **shape
        )
    )
    _save_weights(directory, model.state_dict(), len(vocabulary), **shape)
    return directory


def _save_weights(directory: Path, weights: dict, vocab_size: int, **shape: int) -> None:
    """Weights and configuration, keys and entries named as in the hub's files."""
    import torch
    from safetensors.torch import save_file

    mask = torch.ones(POSITIONS, POSITIONS).tril()[None, None]
    masks = {f"h.{layer}.attn.bias": mask.clone() for layer in range(shape["n_layer"])}
    weights = {key: tensor for key, tensor in weights.items() if key != "lm_head.weight"}
    save_file(weights | masks, directory / "model.safetensors", metadata={"format": "pt"})
    end = vocab_size - 1
    config = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "bos_token_id": end,
        "embd_pdrop": 0.1,
        "eos_token_id": end,
        "initializer_range": 0.02,
        "layer_norm_epsilon": 1e-5,
        "model_type": "gpt2",
        "n_ctx": POSITIONS,
        "n_positions": POSITIONS,
        "resid_pdrop": 0.1,
        "summary_activation": None,
        "summary_first_dropout": 0.1,
        "summary_proj_to_labels": True,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
        "vocab_size": vocab_size,
        **shape,
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2))
    generation = {"bos_token_id": end, "eos_token_id": end, "_from_model_config": True}
    (directory / "generation_config.json").write_text(json.dumps(generation))


def _save_tokenizer(directory: Path) -> dict[str, int]:
    """A byte-level BPE tokenizer that has the course's words, with a space before, as one token.

    Returns:
        Ids of the pieces.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    words = [word for word in ioi_corpus.VOCABULARY[3:] if word not in SEVERAL_TOKENS]
    opening = [word for word in words if word[0].isupper() and word not in ioi_corpus.NAMES]
    # a word grows letter by letter; with a space before it is merged first, so that no merge of
    # the opening words, which begin with a capital, can break it
    merges = dict.fromkeys(
        (word[:length], word[length])
        for word in (*(SPACE + word for word in words if word.isalpha()), *opening)
        for length in range(1, len(word))
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = dict.fromkeys([*alphabet, *("".join(pair) for pair in merges), END])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}

    directory.mkdir(parents=True)
    (directory / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ("#version: 0.2", *(" ".join(pair) for pair in merges))
    (directory / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = Tokenizer(models.BPE(vocabulary, list(merges)))
    tokenizer.add_special_tokens([AddedToken(END, normalized=True)])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": POSITIONS}))
    return vocabulary
