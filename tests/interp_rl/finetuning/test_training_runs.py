"""The recorded runs: made so that they can be stopped, small, and read back as they were."""

import copy
import json
from functools import cached_property
from types import SimpleNamespace

import pytest
import torch

from interp_rl import models
from interp_rl.finetuning import training_runs as module
from interp_rl.finetuning.best_of_n import kl_bound
from interp_rl.finetuning.ppo import train
from interp_rl.finetuning.votes import VotesSettings, run_draw

TINY = {
    **{
        "updates": 2,
        "steps": 2,
        "passes": (500,),
        "sizes": (1, 2),
        "seeds": 2,
        "betas": (0.0, 0.1),
    },
    "draws": {"language model": {3: 2, 5: 1}, "classifier": {4: 1}},
}


class Tiny(module.Material):
    """Random models and few prompts."""

    def __init__(self, folder, reward, body):
        self.folder, self.score = folder, reward
        self.classifier = SimpleNamespace(model=body)
        self.made_from = {"language model": "tiny", "classifier": "other"}

    @cached_property
    def language_model(self):
        return models.load(self.folder)

    @property
    def reward(self):
        return lambda texts: self.score(texts).clamp(0, 1)

    @property
    def prompts(self):
        return [f"{a} {b}" for a in ("the", "good", "bad") for b in ("film", "food", "plot")] * 2

    @property
    def held_out(self):
        return ["a film"[2:] + " was", "not good", "very bad", "the great"]


