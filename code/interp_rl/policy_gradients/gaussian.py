r"""A Gaussian policy N(f_theta(s), Sigma) with a full covariance, and its score in closed form.

With actions of dimension d,

.. math:: \log \pi_\theta(a|s) = -\tfrac12 (a-f)^\top \Sigma^{-1} (a-f)
   - \tfrac12 \log\det\Sigma - \tfrac d2 \log 2\pi

The last two terms are added to the quadratic form, outside of it; they do not depend on theta, so
that only the quadratic form has a gradient: :math:`(\partial f/\partial\theta)^\top
\Sigma^{-1}(a-f)`. The derivative uses that the inverse of a covariance is symmetric, see
`quadratic_form_gradient`.
"""

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

if TYPE_CHECKING:
    import gymnasium


def action_dimension(space: "gymnasium.Space") -> int:
    """How many entries an action of this space has, for the mean and covariance of a policy.

    A Gaussian has no bounds: clip what it draws to those of the space before a step, and keep the
    action as drawn for its log-probability.

    Args:
        space: Gymnasium's action space of the environment.

    Returns:
        The dimension d.

    Raises:
        ValueError: If the actions are not vectors of real numbers.
    """
    from gymnasium import spaces  # here, as nothing else of this module needs it

    if not isinstance(space, spaces.Box):
        raise ValueError(
            f"the actions are {space}, and a Gaussian policy draws vectors of real numbers. For a "
            "choice among finitely many actions you need a softmax policy, such as `Agent`; for "
            "the lander's continuous version, make it with continuous=True"
        )
    if len(space.shape) != 1 or not len(space.low) or space.dtype.kind != "f":
        raise ValueError(
            f"the actions are {space}; a Gaussian policy needs one vector of floating-point numbers"
        )
    return int(space.shape[0])


def log_probability(
    actions: Float[Tensor, "*batch dim"],
    mean: Float[Tensor, "*batch dim"],
    covariance: Float[Tensor, "dim dim"],
) -> Float[Tensor, "*batch"]:
    """Logarithm of the policy's probability density, in nats.

    Args:
        actions: The actions a.
        mean: The policy's mean f(s) for each.
        covariance: Sigma, shared by all.

    Returns:
        One number per action; it may be positive, being a density's.

    Raises:
        ValueError: If shapes do not match, actions or mean are not finite, or the covariance is not
            finite, symmetric and positive definite.
    """
    factor = _cholesky(covariance)
    difference = _difference(actions, mean, covariance)
    quadratic = (difference * _solve(factor, difference)).sum(-1)
    log_determinant = 2 * factor.diagonal().log().sum()
    return -0.5 * (quadratic + log_determinant + len(covariance) * math.log(2 * math.pi))


def score_of_mean(
    actions: Float[Tensor, "*batch dim"],
    mean: Float[Tensor, "*batch dim"],
    covariance: Float[Tensor, "dim dim"],
) -> Float[Tensor, "*batch dim"]:
    r"""The gradient of the log-probability with respect to the mean: :math:`\Sigma^{-1}(a-f)`.

    Args:
        actions: The actions a.
        mean: The policy's mean f(s) for each.
        covariance: Sigma, shared by all.

    Returns:
        One vector per action; it points the way the mean moves to make the action more probable.

    Raises:
        ValueError: As `log_probability`.
    """
    factor = _cholesky(covariance)
    return _solve(factor, _difference(actions, mean, covariance))


def score_of_covariance(
    actions: Float[Tensor, "*batch dim"],
    mean: Float[Tensor, "*batch dim"],
    covariance: Float[Tensor, "dim dim"],
) -> Float[Tensor, "*batch dim dim"]:
    r"""The gradient of the log-probability with respect to the covariance.

    .. math:: \tfrac12 \left(\Sigma^{-1}(a-f)(a-f)^\top\Sigma^{-1} - \Sigma^{-1}\right)

    with the entries above and below the diagonal counted as different numbers.

    Args:
        actions: The actions a.
        mean: The policy's mean f(s) for each.
        covariance: Sigma, shared by all.

    Returns:
        One symmetric matrix per action; its expectation under the policy is zero.

    Raises:
        ValueError: As `log_probability`.
    """
    scaled = score_of_mean(actions, mean, covariance)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
    return 0.5 * (scaled[..., :, None] * scaled[..., None, :] - inverse)


