"""Trains `ioi-mini`: three layers of six attention heads that identify indirect objects.

    python -m interp_rl.models.recipes.ioi_mini --seed 0 --out runs/ioi-mini

The model reads generated stories (`ioi_corpus`) in which the person mentioned once receives
something; one text in a hundred is an indirect-object sentence, in other words than the course's
prompts. No loss mentions attention or heads. What the course looks for (duplicate token heads,
S-inhibition heads, name movers) is one of several solutions of the task; four training aids make it
likelier than the others. Each can be switched off below, and the model card says what happens then:

1. `hide_paths`: in most batches the parts of the model see less of what earlier parts wrote. No
   query sees the output of layer 0, so that the last word cannot compare names by itself; keys and
   values of the last layer see the embeddings alone, and the unembedding the embeddings and the
   last layer, so that the last layer has to move the answer, told by its queries whom to avoid;
2. `same_start`: queries and keys of layer 0 start from the same matrix, so that a word attends to
   words like itself, and the layer starts without an effect;
3. `drop_heads`: whole heads of the last layer are dropped, so that several learn to move names;
4. `name_weight`: predicting a name that has been mentioned counts more than predicting other words.

The file is read from top to bottom: settings, model, data, loss, the loop, export. Everything is
counted in steps and drawn from one seed. An interrupted run goes on from its checkpoint and ends
with the same weights as an uninterrupted one.
"""

import argparse
import random
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm
from transformers import GPT2Config, GPT2LMHeadModel

from interp_rl.models.recipes import run_folder
from interp_rl.models.recipes.ioi_corpus import (
    MAX_WORDS,
    NAMES,
    VOCABULARY,
    CorpusSettings,
    build_tokenizer,
    sample,
)

