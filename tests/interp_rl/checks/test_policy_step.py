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
