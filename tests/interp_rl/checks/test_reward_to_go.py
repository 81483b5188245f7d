"""The check of Exercise 3.2c passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.checks.section3 import check_reward_to_go


def backward(rewards, mask, discount):
    rewards = rewards * mask
    sums, following = [], torch.zeros(len(rewards))
    for column in reversed(rewards.unbind(1)):
        following = column + discount * following
        sums.insert(0, following)
    return torch.stack(sums, 1)


def by_powers(rewards, mask, discount):
    answer = torch.zeros(rewards.shape, dtype=torch.double)
    for row, time in mask.nonzero().tolist():
        for later in range(time, int(mask[row].sum())):
            answer[row, time] += discount ** (later - time) * rewards[row, later]
    return answer


def by_library(rewards, mask, discount):
    return pg.reward_to_go(pg.Episodes(rewards, mask), discount=discount)


@pytest.mark.parametrize("solution", [backward, by_powers, by_library])
def test_every_way_of_writing_reward_to_go_passes(solution):
    result = check_reward_to_go(solution)
    assert result.passed, result
    assert "what came after" in result.learned


def powers(rewards, discount):
    return discount ** torch.arange(rewards.shape[1])


WRONG = {
    "whole episode's return": lambda r, m, d: (r * m * powers(r, d)).sum(1, keepdim=True) * m,
    "rewards up to each step": lambda r, m, d: (r * m).cumsum(1) * m,
    "discounted rewards up to each step": lambda r, m, d: (
        backward((r * m).flip(1), torch.ones_like(m), d).flip(1) * m
    ),
    "values differ": lambda r, m, d: backward(r.clamp(min=0), m, d),
    "leave out the reward of the step itself": lambda r, m, d: backward(r, m, d) - r * m,
    "count in your sums. Set": lambda r, m, d: backward(r, torch.ones_like(m), d) * m,
    "and the padding is not 0": lambda r, m, d: backward(r, torch.ones_like(m), d),
    "from the start of the episode": lambda r, m, d: backward(r * powers(r, d), m, 1.0),
    "leave out the discount": lambda r, m, d: backward(r, m, 1.0),
    "discount the reward of the step itself": lambda r, m, d: backward(r, m, d) * d,
    "return the rewards themselves": lambda r, m, d: r * m,
    "one number for each episode": lambda r, m, d: backward(r, m, d)[:, 0],
    "in place": lambda r, m, d: backward(r.mul_(m), m, d),
    "wrong on discount 1": lambda r, m, d: backward(r, m, 0.5),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_reward_to_go(WRONG[message])
    assert not result.passed
    assert message in result.message
