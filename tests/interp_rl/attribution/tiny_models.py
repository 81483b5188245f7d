"""A word-level tokenizer, a random classifier and a random language model, all tiny."""

SPECIAL = ["<|bos|>", "<|eos|>", "<|pad|>", "<|unk|>", "<|mask|>"]
PLAIN = (
    "the a film plot acting was is not never good bad great dull but and very i loved hated it . ,"
)
WORDS = [*SPECIAL, *PLAIN.split()]
MASK = "<|mask|>"
SHAPE = {
    "n_positions": 64,
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
    "initializer_range": 0.3,
    "attn_implementation": "eager",
}
LABELS = ("anger", "joy", "sadness")


def make_tokenizer(words=WORDS):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    built = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<|unk|>")
    )
    built.normalizer = normalizers.Lowercase()
    built.pre_tokenizer = pre_tokenizers.Whitespace()
    names = ("bos", "eos", "pad", "unk", "mask")
    special = {f"{name}_token": f"<|{name}|>" for name in names}
    return PreTrainedTokenizerFast(tokenizer_object=built, model_max_length=64, **special)


def make_classifier(labels=LABELS, seed=0):
    import torch
    from transformers import GPT2Config, GPT2ForSequenceClassification

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(WORDS),
        pad_token_id=2,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        **SHAPE,
    )
    return GPT2ForSequenceClassification(config).eval()


def make_language_model(seed=1, vocab_size=None):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=vocab_size or len(WORDS), bos_token_id=0, **SHAPE)
    )
    with torch.no_grad():  # biases start at zero, where nothing could be noticed
        for name, parameter in model.named_parameters():
            if name.endswith("bias") and "ln" not in name:
                parameter.normal_(0, 0.1)
    return model.eval()
