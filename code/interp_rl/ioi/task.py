"""Indirect object identification (IOI): prompts, their tokens, and corrupted versions of them.

A prompt mentions two names, repeats one of them, the subject S, and breaks off where the other one,
the indirect object IO, is the natural next word (Wang et al. 2022, Section 2): "When Mary and John
went to the store, John gave a drink to" goes on with "Mary".

Five positions have names: `IO`, `S1` and `S2` (the mentions of S), `S1+1` (the token after S1) and
`END` (the last token, from which the answer is predicted).
"""

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp_rl.ioi.templates import TEMPLATES

ORDERS = ("ABBA", "BABA")
"""A is the indirect object, B the subject: ABBA mentions IO first, BABA mentions S first."""

POSITIONS = ("IO", "S1", "S1+1", "S2", "END")
"""The positions every prompt has."""


@dataclass(frozen=True)
class Corruption:
    """Which names a corrupted prompt has, and what of the original information is left.

    The S-inhibition heads of GPT-2 small write two signals to END (Wang et al. 2022, Appendix A):
    WHERE the repeated name was first mentioned (position signal) and WHICH name it is (token
    signal). Each signal of a corrupted prompt agrees with the original one (+1), points to the
    other name (-1), or tells nothing about the two (0).
    """

    names: tuple[str, str, str]
    """names at the positions IO, S1, S2: the original `IO` and `S`, or the fresh `X`, `Y`, `Z`"""
    position: int
    """agreement of the position signal"""
    token: int
    """agreement of the token signal"""
    effect: str
    """what is kept and what is removed"""


CORRUPTIONS: dict[str, Corruption] = {
    "abc": Corruption(
        ("X", "Y", "Z"),
        position=0,
        token=0,
        effect="keeps the template; removes both names and the repetition (reference for means)",
    ),
    "name flip": Corruption(
        ("X", "Y", "Y"),
        position=1,
        token=0,
        effect="keeps where the repeated name was first mentioned; removes which name it is",
    ),
    "order flip": Corruption(
        ("S", "IO", "S"),
        position=-1,
        token=1,
        effect="keeps which name is repeated; its first mention is now at the position of IO",
    ),
    "subject flip": Corruption(
        ("IO", "S", "IO"),
        position=-1,
        token=-1,
        effect="keeps the first clause; the repeated name, and so its first mention, is that of IO",
    ),
    "order and subject flip": Corruption(
        ("S", "IO", "IO"),
        position=1,
        token=-1,
        effect="keeps where the repeated name was first mentioned; that name is now that of IO",
    ),
    "name and order flip": Corruption(
        ("Y", "X", "Y"),
        position=-1,
        token=0,
        effect="removes which name is repeated; its first mention is now at the position of IO",
    ),
    "random S1": Corruption(
        ("IO", "X", "S"),
        position=0,
        token=0,
        effect="keeps IO and the second mention of S; removes its first mention",
    ),
    "random S2": Corruption(
        ("IO", "S", "X"),
        position=0,
        token=0,
        effect="keeps the first clause; removes the second mention of S",
    ),
}
"""Every kind of corrupted prompt, by name."""


@dataclass(frozen=True)
class Prompt:
    """One sentence of the task, without its last word.

    Raises:
        ValueError: If IO and S are the same name, or the order is not one of `ORDERS`.
    """

    template: str
    """with the slots of `interp_rl.ioi.templates`"""
    order: str
    """ABBA or BABA"""
    io: str
    """the indirect object: the right answer"""
    s: str
    """the subject: the wrong answer"""
    place: str = ""
    """word for `[PLACE]`"""
    object: str = ""
    """word for `[OBJECT]`"""
    names: tuple[str, str, str] | None = None
    """names standing at IO, S1, S2 in a corrupted prompt; None for (io, s, s)"""

    def __post_init__(self) -> None:
        if self.io == self.s:
            raise ValueError(f"the indirect object and the subject are the same name, {self.io!r}")
        if self.order not in ORDERS:
            raise ValueError(f"unknown order {self.order!r}; the orders are {', '.join(ORDERS)}")

    @property
    def text(self) -> str:
        """The sentence up to, not including, the answer."""
        io, s1, s2 = self.names or (self.io, self.s, self.s)
        a, b = (io, s1) if self.order == "ABBA" else (s1, io)
        slots = {"[A]": a, "[B]": b, "[S]": s2, "[PLACE]": self.place, "[OBJECT]": self.object}
        text = self.template
        for slot, word in slots.items():
            text = text.replace(slot, word)
        return text


