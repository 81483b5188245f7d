"""Two flights as the library records them, beside what the player is given of them."""

import json
from pathlib import Path

import torch

from coursekit.labs import episodes
from coursekit.labs.publish import data_script
from interp_rl.policy_gradients import playback, training_runs
from interp_rl.policy_gradients.agent import Agent, load_agent
from interp_rl.policy_gradients.lunar_lander import LADDER


@torch.no_grad()
def write(folder: Path) -> None:
    """A landing of the trained agent, and a crash of the untrained one."""
    chosen = [
        flight for flight in episodes.FLIGHTS if flight[1:] in (("ppo", True, 0), (None, False, 0))
    ]
    text = data_script("x", {"flights": [episodes.record(*one, root=folder) for one in chosen]})
    packed = json.loads(text[len('labData("x",') : -len(");\n")])["flights"]
    (folder / "episodes.json").write_text(
        json.dumps({"packed": packed, "recorded": [_recorded(*one[1:]) for one in chosen]})
    )


def _recorded(rung: str | None, greedy: bool, seed: int) -> dict:
    agent = Agent(n_observations=8, n_actions=4, seed=0)
    if rung:
        agent = load_agent(training_runs.RESULTS / f"{rung}-0.safetensors")
    flight = playback.fly(agent, greedy=greedy, seed=seed)
    return {
        "x": flight.x.tolist(),
        "y": flight.y.tolist(),
        "angle": flight.angle.tolist(),
        "actions": flight.actions.tolist(),
        "legs": (flight.observations[:, 6:] > 0.5).tolist(),
        "sums": [0.0, *flight.rewards.cumsum(0).tolist()],
        "values": agent.values(flight.observations).tolist(),
        "probabilities": agent.log_probabilities(flight.observations).exp().tolist(),
        "discount": LADDER["ppo"].discount,
    }
