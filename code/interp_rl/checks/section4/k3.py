"""Check of Exercise 4.1a: an estimate of KL that is never negative."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, check
from interp_rl.checks.section3.examples import compare_on


@check("4.1a", learned="A term of mean zero takes the noise away and leaves the mean as it is.")
def check_k3(fn: Student) -> None:
    """Checks Exercise 4.1a: the estimate k3 of KL(policy || reference), token by token.

    Args:
        fn: Your function `k3(log_probs, reference_log_probs)`.
    """
    policy = torch.tensor([[0.5, 0.2, 0.9], [0.1, 0.4, 0.3]])
    reference = torch.tensor([[0.25, 0.4, 0.6], [0.1, 0.1, 0.9]])
    examples = {
        "2 responses of 3 tokens": (policy.log(), reference.log()),
        "1 token": (policy[:1, :1].log(), reference[:1, :1].log()),
        "a row of tokens": (policy.flatten().log(), reference.flatten().log()),
        "tokens that one of the two models hardly ever draws": (
            torch.tensor([[-14.0, -0.2], [-0.1, -3.0]]),
            torch.tensor([[-0.1, -14.0], [-7.0, -0.5]]),
        ),
    }
    compare_on(fn, examples, _k3, _mistakes)


def _k3(log_probs: Tensor, reference_log_probs: Tensor) -> Float[Tensor, "..."]:
    difference = reference_log_probs - log_probs
    return difference.exp() - 1 - difference


def _mistakes(log_probs: Tensor, reference_log_probs: Tensor) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    right = _k3(log_probs, reference_log_probs)
    k1 = log_probs - reference_log_probs
    return {
        "Your ratio is policy over reference. The tokens were drawn from the policy, and only "
        "reference over policy has the mean 1 under such draws.": _k3(
            reference_log_probs, log_probs
        ),
        "You return k1, the difference of the log-probabilities. It is negative for tokens that "
        "the reference likes better: add r - 1.": k1,
        "You return reference minus policy, which is minus k1. Add r - 1 to k1.": -k1,
        "You return k2, half the squared difference. k3 is r - 1 - log r.": k1.square() / 2,
        "You return the squared difference. k3 is r - 1 - log r.": k1.square(),
        "You return the size of the difference. That is never negative, but its mean is not KL: "
        "k3 is r - 1 - log r.": k1.abs(),
        "You leave out the 1. Without it, the mean is one too large.": right + 1,
        "You return r - 1, which has the mean zero under the policy. k1 is still to be added: "
        "r - 1 - log r.": torch.exp(-k1) - 1,
        "The sign of log r is reversed: r - 1 - log r.": torch.exp(-k1) - 1 - k1,
        "The sign is reversed: k3 is never negative.": -right,
        "You take the log-probabilities for probabilities: r is `exp` of a difference.": (
            reference_log_probs / log_probs - 1 - (reference_log_probs / log_probs).log()
        ),
        "You weight each token by its probability. The tokens were drawn from the policy, so the "
        "weight is in the draws already.": right * log_probs.exp(),
        "You return the mean. Each token has an estimate of its own.": right.mean(),
        "You return the sum. Each token has an estimate of its own.": right.sum(),
    }
