"""Tiny models in Hugging Face format: GPT-2's architecture and tokenizer, random weights."""

import json
import shutil
from pathlib import Path

import pytest


def _build(directory: Path, *, layers: int = 2, mlp: bool = True) -> Path:
    """A random GPT-2 with a byte-level BPE tokenizer, saved as the hub saves them."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    bpe = ByteLevelBPETokenizer()
    text = ["When Mary and John went to the store, John gave a drink to Mary."] * 4
    bpe.train_from_iterator(text, vocab_size=300, special_tokens=["<|endoftext|>"])
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token=end, eos_token=end, unk_token=end
    ).save_pretrained(directory)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=bpe.get_vocab_size(),
        n_positions=32,
        n_embd=24,
        n_layer=layers,
        n_head=3,
        n_inner=None if mlp else 1,
        bos_token_id=0,
        eos_token_id=0,
        initializer_range=0.3,
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:  # LayerNorms and biases that do something
                parameter.add_(0.3 * torch.randn_like(parameter))
            if not mlp and ".mlp." in name:
                parameter.zero_()
    model.save_pretrained(directory)
    return directory


def write_card(directory: Path, **entries: object) -> None:
    """A card that fits the directory."""
    from interp_rl.models.files import sha256

    names = [p.name for p in directory.iterdir() if p.name != "card.json"]
    card = {
        "name": "ioi-mini",
        "what": "A random model.",
        "seed": 7,
        "files": {name: sha256(directory / name) for name in sorted(names)},
    }
    (directory / "card.json").write_text(json.dumps(card | entries))


@pytest.fixture(scope="session")
def saved_gpt2(tmp_path_factory) -> Path:
    """Two layers with MLPs; for reading only."""
    return _build(tmp_path_factory.mktemp("saved") / "gpt2")


@pytest.fixture(scope="session")
def saved_attention_only(tmp_path_factory) -> Path:
    """One layer whose MLP is zero; for reading only."""
    return _build(tmp_path_factory.mktemp("saved") / "small", layers=1, mlp=False)


@pytest.fixture
def gpt2_copy(saved_gpt2, tmp_path) -> Path:
    """A copy of the model to damage."""
    return Path(shutil.copytree(saved_gpt2, tmp_path / "gpt2"))


@pytest.fixture
def weights(saved_gpt2, tmp_path, monkeypatch) -> Path:
    """The embedded edition with the tiny model as `ioi-mini` and no other; its directory."""
    from interp_rl.models import registry

    directory = Path(shutil.copytree(saved_gpt2, tmp_path / "weights" / "ioi-mini"))
    write_card(directory)
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    for spec in list(registry.MODELS.values()):
        if spec.edition == "embedded" and spec.name != "ioi-mini":
            monkeypatch.delitem(registry.MODELS, spec.name)
    return directory
