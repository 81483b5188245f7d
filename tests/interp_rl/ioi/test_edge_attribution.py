"""Single edges: exact patches against brute force, estimates against numerical derivatives."""

import re
from dataclasses import fields, replace

import oracle
import pytest
import torch

from interp_rl.ioi import io_probability, make_dataset
from interp_rl.ioi.activations import Window, at_end, layer_norm, project, read_out, resume, run
from interp_rl.ioi.edge_attribution import (
    Edge,
    all_receivers,
    attribution_edges,
    exact_edges,
    partial_edge,
)
from interp_rl.ioi.nodes import Head
from interp_rl.ioi.path_patching import LOGITS, Receiver
from interp_rl.ioi.weights import read_weights

ARCHITECTURES = {
    "three layers, no MLP": {"seed": 1, "layers": 3, "heads": 2, "d_head": 6, "mlp": 0},
    "three layers, MLP": {"seed": 2, "layers": 3, "heads": 2, "d_head": 6, "mlp": 20},
    "two layers, many heads, MLP": {"seed": 3, "layers": 2, "heads": 4, "d_head": 4, "mlp": 8},
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def bridge(request, words):
    return oracle.random_models(words, **ARCHITECTURES[request.param])[1]


def in_double(model):
    """The weights with 64 bits, so that small differences are exact."""
    weights = read_weights(model)
    tensors = {
        field.name: getattr(weights, field.name).double()
        for field in fields(weights)
        if field.name[:2] in ("W_", "b_")
    }
    return replace(weights, **tensors)


@pytest.fixture(scope="module")
def weights(bridge):
    return in_double(bridge)


@pytest.fixture(scope="module")
def clean(words):
    return make_dataset(words, 6, seed=0)


@pytest.fixture(scope="module")
def corrupted(clean):
    return clean.corrupted("abc", 0)


@pytest.fixture(scope="module")
def small(words):
    """One model for what does not depend on the architecture."""
    return in_double(oracle.random_models(words, seed=5, layers=3, heads=2, d_head=6, mlp=12)[1])


def brute_force(weights, clean, corrupted, edge, fraction, start=None):
    """The metric with a part of one edge patched, in a run that may begin elsewhere."""
    own, other = run(weights, clean.tokens), run(weights, corrupted.tokens)
    start = own.resid_pre[0] if start is None else start
    (layer, head), receiver = edge
    written = (other.z[layer] - own.z[layer])[:, :, head] @ weights.W_O[layer, head]
    window, end = Window.whole(*clean.tokens.shape), clean.positions["END"]
    rows, resid = torch.arange(len(clean)), [start[None]]

    def edit(part, at, value, positions):
        if receiver != LOGITS and (part, at) == receiver[:2]:
            read = project(weights, part, at, resid[0] + fraction * written)
            value = value.clone()
            value[..., receiver.head, :] = read[..., receiver.head, :]
        return value

    # one layer at a time, to know what each reads
    for at in range(weights.n_layers):
        one = replace_layers(weights, at)

        def shifted(part, _, value, positions, at=at):
            return edit(part, at, value, positions)

        resid[0] = resume(one, own, resid[0], window, edit=shifted)
    last = resid[0][0, rows, end]
    if receiver == LOGITS:
        last = last + fraction * written[rows, end]
    return read_out(weights, last, clean)


def replace_layers(weights, at):
    """A model of one layer of another one."""
    per_layer = [
        f.name
        for f in fields(weights)
        if f.name[:2] in ("W_", "b_") and f.name not in ("W_E", "W_pos", "W_U", "b_U")
    ]
    return replace(weights, **{name: getattr(weights, name)[at : at + 1] for name in per_layer})


def slope(weights, clean, corrupted, edge, start=None, step=1e-5):
    """Central difference of the metric in the part of the edge that is patched, at 0."""
    ahead, behind = (brute_force(weights, clean, corrupted, edge, f, start) for f in (step, -step))
    return (ahead - behind) / (2 * step)


# ----- exact edges


def test_every_edge_is_listed_once_receiver_by_receiver(weights, clean, corrupted):
    edges = exact_edges(weights, clean, corrupted).edges
    layers, heads = weights.shape
    count = sum(3 * heads * heads * layer for layer in range(layers)) + layers * heads
    assert len(edges) == len(set(edges)) == count
    for sender, receiver in edges:
        assert receiver == LOGITS or sender.layer < receiver.layer
    assert list(dict.fromkeys(edge.receiver for edge in edges)) == all_receivers(*weights.shape)
    assert attribution_edges(weights, clean, corrupted).edges == edges


def test_exact_edges_are_the_papers_four_passes(bridge, clean, corrupted):
    effects = exact_edges(bridge, clean, corrupted)
    before = oracle.logit_difference(oracle.run(bridge, clean.tokens), clean)
    for edge, change in list(zip(effects.edges, effects.change, strict=True))[::5]:
        receivers = LOGITS if edge.receiver == LOGITS else [edge.receiver]
        sender = [(*edge.sender, None)]
        after = oracle.path_patch(bridge, clean, corrupted, sender, receivers, "frozen")
        assert (change - (after - before)).abs().max() < 1e-5 * before.abs().max().clamp(min=1)


def test_exact_edges_are_the_whole_of_a_partial_edge(weights, clean, corrupted):
    effects = exact_edges(weights, clean, corrupted)
    before = brute_force(weights, clean, corrupted, effects.edges[0], 0.0)
    for edge, change in list(zip(effects.edges, effects.change, strict=True))[::7]:
        whole = brute_force(weights, clean, corrupted, edge, 1.0) - before
        assert torch.allclose(change, whole, atol=1e-10)
        nothing, half, all_of_it = partial_edge(weights, clean, corrupted, edge, [0.0, 0.5, 1.0])
        assert nothing.abs().max() < 1e-10
        halfway = brute_force(weights, clean, corrupted, edge, 0.5) - before
        assert torch.allclose(half, halfway, atol=1e-10)
        assert torch.allclose(all_of_it, whole, atol=1e-10)


# ----- estimates


def test_attribution_is_the_slope_of_the_partial_patch_at_zero(weights, clean, corrupted):
    estimate = attribution_edges(weights, clean, corrupted)
    for edge, change in list(zip(estimate.edges, estimate.change, strict=True))[::7]:
        assert torch.allclose(change, slope(weights, clean, corrupted, edge), atol=1e-7)


def test_integrated_gradients_average_the_slope_over_embeddings(weights, clean, corrupted):
    estimate = attribution_edges(weights, clean, corrupted, steps=2)
    own, other = (run(weights, d.tokens).resid_pre[0] for d in (clean, corrupted))
    starts = [own + fraction * (other - own) for fraction in (0.25, 0.75)]
    for edge, change in list(zip(estimate.edges, estimate.change, strict=True))[::11]:
        slopes = [slope(weights, clean, corrupted, edge, start) for start in starts]
        assert torch.allclose(change, sum(slopes) / 2, atol=1e-7)


def test_integrated_gradients_converge_with_more_steps(small, clean, corrupted):
    def estimate(steps):
        return attribution_edges(small, clean, corrupted, steps=steps).change

    limit = estimate(96)
    errors = [(estimate(steps) - limit).abs().max() for steps in (3, 12, 48)]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def test_with_saturated_attention_integrated_gradients_are_nearer_to_the_exact_effects(
    words, clean, corrupted
):
    """Sharper queries: the clean gradient through the softmax vanishes, the exact effect does not.

    Compared for queries and keys of the last layer, whose patches only attention answers.
    """
    weights = in_double(oracle.random_models(words, seed=7, layers=2, heads=2, d_head=6, mlp=0)[1])
    sharp = replace(weights, W_Q=12 * weights.W_Q, b_Q=12 * weights.b_Q)
    receivers = [Receiver(part, 1, head) for part in "qk" for head in range(2)]

    def errors(model):
        exact = exact_edges(model, clean, corrupted, receivers=receivers).change
        found = [
            attribution_edges(model, clean, corrupted, receivers=receivers, steps=steps).change
            for steps in (None, 30)
        ]
        return [float((x - exact).abs().mean() / exact.abs().mean()) for x in found]

    assert errors(sharp)[0] > 2 * errors(weights)[0], "saturation is what fails"
    assert errors(sharp)[1] < 0.9 * errors(sharp)[0]


def test_edges_to_the_logits_are_direct_effects_with_the_scale_frozen(small, clean, corrupted):
    """To first order LayerNorm's scale moves too; what remains is linear in the sender."""
    estimate = attribution_edges(small, clean, corrupted, receivers=[LOGITS])
    own, other = run(small, clean.tokens), run(small, corrupted.tokens)
    stream = at_end(own, clean)
    rows, end = torch.arange(len(clean)), clean.positions["END"]
    direction = (small.W_U[:, clean.io_ids] - small.W_U[:, clean.s_ids]).T
    for (sender, _), change in zip(estimate.edges, estimate.change, strict=True):
        z = (other.z[sender.layer] - own.z[sender.layer])[rows, end, sender.head]
        written = z @ small.W_O[sender.layer, sender.head]
        _, moved = torch.func.jvp(
            lambda x: (layer_norm(x, small.epsilon) * direction).sum(-1), (stream,), (written,)
        )
        assert torch.allclose(change, moved, atol=1e-10)


def test_an_edge_that_supports_io_is_negative(small, clean, corrupted):
    effects = exact_edges(small, clean, corrupted, receivers=[LOGITS])
    assert torch.allclose(effects.mean, effects.change.mean(1))
    edge = effects.edges[int(effects.mean.argmin())]
    before = brute_force(small, clean, corrupted, edge, 0.0).mean()
    assert brute_force(small, clean, corrupted, edge, 1.0).mean() < before


def test_nothing_changes_where_both_prompts_are_the_same(small, clean):
    for effects in (
        exact_edges(small, clean, clean),
        attribution_edges(small, clean, clean),
        attribution_edges(small, clean, clean, steps=2),
    ):
        assert effects.change.abs().max() < 1e-10


def test_some_receivers_are_the_same_rows_as_among_all(small, clean, corrupted):
    wanted = [LOGITS, Receiver("k", 2, 1)]
    for measure in (exact_edges, attribution_edges):
        every = measure(small, clean, corrupted)
        some = measure(small, clean, corrupted, receivers=wanted)
        rows = [every.edges.index(edge) for edge in some.edges]
        assert [edge.receiver for edge in some.edges] == 6 * [LOGITS] + 4 * [wanted[1]]
        assert torch.allclose(some.change, every.change[rows], atol=1e-10)


def test_another_metric(small, clean, corrupted):
    estimate = attribution_edges(small, clean, corrupted, metric=io_probability)
    for row in (0, 7, -1):
        h = 1e-5
        ahead, behind = partial_edge(
            small, clean, corrupted, estimate.edges[row], [h, -h], metric=io_probability
        )
        assert torch.allclose(estimate.change[row], (ahead - behind) / (2 * h), atol=1e-7)


def test_gradients_are_taken_though_a_chapter_switched_them_off(small, clean, corrupted):
    with torch.no_grad():
        inside = attribution_edges(small, clean, corrupted)
    with torch.enable_grad():
        outside = attribution_edges(small, clean, corrupted)
    assert torch.equal(inside.change, outside.change)
    assert not inside.change.requires_grad
    assert not outside.change.requires_grad


def test_edges_have_readable_names():
    assert str(Edge(Head(0, 3), Receiver("v", 2, 1))) == "0.3 -> 2.1 v"
    assert str(Edge(Head(0, 3), LOGITS)) == "0.3 -> logits"


# ----- bad input


@pytest.mark.parametrize(
    ("receivers", "message"),
    [
        ([], "no receiver: leave `receivers` out for every edge"),
        (["probabilities"], "unknown receiver 'probabilities': give LOGITS or a Receiver"),
        ([Receiver("z", 1, 0)], "the part must be 'q', 'k' or 'v'"),
        ([Receiver("q", 9, 0)], "head 9.0 does not exist"),
        ([Receiver("q", 1, 0, "S2")], "an edge is patched at every position"),
        ([Receiver("q", 0, 1)], "receiver 0.1 q has no sender: no head is before layer 0"),
    ],
)
@pytest.mark.parametrize("measure", [exact_edges, attribution_edges])
def test_receivers_are_checked(small, clean, corrupted, measure, receivers, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        measure(small, clean, corrupted, receivers=receivers)


def test_a_partial_edge_must_exist(small, clean, corrupted):
    with pytest.raises(ValueError, match=re.escape("there is no edge from 2.0 to 1.0 q")):
        partial_edge(small, clean, corrupted, ((2, 0), Receiver("q", 1, 0)), [1.0])
    with pytest.raises(ValueError, match=re.escape("head 0.7 does not exist")):
        partial_edge(small, clean, corrupted, ((0, 7), LOGITS), [1.0])


def test_at_least_one_gradient(small, clean, corrupted):
    with pytest.raises(ValueError, match="steps is 0; at least one gradient is needed"):
        attribution_edges(small, clean, corrupted, steps=0)


def test_the_prompts_go_in_pairs(small, clean, words):
    fewer = make_dataset(words, 4, seed=0)
    for call in (
        lambda: exact_edges(small, clean, fewer),
        lambda: attribution_edges(small, clean, fewer),
        lambda: partial_edge(small, clean, fewer, ((0, 0), LOGITS), [1.0]),
    ):
        with pytest.raises(ValueError, match="6 prompts but 4 corrupted prompts"):
            call()
