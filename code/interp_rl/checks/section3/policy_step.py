"""Check of Exercise 3.3a: one step of policy gradient."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp_rl.checks.framework import Student, Wrong, check, compare, show
from interp_rl.checks.hidden import generator

_Batch = tuple[Float[Tensor, "_ _"], Int[Tensor, "_"], Float[Tensor, "_"]]
"""Observations, actions, weights; batches of several lengths occur in one call."""

_Kind = Callable[[Any], torch.optim.Optimizer]
"""From parameters to their optimiser."""


@check("3.3a", learned="These lines, and a loop that collects data, are all of REINFORCE.")
def check_policy_step(fn: Student) -> None:
    """Checks Exercise 3.3a: one gradient step on a policy network.

    Args:
        fn: Your function `policy_step(policy, optimiser, observations, actions, weights)`.
    """
    first, second = _example(n_steps=4, seed=0), _example(n_steps=6, seed=1)
    fresh = _network(seed=0)
    after = _stepped(fn, fresh, [first])
    compare(after, _expected(fresh, [first]), _mistakes(fresh, first))
    _compare_loss(fn, fresh, first)
    kept = _expected(fresh, [first, second], keep_gradients=True)
    forgotten = (
        "The gradients of the first step are still there and are added. Call "
        "`optimiser.zero_grad()` before `loss.backward()`."
    )
    try:
        both = _stepped(fn, fresh, [first, second])
        compare(both, _expected(fresh, [first, second]), {forgotten: kept})
    except Wrong as wrong:
        wrong.message = f"Your first step is right and the second is not. {wrong.message}"
        raise
    _compare_elsewhere(fn, fresh, first)


def _compare_elsewhere(fn: Student, fresh: nn.Module, batch: _Batch) -> None:
    """With another optimiser, and with other numbers of observations and actions."""
    ignored = (
        "You move the parameters as plain gradient descent would, whatever the optimiser is. Call "
        "`step()` of the optimiser that the function is given."
    )
    wide, many = _network(inputs=5, actions=3, seed=2), _example(5, inputs=5, actions=3, seed=3)
    for what, network, examples, kind, mistakes in (
        ("with Adam", fresh, batch, _adam, {ignored: _expected(fresh, [batch], kind=_plain)}),
        ("of a policy with 5 observations and 3 actions", wide, many, _descent, {}),
    ):
        try:
            after = _stepped(fn, network, [examples], kind)
            compare(after, _expected(network, [examples], kind=kind), mistakes)
        except Wrong as wrong:
            wrong.message = (
                "Your function is right with SGD, 3 observations and 4 actions, and wrong in a "
                f"step {what}. {wrong.message}"
            )
            raise


def _descent(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=1.0)


def _adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.5)


def _plain(parameters: Any) -> torch.optim.Optimizer:
    """Gradient descent at the rate of `_adam`, which an answer may read from that."""
    return torch.optim.SGD(parameters, lr=0.5)


def _example(n_steps: int, *, seed: int, inputs: int = 3, actions: int = 4) -> _Batch:
    """Random numbers; every action occurs, so that not all are the likeliest ones."""
    draw_from = generator(seed)
    return (
        torch.randn(n_steps, inputs, generator=draw_from),
        torch.randperm(n_steps, generator=draw_from) % actions,
        torch.randint(-20, 21, (n_steps,), generator=draw_from) / 10,
    )


def _network(*, seed: int, inputs: int = 3, actions: int = 4) -> nn.Module:
    draw_from = generator(seed)
    network = nn.Linear(inputs, actions)
    with torch.no_grad():
        network.weight.copy_(torch.randn(actions, inputs, generator=draw_from))
        network.bias.copy_(torch.randn(actions, generator=draw_from))
    return network


def _parameters(network: nn.Module) -> Float[Tensor, " parameter"]:
    return torch.cat([p.detach().flatten() for p in network.parameters()]).clone()


def _stepped(
    fn: Student, network: nn.Module, batches: list[_Batch], kind: _Kind = _descent
) -> Tensor:
    """The parameters after the student's steps; the answer itself does not matter."""
    network = copy.deepcopy(network)
    optimiser = kind(network.parameters())
    for batch in batches:
        loss = fn(network, optimiser, *batch)
        if not isinstance(loss, float | Tensor):
            raise Wrong("Your function should return the loss, so that one can look at it.")
    return _parameters(network)


