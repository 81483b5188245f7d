"""The shipped frontier with the texts that its runs have kept."""

from pathlib import Path
from typing import Any

from interp_rl.finetuning import training_runs

METHODS = {
    "ppo": "PPO",
    "rloo": "RLOO",
    "grpo": "GRPO",
    "supervised": "supervised",
    "best-of-n": "best of n",
}
"""Methods of the frontier as the chapter calls them."""


def data(root: Path) -> dict[str, Any]:
    """Reads it.

    Args:
        root: The course's folder.

    Returns:
        `optimum`, pairs of divergence and score of the best policy, means over the seeds, from the
        highest price to the lowest; `reference`, the language model before any training; and for
        each method its points, from near the reference to far.
    """
    runs = training_runs.frontier()
    return {
        "optimum": [
            [round(kl, 3), round(reward, 3)]
            for kl, reward in zip(
                runs.optimal_kl.mean(0).tolist(), runs.optimal_reward.mean(0).tolist(), strict=True
            )
        ],
        "reference": _point(runs, "reference", 0.0),
        "methods": {
            method: {
                "name": name,
                "points": [_point(runs, method, dial) for dial in _dials(runs, method)],
            }
            for method, name in METHODS.items()
        },
    }


def _dials(runs: training_runs.Frontier, method: str) -> list[float]:
    """A method's settings; a price falls where a budget or n rises."""
    prices = method in ("ppo", "rloo", "grpo")
    return sorted({point.dial for point in runs.of(method)}, reverse=prices)


def _point(runs: training_runs.Frontier, method: str, dial: float) -> dict[str, Any]:
    """One setting: means over the seeds, and what the first seed was measured to do and writes."""
    points = runs.of(method, dial)
    first = next(point for point in points if point.seed == 0)
    if not first.texts:
        raise ValueError(f"the frontier has no texts of {method} at {dial}; run `make results`")
    return {
        "dial": dial,
        "seeds": len(points),
        "kl": round(sum(point.kl for point in points) / len(points), 3),
        "rewards": [point.reward for point in points],
        "kls": [point.kl for point in points],
        "first": {
            "kl": first.kl,
            "reward": first.reward,
            "perplexity": first.perplexity,
            "distinct_2": first.distinct_2,
            "texts": list(first.texts),
            "scores": list(first.scores),
        },
    }
