"""Check of Exercise 5.1a: a classifier as a function from texts to log odds."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, compare, show
from interp_rl.checks.hidden import reordered
from interp_rl.checks.section5.tiny_classifier import tiny_classifier, tiny_tokenizer

TEXTS = ("the film was not dull", "good", "dull and dull and not good", "the film was good")
"""Of several lengths, so that padding is needed."""


@check("5.1a", learned="SHAP explains any function from texts to numbers, and nothing else.")
def check_wrap_classifier(fn: Student) -> None:
    """Checks Exercise 5.1a: log odds of each class for each text.

    Args:
        fn: Your function `class_log_odds(texts, model, tokenizer)`.
    """
    model, tokenizer = tiny_classifier(), tiny_tokenizer()
    shown = [" ".join(reordered(text.split(), i)) for i, text in enumerate(TEXTS)]
    for texts in (np.array(shown[:1]), np.array(shown)):  # SHAP hands over NumPy arrays of strings
        answer = _as_tensor(fn(texts, model, tokenizer))
        model.eval()  # whatever the answer has done to it
        if isinstance(answer, Tensor) and answer.requires_grad:
            raise Wrong(
                "Your answer still carries gradients, which SHAP cannot turn into an array: call "
                "the model inside `with torch.no_grad():`."
            )
        if isinstance(answer, list | tuple):
            raise Wrong(
                "Your function returns a list. Return one tensor of shape (text, class).",
                got=show(answer),
            )
        expected = _log_odds(_logits(texts))
        compare(answer, expected, _mistakes(texts))


def _as_tensor(answer: Any) -> Any:
    """A NumPy array is as good for SHAP as a tensor."""
    return torch.from_numpy(answer) if isinstance(answer, np.ndarray) else answer


@torch.no_grad()
def _logits(texts: np.ndarray) -> Float[Tensor, "text label"]:
    """Each text alone, so that no padding can matter."""
    model, tokenizer = tiny_classifier(), tiny_tokenizer()
    rows = [torch.tensor([tokenizer(str(text))["input_ids"]]) for text in texts]
    return torch.cat([model(input_ids=row).logits for row in rows])


@torch.no_grad()
def _unmasked_logits(texts: np.ndarray) -> Float[Tensor, "text label"]:
    """All texts at once, with padding that the model reads as if it were words."""
    batch = tiny_tokenizer()(texts.tolist(), padding=True, return_tensors="pt")
    return tiny_classifier()(input_ids=batch["input_ids"]).logits


def _log_odds(logits: Float[Tensor, "text label"]) -> Float[Tensor, "text label"]:
    return torch.logit(logits.double().softmax(-1)).float()


def _mistakes(texts: np.ndarray) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    logits = _logits(texts)
    p, right = logits.softmax(-1), _log_odds(logits)
    chosen = right.gather(1, logits.argmax(-1, keepdim=True))
    mistakes = {
        "You return logits, or the log odds of their sigmoid, which is the same. A logit means "
        "something only beside the others: log odds are log(p / (1 - p)) with p from the softmax "
        "over the classes.": logits,
        "You return probabilities. Their log odds, `torch.logit(p)`, are what words add to; "
        "probabilities are flat near 0 and 1.": p,
        "You take the softmax twice: the second one flattens the probabilities.": (
            torch.logit(p.double().softmax(-1)).float()
        ),
        "You return log probabilities. Log odds are log p - log(1 - p).": logits.log_softmax(-1),
        "The sign is reversed: log(p / (1 - p)) is positive where the class is likely.": -right,
        "You return odds, p / (1 - p). Take their logarithm.": p / (1 - p),
        "You return only the class that the model chooses. SHAP needs the same outputs for every "
        "masked text: all classes, shape (text, class).": chosen,
        "You return only the class that the model chooses, as one number for each text. SHAP "
        "needs all classes, shape (text, class).": chosen[:, 0],
        "You return the number of the predicted class. It jumps or stands still, and cannot be "
        "divided among words: return the log odds of all classes.": logits.argmax(-1).float(),
        "You return the mean over the texts. SHAP needs a row for each masked text.": right.mean(0),
        "Your answer is the transpose: one row for each text, one column for each class.": right.T,
        "You apply a sigmoid to each logit. With several classes, p comes from the softmax over "
        "the classes.": logits.sigmoid(),
        "You take the softmax over the texts. It goes over the classes, the last axis.": (
            torch.logit(logits.softmax(0).double(), eps=1e-9).float()
        ),
    }
    if len(texts) == 1:
        alone = "You take the softmax over the texts, so that a single text has p = 1 for every "
        mistakes[alone + "class. It goes over the classes, the last axis."] = torch.full_like(
            right, torch.inf
        )
    if len(texts) > 1:
        mistakes |= {
            "You leave out the attention mask, and the model reads the padding of the shorter "
            "texts: hand it `batch['attention_mask']`.": _log_odds(_unmasked_logits(texts)),
            "Your function answers for the first text only. SHAP asks about many masked texts in "
            "one call.": right[:1],
        }
    return mistakes
