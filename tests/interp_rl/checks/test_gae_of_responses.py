"""The check of Exercise 4.2b passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl import policy_gradients as pg
from interp_rl.checks.section4 import check_gae


def sums(errors, factor):
    answer, following = torch.zeros_like(errors), torch.zeros_like(errors[:, 0])
    for t in reversed(range(errors.shape[1])):
        following = errors[:, t] + factor * following
        answer[:, t] = following
    return answer


def after(values):
    return torch.nn.functional.pad(values, (0, 1))[:, 1:]


def by_masked_inputs(r, v, m, d, k):
    r, v = r * m, v * m
    return sums(r + d * after(v) - v, d * k)


def by_where(r, v, m, d, k):
    following = torch.where(after(m * 1).bool(), after(v), 0.0)
    return sums(torch.where(m, r + d * following - v, 0.0), d * k)


def by_response(r, v, m, d, k):
    answer = torch.zeros_like(r)
    for i, n in enumerate(m.sum(1).tolist()):
        following = next_value = 0.0
        for t in range(n - 1, -1, -1):
            following = r[i, t] + d * next_value - v[i, t] + d * k * following
            next_value, answer[i, t] = v[i, t], following
    return answer


def by_library_of_section_3(r, v, m, d, k):
    """Its episodes all end here, and padding is what follows the first one that is not taken."""
    rows = []
    for i, n in enumerate(m.sum(1).tolist()):
        values = torch.cat([v[i, :n], torch.zeros(1)])
        episode = pg.Episodes(
            r[i : i + 1, :n], terminated=torch.tensor([True]), values=values[None]
        )
        advantages = pg.gae(episode, discount=d, lam=k)[0]
        rows.append(torch.nn.functional.pad(advantages, (0, m.shape[1] - n)))
    return torch.stack(rows)


@pytest.mark.parametrize(
    "solution", [by_masked_inputs, by_where, by_response, by_library_of_section_3]
)
def test_every_way_of_writing_gae_passes(solution):
    result = check_gae(solution)
    assert result.passed, result
    assert "padding" in result.learned


def whitened(a, m):
    mean = a[m].mean()
    return (a - mean) / (a[m].var(unbiased=False) + 1e-8).sqrt() * m


def bootstrapping(r, v, m, d, k):
    following = torch.where(after(m * 1).bool(), after(v), v)
    return sums((r + d * following - v) * m, d * k)


WRONG = {
    "mask the next values alone": lambda r, v, m, d, k: sums(r + d * after(v * m) - v, d * k) * m,
    "`roll` goes around": lambda r, v, m, d, k: (
        sums((r + d * (v * m).roll(-1, 1) - v) * m, d * k) * m
    ),
    "Behind the last column your next value is that of the last": lambda r, v, m, d, k: sums(
        (r + d * torch.cat([(v * m)[:, 1:], (v * m)[:, -1:]], 1) - v) * m, d * k
    ),
    "have changed places": lambda r, v, m, d, k: by_where(r, v, m, k, d),
    "leave out the discount": lambda r, v, m, d, k: by_where(r, v, m, 1.0, k),
    "wrong on discount 0": lambda r, v, m, d, k: by_where(r, v, m, d or 0.99, k),
    "value behind the last token counts": lambda r, v, m, d, k: sums(
        (r + d * after(v) - v) * m, d * k
    ),
    "leak into your sums. Set": lambda r, v, m, d, k: sums(r + d * after(v) - v, d * k) * m,
    "leak into your sums, and": lambda r, v, m, d, k: sums(r + d * after(v) - v, d * k),
    "padding count. Set both": lambda r, v, m, d, k: sums(r * m + d * after(v) - v, d * k) * m,
    "padding count, and": lambda r, v, m, d, k: sums(r * m + d * after(v) - v, d * k),
    "that of the last token itself": bootstrapping,
    "leaves out the reward of the last": lambda r, v, m, d, k: sums(
        (r * m + d * after(v * m) - v * m) * after(m * 1), d * k
    ),
    "by `lam` alone": lambda r, v, m, d, k: sums(r * m + d * after(v * m) - v * m, k),
    "by `discount` alone": lambda r, v, m, d, k: sums(r * m + d * after(v * m) - v * m, d),
    "return the one-step errors": lambda r, v, m, d, k: r * m + d * after(v * m) - v * m,
    "next value is not discounted": lambda r, v, m, d, k: sums(r * m + after(v * m) - v * m, d * k),
    "leave out the value of the current": lambda r, v, m, d, k: sums(
        r * m + d * after(v * m), d * k
    ),
    "leave out the next value": lambda r, v, m, d, k: sums(r * m - v * m, d * k),
    "targets for the value head": lambda r, v, m, d, k: by_where(r, v, m, d, k) + v * m,
    "sign is reversed": lambda r, v, m, d, k: -by_where(r, v, m, d, k),
    "up to each token": lambda r, v, m, d, k: (
        sums((r * m + d * after(v * m) - v * m).flip(1), d * k).flip(1) * m
    ),
    "without the values": lambda r, v, m, d, k: sums(r * m, d),
    "whiten the advantages": lambda r, v, m, d, k: whitened(by_where(r, v, m, d, k), m),
    "one number for each response": lambda r, v, m, d, k: by_where(r, v, m, d, k).sum(1),
    "wrong on lam 0": lambda r, v, m, d, k: by_where(r, v, m, d, k or 0.9),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_gae(WRONG[message])
    assert not result.passed
    assert message in result.message
