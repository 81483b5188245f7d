"""What chapter 2.6 says, held against what its own cells compute."""

import re
from itertools import chain

import pytest
import torch
from chapter_run import Run, run

from interp_rl import ioi, plots
from interp_rl.models.recipes import ioi_corpus


@pytest.fixture(scope="module")
def validation(root) -> Run:
    return run(root, "2-6-validation")


@pytest.fixture(scope="module")
def names(validation):
    return validation.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(validation):
    assert set(re.findall(r"{glue:text}`([^`]+)`", validation.text)) == set(validation.glued)


def test_the_stub_is_not_attempted_and_the_solution_passes(validation):
    checked = [value for value in validation.values if hasattr(value, "exercise")]
    assert [result.status for result in checked] == ["not attempted", "passed"]


def test_the_solution_is_the_library_on_the_model(validation, names):
    by_hand = names["faithfulness"](
        names["run"], names["ablator"].values, list(names["circuit"].nodes), names["data"].positions
    )
    assert by_hand.item() == pytest.approx(names["alone"]["circuit"].gap, abs=1e-3)
    assert validation.glued["s26-by-hand"] == f"{names['alone']['circuit'].gap:.3f}"


# ----- the circuits


def test_circuits_are_made_on_other_prompts_than_those_of_the_tests(names):
    search, data = names["search"], names["data"]
    assert not set(search.texts) & set(data.texts)
    assert names["finder"].dataset is search and names["ablator"].dataset is data
    for prompt in (*search.prompts, *data.prompts):
        assert ioi_corpus.is_held_out(prompt.io, prompt.s)


def test_each_circuit_is_grown_by_at_most_twelve_nodes(names):
    for growth, start in (("full", names["found"]), ("small", ioi.Circuit(names["few"]))):
        added, whole = names[growth].added, names[growth].circuit
        assert 1 <= len(added) <= 12
        assert whole.nodes == start.nodes | set(added)


def test_the_laboratory_has_the_circuits_and_prompts_of_the_chapter(names):
    from coursekit.labs import circuit_set

    made = circuit_set.chapter()
    assert made.ablator.dataset.texts == names["data"].texts
    for ours, theirs in zip(made.circuits, ("circuit", "naive", "found"), strict=True):
        assert ours.classes == names[theirs].classes
    alone = made.ablator.only([names["circuit"].nodes])[0]
    assert torch.allclose(alone, names["alone"]["circuit"].circuit, atol=1e-4)


def test_the_naive_circuit_has_two_heads_of_a_class_and_none_that_were_left_out(names):
    naive, found = names["naive"], names["found"]
    for role, nodes in naive.classes.items():
        if role != "support":
            assert nodes == found.classes[role][:2]
            assert role not in ("backup name mover", "negative name mover")
    assert not naive.nodes & names["left_out"]
    assert found.nodes == names["left_out"] | ioi.Circuit(names["few"]).nodes


# ----- faithfulness


def test_the_classes_alone_are_not_faithful_and_the_grown_circuit_nearly_is(names):
    f_circuit, whole = names["f_circuit"], names["whole"]
    assert f_circuit["classes alone"] < 0.85 * whole
    assert f_circuit["circuit"] > 0.9 * whole
    assert names["alone"]["classes alone"].difference.high < names["difference"].low


def test_without_the_added_heads_the_model_does_worse(names):
    added = names["ablator"].without([names["full"].added])[0]
    assert added.mean() < 0.9 * names["whole"]


def test_the_words_on_the_circuits_follow_what_was_measured(validation, names):
    f_circuit, whole, said = names["f_circuit"], names["whole"], validation.glued
    assert 0.5 * whole < f_circuit["naive circuit"] < f_circuit["circuit"]
    near = f_circuit["circuit"] - f_circuit["naive circuit"] < 0.15 * whole
    assert said["s26-naive-text"].startswith("nearly" if near else "less")
    at_names = any(node.position != "END" for node in names["full"].added)
    assert said["s26-added-text"].startswith("Of the added" if at_names else "None of the added")


def test_random_circuits_of_the_same_size_do_much_less(names):
    at_random = names["at_random"]
    assert len(at_random) == 10
    assert max(at_random) < names["f_circuit"]["naive circuit"] - 0.2 * names["whole"]
    for each in names["random"]:
        sizes = [sorted(node.position for node in some.nodes) for some in (each, names["circuit"])]
        assert sizes[0] == sizes[1]


def test_shares_and_gaps_belong_together(validation, names):
    gap = names["whole"] - names["f_circuit"]["circuit"]
    assert f"{abs(gap):.2f}" == validation.glued["s26-gap"]
    assert validation.glued["s26-share"] == f"{1 - gap / names['whole']:.0%}"


# ----- completeness


def test_greedy_search_finds_worse_than_classes_and_random_sets_for_ours(names):
    worst = names["largest"]["circuit"]
    assert worst["greedy"].gap > max(worst["class"].gap, worst["random"].gap)


def test_our_circuit_is_not_complete(names):
    greedy = names["largest"]["circuit"]["greedy"]
    assert greedy.gap > 0.1 * names["whole"]
    interval = greedy.difference
    assert interval.low > 0 or interval.high < 0
    assert greedy.removed <= names["circuit"].nodes


