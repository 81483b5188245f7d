"""Classifiers as `load_classifier` gives them, and film reviews in the hub edition."""

import json
import shutil
from pathlib import Path

import hub_reviews
import pytest
import torch

from interp_rl import models
from interp_rl.models import (
    ChecksumError,
    EditionError,
    HubUnavailableError,
    KindError,
    LabelsError,
    MissingModelError,
    TokenizerError,
    UnknownModelError,
    WeightsError,
    load,
    load_card,
    load_classifier,
    registry,
)

TEXTS = ["the film was not bad", "the plot was dull , but i loved the music ."]


def change(path: Path, **entries: object) -> None:
    """Changes entries of a JSON file; `None` removes one."""
    old = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({key: value for key, value in old.items() if value is not None}))


@pytest.fixture(scope="session")
def saved_distilbert(tmp_path_factory) -> Path:
    """The files of the hub's `distilbert-imdb`, small and random; for reading only."""
    directory = tmp_path_factory.mktemp("hub") / "distilbert-imdb"
    hub_reviews.save_classifier(directory)
    return directory


@pytest.fixture(scope="session")
def saved_gpt2_imdb(tmp_path_factory, saved_gpt2) -> Path:
    """The files of the hub's `gpt2-imdb`, which has no tokenizer.json; for reading only."""
    directory = tmp_path_factory.mktemp("hub") / "gpt2-imdb"
    directory.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(saved_gpt2 / name, directory / name)
    model = json.loads((saved_gpt2 / "tokenizer.json").read_text())["model"]
    (directory / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]]
    (directory / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    (directory / "tokenizer_config.json").write_text('{"max_len": 1024}')
    end = "<|endoftext|>"
    (directory / "special_tokens_map.json").write_text(
        json.dumps({"bos_token": end, "eos_token": end, "unk_token": end})
    )
    return directory


@pytest.fixture
def hub(saved_distilbert, saved_gpt2_imdb, tmp_path, monkeypatch) -> Path:
    """The hub edition on local directories."""
    for source in (saved_distilbert, saved_gpt2_imdb):
        shutil.copytree(source, tmp_path / "hub" / source.name)
    monkeypatch.setenv("INTERP_RL_HUB_DIR", str(tmp_path / "hub"))
    monkeypatch.setenv("INTERP_RL_MODELS", "hub")
    return tmp_path / "hub"


@pytest.fixture
def sentiment(tmp_path, monkeypatch) -> Path:
    """A copy of the embedded classifier to damage."""
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    source = Path(models.__file__).parent / "weights" / "sentiment-mini"
    return Path(shutil.copytree(source, tmp_path / "weights" / "sentiment-mini"))


@pytest.fixture
def own(sentiment) -> Path:
    """A classifier of one's own, without a card."""
    (sentiment / "card.json").unlink()
    return sentiment


# ---- the embedded edition ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sentiment", "sentiment-mini", "emotion"])
def test_a_classifier_is_ready_for_use(name, connections, capfd):
    loaded = load_classifier(name)
    model, tokenizer, card = loaded
    assert not model.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())
    assert model.config._attn_implementation == "eager"
    assert card.name.startswith(name)
    assert loaded.labels == tuple(card.more["labels"])
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert model(**batch).logits.shape == (2, len(loaded.labels))
    assert not connections
    assert capfd.readouterr() == ("", "")


def test_every_call_gives_a_new_classifier():
    one, other = load_classifier("sentiment").model, load_classifier("sentiment").model
    with torch.no_grad():
        one.score.weight.zero_()
    assert other.score.weight.abs().sum() > 0


def test_a_directory_of_ones_own_needs_no_card(own):
    loaded = load_classifier(own)
    assert loaded.card.source == str(own) and loaded.labels == ("negative", "positive")


def test_the_writer_and_the_classifiers_have_a_token_for_each_purpose():
    for loaded in (load("reviews"), load_classifier("sentiment"), load_classifier("emotion")):
        tokenizer = loaded.tokenizer
        ids = {
            tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id,
            tokenizer.unk_token_id, tokenizer.mask_token_id,
        }  # fmt: skip
        assert len(ids) == 5 and None not in ids
        assert loaded.model.config.pad_token_id == tokenizer.pad_token_id


# ---- what is refused ---------------------------------------------------------------------------


def test_the_two_kinds_of_model_are_not_confused(saved_gpt2, sentiment, saved_distilbert):
    with pytest.raises(KindError, match=r"'sentiment-mini' is a classifier: use load_classifier"):
        load("sentiment")
    with pytest.raises(KindError, match=r"'ioi-mini' is a language model: use load\('ioi'\)"):
        load_classifier("ioi")
    with pytest.raises(
        KindError, match=r"does not hold a classifier .*GPT2LMHeadModel.*use load\."
    ):
        load_classifier(saved_gpt2)
    with pytest.raises(KindError, match=r"does not hold a language model .*use load_cl"):
        load(sentiment)
    with pytest.raises(WeightsError, match="type 'distilbert'; the course works on 'gpt2'"):
        load(saved_distilbert)


def test_names_and_directories_are_checked(tmp_path):
    with pytest.raises(UnknownModelError, match="There is no model 'taste'"):
        load_classifier("taste")
    with pytest.raises(EditionError, match="INTERP_RL_MODELS=hub"):
        load_classifier("distilbert-imdb", edition="embedded")
    with pytest.raises(EditionError, match="embedded, hub"):
        load_classifier("sentiment", edition="local")
    with pytest.raises(MissingModelError, match="There is no directory"):
        load_classifier(tmp_path / "nowhere")


