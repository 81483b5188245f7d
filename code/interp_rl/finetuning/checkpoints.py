"""Checkpoints of training runs: whole or not at all, and of the settings they were made with."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch


def write_checkpoint(path: Path, settings: Any, state: dict[str, Any]) -> None:
    """Writes a checkpoint so that an interruption leaves the old one or the new one, never half.

    Args:
        path: The file; its folder is made if missing.
        settings: The settings of the run, a dataclass.
        state: What to keep.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    torch.save({"settings": asdict(settings), "state": state}, unfinished)
    unfinished.replace(path)


def read_checkpoint(path: Path, settings: Any) -> dict[str, Any]:
    """Reads a checkpoint and makes sure that it is one of these settings.

    Args:
        path: The file.
        settings: The settings of the run that is to go on, a dataclass.

    Returns:
        What was kept.

    Raises:
        ValueError: If the file is no checkpoint, or one of other settings.
    """
    try:
        kept = torch.load(path, weights_only=True, map_location="cpu")
        theirs, state = kept["settings"], kept["state"]
    except Exception as error:  # a damaged file fails in many ways; all mean the same here
        raise ValueError(
            f"{path} is no checkpoint that can be read ({error}); remove it to begin anew"
        ) from error
    ours = asdict(settings)
    differing = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
    if differing:
        listed = ", ".join(
            f"{name} is {theirs.get(name)!r} there and {ours.get(name)!r} here"
            for name in differing
        )
        raise ValueError(
            f"{path} is a checkpoint of other settings: {listed}. Choose another file for this "
            "run, or remove that one"
        )
    return state
