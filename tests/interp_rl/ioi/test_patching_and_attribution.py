"""Activation patching against hooks; direct logit attribution against the logits it splits."""

import oracle
import pytest
import torch

from interp_rl.ioi import make_dataset
from interp_rl.ioi.activation_patching import patch_head_outputs, patch_residual_stream
from interp_rl.ioi.knockouts import Ablator
from interp_rl.ioi.logit_attribution import direct_logit_attribution


@pytest.fixture(scope="module", params=[0, 16], ids=["no MLP", "MLP"])
def bridge(request, words):
    return oracle.random_models(words, seed=9, layers=3, heads=2, d_head=6, mlp=request.param)[1]


@pytest.fixture(scope="module")
def clean(words):
    return make_dataset(words, 8, seed=0)


@pytest.fixture(scope="module")
def corrupted(clean):
    return clean.corrupted("abc", 0)


def assert_same(ours, theirs):
    scale = theirs.abs().max().clamp(min=1)
    assert (ours - theirs).abs().max() < 1e-5 * scale


@pytest.mark.parametrize("restoring", [False, True])
def test_patching_the_residual_stream_equals_hooks(bridge, clean, corrupted, restoring):
    base, source = (corrupted, clean) if restoring else (clean, corrupted)
    effects = patch_residual_stream(bridge, base, source)
    assert effects.places == ("IO", "S1", "S1+1", "S2", "END")
    with torch.no_grad():
        _, cache = bridge.run_with_cache(source.tokens)
    n_layers = bridge.cfg.n_layers
    for layer in range(n_layers + 1):
        place = f"blocks.{layer}.hook_resid_pre"
        if layer == n_layers:
            place = f"blocks.{layer - 1}.hook_resid_post"
        for index, position in enumerate(effects.places):
            where = oracle.cells(position, base, base.tokens.shape[1])

            def patch(value, hook, where=where):
                value = value.clone()
                value[where] = cache[hook.name][where]
                return value

            theirs = oracle.logit_difference(
                oracle.run(bridge, base.tokens, [(place, patch)]), base
            )
            assert_same(effects.after[layer, index], theirs)
    assert effects.heatmap().shape == (n_layers + 1, 5)
    assert effects.heatmap()[-1, :4].abs().max() < 1e-5  # behind the last layer only END is read


@pytest.mark.parametrize("position", [None, "S2"])
def test_patching_head_outputs_equals_hooks(bridge, clean, corrupted, position):
    effects = patch_head_outputs(bridge, clean, corrupted, position=position)
    values = oracle.record(bridge, corrupted.tokens, "attn.hook_z")
    for layer in range(3):
        for head in range(2):
            hooks = oracle.replacing(values, [(layer, head, position)], clean)
            theirs = oracle.logit_difference(oracle.run(bridge, clean.tokens, hooks), clean)
            assert_same(effects.after[layer, head], theirs)
    relative = effects.heatmap(relative=True) * effects.before.mean()
    torch.testing.assert_close(relative, effects.heatmap())


def test_patching_needs_positions_that_exist(bridge, clean, corrupted):
    with pytest.raises(ValueError, match="position 'S3' does not exist"):
        patch_residual_stream(bridge, clean, corrupted, positions=["S3"])
    with pytest.raises(ValueError, match="position 'S3' does not exist"):
        patch_head_outputs(bridge, clean, corrupted, position="S3")


def test_patching_needs_prompts_that_match(bridge, clean, words):
    other = make_dataset(words, 8, seed=5, orders=["BABA"])
    with pytest.raises(
        ValueError, match="sequences of different length: prompt 1 has 15 tokens and its source"
    ):
        patch_residual_stream(bridge, clean, other)


def test_the_terms_add_up_to_the_logit_difference(bridge, clean):
    logits = oracle.run(bridge, clean.tokens)
    attribution = direct_logit_attribution(bridge, clean)
    assert_same(attribution.total, oracle.logit_difference(logits, clean))
    rows, end = torch.arange(len(clean)), clean.positions["END"]
    for target, ids in (("IO", clean.io_ids), ("S", clean.s_ids)):
        single = direct_logit_attribution(bridge, clean, target=target)
        assert_same(single.total, logits[rows, end, ids])


def test_each_term_is_what_the_bridge_wrote(bridge, clean):
    attribution = direct_logit_attribution(bridge, clean)
    bridge.set_use_attn_result(True)
    with torch.no_grad():
        _, cache = bridge.run_with_cache(clean.tokens)
    rows, end = torch.arange(len(clean)), clean.positions["END"]
    direction = (bridge.W_U[:, clean.io_ids] - bridge.W_U[:, clean.s_ids]).T.detach()
    direction = direction / cache["ln_final.hook_scale"][rows, end]
    for layer in range(3):
        written = cache[f"blocks.{layer}.attn.hook_result"][rows, end]
        assert_same(attribution.heads[layer], torch.einsum("phm,pm->hp", written, direction))
        mlp = cache[f"blocks.{layer}.hook_mlp_out"][rows, end]
        assert_same(attribution.mlps[layer], (mlp * direction).sum(-1))


def test_a_head_that_is_off_has_no_term(bridge, clean):
    held = Ablator(bridge, clean, kind="zero").knockout([(1, 0)])
    attribution = direct_logit_attribution(bridge, clean, knockout=held)
    assert attribution.heads[1, 0].abs().max() == 0
    logits = oracle.run(
        bridge,
        clean.tokens,
        oracle.replacing(oracle.zeros_like_outputs(bridge, clean.tokens), [(1, 0, None)], clean),
    )
    assert_same(attribution.total, oracle.logit_difference(logits, clean))


def test_an_unknown_target_is_refused(bridge, clean):
    with pytest.raises(ValueError, match="unknown target 'END': the targets are IO - S, IO, S"):
        direct_logit_attribution(bridge, clean, target="END")