def test_missing_embedded_weights_are_named(sentiment):
    shutil.rmtree(sentiment)
    with pytest.raises(MissingModelError, match="'sentiment-mini' are missing"):
        load_classifier("sentiment")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_half_written_directory_is_named(sentiment, own, name):
    (own / name).unlink()
    with pytest.raises(MissingModelError, match="has no"):
        load_classifier(own)


def test_a_changed_file_is_not_loaded(sentiment):
    change(sentiment / "config.json", id2label={"0": "positive", "1": "negative"})
    with pytest.raises(ChecksumError, match=r"config.json is damaged"):
        load_classifier("sentiment")


def test_pickles_and_files_cut_short_are_refused(own):
    weights = own / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="is cut short"):
        load_classifier(own)
    weights.rename(own / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="can run any code"):
        load_classifier(own)


def test_another_architecture_is_refused(own):
    change(own / "config.json", model_type="bert")
    with pytest.raises(WeightsError, match="type 'bert'; the course works on 'gpt2' and 'distil"):
        load_classifier(own)
    change(own / "config.json", model_type="gpt2", n_embd=32)
    with pytest.raises(WeightsError, match="cannot be loaded as a classifier"):
        load_classifier(own)


def test_a_last_layer_that_is_not_there_is_not_drawn_at_random(own):
    from safetensors.torch import load_file, save_file

    tensors = load_file(own / "model.safetensors")
    del tensors["score.weight"]
    save_file(tensors, own / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks weights .*score.weight"):
        load_classifier(own)


def test_padding_must_be_settled(own):
    config, tokenizer = own / "config.json", own / "tokenizer_config.json"
    change(config, pad_token_id=None)
    with pytest.raises(TokenizerError, match="2 for the tokenizer and None for the model"):
        load_classifier(own)
    change(config, pad_token_id=2)
    change(tokenizer, pad_token=None)
    with pytest.raises(TokenizerError, match="None for the tokenizer and 2 for the model"):
        load_classifier(own)
    change(tokenizer, pad_token="<|eos|>")
    change(config, pad_token_id=1)
    with pytest.raises(TokenizerError, match="pads with the token that ends a text"):
        load_classifier(own)
    change(tokenizer, pad_token="<|pad|>", padding_side="left")
    change(config, pad_token_id=2)
    with pytest.raises(TokenizerError, match="pads on the left"):
        load_classifier(own)


def test_labels_must_have_names(own):
    change(own / "config.json", id2label=None, label2id=None)
    with pytest.raises(LabelsError, match="no names of their own: label_0, label_1"):
        load_classifier(own)


# ---- the hub edition ---------------------------------------------------------------------------


def test_the_hubs_classifier_is_loaded_like_ours(hub, connections, capfd):
    loaded = load_classifier("sentiment")
    assert loaded.card.name == "distilbert-imdb" and loaded.card.files == {}
    assert loaded.labels == ("negative", "positive")
    batch = loaded.tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        together = loaded.model(**batch).logits
        alone = [
            loaded.model(**loaded.tokenizer(text, return_tensors="pt")).logits for text in TEXTS
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)
    assert loaded.tokenizer.mask_token == "[MASK]"
    assert not connections
    assert capfd.readouterr() == ("", "")


def test_labels_in_another_order_would_reward_blame(hub):
    names = {"0": "POSITIVE", "1": "NEGATIVE"}
    change(hub / "distilbert-imdb" / "config.json", id2label=names)
    with pytest.raises(LabelsError, match=r"negative and positive, in this order.*has positive, n"):
        load_classifier("sentiment")


def test_the_hubs_writer_pads_with_the_end_of_a_text(hub, connections, capfd):
    model, tokenizer, card = load("reviews")
    assert card.name == "gpt2-imdb"
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == tokenizer.bos_token_id
    assert model.config.pad_token_id == model.generation_config.pad_token_id == 0
    text = "Mary went to the store"
    assert tokenizer.decode(tokenizer(text).input_ids) == text
    ids = model.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=3, do_sample=False)
    assert ids.shape[1] > len(tokenizer(text).input_ids)
    assert not connections
    assert capfd.readouterr() == ("", "")


def test_the_emotions_are_embedded_in_both_editions(hub):
    assert load_classifier("emotion").card.name == "emotion-mini"


def test_a_missing_hub_model_is_named(hub):
    shutil.rmtree(hub / "distilbert-imdb")
    with pytest.raises(MissingModelError, match=r"there is no .*distilbert-imdb"):
        load_classifier("sentiment")


@pytest.mark.parametrize("name", ["gpt2-imdb", "distilbert-imdb"])
def test_the_hub_is_asked_for_the_revision_with_safetensors(
    name, tmp_path, monkeypatch, saved_gpt2_imdb, connections
):
    import huggingface_hub

    asked = []

    def download(repository, **wanted):
        asked.append((repository, wanted["revision"]))
        return str(saved_gpt2_imdb)

    monkeypatch.delenv("INTERP_RL_HUB_DIR", raising=False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    spec = registry.MODELS[name]
    assert models.files.directory_of(spec) == saved_gpt2_imdb
    assert asked == [(f"lvwerra/{name}", spec.revision)]
    assert spec.revision.startswith("refs/pr/")


def test_the_hub_without_network_is_one_clear_error(tmp_path, monkeypatch, connections):
    from huggingface_hub import constants

    monkeypatch.delenv("INTERP_RL_HUB_DIR", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HubUnavailableError, match="lvwerra/distilbert-imdb is not on this machine"):
        load_classifier("sentiment", edition="hub")


def test_cards_are_read_without_weights(connections):
    assert load_card("sentiment", edition="hub").title.startswith("DistilBERT")
    assert "padding" in load_card("reviews", edition="hub").what
    assert load_card("emotion").name == "emotion-mini"
    assert not connections
