"""What the chapter on TRL says, held against what its own cells compute."""

import itertools
import math
import re
from dataclasses import fields
from importlib.metadata import version

import pytest
from chapter_run import Run, run

from interp_rl import plots
from interp_rl.finetuning import trl_runs


@pytest.fixture(scope="module")
def with_trl(root) -> Run:
    return run(root, "4-2-with-trl")


@pytest.fixture(scope="module")
def names(with_trl):
    return with_trl.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(with_trl):
    assert set(re.findall(r"{glue:text}`([^`]+)`", with_trl.text)) == set(with_trl.glued)


def test_figures_bring_their_numbers(with_trl):
    frontier, prices = (v for v in with_trl.values if isinstance(v, plots.Picture))
    assert frontier.table
    assert prices.table.count('<th scope="row"') == 3 * 5


# ----- settings


def test_the_table_of_settings_is_what_the_function_does(with_trl):
    assert trl_runs.FIXED["disable_dropout"][0] is True
    assert trl_runs.FIXED["bf16"][0] is False
    assert trl_runs.DEFAULT_BETA["grpo"] == 0
    for setting in ("dropout", "precision", "`beta` of GRPO", "reference", "unequal length"):
        assert f"| {setting}" in with_trl.text or setting in with_trl.text


def test_the_release_is_the_one_that_is_installed(with_trl):
    assert with_trl.glued["s42t-version"] == version("trl")


def test_trl_has_no_ppo_any_more_and_has_its_successors():
    import trl

    for gone in ("PPOTrainer", "PPOConfig"):
        assert not hasattr(trl, gone)
    assert hasattr(trl, "RLOOTrainer") and hasattr(trl, "GRPOTrainer")


def test_a_short_run_raises_the_reward_already(names):
    rewards, kl = names["run"].history["reward"], names["run"].history["kl"]
    assert len(rewards) == 20
    assert sum(rewards[-5:]) > sum(rewards[:5])
    assert sum(kl[-5:]) / 5 > -0.05, "not negative by more than noise"


def test_unequal_prompts_are_refused_for_the_reason_in_the_table(names):
    assert "position ids" in names["refusal"] and "equal length" in names["refusal"]


# ----- the frontier


def test_nothing_lies_above_the_best_possible_policy(names):
    """But for sampling noise, of the scores and of the optimum's own estimate."""
    for rows in names["found"].values():
        for kl, mean, *_ in rows:
            assert mean < names["best_at"](kl) + 0.05


def test_a_price_of_zero_goes_furthest(names):
    for method in ("ppo", "rloo", "grpo"):
        rows = names["found"][method]
        dials = {dial: kl for kl, *_, dial in rows}
        assert dials[0.0] == max(dials.values())


def test_best_of_n_costs_what_the_formula_says(names):
    for kl, *_, n in names["found"]["best-of-n"]:
        assert kl == pytest.approx(math.log(n) - (n - 1) / n, abs=2e-3)


def test_best_of_n_is_the_one_to_beat(names):
    assert names["ranked"][0] == "best of n"
    four = next(row for row in names["found"]["best-of-n"] if row[4] == 4)
    for method in ("ppo", "rloo", "grpo", "supervised"):
        better = [row for row in names["found"][method] if row[0] <= four[0] and row[1] >= four[1]]
        assert not better, method


def test_half_of_the_references_reviews_have_a_high_score(names):
    scores = [p.reward for p in names["runs"].of("reference")]
    assert 0.4 < sum(scores) / len(scores) < 0.6
    assert names["best_at"](math.log(2)) > 0.9
    assert math.log(2) == pytest.approx(0.69, abs=0.005)


def test_the_longer_runs_of_ppo_got_more_than_the_short_ones_at_any_price(names):
    short, full, longer = names["short"], names["full"], names["longer"]
    assert short.updates * short.batch < full.updates * full.batch
    assert short.learning_rate < full.learning_rate
    priced = [point for point in names["runs"].of("ppo") if point.dial > 0]
    assert longer["reward"].min() > max(point.reward for point in priced)


def test_imitation_is_slow(names):
    trained = max(row[1] for row in names["found"]["ppo"])
    assert max(row[1] for row in names["found"]["supervised"]) < trained - 0.03


def test_each_point_has_three_seeds(names):
    for method in names["STYLES"]:
        for *_, dial in names["found"][method]:
            assert len(names["runs"].of(method, dial)) == 3


