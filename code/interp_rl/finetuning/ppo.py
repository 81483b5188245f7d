"""PPO for language models, in the order of the algorithm: write, judge, learn.

The model writes texts; a reward function judges each as a whole; then every token that was chosen
becomes more or less probable, as far as the text turned out better or worse than expected from
there. The algorithm is that of Schulman et al. (2017), in the form in which Ziegler et al. (2019)
and Ouyang et al. (2022) used it on language models: a prompt is the first state, each token an
action, and the reward is that of the finished text minus, at each token, a penalty for leaving the
model one started from.

How a text's end counts: the reward comes with the last token that was chosen. After the end token
nothing follows, so there is no value to bootstrap from. A text that was cut off after `new_tokens`
is judged as it stands and treated in the same way, because for the reward function it is finished.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from interp_rl.finetuning.checkpoints import read_checkpoint, write_checkpoint
from interp_rl.finetuning.kl import k3
from interp_rl.finetuning.measures import (
    check_vocabularies,
    distinct,
    sequence_kl,
    written_tokens,
)
from interp_rl.finetuning.processes import OneProcess, draw_seed
from interp_rl.finetuning.rewards import Reward, checked
from interp_rl.finetuning.rollouts import chosen, generate, response_log_probs


@dataclass(frozen=True)
class PPOSettings:
    """Everything that decides how a run goes, the models, prompts and reward function apart."""

    seed: int = 0
    """seed of the prompts picked, the texts and the minibatches"""
    updates: int = 80
    """how often texts are written and learned from"""
    batch: int = 128
    """texts written for each update, over all processes"""
    new_tokens: int = 24
    """length at which a text is cut off, without the prompt"""
    temperature: float = 1.0
    """divides the logits; 1 samples from the model itself"""
    beta: float = 0.07
    """what one nat of divergence from the reference costs in reward; 0 switches the penalty off"""
    target_kl: float | None = None
    """nats per sequence that beta is adapted to keep; None leaves beta as it is"""
    beta_rate: float = 0.1
    """how fast beta is adapted: relative change per update for a relative error of 1"""
    missing_end_penalty: float = 0.0
    """taken off the reward of a text that was cut off; 0 switches it off"""
    discount: float = 1.0
    """factor by which a reward counts less for each token that it comes later"""
    value_head: bool = True
    """whether a value head predicts the rewards to come; without it the advantage is what comes"""
    lam: float = 0.95
    """lambda of GAE: 1 waits for the rewards themselves, 0 trusts the value head after one token"""
    whiten: bool = True
    """whether the advantages of a batch get mean 0 and standard deviation 1"""
    epochs: int = 2
    """how often each batch is used; 1 with a single minibatch is on-policy"""
    minibatch: int = 64
    """texts in each gradient step, of each process"""
    learning_rate: float = 1e-3
    """Adam's step size for the language model"""
    value_learning_rate: float = 3e-4
    """Adam's step size for the value head, which has everything to learn"""
    anneal: bool = True
    """whether both step sizes fall linearly to zero over the run, which averages noise away"""
    clip: float | None = 0.2
    """how far from 1 the ratio to the old policy may go before it earns no more; None: no clip"""
    value_clip: float | None = 0.2
    """how far a value may move from the old one before it earns no more; None: no clip"""
    value_weight: float = 0.1
    """weight of the value loss beside the policy's"""
    entropy_weight: float = 0.0
    """weight of the entropy bonus, which keeps the policy from deciding too early; 0 for none"""
    largest_gradient: float | None = 1.0
    """longer gradients are shortened to this length; None: they are not"""
    same_start: bool = True
    """whether policy and reference must be equal at the start; anything else is mostly an accident,
    such as a reference that was never trained"""

    def __post_init__(self) -> None:
        for name in ("updates", "batch", "new_tokens", "epochs", "minibatch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("discount", "lam"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
        positive = ("temperature", "learning_rate", "clip", "value_clip", "largest_gradient")
        for name in (*positive, "value_learning_rate", "target_kl"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be positive")
        weights = ("beta", "beta_rate", "missing_end_penalty", "value_weight", "entropy_weight")
        for name in weights:
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must not be negative")
        if self.target_kl is not None and self.beta == 0:
            raise ValueError("beta is 0, and adapting multiplies it: start from a positive beta")


COLUMNS = (
    *("reward", "kl", "objective", "entropy", "length", "ended", "distinct_1", "distinct_2"),
    *("approx_kl", "clipped", "explained_variance", "policy_loss", "value_loss", "beta"),
)
"""What is recorded of each update. Of the texts: mean reward; KL divergence from the reference per
sequence, in nats (mean log-ratio, k1); reward minus beta times KL, which is what is maximised; mean
entropy of the policy per token, in nats; mean number of new tokens; share of texts that ended by
themselves; different tokens, and pairs of them, over all. Of the learning, averaged over the
minibatches: divergence of the new policy from the one that wrote, per token, in nats (k3); share of
tokens whose ratio was beyond the clip; the two losses. Beside them, the share of the variance of
the returns that the values had foreseen (1 is all, 0 or less is nothing), and beta."""


@dataclass
class Run:
    """A run so far."""

    settings: PPOSettings
    """what decided how it went"""
    policy: Any
    """the model that was trained, the same object that was given"""
    beta: float
    """the newest beta; the settings' own unless it is adapted"""
    history: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    """one entry per update, see `COLUMNS`"""
    seconds: float = 0.0
    """processor time used; the only thing here that differs between equal runs"""

    @property
    def updates(self) -> int:
        """How many updates are done."""
        return len(self.history["reward"])


class PolicyWithValue(nn.Module):
    """A language model, and a value head on its last hidden state.

    The head begins as a constant, and `train` sets it to the mean reward of the first batch. At 0,
    which is too low where rewards are positive, every token before the last would look worse than
    expected by what GAE discounts, and the policy would learn to end its texts early.

    Args:
        policy: A causal language model of Hugging Face.
    """

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.policy = policy
        self.value = nn.Linear(policy.config.hidden_size, 1).to(policy.device)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(
        self, inputs: dict[str, Any]
    ) -> tuple[Float[Tensor, "sample new token"], Float[Tensor, "sample new"]]:
        """Logits and values of the states in which the tokens of the responses were chosen.

        Args:
            inputs: `Rollout.inputs`.

        Returns:
            Logits, and what the value head expects as the sum of the rewards from there on.
        """
        output = self.policy(**inputs, output_hidden_states=True)
        hidden = output.hidden_states[-1][:, -inputs["logits_to_keep"] :]
        return output.logits.float(), self.value(hidden).squeeze(-1).float()


def train(
    policy: Any,
    reference: Any,
    tokenizer: Any,
    prompts: list[str],
    reward: Reward,
    settings: PPOSettings | None = None,
    *,
    checkpoint: Path | None = None,
    progress: bool = True,
    accelerator: Any = None,
    stop: Callable[[Run], bool] | None = None,
) -> Run:
    """Fine-tunes a language model by PPO.

    A checkpoint is written after every update. A run that was interrupted, at whatever moment, goes
    on from the last one and ends exactly as if nothing had happened.

    Args:
        policy: The model to train, in place; it stays in evaluation mode, because with dropout even
            fresh samples would look off-policy.
        reference: Another copy of it, which is left alone.
        tokenizer: Of both.
        prompts: What the texts begin with; each update picks some at random.
        reward: The reward function.
        settings: The settings; the defaults if left out.
        checkpoint: A file to go on from if it exists, and to write to. None to keep nothing.
        progress: Whether to show a progress bar.
        accelerator: An `accelerate.Accelerator`, to train in several processes; each writes
            its share of the batch and whitens it by itself, and the gradients are averaged.
        stop: Asked after every update whether to stop early; the checkpoint stays.

    Returns:
        The run; `Run.policy` is the model given as `policy`.

    Raises:
        TypeError: As `generate` and `checked`.
        ValueError: As `generate` and `checked`; if policy and reference share memory, differ in
            their vocabulary, or disagree at the start; if the checkpoint is one of other settings;
            or if the batch cannot be shared evenly by the processes.
    """
    settings = settings or PPOSettings()
    check_models(policy, reference)
    if not prompts:
        raise ValueError("there are no prompts; training needs at least one")
    processes = accelerator or OneProcess()
    share, uneven = divmod(settings.batch, processes.num_processes)
    if uneven:
        raise ValueError(
            f"a batch of {settings.batch} texts cannot be shared evenly by "
            f"{processes.num_processes} processes; choose a multiple of that"
        )
    model: Any = PolicyWithValue(policy)
    head = {"params": model.value.parameters(), "lr": settings.value_learning_rate}
    optimiser: Any = torch.optim.Adam(
        [{"params": policy.parameters()}, head], settings.learning_rate
    )
    run = Run(settings, policy, settings.beta)
    if checkpoint is not None and checkpoint.exists():
        _restore(run, model, optimiser, read_checkpoint(checkpoint, settings))
    whole, (model, optimiser) = model, processes.prepare(model, optimiser)
    reference.to(policy.device)

    bar = _bar(run, progress and processes.is_main_process)
    while run.updates < settings.updates and not (stop is not None and run.updates and stop(run)):
        start = time.process_time()
        # all draws depend on the number of the update alone, so that a resumed run repeats them
        seed = draw_seed(settings.seed, run.updates, processes.process_index)
        generator = torch.Generator().manual_seed(seed)

        # 1. write: the policy continues prompts
        picked = torch.randint(len(prompts), (share,), generator=generator).tolist()
        rollout = generate(
            policy,
            tokenizer,
            [prompts[row] for row in picked],
            new_tokens=settings.new_tokens,
            seed=seed,
            temperature=settings.temperature,
        )
        mask, log_old = rollout.mask, rollout.log_probs

        # 2. judge: the reward of each text, minus the penalty at each token; then the advantages
        scores = checked(reward, rollout.texts).to(mask.device)
        judged = scores - settings.missing_end_penalty * ~rollout.ended
        with torch.no_grad():
            if run.updates == 0:  # the value head begins with what texts are worth on average
                whole.value.bias.fill_(processes.reduce(judged.mean(), "mean").item())
            log_reference = response_log_probs(reference, rollout)
            logits, values = model(rollout.inputs)
            entropy = token_entropy(logits / settings.temperature)
        if run.updates == 0 and settings.same_start:
            check_same_start(log_old, log_reference, mask)
        if not settings.value_head:
            values = torch.zeros_like(values)
        rewards = token_rewards(judged, log_old, log_reference, mask, beta=run.beta)
        advantages = gae(rewards, values, mask, discount=settings.discount, lam=settings.lam)
        returns = advantages + values * mask
        if settings.whiten:
            advantages = whiten(advantages, mask)

        # 3. learn: several passes over the batch, each text's tokens up or down
        left = 1 - run.updates / settings.updates if settings.anneal else 1.0
        for group, size in zip(
            optimiser.param_groups,
            (settings.learning_rate, settings.value_learning_rate),
            strict=True,
        ):
            group["lr"] = size * left
        figures = []
        for _ in range(settings.epochs):
            for rows in torch.randperm(share, generator=generator).split(settings.minibatch):
                part = rollout[rows]
                logits, new_values = model(part.inputs)
                logits = logits / settings.temperature
                log_new = chosen(logits.log_softmax(-1), part.response)
                loss = policy_loss(
                    log_new, log_old[rows], advantages[rows], mask[rows], clip=settings.clip
                )
                loss_of_values = value_loss(
                    new_values, values[rows], returns[rows], mask[rows], clip=settings.value_clip
                )
                weight = settings.value_weight if settings.value_head else 0.0
                total = loss + weight * loss_of_values
                if settings.entropy_weight:
                    bonus = masked_mean(token_entropy(logits), mask[rows])
                    total = total - settings.entropy_weight * bonus
                optimiser.zero_grad()
                processes.backward(total)
                if settings.largest_gradient is not None:
                    processes.clip_grad_norm_(model.parameters(), settings.largest_gradient)
                optimiser.step()
                log_ratio = (log_old[rows] - log_new).detach()
                beyond = ((-log_ratio).exp() - 1).abs() > (settings.clip or math.inf)
                figures.append(
                    [
                        masked_mean(k3(log_ratio), mask[rows]),
                        masked_mean(beyond.float(), mask[rows]),
                        loss.detach(),
                        loss_of_values.detach(),
                    ]
                )

        # the record, averaged over the processes, and the next beta
        kl = sequence_kl(log_old, log_reference, mask).mean()
        written = written_tokens(rollout)
        approx_kl, clipped, loss, loss_of_values = torch.tensor(figures).mean(0)
        row = {
            "reward": scores.mean(),
            "kl": kl,
            "objective": scores.mean() - run.beta * kl,
            "entropy": masked_mean(entropy, mask),
            "length": mask.sum(1).float().mean(),
            "ended": rollout.ended.float().mean(),
            "distinct_1": distinct(written, 1),
            "distinct_2": distinct(written, 2),
            "approx_kl": approx_kl,
            "clipped": clipped,
            "explained_variance": explained_variance(values[mask], returns[mask]),
            "policy_loss": loss,
            "value_loss": loss_of_values,
        }
        local = torch.tensor([float(figure) for figure in row.values()], device=mask.device)
        for name, figure in zip(row, processes.reduce(local, "mean").tolist(), strict=True):
            run.history[name].append(figure)
        run.history["beta"].append(run.beta)
        if settings.target_kl is not None:
            run.beta = adapted_beta(
                run.beta, run.history["kl"][-1], settings.target_kl, rate=settings.beta_rate
            )
        run.seconds += time.process_time() - start
        if checkpoint is not None and processes.is_main_process:
            write_checkpoint(checkpoint, settings, _state(run, whole, optimiser))
        last = {name: values[-1] for name, values in run.history.items()}
        bar.set_postfix_str(f"reward {last['reward']:.2f}, KL {last['kl']:.2f}", refresh=False)
        bar.update()
    bar.close()
    return run


def token_rewards(
    scores: Float[Tensor, " sample"],
    log_probs: Float[Tensor, "sample new"],
    log_reference: Float[Tensor, "sample new"],
    mask: Bool[Tensor, "sample new"],
    *,
    beta: float,
) -> Float[Tensor, "sample new"]:
    r"""The reward of each token (Ziegler et al. 2019, Equation 2, spread over the tokens).

    .. math:: r_t = -\beta\,\bigl(\log\pi(a_t|s_t) - \log\pi_{ref}(a_t|s_t)\bigr) + [t = T]\, R

    The sum over a text is ``R - beta log(pi / pi_ref)``, whose mean is ``E[R] - beta KL``. Spread
    over the tokens, each pays for its own divergence.

    Args:
        scores: The reward R of each text.
        log_probs: Log-probabilities of the chosen tokens under the policy that chose them.
        log_reference: The same under the reference.
        mask: True for tokens that were chosen; T is the last of them.
        beta: What one nat costs.

    Returns:
        Rewards, 0 after the end.
    """
    penalty = -beta * (log_probs - log_reference) * mask
    last = mask & ~torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], 1)
    return penalty + scores[:, None] * last


