"""Shapley values from their definition: exact, by enumeration, for a few players.

A game says what each coalition of players is worth. Here the players are the tokens of a text, and
a coalition is worth what a model gives for the text with all other tokens masked. The Shapley value
of a player is what it adds when it joins, on average over all orders in which the players can join
(Shapley 1953).

Owen values (Owen 1977) are averages over fewer orders: those in which the members of a group join
one after another, without anybody else in between. They are what the partition explainer of the
`shap` library computes, and they differ from Shapley values as soon as tokens of two groups depend
on each other.
"""

import math
from collections.abc import Callable, Iterator
from itertools import permutations, product
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Coalitions = Bool[Tensor, "coalition player"]
"""Which players belong to each coalition."""

Game = Callable[[Coalitions], Float[Tensor, "coalition output"]]
"""What each coalition is worth: one number for each output, such as each class."""

Groups = int | tuple[Any, Any]
"""A tree of groups: a player, or a pair of trees; `((0, 1), 2)` has the group of 0 and 1."""

MOST_PLAYERS = 15
"""Most players for which all coalitions are enumerated: 15 players have 32,768 of them."""

MOST_ORDERED = 7
"""Most players for which all orders are enumerated: 7 players have 5,040 of them."""


class TooManyPlayersError(ValueError):
    """A text has more tokens than exact enumeration can bear."""


def all_coalitions(n_players: int) -> Coalitions:
    """Every coalition; coalition c contains player i if bit i of the number c is set.

    Args:
        n_players: Number of players.

    Returns:
        One row for each of the 2^n coalitions, the empty one first and that of all players last.

    Raises:
        ValueError: If there is no player.
        TooManyPlayersError: If there are more than `MOST_PLAYERS`.
    """
    _checked(n_players, MOST_PLAYERS, 2**n_players, "coalitions")
    numbers = torch.arange(2**n_players)
    return (numbers[:, None] >> torch.arange(n_players) & 1).bool()


def exact_shapley(game: Game, n_players: int) -> Float[Tensor, "player output"]:
    """Shapley values of all players, from the worth of all coalitions.

    Args:
        game: What each coalition is worth.
        n_players: Number of players.

    Returns:
        For each player and output, what the player adds when it joins, averaged over all orders of
        joining; in the unit of the game. Over the players they sum to the worth of all players
        minus that of none.

    Raises:
        ValueError: If there is no player, or the game is worth NaN or infinity to a coalition.
        TooManyPlayersError: If there are more than `MOST_PLAYERS`.
    """
    members = all_coalitions(n_players)
    worth = _worth(game, members)
    # a coalition of s players is what a player finds in s! (n-1-s)! of the n! orders
    orders = torch.tensor(
        [math.factorial(s) * math.factorial(n_players - 1 - s) for s in range(n_players)],
        dtype=torch.double,
    ) / math.factorial(n_players)
    values = []
    for player in range(n_players):
        without = ~members[:, player]
        numbers = without.nonzero().flatten()
        weight = orders[members[without].sum(1)]
        added = worth[numbers + 2**player] - worth[numbers]
        values.append(weight @ added)
    return torch.stack(values)


def shapley_by_orders(game: Game, n_players: int) -> Float[Tensor, "player output"]:
    """Shapley values as they are explained: every order of joining, one after another.

    Args:
        game: What each coalition is worth.
        n_players: Number of players.

    Returns:
        What `exact_shapley` returns, more slowly.

    Raises:
        ValueError: If there is no player, or the game is worth NaN or infinity to a coalition.
        TooManyPlayersError: If there are more than `MOST_ORDERED`.
    """
    _checked(n_players, MOST_ORDERED, math.factorial(n_players), "orders")
    worth = _worth(game, all_coalitions(n_players))
    values = torch.zeros(n_players, worth.shape[1], dtype=torch.double)
    for order in permutations(range(n_players)):
        present = 0  # the coalition, as a number
        for player in order:
            values[player] += worth[present + 2**player] - worth[present]
            present += 2**player
    return values / math.factorial(n_players)


def owen_values(game: Game, groups: Groups) -> Float[Tensor, "player output"]:
    """Owen values for a tree of groups: what SHAP's partition explainer computes.

    On the way from the root to a player, each pair of groups is present or absent as a whole: the
    player's own group is split further, and its sibling is in or out. The value is what the player
    adds, averaged over all these cases.

    Args:
        game: What each coalition is worth.
        groups: A binary tree with each of the players 0, 1, ... once among its leaves.

    Returns:
        For each player and output its value; over the players they sum to the worth of all players
        minus that of none, as Shapley values do.

    Raises:
        ValueError: If the leaves are not the players 0, 1, ..., or the game is worth NaN or
            infinity to a coalition.
    """
    siblings = dict(_siblings(groups, []))
    n_players = len(siblings)
    if sorted(siblings) != list(range(n_players)):
        raise ValueError(f"the leaves of {groups} are not the players 0 to n-1, each once")
    values = []
    for player in range(n_players):
        cases = list(product([False, True], repeat=len(siblings[player])))
        before = torch.zeros(len(cases), n_players, dtype=torch.bool)
        for row, present in enumerate(cases):
            for is_in, group in zip(present, siblings[player], strict=True):
                before[row, group] = is_in
        after = before.clone()
        after[:, player] = True
        worth = _worth(game, torch.cat([before, after]))
        values.append((worth[len(cases) :] - worth[: len(cases)]).mean(0))
    return torch.stack(values)


def _siblings(groups: Groups, path: list[list[int]]) -> Iterator[tuple[int, list[list[int]]]]:
    """For each leaf, the groups that stand beside it on the way from the root."""
    if isinstance(groups, int):
        yield groups, path
        return
    left, right = groups
    yield from _siblings(left, [*path, _leaves(right)])
    yield from _siblings(right, [*path, _leaves(left)])


def _leaves(groups: Groups) -> list[int]:
    if isinstance(groups, int):
        return [groups]
    return [leaf for part in groups for leaf in _leaves(part)]


def _worth(game: Game, members: Coalitions) -> Float[Tensor, "coalition output"]:
    worth = game(members).double()
    if worth.ndim != 2 or len(worth) != len(members):
        raise ValueError(
            f"the game returned shape {tuple(worth.shape)} for {len(members)} coalitions; it "
            "should be (coalition, output)"
        )
    if not worth.isfinite().all():
        bad = int((~worth.isfinite()).any(1).sum())
        raise ValueError(
            f"{bad} of {len(worth)} coalitions are worth NaN or infinity; "
            "log odds are infinite where a probability is 0 or 1"
        )
    return worth


def _checked(n_players: int, most: int, number: int, of_what: str) -> None:
    if n_players < 1:
        raise ValueError("there are no players: the text has no tokens")
    if n_players > most:
        raise TooManyPlayersError(
            f"{n_players} tokens have {number:,} {of_what}; exact enumeration goes up to {most} "
            "tokens. Shorten the text, or estimate with text_shap.explain(..., "
            'method="permutation").'
        )
