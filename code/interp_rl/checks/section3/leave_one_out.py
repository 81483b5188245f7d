"""Check of Exercise 3.2b: the leave-one-out baseline."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, check
from interp_rl.checks.hidden import generator
from interp_rl.checks.section3.examples import compare_on


@check("3.2b", learned="A baseline that leaves out the episode's own return causes no bias.")
def check_leave_one_out(fn: Student) -> None:
    """Checks Exercise 3.2b: returns minus the mean of the other episodes' returns.

    Args:
        fn: Your function `leave_one_out(returns)`.
    """
    examples = {f"{n} episodes": (_returns(n, seed=n),) for n in (4, 2, 7)}
    examples["episodes of which some have the same return"] = (
        torch.tensor([1.5, -2.0, 1.5, 4.0, 1.5, -2.0]),
    )
    examples["3 episodes with the same return"] = (torch.tensor([2.5, 2.5, 2.5]),)
    compare_on(fn, examples, _leave_one_out, _mistakes)


def _returns(n_episodes: int, *, seed: int) -> Float[Tensor, " episode"]:
    """Random returns with one decimal."""
    return torch.randint(-80, 81, (n_episodes,), generator=generator(seed)) / 10


def _leave_one_out(returns: Float[Tensor, " episode"]) -> Float[Tensor, " episode"]:
    n = len(returns)
    return (returns - returns.mean()) * n / (n - 1)


def _mistakes(returns: Float[Tensor, " episode"]) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    right, n, mean = _leave_one_out(returns), len(returns), returns.mean()
    others = returns - right
    previous = returns - returns.roll(1)
    rest = [torch.cat([returns[:i], returns[i + 1 :]]) for i in range(n)]
    median = torch.stack([part.median() for part in rest])
    middle = torch.stack([part.quantile(0.5) for part in rest])
    different = torch.stack([returns[returns != own].mean() for own in returns])
    return {
        "You subtract the mean of all returns, which contains the episode's own. That shrinks the "
        "expected gradient to (N-1)/N of the right one: take the mean of the others.": (
            returns - mean
        ),
        "You return the baseline. Subtract it from the returns.": others,
        "The sign is reversed: return minus baseline, so that better than the others is "
        "positive.": -right,
        "You divide the sum of the others by N. There are N-1 of them.": (
            returns - (returns.sum() - returns) / n
        ),
        "You divide by N-1, but the episode's own return is still in your sum.": (
            returns - returns.sum() / (n - 1)
        ),
        "You subtract the sum of the others. Divide it by their number, N-1.": (
            returns - (returns.sum() - returns)
        ),
        "You divide by the standard deviation too. The baseline is only subtracted.": (
            (returns - mean) / returns.std()
        ),
        "You divide by the standard deviation too, after subtracting the mean of all. Subtract the "
        "mean of the others, and no more.": (returns - mean) / returns.std(unbiased=False),
        "You subtract the return of one other episode. Take the mean of all the others.": previous,
        "You subtract the median of the others. Take their mean.": returns - median,
        "You subtract the median of the others, between the two middle values. Take their mean.": (
            returns - middle
        ),
        "You leave out every episode with the same return. Leave out the episode itself, by its "
        "place, and no other.": returns - different,
        "You return a single number. Each episode has its own baseline, without its own return.": (
            mean
        ),
    }
