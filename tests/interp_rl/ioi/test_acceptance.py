import json
import shutil

import pytest
import torch

from interp_rl import ioi
from interp_rl.ioi import acceptance
from interp_rl.ioi.release import release
from interp_rl.models.recipes import ioi_mini
from interp_rl.models.recipes.ioi_corpus import is_held_out

TINY = ioi_mini.Recipe(steps=2, batch_size=4, layers=3, heads=2, width=16)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    ioi_mini.run(TINY, out / "seed-0")
    return out


@pytest.fixture(scope="module")
def bench(runs):
    return acceptance.Bench(runs / "seed-0", acceptance.make_prompts(12))


def test_prompts_have_held_out_pairs_in_both_orders():
    prompts = acceptance.make_prompts(60)
    assert [prompt.order for prompt in prompts] == ["ABBA", "BABA"] * 30
    for prompt in prompts:
        assert is_held_out(prompt.io, prompt.s)
        words = ("<|bos|>", *prompt.words)
        assert words[prompt.io_at] == prompt.io
        assert words[prompt.s1_at] == words[prompt.s2_at] == prompt.s
        assert (prompt.io_at < prompt.s1_at) == (prompt.order == "ABBA")
        assert prompt.end == len(words) - 1


def test_effects_of_nothing_are_nothing(bench):
    with torch.no_grad():
        every = [(layer, head) for layer in range(3) for head in range(2)]
        assert bench.resample(every, bench.end, bench.cache) == pytest.approx(bench.baseline)
        assert bench.path_patch_to_queries([], [(2, 0)]) == pytest.approx(bench.baseline)


def test_direct_effects_and_the_embedding_add_up_to_the_logit_difference(bench):
    with torch.no_grad():
        direction = (bench.model.W_U[:, bench.io] - bench.model.W_U[:, bench.s]).T
        scale = bench.cache["ln_final.hook_scale"][bench.rows, bench.end]
        rest = bench.cache["blocks.0.hook_resid_pre"][bench.rows, bench.end]
        biases = sum(bench.model.blocks[n].attn.b_O for n in range(3))
        rest = ((rest + biases) * direction / scale).sum(-1).mean()
        offset = (bench.model.b_U[bench.io] - bench.model.b_U[bench.s]).mean()
        total = bench.direct_effect().sum() + rest + offset
    assert total.item() == pytest.approx(bench.baseline, abs=1e-4)


def test_an_untrained_model_is_not_accepted_and_says_so_on_its_card(runs, tmp_path):
    card = release(runs, tmp_path)
    assert json.loads(json.dumps(card)) == json.loads((tmp_path / "card.json").read_text())
    assert card["seeds"][0]["accepted"] is False
    assert "none was accepted" in card["selection_rule"]
    assert set(card["files"]) == {path.name for path in tmp_path.iterdir()} - {"card.json"}


def test_release_needs_runs_of_one_recipe(runs, tmp_path):
    with pytest.raises(FileNotFoundError, match="seed-"):
        release(tmp_path, tmp_path / "out")
    for seed, steps in ((0, 2), (1, 3)):
        (tmp_path / f"seed-{seed}").mkdir()
        recipe = {"seed": seed, "steps": steps}
        (tmp_path / f"seed-{seed}" / "recipe.json").write_text(json.dumps(recipe))
    with pytest.raises(ValueError, match="different recipes"):
        release(tmp_path, tmp_path / "out")


def test_the_seed_that_meets_most_criteria_is_shipped(runs, tmp_path, monkeypatch):
    import interp_rl.ioi.release as module

    second = tmp_path / "runs" / "seed-1"
    shutil.copytree(runs / "seed-0", tmp_path / "runs" / "seed-0")
    shutil.copytree(runs / "seed-0", second)
    recipe = json.loads((second / "recipe.json").read_text())
    (second / "recipe.json").write_text(json.dumps(recipe | {"seed": 1}))
    measured = module.measure(runs / "seed-0")
    better = measured | {"passed": dict.fromkeys(measured["passed"], True), "accepted": True}
    monkeypatch.setattr(module, "measure", lambda path: better if path == second else measured)
    card = release(tmp_path / "runs", tmp_path / "target")
    assert card["seed"] == 1
    assert "none" not in card["selection_rule"]


def test_the_shipped_model_prefers_io_on_prompts_that_chose_nothing(ioi_model):
    # a draw that neither the recipe nor the choice of the seed has seen
    data = ioi.make_dataset(ioi_model.tokenizer, 2000, seed=11, pairs=is_held_out)
    with torch.no_grad():
        prefers = ioi.prefers_io(ioi_model(data.tokens), data).float()
    assert prefers.mean() >= 0.99
    for order in ioi.ORDERS:
        assert prefers[data.has_order(order)].mean() >= 0.99
