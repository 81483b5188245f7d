"""A tiny GPT-2 with random weights, a tokenizer of words, a reward; as section 4 has them."""

import torch

WORDS = ["the", "film", "food", "plot", "was", "is", "not", "very"]
WORDS += ["good", "bad", "great", "awful", "but", "and", ".", ","]
SPECIAL = {
    "bos_token": "<|bos|>",
    "eos_token": "<|eos|>",
    "pad_token": "<|pad|>",
    "unk_token": "<|unk|>",
    "mask_token": "<|mask|>",
}


VOCABULARY = len(SPECIAL) + len(WORDS)


def make_tokenizer():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate([*SPECIAL.values(), *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL["unk_token"]))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=32, **SPECIAL)


def make_model(*, seed=0, vocabulary=VOCABULARY, positions=32):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=positions,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        initializer_range=0.3,
        attn_implementation="eager",
    )
    return GPT2LMHeadModel(config).eval()


def make_classifier(*, seed=1):
    from transformers import GPT2Config, GPT2ForSequenceClassification

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=32,
        n_embd=16,
        n_layer=1,
        n_head=2,
        pad_token_id=2,
        num_labels=2,
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
        initializer_range=0.5,
    )
    return GPT2ForSequenceClassification(config).eval()


PROMPTS = ["the film", "the food was", "the plot is not very", "the"]


def count_good(texts):
    """A reward that is easy to raise: how often the word stands there."""
    return torch.tensor([float(text.split().count("good")) for text in texts])