def score_of_parameters(
    actions: Float[Tensor, "*batch dim"],
    mean: Float[Tensor, "*batch dim"],
    covariance: Float[Tensor, "dim dim"],
    jacobian: Float[Tensor, "*batch dim parameter"],
) -> Float[Tensor, "*batch parameter"]:
    r"""The gradient of the log-probability with respect to the parameters theta of the mean.

    .. math:: (\partial f/\partial\theta)^\top \Sigma^{-1} (a-f)

    Args:
        actions: The actions a.
        mean: The policy's mean f(s) for each.
        covariance: Sigma, shared by all.
        jacobian: The derivative of each mean with respect to each parameter, see `mean_jacobian`.

    Returns:
        One gradient per action.

    Raises:
        ValueError: As `log_probability`, or if the Jacobian does not belong to the actions.
    """
    if jacobian.shape[:-1] != actions.shape:
        raise ValueError(
            f"the Jacobian has shape {tuple(jacobian.shape)}; actions of shape "
            f"{tuple(actions.shape)} need {tuple(actions.shape)} and the parameters"
        )
    scaled = score_of_mean(actions, mean, covariance)
    return (jacobian * scaled[..., None]).sum(-2)


def mean_jacobian(
    network: nn.Module, states: Float[Tensor, "batch feature"]
) -> Float[Tensor, "batch dim parameter"]:
    """The derivative of the network's output with respect to its parameters, state by state.

    Args:
        network: f_theta, from a state's features to the mean action.
        states: The states.

    Returns:
        The Jacobians; the parameters in the order of ``network.parameters()``, each flattened.

    Raises:
        ValueError: If the network has no parameters.
    """
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    if not parameters:
        raise ValueError("the network has no parameters, so there is nothing to differentiate")

    def mean(values: dict[str, Tensor], state: Tensor) -> Tensor:
        return torch.func.functional_call(network, values, (state[None],))[0]

    per_state = torch.func.vmap(torch.func.jacrev(mean), in_dims=(None, 0))(parameters, states)
    return torch.cat([per_state[name].flatten(2) for name in parameters], -1)


def sample_actions(
    mean: Float[Tensor, "*batch dim"],
    covariance: Float[Tensor, "dim dim"],
    *,
    seed: int | torch.Generator,
) -> Float[Tensor, "*batch dim"]:
    """Actions drawn from the policy.

    Args:
        mean: The policy's mean f(s), one per action.
        covariance: Sigma, shared by all.
        seed: Seed, or a generator to go on with.

    Returns:
        One action per mean, without a gradient.

    Raises:
        ValueError: As `log_probability`.
    """
    factor = _cholesky(covariance)
    _difference(mean, mean, covariance)
    generator = torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
    return (mean + noise @ factor.T).detach()


def quadratic_form_gradient(
    matrix: Float[Tensor, "dim dim"], x: Float[Tensor, "*batch dim"]
) -> Float[Tensor, "*batch dim"]:
    r"""The gradient of :math:`x^\top A x`: it is :math:`(A+A^\top)x`, for a symmetric A so 2Ax.

    Args:
        matrix: Any square matrix A.
        x: The point.

    Returns:
        The gradient at each point.

    Raises:
        ValueError: If the matrix is not square or does not fit x.
    """
    _square("the matrix", matrix)
    if x.shape[-1] != len(matrix):
        raise ValueError(f"x has {x.shape[-1]} entries, and the matrix {len(matrix)} rows")
    return x @ (matrix + matrix.T).T


def _solve(factor: Tensor, vectors: Tensor) -> Tensor:
    """Sigma^-1 times each vector, without the inverse."""
    columns = vectors.reshape(-1, len(factor)).T
    return torch.cholesky_solve(columns, factor).T.reshape(vectors.shape)


def _difference(actions: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    if actions.shape != mean.shape or actions.shape[-1:] != covariance.shape[-1:]:
        raise ValueError(
            f"actions of shape {tuple(actions.shape)}, a mean of shape {tuple(mean.shape)} and a "
            f"covariance of shape {tuple(covariance.shape)} do not belong together"
        )
    if not (actions.isfinite().all() and mean.isfinite().all()):
        raise ValueError("an action or a mean is NaN or infinite")
    return actions - mean


def _cholesky(covariance: Tensor) -> Tensor:
    """The lower factor L with L L^T = Sigma, after checking that Sigma is a covariance."""
    _square("the covariance", covariance)
    if not covariance.isfinite().all():
        raise ValueError("the covariance has entries that are NaN or infinite")
    asymmetry = float((covariance - covariance.T).abs().max())
    # rounding may differ by a few units in the last place on the two sides of the diagonal
    if asymmetry > 1e-6 * float(covariance.abs().max()):
        raise ValueError(
            f"the covariance is not symmetric: entries across the diagonal differ by up to "
            f"{asymmetry:.3g}"
        )
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if failed:
        smallest = float(torch.linalg.eigvalsh(covariance.detach()).min())
        raise ValueError(
            f"the covariance is not positive definite: its smallest eigenvalue is {smallest:.3g}"
        )
    return factor


def _square(name: str, matrix: Tensor) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ValueError(f"{name} has shape {tuple(matrix.shape)}; it must be a square matrix")
