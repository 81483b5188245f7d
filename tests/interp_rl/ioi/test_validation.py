"""Circuits and their validation on a transformer written by hand, and by brute force."""

from itertools import combinations

import hand_built
import pytest
import torch

from interp_rl.ioi import TEMPLATES, bootstrap_interval, make_dataset
from interp_rl.ioi.circuit import Circuit, naive_circuit, random_circuits
from interp_rl.ioi.circuit_growth import SUPPORT, grow
from interp_rl.ioi.knockouts import Ablator
from interp_rl.ioi.nodes import Node
from interp_rl.ioi.validation import Validation, faithfulness_of
from interp_rl.models.recipes.ioi_corpus import NAMES

FEW = TEMPLATES[:3]
NAME_MOVER, BACKUP = Node(3, 0, "END"), Node(4, 0, "END")
EVERY_END = [Node(layer, head, "END") for layer in range(9) for head in range(9)]


@pytest.fixture(scope="module")
def ablator(words):
    dataset = make_dataset(words, 20, seed=0, templates=FEW)
    reference = make_dataset(words, 120, seed=1, templates=FEW).corrupted("abc", 0)
    return Ablator(hand_built.build(words, NAMES), dataset, reference=reference)


@pytest.fixture(scope="module")
def circuit():
    return Circuit.of_roles(hand_built.ROLES)


@pytest.fixture(scope="module")
def validation(ablator, circuit):
    return Validation(ablator, circuit)


def subsets(nodes):
    return [frozenset(c) for n in range(len(nodes) + 1) for c in combinations(nodes, n)]


def test_the_circuit_that_was_built_is_faithful(validation, ablator):
    comparison = validation.faithfulness()
    model = float(ablator.model_metric.mean())
    assert comparison.removed == frozenset()
    assert comparison.gap < 0.05 * model
    assert torch.equal(comparison.model, ablator.model_metric)
    expected = bootstrap_interval(comparison.circuit - ablator.model_metric)
    assert comparison.difference == expected


def test_it_is_complete_as_well(validation, ablator):
    model = float(ablator.model_metric.mean())
    by_class = validation.by_class()
    assert set(by_class) == set(hand_built.ROLES)
    for comparison in (*by_class.values(), *validation.random_subsets(12)):
        assert comparison.gap < 0.1 * model
    assert validation.exhaustive().gap < 0.3 * model


def test_a_circuit_without_its_backup_is_faithful_but_not_complete(ablator, circuit):
    """The paper's running example (Section 4.1): redundancy shows only when something is gone."""
    lacking = {role: nodes for role, nodes in circuit.classes.items() if BACKUP not in nodes}
    validation = Validation(ablator, Circuit(lacking))
    model = float(ablator.model_metric.mean())
    assert validation.faithfulness().gap < 0.05 * model
    assert validation.by_class()["name mover"].gap > 0.8 * model
    (worst,) = validation.greedy(runs=1, candidates=len(circuit))
    assert worst.gap > 0.8 * model
    assert worst.kind == "greedy"


def test_every_node_has_a_witness(validation, ablator):
    model = float(ablator.model_metric.mean())
    witnesses = {witness.node: witness for witness in validation.minimality()}
    assert set(witnesses) == set(validation.nodes)
    for node, witness in witnesses.items():
        assert node not in witness.removed
        assert witness.score > 0.05 * model
    # the backup head counts only where the name mover is gone
    assert NAME_MOVER in witnesses[BACKUP].removed
    assert witnesses[Node(2, 0, "END")].effect.low > 0


def test_a_node_that_does_nothing_has_no_score(ablator, circuit):
    idle = Node(1, 1, "END")
    padded = Circuit({**circuit.classes, "idle": (idle,)})
    scores = {w.node: w.score for w in Validation(ablator, padded).minimality()}
    assert scores[idle] < 1e-4 < min(score for node, score in scores.items() if node != idle)


def test_witnesses_are_the_best_of_the_sets_that_were_tried(validation, ablator):
    witness = next(w for w in validation.minimality() if w.node == BACKUP)
    kept = validation.circuit.nodes - witness.removed
    direct = ablator.only([kept, kept - {BACKUP}])
    torch.testing.assert_close(witness.with_node, direct[0])
    torch.testing.assert_close(witness.without_node, direct[1])
    searched = ~witness.held_out
    found = (witness.with_node - witness.without_node)[searched].mean().abs()
    own_class = ablator.only([validation.circuit.nodes, validation.circuit.nodes - {BACKUP}])
    assert found >= (own_class[0] - own_class[1])[searched].mean().abs()


