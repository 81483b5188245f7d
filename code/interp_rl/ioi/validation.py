r"""Is the circuit the right one? Faithfulness, completeness and minimality.

F(C) is the mean logit difference when everything outside the circuit C is knocked out, and F(M)
that of the model (Wang et al. 2022, Section 4).

- Faithfulness: ``|F(M) - F(C)|`` is small: the circuit alone does the task as well as the model.
- Completeness: ``|F(C \ K) - F(M \ K)|`` is small for every subset K of C: knocked out alike,
  circuit and model stay alike, so that the circuit lacks nothing that the model falls back on.
- Minimality: for every node v there is a K so that ``|F(C \ (K and v)) - F(C \ K)|`` is large:
  no node is there for nothing.

The last two are searches for the K that shows most. A K that was searched for looks larger than it
is on the prompts of the search, so searches use one half of the prompts, drawn at random, and
intervals come from the other half.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp_rl.ioi.circuit import Circuit
from interp_rl.ioi.knockouts import Ablator
from interp_rl.ioi.metrics import Interval, bootstrap_interval
from interp_rl.ioi.nodes import Node

NodeSet = frozenset[Node]
"""Some nodes, in no order."""


@dataclass(frozen=True, eq=False)
class Comparison:
    r"""Circuit and model with the same nodes knocked out: one point of the paper's Figure 6."""

    removed: NodeSet
    """the nodes K"""
    kind: str
    """how K was chosen"""
    circuit: Float[Tensor, " prompt"]
    r"""logit difference of C \ K"""
    model: Float[Tensor, " prompt"]
    r"""logit difference of M \ K"""
    held_out: Bool[Tensor, " prompt"]
    """prompts on which K was not chosen; all of them where K was not searched for"""

    @property
    def gap(self) -> float:
        r"""``|F(C \ K) - F(M \ K)|``, over the held-out prompts; 0 is best."""
        return abs(self.difference.mean)

    @property
    def difference(self) -> Interval:
        r"""``F(C \ K) - F(M \ K)``, with its 95% bootstrap interval over the held-out prompts."""
        return bootstrap_interval((self.circuit - self.model)[self.held_out])


@dataclass(frozen=True, eq=False)
class Witness:
    r"""What a node does for the circuit, given that some other nodes are gone."""

    node: Node
    """the node"""
    removed: NodeSet
    """the set K that shows the node's effect best"""
    with_node: Float[Tensor, " prompt"]
    r"""logit difference of C \ K"""
    without_node: Float[Tensor, " prompt"]
    r"""logit difference of C \ (K and the node)"""
    held_out: Bool[Tensor, " prompt"]
    """prompts on which K was not chosen"""

    @property
    def score(self) -> float:
        """The node's minimality score, over the held-out prompts; 0 for a node without effect."""
        return abs(self.effect.mean)

    @property
    def effect(self) -> Interval:
        """Logit difference that the node adds, positive where it supports IO; 95% interval."""
        return bootstrap_interval((self.with_node - self.without_node)[self.held_out])


