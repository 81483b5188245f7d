"""Models as functions from texts to numbers, which is what every method of attribution explains.

A `TextModel` is called with texts and gives one number for each text and output: the log odds of
each class, or the log probability of each token of a target. It can be handed to `shap` as it is.
Methods that need gradients call its `outputs` with token ids instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp_rl.attribution.text_tokens import read_text

SCALES = ("log odds", "probability")
"""In which units a class can be explained.

Log odds, ``log(p / (1 - p))``, are what the last layer of a classifier adds up. Probabilities are
easier to read, but flat near 0 and 1: two words of which each alone would do share nothing.
"""

BATCH = 512
"""How many texts are run at once."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """Texts as token ids, padded on the right."""

    ids: Int[Tensor, "text pos"]
    """token ids, with the tokens that the model needs around a text"""
    read: Bool[Tensor, "text pos"]
    """False at padding"""
    players: Bool[Tensor, "text pos"]
    """True at the tokens of the text itself, which are the ones explained"""


class TextModel(ABC):
    """A model as a function from texts to numbers.

    Args:
        model: A model of Hugging Face's transformers.
        tokenizer: Its tokenizer.
        output_names: What the outputs are.
        before: Ids of tokens that the model needs before each text.
        after: Ids of tokens that it needs after each text.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        output_names: Sequence[str],
        before: Sequence[int] = (),
        after: Sequence[int] = (),
    ) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.output_names = tuple(output_names)
        self.before, self.after = tuple(before), tuple(after)

    @abstractmethod
    def outputs(
        self, ids: Int[Tensor, "text pos"], read: Bool[Tensor, "text pos"]
    ) -> Float[Tensor, "text output"]:
        """The numbers for texts given as token ids; gradients flow through.

        Args:
            ids: Token ids as `encode` gives them.
            read: False at padding.

        Returns:
            One number for each text and output.
        """

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Token ids of texts, with what the model needs around a text.

        Args:
            texts: The texts.

        Returns:
            Ids, padded on the right, and which of them are the texts' own tokens.
        """
        rows = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        before, after = len(self.before), len(self.before) + len(self.after)
        width = max(map(len, rows)) + after
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor(
            [[*self.before, *row, *self.after, *[pad] * (width - after - len(row))] for row in rows]
        )
        own = torch.tensor([len(row) for row in rows])[:, None]
        place = torch.arange(width)
        return Encoded(ids, place < own + after, (place >= before) & (place < own + before))

    def __call__(self, texts: Iterable[str]) -> Float[Tensor, "text output"]:
        """The numbers for some texts.

        Args:
            texts: The texts; masked ones may contain the mask token.

        Returns:
            One number for each text and output.

        Raises:
            ValueError: If there is no text.
        """
        texts = [str(text) for text in texts]
        if not texts:
            raise ValueError("there are no texts: give at least one")
        found = []
        with torch.no_grad():
            for start in range(0, len(texts), BATCH):
                encoded = self.encode(texts[start : start + BATCH])
                found.append(self.outputs(encoded.ids, encoded.read).double())
        return torch.cat(found)

    def output(self, name: str) -> int:
        """Which output has a name.

        Args:
            name: One of `output_names`.

        Returns:
            Its index.

        Raises:
            ValueError: If there is none.
        """
        return find_output(name, self.output_names)


def find_output(name: str, names: Sequence[str]) -> int:
    """Which of some outputs has a name.

    Args:
        name: The name; upper and lower case count only if that is all that tells two names apart.
        names: The names there are.

    Returns:
        Its index.

    Raises:
        ValueError: If there is none, or several.
    """
    for wanted, given in ((name, list(names)), (name.lower(), [n.lower() for n in names])):
        if given.count(wanted) == 1:
            return given.index(wanted)
    raise ValueError(f"there is no single output {name!r}; the outputs are {', '.join(names)}")


class Classifier(TextModel):
    """A classifier of texts: one output for each class.

    Args:
        model: A model for sequence classification.
        tokenizer: Its tokenizer.
        label: The only class wanted; every class is an output if left out.
        scale: `log odds` or `probability`.
        begins_with_bos: Put the token that begins a text before each text; left out, wherever the
            tokenizer has such a token and does not put it there by itself.

    Raises:
        ValueError: If the label or the scale does not exist.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        label: str | None = None,
        scale: str = "log odds",
        begins_with_bos: bool | None = None,
    ) -> None:
        labels = [model.config.id2label[index] for index in range(model.config.num_labels)]
        if scale not in SCALES:
            raise ValueError(f"unknown scale {scale!r}: give 'log odds' or 'probability'")
        self.chosen = list(range(len(labels))) if label is None else [find_output(label, labels)]
        self.scale = scale
        around = tokenizer("")["input_ids"]  # such as [CLS] and [SEP]
        before, after = around[: len(around) // 2], around[len(around) // 2 :]
        bos = tokenizer.bos_token_id
        if begins_with_bos or (begins_with_bos is None and bos is not None and bos not in around):
            before = [bos, *before]
        super().__init__(model, tokenizer, [labels[index] for index in self.chosen], before, after)

    def outputs(
        self, ids: Int[Tensor, "text pos"], read: Bool[Tensor, "text pos"]
    ) -> Float[Tensor, "text output"]:
        """Log odds or probabilities; see `TextModel.outputs`."""
        logits = self.model(input_ids=ids, attention_mask=read.long()).logits
        if self.scale == "probability":
            return logits.softmax(-1)[:, self.chosen]
        return log_odds(logits, self.chosen)


class FixedTarget(TextModel):
    """A language model asked how probable a fixed target is after each text.

    The target is fixed so that every masked text is asked about the same tokens. A model that wrote
    its own continuation for each masked text would be explained for another one each time.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        target: The text whose tokens are the outputs.
        scale: `log probability`, or `log odds` as in `shap.models.TeacherForcing`.

    Raises:
        ValueError: If the target is empty or of unknown words only, or the scale does not exist.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        target: str,
        *,
        scale: str = "log probability",
    ) -> None:
        if scale not in ("log probability", "log odds"):
            raise ValueError(f"unknown scale {scale!r}: give 'log probability' or 'log odds'")
        tokens = read_text(tokenizer, target, what="target")
        self.scale, self.target_ids = scale, torch.tensor(tokens.ids)
        names = numbered([word.strip() for word in tokens.words])
        super().__init__(model, tokenizer, names, [tokenizer.bos_token_id], tokens.ids)

    def outputs(
        self, ids: Int[Tensor, "text pos"], read: Bool[Tensor, "text pos"]
    ) -> Float[Tensor, "text output"]:
        """Log probabilities or log odds of the target's tokens; see `TextModel.outputs`."""
        logits = self.model(input_ids=ids, attention_mask=read.long()).logits
        n = len(self.target_ids)
        last = read.sum(1, keepdim=True) - 1
        at = last - n + torch.arange(n)  # each token is predicted from the place before it
        logits = logits[torch.arange(len(ids))[:, None], at]
        log_p = logits.log_softmax(-1)[:, torch.arange(n), self.target_ids]
        return log_p if self.scale == "log probability" else log_p - log1mexp(log_p)


class NextToken(TextModel):
    """A language model's log probability of every token as the next one.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        names = [tokenizer.decode([index]).strip() for index in range(model.config.vocab_size)]
        super().__init__(model, tokenizer, names, [tokenizer.bos_token_id])

    def outputs(
        self, ids: Int[Tensor, "text pos"], read: Bool[Tensor, "text pos"]
    ) -> Float[Tensor, "text output"]:
        """Log probabilities of the whole vocabulary; see `TextModel.outputs`."""
        logits = self.model(input_ids=ids, attention_mask=read.long()).logits
        return logits[torch.arange(len(ids)), read.sum(1) - 1].log_softmax(-1)


class WordContrast(TextModel):
    """A language model asked whether the next word is rather one of a group than of another.

    The output is ``log P(next word in group) - log P(next word in other group)``.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        words: Words of one token each, such as positive ones; or ids of tokens.
        others: Words of one token each, such as negative ones; or ids of tokens.
        name: What the output is called.

    Raises:
        ValueError: If a group has no word of one token, or a word is in both.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        words: Sequence[str] | Int[Tensor, " word"],
        others: Sequence[str] | Int[Tensor, " other"],
        *,
        name: str = "positive word",
    ) -> None:
        self.ids, self.other_ids = (
            group if isinstance(group, Tensor) else single_token_ids(tokenizer, group)
            for group in (words, others)
        )
        if not len(self.ids) or not len(self.other_ids):
            raise ValueError("a group of words is empty: there is nothing to contrast")
        if shared := set(self.ids.tolist()) & set(self.other_ids.tolist()):
            both = ", ".join(tokenizer.convert_ids_to_tokens(sorted(shared)))
            raise ValueError(f"words in both groups: {both}")
        super().__init__(model, tokenizer, [name], [tokenizer.bos_token_id])

    def outputs(
        self, ids: Int[Tensor, "text pos"], read: Bool[Tensor, "text pos"]
    ) -> Float[Tensor, "text output"]:
        """Log odds of the first group against the second; see `TextModel.outputs`."""
        logits = self.model(input_ids=ids, attention_mask=read.long()).logits
        at_end = logits[torch.arange(len(ids)), read.sum(1) - 1]
        return self.contrast(at_end)[:, None]

    def contrast(self, logits: Float[Tensor, "*rest vocab"]) -> Float[Tensor, "*rest"]:
        """The output from logits of the next token.

        Args:
            logits: Logits; a constant added to all of them changes nothing.

        Returns:
            ``log P(words) - log P(others)``.
        """
        return logits[..., self.ids].logsumexp(-1) - logits[..., self.other_ids].logsumexp(-1)


