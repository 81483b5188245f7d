"""Metrics against hand-computed numbers; the interval against its promised coverage."""

import importlib.util
import math

import pytest
import torch

from interp_rl import ioi
from interp_rl.ioi import metrics


@pytest.fixture(scope="module")
def logits(dataset):
    generator = torch.Generator().manual_seed(0)
    shape = (*dataset.tokens.shape, len(dataset.tokenizer))
    return torch.randn(shape, generator=generator)


@pytest.fixture(scope="module")
def unchecked():
    """The module without jaxtyping's checks, as a reader's notebook has it."""
    spec = importlib.util.spec_from_file_location("unchecked_metrics", metrics.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_metrics_read_each_prompt_at_its_own_end(dataset, logits):
    difference, probability = (
        metric(logits, dataset) for metric in (ioi.logit_difference, ioi.io_probability)
    )
    for row, prompt in enumerate(dataset.prompts):
        here = logits[row, len(dataset.tokenizer(prompt.text)["input_ids"])].double()
        io, s = (dataset.tokenizer(" " + name)["input_ids"][0] for name in (prompt.io, prompt.s))
        assert difference[row].item() == pytest.approx((here[io] - here[s]).item(), abs=1e-5)
        expected = math.exp(here[io]) / here.exp().sum().item()
        assert probability[row].item() == pytest.approx(expected, rel=1e-4)


def test_a_model_that_puts_io_above_s_scores_one_and_its_mirror_zero(dataset, logits):
    rows, end = torch.arange(len(dataset)), dataset.positions["END"]
    right = logits.clone()
    right[rows, end, dataset.io_ids] = right[rows, end, dataset.s_ids] + 2
    assert ioi.accuracy(right, dataset) == 1
    assert torch.allclose(ioi.logit_difference(right, dataset), torch.tensor(2.0), atol=1e-5)
    assert ioi.accuracy(-right, dataset) == 0


@pytest.mark.parametrize("metric", [ioi.logit_difference, ioi.prefers_io])
def test_measuring_in_batches_gives_what_one_batch_gives(bpe, metric):
    many = ioi.make_dataset(bpe, 2 * metrics.BATCH + 1, seed=0)
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(len(bpe), len(bpe), generator=generator)
    sizes = []

    def model(tokens):
        sizes.append(len(tokens))
        return table[tokens]

    assert torch.equal(ioi.measure(model, many, metric), metric(table[many.tokens], many))
    assert sizes == [metrics.BATCH, metrics.BATCH, 1]


def test_a_tie_does_not_count_as_preferring_io(dataset, logits):
    assert ioi.accuracy(torch.zeros_like(logits), dataset) == 0


def test_the_logit_difference_is_the_log_odds_of_the_two_names(dataset, logits):
    """The logarithm of P(IO)/P(S), whatever all the other tokens have."""
    rows, end = torch.arange(len(dataset)), dataset.positions["END"]
    p = logits.double().softmax(-1)[rows, end]
    odds = (p[rows, dataset.io_ids] / p[rows, dataset.s_ids]).log()
    assert torch.allclose(ioi.logit_difference(logits, dataset).double(), odds, atol=1e-5)


def test_a_constant_on_all_logits_changes_nothing_but_a_factor_does(dataset, logits):
    difference = ioi.logit_difference(logits, dataset)
    assert torch.allclose(ioi.logit_difference(logits + 7, dataset), difference, atol=1e-4)
    assert torch.allclose(
        ioi.io_probability(logits + 7, dataset), ioi.io_probability(logits, dataset), atol=1e-5
    )
    assert torch.allclose(ioi.logit_difference(2 * logits, dataset), 2 * difference, atol=1e-5)


# ----- bootstrap


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    """Exponential values (skewed, mean 1), 400 samples of 100: coverage near 95%."""
    generator = torch.Generator().manual_seed(1)
    samples = -torch.rand(400, 100, generator=generator).log()
    covered = 0
    for sample in samples:
        interval = ioi.bootstrap_interval(sample, resamples=400)
        covered += interval.low <= 1 <= interval.high
    assert 0.90 < covered / 400 < 0.98


def test_the_interval_agrees_with_the_normal_one_for_many_values():
    values = torch.randn(2000, generator=torch.Generator().manual_seed(2))
    interval = ioi.bootstrap_interval(values)
    half = 1.96 * values.std().item() / math.sqrt(2000)
    assert interval.mean == pytest.approx(values.mean().item(), abs=1e-6)
    assert interval.low == pytest.approx(interval.mean - half, abs=0.1 * half)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.1 * half)


def test_more_confidence_is_wider_and_the_seed_decides():
    values = torch.randn(50, generator=torch.Generator().manual_seed(3))
    wide, narrow = (ioi.bootstrap_interval(values, confidence=c) for c in (0.99, 0.5))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert ioi.bootstrap_interval(values) == ioi.bootstrap_interval(values)
    assert ioi.bootstrap_interval(values) != ioi.bootstrap_interval(values, seed=1)


def test_an_interval_takes_truth_values_and_reads_well():
    interval = ioi.bootstrap_interval(torch.tensor([True, False] * 50))
    assert str(interval) == "0.50 [0.40, 0.60]"


# ----- bad input


@pytest.mark.parametrize("metric", ["logit_difference", "io_probability", "prefers_io", "accuracy"])
class TestBadLogits:
    def test_without_the_position_axis(self, unchecked, metric, dataset, logits):
        with pytest.raises(ValueError, match="do not belong to 60 prompts; the shape should be"):
            getattr(unchecked, metric)(logits[:, -1], dataset)

    def test_of_other_prompts(self, metric, dataset, logits):
        with pytest.raises(ValueError, match="do not belong to 60 prompts"):
            getattr(ioi, metric)(logits[:-1], dataset)

    def test_cut_before_end(self, metric, dataset, logits):
        with pytest.raises(
            ValueError, match=r"END is at position \d+, but the logits have 10 positions"
        ):
            getattr(ioi, metric)(logits[:, :10], dataset)

    def test_of_a_smaller_vocabulary(self, metric, dataset, logits):
        with pytest.raises(ValueError, match="the logits have 5 tokens"):
            getattr(ioi, metric)(logits[..., :5], dataset)

    def test_nan(self, metric, dataset, logits):
        broken = logits.clone()
        broken[:3] = float("nan")
        with pytest.raises(ValueError, match="NaN in 3 of 60 prompts"):
            getattr(ioi, metric)(broken, dataset)

    def test_nan_in_the_padding_does_no_harm(self, metric, dataset, logits):
        padded = logits.clone()
        padded[torch.arange(logits.shape[1]) > dataset.positions["END"][:, None]] = float("nan")
        assert padded.isnan().any()
        value = getattr(ioi, metric)(padded, dataset)
        assert torch.equal(
            torch.as_tensor(value), torch.as_tensor(getattr(ioi, metric)(logits, dataset))
        )


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0], {}, "at least two values"),
        ([1.0, float("nan"), 2.0], {}, "1 of the values are NaN or infinite"),
        ([1.0, 2.0], {"confidence": 95}, "confidence is 95; it must lie between 0 and 1"),
        ([1.0, 2.0], {"resamples": 10}, "resamples is 10; at least 100"),
    ],
)
def test_bad_input_of_the_interval(unchecked, values, options, message):
    with pytest.raises(ValueError, match=message):
        unchecked.bootstrap_interval(torch.tensor(values), **options)
