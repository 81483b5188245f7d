"""Knockouts, and circuits run alone, against hooks on the bridge."""

import re
from dataclasses import replace

import oracle
import pytest
import torch

from interp_rl.ioi import TEMPLATES, encode, io_probability, make_dataset
from interp_rl.ioi.activations import run
from interp_rl.ioi.knockouts import MINIMUM_REFERENCE, Ablator, ablated_outputs, knockout
from interp_rl.ioi.nodes import Node, all_heads, as_node

FEW = TEMPLATES[:3]


@pytest.fixture(scope="module", params=[0, 16], ids=["no MLP", "MLP"])
def bridge(request, words):
    return oracle.random_models(words, seed=7, layers=3, heads=2, d_head=6, mlp=request.param)[1]


@pytest.fixture(scope="module")
def dataset(words):
    return make_dataset(words, 9, seed=0, templates=FEW)


@pytest.fixture(scope="module")
def large(words):
    """Reference prompts, more than needed of each template."""
    return make_dataset(words, 3 * 2 * MINIMUM_REFERENCE, seed=1, templates=FEW).corrupted("abc", 0)


SETS = [
    [],
    [(0, 0)],
    [(2, 1)],
    [(0, 1, "S2"), (1, 0, "END")],
    [(1, 0, "S1+1"), (1, 0, "S2"), (2, 0, "END")],
    [(0, 0), (1, 1, "END"), (2, 0), (2, 1)],
    [(1, 1, "IO")],
]


def every_head(bridge):
    return [(*head, None) for head in all_heads(bridge.cfg.n_layers, bridge.cfg.n_heads)]


def assert_same(ours, theirs):
    scale = theirs.abs().max().clamp(min=1)
    assert (ours - theirs).abs().max() < 1e-5 * scale


def replacement(bridge, dataset, kind, large):
    """The reference for a kind of ablation, and the outputs of the oracle."""
    if kind == "zero":
        return None, oracle.zeros_like_outputs(bridge, dataset.tokens)
    if kind == "mean":
        return large, oracle.mean_outputs(bridge, dataset, large)
    partner = dataset.corrupted("abc", 3)
    return partner, oracle.record(bridge, partner.tokens, "attn.hook_z")


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_knockouts_equal_hooks(bridge, dataset, large, kind):
    reference, values = replacement(bridge, dataset, kind, large)
    ours = Ablator(bridge, dataset, kind=kind, reference=reference).without(SETS)
    for row, nodes in zip(ours, SETS, strict=True):
        hooks = oracle.replacing(values, [Node(*node) for node in nodes], dataset)
        theirs = oracle.logit_difference(oracle.run(bridge, dataset.tokens, hooks), dataset)
        assert_same(row, theirs)
    assert ours.std(0).max() > 1e-2  # knockouts differ


def test_a_circuit_alone_equals_hooks(bridge, dataset, large):
    values = oracle.mean_outputs(bridge, dataset, large)
    ours = Ablator(bridge, dataset, reference=large).only(SETS)
    for row, nodes in zip(ours, SETS, strict=True):
        hooks = []
        for layer, head, _ in every_head(bridge):
            kept = torch.zeros(dataset.tokens.shape, dtype=torch.bool)
            for node in nodes:
                if node[:2] == (layer, head):
                    position = node[2] if len(node) == 3 else None
                    kept |= oracle.cells(position, dataset, dataset.tokens.shape[1])
            name = f"blocks.{layer}.attn.hook_z"

            def ablate(z, hook, head=head, kept=kept, off=values[name]):
                z = z.clone()
                z[:, :, head][~kept] = off[:, :, head][~kept]
                return z

            hooks.append((name, ablate))
        theirs = oracle.logit_difference(oracle.run(bridge, dataset.tokens, hooks), dataset)
        assert_same(row, theirs)


def test_nothing_off_and_everything_kept_are_the_model(bridge, dataset, large):
    ablator = Ablator(bridge, dataset, reference=large)
    expected = oracle.logit_difference(oracle.run(bridge, dataset.tokens), dataset)
    assert_same(ablator.model_metric, expected)
    assert_same(ablator.without([[]])[0], expected)
    assert_same(ablator.only([every_head(bridge)])[0], expected)
    assert_same(ablator.only([[]]), ablator.without([every_head(bridge)]))