#: Their places in the vocabulary.
BOS_ID, PAD_ID = 0, 1


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out."""

    seed: int = 0
    """seed of the initial weights, the training text and the dropped heads"""
    steps: int = 10_000
    """optimizer steps"""
    batch_size: int = 32
    """sequences in each step"""

    layers: int = 3
    """blocks; each is attention only, without an MLP"""
    heads: int = 6
    """attention heads in each block"""
    width: int = 96
    """size of the residual stream"""
    positions: int = 64
    """longest sequence, with the token that begins it"""

    learning_rate: float = 2e-3
    """peak learning rate of AdamW"""
    warmup: int = 100
    """steps over which the learning rate rises"""
    decay_from: float = 0.65
    """fraction of the run after which the learning rate falls linearly"""
    last_learning_rate: float = 0.03
    """what it falls to, as a fraction of the peak"""
    weight_decay: float = 0.02
    """of matrices; biases and LayerNorm are not decayed"""

    hide_paths: float = 0.9
    """aid 1: share of batches in which each part sees less of what earlier parts wrote"""
    same_start: float = 0.08
    """aid 2: standard deviation of the matrix that queries and keys of layer 0 start from; with 0
    they start like all others"""
    drop_heads: float = 0.6
    """aid 3: probability with which each head of the last block is dropped from a sequence"""
    drop_heads_from: float = 0.4
    """fraction of the run after which heads are dropped"""
    name_weight: float = 4.0
    """aid 4: weight of the loss where the next word is a name that has been mentioned"""

    temperature: float = 2.5
    """what the logits of the finished model are divided by, so that probabilities are not all
    near 0 or 1; changes no attention pattern and no ratio of effects"""

    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    """what the training text is made of"""


# ------------------------------------------------------------------------------------------------
# The model: GPT-2 without MLPs, written out so that the aids are plain to see
# ------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    """One block: LayerNorm, then causal self-attention."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.heads = recipe.heads
        self.norm = nn.LayerNorm(recipe.width)
        self.qkv = nn.Linear(recipe.width, 3 * recipe.width)
        self.out = nn.Linear(recipe.width, recipe.width)

    def forward(
        self,
        asking: Float[Tensor, "batch pos width"],
        asked: Float[Tensor, "batch pos width"],
        drop: float = 0.0,
    ) -> Float[Tensor, "batch pos width"]:
        """What the block adds to the residual stream.

        Args:
            asking: What the queries see of the residual stream before the block.
            asked: What the keys and values see of it.
            drop: Probability with which each head of each sequence is left out.

        Returns:
            The sum of the heads' outputs.
        """
        batch, pos, width = asking.shape
        split = (batch, pos, self.heads, width // self.heads)
        sizes = [width, 2 * width]
        query, key_value = zip(
            self.qkv.weight.split(sizes), self.qkv.bias.split(sizes), strict=True
        )
        q = F.linear(self.norm(asking), *query)
        k, v = F.linear(self.norm(asked), *key_value).chunk(2, dim=-1)
        q, k, v = (part.view(split).transpose(1, 2) for part in (q, k, v))
        # each (batch, heads, pos, width / heads)
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        if drop > 0:
            kept = torch.rand(batch, self.heads, 1, 1) >= drop
            z = z * kept / (1 - drop)
        return self.out(z.transpose(1, 2).reshape(batch, pos, width))


class Transformer(nn.Module):
    """Embeddings, attention blocks, a final LayerNorm; the embedding transposed unembeds."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.token = nn.Embedding(len(VOCABULARY), recipe.width)
        self.position = nn.Embedding(recipe.positions, recipe.width)
        self.blocks = nn.ModuleList(Attention(recipe) for _ in range(recipe.layers))
        self.norm = nn.LayerNorm(recipe.width)
        for name, parameter in self.named_parameters():
            if parameter.dim() >= 2:
                scale = (2 * recipe.layers) ** -0.5 if name.endswith("out.weight") else 1.0
                nn.init.normal_(parameter, std=0.04 * scale)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        if recipe.same_start > 0:
            first = self.blocks[0]
            assert isinstance(first, Attention)
            query, key, _ = first.qkv.weight.detach().chunk(3)  # parts of it, not copies
            nn.init.normal_(query, std=recipe.same_start)
            key.copy_(query)
            nn.init.zeros_(first.out.weight)

    def forward(
        self, tokens: Int[Tensor, "batch pos"], hide_paths: bool = False, drop_heads: float = 0.0
    ) -> Float[Tensor, "batch pos vocab"]:
        """Logits of the next token at each position.

        Args:
            tokens: Token ids.
            hide_paths: Aid 1. No query sees what layer 0 wrote; keys and values of the last layer
                see the embeddings alone; the unembedding sees the embeddings and the last layer.
            drop_heads: Aid 3, the probability with which each head of the last block is dropped.

        Returns:
            The logits.
        """
        embedded = self.token(tokens) + self.position(torch.arange(tokens.shape[1]))
        stream = embedded
        behind_first = embedded  # the stream without what layer 0 wrote
        for layer, block in enumerate(self.blocks[:-1]):
            written = block(behind_first if hide_paths else stream, stream)
            stream = stream + written
            if layer > 0:
                behind_first = behind_first + written
        if hide_paths:
            last = self.blocks[-1](behind_first, embedded, drop_heads)
            return self.norm(embedded + last) @ self.token.weight.T
        last = self.blocks[-1](stream, stream, drop_heads)
        return self.norm(stream + last) @ self.token.weight.T


# ------------------------------------------------------------------------------------------------
# Data: batches are a function of seed and step, so that a resumed run reads the same text
# ------------------------------------------------------------------------------------------------

BATCHES_AT_ONCE = 20
"""This many batches are drawn together and sorted by length, to pad less."""


def draw_batches(recipe: Recipe, chunk: int) -> list[Int[Tensor, "batch pos"]]:
    """Draws the batches of steps `chunk * BATCHES_AT_ONCE` and following.

    Args:
        recipe: Seed, batch size and corpus.
        chunk: Number of the chunk.

    Returns:
        `BATCHES_AT_ONCE` batches; each sequence begins with `<|bos|>` and is padded with `<|pad|>`.
    """
    rng = random.Random(f"ioi-mini {recipe.seed} {chunk}")
    ids = {word: index for index, word in enumerate(VOCABULARY)}
    texts = [sample(rng, recipe.corpus) for _ in range(BATCHES_AT_ONCE * recipe.batch_size)]
    texts.sort(key=len)
    batches = []
    for start in range(0, len(texts), recipe.batch_size):
        group = texts[start : start + recipe.batch_size]
        batch = torch.full((len(group), len(group[-1]) + 1), PAD_ID)
        for row, words in enumerate(group):
            batch[row, : len(words) + 1] = torch.tensor([BOS_ID, *(ids[word] for word in words)])
        batches.append(batch)
    rng.shuffle(batches)
    return batches


# ------------------------------------------------------------------------------------------------
# Loss
# ------------------------------------------------------------------------------------------------

#: Which tokens are names.
IS_NAME: Bool[Tensor, " vocab"] = torch.tensor([word in set(NAMES) for word in VOCABULARY])


def next_word_loss(
    logits: Float[Tensor, "batch pos vocab"],
    tokens: Int[Tensor, "batch pos_plus_1"],
    name_weight: float,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean cross-entropy of the next word.

    Args:
        logits: At each position but the last.
        tokens: The whole sequences.
        name_weight: Weight of positions whose next word is a name mentioned before (aid 4).

    Returns:
        The weighted mean, which is trained on, and the plain mean, which is reported.
    """
    context, target = tokens[:, :-1], tokens[:, 1:]
    loss = F.cross_entropy(
        logits.flatten(0, 1), target.flatten(), ignore_index=PAD_ID, reduction="none"
    ).view_as(target)
    same = target[:, :, None] == context[:, None, :]  # (batch, target, context)
    mentioned = same.tril().any(-1) & IS_NAME[target]
    real = (target != PAD_ID).float()
    weight = torch.where(mentioned, name_weight, 1.0) * real
    return (loss * weight).sum() / weight.sum(), loss.sum() / real.sum()


# ------------------------------------------------------------------------------------------------
# The loop
# ------------------------------------------------------------------------------------------------


def learning_rate(recipe: Recipe, step: int) -> float:
    """Warm-up, plateau, linear decay.

    Args:
        recipe: The schedule.
        step: Number of the step, from 0.

    Returns:
        The learning rate of that step.
    """
    progress = step / recipe.steps
    rise = min(1.0, (step + 1) / recipe.warmup)
    fall = 1.0
    if progress > recipe.decay_from:
        fall = 1 - (progress - recipe.decay_from) / (1 - recipe.decay_from)
    return recipe.learning_rate * rise * max(fall, recipe.last_learning_rate)


def train(recipe: Recipe, out: Path, checkpoint_every: int = 500) -> Transformer:
    """Trains the model, from the checkpoint in `out` if there is one.

    Args:
        recipe: All settings.
        out: Where the checkpoint is kept while the run lasts.
        checkpoint_every: Steps between two checkpoints.

    Returns:
        The trained model.

    Raises:
        ValueError: If the checkpoint in `out` belongs to a run with other settings, or if training
            sequences do not fit the model.
    """
    if recipe.positions < MAX_WORDS + 1:
        raise ValueError(f"{recipe.positions} positions cannot hold {MAX_WORDS} words and <|bos|>")
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    model = Transformer(recipe)
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
        fused=True,
    )

    first = run_folder.resume(out, recipe, model, optimizer)

    batches: list[Int[Tensor, "batch pos"]] = []
    bar = tqdm(range(first, recipe.steps), initial=first, total=recipe.steps, mininterval=5)
    for step in bar:
        if not batches or step % BATCHES_AT_ONCE == 0:
            batches = draw_batches(recipe, step // BATCHES_AT_ONCE)
        tokens = batches[step % BATCHES_AT_ONCE]
        drop_heads = recipe.drop_heads if step >= recipe.drop_heads_from * recipe.steps else 0.0

        hidden = bool(torch.rand(()) < recipe.hide_paths)
        logits = model(tokens[:, :-1], hidden, drop_heads)
        loss, plain = next_word_loss(logits, tokens, recipe.name_weight)

        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

        if step % 50 == 0:
            bar.set_postfix(loss=f"{plain.item():.3f}")
        if (step + 1) % checkpoint_every == 0 and step + 1 < recipe.steps:
            run_folder.keep(out, recipe, step + 1, model, optimizer)
    return model


# ------------------------------------------------------------------------------------------------
# Export
# ------------------------------------------------------------------------------------------------


def to_gpt2(model: Transformer, recipe: Recipe) -> GPT2LMHeadModel:
    """The same function as a Hugging Face GPT-2, whose MLPs are one unit wide and all zeros.

    Args:
        model: The trained model.
        recipe: Its shape, and the temperature.

    Returns:
        A model whose logits are those of `model`, divided by the temperature.
    """
    config = GPT2Config(
        vocab_size=len(VOCABULARY),
        n_positions=recipe.positions,
        n_embd=recipe.width,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        n_inner=1,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=BOS_ID,
        eos_token_id=BOS_ID,
        pad_token_id=PAD_ID,
        tie_word_embeddings=True,
    )
    gpt2 = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        gpt2.transformer.wte.weight.copy_(model.token.weight)
        gpt2.transformer.wpe.weight.copy_(model.position.weight)
        for ours, theirs in zip(model.blocks, gpt2.transformer.h, strict=True):
            assert isinstance(ours, Attention)
            theirs.ln_1.load_state_dict(ours.norm.state_dict())
            # GPT-2's Conv1D keeps its matrices transposed
            theirs.attn.c_attn.weight.copy_(ours.qkv.weight.T)
            theirs.attn.c_attn.bias.copy_(ours.qkv.bias)
            theirs.attn.c_proj.weight.copy_(ours.out.weight.T)
            theirs.attn.c_proj.bias.copy_(ours.out.bias)
            for parameter in theirs.mlp.parameters():
                parameter.zero_()
        gpt2.transformer.ln_f.weight.copy_(model.norm.weight / recipe.temperature)
        gpt2.transformer.ln_f.bias.copy_(model.norm.bias / recipe.temperature)
    return gpt2


def run(recipe: Recipe, out: Path, checkpoint_every: int = 500) -> None:
    """Trains, writes model and tokenizer in Hugging Face format, and says what it wrote.

    Args:
        recipe: All settings.
        out: A directory; made if missing.
        checkpoint_every: Steps between two checkpoints.
    """
    model = train(recipe, out, checkpoint_every)
    run_folder.finish(out, recipe, to_gpt2(model, recipe), build_tokenizer())


def main(arguments: list[str] | None = None) -> None:
    """Command line: every number among the settings is an option.

    Args:
        arguments: As on the command line; `sys.argv` if left out.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    groups = ((Recipe, "--"), (CorpusSettings, "--corpus-"))
    for settings, prefix in groups:
        for setting in fields(settings):
            if setting.type in (int, float):
                option = prefix + setting.name.replace("_", "-")
                parser.add_argument(option, type=setting.type, default=setting.default)
    given = vars(parser.parse_args(arguments))
    out = given.pop("out")
    corpus = {name[7:]: given.pop(name) for name in list(given) if name.startswith("corpus_")}
    run(Recipe(**given, corpus=CorpusSettings(**corpus)), out)


if __name__ == "__main__":
    main()
