"""What every benchmark shares: paired timing, a record of what ran, one place for results.

A benchmark is one file with a `measure()` that returns a dictionary of figures, and a last line
`run(...)`. `python benchmarks/NAME.py` prints a table, `--json` prints one JSON object as the last
line, and `--save` keeps that object as `benchmarks/results/NAME.json`, which the book shows.
Benchmarks report; tests never assert a time.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def paired_seconds(
    contenders: dict[str, Callable[[], object]], *, repeats: int, warmup: int = 1
) -> dict[str, list[float]]:
    """Time every contender once per repeat, in turn, so that a drifting machine drifts for all.

    Args:
        contenders: name to function without arguments.
        repeats: counted rounds.
        warmup: rounds run first and not counted.

    Returns:
        Name to wall-clock seconds, one per repeat; entry i of every list comes from round i.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(warmup + repeats):
        for name, function in contenders.items():
            gc.collect()
            start = time.perf_counter()
            function()
            elapsed = time.perf_counter() - start
            if round_number >= warmup:
                seconds[name].append(elapsed)
    return seconds


def ratio(numerator: list[float], denominator: list[float]) -> dict[str, float]:
    """Ratio of two paired lists, pair by pair: its median with the smallest and the largest."""
    pairs = [a / b for a, b in zip(numerator, denominator, strict=True)]
    return {"median": statistics.median(pairs), "min": min(pairs), "max": max(pairs)}


def provenance(packages: Iterable[str], seed: int) -> dict:
    """Versions, seed and the kind of machine, without anything that names a particular one."""
    return {
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "processor": platform.machine(),
        "threads": 1,
        "seed": seed,
    }


def run(name: str, measure: Callable[[], dict]) -> None:
    """Command line of a benchmark: measure, print a table, and on request print or keep JSON.

    Args:
        name: the benchmark's file name without `.py`.
        measure: returns `question`, `finding`, `ratios` (name to median, min, max) and provenance.
    """
    parser = argparse.ArgumentParser(prog=f"benchmarks/{name}.py")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line"
    )
    parser.add_argument("--save", action="store_true", help=f"keep it as results/{name}.json")
    arguments = parser.parse_args()
    result = {"benchmark": name, **measure()}
    print(result["question"])
    for label, figures in result["ratios"].items():
        print(f"  {label}: {figures['median']:.2f} ({figures['min']:.2f} to {figures['max']:.2f})")
    if arguments.save:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    if arguments.json:
        print(json.dumps(result))
