"""Models as `load` and `load_hooked` give them."""

import json

import pytest
import torch

from interp_rl import models
from interp_rl.models import (
    ChecksumError,
    EditionError,
    MissingModelError,
    TokenizerError,
    UnknownModelError,
    WeightsError,
    load,
    load_card,
    load_hooked,
)
from interp_rl.models.text import to_tokens

TEXT = "When Mary and John went to the store, John gave a"


def _centred(logits):
    return logits - logits.mean(-1, keepdim=True)


# ---- load ------------------------------------------------------------------------------------


def test_a_model_is_ready_for_use(weights, connections):
    model, tokenizer, card = load("ioi")
    assert not model.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in model.parameters())
    assert model.config._attn_implementation == "eager"
    assert tokenizer.bos_token_id not in tokenizer("Mary")["input_ids"]
    assert card.seed == 7
    assert not connections


def test_every_call_gives_a_new_model(weights):
    one, other = load("ioi").model, load("ioi").model
    with torch.no_grad():
        one.transformer.wte.weight.zero_()
    assert other.transformer.wte.weight.abs().sum() > 0


def test_loading_says_nothing(weights, capfd):
    load_hooked("ioi")
    assert capfd.readouterr() == ("", "")


def test_loading_leaves_the_librarys_own_messages_on(weights):
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_info()
    logging.enable_progress_bar()
    try:
        load("ioi")
        assert logging.get_verbosity() == logging.INFO
        assert logging.is_progress_bar_enabled()
    finally:
        logging.set_verbosity(before[0])
        if not before[1]:
            logging.disable_progress_bar()


def test_a_directory_of_ones_own_needs_no_card(saved_gpt2):
    loaded = load(saved_gpt2)
    assert loaded.card.source == str(saved_gpt2)
    assert loaded.model.config.n_layer == 2


def test_the_hub_edition_loads_what_the_hub_offers(saved_gpt2, monkeypatch, connections):
    monkeypatch.setenv("INTERP_RL_HUB_DIR", str(saved_gpt2.parent))
    monkeypatch.setenv("INTERP_RL_MODELS", "hub")
    model, tokenizer, card = load("ioi")
    assert (card.name, card.files) == ("gpt2", {})
    assert model.config.n_embd == 24
    assert tokenizer.bos_token == "<|endoftext|>"
    assert not connections


def test_the_library_asks_for_safetensors_only(gpt2_copy):
    (gpt2_copy / "pytorch_model.bin").write_bytes(b"never read")
    assert load(gpt2_copy).model.config.n_layer == 2


def test_a_changed_file_is_not_loaded(weights):
    (weights / "config.json").write_text("{}")
    with pytest.raises(ChecksumError, match=r"config.json is damaged"):
        load("ioi")


def test_a_model_that_lacks_weights_is_refused(gpt2_copy):
    from safetensors.torch import load_file, save_file

    path = gpt2_copy / "model.safetensors"
    tensors = load_file(path)
    del tensors["transformer.h.1.attn.c_attn.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks weights .*h.1.attn.c_attn.weight"):
        load(gpt2_copy)


def test_weights_of_another_size_are_refused(gpt2_copy):
    path = gpt2_copy / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"n_embd": 48}))
    with pytest.raises(WeightsError, match="cannot be loaded as a GPT-2"):
        load(gpt2_copy)


def test_a_tokenizer_without_bos_is_refused(gpt2_copy):
    path = gpt2_copy / "tokenizer_config.json"
    entries = json.loads(path.read_text())
    del entries["bos_token"]
    path.write_text(json.dumps(entries))
    with pytest.raises(TokenizerError, match="has no BOS token"):
        load(gpt2_copy)


def test_a_broken_tokenizer_is_refused(gpt2_copy):
    (gpt2_copy / "tokenizer.json").write_text("{}")
    with pytest.raises(TokenizerError, match="cannot be loaded"):
        load(gpt2_copy)


@pytest.mark.parametrize("how", [load, load_hooked, load_card])
def test_names_and_directories_are_checked_everywhere(how, tmp_path):
    with pytest.raises(UnknownModelError, match="There is no model 'gpt5'"):
        how("gpt5")
    with pytest.raises(EditionError, match="INTERP_RL_MODELS=hub"):
        how("gpt2", edition="embedded")
    with pytest.raises(EditionError, match="embedded, hub"):
        how("ioi", edition="local")
    with pytest.raises(EditionError, match="embedded, hub"):
        how(tmp_path, edition="local")
    with pytest.raises(MissingModelError, match="There is no directory"):
        how(tmp_path / "nowhere")


