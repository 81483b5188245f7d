"""What does a circuit lack? Adds the nodes that bring it closest to the model, one at a time.

Path patching finds heads that carry what distinguishes clean from corrupted prompts. A circuit made
of them can still fail alone, because mean ablation also takes away what all other heads provide: in
GPT-2 the MLPs, which are never knocked out, compute features of each name; in an attention-only
model heads at the names' positions must do that. This search finds such heads.

A circuit can also be made to agree with the model while some of its nodes are knocked out, which is
completeness: pass the sets that showed it to be incomplete as `knockouts`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.ioi.circuit import Circuit
from interp_rl.ioi.knockouts import Ablator
from interp_rl.ioi.nodes import Node, all_heads

SUPPORT = "support"
"""Name of the class of nodes that are added."""


@dataclass(frozen=True, eq=False)
class Growth:
    """How a circuit came closer to the model, node by node."""

    circuit: Circuit
    """the grown circuit, with the added nodes in the class `support`"""
    added: tuple[Node, ...]
    """in the order in which they were added"""
    logit_difference: Float[Tensor, " step"]
    """F(C) before the first node and after each one, over the held-out prompts"""
    distance: Float[Tensor, " step"]
    r"""mean over the held-out prompts, and over every set K that counted, of ``|logit difference of
    C \ K - logit difference of M \ K|``"""
    held_out: Bool[Tensor, " prompt"]
    """prompts that were not used to choose"""


def grow(
    ablator: Ablator,
    circuit: Circuit,
    *,
    positions: Sequence[str] = ("IO", "S1", "S1+1", "S2", "END"),
    tolerance: float = 0.1,
    exclude: Collection[Node] = (),
    knockouts: Sequence[Collection[Node]] = (),
    max_added: int = 20,
    seed: int = 0,
) -> Growth:
    """Adds nodes until the circuit alone does what the model does, prompt by prompt.

    Each step tries every head at every position and adds the node that leaves the smallest mean
    absolute difference to the model, on one half of the prompts, drawn at random. Compared prompt
    by prompt, errors in opposite directions do not cancel, as they would in ``|F(M) - F(C)|``.

    Args:
        ablator: The model on its prompts, with mean ablation.
        circuit: Where to start.
        positions: Names of the positions at which heads are tried.
        tolerance: Stop at this distance, as a fraction of the model's mean logit difference.
        exclude: Nodes that are not tried.
        knockouts: Sets K of nodes with which knocked out circuit and model should agree too. The
            distance is the mean over these sets and the empty one.
        max_added: Stop after so many nodes.
        seed: Seed of the draw of the prompts.

    Returns:
        The grown circuit and the course of the search. It also stops where no node helps.

    Raises:
        ValueError: If a position does not exist, or the tolerance is not positive.
    """
    if tolerance <= 0:
        raise ValueError(f"tolerance is {tolerance}; it must be positive")
    n_prompts = len(ablator.dataset)
    generator = torch.Generator().manual_seed(seed)
    searched = torch.zeros(n_prompts, dtype=torch.bool)
    searched[torch.randperm(n_prompts, generator=generator)[: n_prompts // 2]] = True
    removed = [frozenset[Node](), *map(frozenset, knockouts)]
    model = ablator.without(removed)
    limit = tolerance * float(ablator.model_metric[searched].mean().abs())

    def outputs(tried: Sequence[Collection[Node]]) -> Float[Tensor, "set removed prompt"]:
        kept = [frozenset(nodes) - off for nodes in tried for off in removed]
        return ablator.only(kept).reshape(len(tried), len(removed), n_prompts)

    def distances(
        scores: Float[Tensor, "set removed prompt"], on: Bool[Tensor, " prompt"]
    ) -> Float[Tensor, " set"]:
        return (scores - model)[..., on].abs().mean((1, 2))

    every = [
        node
        for head in all_heads(*ablator.weights.shape)
        for place in positions
        if (node := Node(*head, place)) not in exclude
    ]
    nodes = set(circuit.nodes)
    added: list[Node] = []
    course = outputs([nodes])
    nearest = float(distances(course, searched)[0])
    while nearest > limit and len(added) < max_added:
        tried = [node for node in every if node not in nodes]
        if not tried:
            break
        scores = outputs([nodes | {node} for node in tried])
        distance = distances(scores, searched)
        best = int(distance.argmin())
        if float(distance[best]) >= nearest:
            break
        nearest = float(distance[best])
        nodes.add(tried[best])
        added.append(tried[best])
        course = torch.cat([course, scores[best : best + 1]])
    before = circuit.classes.get(SUPPORT, ())
    classes = {**circuit.classes, SUPPORT: (*before, *added)}
    return Growth(
        circuit=Circuit(classes, circuit.name),
        added=tuple(added),
        logit_difference=course[:, 0, ~searched].mean(1),
        distance=distances(course, ~searched),
        held_out=~searched,
    )
