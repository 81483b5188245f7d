"""Check of Exercise 5.1d: log probabilities of a fixed target after each masked text."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.checks.framework import Student, check
from interp_rl.checks.hidden import generator
from interp_rl.checks.section3.examples import compare_on


@check("5.1d", learned="A token is predicted one position before it stands.")
def check_target_log_probs(fn: Student) -> None:
    """Checks Exercise 5.1d: the log probability of each token of the target.

    Args:
        fn: Your function `target_log_probs(logits, target)`.
    """
    draw = generator(4)

    def example(
        texts: int, length: int, target: list[int], vocabulary: int = 11
    ) -> tuple[Tensor, Tensor]:
        return torch.randn(texts, length, vocabulary, generator=draw) * 2, torch.tensor(target)

    examples = {
        "two masked texts and a target of two tokens": example(2, 6, [7, 3]),
        "a target of one token": example(3, 5, [4]),
        "a target of three tokens, one of them twice": example(2, 9, [5, 9, 5], 14),
    }
    compare_on(fn, examples, _right, _mistakes)


def _right(
    logits: Float[Tensor, "text pos vocab"], target: Int[Tensor, " token"]
) -> Float[Tensor, "text token"]:
    n = len(target)
    return logits[:, -n - 1 : -1].log_softmax(-1)[:, torch.arange(n), target]


def _mistakes(
    logits: Float[Tensor, "text pos vocab"], target: Int[Tensor, " token"]
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    n, right = len(target), _right(logits, target)
    places = torch.arange(n)
    at = logits[:, -n - 1 : -1]
    own = logits[:, -n:].log_softmax(-1)[:, places, target]
    early = logits[:, -n - 2 : -2].log_softmax(-1)[:, places, target]
    first = logits[:, :n].log_softmax(-1)[:, places, target]
    mistakes = {
        "You read the logits where the target's tokens stand. There the model predicts what comes "
        "after them: go one position back.": own,
        "You go back two positions. A token is predicted from the position directly before it.": (
            early
        ),
        "You read at the beginning of the text. The target stands at its end.": first,
        "You return logits. Only after a log_softmax over the vocabulary do they compare between "
        "two texts.": at[:, places, target],
        "You take a softmax twice: log_softmax wants the logits as they are.": (
            at.softmax(-1).log_softmax(-1)[:, places, target]
        ),
        "You return probabilities. Take their logarithm, so that the tokens of the target add "
        "up.": right.exp(),
        "The sign is reversed: a log probability is negative, and closer to 0 where the token is "
        "likelier.": -right,
        "You sum over the target. Each of its tokens is an output of its own.": right.sum(-1),
        "You average over the target. Each of its tokens is an output of its own.": right.mean(-1),
        "You take the softmax over the positions. It goes over the vocabulary, the last axis.": (
            logits.log_softmax(1)[:, -n - 1 : -1][:, places, target]
        ),
        "You take the softmax over the texts. It goes over the vocabulary, the last axis.": (
            at.log_softmax(0)[:, places, target]
        ),
        "You take the softmax over the positions of the target. It goes over the vocabulary, the "
        "last axis.": at.log_softmax(1)[:, places, target],
        "You take the softmax over the target's tokens alone. It goes over the whole vocabulary: "
        "take it first, then choose.": at[:, :, target].log_softmax(-1)[:, places, places],
        "You take the softmax over the logits of the target, after you have chosen them. It goes "
        "over the whole vocabulary: take it first, then choose.": (
            at[:, places, target].log_softmax(-1)
        ),
        "You pair each position with every token of the target. The k-th position belongs to the "
        "k-th token: index with `torch.arange(n)` beside the target.": (
            at.log_softmax(-1)[:, :, target]
        ),
        "You add up the log probabilities from token to token. Each token of the target is an "
        "output of its own.": right.cumsum(-1),
        "You read the whole target from the last position. Each token is predicted from the "
        "position directly before it.": logits[:, -1].log_softmax(-1)[:, target],
        "You read the whole target from the position before its first token. Each token is "
        "predicted from the position directly before it.": (
            at[:, :1].log_softmax(-1)[:, :, target].squeeze(1)
        ),
        "You take the token that the model finds likeliest. The target is fixed.": (
            at.log_softmax(-1).max(-1).values
        ),
        "Your answer is the transpose: one row for each text, one column for each token.": right.T,
    }
    if n == 1:  # a sum or mean over the target cannot be told from an axis that is lost
        mistakes = {text: value for text, value in mistakes.items() if value.ndim > 1}
        lost = "With a target of one token your answer has lost its last axis, of length one. "
        mistakes[lost + "`.squeeze()` removes it: leave it."] = right[:, 0]
    return mistakes
