"""The check of Exercise 3.1a passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.section3 import check_reinforce_loss


def by_mask(log_probs, weights, mask):
    return -(log_probs * weights)[mask].sum() / len(log_probs)


def by_product(log_probs, weights, mask):
    return -(log_probs * weights * mask).sum(1).mean()


def by_loop(log_probs, weights, mask):
    loss = torch.zeros(())
    for row, kept in enumerate(mask):
        for t in range(int(kept.sum())):
            loss = loss - log_probs[row, t] * weights[row, t].detach() / len(mask)
    return loss


def in_float64(log_probs, weights, mask):
    return by_product(log_probs.double(), weights, mask)


@pytest.mark.parametrize("solution", [by_mask, by_product, by_loop, in_float64])
def test_every_way_of_writing_the_loss_passes(solution):
    result = check_reinforce_loss(solution)
    assert result.passed, result
    assert "gradient of the loss" in result.learned


WRONG = {
    "sign is reversed": lambda p, w, m: (p * w)[m].sum() / len(p),
    "The padding counts in your sum. Use": lambda p, w, m: -(p * w).sum(1).mean(),
    "and you divide by the number of all entries": lambda p, w, m: -(p * w).mean(),
    "divide by the number of steps": lambda p, w, m: -(p * w)[m].mean(),
    "divide by the number of all entries, with the padding": lambda p, w, m: -(p * w * m).mean(),
    "mean over the steps of each episode": lambda p, w, m: -((p * w * m).sum(1) / m.sum(1)).mean(),
    "You sum over the episodes": lambda p, w, m: -(p * w * m).sum(),
    "sum of the log-probabilities by the sum": lambda p, w, m: (
        -((p * m).sum(1) * (w * m).sum(1)).mean()
    ),
    "leave out the weights": lambda p, w, m: -(p * m).sum(1).mean(),
    "use probabilities": lambda p, w, m: -(p.exp() * w * m).sum(1).mean(),
    "one number for each episode": lambda p, w, m: -(p * w * m).sum(1),
    "one number for each step": lambda p, w, m: -(p * w * m),
    "size of the weights": lambda p, w, m: by_mask(p, w.abs(), m),
    "negative weights": lambda p, w, m: by_mask(p, w.clamp(min=0), m),
    "the weight of its first one": lambda p, w, m: by_mask(p, w[:, :1].expand_as(w), m),
    "use the padding and leave out": lambda p, w, m: -(p * w)[~m].sum() / len(p),
    "but another gradient": lambda p, w, m: by_mask((p + p.detach()) / 2, w, m),
    "no gradient": lambda p, w, m: by_mask(p.detach(), w, m),
    "return a torch tensor": lambda p, w, m: by_mask(p, w, m).item(),
    "wrong on 4 episodes": lambda p, w, m: -(p * w)[m].sum() / 2,
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_reinforce_loss(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_the_stub_is_not_attempted():
    def stub(log_probs, weights, mask):
        raise NotImplementedError("Exercise 3.1a: Your turn.")

    assert check_reinforce_loss(stub).status == "not attempted"
