"""Loads models: for training (`load`), or with hooks for looking inside (`load_hooked`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from interp_rl.models import files, registry
from interp_rl.models.card import CARD_FILE, ModelCard
from interp_rl.models.errors import MissingModelError, TokenizerError, WeightsError

if TYPE_CHECKING:
    import transformer_lens.model_bridge
    import transformers


class Loaded(NamedTuple):
    """A model with what belongs to it."""

    model: transformers.GPT2LMHeadModel
    """in evaluation mode, float32, on the CPU, with eager attention; its weights can be trained"""
    tokenizer: transformers.PreTrainedTokenizerFast
    """does not add `<|bos|>` by itself"""
    card: ModelCard
    """what the model is"""


def load(name: str | os.PathLike[str], *, edition: str | None = None) -> Loaded:
    """Loads a model, its tokenizer and its card.

    The files of an embedded model are compared with the checksums on its card, and no network is
    used. Each call returns a new model, so that training one leaves the others alone. Dropout is
    off (`model.eval()`); gradients are on, so use `torch.no_grad()` where none are needed.

    Args:
        name: A role ("ioi"), a model's own name ("ioi-mini", "gpt2"), or a `pathlib.Path` to a
            directory with a GPT-2 in Hugging Face format.
        edition: `embedded` or `hub`; left out, `INTERP_RL_MODELS` decides.

    Returns:
        Model, tokenizer and card.

    Raises:
        UnknownModelError: If there is no model of that name.
        EditionError: If the edition does not exist, or lacks the model.
        MissingModelError: If the model's directory, or a file in it, is missing.
        ChecksumError: If a file is not the one on the card.
        WeightsError: If the weights are pickled, cut short or not those of a GPT-2.
        TokenizerError: If the tokenizer has no token that begins a text.
        HubUnavailableError: If a hub model is neither on this machine nor within reach.
    """
    directory, card = _find(name, edition)
    if card.files:
        files.verify(directory, card)
    files.check_format(directory)
    with _quiet():
        return Loaded(_model(directory), _tokenizer(directory), card)


def load_hooked(
    name: str | os.PathLike[str], *, edition: str | None = None
) -> transformer_lens.model_bridge.TransformerBridge:
    """Loads a model into transformer_lens, ready for `run_with_cache` and hooks.

    Compatibility mode folds each LayerNorm's weights into the matrices that follow and centres the
    unembedding: at each position all logits shift by one number, so that log-probabilities and
    logit differences are those of the model that `load` returns. Every head's own output is kept
    (`attn.hook_result`).

    Args:
        name: As for `load`.
        edition: As for `load`.

    Returns:
        The model with hooks, on the CPU. Its `tokenizer` does not add `<|bos|>` by itself; its
        `to_tokens` does.

    Raises:
        ModelError: As for `load`.
    """
    # booting rewires the Hugging Face model in place, so it is one that nobody else holds
    model, tokenizer, card = load(name, edition=edition)
    from transformer_lens.model_bridge import TransformerBridge

    with _quiet():
        bridge = TransformerBridge.boot_transformers(
            card.name, hf_model=model, tokenizer=tokenizer, device="cpu"
        )
    bridge.enable_compatibility_mode(disable_warnings=True)
    bridge.set_use_attn_result(True)
    # transformer_lens has made the tokenizer add <|bos|>; a text tokenized by hand must not differ
    bridge.tokenizer.add_bos_token = False
    bridge.cfg.tokenizer_prepends_bos = False
    return bridge


def load_card(name: str | os.PathLike[str], *, edition: str | None = None) -> ModelCard:
    """Reads a model's card, without loading its weights.

    Args:
        name: As for `load`.
        edition: As for `load`.

    Returns:
        The card. It is shown as a table in a notebook.

    Raises:
        ModelError: As for `load`, as far as names and cards go.
    """
    if isinstance(name, str):
        spec = registry.find(name, edition)
        if spec.card is not None:
            return spec.card
    return _find(name, edition)[1]


def _find(name: str | os.PathLike[str], edition: str | None) -> tuple[Path, ModelCard]:
    """Directory and card of a model."""
    if isinstance(name, str):
        spec = registry.find(name, edition)
        directory = files.directory_of(spec)
        return directory, spec.card or ModelCard.read(directory)
    registry.chosen_edition(edition)  # a wrong edition is an error even where it has no bearing
    directory = Path(name)
    if not directory.is_dir():
        raise MissingModelError(f"There is no directory {directory}.")
    if (directory / CARD_FILE).is_file():
        return directory, ModelCard.read(directory)
    return directory, ModelCard(directory.name, what="A model of your own.", source=str(directory))


def _model(directory: Path) -> transformers.GPT2LMHeadModel:
    import torch
    import transformers

    try:
        model, info = transformers.GPT2LMHeadModel.from_pretrained(
            directory,
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="eager",  # the only one that hands out attention patterns
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(f"{directory} cannot be loaded as a GPT-2: {error}") from error
    if lacking := sorted(info["missing_keys"]):
        raise WeightsError(f"{directory} lacks weights of its architecture: {', '.join(lacking)}.")
    return model.eval()


def _tokenizer(directory: Path) -> transformers.PreTrainedTokenizerFast:
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise TokenizerError(f"The tokenizer in {directory} cannot be loaded: {error}") from error
    if tokenizer.bos_token_id is None:
        raise TokenizerError(
            f"The tokenizer in {directory} has no BOS token, and every text of the course begins "
            "with one. Set bos_token and save the tokenizer again."
        )
    return tokenizer


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps progress bars and load reports out of a chapter's output."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
