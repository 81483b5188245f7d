"""The long runs of section 4: made with ``make results``, shipped as small files, read by chapters.

Three parts, each a file of its own:

- ``frontier``: what reward each method reaches, and how far from the language model, at several
  settings of its dial: beta for PPO, RLOO and GRPO, token passes for supervised fine-tuning, n for
  best-of-n. Beside them the language model itself, and the frontier that no method can beat.
- ``hacking``: PPO and RLOO without a KL penalty, with larger steps, until the reward is hacked.
- ``votes``: what a policy learns from 3, 10, 30 and 100 votes, many times each.

Every run is kept when it is done, so ``make results`` goes on where it was stopped; PPO, the
longest, keeps a checkpoint after every update besides. All methods write from the same prompts, all
of four words, because TRL needs prompts of equal length, and all are judged on the same others.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl import models
from interp_rl.finetuning import ppo, trl_runs
from interp_rl.finetuning.best_of_n import Pool, best_of, draw_pool, optimal_frontier
from interp_rl.finetuning.measures import Report, evaluate
from interp_rl.finetuning.ppo import PPOSettings
from interp_rl.finetuning.rewards import Reward, class_probability
from interp_rl.finetuning.supervised import (
    SupervisedSettings,
    positive_reviews,
    train_supervised,
)
from interp_rl.finetuning.trl_runs import TrlSettings
from interp_rl.finetuning.votes import VotesSettings, run_draw
from interp_rl.models.files import sha256
from interp_rl.models.review_prompts import prompts
from interp_rl.results import finished, provenance, write_whole

RESULTS = Path(__file__).parent / "results"
"""Where the shipped files lie."""

OUT = Path("runs/finetuning")
"""Where checkpoints and finished runs are kept while the results are made."""

PARTS = ("frontier", "hacking", "votes")
"""The shipped files, without `.json`."""

BETAS = (0.0, 0.05, 0.1, 0.3)
"""Prices of a nat at which PPO, RLOO and GRPO are trained."""

PASSES = (30_000, 100_000, 300_000, 850_000)
"""Budgets of supervised fine-tuning, in token passes; the largest is about that of PPO here."""

SIZES = (1, 2, 4, 8, 16, 32)
"""How many texts best-of-n chooses from."""

OPTIMAL_BETAS = (10.0, 3.0, 1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05)
"""Prices at which the frontier that nothing beats is computed."""

SEEDS = 3
"""Seeds of each run of the frontier, from 0 up."""

DRAWS = {
    "language model": {3: 30, 100: 8},
    "classifier": {3: 30, 10: 10, 30: 10, 100: 10},
}
"""How many draws, with seeds from 0 up, for each number of votes, and for each model that the
reward model starts from: the language model, or the classifier of the true reward, whose last layer
is taken away, so that it knows the difference in question but not which side is liked."""

PPO_SETTINGS = PPOSettings(updates=60, batch=64, minibatch=32, learning_rate=4e-4)
"""PPO on the frontier, shorter than by default; beta and seed are set for each run."""

TRL_SETTINGS = TrlSettings(steps=60, learning_rate=1.5e-3)
"""RLOO and GRPO on the frontier."""

SUPERVISED_SETTINGS = SupervisedSettings()
"""Supervised fine-tuning; passes and seed are set for each run."""

HACKING: dict[str, PPOSettings | TrlSettings] = {
    "ppo": replace(PPO_SETTINGS, beta=0.0, learning_rate=1e-3),
    "rloo": replace(TRL_SETTINGS, beta=0.0, learning_rate=3e-3),
}
"""The runs without a KL penalty that go on until the reward is hacked."""

METHODS = ("reference", "ppo", "rloo", "grpo", "supervised", "best-of-n")
"""Methods of the frontier; "reference" is the language model as it is, "grpo" and "rloo" are TRL's.
"""

JUDGED = 200
"""Held-out prompts by which everything is judged."""

FEWER_JUDGED = 100
"""The same for the draws of votes, which are many."""


@dataclass(frozen=True)
class Point:
    """What one run came to, measured on held-out prompts."""

    method: str
    """one of `METHODS`"""
    dial: float
    """beta, token passes or n; 0 for the reference"""
    seed: int
    """its seed"""
    reward: float
    """mean reward, P(positive)"""
    kl: float
    """divergence from the language model, in nats per sequence; for best-of-n its upper bound"""
    perplexity: float
    """of the texts under the language model, per token"""
    distinct_1: float
    """different tokens over all tokens"""
    distinct_2: float
    """different pairs of tokens over all pairs"""
    ended: float
    """share of texts that ended by themselves"""
    length: float
    """mean new tokens"""
    seconds: float
    """processor time of the training, or of writing the texts for best-of-n"""
    texts: tuple[str, ...]
    """texts from the first held-out prompts; only the first seed has any"""
    scores: tuple[float, ...]
    """their rewards"""
    curve: dict[str, tuple[float, ...]]
    """"reward" and "kl" of each update, on the texts that were trained on; empty for methods
    without updates"""


@dataclass(frozen=True, eq=False)
class Frontier:
    """The shipped points of the frontier."""

    points: tuple[Point, ...]
    """all runs"""
    betas: tuple[float, ...]
    """prices of a nat at which the optimum was computed"""
    optimal_reward: Float[Tensor, "seed beta"]
    """mean reward of the best policy there is, for each price"""
    optimal_kl: Float[Tensor, "seed beta"]
    """its divergence, in nats per sequence"""
    settings: dict[str, dict[str, Any]]
    """settings of each method, without its dial and seed"""
    provenance: dict[str, str]
    """versions, the kind of machine, and checksums of the language model and the classifier"""

    def of(self, method: str, dial: float | None = None) -> tuple[Point, ...]:
        """The points of a method, all seeds of a dial together.

        Args:
            method: One of `METHODS`.
            dial: Only this setting of its dial; all if left out.

        Returns:
            The points.

        Raises:
            ValueError: If there are none.
        """
        found = tuple(
            point for point in self.points if point.method == method and dial in (None, point.dial)
        )
        if not found:
            known = sorted({(point.method, point.dial) for point in self.points})
            raise ValueError(f"no points of {method!r} at {dial}; there are {known}")
        return found


@dataclass(frozen=True, eq=False)
class FewVotes:
    """The shipped draws of one number of votes."""

    start: str
    """what the reward models started from, a key of `DRAWS`"""
    votes: int
    """how many votes each reward model was made from"""
    thumbs_up: Float[Tensor, " draw"]
    """share of thumbs up among them"""
    agreement: Float[Tensor, " draw"]
    """share of held-out texts on which reward model and true reward are on the same side of 1/2"""
    before: Float[Tensor, " draw"]
    """true reward of the language model, on held-out prompts"""
    after: Float[Tensor, " draw"]
    """true reward of the policy, on the same prompts"""
    kl: Float[Tensor, " draw"]
    """its divergence from the language model, in nats per sequence"""
    curves: dict[str, Float[Tensor, "draw update"]]
    """"proxy" and "true" reward and "kl" of each update, on the texts that were trained on"""
    examples: tuple[dict[str, Any], ...]
    """for the first draws: "votes" (pairs of text and thumb, at most six) and "texts" that the
    policy wrote"""
    settings: dict[str, Any]
    """settings of the draws, without the seed"""
    provenance: dict[str, str]
    """versions, the kind of machine, and checksums of the language model and the classifier"""


# ------------------------------------------------------------------------------------------------
# Reading what is shipped
# ------------------------------------------------------------------------------------------------


def frontier(folder: Path = RESULTS) -> Frontier:
    """Reads the shipped frontier.

    Args:
        folder: Where the file lies.

    Returns:
        The frontier.

    Raises:
        ValueError: If the file is missing or damaged.
    """
    return _read(folder / "frontier.json", _frontier)


def hacking(folder: Path = RESULTS) -> dict[str, tuple[Point, ...]]:
    """Reads the shipped runs without a KL penalty.

    Args:
        folder: Where the file lies.

    Returns:
        For "ppo" and "rloo" the seeds in order.

    Raises:
        ValueError: If the file is missing or damaged.
    """
    return _read(
        folder / "hacking.json",
        lambda content: {
            name: tuple(_point(row) for row in content["points"] if row["method"] == name)
            for name in HACKING
        },
    )


def few_votes(folder: Path = RESULTS) -> dict[str, dict[int, FewVotes]]:
    """Reads the shipped draws of votes.

    Args:
        folder: Where the file lies.

    Returns:
        For what the reward models started from, a key of `DRAWS`: number of votes to its draws,
        from few to many.

    Raises:
        ValueError: If the file is missing or damaged.
    """
    return _read(
        folder / "votes.json",
        lambda content: {
            start: {
                int(votes): _few_votes(start, int(votes), rows, content)
                for votes, rows in sizes.items()
            }
            for start, sizes in content["draws"].items()
        },
    )


def _read(path: Path, parse: Callable[[dict[str, Any]], Any]) -> Any:
    try:
        return parse(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"the recorded runs {path} cannot be read ({error!r}); restore the file from the "
            "repository, or make it again with `make results`"
        ) from error


def _frontier(content: dict[str, Any]) -> Frontier:
    optimum = content["optimum"]
    return Frontier(
        points=tuple(_point(row) for row in content["points"]),
        betas=tuple(optimum["betas"]),
        optimal_reward=torch.tensor(optimum["reward"]),
        optimal_kl=torch.tensor(optimum["kl"]),
        settings=content["settings"],
        provenance=content["provenance"],
    )


def _point(row: dict[str, Any]) -> Point:
    known = {one.name for one in fields(Point)}
    if missing := known - set(row):
        raise KeyError(", ".join(sorted(missing)))
    curve = {name: tuple(values) for name, values in row["curve"].items()}
    return Point(
        **{name: row[name] for name in known - {"texts", "scores", "curve"}},
        texts=tuple(row["texts"]),
        scores=tuple(row["scores"]),
        curve=curve,
    )


def _few_votes(
    start: str, votes: int, rows: list[dict[str, Any]], content: dict[str, Any]
) -> FewVotes:
    def column(name: str) -> Tensor:
        return torch.tensor([float(row[name]) for row in rows])

    return FewVotes(
        start=start,
        votes=votes,
        thumbs_up=column("thumbs_up"),
        agreement=column("agreement"),
        before=column("before"),
        after=column("after"),
        kl=column("kl"),
        curves={
            name: torch.tensor([row["curve"][name] for row in rows])
            for name in ("proxy", "true", "kl")
        },
        examples=tuple(row["example"] for row in rows if row["example"]),
        settings=content["settings"],
        provenance=content["provenance"],
    )


# ------------------------------------------------------------------------------------------------
# Making it
# ------------------------------------------------------------------------------------------------


class Material:
    """What all runs are made of: models, prompts and reward, loaded when they are first needed.

    Args:
        language_model: Name or directory of the language model.
        classifier: Name or directory of the classifier.
    """

    def __init__(
        self, language_model: str | Path = "reviews", classifier: str | Path = "sentiment"
    ) -> None:
        self.names = language_model, classifier

    @cached_property
    def language_model(self) -> models.Loaded:
        """The language model that every run starts from, and is compared with."""
        return models.load(self.names[0])

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return self.language_model.tokenizer

    @cached_property
    def classifier(self) -> Any:
        """The classifier of the true reward, with its tokenizer and card."""
        return models.load_classifier(self.names[1])

    @cached_property
    def reward(self) -> Reward:
        """P(positive)."""
        return class_probability(self.classifier.model, self.classifier.tokenizer, "positive")

    @cached_property
    def prompts(self) -> list[str]:
        """Prompts to train on."""
        return prompts("train", 200, words=4, tokenizer=self.tokenizer)

    @cached_property
    def held_out(self) -> list[str]:
        """Prompts to judge by."""
        return prompts("held-out", JUDGED, words=4, tokenizer=self.tokenizer)

    @cached_property
    def made_from(self) -> dict[str, str]:
        """The beginnings of the checksums of both models' weights."""
        both = {"language model": self.language_model, "classifier": self.classifier}
        return {
            name: sha256(Path(loaded.model.config._name_or_path) / "model.safetensors")[:12]
            for name, loaded in both.items()
        }

    def fresh(self) -> Any:
        """A language model to train."""
        return copy.deepcopy(self.language_model.model)

    def judge(self, policy: Any, seed: int) -> Report:
        """Measures a policy on the held-out prompts."""
        return evaluate(
            policy,
            self.language_model.model,
            self.tokenizer,
            self.held_out,
            self.reward,
            seed=1000 + seed,
        )


