"""The check of Exercise 5b passes every right answer and names what is wrong with the others."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
import torch

from interp_rl.attribution import exact_shapley
from interp_rl.checks.section5 import check_shapley_value


def players(worth):
    return len(worth).bit_length() - 1


def others(worth, player):
    return [c for c in range(len(worth)) if not c >> player & 1]


def by_orders(worth, player):
    n, total = players(worth), 0.0
    for order in permutations(range(n)):
        before = sum(2**other for other in order[: order.index(player)])
        total = total + worth[before + 2**player] - worth[before]
    return total / factorial(n)


def by_coalitions(worth, player):
    n, total = players(worth), 0.0
    for c in others(worth, player):
        s = bin(c).count("1")
        weight = factorial(s) * factorial(n - 1 - s) / factorial(n)
        total += weight * float(worth[c + 2**player] - worth[c])
    return total


def by_sizes(worth, player):
    n = players(worth)
    means = []
    for size in range(n):
        added = [
            worth[c + 2**player] - worth[c] for c in others(worth, player) if c.bit_count() == size
        ]
        means.append(torch.stack(added).mean())
    return torch.stack(means).mean()


def by_numpy(worth, player):
    table, n = worth.numpy(), players(worth)
    c = np.array(others(worth, player))
    sizes = [bin(int(x)).count("1") for x in c]
    weights = np.array([factorial(s) * factorial(n - 1 - s) / factorial(n) for s in sizes])
    return torch.tensor((weights * (table[c | 1 << player] - table[c])).sum())


def by_library(worth, player):
    def game(members):
        return worth[(members * 2 ** torch.arange(members.shape[1])).sum(1)][:, None]

    return exact_shapley(game, players(worth))[player]


@pytest.mark.parametrize("solution", [by_orders, by_coalitions, by_sizes, by_numpy, by_library])
def test_every_right_way_passes(solution):
    result = check_shapley_value(solution)
    assert result.passed, result
    assert "orders" in result.learned


def added(worth, player):
    return torch.stack([worth[c + 2**player] - worth[c] for c in others(worth, player)])


def weights(worth, player, rule):
    n = players(worth)
    found = [rule(c.bit_count(), n) for c in others(worth, player)]
    return torch.tensor(found)


def from_the_left(worth, player):
    n = players(worth)
    order = [int(f"{c:0{n}b}"[::-1], 2) for c in range(len(worth))]
    return by_coalitions(worth[order], player)


WRONG = {
    "only take the player away": lambda w, p: added(w, p)[-1],
    "only let the player join": lambda w, p: added(w, p)[0],
    "Banzhaf": lambda w, p: added(w, p).mean(),
    "without weights": lambda w, p: added(w, p).sum(),
    "sign is reversed": lambda w, p: -by_sizes(w, p),
    "wrong end": from_the_left,
    "divide by their number, n.": lambda w, p: by_sizes(w, p) * players(w),
    "between joining the empty": lambda w, p: (added(w, p)[0] + added(w, p)[-1]) / 2,
    "lack (n - 1 - s)!": lambda w, p: (
        added(w, p) * weights(w, p, lambda s, n: factorial(s) / factorial(n))
    ).sum(),
    "those of n - 1 players": lambda w, p: (
        added(w, p)
        * weights(w, p, lambda s, n: factorial(s) * factorial(max(n - s - 2, 0)) / factorial(n - 1))
    ).sum(),
    "their number, n!": lambda w, p: by_sizes(w, p) * factorial(players(w)),
    "worth of the coalitions with": lambda w, p: torch.stack(
        [w[c] for c in range(len(w)) if c >> p & 1]
    ).mean(),
    "You leave out the empty coalition": lambda w, p: by_sizes(w, p) - added(w, p)[0] / players(w),
    "the coalition of all others": lambda w, p: by_sizes(w, p) - added(w, p)[-1] / players(w),
    "in one order only": lambda w, p: w[2 ** (p + 1) - 1] - w[2**p - 1],
    "with its sign": lambda w, p: (
        added(w, p).abs()
        * weights(w, p, lambda s, n: factorial(s) * factorial(n - 1 - s) / factorial(n))
    ).sum(),
    "in equal parts": lambda w, p: (w[-1] - w[0]) / players(w),
    "values of all players": lambda w, p: torch.stack([by_sizes(w, i) for i in range(players(w))]),
    "Your value differs": lambda w, p: round(by_coalitions(w, p), 2),
    "value differs from": lambda w, p: int(by_coalitions(w, p)),
    "wrong for player 2 of four": lambda w, p: by_sizes(w, p) * {3: 1.0, 5: 1.0}.get(players(w), 2),
    "whatever `player` is": lambda w, p: by_sizes(w, 0),
    "right for player 1 of three, and wrong for player 2": lambda w, p: (
        by_sizes(w, p) if p < 2 else added(w, p).mean() + 1
    ),
    "returns None": lambda w, p: None,
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_shapley_value(WRONG[message])
    assert not result.passed
    assert message in result.message
