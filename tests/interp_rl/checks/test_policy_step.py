"""The check of Exercise 3.3a: right steps pass, each known mistake gets its own message."""

import re

import pytest
import torch
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
    return None if change == "none" else "done" if change == "text" else loss.detach()


def test_right_answers_written_differently_pass():
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

    for answer in (step, by_cross_entropy, by_distribution):
        assert section3.check_policy_step(answer).passed, section3.check_policy_step(answer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no step", "The parameters are as before"),
        ("sign", "the wrong way"),
        ("probabilities", "You use probabilities"),
        ("logits", "You use logits"),
        ("axis", "runs over the steps"),
        ("sum", "You sum over the steps"),
        ("no weights", "You leave out the weights"),
        ("zero_grad", r"zero_grad\(\)"),
        ("none", "returns None"),
        ("text", "should return the loss"),
    ],
)
def test_each_known_mistake_gets_its_message(change, message):
    result = section3.check_policy_step(lambda *inputs: step(*inputs, change=change))
    assert result.status == "failed"
    assert re.search(message, result.message)


def test_the_stub_is_not_attempted():
    def stub(*inputs):
        raise NotImplementedError("Exercise 3.3a: Your turn.")

    assert section3.check_policy_step(stub).status == "not attempted"
