"""What `ioi-mini` has to show: thresholds, roles on a model with known ones, the measurement."""

import json
from dataclasses import asdict

import hand_built
import pytest
import torch

from interp_rl import ioi
from interp_rl.ioi import acceptance
from interp_rl.ioi.acceptance import CRITERIA, Criteria
from interp_rl.models import files, load_card, registry
from interp_rl.models.errors import MissingModelError
from interp_rl.models.recipes import ioi_mini
from interp_rl.models.recipes.ioi_corpus import NAMES, is_held_out

JUST_ENOUGH = {
    "prefer IO": 0.99,
    "order gap": 0.25,
    "logit difference": 3.0,
    "name movers": 3,
    "name movers' share of the logit difference": 0.501,
    "S-inhibition through name movers' queries removes": 0.5,
    "duplicate token heads resampled (ABC) at S2 remove": 0.5,
    "duplicate token heads resampled (S1 another name) at S2 remove": 0.5,
}


@pytest.fixture(scope="module")
def shipped():
    """The directory of the shipped model."""
    return files.directory_of(registry.find("ioi-mini"))


@pytest.fixture(scope="module")
def measured(shipped):
    """The shipped model on fewer prompts than the criteria ask for."""
    return acceptance.measure(shipped, Criteria(prompts=240))


@pytest.fixture(scope="module")
def bench(words):
    """The hand-built model, whose heads are known."""
    weights = hand_built.build(words, NAMES)
    data = ioi.make_dataset(words, 24, seed=0, templates=ioi.TEMPLATES[:3], pairs=is_held_out)
    clean = ioi.Ablator(weights, data, kind="zero").model_metric
    return acceptance._Bench(weights, data, clean)


# Criteria


def test_the_thresholds_are_those_written_down_before_the_seeds_were_run():
    assert asdict(CRITERIA) == {
        "prompts": 2048,
        "prefer_io": 0.99,
        "order_gap": 0.25,
        "logit_difference": (3.0, 8.0),
        "name_movers": 3,
        "name_mover_attention": 0.5,
        "copy_score": 0.95,
        "name_mover_share": 0.5,
        "s_inhibition_attention": 0.5,
        "s_inhibition_removes": 0.5,
        "duplicate_attention": 0.5,
        "duplicate_attention_broken": 0.1,
        "duplicate_removes": 0.5,
    }


def test_figures_at_the_thresholds_pass():
    passed = acceptance._passed(JUST_ENOUGH, CRITERIA)
    assert len(passed) == 6 and all(passed.values())


@pytest.mark.parametrize(
    ("figure", "value", "criterion"),
    [
        ("prefer IO", 0.989, "prefer IO"),
        ("order gap", 0.251, "order gap"),
        ("logit difference", 2.99, "logit difference"),
        ("logit difference", 8.01, "logit difference"),
        ("name movers", 2, "name movers"),
        ("name movers' share of the logit difference", 0.5, "name movers"),
        ("S-inhibition through name movers' queries removes", 0.499, "S-inhibition"),
        ("duplicate token heads resampled (ABC) at S2 remove", 0.499, "duplicate token"),
        ("duplicate token heads resampled (S1 another name) at S2 remove", 0.4, "duplicate token"),
    ],
)
def test_a_figure_beyond_its_threshold_fails_its_criterion_alone(figure, value, criterion):
    passed = acceptance._passed(JUST_ENOUGH | {figure: value}, CRITERIA)
    assert [name for name, holds in passed.items() if not holds] == [criterion]


# A model whose heads are known


def test_the_heads_of_a_hand_built_model_are_found(bench):
    roles = acceptance._roles(bench.heads(), CRITERIA)
    assert (3, 0) in roles["name movers"] and (3, 1) not in roles["name movers"]
    assert roles["S-inhibition"] == hand_built.ROLES["S-inhibition"]
    assert roles["duplicate token"] == hand_built.ROLES["duplicate token"]


def test_a_head_behind_the_name_movers_cannot_inhibit_s():
    heads = {
        name: torch.zeros(3, 2)
        for name in ("END to IO", "END to S2", "S2 to S1", "S2 to S1, S1 another name")
    } | {"direct effect": torch.ones(3, 2), "copy score": torch.ones(3, 2)}
    heads["END to IO"][1, 0] = heads["END to S2"][:, 1] = 0.6
    roles = acceptance._roles(heads, CRITERIA)
    assert roles == {"name movers": [(1, 0)], "S-inhibition": [(0, 1)], "duplicate token": []}


