"""Check of Exercise 5b: a Shapley value from the worth of all coalitions."""

from math import factorial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, compare
from interp_rl.checks.hidden import generator, rescaled

Game = Float[Tensor, " coalition"]
"""Worth of each coalition; coalition c contains player i if bit i of c is set."""


@check("5b", learned="A token's share is what it adds, averaged over all orders of joining.")
def check_shapley_value(fn: Student) -> None:
    """Checks Exercise 5b: the average of what a player adds, over all orders.

    Args:
        fn: Your function `shapley_value(worth, player)`.
    """
    # 0 and 1 are worth more together, 2 by itself; thirds come out, which no rounding meets
    (worth,) = rescaled((torch.tensor([1.0, 1.6, 0.0, 5.0, 3.0, 4.5, 4.0, 9.4]),), 0)
    larger = torch.randn(32, generator=generator(3)) * 2
    for what, game, player in (
        ("player 1 of three", worth, 1),
        ("player 0 of three", worth, 0),
        ("player 2 of three", worth, 2),
        ("player 3 of five", larger, 3),
        ("player 2 of four", larger[:16], 2),
    ):
        try:
            compare(_as_tensor(fn(game, player)), _shapley(game, player), _mistakes(game, player))
        except Wrong as wrong:
            if what != "player 1 of three":
                wrong.message = (
                    f"Your function is right for player 1 of three, and wrong for {what}. "
                    f"{wrong.message}"
                )
            raise


def _as_tensor(answer: Any) -> Any:
    """A plain number is as good as a tensor of one."""
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        return torch.tensor(float(answer))
    if isinstance(answer, Tensor) and answer.shape == (1,):
        return answer[0]
    return answer


def _added(worth: Game, player: int) -> tuple[Float[Tensor, " other"], Int[Tensor, " other"], int]:
    """What the player adds to each coalition without it, their sizes, and how many players."""
    n = len(worth).bit_length() - 1
    numbers = [c for c in range(len(worth)) if not c >> player & 1]
    added = torch.stack([worth[c + 2**player] - worth[c] for c in numbers])
    return added, torch.tensor([c.bit_count() for c in numbers]), n


def _shapley(worth: Game, player: int) -> Float[Tensor, ""]:
    return _average(*_added(worth, player))


def _average(added: Tensor, sizes: Tensor, n: int) -> Float[Tensor, ""]:
    """The mean over all orders of what a player adds to the coalitions of these sizes."""
    orders = torch.tensor([factorial(int(s)) * factorial(n - 1 - int(s)) for s in sizes])
    return (added * orders / factorial(n)).sum()


def _mistakes(worth: Game, player: int) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    added, sizes, n = _added(worth, player)
    right = _shapley(worth, player)
    other_order = torch.stack(
        [worth[int(f"{c:0{n}b}"[::-1], 2)] for c in range(len(worth))]  # bits from the left
    )
    by_size = [added[sizes == size] for size in range(n)]
    ordered = torch.tensor([float(factorial(int(s))) for s in sizes])
    shifted = torch.tensor(
        [factorial(int(s)) * factorial(max(n - int(s) - 2, 0)) / factorial(n - 1) for s in sizes]
    )
    return {
        "You only take the player away from the full coalition. That misses what it adds to "
        "smaller ones: average over all orders of joining.": added[-1],
        "You only let the player join the empty coalition. Average over all orders of joining.": (
            added[0]
        ),
        "You average over coalitions, each counted once (a Banzhaf value). An order meets the "
        "empty and the full coalition more often than one of the middle: a coalition of s others "
        "counts s! (n - 1 - s)! of the n! orders.": added.mean(),
        "You add up what the player adds to each coalition, without weights. Weigh a coalition of "
        "s others by s! (n - 1 - s)! / n!.": added.sum(),
        "The sign is reversed: worth with the player minus worth without it.": -right,
        "You read the coalitions' numbers from the wrong end: player i is bit i, `c >> i & 1`.": (
            _shapley(other_order, player)
        ),
        "You leave out the empty coalition. Joining nobody counts, too: c = 0.": (
            right - added[0] / n
        ),
        "You leave out the coalition of all others, the last one that the player can join.": (
            right - added[-1] / n
        ),
        "You let the player join in one order only, 0, 1, 2 and so on. Average over all orders.": (
            added[2**player - 1]
        ),
        "You add up the sizes of what the player adds. Where it takes something away, that counts "
        "with its sign.": _average(added.abs(), sizes, n),
        "You divide what all players add together among them in equal parts. Each gets what it "
        "adds itself.": (worth[-1] - worth[0]) / n,
        "You return the values of all players. Return that of `player` alone.": torch.stack(
            [_shapley(worth, other) for other in range(n)]
        ),
        "You return the value of player 0, whatever `player` is.": _shapley(worth, 0),
        "You sum over the sizes and forget to divide by their number, n.": torch.stack(
            [part.mean() for part in by_size]
        ).sum(),
        "You average between joining the empty coalition and leaving the full one. The coalitions "
        "in between count too.": (added[0] + added[-1]) / 2,
        "Your weights lack (n - 1 - s)!: the orders in which the others join afterwards.": (
            (added * ordered).sum() / factorial(n)
        ),
        "Your weights are those of n - 1 players: with n players and s others present there are "
        "n - 1 - s to come.": (added * shifted).sum(),
        "You sum over the orders and forget to divide by their number, n!.": right * factorial(n),
        "You return the worth of the coalitions with the player, not what it adds.": torch.stack(
            [worth[c] for c in range(len(worth)) if c >> player & 1]
        ).mean(),
    }
