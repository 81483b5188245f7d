"""Closed forms against autograd, against torch.distributions, and against integrals."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn
from torch.distributions import MultivariateNormal

from interp_rl.policy_gradients import gaussian

D = 3


def covariance_of(dim=D, seed=0):
    """A full covariance: no entry is zero."""
    root = torch.randn(dim, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    return root @ root.T + 0.3 * torch.eye(dim, dtype=torch.double)


@pytest.fixture(scope="module")
def sigma():
    covariance = covariance_of()
    assert covariance[~torch.eye(D, dtype=torch.bool)].abs().min() > 0.1
    return covariance


@pytest.fixture(scope="module")
def drawn():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 4, 5, D, generator=generator, dtype=torch.double)


def test_the_log_probability_is_that_of_torch(sigma, drawn):
    actions, mean = drawn
    expected = MultivariateNormal(mean, sigma).log_prob(actions)
    assert (gaussian.log_probability(actions, mean, sigma) - expected).abs().max() < 1e-6
    found = gaussian.log_probability(actions[0, 0], mean[0, 0], sigma)
    assert float(found) == pytest.approx(float(expected[0, 0]), abs=1e-6)


def test_the_density_integrates_to_one():
    """The constant is inside the logarithm and outside of the quadratic form."""
    sigma = covariance_of(2)
    line = torch.linspace(-15, 15, 301, dtype=torch.double)
    grid = torch.cartesian_prod(line, line)
    density = gaussian.log_probability(grid, torch.zeros_like(grid), sigma).exp()
    assert float(density.sum() * 0.1**2) == pytest.approx(1, abs=1e-6)


def test_the_score_of_the_mean_is_autograds_and_the_formulas(sigma, drawn):
    actions, mean = drawn[0], drawn[1].clone().requires_grad_()
    log_p = MultivariateNormal(mean, sigma).log_prob(actions).sum()
    (expected,) = torch.autograd.grad(log_p, mean)
    found = gaussian.score_of_mean(actions, mean.detach(), sigma)
    assert (found - expected).abs().max() < 1e-6
    by_inverse = (actions - mean.detach()) @ sigma.inverse().T
    assert (found - by_inverse).abs().max() < 1e-6


def test_our_log_probability_can_be_differentiated_too(sigma, drawn):
    actions, mean = drawn[0], drawn[1].clone().requires_grad_()
    log_p = gaussian.log_probability(actions, mean, sigma).sum()
    (found,) = torch.autograd.grad(log_p, mean)
    assert torch.allclose(found, gaussian.score_of_mean(actions, mean.detach(), sigma))


def test_the_score_of_the_covariance_is_autograds(sigma, drawn):
    actions, mean = drawn[:, 0, 0]
    matrix = sigma.clone().requires_grad_()
    log_p = MultivariateNormal(mean, matrix).log_prob(actions)
    (expected,) = torch.autograd.grad(log_p, matrix)
    found = gaussian.score_of_covariance(actions, mean, sigma)
    assert torch.equal(found, found.T)
    # autograd may put all of an off-diagonal entry's share on one side
    assert (found - (expected + expected.T) / 2).abs().max() < 1e-6


def test_the_score_of_parameters_is_autograds(sigma):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, D)).double()
    states = torch.randn(7, 4, generator=torch.Generator().manual_seed(2), dtype=torch.double)
    mean = network(states)
    actions = gaussian.sample_actions(mean.detach(), sigma, seed=0)
    jacobian = gaussian.mean_jacobian(network, states)
    found = gaussian.score_of_parameters(actions, mean.detach(), sigma, jacobian)
    log_p = MultivariateNormal(mean, sigma).log_prob(actions)
    for i in range(7):
        parts = torch.autograd.grad(log_p[i], list(network.parameters()), retain_graph=True)
        expected = torch.cat([part.flatten() for part in parts])
        assert (found[i] - expected).abs().max() < 1e-6


def test_with_a_diagonal_covariance_only_the_score_would_be_wrong(sigma, drawn):
    """Leaving out the off-diagonal entries is a mistake that a diagonal example cannot show."""
    actions, mean = drawn
    right = gaussian.score_of_mean(actions, mean, sigma)
    wrong = gaussian.score_of_mean(actions, mean, sigma.diagonal().diag())
    assert (right - wrong).norm() > 0.1 * right.norm()


def test_scores_average_to_zero_and_actions_have_the_covariance(sigma):
    n = 100_000
    mean = torch.tensor([1.0, -2.0, 0.5], dtype=torch.double).expand(n, D)
    actions = gaussian.sample_actions(mean, sigma, seed=3)
    for scores in (
        gaussian.score_of_mean(actions, mean, sigma),
        gaussian.score_of_covariance(actions, mean, sigma).flatten(1),
    ):
        z = scores.mean(0) / (scores.std(0) / n**0.5)
        assert z.abs().max() < 4.5
    assert torch.allclose(actions.T.cov(), sigma, atol=0.03 * float(sigma.max()))
    assert torch.equal(actions, gaussian.sample_actions(mean, sigma, seed=3))
    assert not torch.equal(actions, gaussian.sample_actions(mean, sigma, seed=4))


def test_the_gradient_of_a_quadratic_form_is_2ax_only_for_a_symmetric_matrix():
    generator = torch.Generator().manual_seed(4)
    matrix = torch.randn(D, D, generator=generator, dtype=torch.double)
    x = torch.randn(D, generator=generator, dtype=torch.double).requires_grad_()

    def by_autograd(a):
        (gradient,) = torch.autograd.grad(x @ a @ x, x)
        return gradient

    point, symmetric = x.detach(), matrix + matrix.T
    for a in (matrix, symmetric):
        assert torch.allclose(gaussian.quadratic_form_gradient(a, point), by_autograd(a))
    assert torch.allclose(by_autograd(symmetric), 2 * symmetric @ point)
    assert not torch.allclose(by_autograd(matrix), 2 * matrix @ point, atol=0.1)
    both = torch.stack([point, -point])
    found = gaussian.quadratic_form_gradient(matrix, both)
    assert torch.allclose(found[1], -found[0])


def test_the_dimension_is_that_of_the_action_space():
    assert gaussian.action_dimension(spaces.Box(-1, 1, (D,))) == D


# ----- bad input


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Discrete(4), r"Discrete\(4\), and a Gaussian.*softmax policy, such as `Agent`"),
        (spaces.MultiDiscrete([2, 3]), "softmax policy"),
        (spaces.Box(-1, 1, (2, 3)), "needs one vector"),
        (spaces.Box(-1, 1, ()), "needs one vector"),
        (spaces.Box(0, 3, (2,), dtype=np.int64), "floating-point"),
    ],
)
def test_actions_that_a_gaussian_cannot_draw_are_refused(space, message):
    with pytest.raises(ValueError, match=message):
        gaussian.action_dimension(space)


FUNCTIONS = ["log_probability", "score_of_mean", "score_of_covariance"]
EYE = torch.eye(2, dtype=torch.double)
ZERO = torch.zeros(3, 2, dtype=torch.double)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("actions", "mean", "sigma", "message"),
    [
        (ZERO, ZERO, EYE + torch.tensor([[0, 0.1], [0, 0]]), "not symmetric: .* by up to 0.1"),
        (ZERO, ZERO, torch.tensor([[1.0, 2], [2, 1]]).double(), "smallest eigenvalue is -1"),
        (ZERO, ZERO, 0 * EYE, "not positive definite: its smallest eigenvalue is 0"),
        (ZERO, ZERO, EYE * float("nan"), "the covariance has entries that are NaN"),
        (ZERO, ZERO, EYE[:1], r"the covariance has shape \(1, 2\); it must be a square matrix"),
        (ZERO, ZERO, EYE[0], r"the covariance has shape \(2,\); it must be a square matrix"),
        (ZERO, ZERO, torch.eye(3).double(), "do not belong together"),
        (ZERO, ZERO[:1], EYE, "do not belong together"),
        (ZERO * float("nan"), ZERO, EYE, "an action or a mean is NaN"),
        (ZERO, ZERO + float("inf"), EYE, "an action or a mean is NaN"),
    ],
)
def test_bad_gaussians(unchecked, function, actions, mean, sigma, message):
    with pytest.raises(ValueError, match=message):
        getattr(unchecked(gaussian), function)(actions, mean, sigma)


def test_rounding_is_not_asymmetry():
    off = EYE.clone()
    off[0, 1] = 1e-9
    gaussian.log_probability(ZERO, ZERO, off)


def test_other_bad_input(unchecked):
    raw = unchecked(gaussian)
    with pytest.raises(ValueError, match=r"the Jacobian has shape \(3, 1, 5\); actions of shape"):
        raw.score_of_parameters(ZERO, ZERO, EYE, torch.zeros(3, 1, 5).double())
    with pytest.raises(ValueError, match="the network has no parameters"):
        raw.mean_jacobian(nn.Tanh(), ZERO)
    with pytest.raises(ValueError, match="not positive definite"):
        raw.sample_actions(ZERO, -EYE, seed=0)
    with pytest.raises(ValueError, match=r"the matrix has shape \(1, 2\)"):
        raw.quadratic_form_gradient(EYE[:1], ZERO[0])
    with pytest.raises(ValueError, match="x has 2 entries, and the matrix 3 rows"):
        raw.quadratic_form_gradient(torch.eye(3).double(), ZERO)