def train_point(
    material: Material,
    method: str,
    settings: PPOSettings | TrlSettings | SupervisedSettings,
    *,
    texts: int = 4,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Trains one policy and measures it.

    Args:
        material: Models, prompts and reward.
        method: "ppo", "rloo", "grpo" or "supervised".
        settings: Its settings, dial and seed included.
        texts: How many texts to keep, if the seed is 0.
        checkpoint: Where PPO keeps its checkpoint; None for nowhere.

    Returns:
        A row for `Point`, as JSON has it.
    """
    policy, curve = material.fresh(), {}
    given = policy, material.tokenizer
    if isinstance(settings, PPOSettings):
        run: Any = ppo.train(
            policy,
            material.language_model.model,
            material.tokenizer,
            material.prompts,
            material.reward,
            settings,
            checkpoint=checkpoint,
            progress=False,
        )
        dial = settings.beta
    elif isinstance(settings, TrlSettings):
        train = {"rloo": trl_runs.train_rloo, "grpo": trl_runs.train_grpo}[method]
        run = train(*given, material.prompts, material.reward, settings)
        dial = float(settings.beta or 0)
    else:
        run = train_supervised(*given, positive_reviews(3000, seed=settings.seed), settings)
        dial = float(settings.passes)
    if "reward" in run.history:
        curve = {
            name: [_rounded(value) for value in run.history[name]] for name in ("reward", "kl")
        }
    report = material.judge(run.policy, settings.seed)
    return _row(method, dial, settings.seed, report, run.seconds, texts, curve)


def _row(
    method: str,
    dial: float,
    seed: int,
    report: Report,
    seconds: float,
    texts: int,
    curve: dict[str, list[float | None]],
) -> dict[str, Any]:
    kept = texts if seed == 0 else 0
    figures = ("perplexity", "distinct_1", "distinct_2", "ended", "length")
    return {
        "method": method,
        "dial": dial,
        "seed": seed,
        "reward": _rounded(report.reward.value),
        "kl": _rounded(report.kl.value),
        **{name: _rounded(getattr(report, name)) for name in figures},
        "seconds": round(seconds, 1),
        "texts": report.texts[:kept],
        "scores": [_rounded(score) for score in report.scores[:kept]],
        "curve": {
            name: [0.0 if value is None else value for value in values]
            for name, values in curve.items()
            if None not in values
        },
    }


def sample_points(material: Material, seed: int, *, sizes: Sequence[int]) -> dict[str, Any]:
    """The methods that train nothing: the language model itself, best-of-n, and the optimum.

    Args:
        material: Models, prompts and reward.
        seed: Seed of the texts.
        sizes: The values of n.

    Returns:
        "points", rows for `Point`; "reward" and "kl" of the optimum for each of `OPTIMAL_BETAS`.
    """
    start = time.process_time()
    pool: Pool = draw_pool(
        material.language_model.model,
        material.tokenizer,
        material.held_out,
        material.reward,
        samples=max(sizes),
        seed=2000 + seed,
    )
    seconds = (time.process_time() - start) / max(sizes)
    base = material.judge(material.language_model.model, seed)
    rewards, divergences = optimal_frontier(pool.scores, OPTIMAL_BETAS)
    return {
        "points": [
            _row("reference", 0.0, seed, base, 0.0, 4, {}),
            *(
                _row("best-of-n", float(n), seed, best_of(pool, n), seconds * n, 4, {})
                for n in sizes
            ),
        ],
        "reward": [_rounded(value) for value in rewards.tolist()],
        "kl": [_rounded(value) for value in divergences.tolist()],
    }


@dataclass(frozen=True)
class Job:
    """One run of the plan."""

    name: str
    """name of the file that keeps it"""
    seed: int
    """its seed"""
    settings: Any
    """all that decides how it goes, for JSON"""
    make: Callable[[Path], Any]
    """makes its record; given where a checkpoint may be kept"""


def plan_frontier(material: Material, changes: dict[str, Any] | None = None) -> list[Job]:
    """The runs of the frontier, seed by seed.

    Args:
        material: Models, prompts and reward.
        changes: For short trials: "updates", "steps", "passes", "sizes", "seeds", "betas".

    Returns:
        The jobs.
    """
    given = changes or {}
    jobs = []
    for seed in range(given.get("seeds", SEEDS)):
        sizes = given.get("sizes", SIZES)
        jobs.append(
            Job(
                f"samples-{seed}",
                seed,
                {"sizes": sizes, "betas": OPTIMAL_BETAS, "seed": seed},
                partial(_samples, material, seed, sizes),
            )
        )
        for beta in given.get("betas", BETAS):
            for method in ("ppo", "rloo", "grpo"):
                settings: Any
                if method == "ppo":
                    settings = replace(PPO_SETTINGS, beta=beta, seed=seed)
                    settings = replace(settings, updates=given.get("updates", settings.updates))
                else:
                    settings = replace(TRL_SETTINGS, beta=beta, seed=seed)
                    settings = replace(settings, steps=given.get("steps", settings.steps))
                jobs.append(_training_job(material, f"{method}-{beta}-{seed}", method, settings))
        for passes in given.get("passes", PASSES):
            settings = replace(SUPERVISED_SETTINGS, passes=passes, seed=seed)
            name = f"supervised-{passes}-{seed}"
            jobs.append(_training_job(material, name, "supervised", settings))
    return jobs


def plan_hacking(material: Material, changes: dict[str, Any] | None = None) -> list[Job]:
    """The runs without a KL penalty.

    Args:
        material: Models, prompts and reward.
        changes: For short trials: "updates" and "steps".

    Returns:
        The jobs.
    """
    given = changes or {}
    lengths = {"ppo": "updates", "rloo": "steps"}
    jobs = []
    for method, settings in HACKING.items():
        length = lengths[method]
        settings = replace(settings, **{length: given.get(length, getattr(settings, length))})
        jobs.append(_training_job(material, f"hacking-{method}-0", method, settings, texts=6))
    return jobs


def _training_job(
    material: Material, name: str, method: str, settings: Any, *, texts: int = 4
) -> Job:
    return Job(
        name,
        settings.seed,
        {"method": method, **asdict(settings)},
        lambda checkpoint: train_point(
            material, method, settings, texts=texts, checkpoint=checkpoint
        ),
    )


def plan_votes(material: Material, changes: dict[str, Any] | None = None) -> list[Job]:
    """The draws of votes, few votes first.

    Args:
        material: Models, prompts and reward.
        changes: For short trials: "draws", a dictionary like `DRAWS`, and "updates".

    Returns:
        The jobs.
    """
    given = changes or {}
    jobs = []
    draws = given.get("draws", DRAWS)
    for start, votes, seed in (
        (start, votes, seed)
        for start, sizes in draws.items()
        for votes, count in sizes.items()
        for seed in range(count)
    ):
        settings = VotesSettings(votes=votes, seed=seed)
        updates = given.get("updates", settings.training.updates)
        settings = replace(settings, training=replace(settings.training, updates=updates))
        jobs.append(
            Job(
                f"votes-{start.replace(' ', '-')}-{votes}-{seed}",
                seed,
                {"start": start, **asdict(settings)},
                partial(_vote_row, material, start, settings),
            )
        )
    return jobs


def _samples(material: Material, seed: int, sizes: Sequence[int], _: Path) -> dict[str, Any]:
    return sample_points(material, seed, sizes=sizes)


def _vote_row(material: Material, start: str, settings: VotesSettings, _: Path) -> dict[str, Any]:
    return vote_row(material, start, settings)


def vote_row(material: Material, start: str, settings: VotesSettings) -> dict[str, Any]:
    """Makes one draw of votes.

    Args:
        material: Models, prompts and reward.
        start: What the reward model starts from, a key of `DRAWS`.
        settings: Its settings.

    Returns:
        What is kept of it, as JSON has it.
    """
    draw = run_draw(
        material.language_model.model,
        material.tokenizer,
        material.reward,
        material.prompts,
        material.held_out[:FEWER_JUDGED],
        settings,
        start=material.classifier.model if start == "classifier" else None,
    )
    if draw.before is None or draw.after is None:
        raise ValueError("a draw was not judged")
    votes = list(zip(draw.votes.texts, draw.votes.thumbs.tolist(), strict=True))[:6]
    return {
        "seed": settings.seed,
        "thumbs_up": _rounded(draw.votes.thumbs.float().mean().item()),
        "agreement": _rounded(draw.agreement),
        "before": _rounded(draw.before.reward.value),
        "after": _rounded(draw.after.reward.value),
        "kl": _rounded(draw.after.kl.value),
        "curve": {
            name: [_rounded(value) for value in values] for name, values in draw.history.items()
        },
        "example": {"votes": votes, "texts": draw.after.texts[:3]} if settings.seed < 3 else None,
    }


def make_results(
    parts: Iterable[str] = PARTS,
    *,
    out: Path = OUT,
    results: Path = RESULTS,
    material: Material | None = None,
    changes: dict[str, Any] | None = None,
) -> None:
    """Makes every run of these parts that is not done yet, and writes the files.

    Args:
        parts: Some of `PARTS`.
        out: Where checkpoints and finished runs are kept.
        results: Where the files go that chapters read.
        material: Models, prompts and reward; those of the course if left out.
        changes: For short trials, see `plan_frontier` and the other plans.

    Raises:
        ValueError: If there is no such part, or `out` holds runs of other settings.
    """
    parts = tuple(parts)
    if unknown := [part for part in parts if part not in PARTS]:
        raise ValueError(f"{unknown} are no parts of the results, which are {PARTS}")
    material = material or Material()
    out.mkdir(parents=True, exist_ok=True)
    results.mkdir(parents=True, exist_ok=True)
    plans = {"frontier": plan_frontier, "hacking": plan_hacking, "votes": plan_votes}
    for part in parts:
        jobs = plans[part](material, changes)
        records = {job.name: _made(job, out, material) for job in jobs}
        write = {"frontier": _all_points, "hacking": _hacked, "votes": _all_draws}
        content = write[part](jobs, records)  # not before: half would look whole
        _write(results / f"{part}.json", content, material)


def _made(job: Job, out: Path, material: Material) -> Any:
    """The record of a job, made if it is not there yet."""
    checkpoint = out / f"{job.name}.pt"
    settings = {**job.settings, "models": material.made_from}
    record = finished(out / f"{job.name}.json", settings, lambda: job.make(checkpoint))
    checkpoint.unlink(missing_ok=True)
    return record


def _all_points(jobs: list[Job], records: dict[str, Any]) -> dict[str, Any]:
    samples = [records[job.name] for job in jobs if job.name.startswith("samples-")]
    trained = [records[job.name] for job in jobs if not job.name.startswith("samples-")]
    points = [*(row for sample in samples for row in sample["points"]), *trained]
    settings = {}
    for job in jobs:
        if "method" in job.settings:
            dials = ("seed", "beta", "passes", "method")
            settings[job.settings["method"]] = {
                name: value for name, value in job.settings.items() if name not in dials
            }
    return {
        "settings": settings,
        "optimum": {
            "betas": OPTIMAL_BETAS,
            "reward": [sample["reward"] for sample in samples],
            "kl": [sample["kl"] for sample in samples],
        },
        "points": sorted(
            points, key=lambda row: (METHODS.index(row["method"]), row["dial"], row["seed"])
        ),
    }


def _hacked(jobs: list[Job], records: dict[str, Any]) -> dict[str, Any]:
    settings = {job.settings["method"]: job.settings for job in jobs}
    return {"settings": settings, "points": list(records.values())}


def _all_draws(jobs: list[Job], records: dict[str, Any]) -> dict[str, Any]:
    draws: dict[str, dict[str, list[Any]]] = {}
    for job in jobs:
        sizes = draws.setdefault(job.settings["start"], {})
        sizes.setdefault(str(job.settings["votes"]), []).append(records[job.name])
    each = ("start", "votes", "seed")
    settings = {name: value for name, value in jobs[0].settings.items() if name not in each}
    settings["training"] = {
        name: value for name, value in settings["training"].items() if name != "seed"
    }
    return {"settings": settings, "draws": draws}


def _write(path: Path, content: dict[str, Any], material: Material) -> None:
    packages = ("torch", "transformers", "trl", "accelerate")
    made = {**provenance(packages), **material.made_from}
    text = json.dumps({"provenance": made, **content}, separators=(",", ":"))
    for start in ('{"method"', '{"seed"'):  # one run a line, for those who compare versions
        text = text.replace(start, "\n" + start)
    write_whole(path, text + "\n")


def _rounded(value: float) -> float | None:
    """Three decimals; None for what is not a number, which JSON does not know."""
    return None if value != value else round(float(value), 3)


def main(arguments: list[str] | None = None) -> None:
    """The command line.

    Args:
        arguments: As on the command line; `sys.argv` if left out.
    """
    parser = argparse.ArgumentParser(prog="python -m interp_rl.finetuning.training_runs")
    parser.add_argument("parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--out", type=Path, default=OUT, help="checkpoints and finished runs")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    make_results(given.parts, out=given.out)


if __name__ == "__main__":
    main()
