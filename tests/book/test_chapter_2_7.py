"""What chapter 2.7 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import plots
from interp_rl.ioi.activations import at_end, read_out
from interp_rl.ioi.path_patching import LOGITS


@pytest.fixture(scope="module")
def later(root) -> Run:
    return run(root, "2-7-later-work")


@pytest.fixture(scope="module")
def names(later):
    return later.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(later):
    assert set(re.findall(r"{glue:text}`([^`]+)`", later.text)) == set(later.glued)


def test_the_exercises_are_optional_questions(later):
    assert later.text.count("{exercise-start}") == 2
    assert later.text.count("\n:optional:\n") == 3, "both, and the page itself"
    assert "[stub]" not in later.text


def test_every_figure_brings_its_numbers(later):
    pictures = [value for value in later.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 3
    assert all("<table>" in picture.table for picture in pictures)


# ----- faithfulness


def test_twelve_measurements_on_prompts_that_chose_nothing(names):
    assert len(names["faithful"]) == 12
    assert set(names["fresh"].texts).isdisjoint(names["data"].texts)


def test_the_circuit_is_faithful_by_the_measure_that_found_it(names):
    assert 0.85 < names["scores"]["mean", "nodes", "LD"] < 1.15


def test_zero_ablation_gives_it_far_less(names):
    scores = names["scores"]
    for what in ("nodes", "whole heads"):
        for metric in ("LD", "P(IO)"):
            assert scores["zero", what, metric] < scores["mean", what, metric] - 0.2
    assert min(scores.values()) < 0.5 < max(scores.values()), "bars differ by half of the scale"


def test_metrics_disagree_most_where_the_prose_says(later, names):
    gaps = names["metric_gaps"]
    assert gaps[names["widest"]] == max(gaps.values()) > 0.1
    assert later.glued["s27-widest"] == " ablation of everything but ".join(names["widest"])


def test_the_first_bar_is_that_of_the_search(names):
    assert next(iter(names["faithful"])) == ("mean", "nodes", "LD")


# ----- edges


def test_every_edge_of_a_small_model_is_measured(names):
    layers, heads = names["weights"].shape
    count = sum(3 * heads * heads * layer for layer in range(layers)) + layers * heads
    assert len(names["names"]) == count
    assert all(effect.edges == names["names"] for effect in names["effects"].values())
    assert names["receivers"][0] == LOGITS, "a selection keeps the logits"


def test_integrating_brings_strong_edges_nearer_though_not_near(names):
    size = names["exact"][names["strongest"]].abs().mean()
    eap, integrated = (names["error_at_top"](names[x]) for x in ("eap", "eap_ig"))
    assert integrated < eap
    assert integrated > 0.3 * size


def test_it_does_not_improve_the_order_of_all_edges(names):
    eap, integrated = names["ranks"]
    assert integrated < eap


def test_both_estimates_are_near_zero_for_some_of_the_strongest(names):
    exact = names["exact"][names["strongest"]]
    for estimate in ("eap", "eap_ig"):
        assert (names[estimate][names["strongest"]].abs() < 0.25 * exact.abs()).any()


def test_most_edges_lie_near_zero(names):
    assert (names["exact"].abs() < 0.1 * names["exact"].abs().max()).float().mean() > 0.5


def test_the_curve_starts_on_its_tangent_and_leaves_it(names):
    worst, curve, fractions = names["worst"], names["curve"], names["fractions"]
    exact, eap = names["exact"][worst], names["eap"][worst]
    assert (eap - exact).abs() == (names["eap"] - names["exact"]).abs().max()
    assert curve[0].abs() < 1e-4
    assert torch.allclose(curve[-1], exact, atol=1e-4)
    assert fractions[2] == pytest.approx(0.1), "the glued tenth"
    assert curve[2].abs() < 0.1 * exact.abs(), "nearly flat at first"
    assert (curve[10] - curve[0]).abs() < (curve[-1] - curve[10]).abs(), "most of its way later"


def test_averaging_the_slope_along_the_curve_gives_the_exact_effect(names):
    curve = names["curve"]
    slopes = curve.diff() * (len(curve) - 1)
    assert torch.allclose(slopes.mean(), names["exact"][names["worst"]], atol=1e-4)


# ----- self-repair


def test_the_falls_are_what_they_are_called(names):
    """Nothing responds: direct attribution. LayerNorm responds: read out by the library."""
    weights, data = names["weights"], names["data"]
    for (layer, head), (direct, by_scale, actual) in names["falls"].items():
        z = names["intact"].z[layer][names["rows"], names["end"], head]
        change = z - names["off"][layer, names["rows"], names["end"], head]
        written = change @ weights.W_O[layer, head]
        stream = at_end(names["intact"], data)
        before, after = (read_out(weights, x, data) for x in (stream, stream - written))
        assert by_scale == pytest.approx((before - after).mean().item(), abs=1e-3)
        scaled = names["centred"](written) / names["scale"](stream)
        assert direct == pytest.approx(
            (scaled * names["direction"]).sum(-1).mean().item(), abs=1e-3
        )
        if layer == weights.n_layers - 1:
            assert actual == pytest.approx(by_scale, abs=1e-3), "no head comes after"


def test_a_knockout_takes_less_than_the_direct_effect_by_layer_norm_alone(names):
    assert names["movers"] == names["roles"].heads["name mover"], "and not the stand-in"
    assert names["by_scale"] < 0.8 * names["direct"]
    assert names["actual"] < 0.8 * names["direct"]


# ----- directions


def test_only_the_sum_of_the_two_parts_turns_the_toy_around(names):
    assert names["toy"] == pytest.approx(
        {
            "the feature": -1,
            "the copy": 1,
            "the dormant number": 1,
            "copy + dormant": -1,
        }
    )
    assert names["here"] @ names["reads_out"] == 1
    assert names["there"] @ names["reads_out"] == -1


def test_both_ingredients_of_an_illusion_are_in_the_model(names):
    assert names["unseen"] > 0.2
    assert names["dormant"] < 0.1


def test_queries_do_not_see_what_is_called_unseen(names):
    weights, change = names["weights"], names["change"]
    queries = weights.W_Q[names["layer"], names["head"]]
    hidden = change - names["in_seen"] @ names["seen"].T
    assert (hidden @ queries).abs().max() < 1e-3 * (change @ queries).abs().max()
    share = hidden.square().sum() / change.square().sum()
    assert share == pytest.approx(names["unseen"].item(), abs=1e-4)


def test_the_flipped_prompt_repeats_the_other_name(names):
    for prompt, other in zip(names["data"].prompts, names["flipped"].prompts, strict=True):
        assert other.names == (prompt.io, prompt.s, prompt.io)
