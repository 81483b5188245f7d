"""How `sentiment-mini` and `emotion-mini` are trained: `reviews-mini` with another last layer.

    python -m interp_rl.models.recipes.sentiment_mini --seed 0 --out runs/sentiment-mini
    python -m interp_rl.models.recipes.emotion_mini --seed 0 --out runs/emotion-mini

A classifier starts from the language model's weights, and reads the same generated reviews with
their labels. What it says is to be of use for whole reviews, for the beginnings that a language
model is about to finish, and for texts in which an explanation has hidden some words. So a part of
the training reviews is cut off or masked, and the label is always that of the whole review; of
some only the last full stop is missing, as it often is in what people type. No review is cut where
a sentence could end, before a "but" for instance: "the film was good" is taken for a whole one.
Asked for a text that does not settle the matter, the classifier then answers with the share of such
reviews that have the label; for a text of masks only, with the share among all reviews.

An interrupted run goes on from its checkpoint and ends with the same weights as an uninterrupted
one.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
import transformers
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from interp_rl.models import files, registry
from interp_rl.models.recipes import fitting, run_folder
from interp_rl.models.recipes.reviews_corpus import (
    BOS,
    EMOTIONS,
    EOS,
    IDS,
    MASK,
    SENTIMENTS,
    Review,
    build_tokenizer,
    draw,
)
from interp_rl.models.recipes.reviews_mini import BATCHES_AT_ONCE, PAD_ID, pad

LABELS: dict[str, tuple[str, ...]] = {"sentiment": SENTIMENTS, "emotion": EMOTIONS}
"""Labels of each task, in the order of their ids."""

LANGUAGE_MODEL = "reviews-mini"
"""The model that both classifiers start from."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out."""

    seed: int = 0
    """seed of the last layer and of the training text"""
    task: str = "sentiment"
    """`sentiment` or `emotion`"""
    steps: int = 1_500
    """optimizer steps"""
    batch_size: int = 64
    """reviews in each step"""

    learning_rate: float = 1e-3
    """peak learning rate of AdamW"""
    warmup: int = 50
    """steps over which the learning rate rises, before it falls linearly to zero"""
    weight_decay: float = 0.05
    """of all parameters"""

    cut: float = 0.2
    """share of reviews that are cut off at a random word, but not where a sentence could end"""
    unstopped: float = 0.15
    """share of whole reviews without their last full stop"""
    masked: float = 0.3
    """share of reviews in which words are hidden; how many is drawn from none to all"""
    bare: float = 0.5
    """share of reviews without the token that begins a text, and of the others without the token
    that ends it"""
    started_from: str = ""
    """sha256 of the language model's weights; entered by the run"""


def labelled(recipe: Recipe, name: str) -> Iterator[Review]:
    """An endless stream of training reviews, in which every label is equally frequent.

    Args:
        recipe: The task.
        name: The same name gives the same stream.

    Yields:
        One review.
    """
    rng = random.Random(f"labelled {name}")
    while True:
        label = rng.choice(LABELS[recipe.task])
        if recipe.task == "emotion":
            yield draw(rng, emotion=label)
        else:
            yield draw(rng, sentiment=label)


#: Words before which a sentence could have ended.
_GOING_ON = {
    IDS[word]
    for word in [".", ",", "but", "yet", "and", "although", "even", "while", "rather", "when"]
}

Batch = tuple[Int[Tensor, "batch pos"], Int[Tensor, " batch"]]
"""Token ids and labels."""


