"""Check of Exercise 4.2a: the reward of each token, with its KL penalty."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.checks.framework import Student, check
from interp_rl.checks.section3.examples import compare_on
from interp_rl.checks.section4.responses import mask_of, numbers


@check("4.2a", learned="Each token pays for itself; the score is paid once, at the end.")
def check_token_rewards(fn: Student) -> None:
    """Checks Exercise 4.2a: score at the last token, KL penalty at every token.

    Args:
        fn: Your function `token_rewards(scores, log_probs, reference_log_probs, mask, beta)`.
    """
    examples = {
        "2 responses of 3 and 2 tokens": _batch((3, 2), width=4, beta=0.5, seed=0),
        "3 responses, 1 of them not ended": _batch((5, 1, 3), width=5, beta=0.1, seed=1),
        "beta 0": _batch((2, 3), width=3, beta=0.0, seed=2),
    }
    compare_on(fn, examples, _token_rewards, _mistakes)


_Batch = tuple[
    Float[Tensor, "_"], Float[Tensor, "_ _"], Float[Tensor, "_ _"], Bool[Tensor, "_ _"], float
]
"""Scores, log-probabilities of policy and reference, mask, beta; several sizes in one call."""


def _batch(lengths: tuple[int, ...], *, width: int, beta: float, seed: int) -> _Batch:
    """Random numbers, also in the padding; the scores are positive and negative in turn."""
    shape = (len(lengths), width)
    signs = 1 - 2 * (torch.arange(len(lengths)) % 2)
    return (
        numbers(len(lengths), seed=seed, low=2.0, high=9.0) * signs,
        numbers(*shape, seed=seed + 10, low=-3.0, high=-0.2),
        numbers(*shape, seed=seed + 20, low=-3.0, high=-0.2),
        mask_of(lengths, width=width),
        beta,
    )


def _paid(scores: Tensor, mask: Tensor, column: Tensor) -> Float[Tensor, "sample new"]:
    """The scores, each in one column of its row; none where there is no such column."""
    return (torch.arange(mask.shape[1]) == column[:, None]) * scores[:, None]


def _token_rewards(
    scores: Tensor, log_probs: Tensor, reference_log_probs: Tensor, mask: Tensor, beta: float
) -> Float[Tensor, "sample new"]:
    penalty = beta * (log_probs - reference_log_probs) * mask
    return _paid(scores, mask, mask.sum(1) - 1) - penalty


def _mistakes(
    scores: Tensor, log_probs: Tensor, reference_log_probs: Tensor, mask: Tensor, beta: float
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    right = _token_rewards(scores, log_probs, reference_log_probs, mask, beta)
    width, lengths = mask.shape[1], mask.sum(1)
    ratio = log_probs - reference_log_probs
    penalty = beta * ratio * mask
    at_end, first = _paid(scores, mask, lengths - 1), torch.zeros_like(lengths)
    last_column = _paid(scores, mask, first + width - 1)
    k3 = torch.exp(-ratio) - 1 + ratio
    probabilities = log_probs.exp() - reference_log_probs.exp()
    in_all_rows = torch.zeros(width).index_put((lengths - 1,), scores)
    return {
        "The sign of the penalty is reversed: you pay the policy for moving away. Subtract beta "
        "times (policy minus reference).": at_end + penalty,
        "The score stands in the last column. For a response that ended earlier this is padding: "
        "pay it at the last token with `mask` True.": last_column - penalty,
        "The score stands one place too late, in the padding. The last token of a response with n "
        "tokens has the number n - 1.": _paid(scores, mask, lengths) - penalty,
        "The score stands one place too early. The last token of a response with n tokens has the "
        "number n - 1.": _paid(scores, mask, lengths - 2) - penalty,
        "You pay all scores where the first response ends. Each response has its own last token.": (
            _paid(scores, mask, lengths[:1].expand_as(lengths) - 1) - penalty
        ),
        "You pay each score in all rows: `x[:, ends]` takes the columns of all ends, in every row. "
        "Index with a row for each response, `x[torch.arange(n), ends]`.": in_all_rows - penalty,
        "You divide the score among the tokens. It is paid in full, once, at the last token.": (
            mask * (scores / lengths)[:, None] - penalty
        ),
        "You limit the score to the range from -1 to 1. Pay it as it is.": (
            _paid(scores.clamp(-1, 1), mask, lengths - 1) - penalty
        ),
        "You pay the score at every token. It is paid once, at the last token of the response: "
        "otherwise long texts earn more.": scores[:, None] * mask - penalty,
        "You pay the score at every column, also in the padding. It is paid once, at the last "
        "token of the response.": scores[:, None] - penalty,
        "You pay the score at the first token. It is known only once the text is complete: pay it "
        "at the last token.": _paid(scores, mask, first) - penalty,
        "At the last token your score replaces the penalty. Add the two.": torch.where(
            at_end != 0, at_end, -penalty
        ),
        "You leave out the penalty.": at_end,
        "No score is left in your answer: you leave it out, or put it where the mask takes it "
        "away. Pay it at the last token with `mask` True.": -penalty,
        "You leave out beta.": at_end - ratio * mask,
        "You multiply the score by beta, too. Beta is the price of KL alone.": (
            beta * at_end - penalty
        ),
        "The padding is not 0: mask the penalty.": at_end - beta * ratio,
        "The padding is not 0, and the score stands there: mask the penalty, and pay the score at "
        "the last token with `mask` True.": last_column - beta * ratio,
        "You pay the whole penalty at the last token. Its sum is right, but no token knows what it "
        "cost: subtract each token's own.": _paid(scores - penalty.sum(1), mask, lengths - 1),
        "You give every token the mean penalty of its response. Each token pays its own.": (
            at_end - mask * (penalty.sum(1) / lengths)[:, None]
        ),
        "You penalise the size of the log-ratio. A token that the reference likes better earns "
        "something back: leave the sign.": at_end - penalty.abs(),
        "You penalise k3. As a reward it gives another gradient: use the log-ratio itself.": (
            at_end - beta * k3 * mask
        ),
        "You penalise the difference of probabilities. The log-ratio is the difference of their "
        "logarithms.": at_end - beta * probabilities * mask,
        "You return one number for each response. Each token has its own reward.": right.sum(1),
    }
