"""What recorded runs share: bands over seeds, provenance, and files that are whole or absent."""

import json
import platform
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def band(
    values: Float[Tensor, "seed bin"], *, confidence: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[Float[Tensor, " bin"], Float[Tensor, " bin"]]:
    """Bootstrap interval of the mean over seeds, at each point of a curve (percentile method).

    Args:
        values: One curve for each seed; NaN where a seed has no value, which is left out there.
        confidence: Share of the bootstrap means between the ends.
        draws: How many times as many seeds are drawn, with replacement.
        seed: Seed of the draws.

    Returns:
        Lower and upper ends.

    Raises:
        ValueError: If there are fewer than two seeds, or confidence is not between 0 and 1.
    """
    n_seeds = len(values)
    if n_seeds < 2:
        raise ValueError(f"{n_seeds} seeds have no spread; a band needs at least two")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n_seeds, (draws, n_seeds), generator=generator)
    means = values[drawn].nanmean(1)
    tail = (1 - confidence) / 2
    return means.nanquantile(tail, dim=0), means.nanquantile(1 - tail, dim=0)


def provenance(packages: Iterable[str]) -> dict[str, str]:
    """Versions and the kind of machine, without anything that names a particular one.

    Args:
        packages: Distributions on whose versions the numbers depend.

    Returns:
        What to keep beside the results.
    """
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "processor": platform.machine(),
        "threads": "1",
    }


def finished(path: Path, settings: Any, make: Callable[[], Any]) -> Any:
    """The record of a run, made only if it is not there yet.

    Args:
        path: The file that keeps it.
        settings: All that decides how the run goes, as JSON has it; kept beside the record.
        make: Makes the record, which must be fit for JSON.

    Returns:
        The record.

    Raises:
        ValueError: If the file has a run of other settings, or is damaged.
    """
    if path.exists():
        try:
            kept = json.loads(path.read_text())
            before, record = kept["settings"], kept["record"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no finished run ({error!r}); remove it") from error
        if before != json.loads(json.dumps(settings)):
            raise ValueError(
                f"{path} is a run of other settings; remove it, or choose another --out"
            )
        return record
    record = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({"settings": settings, "record": record}))
    return record


def write_whole(path: Path, text: str) -> None:
    """Writes a file so that an interruption leaves the one before, never half of one.

    Args:
        path: The file.
        text: Its content.
    """
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(text)
    partial.replace(path)