class Difference(TextModel):
    """What one model gives minus what another one gives, on the same text.

    Attributions add up: the Shapley values of the difference are the differences of the Shapley
    values, as long as both models read the same tokens.

    Args:
        tuned: The model after the change.
        base: The model before it.

    Raises:
        ValueError: If the two have different vocabularies or outputs, or read other tokens around a
            text.
    """

    def __init__(self, tuned: TextModel, base: TextModel) -> None:
        require_same_vocabulary(tuned.tokenizer, base.tokenizer)
        if (tuned.before, tuned.after) != (base.before, base.after):
            raise ValueError(
                "the two models read different tokens around a text: give both the same target, "
                "and begin the texts of both in the same way"
            )
        if tuned.output_names != base.output_names:
            raise ValueError(
                "the two models have different outputs, and their difference means nothing: "
                f"{', '.join(tuned.output_names)} against {', '.join(base.output_names)}"
            )
        self.tuned, self.base = tuned, base
        names = tuned.output_names
        super().__init__(tuned.model, tuned.tokenizer, names, tuned.before, tuned.after)

    def outputs(
        self, ids: Int[Tensor, "text pos"], read: Bool[Tensor, "text pos"]
    ) -> Float[Tensor, "text output"]:
        """The difference of the two outputs; see `TextModel.outputs`."""
        return self.tuned.outputs(ids, read) - self.base.outputs(ids, read)


