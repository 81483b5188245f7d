"""LunarLander by policy gradients: one training loop, and a ladder of five algorithms.

Each rung adds one idea to the rung below; step sizes and batches are adapted to it:

1. ``reinforce``: whole episodes, each action weighted by its reward-to-go.
2. ``reinforce-batch-mean``: minus the mean of the batch's rewards-to-go at the same time.
3. ``reinforce-value``: minus a critic's value of the state instead.
4. ``actor-critic``: the critic also replaces the rewards far ahead (GAE), so that updates need no
   whole episodes and can be many.
5. ``ppo``: each batch is used for several epochs, with the ratio to the old policy clipped.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp_rl.policy_gradients.agent import RETURN_UNIT, Agent
from interp_rl.policy_gradients.environments import LUNAR_LANDER, Environments
from interp_rl.policy_gradients.estimators import (
    batch_mean_baseline,
    discounted_sums,
    reward_to_go,
    td_errors,
)
from interp_rl.policy_gradients.rollouts import Rollout, collect

ALGORITHMS = ("reinforce", "reinforce-batch-mean", "reinforce-value", "actor-critic", "ppo")
"""The rungs of the ladder, from the lowest up."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides how a run goes; the same settings give the same run."""

    algorithm: str = "ppo"
    """which rung of the ladder, one of `ALGORITHMS`"""
    seed: int = 0
    """seed of the weights, the actions and all episodes"""
    steps: int = 1_000_000
    """environment steps after which training ends; the update in progress is completed"""
    environment: str = LUNAR_LANDER
    """Gymnasium's name of the environment"""
    environments: int = 16
    """how many copies of it act together"""
    rollout: int | None = 512
    """steps in each copy between updates; None for one whole episode in each"""
    discount: float = 0.99
    """factor by which a reward counts less for each step that it comes later"""
    lam: float = 0.99
    """lambda of GAE: 1 waits for the rewards themselves, 0 trusts the critic after one step"""
    learning_rate: float = 1e-3
    """Adam's step size for the policy"""
    critic_learning_rate: float = 1e-3
    """Adam's step size for the critic"""
    anneal: bool = True
    """whether the policy's step size falls linearly to zero over the run"""
    epochs: int = 6
    """how often the policy uses each batch; 1 is on-policy"""
    critic_epochs: int = 4
    """how often the critic uses each batch"""
    minibatch: int | None = 512
    """steps in each of the policy's gradient steps; None for the whole batch"""
    critic_minibatch: int = 512
    """steps in each of the critic's gradient steps"""
    clip: float | None = 0.2
    """how far from 1 the ratio to the old policy may go before it earns no more; None: no clip"""
    entropy: float = 0.0
    """weight of the entropy bonus, which keeps a policy from deciding too early"""
    standardise: bool = True
    """whether the weights of a batch are divided by their standard deviation after their mean is
    subtracted; the direction of the gradient then no longer is the exact one"""
    largest_gradient: float = 0.5
    """longer gradients are shortened to this length"""
    hidden: int = 64
    """width of the networks' two hidden layers"""

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm is {self.algorithm!r}; it is one of {ALGORITHMS}")
        counts = ("steps", "environments", "rollout", "epochs", "critic_epochs", "minibatch")
        for name in (*counts, "critic_minibatch", "hidden"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        for name in ("discount", "lam"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        for name in ("learning_rate", "critic_learning_rate", "clip", "largest_gradient"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be positive")
        if not self.entropy >= 0:
            raise ValueError(f"entropy is {self.entropy}; it must not be negative")
        if self.algorithm.startswith("reinforce") and self.rollout is not None:
            raise ValueError(
                f"{self.algorithm} needs all rewards of an episode: set rollout=None, one whole "
                "episode in each environment"
            )
        if self.algorithm == "reinforce-batch-mean" and self.environments == 1:
            raise ValueError(
                "environments is 1: a single episode is its own mean, and all its weights would be "
                "zero; reinforce-batch-mean needs at least 2"
            )
        if self.algorithm != "ppo" and self.clip is not None:
            raise ValueError(f"{self.algorithm} has no ratio to clip: set clip=None")
        if self.algorithm != "ppo" and (self.epochs > 1 or self.minibatch is not None):
            raise ValueError(
                f"{self.algorithm} is on-policy: after one gradient step its batch comes from an "
                "older policy; set epochs=1 and minibatch=None"
            )

    @property
    def has_critic(self) -> bool:
        """Whether the algorithm learns values."""
        return self.algorithm not in ("reinforce", "reinforce-batch-mean")


_WHOLE_EPISODES = Settings(
    algorithm="reinforce",
    environments=16,
    rollout=None,
    lam=1.0,
    learning_rate=5e-3,
    anneal=False,
    epochs=1,
    minibatch=None,
    clip=None,
    standardise=False,
)

LADDER: dict[str, Settings] = {
    "reinforce": _WHOLE_EPISODES,
    "reinforce-batch-mean": replace(_WHOLE_EPISODES, algorithm="reinforce-batch-mean"),
    "reinforce-value": replace(_WHOLE_EPISODES, algorithm="reinforce-value"),
    "actor-critic": Settings(
        algorithm="actor-critic",
        rollout=64,
        lam=0.99,
        learning_rate=1e-3,
        epochs=1,
        critic_epochs=4,
        minibatch=None,
        clip=None,
    ),
    "ppo": Settings(),
}
"""The settings of each rung, from the lowest up."""


@dataclass
class Run:
    """A run so far."""

    settings: Settings
    """what decided how it went"""
    agent: Agent
    """the newest policy and critic"""
    steps: int = 0
    """environment steps taken"""
    updates: dict[str, list[float]] = field(default_factory=dict)
    """one entry per update, see `UPDATE_COLUMNS`"""
    episodes: dict[str, list[float]] = field(default_factory=dict)
    """one entry per finished training episode, see `EPISODE_COLUMNS`"""
    seconds: float = 0.0
    """processor time used; the only thing here that differs between equal runs"""


UPDATE_COLUMNS = ("steps", "mean return", "entropy", "kl", "clipped")
"""Environment steps so far; mean undiscounted return of the episodes that ended since the last
update, NaN if none did; entropy of the policy in nats; the approximate KL divergence of the new
policy from the one that acted, in nats; and the share of steps whose ratio was beyond the clip."""

EPISODE_COLUMNS = ("end", "return", "length")
"""Environment steps, over all copies, when the episode ended; its undiscounted return; its length
in steps."""


def train(
    settings: Settings,
    *,
    checkpoint: Path | None = None,
    progress: bool = True,
    stop: Callable[[Run], bool] | None = None,
) -> Run:
    """Trains an agent.

    A checkpoint is written after every update. A run that was interrupted, at whatever moment, goes
    on from the last one and ends exactly as if nothing had happened.

    Args:
        settings: The settings; `LADDER` has those of each algorithm.
        checkpoint: A file to go on from if it exists, and to write to. None to keep nothing.
        progress: Whether to show a progress bar.
        stop: Asked after every update whether to stop early; the checkpoint stays.

    Returns:
        The run.

    Raises:
        ImportError: If the environment needs Box2D and it is not installed.
        ValueError: If the checkpoint is one of other settings or cannot be read, if the environment
            does not suit the policy, or if it gives rewards or states that are not finite.
    """
    trainer = _Trainer(settings)
    if checkpoint is not None and checkpoint.exists():
        trainer.load_state_dict(read_checkpoint(checkpoint, settings))
    run = trainer.run
    with _bar(settings, run.steps, progress) as bar:
        while run.steps < settings.steps and not (stop is not None and run.steps and stop(run)):
            start, before = time.process_time(), run.steps
            trainer.update()
            run.seconds += time.process_time() - start
            if checkpoint is not None:
                write_checkpoint(checkpoint, trainer.state_dict())
            recent = run.episodes["return"][-100:]
            if recent:
                bar.set_postfix_str(f"mean return {sum(recent) / len(recent):.0f}", refresh=False)
            bar.update(min(run.steps, settings.steps) - before)
    trainer.environments.close()
    return run


class _Trainer:
    """All that changes during a run."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.environments = Environments(
            settings.environment, settings.environments, seed=settings.seed
        )
        agent = Agent(
            self.environments.n_observations,
            self.environments.n_actions,
            hidden=settings.hidden,
            seed=settings.seed,
        )
        self.run = Run(settings, agent)
        self.run.updates = {name: [] for name in UPDATE_COLUMNS}
        self.run.episodes = {name: [] for name in EPISODE_COLUMNS}
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.optimisers = {
            "policy": torch.optim.Adam(agent.policy.parameters(), settings.learning_rate),
            "critic": torch.optim.Adam(agent.critic.parameters(), settings.critic_learning_rate),
        }
        self.partial_returns = torch.zeros(settings.environments)
        self.partial_lengths = torch.zeros(settings.environments)

    def update(self) -> None:
        """Collects a batch with the newest policy, then improves the policy and the critic."""
        settings, run = self.settings, self.run
        if settings.anneal:
            left = 1 - run.steps / settings.steps
            for group in self.optimisers["policy"].param_groups:
                group["lr"] = settings.learning_rate * left
        rollout = collect(
            self.environments, run.agent, steps=settings.rollout, generator=self.generator
        )
        run.steps += rollout.n_steps
        mean_return = self._record_episodes(rollout)
        weights, targets = weights_and_targets(rollout, run.agent, settings)
        taken = rollout.taken
        observations, actions = rollout.observations[taken], rollout.actions[taken]
        figures = improve_policy(
            run.agent,
            self.optimisers["policy"],
            observations,
            actions,
            weights[taken],
            settings,
            self.generator,
        )
        if settings.has_critic:
            fit_critic(
                run.agent,
                self.optimisers["critic"],
                observations,
                targets[taken],
                settings,
                self.generator,
            )
        row = {"steps": run.steps, "mean return": mean_return, **figures}
        for name in UPDATE_COLUMNS:
            run.updates[name].append(row[name])

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        run = self.run
        return {
            "settings": asdict(self.settings),
            "agent": run.agent.state_dict(),
            "optimisers": {name: one.state_dict() for name, one in self.optimisers.items()},
            "generator": self.generator.get_state(),
            "environments": self.environments.state_dict(),
            "partial": [self.partial_returns, self.partial_lengths],
            "run": [run.steps, run.updates, run.episodes, run.seconds],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to where `state_dict` was called."""
        run = self.run
        run.agent.load_state_dict(state["agent"])
        for name, one in self.optimisers.items():
            one.load_state_dict(state["optimisers"][name])
        self.generator.set_state(state["generator"])
        self.environments.load_state_dict(state["environments"])
        self.partial_returns, self.partial_lengths = state["partial"]
        run.steps, run.updates, run.episodes, run.seconds = state["run"]

    def _record_episodes(self, rollout: Rollout) -> float:
        """Notes the episodes that ended, and gives the mean of their returns."""
        rewards, ends = rollout.rewards * rollout.taken, rollout.ends
        so_far = self.run.steps - rollout.n_steps + rollout.taken.sum(0).cumsum(0)
        ended: list[float] = []
        for time_step in range(rewards.shape[1]):
            self.partial_returns = self.partial_returns + rewards[:, time_step]
            self.partial_lengths = self.partial_lengths + rollout.taken[:, time_step]
            over = ends[:, time_step]
            if over.any():
                ended += self.partial_returns[over].tolist()
                self.run.episodes["end"] += [int(so_far[time_step])] * int(over.sum())
                self.run.episodes["length"] += self.partial_lengths[over].tolist()
                self.partial_returns = self.partial_returns.masked_fill(over, 0)
                self.partial_lengths = self.partial_lengths.masked_fill(over, 0)
        self.run.episodes["return"] += ended
        return sum(ended) / len(ended) if ended else math.nan


@torch.no_grad()
def weights_and_targets(
    rollout: Rollout, agent: Agent, settings: Settings
) -> tuple[Float[Tensor, "env time"], Float[Tensor, "env time"]]:
    """What multiplies the score of each step, and what the critic should learn to say.

    Args:
        rollout: The data.
        agent: Whose critic to ask.
        settings: Which algorithm, discount and lambda.

    Returns:
        The weights of the policy gradient, positive where the action was better than expected; and
        the critic's targets, weights plus values, zero for algorithms without a critic.

    Raises:
        ValueError: If an algorithm without a critic is given incomplete episodes.
    """
    if not settings.has_critic:
        estimator = reward_to_go if settings.algorithm == "reinforce" else batch_mean_baseline
        weights = estimator(rollout.episodes(), discount=settings.discount)
        targets = torch.zeros_like(weights)
    else:
        values = agent.values(rollout.observations)
        # the value of the state reached stands for what a time limit or the batch's end cut off
        errors = td_errors(
            rollout.rewards,
            values,
            agent.values(rollout.reached),
            rollout.terminated,
            discount=settings.discount,
        )
        factor = settings.discount * settings.lam
        weights = discounted_sums(errors * rollout.taken, rollout.ends, factor)
        targets = weights + values
    if settings.standardise:
        used = weights[rollout.taken]
        weights = (weights - used.mean()) / (used.std() + 1e-8)
    return weights, targets


def policy_loss(
    log_new: Float[Tensor, " step"],
    log_old: Float[Tensor, " step"],
    weights: Float[Tensor, " step"],
    *,
    clip: float | None = None,
) -> Float[Tensor, ""]:
    r"""The loss whose gradient is the policy gradient, clipped as in PPO (Schulman et al. 2017, 7).

    .. math:: -\frac1n \sum_t \min(\rho_t w_t,\ \mathrm{clip}(\rho_t, 1-\epsilon, 1+\epsilon)\,w_t),
        \qquad \rho_t = \pi_{new}(a_t|s_t) / \pi_{old}(a_t|s_t)

    While the policy is still the old one all ratios are 1, no clip acts, and the gradient is that
    of the REINFORCE loss :math:`-\frac1n \sum_t w_t \log\pi(a_t|s_t)`.

    Args:
        log_new: Log-probabilities of the actions under the policy to be improved.
        log_old: The same under the policy that acted.
        weights: What multiplies each score.
        clip: The paper's epsilon; None for no clip.

    Returns:
        The loss, to be minimised.
    """
    ratio = (log_new - log_old).exp()
    if clip is None:
        return -(ratio * weights).mean()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * weights, clipped * weights).mean()


def improve_policy(
    agent: Agent,
    optimiser: torch.optim.Optimizer,
    observations: Float[Tensor, "step observation"],
    actions: Int[Tensor, " step"],
    weights: Float[Tensor, " step"],
    settings: Settings,
    generator: torch.Generator,
) -> dict[str, float]:
    """Gradient steps on the policy.

    Args:
        agent: The agent.
        optimiser: Of the policy's weights.
        observations: States.
        actions: Actions taken in them.
        weights: What multiplies each score.
        settings: Epochs, size of the minibatches, clip, entropy bonus.
        generator: Shuffles the steps.

    Returns:
        The policy's entropy and KL divergence and the clipped share, see `UPDATE_COLUMNS`.
    """
    chosen = actions[:, None]
    with torch.no_grad():
        log_old = agent.log_probabilities(observations).gather(1, chosen).squeeze(1)
    size = settings.minibatch or len(actions)
    for _ in range(settings.epochs):
        for rows in _minibatches(len(actions), size, generator):
            log_all = agent.log_probabilities(observations[rows])
            log_new = log_all.gather(1, chosen[rows]).squeeze(1)
            loss = policy_loss(log_new, log_old[rows], weights[rows], clip=settings.clip)
            entropy = -(log_all.exp() * log_all).sum(1).mean()
            _step(optimiser, loss - settings.entropy * entropy, settings.largest_gradient)
    with torch.no_grad():
        log_all = agent.log_probabilities(observations)
        log_ratio = log_all.gather(1, chosen).squeeze(1) - log_old
        ratio = log_ratio.exp()
        return {
            "entropy": -(log_all.exp() * log_all).sum(1).mean().item(),
            "kl": (ratio - 1 - log_ratio).mean().item(),
            "clipped": ((ratio - 1).abs() > (settings.clip or math.inf)).float().mean().item(),
        }


def fit_critic(
    agent: Agent,
    optimiser: torch.optim.Optimizer,
    observations: Float[Tensor, "step observation"],
    targets: Float[Tensor, " step"],
    settings: Settings,
    generator: torch.Generator,
) -> None:
    """Gradient steps that bring the critic's values closer to the targets.

    Args:
        agent: The agent.
        optimiser: Of the critic's weights.
        observations: States.
        targets: What should be said of them.
        settings: Epochs and size of the minibatches.
        generator: Shuffles the steps.
    """
    for _ in range(settings.critic_epochs):
        for rows in _minibatches(len(targets), settings.critic_minibatch, generator):
            errors = (agent.values(observations[rows]) - targets[rows]) / RETURN_UNIT
            _step(optimiser, errors.square().mean(), settings.largest_gradient)


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint so that an interruption leaves the old one or the new one, never half.

    Args:
        path: The file.
        state: What to keep.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    torch.save(state, unfinished)
    unfinished.replace(path)


def read_checkpoint(path: Path, settings: Settings) -> dict[str, Any]:
    """Reads a checkpoint and makes sure that it is one of these settings.

    Args:
        path: The file.
        settings: The settings of the run that is to go on.

    Returns:
        What was kept.

    Raises:
        ValueError: If the file is no checkpoint, or one of other settings.
    """
    try:
        state = torch.load(path, weights_only=True)
        theirs = state["settings"]
    except Exception as error:  # a damaged file fails in many ways; all mean the same here
        raise ValueError(
            f"{path} is no checkpoint that can be read ({error}); remove it to begin anew"
        ) from error
    ours = asdict(settings)
    differing = [name for name in ours | theirs if ours.get(name) != theirs.get(name)]
    if differing:
        listed = ", ".join(
            f"{name} is {theirs.get(name)!r} there and {ours.get(name)!r} here"
            for name in differing
        )
        raise ValueError(
            f"{path} is a checkpoint of other settings: {listed}. Choose another file for this "
            "run, or remove that one"
        )
    return state


def _step(optimiser: torch.optim.Optimizer, loss: Tensor, largest_gradient: float) -> None:
    optimiser.zero_grad()
    loss.backward()
    for group in optimiser.param_groups:
        nn.utils.clip_grad_norm_(group["params"], largest_gradient)
    optimiser.step()


def _minibatches(n: int, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """All rows in random order, in parts of this size."""
    if size >= n:  # the order within a batch does not matter
        return (torch.arange(n),)
    return torch.randperm(n, generator=generator).split(size)


def _bar(settings: Settings, done: int, progress: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(
        total=settings.steps,
        initial=done,
        unit="step",
        unit_scale=True,
        desc=f"{settings.algorithm}, seed {settings.seed}",
        disable=not progress,
    )
