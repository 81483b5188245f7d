"""Text to tokens, and texts a model cannot read."""

import pytest

from interp_rl.models import TextError, load, load_hooked
from interp_rl.models.text import to_tokens


@pytest.fixture(scope="module")
def gpt2(saved_gpt2):
    return load(saved_gpt2)


def test_bos_comes_first_and_the_text_is_kept(gpt2):
    tokens = to_tokens(gpt2, "Mary gave John a drink")
    assert tokens.shape[0] == 1
    assert tokens[0, 0] == gpt2.tokenizer.bos_token_id
    assert gpt2.tokenizer.decode(tokens[0, 1:].tolist()) == "Mary gave John a drink"


def test_model_bridge_and_tokenizer_give_the_same_tokens(gpt2, saved_gpt2, ioi_model):
    bridge = load_hooked(saved_gpt2)
    for text in ("Mary", "When Mary and John went"):
        assert (
            to_tokens(bridge, text).tolist()
            == to_tokens(gpt2, text).tolist()
            == to_tokens(gpt2.tokenizer, text).tolist()
        )
    text = "When Mary and John went to the store, John gave a book to"
    assert to_tokens(ioi_model, text).tolist() == ioi_model.to_tokens(text).tolist()


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_text_is_refused(gpt2, text):
    with pytest.raises(TextError, match="empty"):
        to_tokens(gpt2, text)


def test_unknown_words_are_named_once_each(ioi_model):
    with pytest.raises(TextError, match=r"does not know 'Zork', 'grue'\. It reads \d+ words"):
        to_tokens(ioi_model, "Mary met Zork at the store, Zork gave a grue to")


def test_a_byte_level_tokenizer_knows_every_word(gpt2):
    assert to_tokens(gpt2, "Zork 😀").shape[1] > 2


def test_a_second_bos_is_refused(gpt2, ioi_model):
    with pytest.raises(TextError, match=r"Leave out <\|endoftext\|>"):
        to_tokens(gpt2, "<|endoftext|>Mary")
    with pytest.raises(TextError, match=r"Leave out <\|bos\|>"):
        to_tokens(ioi_model, "<|bos|> Mary")


def test_the_longest_text_fits_and_a_longer_one_is_refused(gpt2, saved_gpt2, ioi_model):
    bridge = load_hooked(saved_gpt2)
    sizes = ((gpt2, 32), (bridge, 32), (ioi_model, 64), (ioi_model.tokenizer, 64))
    for model, positions in sizes:
        assert to_tokens(model, "," * (positions - 1)).shape == (1, positions)
        message = rf"{positions + 2} tokens.*has {positions} positions. Shorten it by 2"
        with pytest.raises(TextError, match=message):
            to_tokens(model, "," * (positions + 1))