def gae(
    rewards: Float[Tensor, "sample new"],
    values: Float[Tensor, "sample new"],
    mask: Bool[Tensor, "sample new"],
    *,
    discount: float = 1.0,
    lam: float = 0.95,
) -> Float[Tensor, "sample new"]:
    r"""Generalised advantage estimation over texts of unequal length (Schulman et al. 2015).

    .. math:: \hat A_t = \sum_{k \ge 0} (\gamma\lambda)^k \delta_{t+k},
        \qquad \delta_t = r_t + \gamma V(s_{t+1}) - V(s_t)

    with V = 0 after the last token that was chosen.

    Args:
        rewards: Reward of each token.
        values: Value of the state in which it was chosen.
        mask: True for tokens that were chosen.
        discount: The factor gamma.
        lam: The factor lambda.

    Returns:
        Advantages, 0 after the end.
    """
    values = values * mask
    following = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], 1)
    errors = (rewards + discount * following - values) * mask
    advantages, ahead = [], torch.zeros_like(errors[:, 0])
    for error in errors.unbind(1)[::-1]:
        ahead = error + discount * lam * ahead
        advantages.append(ahead)
    return torch.stack(advantages[::-1], 1) * mask


def whiten(
    advantages: Float[Tensor, "sample new"], mask: Bool[Tensor, "sample new"]
) -> Float[Tensor, "sample new"]:
    """Gives the advantages of a batch mean 0 and standard deviation 1, padding left out.

    Args:
        advantages: One number per token.
        mask: True for tokens that were chosen.

    Returns:
        Whitened advantages, 0 after the end.

    Raises:
        ValueError: If there are fewer than two tokens, which have no standard deviation.
    """
    if mask.sum() < 2:
        raise ValueError("whitening needs two tokens or more; use larger batches or whiten=False")
    variance, mean = torch.var_mean(advantages[mask])
    return (advantages - mean) * torch.rsqrt(variance + 1e-8) * mask


