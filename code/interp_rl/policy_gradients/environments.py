"""Several copies of a Gymnasium environment, each episode with a seed of its own.

Gymnasium's vector environments start the next episode by themselves, and by default one step late:
the step after an episode's end ignores its action and is no step of any episode. Here this is
switched off (`AutoresetMode.DISABLED`) and `Environments` starts the episodes itself, so that every
step that is returned was taken, and the last state of an episode is not mistaken for the first one
of the next.
"""

from functools import partial
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from jaxtyping import Bool, Float, Int
from torch import Tensor

LUNAR_LANDER = "LunarLander-v3"
"""Gymnasium's name of the environment of this section."""

WAIT = -1
"""The action with which one environment stands still while others go on."""

STREAMS = ("training", "evaluation", "playback")
"""What episodes are for; the same seed gives other episodes for each."""


class Steps(NamedTuple):
    """One step of each environment."""

    rewards: Float[Tensor, " env"]
    """0 where an environment waited"""
    terminated: Bool[Tensor, " env"]
    """True where the state reached is terminal"""
    truncated: Bool[Tensor, " env"]
    """True where the time limit cut the episode"""
    reached: Float[Tensor, "env observation"]
    """the state after the step, before any new episode"""


class Environments:
    """Copies of one environment with discrete actions, stepped together.

    Args:
        name: Gymnasium's name of the environment.
        n: How many copies.
        seed: Seed of all episodes.
        stream: What the episodes are for, one of `STREAMS`.

    Raises:
        ImportError: If the environment needs Box2D and it is not installed.
        ValueError: If there is no such environment or stream, n is below 1, or the environment's
            actions or observations are of another kind than the policy's.
    """

    observations: Float[Tensor, "env observation"]
    """the state in which each environment awaits an action"""

    def __init__(self, name: str, n: int, *, seed: int, stream: str = "training") -> None:
        if n < 1:
            raise ValueError(f"n is {n}; there must be at least one environment")
        if stream not in STREAMS:
            raise ValueError(f"stream is {stream!r}; it is one of {STREAMS}")
        copies = [partial(make, name)] * n
        self._vector = SyncVectorEnv(copies, autoreset_mode=AutoresetMode.DISABLED)
        self._seed = [seed, STREAMS.index(stream)]
        self._episodes = [0] * n
        self._actions: list[list[int]] = [[] for _ in range(n)]
        self._begin(np.ones(n, dtype=bool))

    def __len__(self) -> int:
        """How many environments there are."""
        return len(self._episodes)

    @property
    def n_actions(self) -> int:
        """How many actions there are to choose from."""
        return int(self._vector.single_action_space.n)

    @property
    def n_observations(self) -> int:
        """How many numbers describe a state."""
        return int(self._vector.single_observation_space.shape[0])

    @property
    def single(self) -> list[gymnasium.Env]:
        """The copies themselves, to look inside."""
        return [copy.unwrapped for copy in self._vector.envs]

    def step(self, actions: Int[Tensor, " env"]) -> Steps:
        """Takes one step in each environment, and starts the next episode where one ended.

        Args:
            actions: The action in each; `WAIT` where nothing is to happen, which gives reward 0.

        Returns:
            What came of it. `observations` then holds the states that await the next actions.
        """
        chosen = actions.tolist()
        reached, rewards, terminated, truncated, _ = self._vector.step(chosen)
        self.observations = torch.from_numpy(reached)
        for past, action in zip(self._actions, chosen, strict=True):
            if action != WAIT:
                past.append(action)
        ended = terminated | truncated
        result = Steps(
            torch.from_numpy(rewards).float(),
            torch.from_numpy(terminated),
            torch.from_numpy(truncated),
            self.observations,
        )
        if ended.any():
            for index in np.flatnonzero(ended):
                self._episodes[index] += 1
                self._actions[index] = []
            self._begin(ended)
        return result

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on later: the running episodes' numbers and their actions so far.

        A physics engine cannot be saved, but it is deterministic: the same seed and the same
        actions lead to the same state.
        """
        actions = [torch.tensor(past, dtype=torch.uint8) for past in self._actions]
        return {"episodes": list(self._episodes), "actions": actions}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Brings every environment to where it was, by playing its episode again up to there.

        Args:
            state: From `state_dict` of as many environments with the same seed.

        Raises:
            ValueError: If the state is one of another number of environments.
        """
        if len(state["episodes"]) != len(self):
            raise ValueError(
                f"the state is one of {len(state['episodes'])} environments; here are {len(self)}"
            )
        self._episodes = list(state["episodes"])
        self._actions = [past.tolist() for past in state["actions"]]
        self._begin(np.ones(len(self), dtype=bool))
        observations = self.observations.clone()
        for index, past in enumerate(self._actions):
            for action in past:
                reached = self._vector.envs[index].step(action)[0]
                observations[index] = torch.from_numpy(reached)
        self.observations = observations

    def close(self) -> None:
        """Frees what the environments hold."""
        self._vector.close()

    def _begin(self, which: np.ndarray) -> None:
        """Starts the episodes whose numbers stand in `_episodes`."""
        seeds = [
            int(np.random.SeedSequence([*self._seed, index, episode]).generate_state(1)[0])
            for index, episode in enumerate(self._episodes)
        ]
        observations, _ = self._vector.reset(seed=seeds, options={"reset_mask": which})
        self.observations = torch.from_numpy(observations)


class _Patient(gymnasium.Wrapper):
    """An environment that stands still on the action `WAIT`."""

    _last: np.ndarray

    def step(self, action: int) -> tuple:
        if action == WAIT:
            return self._last, 0.0, False, False, {}
        result = self.env.step(action)
        self._last = result[0]
        return result

    def reset(self, **options: Any) -> tuple:
        self._last, info = self.env.reset(**options)
        return self._last, info


def make(name: str, **options: Any) -> gymnasium.Env:
    """Makes one environment, and says what is missing where it cannot be made.

    Args:
        name: Gymnasium's name of the environment.
        **options: Passed on to `gymnasium.make`.

    Returns:
        The environment, with Gymnasium's own time limit.

    Raises:
        ImportError: If the environment needs Box2D and it is not installed.
        ValueError: If there is no such environment, its actions are not choices from a list, or its
            observations are not vectors of numbers.
    """
    try:
        environment = gymnasium.make(name, disable_env_checker=True, **options)
    except gymnasium.error.DependencyNotInstalled as error:
        raise ImportError(
            f"{name} needs a package that is not installed ({error}). "
            'Install Gymnasium with the extra "box2d":  pip install "gymnasium[box2d]"'
        ) from error
    except gymnasium.error.Error as error:
        raise ValueError(f"Gymnasium cannot make {name!r}: {error}") from error
    actions, observations = environment.action_space, environment.observation_space
    if not isinstance(actions, gymnasium.spaces.Discrete) or actions.start != 0:
        raise ValueError(
            f"the actions of {name!r} are {actions}, and this policy chooses one of finitely many, "
            "numbered from 0. For continuous actions you need a Gaussian policy; for the lander, "
            f"leave out continuous=True and take {LUNAR_LANDER!r}"
        )
    if not isinstance(observations, gymnasium.spaces.Box) or len(observations.shape) != 1:
        raise ValueError(
            f"the observations of {name!r} are {observations}; this policy reads one vector"
        )
    return _Patient(environment)
