"""The check of Exercise 3.2b passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.section3 import check_leave_one_out


def by_sum(returns):
    return returns - (returns.sum() - returns) / (len(returns) - 1)


def by_factor(returns):
    return (returns - returns.mean()) * len(returns) / (len(returns) - 1)


def by_loop(returns):
    answer = []
    for i, own in enumerate(returns):
        others = [value for j, value in enumerate(returns) if j != i]
        answer.append(own - sum(others) / len(others))
    return torch.stack(answer)


def by_matrix(returns):
    off = 1 - torch.eye(len(returns), dtype=torch.double)
    return returns.double() - off @ returns.double() / off.sum(1)


def by_place_of_value(returns):
    """Equal returns have equal baselines, so that it does not matter which of them is left out."""
    values = returns.tolist()
    answer = []
    for value in values:
        rest = values.copy()
        rest.remove(value)
        answer.append(value - sum(rest) / len(rest))
    return torch.tensor(answer)


@pytest.mark.parametrize("solution", [by_sum, by_factor, by_loop, by_matrix, by_place_of_value])
def test_every_way_of_leaving_one_out_passes(solution):
    result = check_leave_one_out(solution)
    assert result.passed, result
    assert "leaves out" in result.learned


def others(r):
    return [torch.cat([r[:i], r[i + 1 :]]) for i in range(len(r))]


WRONG = {
    "contains the episode's own": lambda r: r - r.mean(),
    "You return the baseline": lambda r: (r.sum() - r) / (len(r) - 1),
    "sign is reversed": lambda r: -by_sum(r),
    "sum of the others by N": lambda r: r - (r.sum() - r) / len(r),
    "still in your sum": lambda r: r - r.sum() / (len(r) - 1),
    "subtract the sum of the others": lambda r: r - (r.sum() - r),
    "divide by the standard deviation too. The baseline": lambda r: (r - r.mean()) / r.std(),
    "after subtracting the mean of all": lambda r: (r - r.mean()) / r.std(unbiased=False),
    "return of one other episode": lambda r: r - r.roll(1),
    "subtract the median of the others. ": lambda r: (
        r - torch.stack([o.median() for o in others(r)])
    ),
    "single number": lambda r: r.mean(),
    "wrong on 2 episodes": lambda r: by_sum(r) if len(r) > 2 else r - r.mean(),
    "every episode with the same return": lambda r: (
        r - torch.stack([r[r != own].mean() for own in r])
    ),
    "3 episodes with the same return": lambda r: (
        by_sum(r) if r.std() > 0 else (r - r.mean()) / r.std()
    ),
    "in place": lambda r: r.sub_(r.mean()),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_leave_one_out(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_the_median_between_two_middle_values_is_told_too():
    """On four episodes the others are three, so that it shows on no more than larger batches."""
    result = check_leave_one_out(lambda r: r - torch.stack([o.quantile(0.5) for o in others(r)]))
    assert not result.passed
    assert "median" in result.message