@dataclass(frozen=True, eq=False)
class IOIDataset:
    """Prompts as one batch of tokens, with the positions that matter.

    Tokens begin with the BOS token and are padded on the right; with causal attention the padding
    changes nothing before it. Make one with `make_dataset`.
    """

    prompts: tuple[Prompt, ...]
    """the sentences"""
    tokens: Int[Tensor, "prompt pos"]
    """their tokens"""
    positions: dict[str, Int[Tensor, " prompt"]]
    """index into the second dimension of `tokens` for each of `POSITIONS`, BOS counted"""
    io_ids: Int[Tensor, " prompt"]
    """token of the indirect object, the right answer; a corrupted version keeps the original one"""
    s_ids: Int[Tensor, " prompt"]
    """token of the subject, the wrong answer"""
    tokenizer: Any
    """what the tokens were made with"""
    names: tuple[str, ...]
    """the names that corrupted versions draw from"""

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def texts(self) -> tuple[str, ...]:
        """The sentence of each prompt."""
        return tuple(prompt.text for prompt in self.prompts)

    @property
    def orders(self) -> tuple[str, ...]:
        """ABBA or BABA for each prompt."""
        return tuple(prompt.order for prompt in self.prompts)

    def has_order(self, order: str) -> Bool[Tensor, " prompt"]:
        """Which prompts have an order.

        Args:
            order: ABBA or BABA.

        Returns:
            True where the prompt has it.

        Raises:
            ValueError: If there is no such order.
        """
        _require(order in ORDERS, f"unknown order {order!r}; the orders are {', '.join(ORDERS)}")
        return torch.tensor([own == order for own in self.orders])

    def split(self, size: int) -> list["IOIDataset"]:
        """The same prompts in batches, for models whose logits would not fit into memory.

        Args:
            size: Prompts in each batch; the last one may have fewer.

        Returns:
            The batches, in order; all are padded to the length of the whole.

        Raises:
            ValueError: If the size is below one.
        """
        _require(size >= 1, f"size is {size}; a batch needs at least 1 prompt")
        return [
            replace(
                self,
                prompts=self.prompts[start : start + size],
                tokens=self.tokens[start : start + size],
                positions={k: at[start : start + size] for k, at in self.positions.items()},
                io_ids=self.io_ids[start : start + size],
                s_ids=self.s_ids[start : start + size],
            )
            for start in range(0, len(self), size)
        ]

    def corrupted(self, kind: str, seed: int) -> "IOIDataset":
        """The same prompts with other names (Wang et al. 2022, Section 2.1 and Appendix A).

        Template, order, place, object and positions stay. `io_ids` and `s_ids` stay those of the
        original prompt, so that a metric on the corrupted run asks for the original answer.

        Args:
            kind: One of `CORRUPTIONS`.
            seed: Seed of the draw of fresh names; they differ from IO, S and each other.

        Returns:
            The corrupted prompts.

        Raises:
            ValueError: If there is no such kind, or there are not enough names for fresh ones.
        """
        kinds = ", ".join(map(repr, CORRUPTIONS))
        _require(kind in CORRUPTIONS, f"unknown corruption {kind!r}; the kinds are {kinds}")
        slots = CORRUPTIONS[kind].names
        fresh = sorted({slot for slot in slots if slot in "XYZ"})
        rng = random.Random(f"{seed} {kind}")
        prompts = []
        for prompt in self.prompts:
            others = [name for name in self.names if name not in (prompt.io, prompt.s)]
            _require(
                len(others) >= len(fresh),
                f"{kind!r} needs {len(fresh)} names besides IO and S, and there are {len(others)}",
            )
            names = {"IO": prompt.io, "S": prompt.s}
            names |= dict(zip(fresh, rng.sample(others, len(fresh)), strict=True))
            io, s1, s2 = (names[slot] for slot in slots)
            prompts.append(replace(prompt, names=(io, s1, s2)))
        # names are single tokens, so nothing moves
        return replace(self, prompts=tuple(prompts), tokens=_tokens(prompts, self.tokenizer)[0])


