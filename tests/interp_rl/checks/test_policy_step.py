"""The check of Exercise 3.3a: right steps pass, each known mistake gets its own message."""

from functools import partial

import pytest
import torch
from answers import Answers
from torch.nn import functional as F

from interp_rl.checks import section3


def step(policy, optimiser, observations, actions, weights, change=None):
    outputs = policy(observations)
    outputs = {"logits": outputs, "probabilities": outputs.softmax(-1)}.get(
        change, outputs.log_softmax(0 if change == "axis" else -1)
    )
    chosen = outputs.gather(1, actions[:, None]).squeeze(1)
    terms = chosen if change == "no weights" else chosen * weights
    loss = -(terms.sum() if change == "sum" else terms.mean())
    loss = -loss if change == "sign" else loss
    if change != "zero_grad":
        optimiser.zero_grad()
    loss.backward()
    if change != "no step":
        optimiser.step()
    returned = {"none": None, "text": "done", "objective": -loss, "another number": loss + 1}
    return returned.get(change, loss.detach())


def by_hand(policy, optimiser, observations, actions, weights):
    """Gradient descent at the optimiser's rate, without the optimiser."""
    loss = -(policy(observations).log_softmax(-1)[range(len(actions)), actions] * weights).mean()
    gradients = torch.autograd.grad(loss, list(policy.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(policy.parameters(), gradients, strict=True):
            parameter -= optimiser.param_groups[0]["lr"] * gradient
    return loss


def for_four_actions(policy, optimiser, observations, actions, weights):
    chosen = (policy(observations).log_softmax(-1) * F.one_hot(actions, 4)).sum(-1)
    return descend(optimiser, -(chosen * weights).mean())


def of_every_pair(policy, optimiser, observations, actions, weights):
    chosen = policy(observations).log_softmax(-1).gather(1, actions[:, None])
    return descend(optimiser, -(chosen * weights).mean())


def of_a_mean(policy, optimiser, observations, actions, weights):
    return descend(optimiser, (F.cross_entropy(policy(observations), actions) * weights).mean())


def of_the_likeliest(policy, optimiser, observations, actions, weights):
    chosen = policy(observations).log_softmax(-1).max(-1).values
    return descend(optimiser, -(chosen * weights).mean())


def twice(*inputs):
    step(*inputs)
    return step(*inputs)


def descend(optimiser, loss):
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


def by_cross_entropy(policy, optimiser, observations, actions, weights):
    optimiser.zero_grad()
    loss = (weights * F.cross_entropy(policy(observations), actions, reduction="none")).mean()
    loss.backward()
    optimiser.step()
    return loss.item()


def by_distribution(policy, optimiser, observations, actions, weights):
    chosen = torch.distributions.Categorical(logits=policy(observations)).log_prob(actions)
    loss = -(chosen * weights).sum() / len(actions)
    policy.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@pytest.mark.parametrize("solution", [step, by_cross_entropy, by_distribution])
def test_right_answers_written_differently_pass(solution):
    result = section3.check_policy_step(solution)
    assert result.passed, result


WRONG = {
    name: (partial(step, change=name), words)
    for name, words in {
        "no step": "The parameters are as before",
        "sign": "the wrong way",
        "probabilities": "You use probabilities",
        "logits": "You use logits",
        "axis": "runs over the steps",
        "sum": "You sum over the steps",
        "no weights": "You leave out the weights",
        "zero_grad": "zero_grad()",
        "none": "returns None",
        "text": "should return the loss",
        "objective": "without the minus",
        "another number": "should return the loss",
    }.items()
} | {
    "by hand": (by_hand, "whatever the optimiser is"),
    "four actions": (for_four_actions, "5 observations and 3 actions"),
    "every pair": (of_every_pair, "with every weight"),
    "a mean": (of_a_mean, "with every weight"),
    "the likeliest": (of_the_likeliest, "You leave out `actions`"),
    "twice": (twice, "One call is one step"),
}


@pytest.mark.parametrize("change", WRONG)
def test_each_known_mistake_gets_its_message(change):
    mistake, words = WRONG[change]
    result = section3.check_policy_step(mistake)
    assert result.status == "failed"
    assert words in result.message


def test_the_stub_is_not_attempted():
    def stub(*inputs):
        raise NotImplementedError("Exercise 3.3a: Your turn.")

    assert section3.check_policy_step(stub).status == "not attempted"


KNOWN = [
    Answers.of(section3.check_policy_step, (step, by_cross_entropy, by_distribution), WRONG),
]