def test_batches_of_any_size_give_the_same(bridge, dataset, large):
    one = Ablator(bridge, dataset, reference=large)
    many = Ablator(bridge, dataset, reference=large, memory=1)
    torch.testing.assert_close(one.without(SETS), many.without(SETS), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(one.only(SETS), many.only(SETS), rtol=1e-5, atol=1e-5)


def test_positions_that_coincide_are_computed_once(bridge, dataset, large):
    """A position with two names must not be attended to twice."""
    both = replace(dataset, positions={**dataset.positions, "LAST": dataset.positions["END"]})
    named = Ablator(bridge, both, reference=large).only([[(0, 0, "LAST"), (1, 1, "END")]])
    plain = Ablator(bridge, dataset, reference=large).only([[(0, 0, "END"), (1, 1, "END")]])
    assert_same(named, plain)


def test_means_are_of_the_same_template_and_position(bridge, dataset, large):
    values = ablated_outputs(bridge, dataset, "mean", large)
    expected = oracle.mean_outputs(bridge, dataset, large)
    for row, end in enumerate(dataset.positions["END"].tolist()):
        for layer in range(bridge.cfg.n_layers):
            theirs = expected[f"blocks.{layer}.attn.hook_z"][row, : end + 1]
            torch.testing.assert_close(values[layer, row, : end + 1], theirs, rtol=1e-4, atol=1e-5)


def test_one_knockout_with_another_metric(bridge, dataset):
    value = knockout(bridge, dataset, [(1, 0)], kind="zero", metric=io_probability)
    hooks = oracle.replacing(
        oracle.zeros_like_outputs(bridge, dataset.tokens), [(1, 0, None)], dataset
    )
    expected = io_probability(oracle.run(bridge, dataset.tokens, hooks), dataset)
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-6)


def test_a_knockout_can_be_held_in_any_run(bridge, dataset, large):
    ablator = Ablator(bridge, dataset, reference=large)
    nodes = [(0, 1, "S2"), (2, 0, None)]
    held = run(ablator.weights, dataset.tokens, ablator.knockout(nodes).edit)
    rows = torch.arange(len(dataset))
    assert torch.equal(held.z[2][:, :, 0], ablator.values[2, :, :, 0])
    s2 = dataset.positions["S2"]
    assert torch.equal(held.z[0][rows, s2, 1], ablator.values[0, rows, s2, 1])


def test_an_unknown_ablation_is_refused(bridge, dataset):
    with pytest.raises(ValueError, match="unknown ablation 'noise': the kinds are zero, mean, res"):
        knockout(bridge, dataset, [(0, 0)], kind="noise")


@pytest.mark.parametrize("kind", ["mean", "resample"])
def test_a_missing_reference_is_refused(bridge, dataset, kind):
    with pytest.raises(ValueError, match=f"'{kind}' ablation needs reference prompts"):
        knockout(bridge, dataset, [(0, 0)], kind=kind)


def test_a_reference_too_small_for_the_mean_is_refused(bridge, dataset, words):
    few = make_dataset(words, 3 * (MINIMUM_REFERENCE - 1), seed=1, templates=FEW, orders=["ABBA"])
    message = f"{MINIMUM_REFERENCE - 1} prompts of the template '{FEW[0]}', at least 20 are needed"
    with pytest.raises(ValueError, match=re.escape(message)):
        knockout(bridge, dataset, [(0, 0)], reference=few)
    enough = make_dataset(words, 3 * MINIMUM_REFERENCE, seed=1, templates=FEW, orders=["ABBA"])
    assert knockout(bridge, dataset, [(0, 0)], reference=enough).isfinite().all()


def test_a_reference_of_other_templates_is_refused(bridge, dataset, words):
    other = make_dataset(words, 100, seed=1, templates=TEMPLATES[3:5])
    with pytest.raises(ValueError, match="too small for the mean: 0 prompts of the template"):
        knockout(bridge, dataset, [(0, 0)], reference=other)


def test_prompts_of_one_template_with_different_lengths_are_refused(bridge, dataset, words):
    template = FEW[0]
    two_words = [
        replace(prompt, object="long drink")
        for prompt in dataset.prompts
        if prompt.template == template
    ]
    longer = encode(two_words, words)
    reference = make_dataset(words, 40, seed=2, templates=[template])
    with pytest.raises(ValueError, match="sequences of different length: prompts of the template"):
        knockout(bridge, longer, [(0, 0)], reference=reference)


def test_a_reference_that_does_not_match_row_by_row_is_refused(bridge, dataset, words):
    other = make_dataset(words, 9, seed=0, templates=TEMPLATES[3:6])
    with pytest.raises(ValueError, match="sequences of different length: prompt 0"):
        knockout(bridge, dataset, [(0, 0)], kind="resample", reference=other)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ((3, 0), "head 3.0 does not exist: the model has layers 0 to 2 with heads 0 to 1"),
        ((0, -1), "head 0.-1 does not exist"),
        ((0, 0, "S3"), "position 'S3' does not exist: the dataset has IO, S1, S1+1, S2, END"),
    ],
)
def test_heads_and_positions_that_do_not_exist_are_refused(bridge, dataset, node, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        knockout(bridge, dataset, [node], kind="zero")


def test_what_is_not_a_head_is_refused(dataset):
    with pytest.raises(ValueError, match=r"give \(layer, head\) or \(layer, head, position\)"):
        as_node((1,), (3, 2), dataset)
