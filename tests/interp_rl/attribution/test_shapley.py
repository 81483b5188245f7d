"""Shapley values: the four axioms that determine them, and the two ways of writing them down."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp_rl.attribution import (
    TooManyPlayersError,
    all_coalitions,
    exact_shapley,
    owen_values,
    shapley_by_orders,
)
from interp_rl.attribution.shapley import MOST_ORDERED, MOST_PLAYERS


def number_of(members):
    return (members * 2 ** torch.arange(members.shape[1])).sum(1)


def random_game(n_players, seed, outputs=2):
    table = torch.randn(2**n_players, outputs, generator=torch.Generator().manual_seed(seed))
    return lambda members: table[number_of(members)].double()


def glove(members):
    """Players 0 and 1 have a left glove, player 2 a right one; a pair is worth 1."""
    return ((members[:, 0] | members[:, 1]) & members[:, 2]).double()[:, None]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_efficiency_the_values_sum_to_the_worth_of_all_minus_that_of_none(n, seed):
    game = random_game(n, seed)
    ends = game(torch.tensor([[False] * n, [True] * n]))
    assert torch.allclose(exact_shapley(game, n).sum(0), ends[1] - ends[0])


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_symmetry_players_who_add_the_same_get_the_same(n, seed):
    game = random_game(n, seed)

    def symmetric(members):
        swapped = members.clone()
        swapped[:, :2] = members[:, :2].flip(1)
        return game(members) + game(swapped)

    values = exact_shapley(symmetric, n)
    assert torch.allclose(values[0], values[1])


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_dummy_a_player_who_adds_nothing_gets_nothing(n, seed):
    game = random_game(n - 1, seed)
    values = exact_shapley(lambda members: game(members[:, 1:]), n)
    assert values[0].abs().max() < 1e-12
    assert torch.allclose(values[1:], exact_shapley(game, n - 1)), "and changes nobody's value"


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1000), st.floats(-3, 3))
def test_additivity_values_of_a_sum_of_games_are_sums_of_values(n, seed, factor):
    one, other = random_game(n, seed), random_game(n, seed + 1)
    together = exact_shapley(lambda members: one(members) + factor * other(members), n)
    assert torch.allclose(together, exact_shapley(one, n) + factor * exact_shapley(other, n))


def test_the_glove_game_has_its_textbook_values():
    expected = torch.tensor([[1 / 6], [1 / 6], [4 / 6]], dtype=torch.double)
    assert torch.allclose(exact_shapley(glove, 3), expected)


@pytest.mark.parametrize("n", range(1, MOST_ORDERED + 1))
def test_the_sum_over_coalitions_is_the_average_over_orders(n):
    game = random_game(n, 7)
    assert torch.allclose(exact_shapley(game, n), shapley_by_orders(game, n))


def test_coalitions_are_numbered_by_their_members():
    members = all_coalitions(3)
    assert number_of(members).tolist() == list(range(8))
    assert not members[0].any() and members[-1].all()


# ----- Owen values


def test_owen_values_with_two_players_or_without_interaction_across_groups_are_shapley_values():
    game = random_game(2, 0)
    assert torch.allclose(owen_values(game, (0, 1)), exact_shapley(game, 2))
    inside = random_game(2, 1)

    def apart(members):
        return inside(members[:, :2]) + inside(members[:, 2:])

    assert torch.allclose(owen_values(apart, ((0, 1), (2, 3))), exact_shapley(apart, 4))


def test_owen_values_differ_where_groups_depend_on_each_other():
    """With both left gloves in one group, the group counts as one player and gets half."""
    expected = torch.tensor([[1 / 4], [1 / 4], [1 / 2]], dtype=torch.double)
    found = owen_values(glove, ((0, 1), 2))
    assert torch.allclose(found, expected)
    assert (found - exact_shapley(glove, 3)).abs().max() > 0.1


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_owen_values_are_efficient_too(seed):
    game = random_game(5, seed)
    ends = game(torch.tensor([[False] * 5, [True] * 5]))
    assert torch.allclose(owen_values(game, (((0, 1), 2), (3, 4))).sum(0), ends[1] - ends[0])


def test_leaves_that_are_not_the_players_are_refused():
    with pytest.raises(ValueError, match="not the players 0 to n-1"):
        owen_values(glove, ((0, 0), 2))


# ----- bad input


def test_too_many_players_are_told_what_to_do():
    with pytest.raises(
        TooManyPlayersError, match=r'16 tokens have 65,536 coalitions.*"permutation"'
    ):
        exact_shapley(glove, MOST_PLAYERS + 1)
    with pytest.raises(TooManyPlayersError, match="8 tokens have 40,320 orders"):
        shapley_by_orders(glove, MOST_ORDERED + 1)


def test_no_players_are_refused():
    with pytest.raises(ValueError, match="no players"):
        exact_shapley(glove, 0)


def test_a_game_worth_infinity_is_refused():
    with pytest.raises(ValueError, match=r"NaN or infinity.*log odds"):
        exact_shapley(lambda members: torch.full((len(members), 1), torch.inf), 2)


def test_a_game_with_a_wrong_shape_is_refused():
    with pytest.raises(Exception, match=r"shape|Shape"):
        exact_shapley(lambda members: torch.zeros(len(members) + 1, 1), 2)
