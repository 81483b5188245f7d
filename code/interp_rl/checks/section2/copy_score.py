"""Check of Exercise 2.4b: the copy score of a head."""
# ruff: noqa: N803, N806  weight matrices have capitals

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import layer_norm

from interp_rl.checks.framework import Student, Wrong, check, compare
from interp_rl.checks.hidden import generator

Scored = tuple[
    Float[Tensor, "name d_model"],
    Int[Tensor, " name"],
    Float[Tensor, "d_model d_head"],
    Float[Tensor, "d_head d_model"],
    Float[Tensor, "d_model vocab"],
    Float[Tensor, " vocab"],
]
"""Inputs of the exercise: stream, names, W_V, W_O, W_U, b_U."""


@check("2.4b", learned="A head that copies raises whichever name it attends to.")
def check_copy_score(fn: Student) -> None:
    """Checks Exercise 2.4b: how often a head raises the name that it reads.

    Args:
        fn: Your function `copy_score(stream, names, W_V, W_O, W_U, b_U)`.
    """
    _require_score(fn, _head(300, d_model=6, d_head=6, vocabulary=24, seed=6))
    others = {
        "7 names": _head(7, d_model=8, d_head=3, vocabulary=12, seed=2),
        "500 names and a vocabulary of 40": _head(500, d_model=5, d_head=2, vocabulary=40, seed=3),
    }
    for what, inputs in others.items():
        try:
            _require_score(fn, inputs)
        except Wrong as wrong:
            wrong.message = (
                f"Your function is right on 300 names and a vocabulary of 24, and wrong on {what}. "
                f"Does it contain numbers or shapes of one example? {wrong.message}"
            )
            raise


def _head(n_names: int, *, d_model: int, d_head: int, vocabulary: int, seed: int) -> Scored:
    """A random head, which copies more than chance would, in a stream that is not centred."""
    draw_from = generator(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw_from)

    embedding = draw(vocabulary, d_model)
    names = torch.randint(vocabulary, (n_names,), generator=draw_from)
    # the mean and size of the stream are for LayerNorm to remove
    size = 0.2 + 3 * torch.rand(n_names, 1, generator=draw_from)
    stream = size * (embedding[names] + 0.5 * draw(n_names, d_model)) + 2 * draw(n_names, 1)
    W_V = draw(d_model, d_head)
    W_O = 0.5 * W_V.T + 0.7 * draw(d_head, d_model)
    W_U = (embedding + 0.3 * draw(vocabulary, d_model)).T + 0.4 * draw(d_model, 1)
    return stream, names, W_V, W_O, W_U, draw(vocabulary)


def _require_score(fn: Student, inputs: Scored) -> None:
    answer = fn(*inputs)
    if isinstance(answer, float):  # as good as a tensor of one number
        answer = torch.tensor(answer)
    logits = _logits(*inputs)
    compare(answer, _share(logits, inputs[1]), _mistakes(logits, *inputs))


def _logits(
    stream: Tensor, names: Tensor, W_V: Tensor, W_O: Tensor, W_U: Tensor, b_U: Tensor
) -> Float[Tensor, "name vocab"]:
    return _norm(_norm(stream) @ W_V @ W_O) @ W_U + b_U


def _norm(x: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:])


def _hits(logits: Tensor, names: Tensor, top: int = 5, largest: bool = True) -> Tensor:
    highest = logits.topk(min(top, logits.shape[-1]), largest=largest).indices
    return (highest == names[:, None]).any(1).float()


def _share(logits: Tensor, names: Tensor, top: int = 5, largest: bool = True) -> Tensor:
    return _hits(logits, names, top, largest).mean()


