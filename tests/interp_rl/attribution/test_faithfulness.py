"""Faithfulness tells attributions that are true from those that are not, on models that are known.

The model of these tests counts: log odds of "positive" are the number of good words minus that of
bad ones, so that the true attribution of every word is known.
"""

import random

import pytest
import torch
from tiny_models import MASK

from interp_rl.attribution import Attribution, TextModel, compare, read_text, score_orders
from interp_rl.attribution.faithfulness import MINIMUM_TEXTS, n_highest

WORTH = {"good": 1.0, "great": 2.0, "bad": -1.0, "dull": -2.0}


class Counting(TextModel):
    def __init__(self, tokenizer):
        self.tokenizer, self.output_names = tokenizer, ("negative", "positive")

    def outputs(self, ids, read):
        raise NotImplementedError

    def __call__(self, texts):
        sums = [sum(WORTH.get(word, 0.0) for word in str(text).split()) for text in texts]
        return torch.tensor([[-value, value] for value in sums], dtype=torch.double)


@pytest.fixture(scope="module")
def counting(tokenizer):
    return Counting(tokenizer)


@pytest.fixture(scope="module")
def texts():
    rng = random.Random(0)
    words = [*WORTH, "the", "film", "was", "very", "and", "plot"]
    return [" ".join(rng.choices(words, k=rng.randint(6, 12))) for _ in range(MINIMUM_TEXTS)]


@pytest.fixture(scope="module")
def outputs(counting, texts):
    return [counting.output_names[int(i)] for i in counting(texts).argmax(1)]


def attribution(text, values):
    values = torch.tensor(values, dtype=torch.double)
    nothing = torch.zeros(2, dtype=torch.double)
    words = tuple(text.split())
    return Attribution(
        text, words, torch.stack([-values, values], 1), nothing, nothing,
        ("negative", "positive"), "a test",
    )  # fmt: skip


def true(text, output):
    return attribution(text, [WORTH.get(word, 0.0) for word in text.split()])


def reversed_sign(text, output):
    return attribution(text, [-WORTH.get(word, 0.0) for word in text.split()])


def looks_right(text, output):
    """Marks words of opinion, whichever way they point: what a reader would underline."""
    size = {word: abs(worth) for word, worth in WORTH.items()}
    values = [size.get(word, 0.0) for word in text.split()]
    return attribution(text, values if output == "positive" else [-value for value in values])


def first_words(text, output):
    """Always the beginning: an order that has nothing to do with the words."""
    values = list(range(len(text.split()), 0, -1))
    values = values if output == "positive" else [-value for value in values]
    return attribution(text, [float(value) for value in values])


def explained(texts, outputs, **methods):
    return {
        name.replace("_", " "): [f(t, o) for t, o in zip(texts, outputs, strict=True)]
        for name, f in methods.items()
    }


def test_two_words_by_hand(counting, tokenizer):
    tokens = [read_text(tokenizer, "the great film was dull")]
    order = [torch.tensor([1, 0, 2, 3, 4])]
    found = score_orders(counting, tokens, ["positive"], order, mask=MASK, shares=[0.2])
    assert found.comprehensiveness.item() == 0 - (-2), "without 'great' the text is worth -2"
    assert found.sufficiency.item() == 0 - 2, "'great' alone is worth 2"


def test_the_true_attribution_beats_random_orders_and_its_reverse_loses(counting, texts, outputs):
    given = explained(texts, outputs, true=true, reversed=reversed_sign, first=first_words)
    found = compare(counting, texts, outputs, given, mask=MASK, seed=0)
    assert found.comprehensiveness("true").low > 0.5
    assert found.sufficiency("true").low > 0.5
    assert found.comprehensiveness("reversed").high < -0.5
    assert found.sufficiency("reversed").high < -0.5
    for score in (found.comprehensiveness("first"), found.sufficiency("first")):
        assert score.low < 0 < score.high, "an order unrelated to the words is as good as random"


def test_an_attribution_that_looks_right_is_refuted(counting, texts, outputs):
    given = explained(texts, outputs, true=true, looks_right=looks_right)
    found = compare(counting, texts, outputs, given, mask=MASK, seed=0)
    for score in (found.comprehensiveness, found.sufficiency):
        assert score("looks right").high < score("true").low


def test_the_seed_decides_the_random_orders(counting, texts, outputs):
    runs = [compare(counting, texts, outputs, {}, mask=MASK, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (run.random.comprehensiveness for run in runs)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_deleting_is_a_mask_too(counting, texts, outputs):
    given = explained(texts, outputs, true=true)
    found = compare(counting, texts, outputs, given, mask="", seed=0)
    assert found.comprehensiveness("true").low > 0.5


@pytest.mark.parametrize(("share", "n", "expected"), [(0.1, 4, 1), (0.5, 9, 4), (0.3, 10, 3)])
def test_a_share_is_rounded_and_at_least_one_token(share, n, expected):
    assert n_highest(share, n) == expected


def test_too_few_texts_and_other_bad_input_are_refused(counting, texts, outputs):
    with pytest.raises(ValueError, match=r"10 texts are too few.*at least 200"):
        compare(counting, texts[:10], outputs[:10], {}, mask=MASK, seed=0)
    with pytest.raises(ValueError, match="they go in pairs"):
        compare(counting, texts, outputs[:-1], {}, mask=MASK, seed=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        compare(counting, texts, outputs, {}, mask=MASK, seed=0, shares=[0.5, 1.0])
    with pytest.raises(ValueError, match="2 tokens"):
        compare(counting, texts, outputs, {}, mask="very dull", seed=0)
    others = explained(texts[::-1], outputs[::-1], true=true)
    with pytest.raises(ValueError, match="by true are not those of the given texts"):
        compare(counting, texts, outputs, others, mask=MASK, seed=0)
