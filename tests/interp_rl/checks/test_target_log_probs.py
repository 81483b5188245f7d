"""The check of Exercise 5.1d passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.checks.section5 import check_target_log_probs


def by_index(logits, target):
    n = len(target)
    return logits[:, -n - 1 : -1].log_softmax(-1)[:, torch.arange(n), target]


def by_gather(logits, target):
    n = len(target)
    log_p = logits.log_softmax(-1)[:, logits.shape[1] - n - 1 : -1]
    return log_p.gather(-1, target.expand(len(logits), -1)[..., None])[..., 0]


def by_loop(logits, target):
    n, columns = len(target), []
    for k, token in enumerate(target.tolist()):
        at = logits[:, logits.shape[1] - n + k - 1]
        columns.append(at[:, token] - at.logsumexp(-1))
    return torch.stack(columns, dim=1)


def by_loss(logits, target):
    n = len(target)
    at = logits[:, -n - 1 : -1].transpose(1, 2)
    return -torch.nn.functional.cross_entropy(at, target.expand(len(logits), -1), reduction="none")


@pytest.mark.parametrize("solution", [by_index, by_gather, by_loop, by_loss])
def test_every_right_way_passes(solution):
    result = check_target_log_probs(solution)
    assert result.passed, result
    assert "one position before" in result.learned


def at(logits, target, shift):
    n, length = len(target), logits.shape[1]
    return logits[:, length - n - shift : length - shift], torch.arange(n)


def read(logits, target, shift):
    window, places = at(logits, target, shift)
    return window.log_softmax(-1)[:, places, target]


WRONG = {
    "where the target's tokens stand": lambda x, t: read(x, t, 0),
    "back two positions": lambda x, t: read(x, t, 2),
    "at the beginning": lambda x, t: x[:, : len(t)].log_softmax(-1)[:, torch.arange(len(t)), t],
    "You return logits": lambda x, t: at(x, t, 1)[0][:, torch.arange(len(t)), t],
    "You return probabilities": lambda x, t: by_index(x, t).exp(),
    "sign is reversed": lambda x, t: -by_index(x, t),
    "softmax twice": lambda x, t: (
        at(x, t, 1)[0].softmax(-1).log_softmax(-1)[:, torch.arange(len(t)), t]
    ),
    "sum over the target": lambda x, t: by_index(x, t).sum(1),
    "average over the target": lambda x, t: by_index(x, t).mean(1),
    "softmax over the positions": lambda x, t: x.log_softmax(1)[:, -len(t) - 1 : -1][
        :, torch.arange(len(t)), t
    ],
    "softmax over the texts": lambda x, t: at(x, t, 1)[0].log_softmax(0)[
        :, torch.arange(len(t)), t
    ],
    "softmax over the positions of the target": lambda x, t: at(x, t, 1)[0].log_softmax(1)[
        :, torch.arange(len(t)), t
    ],
    "softmax over the target's tokens": lambda x, t: (
        at(x, t, 1)[0][:, :, t].log_softmax(-1).diagonal(dim1=1, dim2=2)
    ),
    "after you have chosen them": lambda x, t: at(x, t, 1)[0][
        :, torch.arange(len(t)), t
    ].log_softmax(-1),
    "pair each position": lambda x, t: at(x, t, 1)[0].log_softmax(-1)[:, :, t],
    "from token to token": lambda x, t: by_index(x, t).cumsum(-1),
    "from the last position": lambda x, t: x[:, -1].log_softmax(-1)[:, t],
    "has lost its last axis": lambda x, t: by_index(x, t).squeeze(),
    "one of them twice": lambda x, t: (
        at(x, t, 1)[0]
        .reshape(-1, 11)
        .log_softmax(-1)
        .view(len(x), -1, 11)[:, torch.arange(len(t)), t]
    ),
    "a target of three tokens": lambda x, t: x[:, 3 : 3 + len(t)].log_softmax(-1)[
        :, torch.arange(len(t)), t
    ],
    "before its first token": lambda x, t: x[:, -len(t) - 1].log_softmax(-1)[:, t],
    "finds likeliest": lambda x, t: x[:, -len(t) - 1 : -1].log_softmax(-1).max(-1).values,
    "in place": lambda x, t: by_index(x.sub_(1.0), t),
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_target_log_probs(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_the_transpose_is_told():
    """On the first example the answer is square, so that its values tell, not its shape."""
    result = check_target_log_probs(lambda x, t: by_index(x, t).T)
    assert not result.passed and "transpose" in result.message
