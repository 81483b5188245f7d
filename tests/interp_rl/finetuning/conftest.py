"""Fixtures of section 4's tests: what `tiny_reviews` makes."""

import copy

import pytest
import torch
from tiny_reviews import PROMPTS, count_good, make_classifier, make_model, make_tokenizer


@pytest.fixture(scope="session", autouse=True)
def single_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def untouched():
    """One random model; tests must not change it."""
    return make_model()


@pytest.fixture
def model(untouched):
    """A copy that a test may train."""
    return copy.deepcopy(untouched)


@pytest.fixture
def classifier():
    return make_classifier()


@pytest.fixture
def prompts():
    return list(PROMPTS)


@pytest.fixture
def reward():
    return count_good
