"""How good an agent is: whole episodes with the environment's own time limit."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.policy_gradients.agent import Agent
from interp_rl.policy_gradients.environments import LUNAR_LANDER, Environments
from interp_rl.policy_gradients.rollouts import collect


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a number of episodes came to."""

    returns: Float[Tensor, " episode"]
    """undiscounted return of each"""
    lengths: Float[Tensor, " episode"]
    """steps of each; the environment ends an episode after 1000"""

    @property
    def mean(self) -> float:
        """Mean return."""
        return self.returns.mean().item()


def evaluate(
    agent: Agent,
    *,
    greedy: bool,
    episodes: int = 100,
    seed: int = 0,
    environment: str = LUNAR_LANDER,
) -> Evaluation:
    """Lets an agent play, in episodes that no training has seen.

    Args:
        agent: The agent.
        greedy: Whether it takes the most probable action instead of drawing one from its policy.
        episodes: How many episodes.
        seed: Seed of the episodes and the actions; the same for two agents gives both the same
            ground and the same first push.
        environment: Gymnasium's name of the environment.

    Returns:
        Returns and lengths.

    Raises:
        ImportError: If the environment needs Box2D and it is not installed.
        ValueError: If episodes is below 1, or the environment does not suit the agent.
    """
    environments = Environments(environment, episodes, seed=seed, stream="evaluation")
    generator = None if greedy else torch.Generator().manual_seed(seed)
    rollout = collect(environments, agent, generator=generator)
    environments.close()
    return Evaluation(rollout.rewards.sum(1), rollout.taken.sum(1).float())
