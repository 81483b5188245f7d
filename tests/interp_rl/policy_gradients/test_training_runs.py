"""The recorded runs: made so that they can be stopped, small, and read back as they were."""

import json
from dataclasses import replace

import pytest
import torch

from interp_rl.policy_gradients import training_runs as module
from interp_rl.policy_gradients.agent import load_agent
from interp_rl.policy_gradients.evaluation import evaluate
from interp_rl.policy_gradients.lunar_lander import LADDER, train

TINY = {"steps": 1500, "rollout": 100, "environments": 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two seeds of a tiny PPO."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BIN", 500)
        module.make_results(
            ["ppo"], seeds=[0, 1], out=folder / "out", results=folder / "results", changes=TINY
        )
    return folder


def test_what_is_read_is_what_the_runs_were(made):
    runs = module.recorded("ppo", made / "results")
    assert runs.seeds == (0, 1) and runs.steps.tolist() == [500, 1000, 1500]
    assert runs.settings == replace(LADDER["ppo"], **TINY)
    again = train(replace(LADDER["ppo"], seed=1, **TINY), progress=False)
    ends, returns = (torch.tensor(again.episodes[name]) for name in ("end", "return"))
    last = returns[(ends > 1000) & (ends <= 1500)]
    assert runs.mean[1, 2].item() == pytest.approx(last.mean().item(), abs=0.06)
    assert (runs.low <= runs.high).logical_or(runs.low.isnan()).all()
    played = evaluate(again.agent, greedy=True, seed=1).returns
    assert torch.allclose(runs.evaluation["greedy"][1], played, atol=0.06)
    assert runs.evaluation["sampled"].shape == (2, 100)
    assert {"torch", "gymnasium", "python"} <= set(runs.provenance)
    pilot = load_agent(made / "results" / "ppo-0.safetensors")
    assert torch.allclose(
        evaluate(pilot, greedy=True, seed=0).returns, runs.evaluation["greedy"][0], atol=0.06
    )


def test_finished_seeds_are_not_trained_again(made, monkeypatch):
    monkeypatch.setattr(module, "BIN", 500)
    monkeypatch.setattr(module, "train", None)  # calling it would raise
    before = (made / "results" / "ppo.json").read_bytes()
    options = {"seeds": [0, 1], "out": made / "out", "results": made / "results"}
    module.make_results(["ppo"], **options, changes=TINY)
    assert (made / "results" / "ppo.json").read_bytes() == before
    with pytest.raises(ValueError, match=r"ppo-0\.json is a run of other settings"):
        module.make_results(["ppo"], **options, changes=TINY | {"lam": 0.5})


def test_damaged_missing_and_unknown_files_are_refused(made, tmp_path):
    with pytest.raises(ValueError, match="no rung"):
        module.recorded("dqn")
    with pytest.raises(ValueError, match="make it again with `make results`"):
        module.recorded("ppo", tmp_path)
    content = json.loads((made / "results" / "ppo.json").read_text())
    del content["runs"][0]["curve"]
    (tmp_path / "ppo.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="curve"):
        module.recorded("ppo", tmp_path)
    with pytest.raises(ValueError, match="'dqn'"):
        module.make_results(["dqn"], out=tmp_path, results=tmp_path)


# ----- what is shipped


def test_the_shipped_runs_are_those_of_the_ladder():
    for rung, settings in LADDER.items():
        runs = module.recorded(rung)
        assert runs.settings == settings, f"{rung}: run `make results`"
        assert runs.seeds == tuple(range(module.SEEDS[rung]))
        assert runs.steps[-1] == settings.steps == 1_000_000
        assert (module.RESULTS / f"{rung}.json").stat().st_size < 100_000


def test_the_best_rung_lands():
    scores = module.recorded("ppo").evaluation
    for mode in ("sampled", "greedy"):
        assert scores[mode].shape == (10, 100)
    assert (scores["greedy"].mean(1) >= 200).sum() >= 8


@pytest.mark.parametrize("rung", module.PILOTS)
def test_the_shipped_agents_are_small_and_those_that_were_recorded(rung):
    path = module.RESULTS / f"{rung}-0.safetensors"
    assert path.stat().st_size < 100_000
    recorded = module.recorded(rung).evaluation["greedy"][0]
    played = evaluate(load_agent(path), greedy=True, episodes=20, seed=0).returns
    # another machine's rounding may turn single episodes around
    assert abs(played.median() - recorded.median()) < 30
