"""Loads models: language models, the same with hooks for looking inside, and classifiers.

Their functions are `load`, `load_hooked` and `load_classifier`; `load_card` says what a model is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from interp_rl.models import files, registry
from interp_rl.models.card import CARD_FILE, ModelCard
from interp_rl.models.errors import (
    KindError,
    LabelsError,
    MissingModelError,
    TokenizerError,
    WeightsError,
)

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


class Classifier(NamedTuple):
    """A classifier of texts with what belongs to it."""

    model: transformers.GPT2ForSequenceClassification
    """in evaluation mode, float32, on the CPU, with eager attention; in the hub edition a
    `DistilBertForSequenceClassification`"""
    tokenizer: transformers.PreTrainedTokenizerFast
    """pads on the right; the model needs the attention mask that it returns"""
    card: ModelCard
    """what the model is"""

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels in the order of the logits, in lower case."""
        names = self.model.config.id2label
        return tuple(names[index].lower() for index in range(len(names)))


def load(name: str | os.PathLike[str], *, edition: str | None = None) -> Loaded:
    """Loads a model, its tokenizer and its card.

    The files of an embedded model are compared with the checksums on its card, and no network is
    used. Each call returns a new model, so that training one leaves the others alone. Dropout is
    off (`model.eval()`); gradients are on, so use `torch.no_grad()` where none are needed.

    GPT-2 has no token for padding; its tokenizer then pads with the token that ends a text, as is
    customary, and so does the model's configuration. Do not take the two for each other: what is
    padding, the attention mask says.

    Args:
        name: A role ("ioi", "reviews"), a model's own name ("ioi-mini", "gpt2"), or a
            `pathlib.Path` to a directory with a GPT-2 in Hugging Face format.
        edition: `embedded` or `hub`; left out, `INTERP_RL_MODELS` decides.

    Returns:
        Model, tokenizer and card.

    Raises:
        UnknownModelError: If there is no model of that name.
        KindError: If it is a classifier.
        EditionError: If the edition does not exist, or lacks the model.
        MissingModelError: If the model's directory, or a file in it, is missing.
        ChecksumError: If a file is not the one on the card.
        WeightsError: If the weights are pickled, cut short or not those of a GPT-2.
        TokenizerError: If the tokenizer has no token that begins a text.
        HubUnavailableError: If a hub model is neither on this machine nor within reach.
    """
    directory, card = _verified(name, edition, "language model", ("gpt2",))
    with _quiet():
        model, tokenizer = _model(directory), _tokenizer(directory)
    if tokenizer.bos_token_id is None:
        raise TokenizerError(
            f"The tokenizer in {directory} has no BOS token, and every text of the course begins "
            "with one. Set bos_token and save the tokenizer again."
        )
    if tokenizer.pad_token_id is None and tokenizer.eos_token_id is not None:
        tokenizer.pad_token = tokenizer.eos_token
        model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.eos_token_id
    return Loaded(model, tokenizer, card)


def load_classifier(name: str | os.PathLike[str], *, edition: str | None = None) -> Classifier:
    """Loads a classifier of texts, its tokenizer and its card, as `load` does with language models.

    Batches of texts are to be padded on the right, which the tokenizer does:

        model, tokenizer, card = load_classifier("sentiment")
        batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        probabilities = model(**batch).logits.softmax(-1)

    Args:
        name: A role ("sentiment", "emotion"), a model's own name ("sentiment-mini",
            "distilbert-imdb"), or a `pathlib.Path` to a directory with a GPT-2 or DistilBERT for
            sequence classification in Hugging Face format.
        edition: `embedded` or `hub`; left out, `INTERP_RL_MODELS` decides.

    Returns:
        Model, tokenizer and card.

    Raises:
        UnknownModelError: If there is no model of that name.
        KindError: If it is a language model.
        EditionError: If the edition does not exist, or lacks the model.
        MissingModelError: If the model's directory, or a file in it, is missing.
        ChecksumError: If a file is not the one on the card.
        WeightsError: If the weights are pickled, cut short, or of another architecture.
        TokenizerError: If there is no token for padding, if it is another one for the tokenizer
            than for the model, or if it is the one that ends a text.
        LabelsError: If the labels have no names, or if those of the role "sentiment" are not
            negative and positive.
        HubUnavailableError: If a hub model is neither on this machine nor within reach.
    """
    directory, card = _verified(name, edition, "classifier", ("gpt2", "distilbert"))
    with _quiet():
        loaded = Classifier(_classifier(directory), _tokenizer(directory), card)
    _check_padding(directory, loaded)
    names = loaded.labels
    if len(set(names)) < 2 or any(label.startswith("label_") for label in names):
        raise LabelsError(
            f"The labels of {directory} have no names of their own: {', '.join(names)}. Set "
            "id2label and label2id in its configuration."
        )
    sentiment = isinstance(name, str) and registry.find(name, edition).role == "sentiment"
    if sentiment and names != ("negative", "positive"):
        raise LabelsError(
            f"{name!r} must have the labels negative and positive, in this order; {directory} has "
            f"{', '.join(names)}."
        )
    return loaded


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