def test_the_s_inhibition_head_acts_through_the_name_movers_queries(bench):
    through = bench.removed_through_queries([ioi.Head(2, 0)], [ioi.Head(3, 0)])
    assert through > 0.1
    assert bench.removed_through_queries([ioi.Head(1, 1)], [ioi.Head(3, 0)]) == pytest.approx(
        0, abs=1e-5
    )
    assert bench.removed_through_queries([], [ioi.Head(3, 0)]) == 0


def test_heads_are_replaced_where_their_role_is_played(bench):
    def removed(head, at, names):
        return bench.removed(bench.without([ioi.Head(*head)], at, names))

    assert removed((2, 0), "END", "abc") > 0.5
    assert removed((2, 0), "END", None) > 0.5, "zeroed"
    assert removed((2, 0), "S1", "abc") == pytest.approx(0, abs=1e-5)
    assert bench.removed(bench.without([], "S2", "abc")) == pytest.approx(0, abs=1e-5)


def test_a_head_that_says_where_has_a_position_slope(bench):
    signals = bench.signals([ioi.Head(2, 0)])
    means = {key: value for key, value in signals.items() if key.startswith("logit difference")}
    assert len(means) == 6
    assert signals["position slope"] > 2 and abs(signals["token slope"]) < 1e-4
    plane = signals["intercept"] + signals["position slope"]
    behind = signals["intercept"] - signals["position slope"]
    kept, turned = (
        sum(value for key, value in means.items() if sign in key) / 3
        for sign in ("position +1", "position -1")
    )
    assert (plane, behind) == pytest.approx((kept, turned), abs=1e-3)


# Directories


def test_the_shipped_model_measures_as_its_card_says(measured):
    card = load_card("ioi-mini").figures
    for figure, error in (
        ("prefer IO", 0.02),
        ("logit difference", 0.5),
        ("name movers' share of the logit difference", 0.1),
        ("S-inhibition through name movers' queries removes", 0.1),
        ("duplicate token heads resampled (ABC) at S2 remove", 0.15),
    ):
        assert measured["figures"][figure] == pytest.approx(card[figure], abs=error), figure
    for figure in ("logit difference with name movers resampled (ABC) at END", "IO probability"):
        assert measured["also"][figure] == pytest.approx(card[figure], abs=0.5), figure


def test_figures_agree_with_each_other(measured):
    figures, also = measured["figures"], measured["also"]
    assert figures["prompts"] == 240
    assert figures["name movers"] == len(measured["roles"]["name movers"])
    orders = [figures[f"logit difference {order}"] for order in ioi.ORDERS]
    assert sum(orders) / 2 == pytest.approx(figures["logit difference"], abs=2e-3)
    gap = abs(orders[0] - orders[1]) / max(orders)
    assert figures["order gap"] == pytest.approx(gap, abs=2e-3)
    effects = [row["direct effect"] for row in measured["roles"]["name movers"].values()]
    left = figures["logit difference"] - sum(effects)
    assert also["expected without backup"] == pytest.approx(left, abs=1e-2)
    assert also["S probability"] < also["IO probability"] <= also["IO is the likeliest word"]


def test_the_shipped_model_prefers_io_on_prompts_that_chose_nothing(ioi_model):
    # a draw that neither the recipe nor the choice of the seed has seen
    data = ioi.make_dataset(ioi_model.tokenizer, 2000, seed=11, pairs=is_held_out)
    with torch.no_grad():
        prefers = ioi.prefers_io(ioi_model(data.tokens), data).float()
    assert prefers.mean() >= 0.99
    for order in ioi.ORDERS:
        assert prefers[data.has_order(order)].mean() >= 0.99


def test_an_untrained_model_is_not_accepted(tmp_path, monkeypatch, capsys):
    out, model = tmp_path / "result.json", tmp_path / "model"
    ioi_mini.run(ioi_mini.Recipe(steps=2, batch_size=4, layers=2, heads=2, width=16), model)
    few = acceptance.measure(model, Criteria(prompts=30))
    monkeypatch.setattr(acceptance, "measure", lambda path: few)
    acceptance.main([str(model), "--json", str(out)])
    assert "FAIL  logit difference" in (text := capsys.readouterr().out)
    assert text.endswith("\nNOT accepted\n")
    written = json.loads(out.read_text())
    assert written["accepted"] is False and written["criteria"]["prompts"] == 2048
    assert written["figures"] == few["figures"]


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(MissingModelError, match="no directory"):
        acceptance.measure(tmp_path / "nowhere")
