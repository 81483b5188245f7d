"""Check of Exercise 2.5a: the fit of the position and the token signal."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, compare
from interp_rl.checks.hidden import generator


@check("2.5a", learned="Two slopes and a constant sum up what the S-inhibition heads tell.")
def check_fit_signals(fn: Student) -> None:
    """Checks Exercise 2.5a: the least-squares fit of a constant and two slopes.

    Args:
        fn: Your function `fit_signals(position, token, measured)`.
    """
    small = _example((1, 1, -1, -1, 0), (1, 0, 1, -1, 0), seed=1)
    compare(fn(*small), _fit(*small), _mistakes(*small))

    six = _example((1, 1, 1, -1, -1, -1), (1, 0, -1, 1, 0, -1), seed=2)
    many = _example((1, 1, 1, 1, 0, -1, -1, 0), (1, 1, 0, -1, 1, -1, 0, 0), seed=3)
    for inputs in (six, many):
        try:
            compare(fn(*inputs), _fit(*inputs), _mistakes(*inputs))
        except Wrong as wrong:
            wrong.message = (
                "Your function is right on 5 combinations and wrong on "
                f"{len(inputs[0])} others. Does it contain numbers or shapes of one example? "
                f"{wrong.message}"
            )
            raise


_Signals = tuple[
    Float[Tensor, " combination"], Float[Tensor, " combination"], Float[Tensor, " combination"]
]


def _example(position: tuple[int, ...], token: tuple[int, ...], seed: int) -> _Signals:
    """Agreements as given, with random logit differences that have one decimal."""
    draw_from = generator(seed)
    measured = torch.randint(-50, 51, (len(position),), generator=draw_from) / 10
    return torch.tensor(position).float(), torch.tensor(token).float(), measured


def _solve(columns: list[Tensor], measured: Tensor) -> Tensor:
    matrix = torch.stack(columns, dim=1).double()
    return torch.linalg.lstsq(matrix, measured.double()[:, None]).solution[:, 0]


def _fit(
    position: Float[Tensor, " combination"],
    token: Float[Tensor, " combination"],
    measured: Float[Tensor, " combination"],
) -> Float[Tensor, "3"]:
    return _solve([torch.ones_like(measured), position, token], measured)


def _mistakes(
    position: Float[Tensor, " combination"],
    token: Float[Tensor, " combination"],
    measured: Float[Tensor, " combination"],
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    position, token, measured = position.double(), token.double(), measured.double()
    one = torch.ones_like(measured)
    right = _fit(position, token, measured)
    no_constant = _solve([position, token], measured)
    alone = [_solve([one, signal], measured)[1] for signal in (position, token)]
    constant = measured.mean() - alone[0] * position.mean() - alone[1] * token.mean()
    centred = _solve([position, token], measured - measured.mean())
    first = _solve([one, position], measured)
    second = _solve([one, token], measured - first[1] * position)
    halves = [
        (measured[signal > 0].mean() - measured[signal < 0].mean()) / 2
        for signal in (position, token)
    ]
    products = [(signal * measured).sum() for signal in (position, token)]
    scaled = [p / s.square().sum() for p, s in zip(products, (position, token), strict=True)]
    fitted = right[0] + right[1] * position + right[2] * token
    return {
        "The order is wrong: you return the slopes first. Return the constant, the position slope "
        "and the token slope.": right.roll(-1),
        "The two slopes have changed places. The position slope comes second, the token slope "
        "third.": right[[0, 2, 1]],
        "You return the two slopes without the constant. It is the coefficient of the column of "
        "ones.": right[1:],
        "You fit without a constant, and so force the fit to 0 where both agreements are 0. Add a "
        "column of ones.": no_constant,
        "Your constant is 0: you fit the slopes without it. Add a column of ones.": torch.cat(
            [torch.zeros(1).double(), no_constant]
        ),
        "You fit the slopes without a constant, and take the mean as the constant afterwards. Fit "
        "all three together: add a column of ones.": torch.cat(
            [measured.mean()[None], no_constant]
        ),
        "You fit each slope by itself, as if there were no other signal. Where the agreements are "
        "correlated, one slope then takes a part of the other: fit all three together.": (
            torch.stack([measured.mean(), *alone])
        ),
        "You fit two lines, one for each signal, and the constant afterwards. Where the agreements "
        "are correlated, one slope then takes a part of the other: fit all three.": (
            torch.stack([constant, *alone])
        ),
        "You fit the position slope first, and the token slope to what is left. Where the "
        "agreements are correlated, the first slope takes a part of the second: fit all three "
        "together.": torch.stack([second[0], first[1], second[1]]),
        "You subtract the mean of the logit differences, and fit the slopes without a constant. "
        "The constant is that mean only where the agreements have mean 0: fit all three.": (
            torch.cat([measured.mean()[None], centred])
        ),
        "You take each slope as half the difference of two means, for agreements of 1 and -1. That "
        "is right only where the other signal is the same in both: fit all three together.": (
            torch.stack([measured.mean(), *halves])
        ),
        "You take each slope as a sum of products over a sum of squares. That is right only where "
        "the agreements have mean 0 and nothing to do with each other: fit all three together.": (
            torch.stack([measured.mean(), *scaled])
        ),
        "You do not divide the sums of products by anything. Solve the least-squares problem, "
        "`torch.linalg.lstsq`.": torch.stack([measured.mean(), *products]),
        "You return the fitted logit differences. Return the three coefficients.": fitted,
        "You return the errors of the fit. Return the three coefficients.": measured - fitted,
        "Your answer has a second axis of length one, left over from `lstsq`. Take its only "
        "column, `[:, 0]`.": right[:, None],
        "The signs are reversed.": -right,
    }