class Validation:
    """Tests one circuit in one model. What has been computed once is kept."""

    def __init__(self, ablator: Ablator, circuit: Circuit, *, seed: int = 0) -> None:
        """Prepares the tests.

        Args:
            ablator: The model on its prompts, with mean ablation as in the paper.
            circuit: The circuit.
            seed: Seed of the draw of the prompts that searches use, and of everything random.

        Raises:
            ValueError: If the circuit is empty, or there are fewer than 4 prompts.
        """
        if not circuit.nodes:
            raise ValueError("the circuit has no nodes")
        n_prompts = len(ablator.dataset)
        if n_prompts < 4:
            raise ValueError(f"{n_prompts} prompts are too few: half are for search, half for test")
        self.ablator, self.circuit, self.seed = ablator, circuit, seed
        generator = torch.Generator().manual_seed(seed)
        self.searched = torch.zeros(n_prompts, dtype=torch.bool)
        self.searched[torch.randperm(n_prompts, generator=generator)[: n_prompts // 2]] = True
        self._only: dict[NodeSet, Tensor] = {}
        self._without: dict[NodeSet, Tensor] = {}

    @cached_property
    def nodes(self) -> list[Node]:
        """The circuit's nodes, class by class."""
        return list(chain.from_iterable(self.circuit.classes.values()))

    def faithfulness(self) -> Comparison:
        """Compares the circuit with the model, nothing else knocked out.

        Returns:
            The comparison for the empty K.
        """
        return self._compare([frozenset()], "nothing")[0]

    def by_class(self) -> dict[str, Comparison]:
        """Completeness with K a whole class of nodes.

        Returns:
            One comparison for each class that is not empty.
        """
        classes = {name: frozenset(nodes) for name, nodes in self.circuit.classes.items() if nodes}
        found = self._compare(list(classes.values()), "class")
        return dict(zip(classes, found, strict=True))

    def random_subsets(self, count: int = 10) -> list[Comparison]:
        """Completeness with K drawn uniformly from all subsets.

        Args:
            count: How many.

        Returns:
            One comparison for each.
        """
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.rand(count, len(self.nodes), generator=generator) < 0.5
        sets = [
            frozenset(node for node, on in zip(self.nodes, row, strict=True) if on)
            for row in chosen
        ]
        return self._compare(sets, "random")

    def greedy(
        self, *, runs: int = 10, candidates: int = 10, max_size: int | None = None
    ) -> list[Comparison]:
        r"""Completeness with K grown node by node to make the gap large.

        In each step some nodes are drawn, and the one whose removal leaves the largest gap
        joins K (Wang et al. 2022, Section 4.1; their Algorithm 3 in Appendix M looks at the change
        of F(C \ K) in place of the gap). Of all sets on the way, that with the largest gap counts.

        Args:
            runs: How many searches.
            candidates: How many nodes are drawn in each step; with as many as the circuit has, the
                search is deterministic and one run is enough.
            max_size: Largest K; up to the whole circuit if left out.

        Returns:
            The best K of each run, by the prompts of the search.

        Raises:
            ValueError: If a number is below 1.
        """
        for name, value in (("runs", runs), ("candidates", candidates), ("max_size", max_size)):
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        generator = torch.Generator().manual_seed(self.seed)
        best = []
        for _ in range(runs):
            removed: NodeSet = frozenset()
            path = []
            for _ in range(min(max_size or len(self.nodes), len(self.nodes))):
                left = [node for node in self.nodes if node not in removed]
                drawn = torch.randperm(len(left), generator=generator)[:candidates]
                tried = [removed | {left[index]} for index in drawn]
                removed = self._widest(tried)
                path.append(removed)
            best.append(self._widest(path))
        return self._compare(best, "greedy", searched=True)

    def exhaustive(self, *, max_nodes: int = 10) -> Comparison:
        """Completeness with the worst K of all.

        Args:
            max_nodes: Largest circuit for which all subsets are tried; each node doubles the work.

        Returns:
            The K with the largest gap, by the prompts of the search.

        Raises:
            ValueError: If the circuit is larger.
        """
        if len(self.nodes) > max_nodes:
            raise ValueError(
                f"the circuit has {len(self.nodes)} nodes, so {2 ** len(self.nodes)} subsets; all "
                f"are tried for at most {max_nodes} nodes: raise max_nodes, or use `greedy`"
            )
        sizes = range(len(self.nodes) + 1)
        sets = [frozenset(c) for size in sizes for c in combinations(self.nodes, size)]
        return self._compare([self._widest(sets)], "exhaustive", searched=True)[0]

    def minimality(self, *, random_sets: int = 20) -> list[Witness]:
        """Finds for each node the K that shows best what the node does.

        Tried are the empty set, the node's own class (as the paper does for most heads), every
        other class, every union of two classes, and random subsets.

        Args:
            random_sets: How many random subsets are tried besides.

        Returns:
            One witness for each node; K is chosen on the prompts of the search.
        """
        classes = [frozenset(nodes) for nodes in self.circuit.classes.values()]
        unions = {a | b for a in (*classes, frozenset()) for b in (*classes, frozenset())}
        drawn = [comparison.removed for comparison in self.random_subsets(random_sets)]
        tried_for = {
            node: _in_order({removed - {node} for removed in (*unions, *drawn)})
            for node in self.nodes
        }
        # all at once first, as one batch; what follows looks the results up
        alone = {node: frozenset([node]) for node in self.nodes}
        self._circuits(list(chain.from_iterable(tried_for.values())))
        self._circuits([removed | alone[v] for v, sets in tried_for.items() for removed in sets])
        witnesses = []
        for node, tried in tried_for.items():
            before = self._circuits(tried)
            after = self._circuits([removed | alone[node] for removed in tried])
            scores = (after - before)[:, self.searched].mean(1).abs()
            best = int(scores.argmax())
            witnesses.append(Witness(node, tried[best], before[best], after[best], ~self.searched))
        return witnesses

    def _widest(self, sets: Sequence[NodeSet]) -> NodeSet:
        """The K with the largest gap on the prompts of the search."""
        difference = self._circuits(sets) - self._models(sets)
        return sets[int(difference[:, self.searched].mean(1).abs().argmax())]

    def _compare(
        self, sets: Sequence[NodeSet], kind: str, searched: bool = False
    ) -> list[Comparison]:
        held_out = ~self.searched if searched else torch.ones_like(self.searched)
        rows = zip(sets, self._circuits(sets), self._models(sets), strict=True)
        return [Comparison(removed, kind, c, m, held_out) for removed, c, m in rows]

    def _circuits(self, sets: Sequence[NodeSet]) -> Float[Tensor, "set prompt"]:
        r"""The logit difference of C \ K for each K."""
        new = _in_order({removed for removed in sets if removed not in self._only})
        kept = [self.circuit.nodes - removed for removed in new]
        self._only |= zip(new, self.ablator.only(kept), strict=True) if new else ()
        return torch.stack([self._only[removed] for removed in sets])

    def _models(self, sets: Sequence[NodeSet]) -> Float[Tensor, "set prompt"]:
        r"""The logit difference of M \ K for each K."""
        new = _in_order({removed for removed in sets if removed not in self._without})
        self._without |= zip(new, self.ablator.without(new), strict=True) if new else ()
        return torch.stack([self._without[removed] for removed in sets])


def _in_order(sets: Iterable[NodeSet]) -> list[NodeSet]:
    """Small sets first, in an order that does not change from run to run."""
    return sorted(sets, key=lambda nodes: (len(nodes), sorted(map(str, nodes))))


def faithfulness_of(ablator: Ablator, circuits: Collection[Circuit]) -> dict[str, Comparison]:
    """Compares several circuits with the model, all in one batch.

    Args:
        ablator: The model on its prompts.
        circuits: Circuits with different names, such as `random_circuits`.

    Returns:
        For each name the comparison with nothing knocked out.

    Raises:
        ValueError: If two circuits have the same name.
    """
    names = [circuit.name for circuit in circuits]
    if len(set(names)) < len(names):
        raise ValueError(f"circuits need different names, and these are {', '.join(names)}")
    everything = torch.ones(len(ablator.dataset), dtype=torch.bool)
    scores = ablator.only([circuit.nodes for circuit in circuits])
    return {
        name: Comparison(frozenset(), "nothing", score, ablator.model_metric, everything)
        for name, score in zip(names, scores, strict=True)
    }
