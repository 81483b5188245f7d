"""LunarLander: this course's PPO beside Stable-Baselines3's PPO and A2C, at equal budgets.

Every learner gets the same number of environment steps on one core. Stable-Baselines3 runs with the
settings that its model zoo tuned for LunarLander. All policies are played by the same code, in the
same 100 episodes with the environment's own limit of 1000 steps. "At equal time" takes ours after
its budget, and each other learner where it was after as much processor time as ours took.

pip install -c constraints.txt -e ".[bench]"
python benchmarks/lunar_lander.py [--json] [--save]      (about an hour on one core)

LANDER_STEPS and LANDER_SEEDS make it smaller, for a trial.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from harness import provenance, ratio, run
from torch import Tensor

from interp_rl.policy_gradients.agent import Agent
from interp_rl.policy_gradients.environments import LUNAR_LANDER
from interp_rl.policy_gradients.evaluation import evaluate
from interp_rl.policy_gradients.lunar_lander import LADDER, train

STEPS = int(os.environ.get("LANDER_STEPS", 1_000_000))
SEEDS = range(int(os.environ.get("LANDER_SEEDS", 3)))
EPISODES = 100
PACKAGES = ["torch", "gymnasium", "box2d", "stable-baselines3"]


@dataclass
class Outcome:
    """One learner with one seed."""

    steps: int
    seconds: float
    """processor time of the training"""
    at_end: dict[str, float]
    """mean return after the budget of steps, sampled and greedy"""
    at_equal_time: dict[str, float]
    """the same after as much processor time as ours needed for all its steps"""


def measure() -> dict:
    """Trains every learner with every seed.

    Returns:
        The record of the benchmark.
    """
    torch.set_num_threads(1)
    learners: dict[str, Callable[[int, float], Outcome]] = {
        "SB3 PPO": lambda seed, limit: other(seed, limit, *zoo_ppo()),
        "SB3 A2C": lambda seed, limit: other(seed, limit, *zoo_a2c()),
    }
    outcomes: dict[str, list[Outcome]] = {"ours": [], **{name: [] for name in learners}}
    for seed in SEEDS:
        outcomes["ours"].append(ours(seed))
        for name, learn in learners.items():
            outcomes[name].append(learn(seed, outcomes["ours"][-1].seconds))
    per_step = {
        name: [one.seconds / one.steps for one in found] for name, found in outcomes.items()
    }
    return {
        "question": "How fast and how good are our PPO and Stable-Baselines3's learners?",
        "finding": (
            "Ratios of processor time per environment step, and mean returns of the evaluation "
            "episodes at equal steps and at equal time."
        ),
        "ratios": {
            f"{name} / ours: time per step": ratio(per_step[name], per_step["ours"])
            for name in learners
        },
        "tables": {
            f"mean return at equal {what}": {
                f"{name}, {mode}": spread([getattr(one, field)[mode] for one in found])
                for name, found in outcomes.items()
                for mode in ("sampled", "greedy")
            }
            for what, field in (("steps", "at_end"), ("time", "at_equal_time"))
        },
        "figures": {
            name: {"steps_per_second": round(statistics.median(1 / x for x in per_step[name]))}
            for name in outcomes
        },
        "setting": {"environment steps": STEPS, "seeds": len(SEEDS), "episodes": EPISODES},
        "provenance": provenance(PACKAGES, SEEDS[0]),
    }


def ours(seed: int) -> Outcome:
    """This course's PPO.

    Args:
        seed: The seed.

    Returns:
        What it came to; equal time is the end, by definition.
    """
    trained = train(replace(LADDER["ppo"], seed=seed, steps=STEPS), progress=False)
    score = scores(trained.agent, seed)
    return Outcome(trained.steps, trained.seconds, score, score)


def other(
    seed: int, limit: float, make: Callable[..., Any], n_environments: int, settings: dict
) -> Outcome:
    """A learner of Stable-Baselines3.

    Args:
        seed: The seed.
        limit: Processor time after which to look at it for the comparison at equal time.
        make: Its class.
        n_environments: Copies of the environment.
        settings: Its settings.

    Returns:
        What it came to.
    """
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env

    copies = make_vec_env(LUNAR_LANDER, n_envs=n_environments, seed=seed)
    model = make("MlpPolicy", copies, seed=seed, device="cpu", **settings)
    early: dict[str, Tensor] = {}
    start = time.process_time()

    class AtEqualTime(BaseCallback):
        def _on_step(self) -> bool:
            if not early and time.process_time() - start >= limit:
                early.update(weights(model))
            return True

    model.learn(STEPS, callback=AtEqualTime())
    seconds = time.process_time() - start
    late = weights(model)
    return Outcome(
        model.num_timesteps,
        seconds,
        scores(as_agent(late), seed),
        scores(as_agent(early or late), seed),  # a faster learner has finished by then
    )


def zoo_ppo() -> tuple[Callable[..., Any], int, dict]:
    """Class, number of environments and settings of PPO in the zoo."""
    from stable_baselines3 import PPO

    settings = {"n_steps": 1024, "batch_size": 64, "gae_lambda": 0.98, "gamma": 0.999}
    return PPO, 16, settings | {"n_epochs": 4, "ent_coef": 0.01}


def zoo_a2c() -> tuple[Callable[..., Any], int, dict]:
    """Class, number of environments and settings of A2C in the zoo."""
    from stable_baselines3 import A2C

    def falling(left: float) -> float:
        return 0.00083 * left

    settings = {"n_steps": 5, "gamma": 0.995, "learning_rate": falling, "ent_coef": 0.00001}
    return A2C, 8, settings


def weights(model: Any) -> dict[str, Tensor]:
    """A copy of the weights of a learner's policy, under the names of `Agent`."""
    state = model.policy.state_dict()
    names = {
        "mlp_extractor.policy_net.0": "policy.0",
        "mlp_extractor.policy_net.2": "policy.2",
        "action_net": "policy.4",
        "mlp_extractor.value_net.0": "critic.0",
        "mlp_extractor.value_net.2": "critic.2",
        "value_net": "critic.4",
    }
    return {
        f"{ours}.{kind}": state[f"{theirs}.{kind}"].clone()
        for theirs, ours in names.items()
        for kind in ("weight", "bias")
    }


def as_agent(state: dict[str, Tensor]) -> Agent:
    """An agent with these weights: their networks have the same two layers of 64 and tanh."""
    agent = Agent(8, 4, hidden=len(state["policy.0.bias"]))
    agent.load_state_dict(state)
    return agent


def scores(agent: Agent, seed: int) -> dict[str, float]:
    """Mean return over the episodes, in both ways of acting."""
    return {
        name: evaluate(agent, greedy=greedy, episodes=EPISODES, seed=seed).mean
        for name, greedy in (("sampled", False), ("greedy", True))
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median over the seeds, with the smallest and the largest."""
    named = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 1) for name, value in named.items()}


if __name__ == "__main__":
    run("lunar_lander", measure)
