"""Check of Exercise 3.1a: the REINFORCE loss."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.checks.framework import Student, Wrong, check, show
from interp_rl.checks.hidden import generator
from interp_rl.checks.section3.examples import compare_on


@check("3.1a", learned="The gradient of the loss matters; its value says nothing about the policy.")
def check_reinforce_loss(fn: Student) -> None:
    """Checks Exercise 3.1a: the loss whose gradient is minus the policy gradient.

    Args:
        fn: Your function `reinforce_loss(log_probs, weights, mask)`.
    """
    examples = {
        "2 episodes of 3 and 1 steps": _batch((3, 1), seed=3),
        "4 episodes of up to 5 steps": _batch((2, 5, 1, 4), seed=1),
        "1 episode": _batch((2,), seed=2),
    }
    compare_on(fn, examples, _loss, _mistakes)
    _compare_gradient(fn, *examples["2 episodes of 3 and 1 steps"])


_Batch = tuple[
    Float[Tensor, "episode time"], Float[Tensor, "episode time"], Bool[Tensor, "episode time"]
]


def _batch(lengths: tuple[int, ...], *, seed: int) -> _Batch:
    """Random numbers, also in the padding; the weights are positive and negative in turn."""
    draw_from = generator(seed)
    shape = (len(lengths), max(lengths))
    log_probs = torch.rand(shape, generator=draw_from).log()
    weights = torch.randint(1, 20, shape, generator=draw_from) / 10
    weights[:, 1::2] *= -1
    return log_probs, weights, torch.arange(shape[1]) < torch.tensor(lengths)[:, None]


def _loss(log_probs: Tensor, weights: Tensor, mask: Tensor) -> Float[Tensor, ""]:
    return -(log_probs * weights)[mask].sum() / len(log_probs)


def _compare_gradient(fn: Student, log_probs: Tensor, weights: Tensor, mask: Tensor) -> None:
    """The loss may be right and its gradient not, where a part of it is cut off."""
    gradient = fn.gradient(log_probs, weights, mask)
    expected = -weights * mask / len(log_probs)
    if not torch.allclose(gradient.double(), expected.double(), atol=1e-5):
        raise Wrong(
            "Your loss has the right value, but another gradient. Is a part of it cut off, by "
            "`.detach()` or `torch.no_grad()`?",
            show(gradient),
            show(expected),
        )


def _mistakes(log_probs: Tensor, weights: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """What known misconceptions return, each under the message for it."""
    terms = log_probs * weights
    taken = terms * mask
    n_episodes = len(log_probs)
    right = _loss(log_probs, weights, mask)
    by_episode = taken.sum(1) / mask.sum(1)
    own, weight = (log_probs * mask).sum(1), (weights * mask).sum(1)
    return {
        "The sign is reversed. A program minimises the loss, so it must fall where log-probability "
        "times weight rises: put a minus in front.": -right,
        "The padding counts in your sum. Use the steps with `mask` True only.": (
            -terms.sum() / n_episodes
        ),
        "The padding counts in your sum, and you divide by the number of all entries. Use the "
        "steps with `mask` True, and divide by the number of episodes.": -terms.mean(),
        "You divide by the number of steps. Divide by the number of episodes: the return is a sum "
        "over steps, and long episodes have more terms.": -terms[mask].mean(),
        "You divide by the number of all entries, with the padding. Divide by the number of "
        "episodes.": -taken.mean(),
        "You take the mean over the steps of each episode. Sum over the steps, and take the mean "
        "over the episodes.": -by_episode.mean(),
        "You sum over the episodes. Divide by their number, so that the size of the batch does not "
        "change the size of a step.": -taken.sum(),
        "You multiply the sum of the log-probabilities by the sum of the weights. Multiply step by "
        "step first, then sum.": -(own * weight).mean(),
        "You leave out the weights.": -own.mean(),
        "You use the size of the weights. Their sign says whether an action is to become more "
        "probable or less.": -(taken * weights.sign()).sum() / n_episodes,
        "You leave out the negative weights. They make actions less probable: use all weights as "
        "they are.": -(taken * (weights > 0)).sum() / n_episodes,
        "You give all steps of an episode the weight of its first one. Each step has its own.": (
            -(own * weights[:, 0]).mean()
        ),
        "You use the padding and leave out the steps: `mask` is True for the steps.": (
            -(terms * ~mask).sum() / n_episodes
        ),
        "You use probabilities. The gradient is that of their logarithms: no `.exp()`.": (
            -(log_probs.exp() * weights)[mask].sum() / n_episodes
        ),
        "You return one number for each episode. Take their mean.": -taken.sum(1),
        "You return one number for each step. Sum over the steps and divide by the number of "
        "episodes.": -taken,
    }