def log_odds(
    logits: Float[Tensor, "text label"], chosen: Sequence[int]
) -> Float[Tensor, "text output"]:
    """Log odds of classes against all others, without going through probabilities.

    Args:
        logits: Logits of all classes.
        chosen: Which classes.

    Returns:
        ``log p - log(1 - p)``, finite also where p rounds to 1.
    """
    found = []
    for index in chosen:
        others = [other for other in range(logits.shape[1]) if other != index]
        found.append(logits[:, index] - logits[:, others].logsumexp(-1))
    return torch.stack(found, dim=1)


def log1mexp(log_p: Float[Tensor, "*rest"]) -> Float[Tensor, "*rest"]:
    """``log(1 - p)`` from ``log p``; accurate for p near 0 and near 1.

    Args:
        log_p: Log probabilities, below 0.

    Returns:
        Log probabilities of the opposite.
    """
    log_p = log_p.clamp(max=-1e-7)
    return torch.where(
        log_p > -0.6931, torch.log(-torch.expm1(log_p)), torch.log1p(-torch.exp(log_p))
    )


def numbered(words: Sequence[str]) -> list[str]:
    """Words as names: a word that comes again gets its number.

    Args:
        words: Words, perhaps repeated.

    Returns:
        ``good``, ``and``, ``good (2)``.
    """
    names: list[str] = []
    for place, word in enumerate(words):
        count = list(words[: place + 1]).count(word)
        names.append(word if count == 1 else f"{word} ({count})")
    return names


def single_token_ids(tokenizer: Any, words: Sequence[str]) -> Int[Tensor, " word"]:
    """Ids of those words that are one known token.

    Byte-level tokenizers have another token for a word after a space; that is the one meant.

    Args:
        tokenizer: The tokenizer.
        words: Words without spaces.

    Returns:
        Ids, each once.

    Raises:
        ValueError: If no word is a single token.
    """
    ids: list[int] = []
    for word in words:
        tokens = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
        known = tokens[0] != tokenizer.unk_token_id or tokenizer.unk_token == tokenizer.bos_token
        if len(tokens) == 1 and known:
            ids.append(tokens[0])
    if not ids:
        raise ValueError(f"none of the words is a single token: {', '.join(words) or 'no words'}")
    return torch.tensor(list(dict.fromkeys(ids)))


def require_same_vocabulary(first: Any, second: Any) -> None:
    """Checks that two models read the same tokens.

    Args:
        first: A tokenizer.
        second: Another one.

    Raises:
        ValueError: If they have different tokens or number them differently.
    """
    a, b = first.get_vocab(), second.get_vocab()
    if a == b:
        return
    different = sorted(word for word in a.keys() | b.keys() if a.get(word) != b.get(word))
    shown = ", ".join(repr(word) for word in different[:5])
    raise ValueError(
        f"the two models have different vocabularies ({len(a)} and {len(b)} tokens; {shown} and "
        f"others are not the same): their attributions belong to different tokens. Compare a model "
        "with one that was trained from it."
    )
