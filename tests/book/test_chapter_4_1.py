"""What chapter 4.1 says, held against what its own cells compute."""

import itertools
import math
import re
from dataclasses import replace

import pytest
import torch
from chapter_run import Run, run

from interp_rl import plots
from interp_rl.finetuning import kl
from interp_rl.finetuning.ppo import PPOSettings


@pytest.fixture(scope="module")
def why(root) -> Run:
    return run(root, "4-1-why-kl")


@pytest.fixture(scope="module")
def names(why):
    return why.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(why):
    assert set(re.findall(r"{glue:text}`([^`]+)`", why.text)) == set(why.glued)


def test_the_stub_is_not_attempted_and_the_solution_passes(why):
    checked = [value for value in why.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


def test_every_figure_brings_its_numbers(why):
    pictures = [value for value in why.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 3
    assert all(picture.table for picture in pictures)


# ----- five texts


def penalised(names, p, beta):
    return (p @ names["score"]).item() - beta * names["kl"](p, names["reference"])


@pytest.mark.parametrize("beta", [1.0, 0.1, 0.01])
def test_the_reweighted_reference_is_the_best_policy(names, beta):
    """No other distribution does better; the difference is beta times its divergence from it."""
    best = names["best_policy"](beta)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        noise = torch.randn(5, generator=generator, dtype=torch.double)
        other = (best.log() + 0.5 * noise).softmax(0)
        lost = penalised(names, best, beta) - penalised(names, other, beta)
        assert lost == pytest.approx(beta * names["kl"](other, best), abs=1e-12)


def test_three_nats_are_a_factor_of_twenty():
    assert math.exp(3) == pytest.approx(20, abs=0.5)


def test_the_reward_model_is_right_on_all_texts_but_one(names):
    wrong = names["score"] != names["truth"]
    assert wrong.tolist() == [False] * 4 + [True]
    assert names["reference"][wrong].item() == pytest.approx(0.001)
    assert names["reference"].sum().item() == pytest.approx(1)


def test_score_and_true_value_part(names):
    rows, real = names["rows"], names["real"]
    for beta in (1.0, 0.3, 0.1):
        assert rows[beta][1] == pytest.approx(rows[beta][2], abs=0.01), "they agree at first"
    assert rows[0.001][1] > 0.98 and rows[0.001][2] < 0.01
    top = names["top"]
    assert 0 < top < len(real) - 1 and real[top] > 0.92
    scores = names["said"]
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(scores)), "always rises"
    assert names["distances"][top] == pytest.approx(1.5, abs=0.2), "about one and a half nats"


def test_without_a_penalty_one_text_takes_all(names):
    assert names["best_policy"](1e-4)[4] > 0.999


# ----- without a penalty


def test_the_two_kinds_of_runs_differ_in_the_price_only(names):
    priced, free = names["priced"].settings, names["free"].settings
    assert replace(free, beta=priced.beta) == priced
    assert (priced.beta, free.beta) == (PPOSettings().beta, 0)


def test_without_a_price_the_score_rises_higher_and_the_divergence_much_higher(names):
    priced, free = names["priced"].final, names["free"].final
    assert 0.03 < free["reward"].mean() - priced["reward"].mean() < 0.25
    assert free["kl"].min() > 2 * priced["kl"].max(), "in every seed"


def test_distinct_2_and_perplexity_notice(names):
    priced, free = names["priced"].final, names["free"].final
    assert free["distinct_2"].mean() < priced["distinct_2"].mean()
    assert free["perplexity"].mean() > priced["perplexity"].mean()


def test_the_policy_without_a_price_has_a_phrase_that_it_likes(names):
    share = {key: share for key, (_, share) in names["favourites"].items()}
    seeds = range(len(names["free"].texts))
    free = [share["0", seed] for seed in seeds]
    assert max(free) > max(part for (price, _), part in share.items() if price != "0")


def test_the_less_careful_runs_have_smaller_batches_or_larger_steps(names):
    runs = names["training_runs"]
    priced = names["priced"].settings
    assert 2 * runs.HACKING["ppo"].batch == priced.batch
    assert runs.HACKING["ppo"].learning_rate == priced.learning_rate
    assert runs.HACKING["rloo"].learning_rate == 2 * runs.TRL_SETTINGS.learning_rate
    assert all(settings.beta == 0 for settings in runs.HACKING.values())


def test_larger_steps_bring_out_both_forms(names):
    points = names["training_runs"].hacking()
    assert set(points) == {"ppo", "rloo"}
    for method in points:
        assert points[method][0].reward > 0.8 and points[method][0].kl > 5, method


# ----- the estimates


def test_near_the_reference_the_third_estimate_is_the_best(names):
    quality = names["quality"]
    assert abs(quality["near", "k3"].bias) < 1e-9 and abs(quality["near", "k1"].bias) < 1e-9
    assert quality["near", "k3"].deviation < 0.2 * quality["near", "k1"].deviation


def test_far_from_it_the_advantage_shrinks(names):
    quality = names["quality"]
    near = quality["near", "k3"].deviation / quality["near", "k1"].deviation
    far = quality["far", "k3"].deviation / quality["far", "k1"].deviation
    assert far > 2 * near
    assert abs(quality["far", "k2"].bias) > 0.02, "k2 is wrong on average"
    assert abs(quality["far", "k3"].bias) < 1e-9


def test_the_still_picture_moves_the_policy_through_near_and_far(why, names):
    apart, moved = names["apart"], names["moved"]
    for place, distance in (("near", 0.3), ("far", 2.0), ("end", 3.0)):
        i = min(range(len(apart)), key=lambda i: abs(apart[i] - distance))
        assert apart[i] == pytest.approx(distance)
        for k in kl.ESTIMATORS:
            shown = why.glued[f"s41-lab-{place}-{k}-deviation"]
            assert shown == f"{moved[k][i].deviation:.3f}"
            if place != "end":
                assert moved[k][i] == names["quality"][place, k], "as the cell above has it"
        assert f"| $k_1$ at {distance} | {{glue:text}}`s41-lab-{place}-k1-mean`" in why.text


def test_two_means_coincide_and_two_deviations_cross(names):
    means, spreads = names["means"], names["spreads"]
    exact = [m.exact for m in names["moved"]["k1"]]
    assert means["k1"] == pytest.approx(exact, abs=1e-9) == means["k3"]
    assert all(a < b for a, b in zip(means["k2"][10:], exact[10:], strict=True)), "runs below"
    assert exact[-1] - means["k2"][-1] < 0.2 * exact[-1], "by a little"
    shorter = [a < b for a, b in zip(spreads["k3"][1:], spreads["k1"][1:], strict=True)]
    assert shorter == sorted(shorter, reverse=True) and not shorter[-1], "they cross once"
    assert spreads["k3"][3] < 0.2 * spreads["k1"][3] and spreads["k3"][-1] > 1.5 * spreads["k1"][-1]


def test_the_table_of_uses(why, names):
    uses = names["uses"]
    right = {("k1", "reward"), ("k2", "loss")}
    for key, use in uses.items():
        if key in right:
            assert use.cosine == pytest.approx(1) and use.length == pytest.approx(1)
        else:
            assert use.relative_error > 0.1, key
    assert uses["k1", "loss"].length < 1e-9
    other = kl.exact_gradient(names["pi"], names["ref"], reverse=True)
    assert torch.allclose(uses["k3", "loss"].expected, other, atol=1e-9)
    assert "| $k_1$ | the right gradient | nothing" in why.text


def test_k2_in_the_loss_needs_fresh_draws(names):
    pi, ref = names["pi"], names["ref"]
    stale = kl.gradient_of_use(pi, ref, kl.k2, "loss", sampler=pi + 0.5 * torch.randn_like(pi))
    assert stale.relative_error > 0.05


def test_the_expected_values_of_the_exercise(names):
    values = names["k3"](torch.tensor(0.5).log(), torch.tensor(0.25).log())
    assert values.item() == pytest.approx(0.19, abs=0.005)
    assert math.log(0.5 / 0.25) == pytest.approx(0.69, abs=0.005)
