"""Random inputs of each exercise's function: more kinds than its check has.

With them a mutant that a check accepts is compared with the solution: only where the two behave
alike on all of them may the check accept it. For an exercise that is not listed, the inputs are
those that its check draws, with many secrets.
"""

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from interp_rl.checks.hidden import hidden_inputs
from interp_rl.checks.section2 import faithfulness
from interp_rl.checks.section2.tiny_hooked import TinyHooked

Draw = Callable[[random.Random], tuple[Any, ...]]


def logit_difference(draw: random.Random) -> tuple[Any, ...]:
    prompts, positions, vocabulary = draw.randint(1, 6), draw.randint(2, 9), draw.randint(3, 12)
    names = [draw.sample(range(vocabulary), 2) for _ in range(prompts)]
    io, s = torch.tensor(names).unbind(1)
    return torch.randn(prompts, positions, vocabulary), io, s, torch.randint(positions, (prompts,))


def mean_ablate(draw: random.Random) -> tuple[Any, ...]:
    kinds, heads = draw.sample(range(-9, 20), draw.randint(1, 4)), draw.randint(1, 4)
    positions, d_head = draw.randint(1, 5), draw.randint(1, 4)
    templates = torch.tensor(draw.choices(kinds, k=draw.randint(1, 6)))
    reference = torch.tensor(draw.sample([*kinds, *draw.choices(kinds, k=5)], len(kinds) + 5))
    z = torch.randn(len(templates), positions, heads, d_head)
    reference_z = torch.randn(len(reference), positions, heads, d_head)
    return z, draw.randrange(heads), templates, reference_z, reference


def patched_logits(draw: random.Random) -> tuple[Any, ...]:
    layers, heads = draw.randint(1, 4), draw.randint(1, 3)
    with torch.no_grad():
        model = TinyHooked(
            layers=layers, heads=heads, d_mlp=draw.choice([0, 6]), seed=draw.randrange(10**6)
        )
    clean, corrupted = torch.randint(9, (2, draw.randint(1, 4), draw.randint(2, 8)))
    return model, clean, corrupted, draw.randrange(layers), draw.randrange(heads)


def copy_score(draw: random.Random) -> tuple[Any, ...]:
    n, d_model, d_head = draw.randint(1, 40), draw.randint(3, 9), draw.randint(2, 9)
    vocabulary = draw.randint(7, 30)
    stream = 3 * torch.randn(n, d_model) + torch.randn(n, 1)
    return (
        stream,
        torch.randint(vocabulary, (n,)),
        torch.randn(d_model, d_head),
        torch.randn(d_head, d_model),
        torch.randn(d_model, vocabulary),
        torch.randn(vocabulary),
    )


def fit_signals(draw: random.Random) -> tuple[Any, ...]:
    n = draw.randint(5, 9)
    return torch.randn(n), torch.randn(n), 3 * torch.randn(n) + 1


def run_and_circuit(draw: random.Random) -> tuple[Any, ...]:
    layers, heads, length = draw.randint(1, 3), draw.randint(1, 3), draw.randint(3, 6)
    nodes = [(i, j, name) for i in range(layers) for j in range(heads) for name in ("S2", "END")]
    return faithfulness._example(
        draw.sample(nodes, draw.randint(0, len(nodes) - 1)),
        layers=layers,
        heads=heads,
        prompts=draw.randint(1, 4),
        length=length,
        seed=draw.randrange(10**6),
    )


def mask_of(lengths: list[int]) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def lengths(draw: random.Random) -> list[int]:
    return [draw.randint(1, 6) for _ in range(draw.randint(1, 5))]


def reinforce_loss(draw: random.Random) -> tuple[Any, ...]:
    mask = mask_of(lengths(draw))
    return -torch.rand(mask.shape).requires_grad_(), torch.randn(mask.shape), mask


def reward_to_go(draw: random.Random) -> tuple[Any, ...]:
    mask = mask_of(lengths(draw))
    return torch.randn(mask.shape), mask, draw.choice([0.0, 0.5, 0.9, 1.0])


