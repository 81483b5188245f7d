"""The recipe of `negation-mini`, its acceptance, and the model that ships."""

import json
import random
from dataclasses import asdict, replace

import pytest
import torch
from transformers import GPT2LMHeadModel

from interp_rl import models
from interp_rl.models import registry
from interp_rl.models.recipes import fitting, negation_mini
from interp_rl.models.recipes import negation_acceptance as acceptance
from interp_rl.models.recipes import negation_corpus as corpus

TINY = negation_mini.Recipe(
    steps=12, batch_size=4, layers=1, heads=2, width=16, hidden=16, warmup=4
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A directory with one run of very few steps."""
    runs = tmp_path_factory.mktemp("runs")
    negation_mini.run(TINY, runs / "seed-0")
    return runs


def weights_of(path):
    return GPT2LMHeadModel.from_pretrained(path).state_dict()


def assert_equal(one, other):
    for name, weight in one.items():
        assert torch.equal(weight, other[name]), name


def test_same_seed_same_weights_and_another_seed_others(runs, tmp_path):
    again = negation_mini.train(TINY, tmp_path / "a").state_dict()
    other = negation_mini.train(replace(TINY, seed=1), tmp_path / "b").state_dict()
    assert_equal(again, weights_of(runs / "seed-0"))
    assert not torch.equal(again["transformer.wte.weight"], other["transformer.wte.weight"])


@pytest.mark.parametrize("stop", [7, 10])
def test_a_resumed_run_ends_like_an_uninterrupted_one(runs, tmp_path, monkeypatch, stop):
    original = negation_mini.draw_batch

    def interrupted(recipe, step):
        if step == stop:
            raise KeyboardInterrupt
        return original(recipe, step)

    with monkeypatch.context() as patch:
        patch.setattr(negation_mini, "draw_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            negation_mini.train(TINY, tmp_path, checkpoint_every=5)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == stop // 5 * 5
    resumed = negation_mini.train(TINY, tmp_path, checkpoint_every=5)
    assert_equal(resumed.state_dict(), weights_of(runs / "seed-0"))


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    negation_mini.train(replace(TINY, steps=6), tmp_path, checkpoint_every=5)
    with pytest.raises(ValueError, match="other settings"):
        negation_mini.train(TINY, tmp_path, checkpoint_every=5)


def test_texts_must_fit_the_model(tmp_path):
    with pytest.raises(ValueError, match="31 positions cannot hold 32 words"):
        negation_mini.train(replace(TINY, positions=31), tmp_path)


def test_batches_depend_on_seed_and_step_only_and_end_with_the_answer():
    batch = negation_mini.draw_batch(TINY, 3)
    assert torch.equal(batch, negation_mini.draw_batch(TINY, 3))
    assert batch.tolist() != negation_mini.draw_batch(TINY, 4).tolist()
    assert (batch[:, 0] == negation_mini.BOS_ID).all()
    answers = {*corpus.KINDS, "yes", "no"}
    for row in batch.tolist():
        words = [corpus.VOCABULARY[id] for id in row if id != negation_mini.PAD_ID]
        assert words[-2] == "?" and words[-1] in answers
        assert not answers.intersection(words[:-1])


def test_the_answer_weighs_as_said_and_padding_nothing():
    pad, some = negation_mini.PAD_ID, 5
    tokens = torch.tensor([[0, some, 6, 7, pad], [0, some, 6, 7, 8]])
    logits = torch.randn(2, 4, len(corpus.VOCABULARY))
    each = -logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]
    answer = (each[0, 2] + each[1, 3]) / 2
    others = torch.cat([each[0, :2], each[1, :3]]).mean()
    loss, reported = negation_mini.loss_of(logits, tokens, answer_weight=5.0)
    torch.testing.assert_close(loss, 5 * answer + others)
    torch.testing.assert_close(reported, answer)


def test_learning_rate_rises_and_falls_to_nothing():
    recipe = replace(TINY, steps=1000, warmup=100)
    rates = [fitting.learning_rate(recipe, step) for step in range(1000)]
    assert rates[0] == pytest.approx(recipe.learning_rate / 100)
    assert max(rates) == rates[99] == rates[100] == recipe.learning_rate
    assert rates[-1] == pytest.approx(recipe.learning_rate / 900)


def test_every_setting_is_an_option(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(negation_mini, "run", lambda recipe, out: seen.append((recipe, out)))
    negation_mini.main(["--out", str(tmp_path), "--seed", "3", "--learning-rate", "0.1"])
    assert seen == [(replace(negation_mini.Recipe(), seed=3, learning_rate=0.1), tmp_path)]


# ----- acceptance


def test_an_untrained_model_is_not_accepted(runs, tmp_path):
    few = replace(acceptance.CRITERIA, examples=4)
    result = acceptance.measure(runs / "seed-0", few)
    assert not result["accepted"] and not result["passed"]["answers"]
    with pytest.raises(FileNotFoundError, match="seed-"):
        acceptance.release(tmp_path)


def test_the_seed_that_meets_most_criteria_is_released_with_its_card(runs, tmp_path, monkeypatch):
    met = iter([1, 2, 2])
    monkeypatch.setattr(
        acceptance,
        "measure",
        lambda path: {"figures": {}, "passed": {"all": next(met)}, "accepted": False},
    )
    for seed in range(3):
        folder = tmp_path / "runs" / f"seed-{seed}"
        folder.mkdir(parents=True)
        for path in (runs / "seed-0").iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        recipe = json.loads((folder / "recipe.json").read_text()) | {"seed": seed}
        (folder / "recipe.json").write_text(json.dumps(recipe))
    card = acceptance.release(tmp_path / "runs", tmp_path / "out")
    assert card["seed"] == 1 and card["selection_rule"].endswith("; none was accepted")
    assert [line["seed"] for line in card["seeds"]] == [0, 1, 2]
    assert models.load(tmp_path / "out").card.seed == 1, "files are as the card says"


def test_runs_of_different_recipes_are_refused(tmp_path):
    for seed, steps in ((0, 2), (1, 3)):
        (tmp_path / f"seed-{seed}").mkdir()
        (tmp_path / f"seed-{seed}" / "recipe.json").write_text(json.dumps({"steps": steps}))
    with pytest.raises(ValueError, match="different recipes"):
        acceptance.release(tmp_path)


# ----- what ships


def test_the_shipped_model_does_what_its_card_says_on_a_draw_that_chose_nothing():
    few = replace(acceptance.CRITERIA, examples=100)
    result = acceptance.measure(registry.WEIGHTS / "negation-mini", few, seed=17)
    assert result["accepted"], result
    card = models.load_card("negation")
    for name, value in card.figures.items():
        if "all" in name or "negatives in one" in name or "pairs" in name:
            assert result["figures"][name] == pytest.approx(value, abs=0.08), name


def test_the_card_has_the_criteria_and_settings_of_the_code():
    card = models.load_card("negation")
    assert card.criteria == asdict(acceptance.CRITERIA)
    assert card.recipe["settings"] == asdict(negation_mini.Recipe(seed=card.seed))
    (shipped,) = (line for line in card.seeds if line["seed"] == card.seed)
    assert shipped["figures"] == card.figures
    assert shipped["accepted"] and all(shipped["passed"].values()), "as the book says"


@pytest.mark.parametrize("edition", registry.EDITIONS)
def test_both_editions_play_the_role(edition):
    model = models.load("negation", edition=edition)
    assert model.card.name == "negation-mini"
    example = corpus.draw(random.Random(3), kind="double", held_out=True)
    assert (
        model.tokenizer(" ".join(example.words)).input_ids
        == acceptance.encode([example])[0, 1:].tolist()
    )
