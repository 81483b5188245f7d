"""Position against token signal, on a transformer that was given one of the two."""

import hand_built
import oracle
import pytest
import torch

from interp_rl.ioi import bootstrap_interval, make_dataset
from interp_rl.ioi.signals import SignalEffects, signal_effects
from interp_rl.models.recipes.ioi_corpus import NAMES


@pytest.fixture(scope="module")
def dataset(words):
    return make_dataset(words, 16, seed=0)


def test_a_head_that_copies_positions_has_a_position_signal_only(words, dataset):
    effects = signal_effects(hand_built.build(words, NAMES), dataset, [(2, 0)], seed=0)
    assert set(effects.logit_difference) == {(p, t) for p in (1, -1) for t in (1, 0, -1)}
    assert effects.position_slope.low > 2
    assert abs(effects.token_slope.mean) < 1e-4
    assert effects.mean_error < 0.5


def test_each_combination_is_a_resample_ablation(words, dataset):
    _, bridge = oracle.random_models(words, seed=2, layers=2, heads=2, d_head=4, mlp=8)
    effects = signal_effects(bridge, dataset, [(0, 1), (1, 0)], seed=5)
    source = dataset.corrupted("order flip", 5)
    values = oracle.record(bridge, source.tokens, "attn.hook_z")
    hooks = oracle.replacing(values, [(0, 1, "END"), (1, 0, "END")], dataset)
    expected = oracle.logit_difference(oracle.run(bridge, dataset.tokens, hooks), dataset)
    torch.testing.assert_close(effects.logit_difference[-1, 1], expected, rtol=1e-4, atol=1e-4)
    clean = oracle.logit_difference(oracle.run(bridge, dataset.tokens), dataset)
    torch.testing.assert_close(effects.logit_difference[1, 1], clean, rtol=1e-4, atol=1e-4)


def test_the_slopes_are_those_of_least_squares():
    torch.manual_seed(0)
    combinations = [(p, t) for p in (1, -1) for t in (1, 0, -1)]
    values = {pair: torch.randn(9) + 3 * pair[0] + pair[1] for pair in combinations}
    effects = SignalEffects(values)
    design = torch.tensor(combinations).float()
    means = torch.stack([values[pair].mean() for pair in combinations])
    fit = torch.linalg.lstsq(design, means[:, None]).solution.flatten()
    slopes = torch.tensor([effects.position_slope.mean, effects.token_slope.mean])
    torch.testing.assert_close(slopes, fit)
    error = (design @ fit - means).abs().mean() / means[0].abs()
    torch.testing.assert_close(torch.tensor(effects.mean_error), error)
    per_prompt = sum(p * values[p, t] for p, t in combinations) / 6
    assert effects.position_slope == pytest.approx(bootstrap_interval(per_prompt), abs=1e-5)


def test_no_heads_and_heads_that_do_not_exist_are_refused(words, dataset):
    weights = hand_built.build(words, NAMES)
    with pytest.raises(ValueError, match="no heads"):
        signal_effects(weights, dataset, [], seed=0)
    with pytest.raises(ValueError, match=r"head 9\.9 does not exist"):
        signal_effects(weights, dataset, [(9, 9)], seed=0)
