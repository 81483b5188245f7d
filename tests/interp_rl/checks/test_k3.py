"""The check of Exercise 4.1a passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.section4 import check_k3


def by_formula(p, q):
    return (q - p).exp() - 1 - (q - p)


def by_ratio(p, q):
    r = q.exp() / p.exp()
    return r - 1 - r.log()


def by_expm1(p, q):
    return torch.expm1(q - p) + p - q


def in_float64(p, q):
    return by_formula(p.double(), q.double())


@pytest.mark.parametrize("solution", [by_formula, by_ratio, by_expm1, in_float64])
def test_every_way_of_writing_k3_passes(solution):
    result = check_k3(solution)
    assert result.passed, result
    assert "mean zero" in result.learned


WRONG = {
    "ratio is policy over reference": lambda p, q: by_formula(q, p),
    "You return k1": lambda p, q: p - q,
    "reference minus policy": lambda p, q: q - p,
    "You return k2": lambda p, q: (p - q) ** 2 / 2,
    "the squared difference. k3": lambda p, q: (p - q) ** 2,
    "size of the difference": lambda p, q: (p - q).abs(),
    "leave out the 1": lambda p, q: (q - p).exp() - (q - p),
    "You return r - 1": lambda p, q: (q - p).exp() - 1,
    "sign of log r": lambda p, q: (q - p).exp() - 1 + (q - p),
    "never negative.": lambda p, q: -by_formula(p, q),
    "for probabilities": lambda p, q: q / p - 1 - (q / p).log(),
    "weight each token": lambda p, q: p.exp() * by_formula(p, q),
    "return the mean": lambda p, q: by_formula(p, q).mean(),
    "return the sum": lambda p, q: by_formula(p, q).sum(),
    "hardly ever draws": lambda p, q: by_formula(p, q.clamp(p - 5, p + 5)),
    "wrong on a row of tokens": lambda p, q: by_formula(p, q) * p.ndim / 2,
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_k3(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_the_estimate_is_unbiased_and_never_negative():
    """What the book says about the formula, by summing over a vocabulary of four tokens."""
    p = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
    q = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    values = by_formula(p, q)
    assert (values >= 0).all()
    assert (p.exp() * values).sum() == pytest.approx((p.exp() * (p - q)).sum().item())
