"""The long training runs: made with ``make results``, shipped as small files, read by chapters.

Each run keeps a checkpoint after every update, so ``make results`` goes on where it was stopped.
What is kept of a run is its learning curve in bins of steps, and 100 evaluation episodes.
"""

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.policy_gradients.agent import save_agent
from interp_rl.policy_gradients.evaluation import evaluate
from interp_rl.policy_gradients.lunar_lander import LADDER, Run, Settings, train
from interp_rl.results import finished, provenance, write_whole

RESULTS = Path(__file__).parent / "results"
"""Where the shipped files lie."""

BIN = 20_000
"""Steps in each bin of a learning curve."""

SEEDS = {
    "reinforce": 3,
    "reinforce-batch-mean": 3,
    "reinforce-value": 10,
    "actor-critic": 3,
    "ppo": 10,
}
"""How many seeds, from 0 up, of each rung."""

PILOTS = ("actor-critic", "ppo")
"""Rungs whose agent of seed 0 is shipped too, as `NAME-0.safetensors`, to be flown."""

MODES = {"sampled": False, "greedy": True}
"""The ways to act in an evaluation, and whether they are greedy."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """The shipped runs of one rung, the seeds in order."""

    settings: Settings
    """the settings of the first seed; the others differ in the seed only"""
    seeds: tuple[int, ...]
    """the seeds in the order of the rows below"""
    steps: Float[Tensor, " bin"]
    """environment steps at the end of each bin"""
    mean: Float[Tensor, "seed bin"]
    """mean return of the training episodes that ended in each bin; NaN where none did"""
    low: Float[Tensor, "seed bin"]
    """their 10th percentile"""
    high: Float[Tensor, "seed bin"]
    """their 90th percentile"""
    evaluation: dict[str, Float[Tensor, "seed episode"]]
    """returns of the evaluation episodes after training, "sampled" and "greedy\""""
    seconds: Float[Tensor, " seed"]
    """processor time of the training"""
    provenance: dict[str, str]
    """versions and the kind of machine"""


def recorded(rung: str, folder: Path = RESULTS) -> Recorded:
    """Reads the shipped runs of a rung.

    Args:
        rung: A key of `LADDER`.
        folder: Where the files lie.

    Returns:
        The runs.

    Raises:
        ValueError: If there is no such rung, or its file is missing or damaged.
    """
    if rung not in LADDER:
        raise ValueError(f"{rung!r} is no rung of the ladder; it is one of {tuple(LADDER)}")
    path = folder / f"{rung}.json"
    try:
        content = json.loads(path.read_text())
        runs = content["runs"]

        def column(name: str) -> Tensor:
            rows = [[math.nan if x is None else x for x in run["curve"][name]] for run in runs]
            return torch.tensor(rows, dtype=torch.float)

        return Recorded(
            settings=Settings(**{**content["settings"], "seed": runs[0]["seed"]}),
            seeds=tuple(run["seed"] for run in runs),
            steps=content["bin"] * torch.arange(1.0, len(runs[0]["curve"]["mean"]) + 1),
            mean=column("mean"),
            low=column("low"),
            high=column("high"),
            evaluation={
                mode: torch.tensor([run["evaluation"][mode] for run in runs], dtype=torch.float)
                for mode in MODES
            },
            seconds=torch.tensor([run["seconds"] for run in runs], dtype=torch.float),
            provenance=content["provenance"],
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"the recorded runs {path} cannot be read ({error!r}); restore the file from the "
            "repository, or make it again with `make results`"
        ) from error


