"""Tiny models, made once."""

import pytest
from tiny_models import make_classifier, make_language_model, make_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def emotion(tokenizer):
    """A classifier of three emotions."""
    from interp_rl.attribution import Classifier

    return Classifier(make_classifier(), tokenizer, begins_with_bos=True)


@pytest.fixture(scope="session")
def sentiment(tokenizer):
    """A classifier of two sentiments."""
    from interp_rl.attribution import Classifier

    return Classifier(make_classifier(("negative", "positive")), tokenizer, begins_with_bos=True)


@pytest.fixture(scope="session")
def language_model():
    """A language model; tests must not change its weights."""
    return make_language_model()


@pytest.fixture(scope="session")
def contrast(language_model, tokenizer):
    """Good or great against bad or dull."""
    from interp_rl.attribution import WordContrast

    return WordContrast(language_model, tokenizer, ["good", "great"], ["bad", "dull"])
