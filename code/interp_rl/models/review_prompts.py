"""Beginnings of film reviews for a language model to finish: generated ones, or those of IMDB.

    from interp_rl.models.review_prompts import prompts
    held_out = prompts("held-out", 200, words=4)

In the embedded edition they are beginnings of generated reviews, in the hub edition of those that
people have written (Maas et al. 2011). In both, the prompts to train on and those to measure with
are different ones.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp_rl.models import files, registry
from interp_rl.models.errors import HubUnavailableError, MissingModelError, TextError
from interp_rl.models.recipes import reviews_corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IMDB = "stanfordnlp/imdb"
"""The reviews on the Hugging Face hub."""

SPLITS = reviews_corpus.PROMPT_SPLITS
"""Prompts to train on, and prompts that are kept for measuring."""

_FILES = dict(zip(SPLITS, ("train", "test"), strict=True))
_MOST_TOKENS = 64


def prompts(
    split: str,
    n: int,
    seed: int = 0,
    *,
    words: int | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    edition: str | None = None,
) -> list[str]:
    """Draws beginnings of reviews, all different.

    Args:
        split: `train` or `held-out`.
        n: How many.
        seed: The same seed gives the same prompts.
        words: Length of every prompt in tokens, since some libraries ask for equal lengths; 2 to 5
            if left out. In the embedded edition a word is a token.
        tokenizer: That of the language model; needed in the hub edition.
        edition: `embedded` or `hub`; left out, `INTERP_RL_MODELS` decides.

    Returns:
        The prompts.

    Raises:
        ValueError: If there is no such split, or if there are not so many prompts of that length.
        TextError: If a tokenizer is needed and there is none.
        MissingModelError: If the reviews are not where `INTERP_RL_HUB_DIR` says.
        HubUnavailableError: If the reviews are neither on this machine nor within reach.
    """
    if registry.chosen_edition(edition) == "embedded":
        return reviews_corpus.prompts(split, n, seed, words=words)
    if tokenizer is None:
        raise TextError("The hub edition cuts prompts by tokens: pass the model's tokenizer.")
    return imdb_prompts(split, n, seed, tokens=words, tokenizer=tokenizer)


def imdb_prompts(
    split: str,
    n: int,
    seed: int = 0,
    *,
    tokens: int | None = None,
    tokenizer: PreTrainedTokenizerBase,
    source: Path | None = None,
) -> list[str]:
    """Cuts beginnings of IMDB's reviews to a number of tokens.

    Args:
        split: `train` for beginnings of IMDB's training reviews, `held-out` for those of its test
            reviews; of each, the half of the prompts that `reviews_corpus.split_of_prompt` puts
            there.
        n: How many.
        seed: The same seed gives the same prompts.
        tokens: Length of every prompt; 2 to 5 if left out.
        tokenizer: That of the language model. Tokenized again, each prompt has exactly that length.
        source: A directory with IMDB's parquet files; left out, the directory `imdb` in
            `INTERP_RL_HUB_DIR` if this is set, else the hub.

    Returns:
        The prompts, all different.

    Raises:
        ValueError: If there is no such split, or if there are not so many prompts of that length.
        MissingModelError: If the directory has no such parquet files.
        TextError: If the files have no column of texts.
        HubUnavailableError: If the hub's copy is neither on this machine nor within reach.
    """
    if split not in SPLITS:
        raise ValueError(f"no split {split!r} of prompts: {', '.join(SPLITS)}")
    if tokens is not None and not 1 <= tokens <= _MOST_TOKENS:
        raise ValueError(f"prompts have 1 to {_MOST_TOKENS} tokens, not {tokens}")
    if n < 0:
        raise ValueError(f"cannot draw {n} prompts")
    if source is None and (local := os.environ.get(files.HUB_DIR_VARIABLE)):
        source = Path(local).expanduser() / "imdb"
    rng = random.Random(f"imdb {seed} {split}")
    low, high = reviews_corpus.PROMPT_WORDS
    texts = _texts(_FILES[split], source)
    order = list(range(len(texts)))
    rng.shuffle(order)
    found: dict[str, None] = {}
    for index in order:
        if len(found) == n:
            break
        length = tokens or rng.randint(low, high)
        prompt = _cut(_plain(texts[index]), length, tokenizer)
        # reviews of both halves begin alike, so that the file alone keeps no prompt from training
        if prompt is not None and reviews_corpus.split_of_prompt(prompt) == split:
            found[prompt] = None
    if len(found) < n:
        raise ValueError(
            f"only {len(found)} different prompts of {tokens or f'{low} to {high}'} tokens in the "
            f"{len(texts)} reviews of {split!r}, not {n}: ask for fewer or for longer ones"
        )
    return list(found)


def _plain(text: str) -> str:
    """IMDB's reviews contain the line breaks of a web page."""
    return " ".join(text.replace("<br />", " ").split())


def _cut(text: str, length: int, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The first tokens of a text, if they are tokens again when they stand alone."""
    ids = tokenizer(text[: 40 * length], add_special_tokens=False)["input_ids"][:length]
    prompt = str(tokenizer.decode(ids))
    again = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    return prompt if len(ids) == length and list(again) == list(ids) else None


def _texts(part: str, source: Path | None) -> list[str]:
    """All reviews of `train` or `test`."""
    import datasets

    if source is not None:
        if not source.is_dir():
            raise MissingModelError(
                f"There is no directory {source}. Put the files of the dataset {IMDB} there, or "
                f"unset {files.HUB_DIR_VARIABLE} to use the Hugging Face hub."
            )
        parquet = sorted(str(path) for path in source.rglob(f"{part}-*.parquet"))
        if not parquet:
            raise MissingModelError(f"{source} has no {part}-*.parquet, as the dataset {IMDB} has.")
        try:
            data: Any = datasets.Dataset.from_parquet(parquet, keep_in_memory=True)
        except Exception as error:  # the library raises many kinds for a damaged file
            raise TextError(f"{parquet} cannot be read ({error}). Copy them again.") from error
    else:
        try:
            data = datasets.load_dataset(IMDB, split=part)
        except Exception as error:  # the network fails in many ways; all mean the same here
            raise HubUnavailableError(
                f"The hub edition was asked for, but the dataset {IMDB} is not on this machine and "
                f"cannot be downloaded ({error}). Run once with network, set "
                f"{files.HUB_DIR_VARIABLE}, or use the embedded edition: "
                f"{registry.EDITION_VARIABLE}=embedded"
            ) from error
    if "text" not in data.column_names:
        raise TextError(f"The reviews have no column 'text', only: {', '.join(data.column_names)}.")
    return list(data["text"])