def policy_loss(
    log_new: Float[Tensor, "sample new"],
    log_old: Float[Tensor, "sample new"],
    advantages: Float[Tensor, "sample new"],
    mask: Bool[Tensor, "sample new"],
    *,
    clip: float | None = 0.2,
) -> Float[Tensor, ""]:
    r"""The clipped loss of PPO (Schulman et al. 2017, Equation 7), to be minimised.

    .. math:: -\operatorname{mean}_t \min(\rho_t A_t,\
        \mathrm{clip}(\rho_t, 1-\epsilon, 1+\epsilon)\,A_t),
        \qquad \rho_t = \pi_{new}(a_t|s_t) / \pi_{old}(a_t|s_t)

    While the new policy is the old one, no clip acts and the gradient is the policy gradient.

    Args:
        log_new: Log-probabilities under the policy that learns.
        log_old: The same under the policy that wrote the texts.
        advantages: How much better each token was than expected.
        mask: True for tokens that were chosen.
        clip: The paper's epsilon; None for no clip.

    Returns:
        The mean over all tokens that were chosen.
    """
    ratio = (log_new - log_old).exp()
    objective = ratio * advantages
    if clip is not None:
        objective = torch.minimum(objective, ratio.clamp(1 - clip, 1 + clip) * advantages)
    return -masked_mean(objective, mask)