# ----- the laboratory's still picture


@pytest.fixture(scope="module")
def along(names):
    """For each method what the figure draws: from the reference over falling prices to 0."""
    points = {}
    for row, *values in names["rows"][-15:]:
        method, tick = row.split(", ")
        points.setdefault(method, {})[tick] = dict(zip(names["measures"], values, strict=True))
    return points


def test_the_figure_has_the_first_seeds_from_the_reference_to_a_price_of_zero(names, along):
    runs = names["runs"]
    for method, name in {"ppo": "PPO", "rloo": "RLOO", "grpo": "GRPO"}.items():
        assert list(along[name]) == ["start", "0.3", "0.1", "0.05", "0"]
        for tick, drawn in along[name].items():
            which = ("reference", 0.0) if tick == "start" else (method, float(tick))
            (first,) = (point for point in runs.of(*which) if point.seed == 0)
            assert drawn["score"] == first.reward and drawn["KL, nats"] == first.kl
            assert drawn["perplexity"] == first.perplexity
            assert drawn["distinct-2"] == first.distinct_2


def test_score_and_divergence_rise_towards_a_price_of_zero(along):
    for points in along.values():
        kl = [point["KL, nats"] for point in points.values()]
        assert kl == sorted(kl)
        scores = [point["score"] for point in points.values()]
        assert max(scores[1:]) > scores[1] > scores[0] and scores[-1] > 0.85


def test_the_language_holds_while_there_is_a_price_and_not_without(along):
    for points in along.values():
        before = points["start"]["perplexity"]
        assert all(
            0.67 < point["perplexity"] / before < 1.5
            for tick, point in points.items()
            if tick != "0"
        )
    assert all(
        along[name]["0"]["perplexity"] > 10 * along[name]["start"]["perplexity"]
        for name in ("RLOO", "GRPO")
    )
    assert along["PPO"]["0"]["perplexity"] < along["PPO"]["start"]["perplexity"]
    assert along["PPO"]["0"]["distinct-2"] < 0.5 * along["PPO"]["start"]["distinct-2"]


def test_the_text_of_the_table_is_shipped_and_changes_sides_at_the_moderate_price(with_trl, names):
    said, runs = with_trl.glued, names["runs"]
    places = {
        "high": ("ppo", 0.3),
        "moderate": ("ppo", 0.05),
        "free": ("ppo", 0.0),
        "rloo": ("rloo", 0.0),
        "grpo": ("grpo", 0.0),
    }
    for key, (method, price) in places.items():
        first = runs.of(method, price)[0]
        assert first.seed == 0 and said[f"s42t-lab-{key}-text"] == first.texts[0]
        assert said[f"s42t-lab-{key}-score"] == f"{first.scores[0]:.3f}"
        assert (
            f"| {method.upper()}, ${price:g}$ | {{glue:text}}`s42t-lab-{key}-text`" in with_trl.text
        )
    before = runs.of("reference")[0]
    assert said["s42t-lab-start-text"] == before.texts[0]
    scores = {key: float(said[f"s42t-lab-{key}-score"]) for key in ("start", *places)}
    assert max(scores["start"], scores["high"]) < 0.5
    assert min(scores[key] for key in ("moderate", "free", "rloo", "grpo")) > 0.99


# ----- several GPUs


def test_the_command_is_one_that_the_module_understands(with_trl):
    [command] = re.findall(r"```bash\n(.+?)```", with_trl.text, re.DOTALL)
    words = command.replace("\\\n", " ").split()
    assert words[1:4] == ["accelerate", "launch", "--num_processes"]
    method, *options = words[words.index("interp_rl.finetuning.trl_runs") + 1 :]
    known = {"out", "words"} | {field.name for field in fields(trl_runs.TrlSettings)}
    given = {
        option[2:]: value for option, value in itertools.pairwise(options) if option[:2] == "--"
    }
    assert method in trl_runs.DEFAULT_BETA and set(given) <= known
    settings = trl_runs.TrlSettings(beta=float(given["beta"]), device=given["device"])
    assert settings.beta == 0.05


def test_the_large_model_has_so_many_times_more_weights(names):
    ours = sum(p.numel() for p in names["policy"].parameters())
    assert 124_439_808 / ours == pytest.approx(500, rel=0.15)
