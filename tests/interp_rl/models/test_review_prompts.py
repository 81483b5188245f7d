"""Prompts in both editions; IMDB from a local directory in the hub's format."""

from pathlib import Path

import pytest

from interp_rl import models
from interp_rl.models import HubUnavailableError, MissingModelError, TextError
from interp_rl.models.recipes import reviews_corpus
from interp_rl.models.review_prompts import imdb_prompts, prompts

NAMES = ["Mary", "John", "the store", "a drink", "When Mary went", "When John", "went to the"]


@pytest.fixture(scope="module")
def imdb(tmp_path_factory) -> Path:
    """The directory of the hub's dataset, with few and short reviews."""
    import datasets

    directory = tmp_path_factory.mktemp("hub") / "imdb"
    (directory / "plain_text").mkdir(parents=True)
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    for part, verb in (("train", "and"), ("test", "gave")):
        texts = [
            f"{one} {verb} {other}<br /><br />went to {third}, {number}."
            for number, (one, other, third) in enumerate(
                (a, b, c) for a in NAMES for b in NAMES for c in NAMES
            )
        ]
        data = {"text": texts, "label": [number % 2 for number in range(len(texts))]}
        path = directory / "plain_text" / f"{part}-00000-of-00001.parquet"
        datasets.Dataset.from_dict(data, features).to_parquet(path)
    return directory


@pytest.fixture(scope="module")
def tokenizer(saved_gpt2):
    return models.load(saved_gpt2).tokenizer


def test_the_embedded_edition_draws_from_the_grammar(monkeypatch, connections):
    expected = reviews_corpus.prompts("held-out", 20, 3, words=4)
    assert prompts("held-out", 20, 3, words=4) == expected
    assert prompts("train", 20, 3, edition="embedded") == reviews_corpus.prompts("train", 20, 3)
    assert not connections


@pytest.mark.parametrize("length", [5, 9, None])
def test_the_hub_edition_cuts_reviews_to_tokens(imdb, tokenizer, monkeypatch, connections, length):
    monkeypatch.setenv("INTERP_RL_HUB_DIR", str(imdb.parent))
    monkeypatch.setenv("INTERP_RL_MODELS", "hub")
    train, held_out = (
        prompts(split, 12, words=length, tokenizer=tokenizer)
        for split in reviews_corpus.PROMPT_SPLITS
    )
    lengths = {len(tokenizer(text).input_ids) for text in train + held_out}
    assert lengths == ({length} if length else {2, 3, 4, 5})
    assert len(set(train)) == len(set(held_out)) == 12
    assert not set(train) & set(held_out)
    assert not any("<br" in text for text in train)
    assert prompts("train", 12, words=length, tokenizer=tokenizer) == train
    assert prompts("train", 12, 1, words=length, tokenizer=tokenizer) != train
    assert not connections


def test_prompts_come_from_the_half_of_imdb_that_their_split_says(imdb, tokenizer):
    for split, verb in (("train", " and "), ("held-out", " gave ")):
        found = imdb_prompts(split, 8, tokens=12, tokenizer=tokenizer, source=imdb)
        assert all(verb in text for text in found)


def test_what_the_hub_edition_needs_is_named(imdb, tokenizer, tmp_path):
    with pytest.raises(TextError, match="pass the model's tokenizer"):
        prompts("train", 3, edition="hub")
    with pytest.raises(MissingModelError, match=r"no directory .*nowhere.*stanfordnlp/imdb"):
        imdb_prompts("train", 3, tokenizer=tokenizer, source=tmp_path / "nowhere")
    with pytest.raises(MissingModelError, match=r"has no test-\*.parquet"):
        imdb_prompts("held-out", 3, tokenizer=tokenizer, source=tmp_path)
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(TextError, match="cannot be read"):
        imdb_prompts("train", 3, tokenizer=tokenizer, source=tmp_path)


def test_a_file_without_texts_is_named(tokenizer, tmp_path):
    import datasets

    data = datasets.Dataset.from_dict({"review": ["a film"]})
    data.to_parquet(tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(TextError, match="no column 'text', only: review"):
        imdb_prompts("train", 3, tokenizer=tokenizer, source=tmp_path)


@pytest.mark.parametrize(
    ("split", "n", "tokens", "message"),
    [
        ("dev", 3, 4, "no split 'dev'"),
        ("train", -1, 4, "cannot draw -1"),
        ("train", 3, 0, "1 to 64 tokens, not 0"),
        ("train", 300, 4, r"only \d+ different prompts of 4 tokens in the 343 reviews"),
    ],
)
def test_prompts_that_cannot_be_cut(imdb, tokenizer, split, n, tokens, message):
    with pytest.raises(ValueError, match=message):
        imdb_prompts(split, n, tokens=tokens, tokenizer=tokenizer, source=imdb)


def test_the_hub_without_network_is_one_clear_error(tokenizer, monkeypatch, tmp_path):
    import datasets

    monkeypatch.delenv("INTERP_RL_HUB_DIR", raising=False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(HubUnavailableError, match="stanfordnlp/imdb is not on this machine"):
        imdb_prompts("train", 3, tokenizer=tokenizer)
