"""The check of Exercise 5.1a passes every right answer and names what is wrong with the others."""

import pytest
import torch

from interp_rl.attribution import Classifier
from interp_rl.checks.hidden import hidden_inputs
from interp_rl.checks.section5 import check_wrap_classifier


def batch(texts, tokenizer):
    return tokenizer([str(text) for text in texts], padding=True, return_tensors="pt")


@torch.no_grad()
def logits(texts, model, tokenizer):
    found = batch(texts, tokenizer)
    return model(input_ids=found["input_ids"], attention_mask=found["attention_mask"]).logits


def by_logit(texts, model, tokenizer):
    return torch.logit(logits(texts, model, tokenizer).softmax(-1))


def one_by_one(texts, model, tokenizer):
    rows = []
    with torch.no_grad():
        for text in texts.tolist():
            p = model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)
            rows.append((p / (1 - p)).log())
    return torch.cat(rows)


def by_logsumexp(texts, model, tokenizer):
    z = logits(texts, model, tokenizer)
    columns = [z[:, i] - z[:, [j for j in range(z.shape[1]) if j != i]].logsumexp(-1)
               for i in range(z.shape[1])]  # fmt: skip
    return torch.stack(columns, -1)


def as_numpy(texts, model, tokenizer):
    return by_logit(texts, model, tokenizer).numpy()


def by_library(texts, model, tokenizer):
    return Classifier(model, tokenizer)(texts).float()


RIGHT = [by_logit, one_by_one, by_logsumexp, as_numpy, by_library]


@pytest.mark.parametrize("solution", RIGHT)
def test_every_right_way_passes(solution):
    result = check_wrap_classifier(solution)
    assert result.passed, result
    assert "nothing else" in result.learned


def with_gradients(texts, model, tokenizer):
    return torch.logit(model(**batch(texts, tokenizer)).logits.softmax(-1))


def chosen(texts, model, tokenizer):
    odds = by_logit(texts, model, tokenizer)
    return odds.max(-1, keepdim=True).values


@torch.no_grad()
def unmasked(texts, model, tokenizer):
    return model(input_ids=batch(texts, tokenizer)["input_ids"]).logits


WRONG = {
    "You return logits": logits,
    "of their sigmoid": lambda *a: torch.logit(logits(*a).sigmoid()),
    "a single text has p = 1": lambda *a: torch.logit(logits(*a).softmax(0)),
    "You return probabilities": lambda *a: logits(*a).softmax(-1),
    "You return log probabilities": lambda *a: logits(*a).log_softmax(-1),
    "sign is reversed": lambda *a: -by_logit(*a),
    "You return odds": lambda *a: logits(*a).softmax(-1) / (1 - logits(*a).softmax(-1)),
    "chooses. SHAP needs the same": chosen,
    "as one number for each text": lambda *a: chosen(*a)[:, 0],
    "number of the predicted class": lambda *a: logits(*a).argmax(-1).float(),
    "mean over the texts": lambda *a: by_logit(*a).mean(0),
    "leave out the attention mask": lambda *a: torch.logit(unmasked(*a).softmax(-1)),
    "first text only": lambda *a: by_logit(*a)[:1],
    "softmax twice": lambda *a: torch.logit(logits(*a).softmax(-1).softmax(-1)),
    "sigmoid to each logit": lambda *a: logits(*a).sigmoid(),
    "still carries gradients": with_gradients,
    "returns a list": lambda *a: by_logit(*a).tolist(),
    "raises": lambda texts, model, tokenizer: model(**tokenizer(texts, return_tensors="pt")).logits,
}


@pytest.mark.parametrize("message", WRONG)
def test_each_mistake_has_its_message(message):
    result = check_wrap_classifier(WRONG[message])
    assert not result.passed
    assert message in result.message


def test_single_precision_is_enough_for_any_secret():
    """Where p is near 1, log odds have few digits; the model's outputs keep away from there."""
    for number in range(60):
        with hidden_inputs(f"secret {number}"):
            result = check_wrap_classifier(by_logit)
        assert result.passed, (number, result)


def test_the_transpose_is_told():
    result = check_wrap_classifier(lambda *a: by_logit(*a).T)
    assert not result.passed and "transpose" in result.message


def test_a_softmax_over_texts_is_told():
    def over_texts(*a):
        return torch.logit(logits(*a).softmax(0).double(), eps=1e-9).float()

    result = check_wrap_classifier(over_texts)
    assert not result.passed and "over the texts" in result.message
