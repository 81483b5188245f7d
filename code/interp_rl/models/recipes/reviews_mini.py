"""Trains `reviews-mini`: a GPT-2 of four layers that writes film reviews.

    python -m interp_rl.models.recipes.reviews_mini --seed 0 --out runs/reviews-mini

The model reads generated reviews (`reviews_corpus`), new ones at every step, a little more than
half of them positive. Two training aids make it easier to work with; neither changes what it is to
write:

1. `masked`: in some reviews, some words are hidden from the model by `<|mask|>`, but not from the
   loss, so that it knows what a mask is and never writes one;
2. `bare`: some reviews stand without the token that begins a text, so that a prompt may be given
   with it or without.

It is Hugging Face's own GPT-2 that is trained here, and nothing has to be converted. An interrupted
run goes on from its checkpoint and ends with the same weights as an uninterrupted one.
"""

import random
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from interp_rl.models.recipes import fitting, run_folder
from interp_rl.models.recipes.reviews_corpus import (
    BOS,
    EOS,
    IDS,
    MASK,
    MAX_WORDS,
    PAD,
    VOCABULARY,
    build_tokenizer,
    reviews,
)

#: Their places in the vocabulary.
BOS_ID, EOS_ID, PAD_ID, MASK_ID = IDS[BOS], IDS[EOS], IDS[PAD], IDS[MASK]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out."""

    seed: int = 0
    """seed of the initial weights and of the training text"""
    steps: int = 3_500
    """optimizer steps"""
    batch_size: int = 64
    """reviews in each step"""

    layers: int = 4
    """blocks, each of attention and an MLP"""
    heads: int = 4
    """attention heads in each block"""
    width: int = 64
    """size of the residual stream"""
    hidden: int = 256
    """units in each MLP"""
    positions: int = MAX_WORDS + 2
    """longest review, with the tokens that begin and end it"""

    learning_rate: float = 3e-3
    """peak learning rate of AdamW"""
    warmup: int = 100
    """steps over which the learning rate rises, before it falls linearly to zero"""
    weight_decay: float = 0.05
    """of all parameters"""

    positive: float = 0.55
    """share of positive reviews"""
    masked: float = 0.15
    """aid 1: share of reviews in which words are hidden"""
    most_masked: float = 0.5
    """the share of words hidden in such a review is drawn from 0 to this"""
    bare: float = 0.25
    """aid 2: share of reviews without the token that begins a text"""


def make_model(recipe: Recipe) -> GPT2LMHeadModel:
    """A GPT-2 with random weights, without dropout.

    Args:
        recipe: Its shape and seed.

    Returns:
        The model.
    """
    torch.manual_seed(recipe.seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(VOCABULARY),
            n_positions=recipe.positions,
            n_embd=recipe.width,
            n_layer=recipe.layers,
            n_head=recipe.heads,
            n_inner=recipe.hidden,
            embd_pdrop=0.0,
            resid_pdrop=0.0,
            attn_pdrop=0.0,
            initializer_range=0.05,
            bos_token_id=BOS_ID,
            eos_token_id=EOS_ID,
            pad_token_id=PAD_ID,
            tie_word_embeddings=True,
        )
    )


BATCHES_AT_ONCE = 20
"""This many batches are drawn together and sorted by length, to pad less."""


def pad(rows: list[list[int]]) -> Int[Tensor, "batch pos"]:
    """Rows of token ids, padded on the right.

    Args:
        rows: Token ids.

    Returns:
        The batch.
    """
    length = max(map(len, rows))
    return torch.tensor([row + [PAD_ID] * (length - len(row)) for row in rows])


Batch = tuple[Int[Tensor, "batch pos"], Int[Tensor, "batch pos"]]
"""Token ids as the model reads them, some masked, and as they were."""


def draw_batches(recipe: Recipe, chunk: int) -> list[Batch]:
    """Draws the batches of steps `chunk * BATCHES_AT_ONCE` and following.

    Args:
        recipe: Seed, batch size, and shares of the aids.
        chunk: Number of the chunk.

    Returns:
        `BATCHES_AT_ONCE` batches.
    """
    name = f"reviews-mini {recipe.seed} {chunk}"
    rng = random.Random(name)
    read, written = [], []
    for review in islice(
        reviews(name, positive=recipe.positive), BATCHES_AT_ONCE * recipe.batch_size
    ):
        words = [IDS[word] for word in review.words]
        share = rng.random() * recipe.most_masked if rng.random() < recipe.masked else 0.0
        seen = [MASK_ID if rng.random() < share else word for word in words]
        begin = [] if rng.random() < recipe.bare else [BOS_ID]
        read.append([*begin, *seen, EOS_ID])
        written.append([*begin, *words, EOS_ID])
    order = sorted(range(len(read)), key=lambda at: len(read[at]))
    groups = [order[at : at + recipe.batch_size] for at in range(0, len(order), recipe.batch_size)]
    rng.shuffle(groups)
    return [
        (pad([read[at] for at in group]), pad([written[at] for at in group])) for group in groups
    ]


def loss_of(
    logits: Float[Tensor, "batch pos vocab"], written: Int[Tensor, "batch pos_plus_1"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the next word, in nats; padding does not count.

    Args:
        logits: At each position but the last.
        written: The whole reviews, without masks.

    Returns:
        The mean.
    """
    return F.cross_entropy(
        logits.flatten(0, 1), written[:, 1:].flatten(), ignore_index=PAD_ID, reduction="mean"
    )


def train(recipe: Recipe, out: Path, checkpoint_every: int = 500) -> GPT2LMHeadModel:
    """Trains the model, from the checkpoint in `out` if there is one.

    Args:
        recipe: All settings.
        out: Where the checkpoint is kept while the run lasts.
        checkpoint_every: Steps between two checkpoints.

    Returns:
        The trained model, in evaluation mode.

    Raises:
        ValueError: If the checkpoint in `out` belongs to a run with other settings, or if training
            reviews do not fit the model.
    """
    if recipe.positions < MAX_WORDS + 2:
        raise ValueError(
            f"{recipe.positions} positions cannot hold {MAX_WORDS} words, {BOS} and {EOS}"
        )
    model = make_model(recipe)
    chunk: dict[int, list[Batch]] = {}

    def loss_at(step: int) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        number, at = divmod(step, BATCHES_AT_ONCE)
        if number not in chunk:
            chunk.clear()
            chunk[number] = draw_batches(recipe, number)
        read, written = chunk[number][at]
        loss = loss_of(model(read[:, :-1]).logits, written)
        return loss, loss

    fitting.fit(model, recipe, out, loss_at, checkpoint_every=checkpoint_every)
    return model


def run(recipe: Recipe, out: Path, checkpoint_every: int = 500) -> None:
    """Trains, writes model and tokenizer in Hugging Face format, and says what it wrote.

    Args:
        recipe: All settings.
        out: A directory; made if missing.
        checkpoint_every: Steps between two checkpoints.
    """
    model = train(recipe, out, checkpoint_every)
    run_folder.finish(out, recipe, model, build_tokenizer())


def main(arguments: list[str] | None = None) -> None:
    """Command line: every setting is an option.

    Args:
        arguments: As on the command line; `sys.argv` if left out.
    """
    run(*fitting.parse_settings(Recipe, __doc__, arguments))


if __name__ == "__main__":
    main()