def draw_batches(recipe: Recipe, chunk: int) -> list[Batch]:
    """Draws the batches of steps `chunk * BATCHES_AT_ONCE` and following.

    Args:
        recipe: Task, seed, batch size, and what is cut or masked.
        chunk: Number of the chunk.

    Returns:
        `BATCHES_AT_ONCE` batches.
    """
    name = f"{recipe.task}-mini {recipe.seed} {chunk}"
    rng = random.Random(name)
    texts = []
    for review in islice(labelled(recipe, name), BATCHES_AT_ONCE * recipe.batch_size):
        ids = [IDS[word] for word in review.words]
        kind = rng.random()
        if kind < recipe.cut:
            places = [at for at in range(1, len(ids)) if ids[at] not in _GOING_ON]
            ids = ids[: rng.choice(places)]
        elif kind < recipe.cut + recipe.unstopped:
            ids.pop()
        elif rng.random() >= recipe.bare:
            ids.append(IDS[EOS])
        if rng.random() >= recipe.bare:
            ids.insert(0, IDS[BOS])
        if kind > 1 - recipe.masked:
            share = rng.random()
            ids = [IDS[MASK] if rng.random() < share else id for id in ids]
        label = LABELS[recipe.task].index(getattr(review, recipe.task))
        texts.append((ids, label))
    texts.sort(key=lambda text: len(text[0]))
    groups = [texts[at : at + recipe.batch_size] for at in range(0, len(texts), recipe.batch_size)]
    rng.shuffle(groups)
    return [
        (pad([ids for ids, _ in group]), torch.tensor([label for _, label in group]))
        for group in groups
    ]


def make_model(recipe: Recipe, language_model: Path) -> transformers.GPT2ForSequenceClassification:
    """The language model with a new last layer, which reads the last word that is no padding.

    Args:
        recipe: Task and seed.
        language_model: Directory of the language model.

    Returns:
        The model.
    """
    pretrained = transformers.GPT2LMHeadModel.from_pretrained(
        language_model, local_files_only=True, use_safetensors=True
    )
    settings = pretrained.config.to_dict()
    labels = LABELS[recipe.task]
    for gone in ("architectures", "transformers_version", "dtype"):
        settings.pop(gone, None)
    settings |= {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
        "pad_token_id": PAD_ID,
    }
    torch.manual_seed(recipe.seed)
    model = transformers.GPT2ForSequenceClassification(transformers.GPT2Config(**settings))
    model.transformer.load_state_dict(pretrained.transformer.state_dict())
    return model


def train(
    recipe: Recipe, out: Path, language_model: Path, checkpoint_every: int = 500
) -> transformers.GPT2ForSequenceClassification:
    """Trains the classifier, from the checkpoint in `out` if there is one.

    Args:
        recipe: All settings.
        out: Where the checkpoint is kept while the run lasts.
        language_model: Directory of the language model to start from.
        checkpoint_every: Steps between two checkpoints.

    Returns:
        The trained model, in evaluation mode.

    Raises:
        ValueError: If there is no such task, or the checkpoint in `out` belongs to a run with other
            settings.
    """
    if recipe.task not in LABELS:
        raise ValueError(f"no task {recipe.task!r}: {', '.join(LABELS)}")
    model = make_model(recipe, language_model)
    chunk: dict[int, list[Batch]] = {}

    def loss_at(step: int) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        number, at = divmod(step, BATCHES_AT_ONCE)
        if number not in chunk:
            chunk.clear()
            chunk[number] = draw_batches(recipe, number)
        ids, labels = chunk[number][at]
        loss = F.cross_entropy(model(ids).logits, labels)
        return loss, loss

    fitting.fit(model, recipe, out, loss_at, checkpoint_every=checkpoint_every)
    return model


def run(
    recipe: Recipe, out: Path, language_model: Path | None = None, checkpoint_every: int = 500
) -> None:
    """Trains, writes model and tokenizer in Hugging Face format, and says what it wrote.

    Args:
        recipe: All settings.
        out: A directory; made if missing.
        language_model: Directory of the language model to start from; the shipped one if left out.
        checkpoint_every: Steps between two checkpoints.
    """
    start = language_model or registry.WEIGHTS / LANGUAGE_MODEL
    files.check_format(start)
    recipe = replace(recipe, started_from=files.sha256(start / "model.safetensors"))
    model = train(recipe, out, start, checkpoint_every)
    run_folder.finish(out, recipe, model, build_tokenizer())
