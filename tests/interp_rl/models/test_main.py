"""`python -m interp_rl.models`."""

import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from interp_rl.models import registry
from interp_rl.models.__main__ import main


@pytest.fixture
def recipe(monkeypatch, saved_gpt2):
    """A recipe that writes the shipped files, or what `recipe.spoil` makes of them."""
    module = ModuleType("interp_rl.models.recipes.pretend")
    module.seen = []
    module.spoil = lambda out: None

    def recipe_main(arguments):
        module.seen.append(arguments)
        out = arguments[arguments.index("--out") + 1]
        module.spoil(Path(shutil.copytree(saved_gpt2, out)))

    module.main = recipe_main
    monkeypatch.setitem(sys.modules, module.__name__, module)
    spec = registry.ModelSpec("ioi-mini", "ioi", "embedded", recipe=module.__name__)
    monkeypatch.setitem(registry.MODELS, "ioi-mini", spec)
    return module


def test_list_names_every_model(weights, capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "ioi-mini" in out and "A random model." in out and "GPT-2 small" in out


def test_list_goes_on_where_a_model_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert "are missing" in out and "GPT-2 small" in out


def test_verify_passes_and_fails(weights, capsys):
    assert main(["verify"]) == 0
    assert "files are as the card says" in capsys.readouterr().out
    (weights / "tokenizer.json").write_text("{}")
    assert main(["verify"]) == 1
    assert "error: " in (err := capsys.readouterr().err) and "tokenizer.json is damaged" in err


def test_the_shipped_files_verify(capsys):
    assert main(["verify"]) == 0


def test_training_repeats_the_shipped_seed_and_repairs_the_files(weights, recipe, tmp_path, capsys):
    (weights / "model.safetensors").write_bytes(b"damaged")
    assert main(["train", "ioi-mini", "--out", str(tmp_path / "runs")]) == 0
    assert recipe.seen == [["--out", str(tmp_path / "runs" / "ioi-mini"), "--seed", "7"]]
    out = capsys.readouterr().out
    assert "equals the shipped file" in out and f"wrote {weights / 'model.safetensors'}" in out
    assert main(["verify"]) == 0


def test_a_different_outcome_is_told_and_not_shipped(weights, recipe, tmp_path, capsys):
    recipe.spoil = lambda out: (out / "model.safetensors").write_bytes(b"another")
    before = (weights / "model.safetensors").read_bytes()
    assert main(["train", "ioi", "--seed", "3", "--out", str(tmp_path / "runs")]) == 0
    assert recipe.seen[0][-1] == "3"
    out = capsys.readouterr().out
    assert "model.safetensors DIFFERS from the shipped file" in out and "wrote" not in out
    assert (weights / "model.safetensors").read_bytes() == before


def test_all_trains_every_embedded_model(weights, recipe, tmp_path):
    assert main(["train", "--all", "--out", str(tmp_path / "runs")]) == 0
    assert len(recipe.seen) == 1


@pytest.mark.parametrize(
    ("name", "message"), [("gpt2", "belongs to the hub edition"), ("x", "There is no model 'x'")]
)
def test_what_cannot_be_trained_is_named(name, message, capsys):
    assert main(["train", name]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["train"], ["train", "ioi", "--all"]])
def test_an_incomplete_command_is_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m interp_rl.models" in capsys.readouterr().err
