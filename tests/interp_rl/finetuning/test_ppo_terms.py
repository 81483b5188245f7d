"""The runs with a term left out: made once, resumed, read with care; the shipped file is whole."""

import json
from dataclasses import asdict, replace

import pytest
import torch

from interp_rl.finetuning import ppo_terms
from interp_rl.finetuning.ppo import PPOSettings
from interp_rl.finetuning.ppo_terms import CURVES, MEASURES, VARIANTS, make_results, recorded


def made_up(settings: PPOSettings) -> dict:
    return {
        "settings": asdict(settings),
        "history": {name: [0.5, 0.25] for name in CURVES},
        "final": dict.fromkeys(MEASURES, 0.5),
        "texts": ["a text"] * ppo_terms.N_TEXTS,
        "seconds": 1.0,
    }


@pytest.fixture
def calls(monkeypatch):
    found = []

    def record(settings):
        found.append(settings)
        return made_up(settings)

    monkeypatch.setattr(ppo_terms, "record", record)
    return found


def test_every_variant_and_seed_is_made_once_and_read_again(calls, tmp_path):
    place = {"out": tmp_path / "runs", "path": tmp_path / "terms.json"}
    make_results(seeds=range(2), **place)
    assert len(calls) == 2 * len(VARIANTS)
    assert {settings.seed for settings in calls} == {0, 1}
    make_results(seeds=range(2), **place)
    assert len(calls) == 2 * len(VARIANTS), "nothing is made a second time"
    for name, changes in VARIANTS.items():
        runs = recorded(name, place["path"])
        assert runs.settings == replace(PPOSettings(), **changes)
        assert runs.history["kl"].shape == (2, 2) and runs.final["reward"].shape == (2,)
        assert len(runs.texts) == 2


def test_an_interrupted_run_goes_on(calls, tmp_path, monkeypatch):
    place = {"out": tmp_path / "runs", "path": tmp_path / "terms.json"}
    whole = ppo_terms.record

    def interrupted(settings):
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(settings)

    monkeypatch.setattr(ppo_terms, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_results(seeds=[0], **place)
    assert not place["path"].exists(), "half a file would look whole"
    monkeypatch.setattr(ppo_terms, "record", whole)
    make_results(seeds=[0], **place)
    assert len(calls) == len(VARIANTS)


def test_runs_of_other_settings_are_refused(calls, tmp_path):
    place = {"out": tmp_path / "runs", "path": tmp_path / "terms.json"}
    make_results(["no clip"], seeds=[0], **place)
    with pytest.raises(ValueError, match="other settings"):
        make_results(["no clip"], seeds=[0], changes={"updates": 3}, **place)


def test_unknown_variants_are_named(tmp_path):
    with pytest.raises(ValueError, match="'no luck' is no variant"):
        recorded("no luck")
    with pytest.raises(ValueError, match=r"\['no luck'\] are no variants"):
        make_results(["no luck"], out=tmp_path, path=tmp_path / "terms.json")


@pytest.mark.parametrize("content", ["", "{}", '{"variants": {"no clip": []}}'])
def test_a_damaged_file_says_what_to_do(tmp_path, content):
    path = tmp_path / "terms.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="make results"):
        recorded("no clip", path)


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="make results"):
        recorded("no clip", tmp_path / "nowhere.json")


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_shipped_runs_are_those_of_the_settings(variant):
    runs = recorded(variant)
    assert runs.settings == replace(PPOSettings(), **VARIANTS[variant])
    n_seeds, n_updates = runs.history["reward"].shape
    assert n_seeds >= 3 and n_updates == runs.settings.updates
    assert all(torch.isfinite(values).all() for values in runs.final.values())
    assert all(len(texts) == ppo_terms.N_TEXTS for texts in runs.texts)


def test_the_shipped_file_says_how_it_was_made():
    content = json.loads(ppo_terms.RESULTS.read_text())
    assert set(content["provenance"]) >= {"python", "torch", "transformers", "processor"}
    assert content["provenance"].items() >= ppo_terms.made_from().items(), "the models have changed"
