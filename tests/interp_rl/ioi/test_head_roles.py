"""Head scores and roles on a transformer written by hand, where the answers are known."""

import hand_built
import oracle
import pytest
import torch

from interp_rl.ioi import TEMPLATES, make_dataset
from interp_rl.ioi.activations import run
from interp_rl.ioi.head_roles import Thresholds, find_roles
from interp_rl.ioi.head_scores import attention_to, copy_scores, repeat_scores
from interp_rl.ioi.nodes import Head, Node
from interp_rl.models.recipes.ioi_corpus import NAMES

FEW = TEMPLATES[:3]


@pytest.fixture(scope="module")
def weights(words):
    return hand_built.build(words, NAMES)


@pytest.fixture(scope="module")
def dataset(words):
    return make_dataset(words, 24, seed=0, templates=FEW)


@pytest.fixture(scope="module")
def reference(words):
    return make_dataset(words, 60, seed=1, templates=FEW).corrupted("abc", 0)


@pytest.fixture(scope="module")
def roles(weights, dataset, reference):
    return find_roles(weights, dataset, dataset.corrupted("abc", 0), reference)


def test_every_role_is_found(roles):
    found = {role: [tuple(head) for head in heads] for role, heads in roles.heads.items()}
    assert found == hand_built.ROLES
    assert roles.unexplained == {}


def test_roles_can_be_looked_up_and_shown(roles):
    assert roles.role_of((2, 0)) == "S-inhibition"
    assert roles.role_of(Head(1, 1)) is None
    assert "name mover: 3.0\n" in str(roles)


def test_each_role_gets_its_position(roles):
    circuit = roles.circuit()
    assert circuit.nodes == {
        Node(0, 0, "S1+1"),
        Node(0, 1, "S2"),
        Node(1, 0, "S2"),
        *(Node(layer, head, "END") for layer, head in ((2, 0), (3, 0), (3, 1), (4, 0))),
    }


def test_effects_have_the_signs_that_were_built(roles):
    assert roles.effects["logits"][3, 0] < -0.5 < 0 < roles.effects["logits"][3, 1]
    assert roles.effects["name movers' queries"][2, 0] < -0.5
    assert roles.effects["induction keys"][0, 0] < -0.05
    # the backup head does little until the name mover is gone, and then almost all
    assert abs(roles.effects["logits"][4, 0]) < 0.05
    assert roles.effects["logits without name movers"][4, 0] < -0.5
    without = roles.logit_difference_without_name_movers
    assert without > 0.9 * roles.logit_difference


def test_thresholds_decide(weights, dataset, reference):
    corrupted = dataset.corrupted("abc", 0)
    strict = Thresholds(attention=0.999999)
    found = find_roles(weights, dataset, corrupted, reference, thresholds=strict)
    assert found.heads["name mover"] == ()  # it attends to IO at 0.92
    assert found.heads["S-inhibition"] == ()  # nothing to look behind
    assert found.heads["backup name mover"] == ()
    assert Head(3, 0) in found.unexplained
    loose = find_roles(weights, dataset, corrupted, reference, thresholds=Thresholds(effect=0.2))
    assert loose.heads["previous token"] == ()


def test_attention_between_named_positions_is_that_of_the_bridge(words):
    _, bridge = oracle.random_models(words, seed=3, layers=2, heads=2, d_head=4, mlp=0)
    from interp_rl.ioi.weights import read_weights

    dataset = make_dataset(words, 6, seed=0)
    with torch.no_grad():
        _, cache = bridge.run_with_cache(dataset.tokens)
    ours = attention_to(run(read_weights(bridge), dataset.tokens), dataset, "END", "S1")
    for row in range(len(dataset)):
        end, s1 = (int(dataset.positions[name][row]) for name in ("END", "S1"))
        for layer in range(2):
            theirs = cache[f"blocks.{layer}.attn.hook_pattern"][row, :, end, s1]
            torch.testing.assert_close(ours[layer, :, row], theirs, rtol=1e-4, atol=1e-6)


def test_attention_forward_in_time_is_zero(weights, dataset):
    assert attention_to(run(weights, dataset.tokens), dataset, "S1", "END").abs().max() == 0


def test_copy_scores_tell_copying_from_its_opposite(weights, dataset):
    copying = copy_scores(weights, dataset)
    opposing = copy_scores(weights, dataset, negative=True)
    assert copying[3, 0] == copying[4, 0] == opposing[3, 1] == 1
    assert opposing[3, 0] == opposing[4, 0] == copying[3, 1] == 0
    assert copying[:3].max() < 0.2


def test_copy_scores_equal_a_literal_computation(words):
    """Through the OV matrix, the final LayerNorm and the unembedding, one name at a time."""
    plain, bridge = oracle.random_models(words, seed=4, layers=2, heads=2, d_head=8, mlp=16)
    dataset = make_dataset(words, 12, seed=0)
    with torch.no_grad():
        _, cache = bridge.run_with_cache(dataset.tokens)
        expected = torch.zeros(2, 2)
        for layer, head in ((0, 0), (0, 1), (1, 0), (1, 1)):
            stream = cache["blocks.0.hook_resid_post" if layer else "blocks.0.hook_resid_pre"]
            for row in range(len(dataset)):
                for name in ("IO", "S1"):
                    at = int(dataset.positions[name][row])
                    value = bridge.blocks[layer].ln1(stream[row : row + 1, at : at + 1])
                    value = value @ bridge.W_V[layer, head] + bridge.b_V[layer, head]
                    logits = bridge.unembed(bridge.ln_final(value @ bridge.W_O[layer, head]))
                    found = int(dataset.tokens[row, at]) in logits[0, 0].topk(20).indices.tolist()
                    expected[layer, head] += found / (2 * len(dataset))
    torch.testing.assert_close(copy_scores(bridge, dataset, top=20), expected)
    assert 0 < expected.mean() < 1
    assert plain is not bridge


def test_repeat_scores_find_the_three_kinds(weights, words):
    names = torch.tensor([words.get_vocab()[name] for name in NAMES])
    scores = repeat_scores(weights, names, bos=0, n_sequences=8, length=12)
    for score, head in (
        (scores.previous_token, (0, 0)),
        (scores.duplicate_token, (0, 1)),
        (scores.induction, (1, 0)),
    ):
        assert score[head] > 0.99
        score[head] = 0
        assert score.max() < 0.3


def test_repeat_scores_depend_on_the_seed_only(weights, words):
    names = torch.tensor([words.get_vocab()[name] for name in NAMES])
    first, again, other = (
        repeat_scores(weights, names, bos=0, n_sequences=3, length=5, seed=seed).induction
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_sequences_that_do_not_fit_are_refused(weights):
    with pytest.raises(ValueError, match=r"length is 16; it must be from 2 to 15"):
        repeat_scores(weights, torch.arange(3, 90), bos=0, length=16)
    with pytest.raises(ValueError, match=r"from 2 to 4, with 4 tokens to draw from"):
        repeat_scores(weights, torch.arange(3, 7), bos=0, length=5)


def test_more_top_logits_than_there_are_is_refused(weights, dataset):
    with pytest.raises(ValueError, match="top is 0"):
        copy_scores(weights, dataset, top=0)
    with pytest.raises(ValueError, match="position 'S3' does not exist"):
        copy_scores(weights, dataset, positions=["S3"])