def test_cards_are_read_without_weights(weights, connections):
    (weights / "model.safetensors").unlink()
    assert load_card("ioi").name == "ioi-mini"
    assert load_card("ioi", edition="hub").title == "GPT-2 small"
    assert not connections


# ---- load_hooked -----------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["saved_gpt2", "saved_attention_only"])
def test_hooks_do_not_change_what_the_model_computes(fixture, request):
    directory = request.getfixturevalue(fixture)
    plain, hooked = load(directory), load_hooked(directory)
    tokens = to_tokens(hooked, TEXT)
    with torch.no_grad():
        expected, logits = plain.model(tokens).logits, hooked(tokens)
    torch.testing.assert_close(_centred(logits), _centred(expected), atol=1e-4, rtol=0)
    torch.testing.assert_close(logits.log_softmax(-1), expected.log_softmax(-1), atol=1e-5, rtol=0)


def test_compatibility_mode_centres_the_logits_and_keeps_their_differences(saved_gpt2):
    plain, hooked = load(saved_gpt2), load_hooked(saved_gpt2)
    tokens = to_tokens(hooked, TEXT)
    with torch.no_grad():
        expected, logits = plain.model(tokens).logits, hooked(tokens)
    assert logits.mean(-1).abs().max() < 1e-4 < expected.mean(-1).abs().max()
    difference = logits[..., 5] - logits[..., 9]
    torch.testing.assert_close(difference, expected[..., 5] - expected[..., 9], atol=1e-4, rtol=0)


def test_each_heads_output_is_kept(saved_gpt2):
    model = load_hooked(saved_gpt2)
    with torch.no_grad():
        _, cache = model.run_with_cache(to_tokens(model, TEXT))
    heads = cache["blocks.1.attn.hook_result"].sum(2) + model.blocks[1].attn.b_O
    torch.testing.assert_close(heads, cache["blocks.1.hook_attn_out"], atol=1e-5, rtol=0)


def test_both_tokenizers_leave_bos_to_the_library(saved_gpt2):
    plain, hooked = load(saved_gpt2), load_hooked(saved_gpt2)
    words = plain.tokenizer(TEXT)["input_ids"]
    assert hooked.tokenizer(TEXT)["input_ids"] == words
    bos = plain.tokenizer.bos_token_id
    assert hooked.to_tokens(TEXT).tolist() == [[bos, *words]] == to_tokens(plain, TEXT).tolist()
    assert hooked.to_tokens(TEXT, prepend_bos=False).tolist() == [words]
    assert hooked.to_str_tokens(TEXT)[0] == "<|endoftext|>"


def test_hooked_models_are_loaded_without_network(weights, connections, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # else the client would not even try
    assert load_hooked("ioi").cfg.model_name == "ioi-mini"
    assert not connections


def test_the_hub_edition_is_hooked_silently(saved_gpt2, monkeypatch, capfd, caplog):
    monkeypatch.setenv("INTERP_RL_HUB_DIR", str(saved_gpt2.parent))
    assert load_hooked("ioi", edition="hub").cfg.model_name == "gpt2"
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


# ---- the embedded model ----------------------------------------------------------------------


def test_ioi_mini_ships_small_and_with_a_complete_card():
    card = load_card("ioi-mini")
    directory = models.registry.WEIGHTS / "ioi-mini"
    assert sum(p.stat().st_size for p in directory.iterdir()) < 4_000_000
    assert card.name == "ioi-mini"
    for entry in ("title", "what", "architecture", "trained_on", "seed", "steps", "figures"):
        assert getattr(card, entry), f"the card says nothing about: {entry}"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= card.files.keys()
    assert card._repr_html_().count("<tr>") > 8


def test_ioi_mini_computes_the_same_with_and_without_hooks(ioi_model):
    plain = load("ioi-mini")
    tokens = to_tokens(plain, "When Mary and John went to the store, John gave a book to")
    with torch.no_grad():
        expected, logits = plain.model(tokens).logits, ioi_model(tokens)
    torch.testing.assert_close(_centred(logits), _centred(expected), atol=1e-4, rtol=0)
    # logits of about 20 in float32 leave this much to rounding
    torch.testing.assert_close(logits.log_softmax(-1), expected.log_softmax(-1), atol=3e-5, rtol=0)


def test_ioi_mini_prefers_the_indirect_object_in_both_orders(ioi_model):
    ids = ioi_model.tokenizer.get_vocab()
    for opening in ("When Mary and John went", "When John and Mary went"):
        tokens = to_tokens(ioi_model, f"{opening} to the store, John gave a book to")
        with torch.no_grad():
            logits = ioi_model(tokens)[0, -1]
        assert logits[ids["Mary"]] > logits[ids["John"]]
        assert logits.argmax() == ids["Mary"]
