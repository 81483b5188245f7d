"""A word-level and a byte-level BPE tokenizer, and a dataset for each."""

from itertools import pairwise

import pytest

from interp_rl.ioi import TEMPLATES, make_dataset
from interp_rl.models.recipes import ioi_corpus


@pytest.fixture(scope="session")
def words():
    """The tokenizer of `ioi-mini`: one word is one token."""
    return ioi_corpus.build_tokenizer()


@pytest.fixture(scope="session")
def bpe():
    """A small tokenizer of GPT-2's kind: byte-level BPE, no unknown token, no padding token.

    It has seen the first thirty names only, so the others are several tokens each.
    """
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    names = ioi_corpus.NAMES[:30]
    text = [
        template.replace("[A]", a)
        .replace("[B]", b)
        .replace("[S]", b)
        .replace("[PLACE]", ioi_corpus.PLACES[index % 8])
        .replace("[OBJECT]", ioi_corpus.OBJECTS[index % 8])
        for template in TEMPLATES
        for index, (a, b) in enumerate(pairwise(names))
    ]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        text, vocab_size=700, special_tokens=["<|endoftext|>"], show_progress=False
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, bos_token="<|endoftext|>", model_max_length=1024
    )


@pytest.fixture(scope="session", params=["words", "bpe"])
def dataset(request):
    """Sixty prompts: each template twice in each order."""
    return make_dataset(request.getfixturevalue(request.param), 60, seed=3)