def gaussian_score(draw: random.Random) -> tuple[Any, ...]:
    n, dim, parameters = draw.randint(1, 5), draw.randint(1, 4), draw.randint(1, 4)
    root = torch.randn(dim, dim)
    covariance = root @ root.T + 0.5 * torch.eye(dim)
    return torch.randn(n, dim), torch.randn(n, dim), covariance, torch.randn(n, dim, parameters)


def leave_one_out(draw: random.Random) -> tuple[Any, ...]:
    returns = 4 * torch.randn(draw.randint(2, 9))
    return (draw.choice([returns, returns.round()]),)  # rounded, some are equal


def gae(draw: random.Random) -> tuple[Any, ...]:
    n = draw.randint(1, 7)
    return (
        torch.randn(n),
        torch.randn(n + 1),
        draw.random() < 0.5,
        draw.choice([0.0, 0.5, 0.9, 1.0]),
        draw.choice([0.0, 0.5, 0.95, 1.0]),
    )


def policy_step(draw: random.Random) -> tuple[Any, ...]:
    n, observation, actions = draw.randint(1, 6), draw.randint(1, 4), draw.randint(2, 5)
    policy = nn.Linear(observation, actions)
    policy(torch.randn(1, observation)).sum().backward()  # gradients of an earlier step
    kind = draw.choice([torch.optim.SGD, torch.optim.Adam])
    optimiser = kind(policy.parameters(), lr=0.5)
    batch = torch.randn(n, observation), torch.randint(actions, (n,)), torch.randn(n)
    return policy, optimiser, *batch


DRAW: Mapping[str, Draw] = {
    "2.2a": logit_difference,
    "2.3a": mean_ablate,
    "2.4a": patched_logits,
    "2.4b": copy_score,
    "2.5a": fit_signals,
    "2.6a": run_and_circuit,
    "3.1a": reinforce_loss,
    "3.2a": gaussian_score,
    "3.2b": leave_one_out,
    "3.2c": reward_to_go,
    "3.2d": gae,
    "3.3a": policy_step,
}


def inputs_of(check: Any, solution: Callable[..., Any], n: int = 60) -> Iterator[tuple[Any, ...]]:
    """Random inputs of an exercise's function, always the same ones."""
    draw = DRAW.get(check.exercise)
    if draw is None:
        yield from recorded(check, solution, [str(i) for i in range(n // 4)])
        return
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = random.Random(0)
        for _ in range(n):
            yield draw(generator)


def recorded(check: Any, solution: Callable[..., Any], secrets: list[str]) -> list[tuple[Any, ...]]:
    """What a check hands to a student's function, with each of some secrets; "" is no secret."""
    seen: list[tuple[Any, ...]] = []

    def listening(*inputs: Any) -> Any:
        seen.append(copy.deepcopy(inputs))
        return solution(*inputs)

    for secret in secrets:
        if secret:
            with hidden_inputs(secret):
                check(listening)
        else:
            check(listening)
    return seen


def observed(function: Callable[..., Any], inputs: tuple[Any, ...]) -> list[Any]:
    """What a function makes of inputs: its answer or its error, and what it does to the inputs."""
    memo: dict[int, Any] = {}
    given = copy.deepcopy([detached(value) for value in inputs], memo)
    try:
        with torch.random.fork_rng():
            answer = function(*given)
    except Exception as error:
        answer = type(error).__name__
    networks = [value for value in given if isinstance(value, nn.Module)]
    state = [parameter for network in networks for parameter in network.parameters()]
    gradient = isinstance(answer, Tensor) and answer.requires_grad
    return [answer, gradient, *state, *(value for value in given if isinstance(value, Tensor))]


def detached(value: Any) -> Any:
    """A leaf, which can be copied."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value


def alike(one: list[Any], other: list[Any]) -> bool:
    """Whether two observations are the same up to rounding."""
    return len(one) == len(other) and all(map(_alike, one, other))


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return (
            one.shape == other.shape
            and one.is_floating_point() == other.is_floating_point()
            and torch.allclose(one.double(), other.double(), 1e-4, 1e-5, equal_nan=True)
        )
    return type(one) is type(other) and bool(one == other)
