"""Collecting data: letting an agent act in several environments, and what came of it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp_rl.policy_gradients.agent import Agent
from interp_rl.policy_gradients.environments import WAIT, Environments
from interp_rl.policy_gradients.episodes import Episodes


@dataclass(frozen=True, eq=False)
class Rollout:
    """What each environment went through, one row per environment, padded on the right."""

    observations: Float[Tensor, "env time observation"]
    """states in which actions were taken"""
    actions: Int[Tensor, "env time"]
    """the actions, `WAIT` in the padding"""
    rewards: Float[Tensor, "env time"]
    """rewards, 0 in the padding"""
    reached: Float[Tensor, "env time observation"]
    """states after the actions, before any new episode"""
    terminated: Bool[Tensor, "env time"]
    """True for steps that reached a terminal state"""
    truncated: Bool[Tensor, "env time"]
    """True for steps after which the time limit cut the episode"""

    @property
    def taken(self) -> Bool[Tensor, "env time"]:
        """True for steps that were taken, False for the padding."""
        return self.actions != WAIT

    @property
    def ends(self) -> Bool[Tensor, "env time"]:
        """True for the last step of an episode."""
        return self.terminated | self.truncated

    @property
    def n_steps(self) -> int:
        """Environment steps in all."""
        return int(self.taken.sum())

    def episodes(self) -> Episodes:
        """The rows as whole episodes, for estimators without a critic.

        Raises:
            ValueError: If a row is not exactly one episode.
        """
        last = self.taken.sum(1) - 1
        if not ((self.ends.sum(1) == 1) & (self.ends.long().argmax(1) == last)).all():
            raise ValueError(
                "these rows are no whole episodes; collect with steps=None for an estimator that "
                "needs the rewards of an episode up to its end"
            )
        return Episodes(self.rewards, self.taken, self.terminated.any(1))


def collect(
    environments: Environments,
    agent: Agent,
    *,
    steps: int | None = None,
    generator: torch.Generator | None = None,
) -> Rollout:
    """Lets the agent act, for a number of steps or for one whole episode in each environment.

    With whole episodes, an environment whose episode is over waits at the start of its next one
    until all others have finished. So each episode of a batch comes from one policy, and long and
    short ones are counted alike: waiting for a number of finished episodes would prefer short ones.

    Args:
        environments: The environments; they go on from where they are.
        agent: Who acts.
        steps: Steps in each environment; one whole episode in each if left out.
        generator: Draws the actions; greedy if left out.

    Returns:
        What happened.

    Raises:
        ValueError: If steps is below 1, or a reward or a state is NaN or infinite.
    """
    if steps is not None and steps < 1:
        raise ValueError(f"steps is {steps}; it must be at least 1")
    running = torch.ones(len(environments), dtype=torch.bool)
    columns: list[tuple[Tensor, ...]] = []
    while running.any() and len(columns) != steps:
        observations = environments.observations
        actions = agent.act(observations, generator).masked_fill(~running, WAIT)
        rewards, terminated, truncated, reached = environments.step(actions)
        columns.append((observations, actions, rewards, reached, terminated, truncated))
        if steps is None:
            running &= ~(terminated | truncated)
    rollout = Rollout(*(torch.stack(column, 1) for column in zip(*columns, strict=True)))
    for name, values in (("rewards", rollout.rewards), ("states", rollout.reached)):
        if wrong := int((~values.isfinite()).sum()):
            raise ValueError(f"the environment gave {wrong} {name} that are NaN or infinite")
    return rollout
