"""The check of Exercise 3.2a passes every right answer and names what is wrong with the others."""
# ruff: noqa: N803  matrices have capitals

import pytest
import torch
from torch.distributions import MultivariateNormal

from interp_rl import policy_gradients as pg
from interp_rl.checks.section3 import check_gaussian_score


def through(jacobian, vectors):
    return torch.einsum("bdp,bd->bp", jacobian, vectors)


def by_solving(a, f, S, J):
    return through(J, torch.linalg.solve(S, (a - f).T).T)


def by_inverse(a, f, S, J):
    return ((a - f) @ torch.linalg.inv(S))[:, None].matmul(J)[:, 0]


def by_autograd(a, f, S, J):
    rows = []
    for action, mean, jacobian in zip(a, f, J, strict=True):
        theta = torch.zeros(J.shape[2], dtype=a.dtype, requires_grad=True)
        log_pi = MultivariateNormal(mean + jacobian @ theta, S).log_prob(action)
        rows.append(torch.autograd.grad(log_pi, theta)[0])
    return torch.stack(rows)


def by_autograd_of_all(a, f, S, J):
    """With a tensor of its own, of the kind that torch makes where nothing is said."""
    theta = torch.zeros(len(a), J.shape[2], requires_grad=True)
    mean = f + torch.einsum("bdp,bp->bd", J, theta)
    return torch.autograd.grad(MultivariateNormal(mean, S).log_prob(a).sum(), theta)[0]


@pytest.mark.parametrize(
    "solution",
    [by_solving, by_inverse, by_autograd, by_autograd_of_all, pg.gaussian.score_of_parameters],
)
def test_every_way_of_writing_the_score_passes(solution):
    result = check_gaussian_score(solution)
    assert result.passed, result
    assert "pulls the mean toward the action" in result.learned


def root(S):
    return torch.linalg.cholesky(S)


WRONG = {
    "sign is reversed": lambda a, f, S, J: -by_solving(a, f, S, J),
    "You multiply by the covariance": lambda a, f, S, J: through(J, (a - f) @ S),
    "variances on the diagonal": lambda a, f, S, J: through(J, (a - f) / S.diagonal()),
    "divide by standard deviations": lambda a, f, S, J: through(J, (a - f) / S.diagonal().sqrt()),
    "entry by entry": lambda a, f, S, J: through(J, (a - f) @ (1 / S)),
    "Cholesky factor": lambda a, f, S, J: through(J, torch.linalg.solve(root(S), (a - f).T).T),
    "leave out the covariance": lambda a, f, S, J: through(J, a - f),
    "keep the factor 1/2": lambda a, f, S, J: by_solving(a, f, S, J) / 2,
    "twice too large": lambda a, f, S, J: 2 * by_solving(a, f, S, J),
    "leave out the Jacobian": lambda a, f, S, J: torch.linalg.solve(S, (a - f).T).T,
    "sum over the batch": lambda a, f, S, J: by_solving(a, f, S, J).sum(0),
    "mean over the batch": lambda a, f, S, J: by_solving(a, f, S, J).mean(0),
    "actions as they are": lambda a, f, S, J: by_solving(a, 0 * f, S, J),
    "Jacobian of the first action": lambda a, f, S, J: by_solving(a, f, S, J[:1].expand_as(J)),
    "mean of the first action": lambda a, f, S, J: by_solving(a, f[:1], S, J),
    "shape": lambda a, f, S, J: by_solving(a, f, S, J)[..., None],
    "wrong on 3 actions": lambda a, f, S, J: by_solving(a[:, :2], f[:, :2], S[:2, :2], J[:, :2]),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_gaussian_score(WRONG[message])
    assert not result.passed
    assert message in result.message
