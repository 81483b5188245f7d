"""The check of Exercise 3.2d passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.checks.section3 import check_gae


def sums(steps, factor):
    answer, following = [], 0.0
    for step in reversed(steps.tolist()):
        following = step + factor * following
        answer.insert(0, following)
    return torch.tensor(answer)


def errors(r, v, terminated, discount):
    after = v[1:].clone()
    if terminated:
        after[-1] = 0
    return r + discount * after - v[:-1]


def by_errors(r, v, terminated, discount, lam):
    return sums(errors(r, v, terminated, discount), discount * lam)


def by_library(r, v, terminated, discount, lam):
    ended = torch.tensor([terminated])
    episodes = pg.Episodes(r[None], terminated=ended, values=v[None])
    return pg.gae(episodes, discount=discount, lam=lam)[0]


def by_definition(r, v, terminated, discount, lam):
    """The sum that defines it, step by step."""
    answer = []
    for t in range(len(r)):
        total, factor = 0.0, 1.0
        for k in range(t, len(r)):
            last = terminated and k == len(r) - 1
            total += factor * (r[k] + (0 if last else discount * v[k + 1]) - v[k])
            factor *= discount * lam
        answer.append(total)
    return torch.stack(answer)


@pytest.mark.parametrize("solution", [by_errors, by_definition, by_library])
def test_every_way_of_writing_gae_passes(solution):
    result = check_gae(solution)
    assert result.passed, result
    assert "truncation" in result.learned


WRONG = {
    "although the episode terminated": lambda r, v, t, d, k: by_errors(r, v, False, d, k),
    "although the episode was truncated": lambda r, v, t, d, k: by_errors(r, v, True, d, k),
    "by `lam` alone": lambda r, v, t, d, k: sums(errors(r, v, t, d), k),
    "by `discount` alone": lambda r, v, t, d, k: sums(errors(r, v, t, d), d),
    "return the one-step errors": lambda r, v, t, d, k: errors(r, v, t, d),
    "next value is not discounted": lambda r, v, t, d, k: sums(errors(r, v, t, 1.0), d * k),
    "leave out the value of the current": lambda r, v, t, d, k: sums(
        errors(r, v, t, d) + v[:-1], d * k
    ),
    "targets for the critic": lambda r, v, t, d, k: by_errors(r, v, t, d, k) + v[:-1],
    "sign is reversed": lambda r, v, t, d, k: -by_errors(r, v, t, d, k),
    "up to each step": lambda r, v, t, d, k: sums(errors(r, v, t, d).flip(0), d * k).flip(0),
    "without the critic": lambda r, v, t, d, k: sums(r, d),
    "leave out the critic": lambda r, v, t, d, k: sums(r, d * k),
    "have changed places": lambda r, v, t, d, k: by_errors(r, v, t, k, d),
    "leave out the discount": lambda r, v, t, d, k: by_errors(r, v, t, 1.0, k),
    "every next value": lambda r, v, t, d, k: sums(
        r + d * v[1:] * (not t) - v[:-1],
        d * k,
    ),
    "1 step that terminates": lambda r, v, t, d, k: by_errors(r, v, t and len(r) > 1, d, k),
    "wrong on discount = 0": lambda r, v, t, d, k: by_errors(r, v, t, d or 0.99, k),
    "wrong on lam = 1": lambda r, v, t, d, k: by_errors(r, v, t, d, min(k, 0.8)),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_gae(WRONG[message])
    assert not result.passed
    assert message in result.message