def single_token(word: str, tokenizer: Any) -> int | None:
    """The token of a word that follows a space.

    Args:
        word: A name, a place, an object.
        tokenizer: A fast tokenizer of the Hugging Face kind.

    Returns:
        Its id; None where the word is several tokens or unknown.
    """
    ids = tokenizer(" " + word, add_special_tokens=False)["input_ids"]
    return ids[0] if len(ids) == 1 and ids[0] != tokenizer.unk_token_id else None


def encode(
    prompts: Sequence[Prompt],
    tokenizer: Any,
    *,
    names: Iterable[str] = (),
    max_length: int | None = None,
) -> IOIDataset:
    """Turns prompts into a batch.

    Args:
        prompts: At least one.
        tokenizer: A fast tokenizer of the Hugging Face kind; it needs a BOS token.
        names: Further names for corrupted versions to draw from.
        max_length: Positions of the model; the tokenizer's `model_max_length` if left out.

    Returns:
        The batch.

    Raises:
        ValueError: If there is no prompt, a name is not one token, a word is unknown to the
            tokenizer, a prompt is longer than the model's context, or IO is not there once and S
            twice.
    """
    _require(len(prompts) > 0, "no prompts: at least one is needed")
    names = sorted({*names, *(name for prompt in prompts for name in (prompt.io, prompt.s))})
    _require_single_tokens(names, tokenizer)
    tokens, lengths = _tokens(prompts, tokenizer)
    limit = tokenizer.model_max_length if max_length is None else max_length
    longest = int(lengths.argmax())
    _require(
        int(lengths[longest]) <= limit,
        f"a prompt has {int(lengths[longest])} tokens with BOS, but the model has only {limit} "
        f"positions: {prompts[longest].text!r}",
    )
    io_ids = torch.tensor([single_token(prompt.io, tokenizer) for prompt in prompts])
    s_ids = torch.tensor([single_token(prompt.s, tokenizer) for prompt in prompts])
    io_at, s_at = tokens == io_ids[:, None], tokens == s_ids[:, None]
    for prompt, io_count, s_count in zip(prompts, io_at.sum(1), s_at.sum(1), strict=True):
        _require(
            (int(io_count), int(s_count)) == (1, 2),
            f"IO should be there once and S twice, but {prompt.io!r} is there {int(io_count)} and "
            f"{prompt.s!r} {int(s_count)} times: {prompt.text!r}",
        )
    s1 = s_at.int().argmax(1)
    s2 = tokens.shape[1] - 1 - s_at.flip(1).int().argmax(1)
    return IOIDataset(
        prompts=tuple(prompts),
        tokens=tokens,
        positions={
            "IO": io_at.int().argmax(1),
            "S1": s1,
            "S1+1": s1 + 1,
            "S2": s2,
            "END": lengths - 1,
        },
        io_ids=io_ids,
        s_ids=s_ids,
        tokenizer=tokenizer,
        names=tuple(names),
    )


