"""Rewards: what training cannot use is refused; a classifier as a reward."""

import math

import pytest
import torch

from interp_rl.finetuning.rewards import checked, class_probability

TEXTS = ["the film was good", "the food", "bad"]


@pytest.mark.parametrize("given", [torch.tensor([1.0, 0.5, -2.0]), [1, 0.5, -2.0]])
def test_a_tensor_or_a_list_of_numbers_is_a_reward(given):
    scores = checked(lambda texts: given, TEXTS)
    assert scores.tolist() == [1.0, 0.5, -2.0]
    assert scores.dtype == torch.float32


def test_gradients_do_not_leak_out_of_a_reward_function():
    weight = torch.ones(3, requires_grad=True)
    assert not checked(lambda texts: weight * 2, TEXTS).requires_grad


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (torch.ones(2), ValueError, r"shape \(2,\) for 3 texts"),
        (torch.ones(3, 1), ValueError, r"shape \(3, 1\)"),
        (torch.tensor(1.0), ValueError, r"shape \(\) for 3"),
        ([], ValueError, r"shape \(0,\)"),
        (torch.tensor([0.0, math.nan, 1.0]), ValueError, "nan for 'the food'"),
        (torch.tensor([0.0, 1.0, math.inf]), ValueError, "1 rewards that are NaN or infinite"),
        ([0.0, -math.inf, 1.0], ValueError, "-inf for 'the food'"),
        (None, TypeError, "returned a NoneType"),
        (0.5, TypeError, "returned a float"),
        (["good", "bad", "bad"], TypeError, "list of str"),
        ([{"label": "POSITIVE"}] * 3, TypeError, "list of dict"),
        (torch.ones(3, dtype=torch.complex64), TypeError, "complex"),
    ],
)
def test_any_other_return_value_is_refused(given, error, says):
    def mine(texts):
        return given

    with pytest.raises(error, match=says) as raised:
        checked(mine, TEXTS)
    assert "mine" in str(raised.value)


def test_class_probability_is_that_of_each_text_alone(classifier, tokenizer):
    positive = class_probability(classifier, tokenizer, "positive", batch=2)
    together = checked(positive, TEXTS)
    for text, score in zip(TEXTS, together, strict=True):
        ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text)["input_ids"]]])
        alone = classifier(input_ids=ids).logits.softmax(-1)[0, 1]
        assert torch.isclose(score, alone, atol=1e-6), "padding must not matter"
    by_index = class_probability(classifier, tokenizer, 0)
    assert torch.allclose(checked(by_index, TEXTS), 1 - together, atol=1e-6)
    assert positive.__name__ == "P(positive)"


def test_a_classifier_that_cannot_serve_is_refused(classifier, tokenizer):
    with pytest.raises(ValueError, match=r"no class 'good'.*'negative' \(0\), 'positive' \(1\)"):
        class_probability(classifier, tokenizer, "good")
    with pytest.raises(ValueError, match="no class True"):
        class_probability(classifier, tokenizer, True)
    with pytest.raises(ValueError, match=r"36 tokens.*at most 32"):
        class_probability(classifier, tokenizer, "positive")(["good " * 35])
    with pytest.raises(ValueError, match="training mode"):
        class_probability(classifier.train(), tokenizer, "positive")
    classifier.eval()
    tokenizer_without = type("NoPad", (), {"pad_token_id": None})
    with pytest.raises(ValueError, match="no padding token"):
        class_probability(classifier, tokenizer_without, "positive")