def _compare_loss(fn: Student, network: nn.Module, batch: _Batch) -> None:
    network = copy.deepcopy(network)
    right = _loss(network, *batch).detach()
    answer = fn(network, _descent(network.parameters()), *batch)
    loss = torch.as_tensor(answer).detach().float()
    objective = "Your function returns the objective, the loss without the minus. Return the loss."
    if loss.shape == right.shape and torch.allclose(loss, -right, atol=1e-4):
        raise Wrong(objective, show(loss), show(right))
    if loss.shape != right.shape or not torch.allclose(loss, right, atol=1e-4):
        raise Wrong(
            "The step is right, but your function should return the loss it was made with, so that "
            "one can look at it.",
            show(loss),
            show(right),
        )


def _expected(
    network: nn.Module,
    batches: list[_Batch],
    *,
    keep_gradients: bool = False,
    kind: _Kind = _descent,
    **changes: Any,
) -> Tensor:
    """The parameters after right steps, or after ones with a known mistake."""
    network = copy.deepcopy(network)
    optimiser = kind(network.parameters())
    for batch in batches:
        if not keep_gradients:
            optimiser.zero_grad()
        _loss(network, *batch, **changes).backward()
        optimiser.step()
    return _parameters(network)


def _loss(
    network: nn.Module,
    observations: Tensor,
    actions: Tensor,
    weights: Tensor,
    *,
    of: str = "log-probability",
    pick: str = "taken",
    reduce: str = "mean",
    sign: str = "-",
) -> Tensor:
    logits = network(observations)
    outputs = {
        "log-probability": logits.log_softmax(-1),
        "probability": logits.softmax(-1),
        "logit": logits,
        "over steps": logits.log_softmax(0),
    }[of]
    chosen = logits.argmax(-1) if pick == "likeliest" else actions
    terms = outputs[torch.arange(len(actions)), chosen] * weights
    if pick == "every pair":
        terms = outputs[torch.arange(len(actions)), actions][:, None] * weights
    total = terms.mean() if reduce == "mean" else terms.sum()
    return -total if sign == "-" else total


def _mistakes(network: nn.Module, batch: _Batch) -> dict[str, Tensor]:
    """What known misconceptions make of the parameters, each under the message for it."""
    observations, actions, weights = batch
    unweighted = (observations, actions, torch.ones_like(weights))
    return {
        "The parameters are as before. Does your function call `loss.backward()` and then "
        "`optimiser.step()`?": _parameters(network),
        "The parameters move the wrong way: actions with positive weights become less probable. "
        "The optimiser minimises, so the loss needs a minus.": _expected(
            network, [batch], sign="+"
        ),
        "You use probabilities. The score is the gradient of the logarithm: `log_softmax`.": (
            _expected(network, [batch], of="probability")
        ),
        "You use logits. They are log-probabilities only after `log_softmax(-1)`.": _expected(
            network, [batch], of="logit"
        ),
        "Your softmax runs over the steps. The probabilities of the actions in one state sum to "
        "1: `log_softmax(-1)`.": _expected(network, [batch], of="over steps"),
        "You sum over the steps. Take the mean, as the statement asks, so that a longer batch does "
        "not mean a longer step.": _expected(network, [batch], reduce="sum"),
        "You multiply each log-probability with every weight: a column (step, 1) times a row "
        "(step,) is a table, or `cross_entropy` has taken its mean before the weights come in. "
        "Bring both to the shape (step,) first.": _expected(network, [batch], pick="every pair"),
        "You leave out `actions`: you take the likeliest action of each state, or draw another "
        "one. The score is that of the action taken.": (
            _expected(network, [batch], pick="likeliest")
        ),
        "You make two steps. One call is one step.": _expected(network, [batch, batch]),
        "You leave out the weights: all actions become more probable, good and bad.": _expected(
            network, [unweighted]
        ),
    }
