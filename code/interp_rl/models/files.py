"""Where a model's files lie, and whether they are what they should be."""

import functools
import hashlib
import json
import os
import shutil
from pathlib import Path

from interp_rl.models import registry
from interp_rl.models.card import CARD_FILE, ModelCard
from interp_rl.models.errors import (
    ChecksumError,
    HubUnavailableError,
    MissingModelError,
    WeightsError,
)

HUB_DIR_VARIABLE = "INTERP_RL_HUB_DIR"
"""A directory with a sub-directory for each hub model, used instead of the network."""

RELEASED = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)
"""What an embedded model consists of, besides its card."""

_WRITERS_ONLY = "generation_config.json"  # classifiers have none

_HUB_NEEDED = ("config.json", "model.safetensors")
_HUB_FILES = ["*.json", "merges.txt", "vocab.txt", "model.safetensors"]
_TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def directory_of(spec: registry.ModelSpec) -> Path:
    """The directory with a model's files; a hub model is downloaded if it is not cached.

    Args:
        spec: The model.

    Returns:
        A directory in Hugging Face format.

    Raises:
        MissingModelError: If an embedded model's directory is missing, or `INTERP_RL_HUB_DIR` is
            set and has no such model.
        HubUnavailableError: If a hub model is not cached and cannot be downloaded.
    """
    if spec.edition == "embedded":
        directory = registry.WEIGHTS / spec.name
        if not directory.is_dir():
            raise MissingModelError(
                f"The weights of {spec.name!r} are missing: there is no {directory}. Reinstall the "
                "package, or restore that directory from the repository."
            )
        return directory
    if local := os.environ.get(HUB_DIR_VARIABLE):
        directory = Path(local).expanduser() / spec.name
        if not directory.is_dir():
            raise MissingModelError(
                f"{HUB_DIR_VARIABLE} is {local!r}, but there is no {directory}. Put the files of "
                f"{spec.hub_id} there, or unset the variable to use the Hugging Face hub."
            )
        return directory
    return _snapshot(spec)


def _snapshot(spec: registry.ModelSpec) -> Path:
    """The hub's files on this machine, from the cache if they are there, else downloaded."""
    from huggingface_hub import snapshot_download

    cause: Exception | None = None
    for cached in (True, False):
        try:
            directory = Path(
                snapshot_download(
                    str(spec.hub_id),
                    revision=spec.revision,
                    allow_patterns=_HUB_FILES,
                    local_files_only=cached,
                )
            )
        except Exception as error:  # the network fails in many ways; all mean the same here
            cause = error
        else:
            if all((directory / name).is_file() for name in _HUB_NEEDED) and any(
                (directory / name).is_file() for name in _TOKENIZERS
            ):
                return directory
    raise HubUnavailableError(
        f"The hub edition was asked for, but {spec.hub_id} is not on this machine and cannot be "
        f"downloaded ({cause or 'the cached copy is incomplete'}). Run once with network "
        f"(and without HF_HUB_OFFLINE), set {HUB_DIR_VARIABLE}, or use the embedded edition: "
        f"{registry.EDITION_VARIABLE}=embedded"
    ) from cause


def _remedy(name: str) -> str:
    return (
        "Reinstall the package, or train the model again with `make models` "
        f"(python -m interp_rl.models train {name})."
    )


@functools.cache
def _sha256(path: Path, size: int, modified_ns: int) -> str:
    """Size and time of change are arguments so that a changed file is read again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_release(source: Path, target: Path) -> None:
    """Copies what an embedded model consists of from a training run.

    Args:
        source: The run's folder.
        target: Where the model that ships goes; made if missing.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in _released(source):
        shutil.copyfile(source / name, target / name)


def _released(directory: Path) -> list[str]:
    """The files of `RELEASED` that this model has to have."""
    return [n for n in RELEASED if n != _WRITERS_ONLY or (directory / n).is_file()]


def released_checksums(directory: Path) -> dict[str, str]:
    """Checksums for the card.

    Args:
        directory: A training run, or a model that ships.

    Returns:
        The SHA-256 of each file of `RELEASED`; a classifier has no `generation_config.json`.
    """
    return {name: sha256(directory / name) for name in _released(directory)}


def sha256(path: Path) -> str:
    """Checksum of a file, computed once per process as long as the file does not change.

    Args:
        path: The file.

    Returns:
        64 hexadecimal digits.
    """
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


def verify(directory: Path, card: ModelCard) -> None:
    """Compares every file of a model with its card.

    Args:
        directory: The model's directory.
        card: Its card.

    Raises:
        MissingModelError: If a file that the card lists is not there.
        ChecksumError: If a file differs from the card, or one that would be read is not on it.
    """
    remedy = _remedy(card.name)
    for name, expected in card.files.items():
        path = directory / name
        if not path.is_file():
            raise MissingModelError(
                f"{path} is missing, which the card of {card.name!r} lists. {remedy}"
            )
        actual = sha256(path)
        if actual != expected:
            raise ChecksumError(
                f"{path} is damaged or has been changed: its sha256 is {actual[:12]}…, the card of "
                f"{card.name!r} says {expected[:12]}…. {remedy}"
            )
    read = {path.name for kind in ("*.json", "*.safetensors") for path in directory.glob(kind)}
    if unlisted := sorted(read - card.files.keys() - {CARD_FILE}):
        raise ChecksumError(
            f"{directory} holds files that the card of {card.name!r} does not list: "
            f"{', '.join(unlisted)}. {remedy}"
        )


def check_format(directory: Path, types: tuple[str, ...] = ("gpt2",)) -> None:
    """Checks that a directory holds a model in Hugging Face format, before anything is loaded.

    Args:
        directory: Any directory.
        types: The architectures that will do.

    Raises:
        MissingModelError: If the directory, its configuration, weights or tokenizer are missing.
        WeightsError: If the weights are pickled only, cut short, or of another architecture.
    """
    from safetensors import SafetensorError, safe_open

    if not directory.is_dir():
        raise MissingModelError(f"There is no directory {directory}.")
    if not (directory / "config.json").is_file():
        raise MissingModelError(f"{directory} has no config.json: it holds no Hugging Face model.")
    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        pickles = sorted(p.name for p in directory.iterdir() if p.suffix in _PICKLES)
        if pickles:
            raise WeightsError(
                f"{directory} holds pickled weights only ({', '.join(pickles)}). Unpickling can "
                "run any code, so they are not loaded. Save the model with save_pretrained, which "
                "writes model.safetensors."
            )
        raise MissingModelError(f"{directory} has no model.safetensors.")
    for path in weights:
        try:
            with safe_open(path, framework="pt"):
                pass
        except SafetensorError as error:
            raise WeightsError(
                f"{path} is cut short or is not a safetensors file ({error}). Copy it again."
            ) from error
    if not any((directory / name).is_file() for name in _TOKENIZERS):
        raise MissingModelError(f"{directory} has no tokenizer: none of {', '.join(_TOKENIZERS)}.")
    try:
        kind = json.loads((directory / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{directory / 'config.json'} names no model_type ({error!r})."
        ) from error
    if kind not in types:
        raise WeightsError(
            f"{directory} holds a model of type {kind!r}; the course works on "
            f"{' and '.join(map(repr, types))}."
        )
