"""The check of Exercise 4.2a passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.section4 import check_token_rewards


def by_index(scores, p, q, mask, beta):
    rewards = -beta * (p - q) * mask
    rows = torch.arange(len(scores))
    rewards[rows, mask.sum(1) - 1] += scores
    return rewards


def by_one_hot(scores, p, q, mask, beta):
    last = mask & ~torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], 1)
    return torch.where(mask, beta * (q - p), 0.0) + last * scores[:, None]


def by_loop(scores, p, q, mask, beta):
    rewards = torch.zeros_like(p)
    for i in range(len(scores)):
        n = int(mask[i].sum())
        for t in range(n):
            rewards[i, t] = beta * (q[i, t] - p[i, t])
        rewards[i, n - 1] += scores[i]
    return rewards


def by_cumsum(scores, p, q, mask, beta):
    tokens = mask.long()
    last = (tokens.cumsum(1) == tokens.sum(1, keepdim=True)) & mask
    return last.double() * scores[:, None] - beta * (p - q).masked_fill(~mask, 0)


@pytest.mark.parametrize("solution", [by_index, by_one_hot, by_loop, by_cumsum])
def test_every_way_of_writing_the_rewards_passes(solution):
    result = check_token_rewards(solution)
    assert result.passed, result
    assert "once" in result.learned


def paid(scores, mask, column):
    return (torch.arange(mask.shape[1]) == column[:, None]) * scores[:, None]


def at_end(s, m):
    return paid(s, m, m.sum(1) - 1)


def in_all_rows(scores, rewards, mask):
    rewards[:, mask.sum(1) - 1] += scores
    return rewards


WRONG = {
    "sign of the penalty": lambda s, p, q, m, b: at_end(s, m) + b * (p - q) * m,
    "stands in the last column": lambda s, p, q, m, b: (
        paid(s, m, torch.full((len(s),), m.shape[1] - 1)) - b * (p - q) * m
    ),
    "one place too late": lambda s, p, q, m, b: paid(s, m, m.sum(1)) - b * (p - q) * m,
    "one place too early": lambda s, p, q, m, b: paid(s, m, m.sum(1) - 2) - b * (p - q) * m,
    "where the first response ends": lambda s, p, q, m, b: (
        paid(s, m, m[0].sum().expand(len(s)) - 1) - b * (p - q) * m
    ),
    "score in all rows": lambda s, p, q, m, b: in_all_rows(s, -b * (p - q) * m, m),
    "divide the score among": lambda s, p, q, m, b: (s / m.sum(1))[:, None] * m - b * (p - q) * m,
    "range from -1 to 1": lambda s, p, q, m, b: by_index(s.clamp(-1, 1), p, q, m, b),
    "differ from the right ones": lambda s, p, q, m, b: by_index(s.clamp(min=0), p, q, m, b),
    "score at every token": lambda s, p, q, m, b: (s[:, None] - b * (p - q)) * m,
    "score at every column": lambda s, p, q, m, b: s[:, None] - b * (p - q) * m,
    "score at the first token": lambda s, p, q, m, b: (
        paid(s, m, torch.zeros(len(s))) - b * (p - q) * m
    ),
    "replaces the penalty": lambda s, p, q, m, b: torch.where(
        at_end(s, m) != 0, at_end(s, m), -b * (p - q) * m
    ),
    "leave out the penalty": lambda s, p, q, m, b: at_end(s, m),
    "No score is left in your answer": lambda s, p, q, m, b: -b * (p - q) * m,
    "leave out beta": lambda s, p, q, m, b: at_end(s, m) - (p - q) * m,
    "multiply the score by beta": lambda s, p, q, m, b: b * (at_end(s, m) - (p - q) * m),
    "padding is not 0: mask": lambda s, p, q, m, b: at_end(s, m) - b * (p - q),
    "padding is not 0, and the score": lambda s, p, q, m, b: (
        paid(s, m, torch.full((len(s),), m.shape[1] - 1)) - b * (p - q)
    ),
    "whole penalty at the last token": lambda s, p, q, m, b: at_end(
        s - b * ((p - q) * m).sum(1), m
    ),
    "mean penalty of its response": lambda s, p, q, m, b: (
        at_end(s, m) - b * m * (((p - q) * m).sum(1) / m.sum(1))[:, None]
    ),
    "size of the log-ratio": lambda s, p, q, m, b: at_end(s, m) - b * ((p - q) * m).abs(),
    "You penalise k3": lambda s, p, q, m, b: at_end(s, m) - b * ((q - p).exp() - 1 - (q - p)) * m,
    "difference of probabilities": lambda s, p, q, m, b: at_end(s, m) - b * (p.exp() - q.exp()) * m,
    "one number for each response": lambda s, p, q, m, b: s - b * ((p - q) * m).sum(1),
    "wrong on beta 0": lambda s, p, q, m, b: by_index(s, p, q, m, b or 0.1),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_token_rewards(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_an_index_behind_the_row_is_told_as_an_error():
    def one_too_late(s, p, q, m, b):
        rewards = -b * (p - q) * m
        rewards[torch.arange(len(s)), m.sum(1) + 1] += s
        return rewards

    result = check_token_rewards(one_too_late)
    assert "IndexError" in result.message