def make_body(model):
    """Another model of the same shape, as the classifier is one of the language model."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.transformer.wte.weight.add_(torch.randn(other.transformer.wte.weight.shape))
    return other


@pytest.fixture(scope="module")
def material(untouched, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny"
    larger = copy.deepcopy(untouched)
    larger.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    def good(texts):
        return torch.tensor([float("good" in text.split()) for text in texts])

    return Tiny(folder, good, make_body(untouched))


@pytest.fixture(scope="module")
def made(material, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "positive_reviews", lambda n, seed: ["the film was good ."] * 9)
        patch.setattr(module, "PPO_SETTINGS", module.replace(module.PPO_SETTINGS, new_tokens=8))
        patch.setattr(module, "TRL_SETTINGS", module.replace(module.TRL_SETTINGS, new_tokens=8))
        module.make_results(
            out=folder / "out", results=folder / "results", material=material, changes=TINY
        )
    return folder


def test_every_method_is_there_with_every_dial_and_seed(made):
    found = module.frontier(made / "results")
    dials = {method: {point.dial for point in found.of(method)} for method in module.METHODS}
    assert dials == {
        "reference": {0.0},
        "ppo": {0.0, 0.1},
        "rloo": {0.0, 0.1},
        "grpo": {0.0, 0.1},
        "supervised": {500.0},
        "best-of-n": {1.0, 2.0},
    }
    for method, values in dials.items():
        for dial in values:
            assert [point.seed for point in found.of(method, dial)] == [0, 1]
    with pytest.raises(ValueError, match="no points of 'dqn'"):
        found.of("dqn")
    assert found.optimal_reward.shape == found.optimal_kl.shape == (2, len(module.OPTIMAL_BETAS))
    assert (found.optimal_reward.diff(dim=1) >= -2e-3).all(), "the cheaper a nat, the better"
    assert set(found.settings) == {"ppo", "rloo", "grpo", "supervised"}
    assert "beta" not in found.settings["ppo"] and found.settings["ppo"]["updates"] == 2
    assert {"torch", "trl", "python"} <= set(found.provenance)
    assert found.provenance["classifier"] == "other"


def test_what_is_read_is_what_the_run_was(made, material):
    found = module.frontier(made / "results")
    (point,) = [one for one in found.of("ppo", 0.1) if one.seed == 1]
    settings = module.replace(module.PPO_SETTINGS, beta=0.1, seed=1, updates=2, new_tokens=8)
    policy = material.fresh()
    run = train(
        policy,
        material.language_model.model,
        material.tokenizer,
        material.prompts,
        material.reward,
        settings,
        progress=False,
    )
    report = material.judge(policy, 1)
    assert point.reward == pytest.approx(report.reward.value, abs=6e-4)
    assert point.kl == pytest.approx(report.kl.value, abs=6e-4)
    assert point.curve["reward"] == pytest.approx(run.history["reward"], abs=6e-4)
    assert point.texts == () and len(found.of("ppo", 0.1)[0].texts) == 4
    base = found.of("reference")[0]
    assert base.kl == pytest.approx(0, abs=1e-3) and base.curve == {}
    assert found.of("best-of-n", 2.0)[0].kl == pytest.approx(kl_bound(2), abs=6e-4)
    assert found.of("rloo", 0.0)[0].curve.keys() == {"reward"}, "without a reference, no KL"


def test_the_runs_without_a_penalty_keep_six_texts_at_most(made):
    found = module.hacking(made / "results")
    assert set(found) == {"ppo", "rloo"}
    for (point,) in found.values():
        assert (
            point.dial == 0 and 0 < len(point.texts) <= 6 and len(point.scores) == len(point.texts)
        )


def test_draws_of_votes_are_read_back(made, material):
    found = module.few_votes(made / "results")
    sizes = {start: {n: len(one.after) for n, one in by.items()} for start, by in found.items()}
    assert sizes == TINY["draws"]
    found = found["language model"]
    assert (found[3].start, found[3].votes) == ("language model", 3)
    settings = VotesSettings(votes=3, seed=1)
    settings = module.replace(settings, training=module.replace(settings.training, updates=2))
    draw = run_draw(
        material.language_model.model,
        material.tokenizer,
        material.reward,
        material.prompts,
        material.held_out,
        settings,
    )
    assert found[3].after[1].item() == pytest.approx(draw.after.reward.value, abs=6e-4)
    assert found[3].curves["proxy"][1].tolist() == pytest.approx(draw.history["proxy"], abs=6e-4)
    assert found[3].curves["true"].shape == (2, 2)
    assert len(found[3].examples[0]["votes"]) == 3 and len(found[3].examples[0]["texts"]) == 3
    assert "seed" not in found[3].settings and "seed" not in found[3].settings["training"]


def test_finished_runs_are_not_made_again_and_checkpoints_are_gone(made, material, monkeypatch):
    for name in ("train_point", "sample_points", "vote_row"):
        monkeypatch.setattr(module, name, None)  # calling it would raise
    monkeypatch.setattr(module, "PPO_SETTINGS", module.replace(module.PPO_SETTINGS, new_tokens=8))
    monkeypatch.setattr(module, "TRL_SETTINGS", module.replace(module.TRL_SETTINGS, new_tokens=8))
    before = {path.name: path.read_bytes() for path in (made / "results").iterdir()}
    assert set(before) == {"frontier.json", "hacking.json", "votes.json"}
    options = {"out": made / "out", "results": made / "results", "material": material}
    module.make_results(**options, changes=TINY)
    assert before == {path.name: path.read_bytes() for path in (made / "results").iterdir()}
    assert not list((made / "out").glob("*.pt"))
    with pytest.raises(ValueError, match="run of other settings"):
        module.make_results(["frontier"], **options, changes=TINY | {"updates": 3})
    monkeypatch.setattr(material, "made_from", {"language model": "another"})
    with pytest.raises(ValueError, match="run of other settings"):
        module.make_results(["votes"], **options, changes=TINY)


def test_an_interrupted_part_leaves_no_file_and_goes_on(material, tmp_path, monkeypatch):
    made = []

    def interrupted(material, start, settings):
        made.append(settings.seed)
        if len(made) == 2:
            raise KeyboardInterrupt
        return {"seed": settings.seed}

    monkeypatch.setattr(module, "vote_row", interrupted)
    options = {
        "out": tmp_path / "out",
        "results": tmp_path / "results",
        "material": material,
        "changes": {"draws": {"language model": {3: 3}}},
    }
    with pytest.raises(KeyboardInterrupt):
        module.make_results(["votes"], **options)
    assert not list((tmp_path / "results").iterdir())
    module.make_results(["votes"], **options)
    assert made == [0, 1, 1, 2]
    assert (tmp_path / "results/votes.json").exists()


def test_damaged_missing_and_unknown_files_are_refused(made, tmp_path):
    with pytest.raises(ValueError, match="make it again with `make results`"):
        module.frontier(tmp_path)
    content = json.loads((made / "results/frontier.json").read_text())
    del content["points"][0]["kl"]
    (tmp_path / "frontier.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="kl"):
        module.frontier(tmp_path)
    with pytest.raises(ValueError, match="'frontiers'"):
        module.make_results(["frontiers"], out=tmp_path, results=tmp_path)


# ----- what is shipped


@pytest.fixture(scope="module")
def shipped():
    return module.frontier()


def test_the_shipped_runs_are_those_of_the_plan(shipped):
    for method, dials in {
        **dict.fromkeys(("ppo", "rloo", "grpo"), module.BETAS),
        "supervised": module.PASSES,
        "best-of-n": module.SIZES,
        "reference": (0.0,),
    }.items():
        for dial in dials:
            seeds = [point.seed for point in shipped.of(method, float(dial))]
            assert seeds == list(range(module.SEEDS)), f"{method} at {dial}: run `make results`"
    for method, settings in {
        "ppo": module.PPO_SETTINGS,
        **dict.fromkeys(("rloo", "grpo"), module.TRL_SETTINGS),
        "supervised": module.SUPERVISED_SETTINGS,
    }.items():
        planned = json.loads(json.dumps(module.asdict(settings)))
        kept = shipped.settings[method]
        assert kept == {name: planned[name] for name in kept}, f"{method}: run `make results`"
    found = module.few_votes()
    draws = {start: {n: len(one.after) for n, one in by.items()} for start, by in found.items()}
    assert draws == module.DRAWS
    sizes = [path.stat().st_size for path in module.RESULTS.glob("*.json")]
    assert sum(sizes) < 300_000


def test_the_shipped_runs_were_made_with_the_shipped_models(shipped):
    made_from = module.Material().made_from
    for name, checksum in made_from.items():
        assert shipped.provenance[name] == checksum, f"another {name}: run `make results`"


def test_no_method_beats_the_frontier(shipped):
    """At the divergence of each point, the optimum has the higher reward (up to the samples)."""
    kl, reward = shipped.optimal_kl.mean(0), shipped.optimal_reward.mean(0)
    for point in shipped.points:
        if point.kl > float(kl.max()):
            continue
        near = int((kl - point.kl).abs().argmin())
        slack = 0.1  # 200 texts, and a grid of prices
        assert point.reward < float(reward[max(near, 1)]) + slack, point


def test_a_free_nat_costs_more_than_a_dear_one(shipped):
    for method in ("ppo", "rloo", "grpo"):
        kl = {
            beta: sum(point.kl for point in shipped.of(method, beta)) / module.SEEDS
            for beta in (0.0, 0.3)
        }
        assert kl[0.0] > kl[0.3], method


def test_what_few_votes_teach_depends_on_what_the_model_knew_before():
    found = module.few_votes()
    agreement = {
        start: {votes: one.agreement.mean().item() for votes, one in by.items()}
        for start, by in found.items()
    }
    assert abs(agreement["language model"][3] - 0.5) < 0.06, "three votes teach it nothing"
    assert agreement["language model"][100] < 0.7, "and a hundred teach it little"
    assert agreement["classifier"][10] > 0.7
    three = found["classifier"][3]
    assert three.agreement.std() > 0.1, "the draw of the votes decides"
    assert three.after.std() > 0.05
    gain = (three.after - three.before).mean()
    nothing = found["language model"][3]
    assert gain > (nothing.after - nothing.before).mean() + 0.1


def test_the_proxy_is_over_optimised():
    """From the language model, the proxy rises and the true reward does not follow."""
    draws = module.few_votes()["language model"][3]
    risen = {
        name: curve[:, -3:].mean() - curve[:, :1].mean() for name, curve in draws.curves.items()
    }
    assert risen["proxy"] > 0.1
    assert risen["true"] < 0.5 * risen["proxy"]
    assert abs((draws.after - draws.before).mean()) < 0.15