def _mistakes(
    logits: Tensor,
    stream: Tensor,
    names: Tensor,
    W_V: Tensor,
    W_O: Tensor,
    W_U: Tensor,
    b_U: Tensor,
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    read = _norm(stream)
    written, rows = read @ W_V @ W_O, torch.arange(len(names))
    hits = _hits(logits, names)
    without_norm = _norm(stream @ W_V @ W_O)
    mistakes = {
        "You count a name only if its logit is the highest. It counts among the five highest: "
        "`topk(5)`.": _share(logits, names, top=1),
        "You count the names among the ten highest logits. Take the five highest: `topk(5)`.": (
            _share(logits, names, top=10)
        ),
        "You take the lowest logits. A head that copies a name raises it: take the five highest.": (
            _share(logits, names, largest=False)
        ),
        "You forgot the LayerNorm before the head. A head reads the stream divided by its size and "
        "without its mean: `layer_norm(stream, stream.shape[-1:])`.": (
            _share(without_norm @ W_U + b_U, names)
        ),
        "You forgot the LayerNorm before the unembedding.": _share(written @ W_U + b_U, names),
        "You forgot both LayerNorms, before the head and before the unembedding.": (
            _share(stream @ W_V @ W_O @ W_U + b_U, names)
        ),
        "You forgot `b_U`, which the unembedding adds.": _share(_norm(written) @ W_U, names),
        "You leave out the head: you ask what the stream itself says. Multiply by `W_V` and `W_O` "
        "first.": _share(read @ W_U + b_U, names),
        "You leave out the head: you ask what the stream itself says, after two LayerNorms. "
        "Multiply by `W_V` and `W_O` first.": _share(_norm(read) @ W_U + b_U, names),
        "You add the stream to what the head writes. Take what the head alone writes.": (
            _share(_norm(stream + written) @ W_U + b_U, names)
        ),
        "You return a percentage. The share goes from 0 to 1.": 100 * hits.mean(),
        "You divide by the five places, too. A name is found or not: `.any(-1)`, then the mean.": (
            hits.mean() / 5
        ),
        "You take the negative of what the head writes. That is asked of heads which lower a name; "
        "here the write counts as it is.": _share(_norm(-written) @ W_U + b_U, names),
        "You count a name only if it is among the four highest. The fifth counts, too.": (
            _share(logits, names, top=4)
        ),
        "You count the names among the six highest logits. Take the five highest: `topk(5)`.": (
            _share(logits, names, top=6)
        ),
        "You take a LayerNorm of the value too, between `W_V` and `W_O`. There is one before the "
        "head and one before the unembedding.": (
            _share(_norm(_norm(read @ W_V) @ W_O) @ W_U + b_U, names)
        ),
        "You compare the names with each other alone. The five highest are those of the whole "
        "vocabulary.": _share(logits[:, names], torch.arange(len(names))),
        "You use one hit for all: the score is 1 if any name is found. It is the share of names "
        "that are found.": hits.max(),
        "You return the number of names that are found. Return their share: `.mean()`.": hits.sum(),
        "You return one number for each name. Return their mean.": hits,
        "You return the mean logit of the names. Count how often it is among the five highest.": (
            logits[rows, names].mean()
        ),
        "You return the mean probability of the names. Count how often their logits are among the "
        "five highest.": logits.softmax(-1)[rows, names].mean(),
        "You compare each name with the highest logits of all names together. Each row has its "
        "own five: `.topk(5).indices` has the shape (name, 5).": (
            torch.isin(names, logits.topk(min(5, logits.shape[-1])).indices).float().mean()
        ),
        "You compare the names with the logits' values. `topk(5).indices` says which tokens they "
        "belong to.": (logits.topk(5).values == names[:, None]).any(1).float().mean(),
    }
    if W_V.shape[0] == W_V.shape[1]:  # only a square head can be multiplied in these ways
        alone = {
            "You forgot `W_O`: a head's values are written to the stream by `W_O`.": read @ W_V,
            "You forgot `W_V`: a head reads the stream by `W_V`.": read @ W_O,
            "`W_V` and `W_O` are exchanged: the head reads by `W_V` first, and writes by `W_O`.": (
                read @ W_O @ W_V
            ),
            "`W_V` is transposed: `read @ W_V` takes `d_model` to `d_head`.": read @ W_V.T @ W_O,
            "`W_O` is transposed: `value @ W_O` takes `d_head` to `d_model`.": read @ W_V @ W_O.T,
        }
        for text, value in alone.items():
            mistakes[text] = _share(_norm(value) @ W_U + b_U, names)
    return mistakes
