"""Section 5 runs on models as the hub has them: a DistilBERT, and a GPT-2 with pieces of words.

The models have learned nothing, so that no claim of the prose is tested here; what is tested is
that every cell runs, on the hub's files and without a network, and that the solutions pass.
"""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import hub_model
import pytest
from chapter_run import run

from interp_rl.models import files, registry
from interp_rl.models.recipes import reviews_corpus

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("5-*.md"))


def save_classifier(directory: Path) -> None:
    """A random DistilBERT that has the words of the reviews as one token each."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    directory.mkdir(parents=True)
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    characters = [*map(chr, range(33, 127))]
    pieces = [*characters, *(f"##{character}" for character in characters)]
    words = dict.fromkeys([*special.values(), *reviews_corpus.VOCABULARY, *pieces])
    (directory / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    wordpiece = BertWordPieceTokenizer(str(directory / "vocab.txt"), lowercase=True)
    wordpiece.save(str(directory / "tokenizer.json"))
    settings = {
        **{f"{name}_token": token for name, token in special.items()},
        "do_lower_case": True,
        "model_max_length": 512,
        "tokenizer_class": "DistilBertTokenizer",
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=len(words),
        dim=24,
        n_layers=1,
        n_heads=2,
        hidden_dim=48,
        initializer_range=0.3,
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
        label2id={"NEGATIVE": 0, "POSITIVE": 1},
    )
    DistilBertForSequenceClassification(config).save_pretrained(directory)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """Where `INTERP_RL_HUB_DIR` points."""
    directory = tmp_path_factory.mktemp("hub")
    hub_model.save_random_model(directory / "gpt2-imdb")
    save_classifier(directory / "distilbert-imdb")
    return directory


@pytest.fixture
def hub(saved, monkeypatch) -> Iterator[Path]:
    """Puts the hub edition in force; any use of a network fails the test."""
    attempts = []

    def refuse(*arguments, **_):
        attempts.append(arguments)
        raise OSError("the test has no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv(registry.EDITION_VARIABLE, "hub")
    monkeypatch.setenv(files.HUB_DIR_VARIABLE, str(saved))
    yield saved
    assert not attempts


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_on_the_hubs_models(hub, name):
    chapter = run(ROOT, name)
    classifier = chapter.names["classifier"].model
    assert classifier.config.model_type == "distilbert"
    checked = [value for value in chapter.values if hasattr(value, "exercise")]
    passed = {result.exercise for result in checked if result.status == "passed"}
    assert {result.exercise for result in checked} == passed, "the solutions pass their checks"
    numbers = " ".join(map(str, chapter.glued.values()))
    assert not re.search(r"\b(nan|inf)\b", numbers), chapter.glued
