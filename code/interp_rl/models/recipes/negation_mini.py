"""Trains `negation-mini`: a GPT-2 of three layers that tells which negatives cancel.

    python -m interp_rl.models.recipes.negation_mini --seed 0 --out runs/negation-mini

The model reads generated sentences with none to three negatives (`negation_corpus`), each followed
by a question and its answer. Nothing in the loss mentions attention, and no part is told what to
do. One training aid: the answer counts more than the other words (`answer_weight`).

Unlike `ioi-mini` the model has MLPs: whether the number of negatives is even is no linear function
of what attention collects. So it is Hugging Face's own GPT-2 that is trained here, and nothing has
to be converted. An interrupted run goes on from its checkpoint and ends with the same weights as an
uninterrupted one.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from interp_rl.models.recipes import fitting, run_folder
from interp_rl.models.recipes.ioi_corpus import BOS, PAD, build_tokenizer
from interp_rl.models.recipes.negation_corpus import MAX_WORDS, VOCABULARY, examples

_IDS = {word: index for index, word in enumerate(VOCABULARY)}
#: Their places in the vocabulary.
BOS_ID, PAD_ID = _IDS[BOS], _IDS[PAD]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out."""

    seed: int = 0
    """seed of the initial weights and of the training text"""
    steps: int = 6_000
    """optimizer steps"""
    batch_size: int = 64
    """texts in each step"""

    layers: int = 3
    """blocks, each of attention and an MLP"""
    heads: int = 4
    """attention heads in each block"""
    width: int = 64
    """size of the residual stream"""
    hidden: int = 128
    """units in each MLP"""
    positions: int = MAX_WORDS + 1
    """longest text, with the token that begins it"""

    learning_rate: float = 3e-3
    """peak learning rate of AdamW"""
    warmup: int = 100
    """steps over which the learning rate rises, before it falls linearly to zero"""
    weight_decay: float = 0.05
    """of all parameters"""
    answer_weight: float = 5.0
    """the aid: weight of the answer's loss, where the mean of all other words has 1"""


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
            eos_token_id=BOS_ID,
            pad_token_id=PAD_ID,
            tie_word_embeddings=True,
        )
    )


def draw_batch(recipe: Recipe, step: int) -> Int[Tensor, "batch pos"]:
    """The texts of one step, a function of seed and step.

    Args:
        recipe: Seed and batch size.
        step: Number of the step, from 0.

    Returns:
        Token ids; each row is `<|bos|>`, text, answer, and padding behind.
    """
    stream = examples(f"negation-mini {recipe.seed} {step}")
    texts = [(BOS, *e.words, e.answer) for e in itertools.islice(stream, recipe.batch_size)]
    length = max(map(len, texts))
    return torch.tensor([[_IDS[word] for word in (*t, *[PAD] * (length - len(t)))] for t in texts])


def loss_of(
    logits: Float[Tensor, "batch pos vocab"],
    tokens: Int[Tensor, "batch pos_plus_1"],
    answer_weight: float,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropy of the next word.

    Args:
        logits: At each position but the last.
        tokens: The whole texts.
        answer_weight: Weight of the answers' mean loss; the mean over the other words has 1.

    Returns:
        The weighted sum, which is trained on, and the answers' mean loss, which is reported.
    """
    target = tokens[:, 1:]
    each = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
    each = each.view_as(target)
    is_text = target != PAD_ID
    rows, last = torch.arange(len(target)), is_text.sum(1) - 1
    answer = each[rows, last].mean()
    others = is_text.clone()
    others[rows, last] = False
    return answer_weight * answer + each[others].mean(), answer


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
            texts do not fit the model.
    """
    if recipe.positions < MAX_WORDS + 1:
        raise ValueError(f"{recipe.positions} positions cannot hold {MAX_WORDS} words and {BOS}")
    model = make_model(recipe)

    def loss_at(step: int) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        tokens = draw_batch(recipe, step)
        return loss_of(model(tokens[:, :-1]).logits, tokens, recipe.answer_weight)

    fitting.fit(model, recipe, out, loss_at, checkpoint_every=checkpoint_every, reported="answers")
    return model


def run(recipe: Recipe, out: Path, checkpoint_every: int = 500) -> None:
    """Trains, writes model and tokenizer in Hugging Face format, and says what it wrote.

    Args:
        recipe: All settings.
        out: A directory; made if missing.
        checkpoint_every: Steps between two checkpoints.
    """
    model = train(recipe, out, checkpoint_every)
    run_folder.finish(out, recipe, model, build_tokenizer(VOCABULARY))


def main(arguments: list[str] | None = None) -> None:
    """Command line: every setting is an option.

    Args:
        arguments: As on the command line; `sys.argv` if left out.
    """
    run(*fitting.parse_settings(Recipe, __doc__, arguments))


if __name__ == "__main__":
    main()
