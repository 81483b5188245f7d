"""Recorded flights of LunarLander for the player: what happened, and what the agent thought of it.

The course ships agents and no flights, so these are flown when the book is built, in a tenth of a
second each.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interp_rl.policy_gradients import discounted_sums, playback, training_runs
from interp_rl.policy_gradients.agent import Agent, load_agent
from interp_rl.policy_gradients.lunar_lander import LADDER

FLIGHTS = (
    ("PPO, most probable actions", "ppo", True, 0),
    ("PPO, drawn actions, another ground", "ppo", False, 1),
    ("actor-critic, drawn actions", "actor-critic", False, 0),
    ("actor-critic, most probable actions", "actor-critic", True, 0),
    ("untrained, drawn actions", None, False, 0),
)
"""Title; rung of the ladder whose seed 0 flies, None for an untrained agent; whether it takes the
most probable actions; seed of the ground, the first push and the draws."""

DISCOUNT = LADDER["ppo"].discount
"""Discount of the values; all agents here were trained with it."""


@torch.no_grad()
def data(root: Path) -> dict[str, Any]:
    """Flies them.

    Args:
        root: The course's folder.

    Returns:
        For each flight its title, ground and pad in metres, how it ended, and what `record` says.
    """
    torch.set_num_threads(1)
    return {
        "actions": list(playback.ACTIONS),
        "discount": DISCOUNT,
        "flights": [record(*flight, root=root) for flight in FLIGHTS],
    }


def record(title: str, rung: str | None, greedy: bool, seed: int, *, root: Path) -> dict[str, Any]:
    """Flies once.

    Args:
        title: What the player calls it.
        rung: Rung of the ladder whose first seed flies; None for an untrained agent.
        greedy: Whether the most probable actions are taken.
        seed: Seed of the ground, the first push and the draws.
        root: The course's folder.

    Returns:
        The flight. Positions are in centimetres, angles in thousandths of a radian, sums of rewards
        and values in tenths; probabilities in parts of 255; `legs` counts 1 for the left and 2 for
        the right leg on the ground. There is one state more than there are actions.
    """
    agent = Agent(n_observations=8, n_actions=4, seed=0)
    if rung is not None:
        agent = load_agent(training_runs.RESULTS / f"{rung}-0.safetensors")
    flight = playback.fly(agent, greedy=greedy, seed=seed)
    sums = torch.cat([torch.zeros(1), flight.rewards.cumsum(0)])
    values = agent.values(flight.observations)
    return {
        "title": title,
        "seed": seed,
        "ground": [[round(x, 2), round(y, 2)] for x, y in flight.ground],
        "pad": [round(x, 2) for x in flight.pad],
        "terminated": flight.terminated,
        "x": _short(100 * flight.x),
        "y": _short(100 * flight.y),
        "angle": _short(1000 * flight.angle),
        "legs": (flight.observations[:, 6:] @ torch.tensor([1.0, 2.0])).to(torch.uint8),
        "actions": flight.actions.to(torch.uint8),
        "sums": _short(10 * sums),
        "values": _short(10 * values),
        "came": _short(10 * _came(flight, values[-1])),
        "probabilities": (255 * agent.log_probabilities(flight.observations).exp())
        .round()
        .to(torch.uint8),
    }


def _came(flight: playback.Flight, last: Tensor) -> Tensor:
    """The discounted rewards after each state; after a time limit a value stands for the rest."""
    following = torch.zeros(1) if flight.terminated else last[None]
    steps = torch.cat([flight.rewards, following])
    ends = torch.zeros(len(steps), dtype=torch.bool)
    ends[-1] = True
    return discounted_sums(steps, ends, DISCOUNT)


def _short(values: Tensor) -> Tensor:
    """Whole numbers of 16 bits."""
    if values.abs().max() > 32767:
        raise ValueError(f"{values.abs().max():.0f} does not fit into 16 bits")
    return values.round().to(torch.int16)
