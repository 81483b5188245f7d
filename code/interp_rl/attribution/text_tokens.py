"""The tokens of a text as players: which there are, and the text with some of them masked."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.attribution.shapley import Coalitions, Game


@dataclass(frozen=True)
class TextTokens:
    """A text in parts."""

    text: str
    """the text itself"""
    words: tuple[str, ...]
    """the characters that each token covers, with the spaces after them"""
    ids: tuple[int, ...]
    """the tokens' numbers"""

    def __len__(self) -> int:
        return len(self.ids)

    def masked(self, present: Bool[Tensor, " player"], mask: str) -> str:
        """The text with the absent tokens replaced.

        `shap.maskers.Text` does not put a space behind a mask. That makes no difference for a
        special token, but ``the`` before ``film`` would become ``thefilm``, an unknown word.

        Args:
            present: Which tokens stay.
            mask: What stands for each absent one; the empty text deletes it.

        Returns:
            A text.

        Raises:
            ValueError: If there is not one mark for each token.
        """
        if len(present) != len(self):
            raise ValueError(f"{len(present)} marks for {len(self)} tokens")
        parts = [
            word if stays else f" {mask}{' ' * word.endswith(' ')}"
            for word, stays in zip(self.words, present.tolist(), strict=True)
        ]
        return re.sub(r"\s+", " ", "".join(parts)).strip()


def read_text(tokenizer: Any, text: Any, *, what: str = "text") -> TextTokens:
    """The tokens of a text, after checking that there is something to explain.

    Args:
        tokenizer: A fast tokenizer of Hugging Face's transformers.
        text: The text, a string.
        what: What the text is called in error messages.

    Returns:
        Its tokens.

    Raises:
        TypeError: If the text is not a string, or the tokenizer cannot say which characters a token
            covers.
        ValueError: If the text is empty or has no known word.
    """
    if not isinstance(text, str):
        raise TypeError(f"the {what} is a {type(text).__name__}; give one text as a string")
    if not text.strip():
        raise ValueError(f"the {what} is empty: give at least one word")
    if not getattr(tokenizer, "is_fast", False):
        raise TypeError(
            f"{type(tokenizer).__name__} is a slow tokenizer: it does not say which characters a "
            "token covers. Load the fast one: AutoTokenizer.from_pretrained(..., use_fast=True)."
        )
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, spans = encoded["input_ids"], encoded["offset_mapping"]
    if ids and all(token == tokenizer.unk_token_id for token in ids):
        raise ValueError(
            f"no word of the {what} {text!r} is in the vocabulary of {len(tokenizer):,} tokens: "
            "the model reads unknown words only, and has nothing to tell them apart by"
        )
    starts = [start for start, _ in spans] + [len(text)]
    words = [text[start : max(end, after)] for (start, end), after in zip(spans, starts[1:])]  # noqa: B905
    return TextTokens(text, tuple(words), tuple(ids))


def require_mask(tokenizer: Any, mask: str) -> str:
    """Checks a mask token.

    Args:
        tokenizer: The tokenizer.
        mask: What stands for an absent token; the empty text deletes it.

    Returns:
        The mask.

    Raises:
        ValueError: If the mask is several tokens: a masked text would be longer than the text.
    """
    if not mask:
        return mask
    tokens = tokenizer(mask, add_special_tokens=False)["input_ids"]
    # a byte-level tokenizer may have a token for the word after a space only
    spaced = tokenizer(f" {mask}", add_special_tokens=False)["input_ids"]
    if min(len(tokens), len(spaced)) != 1:
        raise ValueError(
            f"the mask {mask!r} is {len(tokens)} tokens of this tokenizer, so that masking would "
            "make the text longer; give one token"
        )
    return mask


def text_game(
    f: Callable[[Iterable[str]], Float[Tensor, "text output"]],
    tokens: TextTokens,
    mask: str,
) -> Game:
    """The game whose players are the tokens of a text.

    Args:
        f: A `TextModel`, or any function from texts to numbers.
        tokens: The text.
        mask: What stands for an absent token.

    Returns:
        The worth of a coalition: what `f` gives for the text with all other tokens masked.
    """

    def worth(members: Coalitions) -> Float[Tensor, "coalition output"]:
        return f([tokens.masked(present, mask) for present in members])

    return worth
