"""Our forward pass in parts against the models that it reads."""

from dataclasses import replace

import oracle
import pytest
import torch

from interp_rl.ioi import io_probability, make_dataset
from interp_rl.ioi.activations import (
    Window,
    at_end,
    at_positions,
    index_of,
    layer_norm,
    read_out,
    resume,
    run,
)
from interp_rl.ioi.weights import read_weights


@pytest.fixture(scope="module", params=[0, 28], ids=["no MLP", "MLP"])
def models(request, words):
    return oracle.random_models(words, seed=1, layers=3, heads=3, d_head=6, mlp=request.param)


@pytest.fixture(scope="module")
def dataset(words):
    return make_dataset(words, 12, seed=0)


def logits_of(weights, activations):
    return layer_norm(activations.resid_post[-1], weights.epsilon) @ weights.W_U + weights.b_U


def test_every_part_equals_the_bridge(models, dataset):
    _, bridge = models
    weights = read_weights(bridge)
    ours = run(weights, dataset.tokens)
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(dataset.tokens)
    places = {
        "resid_pre": "hook_resid_pre",
        "resid_mid": "hook_resid_mid",
        "resid_post": "hook_resid_post",
        "q": "attn.hook_q",
        "k": "attn.hook_k",
        "v": "attn.hook_v",
        "z": "attn.hook_z",
    }
    for name, place in places.items():
        for layer, value in enumerate(getattr(ours, name)):
            theirs = cache[f"blocks.{layer}.{place}"]
            torch.testing.assert_close(value, theirs, rtol=1e-5, atol=2e-5, msg=name)
    for layer in range(weights.n_layers):
        theirs = cache[f"blocks.{layer}.attn.hook_pattern"]
        torch.testing.assert_close(ours.pattern(layer), theirs, rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(logits_of(weights, ours), logits, rtol=1e-5, atol=2e-5)


def test_value_biases_may_stay_with_their_heads(models, dataset):
    plain, _ = models
    folded, own = read_weights(plain), read_weights(plain, fold_value_biases=False)
    logits = [logits_of(w, run(w, dataset.tokens)) for w in (folded, own)]
    torch.testing.assert_close(*logits, rtol=1e-5, atol=5e-5)
    assert not folded.b_V.any() and own.b_V.any()
    assert not torch.equal(folded.b_O, own.b_O)


def test_a_plain_model_has_the_same_weights_and_keeps_its_own(models, dataset):
    plain, bridge = models
    with torch.no_grad():
        before = plain(dataset.tokens).logits.log_softmax(-1)
    ours, theirs = read_weights(plain), read_weights(bridge)
    for name, value in vars(theirs).items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(getattr(ours, name), value, rtol=1e-5, atol=1e-5, msg=name)
    with torch.no_grad():
        after = plain(dataset.tokens).logits.log_softmax(-1)
    assert torch.equal(before, after)
    ours_now = logits_of(ours, run(ours, dataset.tokens)).log_softmax(-1)
    torch.testing.assert_close(ours_now, after, rtol=1e-4, atol=1e-4)


def test_weights_are_a_copy(models):
    _, bridge = models
    weights = read_weights(bridge)
    before = bridge.W_O[0].clone()
    weights.W_O[0] += 1
    assert torch.equal(bridge.W_O[0], before)


def test_mlps_of_zeros_are_left_out(models):
    plain, _ = models
    with_mlps = plain.config.n_inner > 1
    assert read_weights(plain).has_mlp == (with_mlps,) * 3


@pytest.mark.parametrize("names", [["S2", "END"], ["END"], ["S1+1", "S2", "END"]])
def test_resuming_at_some_positions_gives_the_full_run(models, dataset, names):
    weights = read_weights(models[1])
    full = run(weights, dataset.tokens)
    at = torch.stack([dataset.positions[name] for name in names], dim=1)
    window = Window.of(at, dataset.tokens.shape[1])
    for layer in range(weights.n_layers):
        start = at_positions(full.resid_pre[layer], at)[None]
        again = resume(weights, full, start, window, layer=layer)[0]
        expected = at_positions(full.resid_post[-1], at)
        torch.testing.assert_close(again, expected, rtol=1e-5, atol=2e-5)


def test_a_change_inside_the_window_spreads_as_in_a_full_run(models, dataset):
    weights = read_weights(models[1])
    first, end = dataset.positions["S2"], dataset.positions["END"]
    window = Window.up_to_end(first, end, dataset.tokens.shape[1])
    nudge = torch.randn(len(dataset), weights.W_E.shape[1])
    rows = torch.arange(len(dataset))

    def edited(part, layer, value, positions):
        if (part, layer) != ("z", 0):
            return value
        value = value.clone()
        value[:, rows, index_of(positions, first)] += nudge.view(1, len(dataset), 3, -1)
        return value

    full = run(weights, dataset.tokens, edited)
    clean = run(weights, dataset.tokens)
    start = at_positions(clean.resid_pre[0], window.positions)[None]
    again = resume(weights, clean, start, window, edit=edited)[0]
    at = again[rows, index_of(window.positions, end)]
    torch.testing.assert_close(at, at_end(full, dataset), rtol=1e-5, atol=2e-5)
    assert not torch.allclose(at, at_end(clean, dataset), atol=1e-2)


def test_a_window_up_to_the_end_fits_prompts_of_any_length():
    first, end = torch.tensor([1, 5, 0]), torch.tensor([2, 9, 3])
    window = Window.up_to_end(first, end, 10)
    assert window.positions.tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [0, 1, 2, 3, 4]]


def test_the_metric_can_be_any_function_of_logits_at_the_end(models, dataset):
    weights = read_weights(models[1])
    activations = run(weights, dataset.tokens)
    end = at_end(activations, dataset)
    expected = io_probability(logits_of(weights, activations), dataset)
    torch.testing.assert_close(read_out(weights, end, dataset, io_probability), expected)
    difference = oracle.logit_difference(logits_of(weights, activations), dataset)
    torch.testing.assert_close(read_out(weights, end, dataset), difference, rtol=1e-5, atol=2e-5)


def test_a_bridge_without_folded_layer_norm_is_refused(words):
    plain, _ = oracle.random_models(words, seed=1, layers=1, heads=1, d_head=4, mlp=0)
    with pytest.raises(ValueError, match="enable_compatibility_mode"):
        read_weights(oracle.boot(plain, words))


def test_what_is_not_a_model_is_refused():
    with pytest.raises(TypeError, match="Linear is not a model that can be read"):
        read_weights(torch.nn.Linear(2, 2))


def test_another_scaling_of_attention_is_refused(words):
    plain, _ = oracle.random_models(words, seed=1, layers=1, heads=1, d_head=4, mlp=0)
    plain.config.scale_attn_by_inverse_layer_idx = True
    with pytest.raises(ValueError, match="GPT-2's own attention"):
        read_weights(plain)


def test_an_unknown_activation_is_refused(models):
    with pytest.raises(ValueError, match="unknown MLP activation 'swish'"):
        replace(read_weights(models[1]), activation="swish")


def test_prompts_that_do_not_fit_the_model_are_refused(models):
    weights = read_weights(models[1])
    with pytest.raises(ValueError, match="65 positions, but the model only 64"):
        run(weights, torch.zeros(1, 65, dtype=torch.long))
    with pytest.raises(ValueError, match="a token is not one of the model's"):
        run(weights, torch.full((1, 3), len(weights.W_E)))
