"""Fine-tuning: this course's PPO beside TRL's RLOO, at equal batches; and the frontier of methods.

Time: both write the same number of texts of the same model from the same prompts, ask the same
reward function, and make the same number of gradient steps on the whole batch. What is compared is
processor time for each token written, sampling, judging and learning together. PPO also computes
values and passes the batch once more for them; with several epochs it learns more often from it.
Setting up is left out. The frontier is that of the shipped runs, `make results`.

pip install -c constraints.txt -e .
python benchmarks/finetuning.py [--json] [--save]      (about two minutes on one core)

FINETUNING_UPDATES and FINETUNING_REPEATS make it smaller, for a trial.
"""

from __future__ import annotations

import copy
import os
import statistics
from dataclasses import replace

import torch
from harness import provenance, ratio, run

from interp_rl.finetuning import training_runs
from interp_rl.finetuning.ppo import PPOSettings, train
from interp_rl.finetuning.trl_runs import TrlSettings, train_rloo

UPDATES = int(os.environ.get("FINETUNING_UPDATES", 10))
REPEATS = int(os.environ.get("FINETUNING_REPEATS", 5))
PACKAGES = ["torch", "transformers", "trl", "accelerate"]
BATCH = 64

OURS = {
    "PPO, 1 epoch": PPOSettings(updates=UPDATES, batch=BATCH, epochs=1, minibatch=BATCH),
    "PPO, 4 epochs of 2 minibatches": PPOSettings(
        updates=UPDATES, batch=BATCH, epochs=4, minibatch=BATCH // 2
    ),
}
THEIRS = TrlSettings(beta=0.05, steps=UPDATES, batch=BATCH, learning_rate=1e-4)


def measure() -> dict:
    """Times ours and TRL's in turn, and reads the frontier.

    Returns:
        The record of the benchmark.
    """
    torch.set_num_threads(1)
    material = training_runs.Material()
    per_token: dict[str, list[float]] = {name: [] for name in (*OURS, "TRL")}
    for repeat in range(REPEATS + 1):
        for name, settings in OURS.items():
            done = train(
                material.fresh(),
                material.language_model.model,
                material.tokenizer,
                material.prompts,
                material.reward,
                replace(settings, seed=repeat),
                progress=False,
            )
            per_token[name].append(done.seconds / (BATCH * sum(done.history["length"])))
        theirs = train_rloo(
            copy.deepcopy(material.language_model.model),
            material.tokenizer,
            material.prompts,
            material.reward,
            replace(THEIRS, seed=repeat),
        )
        per_token["TRL"].append(theirs.seconds / (BATCH * sum(theirs.history["length"])))
    per_token = {name: values[1:] for name, values in per_token.items()}  # the first is warm-up
    return {
        "question": "How fast is our PPO beside TRL's RLOO, and what do the methods reach?",
        "finding": (
            "Ratios of processor time per token written, and what the shipped runs reach at what "
            "divergence from the language model."
        ),
        "ratios": {
            f"TRL's RLOO / our {name}: time per token": ratio(per_token["TRL"], per_token[name])
            for name in OURS
        },
        "tables": frontier(),
        "figures": {
            name: {"tokens_per_second": round(1 / statistics.median(values))}
            for name, values in per_token.items()
        },
        "setting": {"texts in each batch": BATCH, "updates": UPDATES, "repeats": REPEATS},
        "provenance": provenance(PACKAGES, 0),
    }


def frontier() -> dict[str, dict[str, dict[str, float]]]:
    """Reward, divergence and perplexity of the shipped runs, over their seeds."""
    shipped = training_runs.frontier()
    dials = {
        "reference": "the language model",
        "ppo": "PPO, beta {:g}",
        "rloo": "TRL's RLOO, beta {:g}",
        "grpo": "TRL's GRPO, beta {:g}",
        "supervised": "supervised, {:,.0f} token passes",
        "best-of-n": "best of {:.0f}",
    }
    labels = dict.fromkeys((point.method, point.dial) for point in shipped.points)
    return {
        heading: {
            dials[method].format(dial): spread(
                [getattr(point, name) for point in shipped.of(method, dial)]
            )
            for method, dial in labels
        }
        for heading, name in (
            ("mean P(positive)", "reward"),
            ("KL in nats per sequence (best of n: its bound)", "kl"),
            ("perplexity under the language model", "perplexity"),
        )
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median over the seeds, with the smallest and the largest."""
    named = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in named.items()}


if __name__ == "__main__":
    run("finetuning", measure)
