"""The KL estimators: their means, and which uses of them give the gradient of the divergence."""

import math

import pytest
import torch

from interp_rl.finetuning import kl

SEEDS = range(5)


@pytest.fixture(params=SEEDS)
def one_token(request):
    return kl.random_policies(seed=request.param)


@pytest.fixture(params=SEEDS)
def three_tokens(request):
    return kl.random_policies(vocabulary=3, length=3, seed=request.param)


def use(policies, name, where, **options):
    return kl.gradient_of_use(*policies, kl.ESTIMATORS[name], where, **options)


# ----- as estimates of a number


def test_texts_are_enumerated_with_their_probabilities(three_tokens):
    policy, _ = three_tokens
    log_probs = kl.text_log_probs(policy)
    assert log_probs.shape == (27, 3)
    assert log_probs.sum(1).exp().sum() == pytest.approx(1, abs=1e-12)
    # the text (2, 0, 1): prefixes are numbered (), (0), (1), (2), (0, 0), (0, 1), ...
    row = kl.all_texts(3, 3).tolist().index([2, 0, 1])
    log_all = policy.log_softmax(-1)
    expected = [log_all[0, 2], log_all[1 + 2, 0], log_all[4 + 2 * 3 + 0, 1]]
    assert torch.equal(log_probs[row], torch.stack(expected))


def test_exact_kl_is_the_sum_of_the_divergences_of_the_tokens(three_tokens):
    policy, reference = three_tokens
    log_p, log_q = policy.log_softmax(-1), reference.log_softmax(-1)
    per_prefix = (log_p.exp() * (log_p - log_q)).sum(-1)
    reached = [torch.ones(1, dtype=torch.float64)]
    for start, size in ((0, 1), (1, 3)):
        reached.append((reached[-1][:, None] * log_p[start : start + size].exp()).flatten())
    assert kl.exact_kl(policy, reference).item() == pytest.approx(
        (torch.cat(reached) * per_prefix).sum().item(), abs=1e-12
    )


def test_k1_and_k3_are_unbiased_k2_is_not_and_only_k1_can_be_negative(three_tokens):
    found = {name: kl.moments(*three_tokens, k) for name, k in kl.ESTIMATORS.items()}
    assert abs(found["k1"].bias) < 1e-12
    assert abs(found["k3"].bias) < 1e-12
    assert abs(found["k2"].bias) > 0.001
    assert found["k1"].negative > 0.01
    assert found["k2"].negative == found["k3"].negative == 0


def test_near_the_reference_k2_and_k3_vary_less_than_k1():
    for seed in SEEDS:
        near = kl.random_policies(distance=0.1, seed=seed)
        found = {name: kl.moments(*near, k) for name, k in kl.ESTIMATORS.items()}
        for name in ("k2", "k3"):
            assert found[name].deviation < found["k1"].deviation / 3
            assert abs(found[name].bias) < 0.2 * found[name].exact


def test_k3_is_exact_for_the_smallest_log_ratios():
    tiny = torch.tensor([1e-6, -1e-6, 0.0])
    naive = (-tiny).exp() - 1 + tiny  # loses all digits in single precision
    assert (kl.k3(tiny).double() - tiny.double() ** 2 / 2).abs().max() < 1e-12
    assert (naive.double() - tiny.double() ** 2 / 2).abs().max() > 1e-9


# ----- as parts of a gradient


def test_k1_in_the_reward_is_right(one_token, three_tokens):
    for policies in (one_token, three_tokens):
        assert use(policies, "k1", "reward").relative_error < 1e-10
        assert use(policies, "k1", "reward", per_token=True).relative_error < 1e-10


def test_k1_in_the_loss_has_zero_expected_gradient(one_token, three_tokens):
    for policies in (one_token, three_tokens):
        for per_token in (False, True):
            found = use(policies, "k1", "loss", per_token=per_token)
            assert found.length < 1e-10
            assert math.isnan(found.cosine)
        assert found.exact.norm() > 0.01


def test_k2_in_the_loss_is_right_on_policy(one_token, three_tokens):
    for policies in (one_token, three_tokens):
        assert use(policies, "k2", "loss").relative_error < 1e-10


def test_k2_in_the_loss_is_wrong_off_policy(one_token):
    found = use(one_token, "k2", "loss", sampler=one_token[1])
    assert found.relative_error > 0.05


def test_k2_in_the_loss_of_each_token_forgets_where_the_token_leads(three_tokens):
    found = use(three_tokens, "k2", "loss", per_token=True)
    assert found.relative_error > 0.05
    last = slice(4, None)  # after the last choice nothing follows, so nothing is forgotten
    assert torch.allclose(found.expected[last], found.exact[last], atol=1e-12)


def test_k3_in_the_loss_is_the_gradient_of_the_other_direction(one_token, three_tokens):
    for policies in (one_token, three_tokens):
        found = use(policies, "k3", "loss")
        other = kl.exact_gradient(*policies, reverse=True)
        assert torch.allclose(found.expected, other, atol=1e-12)
        assert found.relative_error > 0.05


def test_k3_in_the_reward_is_one_direction_minus_the_other(one_token, three_tokens):
    for policies in (one_token, three_tokens):
        found = use(policies, "k3", "reward")
        other = kl.exact_gradient(*policies, reverse=True)
        assert torch.allclose(found.expected, found.exact - other, atol=1e-12)


def test_near_the_reference_k3_in_the_loss_is_almost_right_and_in_the_reward_almost_nothing():
    near = kl.random_policies(distance=0.01, seed=0)
    assert use(near, "k3", "loss").relative_error < 0.05
    assert use(near, "k3", "reward").length < 0.05


def test_the_expectation_is_that_of_drawn_texts(one_token):
    policy, reference = one_token
    generator = torch.Generator().manual_seed(0)
    n = 200_000
    theta = policy.clone().requires_grad_()
    log_all = theta.log_softmax(-1)[0]
    drawn = torch.multinomial(log_all.exp().detach(), n, replacement=True, generator=generator)
    log_ratio = (log_all - reference.log_softmax(-1)[0])[drawn]
    for name, where, surrogate in (
        ("k1", "reward", log_ratio.detach() * log_all[drawn]),
        ("k2", "loss", kl.k2(log_ratio)),
        ("k3", "loss", kl.k3(log_ratio)),
    ):
        estimate = torch.autograd.grad(surrogate.mean(), theta, retain_graph=True)[0]
        assert torch.allclose(estimate, use(one_token, name, where).expected, atol=0.02)


def test_what_makes_no_sense_is_refused(one_token):
    policy, reference = one_token
    with pytest.raises(ValueError, match=r"2 prefixes belong to no length.*1, 5"):
        kl.text_log_probs(policy.repeat(2, 1))
    with pytest.raises(ValueError, match="'reward' or 'loss'"):
        kl.gradient_of_use.__wrapped__(policy, reference, kl.k1, "penalty")
