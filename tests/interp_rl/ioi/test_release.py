"""Choosing the seed that ships, and its card."""

import json
from dataclasses import asdict, replace

import pytest

from interp_rl.ioi import acceptance, release
from interp_rl.ioi.acceptance import Criteria
from interp_rl.models import ModelCard
from interp_rl.models.files import RELEASED
from interp_rl.models.recipes import ioi_mini
from interp_rl.models.recipes.ioi_corpus import CorpusSettings

TINY = ioi_mini.Recipe(steps=2, batch_size=4, layers=2, heads=2, width=16)

#: Settings without which there would be no model or no text, and the seed.
NO_AIDS = {
    *("seed", "steps", "batch_size", "layers", "heads", "width", "positions"),
    *("learning_rate", "warmup", "decay_from", "last_learning_rate", "weight_decay"),
    *("corpus.stories", "corpus.lists", "corpus.people", "corpus.surprise"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An untrained model's directory, and its measurement."""
    directory = tmp_path_factory.mktemp("runs") / "seed-0"
    ioi_mini.run(TINY, directory)
    return directory, acceptance.measure(directory, Criteria(prompts=30))


@pytest.fixture
def runs(trained, tmp_path, monkeypatch):
    """Makes directories of runs; each shares the tiny weights and has a result of its own."""
    directory, measured = trained
    results = {}

    def add(name, recipe, **changes):
        path = tmp_path / "runs" / name
        path.mkdir(parents=True)
        for file in RELEASED:
            (path / file).write_bytes((directory / file).read_bytes())
        settings = recipe if isinstance(recipe, dict) else asdict(recipe)
        (path / "recipe.json").write_text(json.dumps(settings))
        results[path] = measured | changes
        return path.parent

    monkeypatch.setattr(release, "measure", results.__getitem__)
    return add


def passing(measured_passed, count):
    """That many criteria passed."""
    return {name: row < count for row, name in enumerate(measured_passed)}


def test_every_setting_is_an_aid_on_the_card_or_known_to_be_none():
    off = [setting for aid in release.TRAINING_AIDS for setting in aid.off]
    assert len(off) == len(set(off))
    settings = release._dotted(asdict(ioi_mini.Recipe()))
    assert set(off) == set(settings) - NO_AIDS


def test_every_aid_of_the_recipe_is_listed_with_its_numbers(runs, tmp_path):
    card = release.release(runs("seed-0", TINY), tmp_path / "out")
    listed = {entry["aid"]: entry["what"] for entry in card["training_aids"]}
    assert list(listed) == [aid.name for aid in release.TRAINING_AIDS if aid.used(asdict(TINY))]
    assert f"in {TINY.hide_paths:.0%} of training batches" in listed["hide_paths"]
    assert not [what for what in listed.values() if "{" in what]


@pytest.mark.parametrize("aid", release.TRAINING_AIDS, ids=lambda aid: aid.name)
def test_an_aid_that_is_off_is_not_listed(aid, runs, tmp_path):
    top = {key: value for key, value in aid.off.items() if "." not in key}
    inner = {key.removeprefix("corpus."): value for key, value in aid.off.items() if "." in key}
    recipe = replace(TINY, **top, corpus=replace(CorpusSettings(), **inner))
    assert aid.used(asdict(TINY)) and not aid.used(asdict(recipe))
    card = release.release(runs("seed-0", recipe), tmp_path / "out")
    assert aid.name not in [entry["aid"] for entry in card["training_aids"]]


def test_a_recipe_from_before_an_aid_did_without_it(runs, tmp_path):
    old = {key: value for key, value in asdict(TINY).items() if key != "same_start"}
    card = release.release(runs("seed-0", old), tmp_path / "out")
    assert "same_start" not in [entry["aid"] for entry in card["training_aids"]]


def test_the_seed_that_meets_most_criteria_is_shipped(trained, runs, tmp_path):
    passed = trained[1]["passed"]
    for seed, count in ((2, 6), (0, 5), (10, 6)):
        folder = runs(
            f"seed-{seed}",
            replace(TINY, seed=seed),
            passed=passing(passed, count),
            accepted=count == 6,
        )
    card = release.release(folder, tmp_path / "out", minutes=7)
    assert [run["seed"] for run in card["seeds"]] == [0, 2, 10]
    assert [sum(run["passed"].values()) for run in card["seeds"]] == [5, 6, 6]
    assert (card["seed"], card["accepted_seeds"]) == (2, "2 of 3")
    assert "none" not in card["selection_rule"]
    assert card["minutes_on_one_core"] == 7
    assert "2 of 5 seeds are still to be trained" in card["status"]


def test_an_untrained_model_says_so_on_its_card(runs, tmp_path):
    card = release.release(runs("seed-0", TINY), tmp_path / "out")
    assert json.loads(json.dumps(card)) == json.loads((tmp_path / "out/card.json").read_text())
    assert (card["seeds"][0]["accepted"], card["accepted_seeds"]) == (False, "0 of 1")
    assert "none was accepted" in card["selection_rule"]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert set(card["files"]) == written - {"card.json"}


def test_runs_without_an_aid_say_what_differs_inside_the_corpus_too(runs, tmp_path):
    runs("seed-1", replace(TINY, seed=1))
    runs("without-noise", replace(TINY, seed=1, corpus=CorpusSettings(noisy=0.0)))
    folder = runs("without-drop_heads", replace(TINY, seed=3, drop_heads=0.0))
    card = release.release(folder, tmp_path / "out")
    assert {run["run"]: run["differs"] for run in card["aids_ablation"]} == {
        "without-drop_heads": {"seed": 3, "drop_heads": 0.0},
        "without-noise": {"corpus.noisy": 0.0},
    }
    assert [run["seed"] for run in card["seeds"]] == [1]
    shown = {aid["aid"]: aid.get("without_it") for aid in card["training_aids"]}
    passed = card["aids_ablation"][0]["passed"]
    failed = [name for name, ok in passed.items() if not ok]
    assert failed and shown["noise"] == f"not met: {', '.join(failed)}"
    assert shown["hide_paths"] is None, "no model was trained without it"
    lacking = card["status"].split("no model was trained without ")[1]
    assert "hide_paths" in lacking
    assert not {"noise", "drop_heads", "temperature"} & set(lacking.split(", "))


def test_a_complete_set_of_runs_leaves_nothing_to_be_done(runs, tmp_path):
    for seed in range(5):
        runs(f"seed-{seed}", replace(TINY, seed=seed))
    for aid in release.TRAINING_AIDS:
        setting, value = next(iter(aid.off.items()))
        recipe = asdict(TINY)
        part = recipe["corpus"] if "." in setting else recipe
        part[setting.removeprefix("corpus.")] = value
        folder = runs(f"without-{aid.name}", recipe)
    assert release.release(folder, tmp_path / "out")["status"] == ""


def test_each_run_tells_of_backup_and_of_both_signals(trained, runs, tmp_path):
    also = trained[1]["also"] | {
        "logit difference with name movers resampled (ABC) at END": 0.5,
        "expected without backup": 0.25,
        "position and token signal": {"position slope": 2.0, "token slope": 1.0, "intercept": 0.0},
    }
    runs("seed-0", TINY, also=also)
    folder = runs("without-hide_paths", replace(TINY, hide_paths=0.0))
    card = release.release(folder, tmp_path / "out")
    assert [card["seeds"][0][key] for key in release.REPORTED] == [0.5, 0.25, 2.0, 1.0]
    assert not set(release.REPORTED) & set(card["aids_ablation"][0]), "it has no such heads"
    shown = repr(ModelCard.read(tmp_path / "out"))
    assert "0 of 1 seeds accepted" in shown and "without hide_paths" in shown


def test_release_needs_runs_of_one_recipe(runs, tmp_path):
    with pytest.raises(FileNotFoundError, match="seed-"):
        release.release(tmp_path, tmp_path / "out")
    runs("seed-0", TINY)
    folder = runs("seed-1", replace(TINY, seed=1, steps=3))
    with pytest.raises(ValueError, match="different recipes"):
        release.release(folder, tmp_path / "out")
