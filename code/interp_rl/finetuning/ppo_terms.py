"""PPO with each of its terms left out once: runs made in advance, read by the chapter on PPO.

    python -m interp_rl.finetuning.ppo_terms

makes those that are not there yet, and goes on where it was stopped.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.finetuning.measures import evaluate
from interp_rl.finetuning.ppo import PPOSettings, train
from interp_rl.finetuning.rewards import class_probability
from interp_rl.models import registry
from interp_rl.models.files import sha256
from interp_rl.results import finished, provenance, write_whole

RESULTS = Path(__file__).parent / "results" / "ppo_terms.json"
"""Where the shipped file lies."""

VARIANTS: dict[str, dict[str, Any]] = {
    "all terms": {},
    "no penalty": {"beta": 0.0},
    "no value head": {"value_head": False},
    "no whitening": {"whiten": False},
    "no clip": {"clip": None, "value_clip": None},
}
"""What differs from the default settings."""

SEEDS = {"all terms": 5}
"""How many seeds, from 0 up, of a variant; of those not named `FEWER_SEEDS`."""

FEWER_SEEDS = 3
"""How many seeds of the variants with a term left out."""

N_HELD_OUT = 200
"""Prompts on which each trained policy is measured; no training uses them."""

N_TEXTS = 40
"""Texts that are kept of each run."""

CURVES = ("reward", "kl", "distinct_2", "clipped", "entropy")
"""What is kept of each update."""

MEASURES = ("reward", "kl", "perplexity", "distinct_1", "distinct_2", "ended", "length")
"""What is kept of the measurement after training."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """The shipped runs of one variant, the seeds in order."""

    settings: PPOSettings
    """the settings of the first seed; the others differ in the seed only"""
    history: dict[str, Float[Tensor, "seed update"]]
    """what `CURVES` names, after each update"""
    final: dict[str, Float[Tensor, " seed"]]
    """what `MEASURES` names, on held-out prompts"""
    texts: list[list[str]]
    """for each seed, the texts that the trained policy wrote on the first held-out prompts"""
    seconds: Float[Tensor, " seed"]
    """processor time of the training"""


def recorded(variant: str, path: Path = RESULTS) -> Recorded:
    """Reads the shipped runs of a variant.

    Args:
        variant: A key of `VARIANTS`.
        path: The file.

    Returns:
        The runs.

    Raises:
        ValueError: If there is no such variant, or the file is missing or damaged.
    """
    if variant not in VARIANTS:
        raise ValueError(f"{variant!r} is no variant; it is one of {tuple(VARIANTS)}")
    try:
        content = json.loads(path.read_text())
        runs = content["variants"][variant]
        return Recorded(
            settings=PPOSettings(**runs[0]["settings"]),
            history={name: torch.tensor([run["history"][name] for run in runs]) for name in CURVES},
            final={name: torch.tensor([run["final"][name] for run in runs]) for name in MEASURES},
            texts=[run["texts"] for run in runs],
            seconds=torch.tensor([run["seconds"] for run in runs]),
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"the recorded runs {path} cannot be read ({error!r}); restore the file from the "
            "repository, or make it again with `make results`"
        ) from error


def record(settings: PPOSettings) -> dict[str, Any]:
    """Trains one policy and measures it.

    Args:
        settings: The settings.

    Returns:
        What is kept of it, fit for JSON.
    """
    from interp_rl import models
    from interp_rl.models.recipes import reviews_corpus

    torch.set_num_threads(1)
    policy, tokenizer, _ = models.load("reviews", edition="embedded")
    reference = models.load("reviews", edition="embedded").model
    judge = models.load_classifier("sentiment", edition="embedded")
    reward = class_probability(judge.model, judge.tokenizer, "positive")
    prompts = reviews_corpus.prompts("train", 400, seed=0)
    run = train(policy, reference, tokenizer, prompts, reward, settings, progress=False)
    held_out = reviews_corpus.prompts("held-out", N_HELD_OUT, seed=0)
    report = evaluate(policy, reference, tokenizer, held_out, reward, seed=0)
    values = {name: getattr(report, name) for name in MEASURES}
    return {
        "settings": asdict(settings),
        "history": {name: [_rounded(x) for x in run.history[name]] for name in CURVES},
        "final": {
            name: _rounded(value[0] if isinstance(value, tuple) else value)
            for name, value in values.items()
        },
        "texts": report.texts[:N_TEXTS],
        "seconds": round(run.seconds, 1),
    }


def made_from() -> dict[str, str]:
    """The models that all runs start from and are judged by.

    Returns:
        Beginnings of the checksums of their weights, by name.
    """
    return {
        name: sha256(registry.WEIGHTS / name / "model.safetensors")[:12]
        for name in ("reviews-mini", "sentiment-mini")
    }


def make_results(
    variants: Iterable[str] = tuple(VARIANTS),
    *,
    seeds: Sequence[int] | None = None,
    out: Path = Path("runs/ppo-terms"),
    path: Path = RESULTS,
    changes: dict[str, Any] | None = None,
) -> None:
    """Trains what is not done yet, and writes the file.

    Args:
        variants: Keys of `VARIANTS`.
        seeds: The seeds of each; left out, as many as `SEEDS` says.
        out: Where finished runs are kept.
        path: The file that `recorded` reads.
        changes: Settings that differ from the defaults in all variants, for short trials.

    Raises:
        ValueError: If there is no such variant, or `out` holds runs of other settings or models.
    """
    variants = list(variants)
    if unknown := [name for name in variants if name not in VARIANTS]:
        raise ValueError(f"{unknown} are no variants; these are {tuple(VARIANTS)}")
    origin = made_from()
    content: dict[str, Any] = {"variants": {name: [] for name in variants}}
    wanted = {
        name: range(SEEDS.get(name, FEWER_SEEDS)) if seeds is None else seeds for name in variants
    }
    # all variants with one seed first, so that a part of them is of use
    for seed in sorted({seed for some in wanted.values() for seed in some}):
        for name in (name for name in variants if seed in wanted[name]):
            settings = replace(PPOSettings(), **(VARIANTS[name] | (changes or {})), seed=seed)
            file = out / f"{name.replace(' ', '-')}-{seed}.json"
            decides = {**asdict(settings), "models": origin}
            made = finished(file, decides, partial(record, settings))
            content["variants"][name].append(made)
    content["provenance"] = provenance(("torch", "transformers")) | origin
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, separators=(",", ":")).replace('{"settings"', '\n{"settings"')
    write_whole(path, text + "\n")


def _rounded(value: float) -> float:
    return round(float(value), 4)


def main(arguments: list[str] | None = None) -> None:
    """The command line.

    Args:
        arguments: As on the command line; `sys.argv` if left out.
    """
    parser = argparse.ArgumentParser(prog="python -m interp_rl.finetuning.ppo_terms")
    parser.add_argument("variants", nargs="*", default=list(VARIANTS), help=", ".join(VARIANTS))
    parser.add_argument("--seeds", type=int, help="how many seeds of each (default: as shipped)")
    parser.add_argument("--out", type=Path, default=Path("runs/ppo-terms"))
    options = parser.parse_args(arguments)
    seeds = None if options.seeds is None else range(options.seeds)
    make_results(options.variants, seeds=seeds, out=options.out)


if __name__ == "__main__":
    main()
