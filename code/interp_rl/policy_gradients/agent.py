"""The policy and the critic: two small networks that share nothing."""

from pathlib import Path

import safetensors
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

RETURN_UNIT = 100.0
"""The critic's output counts in hundreds of reward. A landing is worth about two of them, and a
network learns numbers near 1 faster than numbers in the hundreds."""


class Agent(nn.Module):
    """A softmax policy over finitely many actions, and a critic.

    Args:
        n_observations: How many numbers describe a state.
        n_actions: How many actions there are.
        hidden: Width of the two hidden layers of either network.
        seed: Seed of the first weights.
    """

    def __init__(
        self, n_observations: int, n_actions: int, *, hidden: int = 64, seed: int = 0
    ) -> None:
        super().__init__()
        self.policy = mlp(n_observations, n_actions, hidden)
        self.critic = mlp(n_observations, 1, hidden)
        generator = torch.Generator().manual_seed(seed)
        for network, last_gain in ((self.policy, 0.01), (self.critic, 1.0)):
            layers = [layer for layer in network if isinstance(layer, nn.Linear)]
            for layer in layers:
                # with a small last layer all actions are as probable at first
                gain = last_gain if layer is layers[-1] else 2**0.5
                nn.init.orthogonal_(layer.weight, gain, generator=generator)
                nn.init.zeros_(layer.bias)

    def log_probabilities(
        self, observations: Float[Tensor, "*batch observation"]
    ) -> Float[Tensor, "*batch action"]:
        """The log-probability of every action."""
        return self.policy(observations).log_softmax(-1)

    def values(self, observations: Float[Tensor, "*batch observation"]) -> Float[Tensor, "*batch"]:
        """What the critic expects as the sum of the discounted rewards from here, in rewards."""
        return RETURN_UNIT * self.critic(observations).squeeze(-1)

    @torch.no_grad()
    def act(
        self,
        observations: Float[Tensor, "env observation"],
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, " env"]:
        """Chooses actions: drawn from the policy, or the most probable ones.

        Args:
            observations: The states.
            generator: Draws the actions; greedy if left out.

        Returns:
            One action for each state.
        """
        logits = self.policy(observations)
        if generator is None:
            return logits.argmax(-1)
        return torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(-1)


def mlp(n_inputs: int, n_outputs: int, hidden: int) -> nn.Sequential:
    """Two hidden layers with tanh.

    Args:
        n_inputs: Size of the input.
        n_outputs: Size of the output.
        hidden: Width of the hidden layers.

    Returns:
        The network.
    """
    return nn.Sequential(
        nn.Linear(n_inputs, hidden),
        nn.Tanh(),
        nn.Linear(hidden, hidden),
        nn.Tanh(),
        nn.Linear(hidden, n_outputs),
    )


def save_agent(agent: Agent, path: Path) -> None:
    """Writes an agent's weights as safetensors.

    Args:
        agent: The agent.
        path: The file.
    """
    save_file({name: weight.contiguous() for name, weight in agent.state_dict().items()}, path)


def load_agent(path: Path) -> Agent:
    """Reads an agent; the sizes of its networks are those of the weights.

    Args:
        path: A file written by `save_agent`.

    Returns:
        The agent.

    Raises:
        ValueError: If the file is missing, is no safetensors file or holds something else.
    """
    try:
        weights = load_file(path)
        hidden, n_observations = weights["policy.0.weight"].shape
        agent = Agent(n_observations, len(weights["policy.4.bias"]), hidden=hidden)
        agent.load_state_dict(weights)
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is no saved agent: {error}") from error
    return agent
