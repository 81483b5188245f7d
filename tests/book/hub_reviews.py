"""A directory with what section 4 takes from the hub: a GPT-2, a DistilBERT and reviews of IMDB.

The models are small and have learned nothing; their files and tokenizers are of the hub's kinds.
"""

import json
import random
from pathlib import Path

import hub_model

from interp_rl.models.recipes import reviews_corpus

N_REVIEWS = 3_000
"""In each half of the reviews."""


def save_all(directory: Path) -> Path:
    """Saves both models and the reviews, each in a directory of its own.

    Args:
        directory: Where to; what `INTERP_RL_HUB_DIR` is to name.

    Returns:
        The directory.
    """
    hub_model.save_random_model(directory / "gpt2-imdb")
    save_classifier(directory / "distilbert-imdb")
    save_reviews(directory / "imdb")
    return directory


def save_classifier(directory: Path) -> None:
    """A random DistilBERT with the labels of the hub's, and a token for each word of our reviews.

    Args:
        directory: Where to; it is made.
    """
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    directory.mkdir(parents=True)
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    characters = [*map(chr, range(33, 127))]
    pieces = [*characters, *(f"##{character}" for character in characters)]
    words = dict.fromkeys([*special.values(), *reviews_corpus.VOCABULARY, *pieces])
    (directory / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    wordpiece = BertWordPieceTokenizer(str(directory / "vocab.txt"), lowercase=True)
    wordpiece.save(str(directory / "tokenizer.json"))
    settings = {
        **{f"{name}_token": token for name, token in special.items()},
        "do_lower_case": True,
        "model_max_length": 512,
        "tokenizer_class": "DistilBertTokenizer",
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.manual_seed(0)
    config = DistilBertConfig(
        vocab_size=len(words),
        dim=24,
        n_layers=1,
        n_heads=2,
        hidden_dim=48,
        initializer_range=0.3,
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
        label2id={"NEGATIVE": 0, "POSITIVE": 1},
    )
    DistilBertForSequenceClassification(config).save_pretrained(directory)


def save_reviews(directory: Path) -> None:
    """Reviews in the files of the hub's data set; generated ones, as IMDB's are not ours to copy.

    Args:
        directory: Where to; it is made.
    """
    import datasets

    (directory / "plain_text").mkdir(parents=True)
    label = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features({"text": datasets.Value("string"), "label": label})
    for part in ("train", "test"):
        rng = random.Random(part)
        drawn = [reviews_corpus.draw(rng) for _ in range(N_REVIEWS)]
        data = {
            # real reviews begin in more ways than generated ones
            "text": [
                " ".join([*rng.choices(reviews_corpus.VOCABULARY[5:], k=3), review.text])
                for review in drawn
            ],
            "label": [review.sentiment == "positive" for review in drawn],
        }
        path = directory / "plain_text" / f"{part}-00000-of-00001.parquet"
        datasets.Dataset.from_dict(data, features).to_parquet(path)
