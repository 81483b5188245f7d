"""Check of Exercise 2.2a: the logit difference."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, compare
from interp_rl.checks.hidden import generator


@check("2.2a", learned="A positive difference means that the model prefers the indirect object.")
def check_logit_difference(fn: Student) -> None:
    """Checks Exercise 2.2a: the logit difference of each prompt.

    Args:
        fn: Your function `logit_difference(logits, io_ids, s_ids, end_positions)`.
    """
    small = _example(ends=(4, 3, 5, 2), positions=8, seed=1)
    compare(fn(*small), _logit_difference(*small), _mistakes(*small))

    other = _example(ends=(3, 6), positions=7, seed=2, vocabulary=12)
    try:
        compare(fn(*other), _logit_difference(*other), _mistakes(*other))
    except Wrong as wrong:
        wrong.message = (
            "Your function is right on 4 prompts of 8 positions and 9 tokens, wrong on 2 of 7 and "
            f"12. Does it contain numbers or shapes of one example? {wrong.message}"
        )
        raise

    one = _example(ends=(2,), positions=4, seed=3)
    expected = _logit_difference(*one)
    message = (
        "With a single prompt your answer has no axis left. `.squeeze()` removes every axis of "
        "length one, the prompts' too: name the axis, `.squeeze(-1)`."
    )
    compare(fn(*one), expected, {message: expected[0]})


_Prompts = tuple[
    Float[Tensor, "prompt pos vocab"],
    Int[Tensor, " prompt"],
    Int[Tensor, " prompt"],
    Int[Tensor, " prompt"],
]


def _example(ends: tuple[int, ...], positions: int, seed: int, vocabulary: int = 9) -> _Prompts:
    """Random logits with one decimal; names and END of each prompt."""
    draw_from = generator(seed)
    logits = torch.randint(-40, 41, (len(ends), positions, vocabulary), generator=draw_from) / 10
    names = torch.stack([torch.randperm(vocabulary, generator=draw_from)[:2] for _ in ends])
    return logits, names[:, 0], names[:, 1], torch.tensor(ends)


def _logit_difference(
    logits: Float[Tensor, "prompt pos vocab"],
    io_ids: Int[Tensor, " prompt"],
    s_ids: Int[Tensor, " prompt"],
    end_positions: Int[Tensor, " prompt"],
) -> Float[Tensor, " prompt"]:
    rows = torch.arange(len(io_ids))
    return logits[rows, end_positions, io_ids] - logits[rows, end_positions, s_ids]


def _mistakes(
    logits: Float[Tensor, "prompt pos vocab"],
    io_ids: Int[Tensor, " prompt"],
    s_ids: Int[Tensor, " prompt"],
    end_positions: Int[Tensor, " prompt"],
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    names, end = (io_ids, s_ids), end_positions
    rows = torch.arange(len(io_ids))
    right = _logit_difference(logits, *names, end)
    at_end = logits[rows, end]
    p_io, p_s = (at_end.softmax(-1)[rows, name] for name in names)
    last = torch.full_like(end, logits.shape[1] - 1)
    every = logits[rows, :, io_ids] - logits[rows, :, s_ids]
    square = "Your answer has one row and one column per prompt: it pairs each prompt with every "
    return {
        "The sign is reversed: you return logit(S) - logit(IO). The logit difference is positive "
        "where the model prefers IO.": -right,
        "You subtract probabilities. The logit difference takes the logits as they are, without "
        "softmax.": p_io - p_s,
        "You return the ratio of the two probabilities. Its logarithm is the logit difference; no "
        "softmax and no exponential is needed.": p_io / p_s,
        "You return the probability of IO. Take the logits of both names, and subtract.": p_io,
        "You return the logit of IO alone. Subtract the logit of S.": at_end[rows, io_ids],
        "You read the last column of the batch. Shorter prompts are padded on the right: read "
        "each prompt at its own `end_positions`.": _logit_difference(logits, *names, last),
        "You read one position too early. The logits AT the END position already predict the next "
        "token: use `end_positions` as they are.": _logit_difference(logits, *names, end - 1),
        "You read one position too late. The logits at the END position already predict the next "
        "token: use `end_positions` as they are.": _logit_difference(
            logits, *names, (end + 1).clamp(max=logits.shape[1] - 1)
        ),
        "You return the mean over the prompts. Return one difference per prompt; the mean is "
        "taken later.": right.mean(),
        "You return the sum over the prompts. Return one difference per prompt.": right.sum(),
        "You return the first prompt only. Return one difference per prompt.": right[0],
        "You return the absolute value. The sign matters: it tells which name the model prefers.": (
            right.abs()
        ),
        "You return the square. Return the difference itself, with its sign.": right.square(),
        "You use the names of the first prompt for all prompts. Each prompt has its own `io_ids` "
        "and `s_ids`.": at_end[:, io_ids[0]] - at_end[:, s_ids[0]],
        "You use the END position of the first prompt for all prompts. Each prompt has its own "
        "`end_positions`.": _logit_difference(logits, *names, end[:1].expand_as(end)),
        "You use the latest END of the batch for all prompts. Each prompt has its own "
        "`end_positions`.": _logit_difference(logits, *names, end.max().expand_as(end)),
        "You take the softmax over the positions. The logit difference takes the logits as they "
        "are.": _logit_difference(logits.log_softmax(1), *names, end),
        "You set negative differences to 0. The sign tells which name the model prefers.": (
            right.clamp(min=0)
        ),
        square + "prompt's names. Index with a row for each prompt, `torch.arange(n)`, or use "
        "`gather`.": at_end[:, io_ids] - at_end[:, s_ids],
        square + "prompt's END. `logits[:, end_positions]` takes all the ENDs of each prompt: "
        "index with a row for each prompt, `torch.arange(n)`.": (
            logits[:, end, io_ids] - logits[:, end, s_ids]
        ),
        "You return a difference at every position. Only the END position counts.": every,
        "Your answer has a second axis of length one, left over from `gather` or a slice. Remove "
        "it with `.squeeze(-1)`.": right[:, None],
    }
