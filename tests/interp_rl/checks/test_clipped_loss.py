"""The check of Exercise 4.2c passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.section4 import check_clipped_loss


def terms(new, old, a, c):
    ratio = (new - old).exp()
    return ratio * a, ratio.clamp(1 - c, 1 + c) * a


def by_minimum(new, old, a, m, c):
    plain, clipped = terms(new, old, a, c)
    return -torch.min(plain, clipped)[m].mean()


def by_maximum_of_losses(new, old, a, m, c):
    ratio = torch.exp(new - old)
    losses = torch.maximum(-a * ratio, -a * torch.clip(ratio, 1 - c, 1 + c))
    return (losses * m).sum() / m.sum()


def by_sign(new, old, a, m, c):
    """An upper limit for good tokens, a lower one for bad ones."""
    ratio = (new.double() - old).exp()
    limited = torch.where(a > 0, ratio.clamp(max=1 + c), ratio.clamp(min=1 - c))
    return -(limited * a)[m].mean()


def by_loop(new, old, a, m, c):
    total = torch.zeros(())
    for row, column in m.nonzero().tolist():
        ratio = (new[row, column] - old[row, column]).exp()
        weight = a[row, column]
        total = total - torch.min(ratio * weight, ratio.clamp(1 - c, 1 + c) * weight)
    return total / m.sum()


@pytest.mark.parametrize("solution", [by_minimum, by_maximum_of_losses, by_sign, by_loop])
def test_every_way_of_writing_the_loss_passes(solution):
    result = check_clipped_loss(solution)
    assert result.passed, result
    assert "clip" in result.learned


def smaller(plain, clipped):
    return torch.minimum(plain, clipped)


def pessimistic(new, old, a, c):
    return smaller(*terms(new, old, a, c))


WRONG = {
    "sign is reversed": lambda n, o, a, m, c: -by_minimum(n, o, a, m, c),
    "larger of the two terms": lambda n, o, a, m, c: -torch.max(*terms(n, o, a, c))[m].mean(),
    "leave out the clip": lambda n, o, a, m, c: -terms(n, o, a, c)[0][m].mean(),
    "clipped term alone": lambda n, o, a, m, c: -terms(n, o, a, c)[1][m].mean(),
    "between -clip and clip": lambda n, o, a, m, c: (
        -smaller((n - o).exp() * a, (n - o).exp().clamp(-c, c) * a)[m].mean()
    ),
    "from above only": lambda n, o, a, m, c: (
        -smaller((n - o).exp() * a, (n - o).exp().clamp(max=1 + c) * a)[m].mean()
    ),
    "from below only": lambda n, o, a, m, c: (
        -smaller((n - o).exp() * a, (n - o).exp().clamp(min=1 - c) * a)[m].mean()
    ),
    "smaller of the two ratios": lambda n, o, a, m, c: (
        -(smaller((n - o).exp(), (n - o).exp().clamp(1 - c, 1 + c)) * a)[m].mean()
    ),
    "whiten the advantages": lambda n, o, a, m, c: by_minimum(
        n, o, (a - a[m].mean()) / (a[m].std() + 1e-8), m, c
    ),
    "the first step, where old and new agree": lambda n, o, a, m, c: (
        -(pessimistic(n, o, a, c) * m).sum() / (a * m != 0).sum()
    ),
    "clip the log-ratio": lambda n, o, a, m, c: (
        -smaller((n - o).exp() * a, (n - o).clamp(-c, c).exp() * a)[m].mean()
    ),
    "clip the product": lambda n, o, a, m, c: (
        -smaller((n - o).exp() * a, ((n - o).exp() * a).clamp(1 - c, 1 + c))[m].mean()
    ),
    "ratio is old over new": lambda n, o, a, m, c: by_minimum(o, n, a, m, c),
    "`exp` is missing": lambda n, o, a, m, c: (
        -smaller((n - o) * a, (n - o).clamp(1 - c, 1 + c) * a)[m].mean()
    ),
    "leaves out the old policy": lambda n, o, a, m, c: by_minimum(n, o * 0, a, m, c),
    "the loss of REINFORCE": lambda n, o, a, m, c: -(n * a)[m].mean(),
    "padding counts in your mean": lambda n, o, a, m, c: -pessimistic(n, o, a, c).mean(),
    "padding is zero in your sum": lambda n, o, a, m, c: -(pessimistic(n, o, a, c) * m).mean(),
    "mean over the tokens of each response": lambda n, o, a, m, c: (
        -((pessimistic(n, o, a, c) * m).sum(1) / m.sum(1)).mean()
    ),
    "divide by the number of responses": lambda n, o, a, m, c: (
        -(pessimistic(n, o, a, c) * m).sum() / len(m)
    ),
    "You sum over the tokens": lambda n, o, a, m, c: -(pessimistic(n, o, a, c) * m).sum(),
    "leave out the advantages": lambda n, o, a, m, c: by_minimum(n, o, a / a, m, c),
    "size of the advantages": lambda n, o, a, m, c: by_minimum(n, o, a.abs(), m, c),
    "each token. Take their mean over `mask`": lambda n, o, a, m, c: -pessimistic(n, o, a, c) * m,
    "each token. Take their mean.": lambda n, o, a, m, c: -pessimistic(n, o, a, c)[m],
    "no gradient": lambda n, o, a, m, c: by_minimum(n.detach(), o, a, m, c),
    "but another gradient": lambda n, o, a, m, c: (
        by_minimum(n, o, a, m, c) + n.sum() - n.detach().sum()
    ),
    "wrong on 3 responses": lambda n, o, a, m, c: by_minimum(n, o, a, m, 0.2),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_clipped_loss(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_what_the_clip_takes_away_and_what_it_keeps():
    """The sentence that the check ends with, by autograd."""
    old = torch.zeros(1, 4)
    new = torch.tensor([1.5, 0.5, 0.5, 1.5]).log()[None].requires_grad_()
    advantages = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    by_minimum(new, old, advantages, torch.ones(1, 4, dtype=torch.bool), 0.2).backward()
    further, way_back = new.grad[0, [0, 2]], new.grad[0, [1, 3]]
    assert (further == 0).all() and (way_back != 0).all()