def record(run: Run) -> dict[str, Any]:
    """What is kept of a finished run: its curve and its evaluation, as plain numbers.

    Args:
        run: The run.

    Returns:
        The record of this seed.
    """
    ends, returns = np.array(run.episodes["end"]), np.array(run.episodes["return"])
    bins = [returns[(ends > lower) & (ends <= lower + BIN)] for lower in _bins(run.settings)]
    seed = run.settings.seed
    evaluations = {
        mode: evaluate(
            run.agent, greedy=greedy, seed=seed, environment=run.settings.environment
        ).returns
        for mode, greedy in MODES.items()
    }
    return {
        "seed": seed,
        "steps": run.steps,
        "seconds": round(run.seconds, 1),
        "curve": {
            "mean": [_rounded(part.mean()) if len(part) else None for part in bins],
            "low": [_rounded(np.quantile(part, 0.1)) if len(part) else None for part in bins],
            "high": [_rounded(np.quantile(part, 0.9)) if len(part) else None for part in bins],
        },
        "evaluation": {
            mode: [_rounded(value) for value in values.tolist()]
            for mode, values in evaluations.items()
        },
    }


def make_results(
    rungs: Iterable[str] = tuple(LADDER),
    *,
    seeds: Sequence[int] | None = None,
    out: Path = Path("runs/lunar-lander"),
    results: Path = RESULTS,
    changes: dict[str, Any] | None = None,
) -> None:
    """Trains every seed of these rungs that is not done yet, and writes the files.

    Args:
        rungs: Keys of `LADDER`.
        seeds: The seeds; those of `SEEDS` if left out.
        out: Where checkpoints and finished seeds are kept.
        results: Where the files go that `recorded` reads.
        changes: Settings that differ from those of `LADDER`, for short trials.

    Raises:
        ValueError: If there is no such rung, or `out` holds runs of other settings.
    """
    if unknown := [rung for rung in rungs if rung not in LADDER]:
        raise ValueError(f"{unknown} are no rungs of the ladder, which has {tuple(LADDER)}")
    out.mkdir(parents=True, exist_ok=True)
    results.mkdir(parents=True, exist_ok=True)
    for rung in rungs:
        runs = []
        for seed in range(SEEDS[rung]) if seeds is None else seeds:
            settings = replace(LADDER[rung], seed=seed, **(changes or {}))
            runs.append(_finished(settings, out / f"{rung}-{seed}", results))
        _write(results / f"{rung}.json", settings, runs)  # not before: half would look whole


def _finished(settings: Settings, stem: Path, results: Path) -> dict[str, Any]:
    """The record of one seed, trained if it is not there yet."""

    def make() -> dict[str, Any]:
        run = train(settings, checkpoint=stem.with_suffix(".pt"))
        if settings.algorithm in PILOTS and settings.seed == 0:
            save_agent(run.agent, results / f"{settings.algorithm}-0.safetensors")
        return record(run)

    return finished(stem.with_suffix(".json"), asdict(settings), make)


def _write(path: Path, settings: Settings, runs: list[dict[str, Any]]) -> None:
    content = {
        "settings": {name: value for name, value in asdict(settings).items() if name != "seed"},
        "bin": BIN,
        "provenance": provenance(("torch", "gymnasium", "box2d", "numpy")),
        "runs": runs,
    }
    text = json.dumps(content, separators=(",", ":")).replace('{"seed"', '\n{"seed"')
    write_whole(path, text + "\n")


def _bins(settings: Settings) -> range:
    return range(0, settings.steps, BIN)


def _rounded(value: float) -> float:
    return round(float(value), 1)


def main(arguments: list[str] | None = None) -> None:
    """The command line.

    Args:
        arguments: As on the command line; `sys.argv` if left out.
    """
    parser = argparse.ArgumentParser(prog="python -m interp_rl.policy_gradients.training_runs")
    parser.add_argument("rungs", nargs="*", default=list(LADDER), help=", ".join(LADDER))
    parser.add_argument("--seeds", nargs="+", type=int, help="default: as many as are shipped")
    parser.add_argument("--out", type=Path, default=Path("runs/lunar-lander"), help="checkpoints")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    make_results(given.rungs, seeds=given.seeds, out=given.out)


if __name__ == "__main__":
    main()