def test_a_class_is_sufficient_for_a_large_gap_of_the_naive_circuit(names):
    ours, theirs = names["ours"], names["theirs"]
    assert theirs["class"].gap > 1.3 * ours["class"].gap
    assert theirs["greedy"].gap > 1.3 * ours["greedy"].gap
    # the model falls back on the name movers that were left out
    movers = ioi.Validation(names["ablator"], names["naive"]).by_class()["name mover"]
    assert movers.gap == theirs["class"].gap
    assert movers.difference.high < -0.2 * names["whole"]
    assert names["left_out"] & set(names["movers"])


def test_points_of_the_naive_circuit_lie_further_from_the_diagonal(names):
    mean = {
        name: torch.tensor([test.gap for test in chain(*kinds.values())]).mean()
        for name, kinds in names["tests"].items()
    }
    assert mean["naive circuit"] > 1.3 * mean["circuit"]


def test_searches_are_measured_on_the_other_half_of_the_prompts(names):
    for test in names["tests"]["circuit"]["greedy"]:
        assert int(test.held_out.sum()) == len(names["data"]) // 2
    for witness in names["witnesses"]:
        assert int(witness.held_out.sum()) == names["held_out"] == len(names["data"]) // 2


# ----- minimality


def test_every_node_has_a_bar_and_few_are_long(names):
    assert [witness.node for witness in names["witnesses"]] == [
        node for nodes in names["circuit"].classes.values() for node in nodes
    ]
    scores = names["scores"]
    assert scores.max() > 3 * scores.median()
    assert (scores > scores.max() / 2).sum() <= len(scores) // 3
    assert all(witness.node not in witness.removed for witness in names["witnesses"])


def test_nearly_all_nodes_reach_one_percent(names):
    assert (names["scores"] >= 0.01).sum() >= len(names["circuit"]) - 2


def test_figures_bring_their_numbers(validation, names):
    pictures = [value for value in validation.values if isinstance(value, plots.Picture)]
    scatter, bars, lines = pictures
    sets = sum(len(some) for kinds in names["tests"].values() for some in kinds.values())
    assert scatter.table.count('<th scope="row"') == sets == len(names["rows"])
    assert bars.table.count('<th scope="row"') == len(names["circuit"])
    assert '<th scope="col">witness K</th>' in bars.table
    assert lines.table.count('<th scope="row"') == len(names["movers"]) + 1


# ----- redundancy


def test_name_movers_cost_more_together_than_one_by_one(names):
    assert len(names["movers"]) >= 2
    assert names["together"] > 1.2 * names["losses"].sum()


def test_with_the_others_gone_the_bar_of_each_name_mover_is_longer(names):
    single = dict(zip(names["movers"], names["losses"].tolist(), strict=True))
    found = {w.node: w for w in names["witnesses"] if w.node in single}
    assert set(found) == set(single)
    for node, witness in found.items():
        assert witness.score > single[node]
        assert witness.removed & (set(single) - {node})


# ----- greedy against exhaustive search


def test_greedy_never_beats_the_exhaustive_search(names):
    worst = names["worst"]
    search = ~worst.held_out

    def gap(test):
        return (test.circuit - test.model)[search].mean().abs().item()

    assert all(gap(test) <= gap(worst) + 1e-5 for test in names["greedily"])
    assert len(names["start"]) <= 10
    assert names["worst"].removed <= names["start"].nodes


# ----- the laboratory's still picture


def test_model_and_circuit_fall_together_and_further_than_the_sum_of_single_effects(names):
    lines, movers = names["fallen"], names["movers"]
    model, circuit = lines["the model"], lines["the circuit"]
    assert torch.allclose(model[1], names["added_up"][1], atol=1e-4)
    assert (model[2:] < names["added_up"][2:] - 0.03 * names["whole"]).all()
    assert names["added_up"][-1] - model[-1] > 0.25 * names["whole"]
    assert (model - circuit).abs().max() < 0.1 * names["whole"]
    assert model[0] == pytest.approx(names["whole"], abs=1e-4)
    assert model[-1] == pytest.approx(names["ablator"].without([movers]).mean().item(), abs=1e-4)


def test_the_naive_circuit_is_near_zero_without_its_two_name_movers(names):
    lines, has = names["fallen"], names["naive"].classes["name mover"]
    assert has == names["movers"][:2] and len(names["movers"]) > 2
    naive, model = lines["the naive circuit"], lines["the model"]
    assert abs(naive[2]) < 0.1 * names["whole"]
    assert model[2] > 0.6 * names["whole"]
    assert (
        naive[2:].max()
        == naive[2:].min()
        == naive.min()
        < min(lines["the circuit"].min(), model.min())
    )


def test_the_laboratorys_table_has_the_largest_gap_of_a_class(validation, names):
    for circuit, glued in (
        ("found", "found-class"),
        ("naive", "naive-class"),
        ("circuit", "class-gap"),
    ):
        by_class = ioi.Validation(names["ablator"], names[circuit]).by_class()
        largest = max(test.gap for test in by_class.values())
        assert validation.glued[f"s26-{glued}"] == f"{largest:.2f}"