def test_the_exhaustive_search_finds_the_worst_set(ablator, circuit):
    small = Circuit({"few": (NAME_MOVER, Node(2, 0, "END"), Node(0, 1, "S2"))})
    validation = Validation(ablator, small)
    gaps = {}
    for removed in subsets(validation.nodes):
        difference = ablator.only([small.nodes - removed]) - ablator.without([removed])
        gaps[removed] = difference[0, validation.searched].mean().abs().item()
    worst = validation.exhaustive()
    assert worst.removed == max(gaps, key=gaps.get)
    assert torch.equal(worst.held_out, ~validation.searched)
    assert len(circuit) > len(small)


def test_a_greedy_run_never_beats_the_exhaustive_search(ablator, circuit):
    few = Circuit({"few": tuple(list(naive_circuit(circuit).nodes)[:4])})
    validation = Validation(ablator, few)

    def searched_gap(comparison):
        return (comparison.circuit - comparison.model)[validation.searched].mean().abs().item()

    best = searched_gap(validation.exhaustive())
    for comparison in validation.greedy(runs=4, candidates=2):
        assert searched_gap(comparison) <= best + 1e-5


def test_searches_use_one_half_of_the_prompts_and_report_the_other(validation):
    assert int(validation.searched.sum()) == len(validation.searched) // 2
    (comparison, *_) = validation.greedy(runs=1, candidates=3, max_size=2)
    assert len(comparison.removed) <= 2
    assert torch.equal(comparison.held_out, ~validation.searched)
    values = (comparison.circuit - comparison.model)[~validation.searched]
    assert comparison.difference == bootstrap_interval(values)


def test_random_subsets_are_reproducible(ablator, circuit):
    first, second = (Validation(ablator, circuit, seed=3).random_subsets(5) for _ in range(2))
    assert [c.removed for c in first] == [c.removed for c in second]
    other = Validation(ablator, circuit, seed=4).random_subsets(5)
    assert [c.removed for c in first] != [c.removed for c in other]


def test_random_circuits_have_the_same_size_at_each_position(circuit, ablator):
    drawn = random_circuits(circuit, ablator.weights.shape, 6, seed=0, exclude=circuit.nodes)
    for other in drawn:
        assert sorted(n.position for n in other.nodes) == sorted(n.position for n in circuit.nodes)
        assert not other.nodes & circuit.nodes
    again = random_circuits(circuit, ablator.weights.shape, 6, seed=0, exclude=circuit.nodes)
    assert [c.nodes for c in drawn] == [c.nodes for c in again]
    scores = faithfulness_of(ablator, [circuit, *drawn])
    assert scores["circuit"].gap < 0.1 < min(s.gap for n, s in scores.items() if n != "circuit")


def test_what_a_circuit_lacks_is_found(ablator, circuit):
    lacking = dict(circuit.classes)
    del lacking["S-inhibition"], lacking["duplicate token"]
    growth = grow(ablator, Circuit(lacking), tolerance=0.05)
    assert set(growth.added) >= {Node(2, 0, "END"), Node(0, 1, "S2")}
    assert growth.circuit.classes[SUPPORT] == growth.added
    assert growth.distance[-1] < 0.1 * ablator.model_metric.mean() < growth.distance[0]
    kept = ablator.only([growth.circuit.nodes])[0][growth.held_out].mean()
    torch.testing.assert_close(growth.logit_difference[-1], kept)
    assert len(growth.distance) == len(growth.added) + 1


def test_growing_stops_at_the_tolerance_and_at_the_limit(ablator, circuit):
    assert grow(ablator, circuit, tolerance=0.2).added == ()
    empty = Circuit({})
    assert len(grow(ablator, empty, max_added=1, positions=["END"]).added) <= 1


