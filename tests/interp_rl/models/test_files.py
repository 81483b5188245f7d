"""Files that are missing, changed, cut short, pickled or out of reach."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from interp_rl.models import (
    ChecksumError,
    HubUnavailableError,
    MissingModelError,
    ModelCard,
    WeightsError,
    files,
    registry,
)

GPT2 = registry.MODELS["gpt2"]


# ---- checksums -------------------------------------------------------------------------------


def test_untouched_files_pass(weights):
    files.verify(weights, ModelCard.read(weights))


def test_one_changed_byte_is_found_and_named(weights):
    path = weights / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    expected = files.sha256(path)
    path.write_bytes(content)
    with pytest.raises(ChecksumError) as caught:
        files.verify(weights, ModelCard.read(weights))
    message = str(caught.value)
    assert str(path) in message
    assert hashlib.sha256(content).hexdigest()[:12] in message
    assert expected[:12] in message
    assert "Reinstall the package" in message and "make models" in message


def test_a_listed_file_that_is_missing_is_named(weights):
    (weights / "tokenizer.json").unlink()
    with pytest.raises(MissingModelError, match=r"tokenizer.json is missing"):
        files.verify(weights, ModelCard.read(weights))


def test_a_file_that_the_card_does_not_list_is_named(weights):
    (weights / "more.safetensors").write_bytes(b"")
    with pytest.raises(ChecksumError, match=r"does not list: more.safetensors"):
        files.verify(weights, ModelCard.read(weights))


def test_a_checksum_is_computed_once_for_an_unchanged_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    runs = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *a: runs.append(a) or digest(*a))
    assert files.sha256(path) == files.sha256(path) == hashlib.sha256(b"one").hexdigest()
    assert len(runs) == 1
    path.write_bytes(b"other")
    assert files.sha256(path) == hashlib.sha256(b"other").hexdigest()


# ---- format ----------------------------------------------------------------------------------


def test_a_saved_gpt2_passes(saved_gpt2):
    files.check_format(saved_gpt2)


def test_pickled_weights_are_refused(gpt2_copy):
    (gpt2_copy / "model.safetensors").rename(gpt2_copy / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"pytorch_model.bin.*can run any code.*save_pretrained"):
        files.check_format(gpt2_copy)


@pytest.mark.parametrize("kept", [0.5, 0.0001])
def test_weights_cut_short_are_named(gpt2_copy, kept):
    path = gpt2_copy / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(WeightsError, match=r"model.safetensors is cut short"):
        files.check_format(gpt2_copy)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", r"has no config.json"),
        ("model.safetensors", r"has no model.safetensors"),
        ("tokenizer.json", r"has no tokenizer"),
    ],
)
def test_a_missing_file_is_named(gpt2_copy, missing, message):
    (gpt2_copy / missing).unlink()
    with pytest.raises(MissingModelError, match=message):
        files.check_format(gpt2_copy)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(MissingModelError, match=r"no directory .*nowhere"):
        files.check_format(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("config", "message"),
    [({"model_type": "bert"}, "type 'bert'"), ({}, "no model_type"), ([], "no model_type")],
)
def test_another_architecture_is_refused(gpt2_copy, config, message):
    (gpt2_copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=message):
        files.check_format(gpt2_copy)


# ---- where they lie --------------------------------------------------------------------------


def test_missing_embedded_weights_are_no_connection_error(tmp_path, monkeypatch, connections):
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    with pytest.raises(MissingModelError, match=r"'ioi-mini' are missing.*Reinstall"):
        files.directory_of(registry.MODELS["ioi-mini"])
    assert not connections


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of the hub."""
    from huggingface_hub import constants

    monkeypatch.delenv("INTERP_RL_HUB_DIR", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _fill(cache: Path, source: Path) -> Path:
    """Puts a model into the cache, as a download would."""
    repository = cache / "models--openai-community--gpt2"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    return Path(shutil.copytree(source, repository / "snapshots" / ("0" * 40)))


@pytest.mark.parametrize("offline", [True, False])
def test_hub_without_network_is_one_clear_error(cache, connections, monkeypatch, offline):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    with pytest.raises(HubUnavailableError) as caught:
        files.directory_of(GPT2)
    message = str(caught.value)
    assert "openai-community/gpt2 is not on this machine" in message
    assert "INTERP_RL_MODELS=embedded" in message and "Run once with network" in message
    assert bool(connections) is not offline


def test_a_cached_hub_model_needs_no_network(cache, connections, saved_gpt2):
    snapshot = _fill(cache, saved_gpt2)
    assert files.directory_of(GPT2) == snapshot
    assert not connections


def test_half_a_download_is_not_taken_for_a_model(cache, connections, saved_gpt2):
    (_fill(cache, saved_gpt2) / "model.safetensors").unlink()
    with pytest.raises(HubUnavailableError, match="not on this machine"):
        files.directory_of(GPT2)


def test_a_local_directory_stands_in_for_the_hub(saved_gpt2, monkeypatch, connections):
    monkeypatch.setenv("INTERP_RL_HUB_DIR", str(saved_gpt2.parent))
    assert files.directory_of(GPT2) == saved_gpt2
    assert not connections


def test_a_local_hub_directory_without_the_model_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERP_RL_HUB_DIR", str(tmp_path))
    with pytest.raises(MissingModelError, match=r"INTERP_RL_HUB_DIR is .*there is no .*gpt2"):
        files.directory_of(GPT2)
