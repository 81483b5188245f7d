"""The chapters run on models as the hub has them: other tokens, MLPs, heads with other roles.

One model stands for GPT-2 small and does the task. The other has learned nothing, so that no head
has a role: a reader who loads such a model meets empty classes, not errors.
"""

import json
import re
from pathlib import Path

import hub_model
import pytest
import torch
from chapter_run import run

from interp_rl import ioi, models
from interp_rl.ioi.task import single_token
from interp_rl.models import files, registry
from interp_rl.models.recipes import ioi_corpus

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("[12]-*.md"))
SAVE = {
    "does the task": hub_model.save_model_that_does_the_task,
    "random": hub_model.save_random_model,
}


@pytest.fixture(scope="module")
def directories(tmp_path_factory) -> dict[str, Path]:
    """Where `INTERP_RL_HUB_DIR` points, for each model."""
    places = {name: tmp_path_factory.mktemp("hub") for name in SAVE}
    for name, place in places.items():
        SAVE[name](place / "gpt2")
    return places


@pytest.fixture
def hub(request, directories, hub_edition) -> Path:
    """The hub edition, on one of the models."""
    return hub_edition(directories[getattr(request, "param", "does the task")]) / "gpt2"


def found_name_movers() -> bool:
    """Whether the model in force has heads that do the last step of the task."""
    model = models.load_hooked("ioi")
    data = ioi.make_dataset(model.tokenizer, 60, seed=1, pairs=ioi_corpus.is_held_out)
    reference = ioi.make_dataset(model.tokenizer, 600, seed=2).corrupted("abc", seed=3)
    roles = ioi.find_roles(model, data, data.corrupted("abc", seed=4), reference)
    assert all(torch.isfinite(effects).all() for effects in roles.effects.values())
    return bool(roles.heads["name mover"])


@pytest.mark.parametrize("hub", SAVE, indirect=True)
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_on_the_hubs_model(hub, name):
    try:
        chapter = run(ROOT, name)
    except ValueError as error:  # on a page about circuits, where there is none
        assert "the circuit has no nodes" in str(error)
        assert not found_name_movers()
        return
    loaded = [value for value in chapter.names.values() if hasattr(value, "boot_transformers")]
    if 'load_hooked("ioi")' in chapter.text:
        n_tokens = len(json.loads((hub / "vocab.json").read_text()))
        assert ("gpt2", n_tokens) in {(m.cfg.model_name, m.cfg.d_vocab) for m in loaded}
    chapter.is_sound()


def test_the_hubs_files_are_what_the_hub_has(hub):
    names = {path.name for path in hub.iterdir()}
    assert names >= {"config.json", "model.safetensors", "vocab.json", "merges.txt"}
    assert names >= {"tokenizer.json", "tokenizer_config.json"}
    config = models.load("ioi").model.config
    assert config.n_inner is None and config.n_positions == 1024


def test_the_tokenizer_is_of_gpt2s_kind(hub):
    tokenizer = models.load("ioi").tokenizer
    words = tokenizer.tokenize("When Mary and John went to the store, John gave a drink to")
    assert words[:2] == ["When", "ĠMary"] and words[8:11] == [",", "ĠJohn", "Ġgave"]
    assert tokenizer.bos_token == tokenizer.eos_token == tokenizer.unk_token == "<|endoftext|>"
    assert tokenizer.pad_token == tokenizer.eos_token, "as is customary where there is none"
    assert tokenizer("John")["input_ids"] == tokenizer.convert_tokens_to_ids([*"John"])
    text = "naïve ☕, and\tworse"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_words_of_several_tokens_are_left_out(hub):
    loaded = models.load("ioi")
    cut = {
        word
        for word in (*ioi_corpus.NAMES, *ioi_corpus.PLACES, *ioi_corpus.OBJECTS)
        if single_token(word, loaded.tokenizer) is None
    }
    assert cut == set(hub_model.SEVERAL_TOKENS)
    data = ioi.make_dataset(loaded.tokenizer, 600, seed=0, pairs=ioi_corpus.is_held_out)
    assert not any(word in text for text in data.texts for word in cut)
    assert {prompt.template for prompt in data.prompts} == set(ioi.TEMPLATES)
    with pytest.raises(ValueError, match="not one token for this tokenizer: 'Christina'"):
        ioi.make_dataset(loaded.tokenizer, 10, seed=0, names=["Christina", "Mary"])


def test_the_model_does_the_task_by_heads_with_roles(hub):
    model = models.load_hooked("ioi")
    data = ioi.make_dataset(model.tokenizer, 60, seed=1, pairs=ioi_corpus.is_held_out)
    assert ioi.measure(model, data, ioi.prefers_io).float().mean() >= 0.95
    assert found_name_movers()
    assert ioi.read_weights(model).has_mlp == (True,) * model.cfg.n_layers


@pytest.mark.parametrize("hub", ["random"], indirect=True)
def test_a_model_that_has_learned_nothing_has_no_name_movers(hub):
    assert not found_name_movers()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_switches_that_the_pages_name_exist(page):
    named = set(re.findall(r"INTERP_RL_\w+", (ROOT / page).read_text(encoding="utf-8")))
    assert named == {registry.EDITION_VARIABLE, files.HUB_DIR_VARIABLE}