def _verified(
    name: str | os.PathLike[str], edition: str | None, kind: str, types: tuple[str, ...]
) -> tuple[Path, ModelCard]:
    """Directory and card of a model of one kind, whose files are what they should be."""
    functions = dict(zip(registry.KINDS, ("load", "load_classifier"), strict=True))
    if isinstance(name, str) and (found := registry.find(name, edition)).kind != kind:
        raise KindError(f"{found.name!r} is a {found.kind}: use {functions[found.kind]}({name!r}).")
    directory, card = _find(name, edition)
    if card.files:
        files.verify(directory, card)
    files.check_format(directory, types)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    classifies = any("SequenceClassification" in a for a in config.get("architectures") or ())
    if classifies != (kind == "classifier"):
        other = registry.KINDS[kind == registry.KINDS[0]]
        raise KindError(
            f"{directory} does not hold a {kind} (architectures: {config.get('architectures')}). "
            f"If it holds a {other}, use {functions[other]}."
        )
    return directory, card


def _classifier(directory: Path) -> transformers.GPT2ForSequenceClassification:
    import transformers

    return _pretrained(transformers.AutoModelForSequenceClassification, directory, "a classifier")


def _model(directory: Path) -> transformers.GPT2LMHeadModel:
    import transformers

    return _pretrained(transformers.GPT2LMHeadModel, directory, "a GPT-2")


def _pretrained(architecture: Any, directory: Path, what: str) -> Any:
    import torch

    try:
        model, info = architecture.from_pretrained(
            directory,
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="eager",  # the only one that hands out attention patterns
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(f"{directory} cannot be loaded as {what}: {error}") from error
    if lacking := sorted(info["missing_keys"]):
        raise WeightsError(f"{directory} lacks weights of its architecture: {', '.join(lacking)}.")
    return model.eval()


def _tokenizer(directory: Path) -> transformers.PreTrainedTokenizerFast:
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise TokenizerError(f"The tokenizer in {directory} cannot be loaded: {error}") from error
    return tokenizer


def _check_padding(directory: Path, loaded: Classifier) -> None:
    """A GPT-2 classifies by the last token that is no padding, so this token must be settled."""
    model, tokenizer, _ = loaded
    if tokenizer.pad_token_id is None or model.config.pad_token_id != tokenizer.pad_token_id:
        raise TokenizerError(
            f"The classifier in {directory} has no settled token for padding: it is "
            f"{tokenizer.pad_token_id} for the tokenizer and {model.config.pad_token_id} for the "
            "model. Texts of unequal length would be classified by their padding: set pad_token in "
            "the one and pad_token_id in the other."
        )
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise TokenizerError(
            f"The classifier in {directory} pads with the token that ends a text, so that the end "
            "of a text would be taken for padding. Give it a pad_token of its own."
        )
    if tokenizer.padding_side != "right":
        raise TokenizerError(
            f"The tokenizer in {directory} pads on the {tokenizer.padding_side}; a classifier "
            "counts positions from the left. Set padding_side='right' and save it again."
        )


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
