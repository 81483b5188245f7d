"""Check of Exercise 5.3a: two models as one function, so that SHAP explains their difference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, compare, show
from interp_rl.checks.hidden import reordered, rescaled

TEXTS = ["the film was dull", "good", "not good at all"]
"""The texts of the check."""


@check("5.3a", learned="Shapley values add up, so a difference of models can be explained at once.")
def check_compare_models(fn: Student) -> None:
    """Checks Exercise 5.3a: a function that gives what training added to the output.

    Args:
        fn: Your function `what_changed(tuned, base)`.
    """
    shown = [" ".join(reordered(text.split(), i)) for i, text in enumerate(TEXTS)]
    for outputs in (2, 3):
        tuned, base = _of(_tuned, outputs), _of(_base, outputs)
        try:
            change = _function(fn(tuned, base))
            for texts in (shown, shown[:1], shown[::-1]):
                found = change(list(texts))
                found = torch.from_numpy(found) if isinstance(found, np.ndarray) else found
                after, before = tuned(texts), base(texts)
                compare(found, after - before, _mistakes(after, before))
        except Wrong as wrong:
            if outputs > 2:
                wrong.message = (
                    "Your function is right for models of two outputs, and wrong for models of "
                    f"three. {wrong.message}"
                )
            raise


def _function(answer: Any) -> Student:
    """The student's function of texts."""
    if isinstance(answer, Tensor | float | int | np.ndarray):
        raise Wrong(
            "You return numbers. SHAP needs a function of texts: return one, such as "
            "`lambda texts: ...`.",
            got=show(answer),
        )
    if isinstance(answer, tuple | list | dict):
        raise Wrong(
            "You return both models. Return one function that gives their difference.",
            got=show(answer),
        )
    if not callable(answer):
        raise Wrong("Return a function of texts, such as `lambda texts: ...`.", got=show(answer))
    return Student(answer)


def _mistakes(
    tuned: Float[Tensor, "text output"], base: Float[Tensor, "text output"]
) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    return {
        "You subtract the wrong way round: what training added is tuned minus base.": (
            base - tuned
        ),
        "You add the two models. What changed is their difference.": tuned + base,
        "You return the tuned model alone. Subtract what the base model gives.": tuned,
        "You return the base model alone. Subtract it from what the tuned model gives.": base,
        "You take the absolute value. Whether the output rose or fell is half of the answer.": (
            (tuned - base).abs()
        ),
        "You divide. Ratios of log odds do not add up over words: subtract.": tuned / base,
        "You take the mean of the two models. What changed is their difference.": (
            (tuned + base) / 2
        ),
        "You average the difference over the texts. Each masked text needs its own row.": (
            (tuned - base).mean(0)
        ),
        "You subtract probabilities. The outputs are log odds already: no sigmoid is needed.": (
            tuned.sigmoid() - base.sigmoid()
        ),
        "You square the difference, which loses its sign and no longer adds up.": (
            (tuned - base).square()
        ),
        "You flatten the answer. Keep the shape (text, output) of the two models.": (
            (tuned - base).flatten()
        ),
        "You compare only the first text. SHAP asks about many masked texts in one call.": (
            (tuned - base)[:1]
        ),
        "You measure the change in per cent of the base model. Such numbers do not add up over "
        "words: subtract.": (tuned - base) / base.abs(),
    }


def _of(model: Callable[[Any], Tensor], outputs: int) -> Callable[[Any], Tensor]:
    """The model with two outputs, or with the first one once more at the end."""
    return lambda texts: model(texts)[:, [0, 1, 0][:outputs]]


def _tuned(texts: Any) -> Tensor:
    """A stand-in for the tuned model: two outputs for each text, others for a grader."""
    rows = [[0.5 * len(t) - 3.0, 1.0 + 0.25 * t.count("o")] for t in map(str, texts)]
    return rescaled((torch.tensor(rows),), 0)[0]


def _base(texts: Any) -> Tensor:
    """A stand-in for the base model, of its own scale for a grader."""
    rows = [[0.25 * len(t) + 0.5, 1.5 - 0.5 * t.count("t")] for t in map(str, texts)]
    return rescaled((torch.tensor(rows),), 1)[0]