def test_nodes_that_are_excluded_are_not_tried(ablator, circuit):
    lacking = {role: nodes for role, nodes in circuit.classes.items() if role != "S-inhibition"}
    left_out = circuit.nodes - Circuit(lacking).nodes
    growth = grow(ablator, Circuit(lacking), tolerance=0.05, exclude=left_out)
    assert not growth.circuit.nodes & left_out
    assert grow(ablator, Circuit(lacking), tolerance=0.05).circuit.nodes & left_out
    nothing = grow(ablator, Circuit({}), positions=["END"], exclude=[*EVERY_END])
    assert nothing.added == ()


def test_a_set_that_shows_incompleteness_makes_the_circuit_grow_by_the_backup(ablator, circuit):
    """Faithful as it is, the circuit gains nothing until the name mover is knocked out in it."""
    lacking = {role: nodes for role, nodes in circuit.classes.items() if BACKUP not in nodes}
    assert grow(ablator, Circuit(lacking)).added == ()
    growth = grow(ablator, Circuit(lacking), knockouts=[{NAME_MOVER}])
    assert BACKUP in growth.added
    gaps = Validation(ablator, growth.circuit)._compare([frozenset([NAME_MOVER])], "chosen")
    assert gaps[0].gap < 0.1 * ablator.model_metric.mean()
    scores = [
        (ablator.only([growth.circuit.nodes - off]) - ablator.without([off]))[0]
        for off in (frozenset(), frozenset([NAME_MOVER]))
    ]
    both = torch.stack(scores)[:, growth.held_out].abs().mean()
    torch.testing.assert_close(growth.distance[-1], both)
    assert growth.distance[-1] < growth.distance[0]


def test_circuits_show_their_classes(circuit):
    assert str(circuit).splitlines()[0] == "name mover: 3.0@END"
    assert circuit.class_of(NAME_MOVER) == "name mover"
    assert len(circuit) == 7
    with pytest.raises(KeyError, match=r"0\.0@S2 is not in the circuit"):
        circuit.class_of(Node(0, 0, "S2"))


def test_the_naive_circuit_keeps_the_strongest_of_the_early_classes():
    roles = {
        "name mover": [(9, 9), (10, 0), (9, 6)],
        "negative name mover": [(10, 7)],
        "backup name mover": [(9, 0)],
        "induction": [(5, 5), (6, 9), (5, 8)],
        "duplicate token": [(3, 0), (0, 1), (0, 10)],
        "previous token": [(4, 11), (2, 2)],
    }
    naive = naive_circuit(Circuit.of_roles(roles))
    counts = {role: len(nodes) for role, nodes in naive.classes.items()}
    assert counts == {"name mover": 3, "induction": 2, "duplicate token": 2, "previous token": 2}
    assert naive.classes["induction"] == (Node(5, 5, "S2"), Node(6, 9, "S2"))


def test_bad_circuits_are_refused(ablator, circuit):
    with pytest.raises(ValueError, match="unknown role 'copier': the roles are name mover"):
        Circuit.of_roles({"copier": [(0, 0)]})
    with pytest.raises(ValueError, match="a head has two roles at one position"):
        Circuit.of_roles({"name mover": [(3, 0)], "S-inhibition": [(3, 0)]})
    with pytest.raises(ValueError, match="the circuit has no nodes"):
        Validation(ablator, Circuit({"name mover": ()}))
    with pytest.raises(ValueError, match=r"head 7\.0 does not exist"):
        Validation(ablator, Circuit({"late": (Node(7, 0, "END"),)})).faithfulness()
    with pytest.raises(ValueError, match="4 heads are needed at END, and there are 2 to draw"):
        random_circuits(circuit, (1, 2), 1, seed=0)
    with pytest.raises(ValueError, match="different names, and these are circuit, circuit"):
        faithfulness_of(ablator, [circuit, circuit])


def test_searches_that_cannot_be_done_are_refused(ablator, circuit, words):
    validation = Validation(ablator, circuit)
    with pytest.raises(ValueError, match="7 nodes, so 128 subsets; all are tried for at most 6"):
        validation.exhaustive(max_nodes=6)
    with pytest.raises(ValueError, match="candidates is 0; it must be at least 1"):
        validation.greedy(candidates=0)
    with pytest.raises(ValueError, match=r"tolerance is 0\.0"):
        grow(ablator, circuit, tolerance=0.0)
    few = make_dataset(words, 3, seed=0, templates=FEW)
    with pytest.raises(ValueError, match="3 prompts are too few"):
        Validation(Ablator(ablator.weights, few, kind="zero"), circuit)