def make_dataset(
    tokenizer: Any,
    n_prompts: int,
    *,
    seed: int,
    orders: Sequence[str] = ORDERS,
    names: Sequence[str] | None = None,
    places: Sequence[str] | None = None,
    objects: Sequence[str] | None = None,
    templates: Sequence[str] | None = None,
    pairs: Callable[[str, str], bool] | None = None,
    max_length: int | None = None,
) -> IOIDataset:
    """Draws prompts of the task (Wang et al. 2022, Section 2 and Appendix E).

    Orders take turns, and so do templates, so that each has its share; names, places and objects
    are drawn. The course's own lists are filtered to what is a single token for this tokenizer, so
    that all prompts of a template have the same length; lists that are passed must already be that.

    Args:
        tokenizer: A fast tokenizer of the Hugging Face kind; it needs a BOS token.
        n_prompts: How many, at least one.
        seed: The same seed gives the same prompts.
        orders: Some of `ORDERS`.
        names: Names to draw from; the course's if left out.
        places: Words for `[PLACE]`; the course's if left out.
        objects: Words for `[OBJECT]`; the course's if left out.
        templates: Sentences with slots; `TEMPLATES` if left out.
        pairs: Which pairs of IO and S may occur together; all if left out. Pass `is_held_out` of
            `interp_rl.models.recipes.ioi_corpus` for pairs that `ioi-mini` was not trained on.
        max_length: Positions of the model; the tokenizer's `model_max_length` if left out.

    Returns:
        The prompts as a batch.

    Raises:
        ValueError: If `n_prompts` is below one, an order is unknown, a name, place or object is not
            one token, too few of them or no template or pair is left, or a prompt does not fit
            (see `encode`).
    """
    _require(n_prompts >= 1, f"n_prompts is {n_prompts}; at least 1 is needed")
    unknown = [order for order in orders if order not in ORDERS]
    _require(
        not unknown and len(orders) > 0,
        f"unknown order {unknown[0]!r}" if unknown else "no order",
        f"; the orders are {', '.join(ORDERS)}",
    )
    # the corpus imports a tokenizer library, which takes seconds
    from interp_rl.models.recipes import ioi_corpus

    names = _words("names", names, ioi_corpus.NAMES, tokenizer, at_least=2)
    places = _words("places", places, ioi_corpus.PLACES, tokenizer)
    things = [word for word in ioi_corpus.OBJECTS if word != "kiss"]  # not sold, not found
    objects = _words("objects", objects, things, tokenizer)
    if templates is None:
        templates = [text for text in TEMPLATES if not _unknown_words(_bare(text), tokenizer)]
    _require(len(templates) > 0, "no template is left: the tokenizer knows the words of none")
    allowed = [(a, b) for a in names for b in names if a != b and (pairs is None or pairs(a, b))]
    _require(len(allowed) > 0, f"no two of the {len(names)} names are an allowed pair")

    rng = random.Random(seed)
    prompts = []
    for index in range(n_prompts):
        io, s = rng.choice(allowed)
        prompts.append(
            Prompt(
                template=templates[index // len(orders) % len(templates)],
                order=orders[index % len(orders)],
                io=io,
                s=s,
                place=rng.choice(places),
                object=rng.choice(objects),
            )
        )
    return encode(prompts, tokenizer, names=names, max_length=max_length)


def _words(
    kind: str,
    given: Sequence[str] | None,
    course: Sequence[str],
    tokenizer: Any,
    at_least: int = 1,
) -> list[str]:
    """The given words, which must be single tokens, or those of the course's that are."""
    if given is not None:
        _require_single_tokens(given, tokenizer)
        words = list(dict.fromkeys(given))
    else:
        words = [word for word in course if single_token(word, tokenizer) is not None]
    _require(
        len(words) >= at_least,
        f"too few {kind}: {len(words)} single-token {kind} of at least {at_least}",
    )
    return words


def _require_single_tokens(words: Iterable[str], tokenizer: Any) -> None:
    several = [word for word in words if single_token(word, tokenizer) is None]
    _require(not several, f"not one token for this tokenizer: {', '.join(map(repr, several))}")


def _tokens(
    prompts: Sequence[Prompt], tokenizer: Any
) -> tuple[Int[Tensor, "prompt pos"], Int[Tensor, " prompt"]]:
    """Tokens, BOS before and padding behind, and the number of tokens without the padding."""
    bos = tokenizer.bos_token_id
    _require(bos is not None, "the tokenizer has no BOS token")
    rows = []
    for prompt in prompts:
        unknown = _unknown_words(prompt.text, tokenizer)
        _require(not unknown, f"unknown to the tokenizer: {', '.join(unknown)} in {prompt.text!r}")
        rows.append([bos, *tokenizer(prompt.text, add_special_tokens=False)["input_ids"]])
    pad = bos if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    width = max(map(len, rows))
    tokens = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    return tokens, torch.tensor([len(row) for row in rows])


def _unknown_words(text: str, tokenizer: Any) -> list[str]:
    if tokenizer.unk_token_id is None:
        return []
    words = re.findall(r"\w+|[^\w\s]", text)
    encoded = tokenizer([" " + word for word in words], add_special_tokens=False)["input_ids"]
    return [w for w, ids in zip(words, encoded, strict=True) if tokenizer.unk_token_id in ids]


def _bare(template: str) -> str:
    """A template without its slots."""
    return re.sub(r"\[[A-Z]+\]", "", template)


def _require(holds: bool, *message: str) -> None:
    if not holds:
        raise ValueError("".join(message))
