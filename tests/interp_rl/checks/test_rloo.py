"""The check of Exercise 4.2d passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.section4 import check_rloo_advantages


def by_sum(rewards, k):
    groups = rewards.view(-1, k)
    return (groups - (groups.sum(1, keepdim=True) - groups) / (k - 1)).flatten()


def by_factor(rewards, k):
    groups = rewards.reshape(-1, k).double()
    return ((groups - groups.mean(1, keepdim=True)) * k / (k - 1)).reshape(-1)


def by_loop(rewards, k):
    answer = []
    for start in range(0, len(rewards), k):
        group = rewards[start : start + k].tolist()
        for i, own in enumerate(group):
            others = group[:i] + group[i + 1 :]
            answer.append(own - sum(others) / len(others))
    return torch.tensor(answer)


def by_matrix(rewards, k):
    same = torch.arange(len(rewards)) // k
    weights = (same[:, None] == same).float().fill_diagonal_(0) / (k - 1)
    return rewards - weights @ rewards


@pytest.mark.parametrize("solution", [by_sum, by_factor, by_loop, by_matrix])
def test_every_way_of_leaving_one_out_passes(solution):
    result = check_rloo_advantages(solution)
    assert result.passed, result
    assert "other answers" in result.learned


def grouped(function):
    return lambda r, k: function(r.reshape(-1, k)).flatten()


WRONG = {
    "contains the response's own": grouped(lambda g: g - g.mean(1, keepdim=True)),
    "leave one out of the whole batch": lambda r, k: by_factor(r, len(r)),
    "mean of the whole batch": lambda r, k: r - r.mean(),
    "the prompt is the first axis": lambda r, k: (
        (r.reshape(k, -1) - r.reshape(k, -1).mean(0)) * k / (k - 1)
    ).flatten(),
    "a row holds neighbours": lambda r, k: by_sum(r, len(r) // k),
    "as GRPO does": grouped(lambda g: (g - g.mean(1, keepdim=True)) / g.std(1, keepdim=True)),
    "after leaving one out": lambda r, k: (
        by_sum(r, k).view(-1, k) / r.view(-1, k).std(1, keepdim=True)
    ).flatten(),
    "You return the baseline": lambda r, k: r - by_sum(r, k),
    "sign is reversed": lambda r, k: -by_sum(r, k),
    "by `n_per_prompt`": grouped(lambda g: g - (g.sum(1, keepdim=True) - g) / g.shape[1]),
    "still in your sum": grouped(lambda g: g - g.sum(1, keepdim=True) / (g.shape[1] - 1)),
    "subtract the sum of the others": grouped(lambda g: g - (g.sum(1, keepdim=True) - g)),
    "every response with the same reward": lambda r, k: torch.stack(
        [own - g[g != own].mean() for g in r.view(-1, k) for own in g]
    ),
    "mean over the prompts": grouped(lambda g: g - g.mean(0)),
    "best of the group": grouped(lambda g: g - g.amax(1, keepdim=True)),
    "row for each prompt": lambda r, k: by_sum(r, k).view(-1, k),
    "one number for each prompt": lambda r, k: r.view(-1, k).mean(1),
    "wrong on 6 prompts": lambda r, k: by_sum(r, 3) if k != 4 else by_sum(r, 4),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_rloo_advantages(WRONG[message])
    assert not result.passed
    assert message in result.message
