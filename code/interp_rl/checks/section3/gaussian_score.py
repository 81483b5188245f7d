"""Check of Exercise 3.2a: the score of a Gaussian policy."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, check
from interp_rl.checks.hidden import generator
from interp_rl.checks.section3.examples import compare_on


@check("3.2a", learned="The score pulls the mean toward the action, most where the noise is small.")
def check_gaussian_score(fn: Student) -> None:
    """Checks Exercise 3.2a: the gradient of the log-density in the parameters of the mean.

    Args:
        fn: Your function `gaussian_score(actions, mean, covariance, jacobian)`.
    """
    examples = {
        "2 actions of dimension 2, 3 parameters": _inputs(2, 2, 3, seed=1),
        "1 action of dimension 2, 2 parameters": _inputs(1, 2, 2, seed=3),
        "3 actions of dimension 3, 1 parameter": _inputs(3, 3, 1, seed=2),
    }
    compare_on(fn, examples, _score, _mistakes)


_Inputs = tuple[
    Float[Tensor, "batch dim"],
    Float[Tensor, "batch dim"],
    Float[Tensor, "dim dim"],
    Float[Tensor, "batch dim parameter"],
]


def _inputs(batch: int, dim: int, n_parameters: int, *, seed: int) -> _Inputs:
    """Random inputs with one decimal; the covariance has no zero."""
    draw_from = generator(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randint(-20, 21, shape, generator=draw_from) / 10

    factor = torch.eye(dim) + 0.5 * torch.ones(dim, dim).tril()
    covariance = factor @ torch.diag(torch.arange(1, dim + 1).float()) @ factor.T
    return draw(batch, dim), draw(batch, dim), covariance, draw(batch, dim, n_parameters)


def _through(jacobian: Tensor, vectors: Tensor) -> Float[Tensor, "batch parameter"]:
    """The transposed Jacobian times the vector, for each action."""
    return torch.einsum("bdp,bd->bp", jacobian, vectors)


def _score(
    actions: Tensor, mean: Tensor, covariance: Tensor, jacobian: Tensor
) -> Float[Tensor, "batch parameter"]:
    return _through(jacobian, torch.linalg.solve(covariance, (actions - mean).T).T)


def _mistakes(
    actions: Tensor, mean: Tensor, covariance: Tensor, jacobian: Tensor
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    right = _score(actions, mean, covariance, jacobian)
    difference = actions - mean
    variances = covariance.diagonal()
    solved = torch.linalg.solve(covariance, difference.T).T
    root = torch.linalg.cholesky(covariance)
    return {
        "The sign is reversed. The score points from the mean to the action, a - f: going along it "
        "makes the action more probable.": -right,
        "You multiply by the covariance. It is the inverse of the covariance that stands in the "
        "log-density: `torch.linalg.solve(covariance, x)`.": (
            _through(jacobian, difference @ covariance)
        ),
        "You divide by the variances on the diagonal alone. The inverse of a full covariance also "
        "mixes the dimensions.": _through(jacobian, difference / variances),
        "You divide by standard deviations. The inverse of the covariance has the variances in the "
        "denominator, and mixes the dimensions.": _through(jacobian, difference / variances.sqrt()),
        "You take the inverse entry by entry (`1 / covariance`). The inverse of a matrix is "
        "`torch.linalg.inv`, or better `torch.linalg.solve`.": (
            _through(jacobian, difference @ (1 / covariance))
        ),
        "You solve with the Cholesky factor alone, a root of the covariance. Solve with the "
        "covariance.": _through(jacobian, torch.linalg.solve(root, difference.T).T),
        "You leave out the covariance.": _through(jacobian, difference),
        "You keep the factor 1/2. The derivative of the square brings a factor 2, and the two "
        "cancel.": right / 2,
        "Your answer is twice too large. The factor 1/2 of the log-density cancels the 2 of the "
        "derivative.": 2 * right,
        "You leave out the Jacobian: this is the gradient with respect to the mean. The chain rule "
        "multiplies by the transposed Jacobian.": solved,
        "You take the actions as they are. Subtract the mean of the policy.": (
            _through(jacobian, torch.linalg.solve(covariance, actions.T).T)
        ),
        "You use the Jacobian of the first action for all actions. Each has its own.": (
            _through(jacobian[:1].expand_as(jacobian), solved)
        ),
        "You use the mean of the first action for all actions. Each has its own.": _score(
            actions, mean[:1].expand_as(mean), covariance, jacobian
        ),
        "You sum over the batch. Return one gradient for each action.": right.sum(0),
        "You take the mean over the batch. Return one gradient for each action.": right.mean(0),
    }
