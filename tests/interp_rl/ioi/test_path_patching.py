"""Path patching of all senders at once against the paper's four passes, one sender at a time."""

import re
from dataclasses import replace

import oracle
import pytest
import torch

from interp_rl.ioi import encode, io_probability, make_dataset
from interp_rl.ioi.knockouts import Knockout, ablated_outputs
from interp_rl.ioi.nodes import Head, Node, all_heads, node_mask
from interp_rl.ioi.path_patching import LOGITS, Receiver, path_patch
from interp_rl.ioi.weights import read_weights

ARCHITECTURES = {
    "two layers, no MLP": {"seed": 1, "layers": 2, "heads": 3, "d_head": 8, "mlp": 0},
    "three layers, MLP": {"seed": 2, "layers": 3, "heads": 2, "d_head": 6, "mlp": 20},
    "four layers, one head, MLP": {"seed": 3, "layers": 4, "heads": 1, "d_head": 10, "mlp": 16},
    "three layers, many heads": {"seed": 4, "layers": 3, "heads": 4, "d_head": 4, "mlp": 0},
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def bridge(request, words):
    return oracle.random_models(words, **ARCHITECTURES[request.param])[1]


@pytest.fixture(scope="module")
def clean(words):
    dataset = make_dataset(words, 10, seed=0)
    assert len(set(dataset.positions["END"].tolist())) > 2  # right padding is really there
    return dataset


@pytest.fixture(scope="module")
def corrupted(clean):
    return clean.corrupted("abc", 0)


@pytest.fixture(scope="module")
def small(words):
    """One model for what does not depend on the architecture."""
    return oracle.random_models(words, seed=5, layers=3, heads=2, d_head=6, mlp=12)[1]


RECEIVERS = {
    "logits": LOGITS,
    "query at END": [Receiver("q", -1, -1, "END")],
    "queries of two layers": [Receiver("q", -1, -1, "END"), Receiver("q", 1, 0, "END")],
    "value at S2": [Receiver("v", 1, 0, "S2")],
    "key at S2": [Receiver("k", -1, -1, "S2")],
    "key at one position, value at all": [Receiver("k", -1, -1, "S1+1"), Receiver("v", -1, 0)],
    "query everywhere": [Receiver("q", -1, 0)],
    "everything of two heads": [
        Receiver(part, layer, 0, "S2") for part in "qkv" for layer in (-1, 1)
    ],
}


def receivers_of(which, bridge):
    """The receivers with -1 for the last layer and head."""
    if which == "logits":
        return LOGITS
    return [
        Receiver(part, layer % bridge.cfg.n_layers, head % bridge.cfg.n_heads, position)
        for part, layer, head, position in RECEIVERS[which]
    ]


def every_head(bridge):
    return all_heads(bridge.cfg.n_layers, bridge.cfg.n_heads)


def assert_same(ours, theirs):
    scale = theirs.abs().max().clamp(min=1)
    assert (ours - theirs).abs().max() < 1e-5 * scale


@pytest.mark.parametrize("which", RECEIVERS)
def test_every_sender_equals_the_oracle(bridge, clean, corrupted, which):
    receivers = receivers_of(which, bridge)
    effects = path_patch(bridge, clean, corrupted, receivers=receivers)
    expected = [
        oracle.path_patch(bridge, clean, corrupted, [(*head, None)], receivers)
        for head in every_head(bridge)
    ]
    assert_same(effects.after, torch.stack(expected))
    assert_same(effects.before, oracle.logit_difference(oracle.run(bridge, clean.tokens), clean))
    assert effects.change.abs().max() > 1e-3  # the patches did something


@pytest.mark.parametrize("which", ["logits", "query at END", "value at S2"])
def test_frozen_mlps_equal_the_oracle(small, clean, corrupted, which):
    receivers = receivers_of(which, small)
    effects = path_patch(small, clean, corrupted, receivers=receivers, mlps="frozen")
    expected = [
        oracle.path_patch(small, clean, corrupted, [(*head, None)], receivers, "frozen")
        for head in every_head(small)
    ]
    assert_same(effects.after, torch.stack(expected))
    recomputed = path_patch(small, clean, corrupted, receivers=receivers)
    assert (effects.after - recomputed.after).abs().max() > 1e-3


@pytest.mark.parametrize("which", ["logits", "queries of two layers", "query everywhere"])
def test_joint_senders_at_positions_equal_the_oracle(small, clean, corrupted, which):
    receivers = receivers_of(which, small)
    groups = [
        [(0, 0), (1, 1)],
        [(1, 0, "END"), (0, 1, "S2"), (0, 1, "END")],
        [(2, 0), (0, 0, "S1+1")],
        [(0, 1), (0, 1, "END")],  # the second is part of the first
        [(2, 1)],
    ]
    effects = path_patch(small, clean, corrupted, senders=groups, receivers=receivers)
    expected = [
        oracle.path_patch(small, clean, corrupted, [Node(*node) for node in group], receivers)
        for group in groups
    ]
    assert_same(effects.after, torch.stack(expected))


@pytest.mark.parametrize("which", ["logits", "value at S2"])
def test_a_knockout_holds_in_all_passes(small, clean, corrupted, which):
    receivers, off = receivers_of(which, small), [(0, 1, None), (2, 0, "END")]
    weights = read_weights(small)
    values = ablated_outputs(weights, clean, "zero")
    held = Knockout(node_mask(off, weights.shape, clean), values)
    effects = path_patch(small, clean, corrupted, receivers=receivers, knockout=held)
    hooks = oracle.replacing(oracle.zeros_like_outputs(small, clean.tokens), off, clean)
    expected = [
        oracle.path_patch(small, clean, corrupted, [(*head, None)], receivers, off=hooks)
        for head in every_head(small)
    ]
    assert_same(effects.after, torch.stack(expected))


def test_batches_of_any_size_give_the_same(small, clean, corrupted):
    receivers = receivers_of("queries of two layers", small)
    whole = path_patch(small, clean, corrupted, receivers=receivers)
    single = path_patch(small, clean, corrupted, receivers=receivers, memory=1)
    torch.testing.assert_close(whole.after, single.after, rtol=1e-5, atol=1e-5)


def test_a_sender_behind_the_receivers_changes_nothing(small, clean, corrupted):
    effects = path_patch(small, clean, corrupted, receivers=[Receiver("q", 1, 0)])
    assert effects.heatmap()[0].abs().min() > 0
    assert torch.equal(effects.heatmap()[1:], torch.zeros(2, 2))


def test_another_metric(small, clean, corrupted):
    effects = path_patch(small, clean, corrupted, senders=[(2, 0)], metric=io_probability)
    weights = read_weights(small)
    both = [(2, 0), (0, 0), (0, 1)]  # what the logits see is the same whatever these do
    frozen = path_patch(small, clean, clean, senders=[both], metric=io_probability)
    assert ((effects.after >= 0) & (effects.after <= 1)).all()
    torch.testing.assert_close(frozen.after[0], frozen.before)
    assert weights.n_layers == 3


def test_the_heatmap_is_the_mean_change(small, clean, corrupted):
    effects = path_patch(small, clean, corrupted, senders=[(1, 0), (2, 1)])
    heat = effects.heatmap()
    torch.testing.assert_close(heat[1, 0], (effects.after[0] - effects.before).mean())
    torch.testing.assert_close(heat[2, 1], effects.change[1].mean())
    assert heat.isnan().sum() == 4
    relative = effects.heatmap(relative=True)[2, 1] * effects.before.mean()
    torch.testing.assert_close(relative, heat[2, 1])


def test_a_heatmap_of_joint_senders_is_refused(small, clean, corrupted):
    for senders in ([[(0, 0), (1, 0)]], [(1, 0, "S2"), (1, 0, "END")]):
        effects = path_patch(small, clean, corrupted, senders=senders)
        with pytest.raises(ValueError, match="one row per head"):
            effects.heatmap()


def test_heads_and_receivers_show_as_in_the_paper():
    assert str(Head(9, 6)) == "9.6"
    assert str(Node(9, 6, "END")) == "9.6@END"
    assert str(Receiver("v", 8, 10, "S2")) == "8.10@S2 v"


BAD = {
    "head 3.0 does not exist: the model has layers 0 to 2 with heads 0 to 1": {"senders": [(3, 0)]},
    "head 0.-1 does not exist": {"senders": [[(0, 1), (0, -1)]]},
    "head 1.2 does not exist": {"receivers": [Receiver("q", 1, 2)]},
    "position 'S3' does not exist: the dataset has IO, S1": {"senders": [(0, 0, "S3")]},
    "position 'VERB' does not exist": {"receivers": [Receiver("v", 1, 0, "VERB")]},
    "unknown mlps='thawed': they can be 'recomputed' or 'frozen'": {"mlps": "thawed"},
    "unknown receivers 'logit'": {"receivers": "logit"},
    "no receiver": {"receivers": []},
    "no sender": {"senders": []},
    "a sender without any head": {"senders": [[]]},
    "the part must be 'q', 'k' or 'v'": {"receivers": [Receiver("z", 1, 0)]},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_refused(small, clean, corrupted, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        path_patch(small, clean, corrupted, **BAD[message])


def test_datasets_that_do_not_match_are_refused(small, clean, words):
    with pytest.raises(ValueError, match="10 prompts but 3 corrupted prompts"):
        path_patch(small, clean, make_dataset(words, 3, seed=0))
    turned = encode(clean.prompts[::-1], words, names=clean.names)
    with pytest.raises(ValueError, match="sequences of different length: prompt 0 has 15 tokens"):
        path_patch(small, clean, turned)
    swapped = [replace(p, order="ABBA" if p.order == "BABA" else "BABA") for p in clean.prompts]
    with pytest.raises(ValueError, match="'IO' is not at the same place"):
        path_patch(small, clean, encode(swapped, words, names=clean.names))
