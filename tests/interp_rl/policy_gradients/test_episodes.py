"""What a batch of episodes keeps, and what it refuses."""

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.policy_gradients import episodes as module
from interp_rl.policy_gradients import estimators

NAN = float("nan")
ONES = torch.ones(2, 3)
SHORT = torch.tensor([[True, True, True], [True, False, False]])


def test_the_padding_is_cleared_whatever_stood_there():
    rewards = torch.tensor([[1.0, 2, 3], [4, NAN, NAN]])
    values = torch.tensor([[1.0, 2, 3, 4], [5, 6, NAN, NAN]])
    episodes = pg.Episodes(rewards, SHORT, torch.tensor([True, False]), values)
    assert episodes.rewards.tolist() == [[1, 2, 3], [4, 0, 0]]
    # the state after the last step was reached, so its value is kept
    assert episodes.values.tolist() == [[1, 2, 3, 4], [5, 6, 0, 0]]


def test_last_steps_and_which_states_have_a_future():
    episodes = pg.Episodes(ONES, SHORT, torch.tensor([True, False]))
    assert episodes.last.tolist() == [[False, False, True], [True, False, False]]
    assert episodes.bootstrapped.tolist() == [[True, True, False], [True, False, False]]


def test_left_out_all_steps_were_taken_and_every_episode_terminated():
    episodes = pg.Episodes(ONES)
    assert episodes.taken.all()
    assert episodes.terminated.tolist() == [True, True]


def test_whole_numbers_can_be_discounted(unchecked):
    """Reward-to-go of 1, 1, 1 with discount 1/2, and not the 1, 1, 1 of integer arithmetic."""
    episodes = unchecked(module).Episodes(torch.ones(1, 3, dtype=torch.long))
    rewards, last = torch.ones(1, 3, dtype=torch.long), episodes.last
    expected = torch.tensor([[1.75, 1.5, 1.0]])
    raw = unchecked(estimators)
    assert torch.equal(raw.discounted_sums(episodes.rewards, last, 0.5), expected)
    assert torch.equal(raw.discounted_sums(rewards, last, 0.5), expected)
    assert torch.equal(raw.start_discount(episodes, 0.5), torch.tensor([[1.0, 0.5, 0.25]]))


def test_double_precision_stays():
    assert pg.Episodes(torch.ones(2, 3, dtype=torch.double)).rewards.dtype == torch.double


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rewards": torch.ones(3)}, r"rewards have shape \(3,\); they need"),
        ({"rewards": torch.ones(0, 3)}, "an empty batch says nothing"),
        ({"rewards": torch.ones(2, 0)}, "an empty batch says nothing"),
        ({"mask": SHORT[:1]}, r"mask has shape \(1, 3\), and rewards ask for \(2, 3\)"),
        ({"mask": SHORT & False}, "2 of the episodes have no steps"),
        ({"mask": torch.tensor([[True, False, True]] * 2)}, "mask has holes"),
        (
            {"rewards": torch.tensor([[1, NAN, 2], [1, 2, float("inf")]])},
            "2 of the rewards are NaN",
        ),
        ({"terminated": torch.ones(3, dtype=torch.bool)}, r"terminated has shape \(3,\)"),
        ({"values": torch.ones(2, 4)}, "say in `terminated` how each episode ended"),
        (
            {"values": ONES, "terminated": torch.ones(2, dtype=torch.bool)},
            r"values has shape \(2, 3\), and rewards ask for \(2, 4\)",
        ),
        (
            {"values": torch.full((2, 4), NAN), "terminated": torch.ones(2, dtype=torch.bool)},
            "8 of the values are NaN",
        ),
    ],
)
def test_bad_batches(unchecked, arguments, message):
    with pytest.raises(ValueError, match=message):
        unchecked(module).Episodes(**{"rewards": ONES, **arguments})