def value_loss(
    values: Float[Tensor, "sample new"],
    old_values: Float[Tensor, "sample new"],
    returns: Float[Tensor, "sample new"],
    mask: Bool[Tensor, "sample new"],
    *,
    clip: float | None = 0.2,
) -> Float[Tensor, ""]:
    """Half the squared error of the values, with a clip as in the policy's loss.

    The clip came with PPO's first code, not with its paper (Huang et al. 2022, detail 9): the
    larger of two errors counts, that of the value and that of the value held within `clip` of the
    old one.

    Args:
        values: Values from the head that learns.
        old_values: Values when the texts were written.
        returns: What they should have been.
        mask: True for tokens that were chosen.
        clip: How far a value may move before it earns no more; None for no clip.

    Returns:
        The mean over all tokens that were chosen.
    """
    errors = (values - returns).square()
    if clip is not None:
        held = old_values + (values - old_values).clamp(-clip, clip)
        errors = torch.maximum(errors, (held - returns).square())
    return 0.5 * masked_mean(errors, mask)


def adapted_beta(beta: float, kl: float, target: float, *, rate: float = 0.1) -> float:
    """The next beta of a proportional controller (Ziegler et al. 2019, Section 2.2).

    Args:
        beta: The present one.
        kl: KL divergence per sequence that was measured.
        target: The divergence wanted.
        rate: Relative change for a relative error of 1. Errors beyond 0.2 count as 0.2.

    Returns:
        A larger beta if the divergence is too large, a smaller one if it is too small.
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return beta * (1 + rate * error)


def masked_mean(
    numbers: Float[Tensor, "sample new"], mask: Bool[Tensor, "sample new"]
) -> Float[Tensor, ""]:
    """The mean over the tokens that were chosen.

    Args:
        numbers: One number per token; what stands in the padding does not matter.
        mask: True for tokens that were chosen.

    Returns:
        The mean.
    """
    return numbers.where(mask, 0).sum() / mask.sum()


def token_entropy(logits: Float[Tensor, "sample new token"]) -> Float[Tensor, "sample new"]:
    """The entropy of the choice of each token.

    Args:
        logits: Logits over the vocabulary.

    Returns:
        Entropies in nats.
    """
    log_all = logits.log_softmax(-1)
    return -(log_all.exp() * log_all).sum(-1)


def explained_variance(
    values: Float[Tensor, " token"], returns: Float[Tensor, " token"]
) -> Float[Tensor, ""]:
    """The share of the returns' variance that the values had foreseen.

    Args:
        values: Values when the texts were written.
        returns: What they should have been.

    Returns:
        1 if all was foreseen, 0 for what a constant does, below 0 if the values mislead; NaN where
        the returns do not vary.
    """
    variance = returns.var(correction=0)
    return 1 - (returns - values).var(correction=0) / variance.where(variance > 0, math.nan)


def check_models(policy: Any, reference: Any) -> None:
    """Makes sure that a reference can serve as the reference of a policy.

    Args:
        policy: The model to train.
        reference: The model to stay near to.

    Raises:
        ValueError: If both are one object or share memory, so that the reference would move along
            and the divergence would always be zero; if their vocabularies differ; or if the
            reference is in training mode.
    """
    if policy is reference:
        raise ValueError(
            "policy and reference are the same object: the reference would be trained along, and "
            "the KL divergence would always be 0. Load the model twice, or use copy.deepcopy"
        )
    ours = {weight.untyped_storage().data_ptr() for weight in policy.state_dict().values()}
    shared = [
        name
        for name, weight in reference.state_dict().items()
        if weight.untyped_storage().data_ptr() in ours
    ]
    if shared:
        raise ValueError(
            f"policy and reference share the memory of {len(shared)} weights, such as {shared[0]}: "
            "the reference would be trained along. Load the model twice, or use copy.deepcopy"
        )
    check_vocabularies(policy, reference)
    if reference.training:
        raise ValueError(
            "the reference is in training mode, where dropout makes its probabilities random; "
            "call reference.eval()"
        )


def check_same_start(
    log_probs: Float[Tensor, "sample new"],
    log_reference: Float[Tensor, "sample new"],
    mask: Bool[Tensor, "sample new"],
) -> None:
    """Makes sure that policy and reference agree before any training.

    Args:
        log_probs: Log-probabilities under the policy.
        log_reference: The same under the reference.
        mask: True for tokens that were chosen.

    Raises:
        ValueError: If they differ by more than 0.01 nats per token.
    """
    difference = masked_mean((log_probs - log_reference).abs(), mask).item()
    if not difference < 0.01:
        kl = sequence_kl(log_probs, log_reference, mask).mean().item()
        raise ValueError(
            f"policy and reference differ before any training (KL {kl:.2f} nats per sequence, "
            "should be 0). Is the reference untrained, or was the policy trained already? Load the "
            "same model twice; if the difference is meant, set same_start=False"
        )


def _state(run: Run, model: nn.Module, optimiser: Any) -> dict[str, Any]:
    """Everything that the rest of a run depends on."""
    return {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "run": [run.beta, run.history, run.seconds],
    }


def _restore(run: Run, model: nn.Module, optimiser: Any, state: dict[str, Any]) -> None:
    """Goes back to where `_state` was called."""
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    run.beta, run.history, run.seconds = state["run"]


def _bar(run: Run, progress: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(
        total=run.settings.updates,
        initial=run.updates,
        unit="update",
        desc=f"PPO, seed {run.settings.seed}",
        disable=not progress,
    )
