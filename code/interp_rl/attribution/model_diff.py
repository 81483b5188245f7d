"""What training changed inside a model: the same GPT-2 before and after, part by part.

Three questions, from the weights to what they are for:

- `weight_changes`: where in the space of weights is the difference, how large, of what rank?
- `component_effects`: which heads and MLPs carry the change of a behaviour? Each is exchanged
  between the two models by the functions of `interp_rl.ioi`;
- `localisation`: how many of them must be exchanged together, compared with random ones?

A part can be exchanged in two ways. With *its own* change it gets the other model's weights and
reads what it has always read: that part alone is different. With *all* changes it gets what the
same part writes in the other model, where earlier parts have changed too: what it passes on is
counted, whoever caused it. Only the first one says where the weights matter.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.attribution.text_models import (
    NextToken,
    TextModel,
    WordContrast,
    require_same_vocabulary,
)
from interp_rl.ioi.activation_patching import WriteEffects, patch_writes
from interp_rl.ioi.activations import Activations, Window, layer_norm, resume, run, writes
from interp_rl.ioi.weights import Model, Weights
from interp_rl.ioi.weights import read_weights as _read_weights

Kind = Literal["head", "MLP", "attention constant", "embedding", "unembedding"]
"""The kinds of parts; together they are the whole model."""


class Part(NamedTuple):
    """A part of a model that can be exchanged."""

    kind: Kind
    """which kind of part"""
    layer: int | None = None
    """its layer, counted from 0; None for the embeddings"""
    head: int | None = None
    """which head of the layer"""

    def __str__(self) -> str:
        if self.kind == "head":
            return f"head {self.layer}.{self.head}"
        return self.kind if self.layer is None else f"{self.kind} {self.layer}"


_MATRICES: dict[str, tuple[str, ...]] = {
    "head": ("W_Q", "b_Q", "W_K", "b_K", "W_V", "b_V", "W_O"),
    "MLP": ("W_in", "b_in", "W_out", "b_out"),
    "attention constant": ("b_O",),
    "embedding": ("W_E", "W_pos"),
    "unembedding": ("W_U", "b_U"),
}


def read_weights(model: Model) -> Weights:
    """The weights of a model, with each head's value bias left to the head.

    Args:
        model: A GPT-2 of Hugging Face, or `Weights`.

    Returns:
        The weights.

    Raises:
        TypeError: If the model is of another kind.
        ValueError: If it differs from GPT-2.
    """
    return _read_weights(model, fold_value_biases=False)


def all_parts(weights: Weights) -> list[Part]:
    """Every part of a model.

    Args:
        weights: The model.

    Returns:
        Embedding, then of each layer its heads, its attention's constant and its MLP, then
        unembedding.
    """
    parts = [Part("embedding")]
    for layer in range(weights.n_layers):
        parts += [Part("head", layer, head) for head in range(weights.n_heads)]
        parts += [Part("attention constant", layer), Part("MLP", layer)]
    return [*parts, Part("unembedding")]


def graft(into: Weights, out_of: Weights, parts: Collection[Part]) -> Weights:
    """A model with some parts of another one.

    Args:
        into: The model that receives.
        out_of: The model that gives.
        parts: Which parts.

    Returns:
        A new model; the two given ones stay as they are.

    Raises:
        ValueError: If the two models have different shapes, or a part does not exist.
    """
    require_same_shape(into, out_of)
    known = set(all_parts(into))
    changed: dict[str, Any] = {}
    for part in parts:
        if part not in known:
            raise ValueError(f"{part} does not exist: the model has layers and heads {into.shape}")
        where = tuple(index for index in (part.layer, part.head) if index is not None)
        for name in _MATRICES[part.kind]:
            tensor = changed.setdefault(name, getattr(into, name).clone())
            tensor[where] = getattr(out_of, name)[where]
    return replace(into, **changed)


def require_same_shape(first: Weights, second: Weights) -> None:
    """Checks that two models have parts that can be exchanged.

    Args:
        first: A model.
        second: Another one.

    Raises:
        ValueError: If a matrix has another shape.
    """
    for name in (name for names in _MATRICES.values() for name in names):
        a, b = tuple(getattr(first, name).shape), tuple(getattr(second, name).shape)
        if a != b:
            raise ValueError(
                f"the two models differ in shape ({name} is {a} and {b}): only a model and one "
                "that was trained from it can be compared part by part"
            )


# -------------------------------------------------------------------------------------------------
# Weights
# -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MatrixChange:
    """How much one matrix has changed."""

    name: str
    """its name in the model of Hugging Face; `c_attn` is split into queries, keys and values"""
    norm: float
    """Frobenius norm of the difference"""
    relative: float
    """that norm divided by the norm of the matrix before"""
    rank: int
    """singular directions that hold 90% of the squared difference; 0 if nothing changed"""
    full_rank: int
    """how many singular directions the matrix has"""


def weight_changes(base: Any, tuned: Any) -> list[MatrixChange]:
    """The difference between two models, matrix by matrix.

    Args:
        base: A model of Hugging Face before training.
        tuned: The same after training.

    Returns:
        Every matrix, the relatively most changed first. Vectors (biases and LayerNorm) are left
        out; tied matrices come once.

    Raises:
        ValueError: If the two have different parameters.
    """
    before, after = (dict(model.named_parameters()) for model in (base, tuned))
    shapes = [{name: tuple(p.shape) for name, p in model.items()} for model in (before, after)]
    if shapes[0] != shapes[1]:
        name = next(n for n in shapes[0].keys() | shapes[1] if shapes[0].get(n) != shapes[1].get(n))
        raise ValueError(
            f"the two models differ in shape ({name} is {shapes[0].get(name)} and "
            f"{shapes[1].get(name)}): compare a model with one that was trained from it"
        )
    found = []
    for name, matrix in before.items():
        if matrix.ndim != 2:
            continue
        pairs = {name: (matrix, after[name])}
        if name.endswith("c_attn.weight"):
            stem = name.removesuffix("c_attn.weight")
            parts = zip("QKV", matrix.chunk(3, 1), after[name].chunk(3, 1), strict=True)
            pairs = {f"{stem}{letter}": (a, b) for letter, a, b in parts}
        found += [_matrix_change(key, a.detach(), b.detach()) for key, (a, b) in pairs.items()]
    return sorted(found, key=lambda change: -change.relative)


def _matrix_change(
    name: str, before: Float[Tensor, "row column"], after: Float[Tensor, "row column"]
) -> MatrixChange:
    difference = (after - before).double()
    norm = float(difference.norm())
    energy = torch.linalg.svdvals(difference).square().cumsum(0)
    rank = int((energy < 0.9 * energy[-1]).sum()) + 1 if norm > 0 else 0
    return MatrixChange(name, norm, norm / float(before.norm()), rank, len(energy))


# -------------------------------------------------------------------------------------------------
# Behaviour
# -------------------------------------------------------------------------------------------------


class CircuitContrast(WordContrast):
    """`WordContrast` for a model given as `Weights`, such as one with grafted parts.

    Args:
        weights: The model.
        contrast: The contrast to compute, as it was made for a model of Hugging Face.
    """

    def __init__(self, weights: Weights, contrast: WordContrast) -> None:
        self.weights, self.ids, self.other_ids = weights, contrast.ids, contrast.other_ids
        TextModel.__init__(
            self, contrast.model, contrast.tokenizer, contrast.output_names, contrast.before
        )

    def outputs(self, ids: Int[Tensor, "text pos"], read: Any) -> Float[Tensor, "text output"]:
        """Log odds of the first group against the second; see `TextModel.outputs`."""
        end = read.sum(1) - 1
        resid = run(self.weights, ids).resid_post[-1][torch.arange(len(ids)), end]
        return self.from_stream(resid)[:, None]

    def from_stream(
        self, resid: Float[Tensor, "*rest d_model"], weights: Weights | None = None
    ) -> Float[Tensor, "*rest"]:
        """The contrast from the residual stream after the last layer.

        Args:
            resid: The stream at the position from which the next word is predicted.
            weights: The model whose unembedding reads it; this one's if left out.

        Returns:
            ``log P(words) - log P(others)``.
        """
        weights = weights or self.weights
        return self.contrast(layer_norm(resid, weights.epsilon) @ weights.W_U + weights.b_U)


@dataclass(frozen=True, eq=False)
class WordShift:
    """How the next word after some beginnings has changed, on average over them."""

    words: tuple[str, ...]
    """every token of the vocabulary"""
    before: Float[Tensor, " token"]
    """mean probability in the base model"""
    after: Float[Tensor, " token"]
    """mean probability in the tuned model"""

    def rose(self, n: int, *, at_least: float = 0.0) -> Int[Tensor, " word"]:
        """The tokens whose mean probability rose most.

        Args:
            n: How many at most.
            at_least: The smallest rise that counts.

        Returns:
            Their ids, the largest rise first.
        """
        return _first(self.after - self.before, n, at_least)

    def fell(self, n: int, *, at_least: float = 0.0) -> Int[Tensor, " word"]:
        """The tokens whose mean probability fell most.

        Args:
            n: How many at most.
            at_least: The smallest fall that counts.

        Returns:
            Their ids, the largest fall first.
        """
        return _first(self.before - self.after, n, at_least)


def _first(change: Float[Tensor, " token"], n: int, at_least: float) -> Int[Tensor, " word"]:
    best = change.topk(min(n, len(change)))
    return best.indices[(best.values > 0) & (best.values >= at_least)]


def word_shift(base: NextToken, tuned: NextToken, texts: Sequence[str]) -> WordShift:
    """Compares what two models expect as the next word.

    Args:
        base: The model before training.
        tuned: The model after it.
        texts: Beginnings.

    Returns:
        Mean probabilities.

    Raises:
        ValueError: If there are no texts, or the two models have different vocabularies.
    """
    require_same_vocabulary(base.tokenizer, tuned.tokenizer)
    before, after = (f(texts).exp().mean(0) for f in (base, tuned))
    return WordShift(base.output_names, before, after)


@dataclass(frozen=True, eq=False)
class ComponentEffects:
    """Which parts carry a change of behaviour."""

    before: Float[Tensor, " prompt"]
    """the metric of the model that receives"""
    after: Float[Tensor, " prompt"]
    """the metric of the model that gives"""
    own: WriteEffects
    """each head and MLP with its own change: other weights, the same input"""
    inherited: WriteEffects
    """each head and MLP with all changes: what it writes in the other model"""
    others: dict[Part, Float[Tensor, " prompt"]]
    """the remaining parts with their own change"""

    @property
    def change(self) -> float:
        """Mean change of the metric from one model to the other."""
        return float((self.after - self.before).mean())

    def heads(self, *, inherited: bool = False) -> Float[Tensor, "layer head"]:
        """The share of the change that each head carries.

        Args:
            inherited: Count what the head passes on from changed parts before it, too.

        Returns:
            1 where the head alone brings about the whole change, negative where it works against
            it. The shares need not sum to 1.
        """
        found = self.inherited if inherited else self.own
        return (found.heads - self.before).mean(-1) / self.change

    def mlps(self, *, inherited: bool = False) -> Float[Tensor, " layer"]:
        """The share of the change that each MLP carries; see `heads`.

        Args:
            inherited: Count what the MLP passes on from changed parts before it, too.

        Returns:
            One share for each layer.
        """
        found = self.inherited if inherited else self.own
        return (found.mlps - self.before).mean(-1) / self.change

    def shares(self) -> dict[Part, float]:
        """The share of the change that each part carries by its own change, largest first."""
        shares = {
            Part("head", layer, head): float(value)
            for layer, row in enumerate(self.heads())
            for head, value in enumerate(row)
        }
        shares |= {Part("MLP", layer): float(value) for layer, value in enumerate(self.mlps())}
        for part, values in self.others.items():
            shares[part] = float((values - self.before).mean()) / self.change
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


def component_effects(
    into: Model, out_of: Model, contrast: WordContrast, texts: Sequence[str]
) -> ComponentEffects:
    """Exchanges every part between two models, one at a time.

    Args:
        into: The model that receives: the base model to ask what a tuned part brings about, or the
            tuned one to ask what is lost without it.
        out_of: The model that gives.
        contrast: The behaviour; of whichever of the two models it was made, only its words count.
        texts: Beginnings after which the behaviour is measured.

    Returns:
        The effects.

    Raises:
        TypeError: If a model is of another kind.
        ValueError: If there are no texts, the models have different shapes, or their behaviour does
            not differ, so that there is nothing to divide.
    """
    receiver, giver = read_weights(into), read_weights(out_of)
    require_same_shape(receiver, giver)
    tokens, end = _encoded(contrast, texts)
    measure = CircuitContrast(receiver, contrast)
    mine, theirs = run(receiver, tokens), run(giver, tokens)
    before = measure.from_stream(_at(mine, end))
    after = measure.from_stream(_at(theirs, end), giver)
    if float((after - before).mean().abs()) < 1e-6:
        raise ValueError("the behaviour of the two models does not differ on these texts")
    own = patch_writes(receiver, mine, writes(giver, mine), end, measure.from_stream)
    inherited = patch_writes(receiver, mine, writes(giver, theirs), end, measure.from_stream)
    others = {}
    for part in all_parts(receiver):
        if part.kind not in ("head", "MLP"):
            grafted = graft(receiver, giver, [part])
            others[part] = measure.from_stream(_at(run(grafted, tokens), end), grafted)
    return ComponentEffects(before, after, own, inherited, others)


@dataclass(frozen=True, eq=False)
class Localisation:
    """How much of the change is there with the first k parts exchanged."""

    parts: tuple[Part, ...]
    """the parts, in the order in which they were exchanged"""
    ranked: Float[Tensor, " k"]
    """share of the change with the first k of them, k = 0, 1, ..."""
    random: Float[Tensor, "draw k"]
    """the same for parts in random order"""

    def needed(self, share: float = 0.8) -> int:
        """How many parts, by rank, carry a share of the change from there on.

        Args:
            share: Of the whole change.

        Returns:
            The smallest k after which the share never falls below it.
        """
        below = (self.ranked < share).nonzero().flatten()
        return int(below[-1]) + 1 if len(below) else 0


def localisation(
    into: Model,
    out_of: Model,
    contrast: WordContrast,
    texts: Sequence[str],
    order: Sequence[Part],
    *,
    seed: int,
    draws: int = 5,
) -> Localisation:
    """Exchanges the first k parts of an order together, for every k.

    The order should come from other texts than these: on the same ones the first parts would look
    better than they are.

    Args:
        into: The model that receives.
        out_of: The model that gives.
        contrast: The behaviour.
        texts: Beginnings after which it is measured.
        order: The parts; those that are not named stay as they are.
        seed: Seed of the random orders.
        draws: How many random orders of the same parts.

    Returns:
        The shares of the change.

    Raises:
        ValueError: As for `component_effects`.
    """
    receiver, giver = read_weights(into), read_weights(out_of)
    tokens, end = _encoded(contrast, texts)
    generator = torch.Generator().manual_seed(seed)

    def metric(weights: Weights) -> float:
        stream = _at(run(weights, tokens), end)
        return float(CircuitContrast(weights, contrast).from_stream(stream).mean())

    before, after = metric(receiver), metric(giver)
    if abs(after - before) < 1e-6:
        raise ValueError("the behaviour of the two models does not differ on these texts")

    def curve(parts: Sequence[Part]) -> Float[Tensor, " k"]:
        grafted = [graft(receiver, giver, parts[:k]) for k in range(len(parts) + 1)]
        values = torch.tensor([metric(weights) for weights in grafted])
        return (values - before) / (after - before)

    shuffled = [
        [order[int(index)] for index in torch.randperm(len(order), generator=generator)]
        for _ in range(draws)
    ]
    return Localisation(
        tuple(order), curve(list(order)), torch.stack([curve(parts) for parts in shuffled])
    )


# -------------------------------------------------------------------------------------------------
# A direction: did it move, or its use?
# -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DirectionChange:
    """A direction of the residual stream before and after training, for each layer boundary.

    Entry n belongs to the stream before layer n, the last entry to that after the last layer.
    """

    cosine: Float[Tensor, " place"]
    """between the direction of the base model and that of the tuned one"""
    ceiling: Float[Tensor, " place"]
    """between the directions that two halves of the texts give in the base model: no change could
    show a higher cosine than noise allows"""
    accuracy: Float[Tensor, "model place"]
    """share of the held-out texts on the right side, in the base model and in the tuned one; each
    along its own direction"""
    shift: Float[Tensor, " place"]
    """how far the tuned model has moved the neutral beginnings along the base model's direction, in
    units of the distance between the two kinds of texts"""
    use: Float[Tensor, "model place"]
    """how much the behaviour after neutral beginnings changes per such unit, when the stream at the
    last position is moved along the base model's direction, in the base model and in the tuned one
    """


def direction_change(
    base: Model,
    tuned: Model,
    contrast: WordContrast,
    kinds: tuple[Sequence[str], Sequence[str]],
    neutral: Sequence[str],
) -> DirectionChange:
    """Compares a difference-of-means direction before and after training.

    The stream is read at the last position of each text. Of both kinds of texts the even ones give
    the direction and the odd ones test it.

    Args:
        base: The model before.
        tuned: The model after.
        contrast: The behaviour.
        kinds: Texts of the one kind, such as positive ones, and of the other.
        neutral: Beginnings of neither kind.

    Returns:
        The comparison.

    Raises:
        ValueError: If there are fewer than 40 texts of a kind, no neutral ones, or the models have
            different shapes.
    """
    before, after = read_weights(base), read_weights(tuned)
    require_same_shape(before, after)
    if min(map(len, kinds)) < 40:
        raise ValueError(
            f"{len(kinds[0])} and {len(kinds[1])} texts: a direction needs at least 40 of each kind"
        )
    models = (before, after)
    # per model, kind: (place, text, d_model)
    streams = [[_streams(weights, contrast, texts) for texts in kinds] for weights in models]

    def direction(model: int, first: int, step: int) -> Float[Tensor, "place d_model"]:
        one, other = (kind[:, first::step].mean(1) for kind in streams[model])
        return one - other

    base_d, tuned_d = direction(0, 0, 2), direction(1, 0, 2)
    cosine = torch.cosine_similarity(base_d, tuned_d, dim=-1)
    ceiling = torch.cosine_similarity(base_d, direction(0, 1, 2), dim=-1)
    accuracy = torch.stack(
        [_accuracy(d, *streams[model]) for model, d in enumerate((base_d, tuned_d))]
    )
    unit = base_d.square().sum(-1)
    plain = [_streams(weights, contrast, neutral) for weights in models]
    moved = (plain[1] - plain[0]).mean(1)
    shift = (moved * base_d).sum(-1) / unit
    use = torch.stack([_slopes(weights, contrast, neutral, base_d) for weights in models])
    return DirectionChange(cosine, ceiling, accuracy, shift, use)


@dataclass(frozen=True)
class RowDirections:
    """Whether the vectors of two kinds of words lie on two sides of a direction."""

    base: float
    """share of held-out words on the right side, by the vectors of the base model"""
    tuned: float
    """the same by the vectors of the tuned model"""
    change: float
    """the same by the differences of the two: whether training moved the two kinds apart"""
    chance: tuple[float, float]
    """between which shares 95% of random divisions into two kinds lie, for the differences"""


def row_directions(
    base: Model,
    tuned: Model,
    words: Int[Tensor, " word"],
    others: Int[Tensor, " other"],
    *,
    seed: int,
    draws: int = 200,
) -> RowDirections:
    """Looks for a direction between two kinds of words in the unembedding.

    A direction is the difference of the means of half of the words of each kind; the other half
    tests it. This is repeated with other halves.

    Args:
        base: The model before.
        tuned: The model after.
        words: Ids of words of the one kind.
        others: Ids of words of the other kind.
        seed: Seed of the halves and of the random divisions.
        draws: How many of each.

    Returns:
        Shares of words on the right side; 0.5 is chance.

    Raises:
        ValueError: If a kind has fewer than four words, or the models have different shapes.
    """
    before, after = read_weights(base), read_weights(tuned)
    require_same_shape(before, after)
    if min(len(words), len(others)) < 4:
        raise ValueError(f"{len(words)} and {len(others)} words: give at least 4 of each kind")
    generator = torch.Generator().manual_seed(seed)
    both, n = torch.cat([words, others]), len(words)

    def right(rows: Float[Tensor, "word d_model"], shuffled: bool) -> Float[Tensor, " draw"]:
        found = []
        for _ in range(draws):
            mixed = torch.randperm(len(rows), generator=generator)
            order = mixed if shuffled else torch.arange(len(rows))
            kinds = [
                kind[torch.randperm(len(kind), generator=generator)]
                for kind in (rows[order[:n]], rows[order[n:]])
            ]
            halves = [(kind[: len(kind) // 2], kind[len(kind) // 2 :]) for kind in kinds]
            one, other = halves[0][0].mean(0), halves[1][0].mean(0)
            along = [(kind[1] - (one + other) / 2) @ (one - other) for kind in halves]
            sides = torch.cat([along[0] > 0, along[1] < 0])
            found.append(sides.float().mean())
        return torch.stack(found)

    rows = [weights.W_U.T[both] for weights in (before, after)]
    change = rows[1] - rows[0]
    chance = right(change, shuffled=True).quantile(torch.tensor([0.025, 0.975])).tolist()
    of_base, of_tuned, of_change = (float(right(x, shuffled=False).mean()) for x in (*rows, change))
    return RowDirections(of_base, of_tuned, of_change, (chance[0], chance[1]))


def _accuracy(
    direction: Float[Tensor, "place d_model"],
    one: Float[Tensor, "place text d_model"],
    other: Float[Tensor, "place text d_model"],
) -> Float[Tensor, " place"]:
    """Share of odd texts on the right side of the middle between the even ones."""
    middle = (one[:, ::2].mean(1) + other[:, ::2].mean(1)) / 2
    sides = [
        ((kind[:, 1::2] - middle[:, None]) * direction[:, None]).sum(-1) for kind in (one, other)
    ]
    return ((sides[0] > 0).float().mean(1) + (sides[1] < 0).float().mean(1)) / 2


@torch.no_grad()
def _slopes(
    weights: Weights,
    contrast: WordContrast,
    texts: Sequence[str],
    direction: Float[Tensor, "place d_model"],
) -> Float[Tensor, " place"]:
    """Change of the behaviour per length of the direction, by a step each way of half of it."""
    tokens, end = _encoded(contrast, texts)
    own, rows = run(weights, tokens), torch.arange(len(tokens))
    window = Window.whole(*tokens.shape)
    measure, found = CircuitContrast(weights, contrast), []
    for place, stream in enumerate((*own.resid_pre, own.resid_post[-1])):
        steered = stream.repeat(2, 1, 1, 1)
        for variant, sign in enumerate((0.5, -0.5)):
            steered[variant, rows, end] += sign * direction[place]
        last = resume(weights, own, steered, window, layer=place)[:, rows, end]
        up, down = measure.from_stream(last).mean(-1)
        found.append(up - down)
    return torch.stack(found)


def _streams(
    weights: Weights, contrast: WordContrast, texts: Sequence[str]
) -> Float[Tensor, "place text d_model"]:
    """The residual stream at the last position of each text, before each layer and at the end."""
    tokens, end = _encoded(contrast, texts)
    own, rows = run(weights, tokens), torch.arange(len(tokens))
    return torch.stack([s[rows, end] for s in (*own.resid_pre, own.resid_post[-1])])


def _encoded(
    contrast: WordContrast, texts: Sequence[str]
) -> tuple[Int[Tensor, "prompt pos"], Int[Tensor, " prompt"]]:
    """Token ids, padded on the right, and the last position of each text."""
    if not texts:
        raise ValueError("there are no texts: give at least one")
    encoded = contrast.encode(list(texts))
    return encoded.ids, encoded.read.sum(1) - 1


def _at(activations: Activations, end: Int[Tensor, " prompt"]) -> Float[Tensor, "prompt d_model"]:
    """The residual stream after the last layer at one position of each prompt."""
    return activations.resid_post[-1][torch.arange(len(end)), end]
