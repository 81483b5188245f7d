"""A circuit: heads in classes, each kept at the one position where it does its work."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import torch

from interp_rl.ioi.nodes import Head, Node

ROLE_POSITIONS: dict[str, str] = {
    "name mover": "END",
    "negative name mover": "END",
    "backup name mover": "END",
    "S-inhibition": "END",
    "induction": "S2",
    "duplicate token": "S2",
    "previous token": "S1+1",
}
"""The paper's seven classes of heads and where each works (Wang et al. 2022, Figure 2)."""


@dataclass(frozen=True)
class Circuit:
    """Nodes in named classes. Everything outside is knocked out when the circuit runs."""

    classes: Mapping[str, tuple[Node, ...]]
    """nodes of each class, the strongest first; a class may be empty"""
    name: str = "circuit"
    """what tables and figures call it"""

    @classmethod
    def of_roles(
        cls, roles: Mapping[str, Iterable[Head | tuple[int, int]]], name: str = "circuit"
    ) -> "Circuit":
        """Puts each head at the position where its role is played.

        Args:
            roles: Heads of each role; the roles are those of `ROLE_POSITIONS`.
            name: Name of the circuit.

        Returns:
            The circuit.

        Raises:
            ValueError: If a role is unknown, or a head has two roles at one position.
        """
        unknown = [role for role in roles if role not in ROLE_POSITIONS]
        if unknown:
            known = ", ".join(ROLE_POSITIONS)
            raise ValueError(f"unknown role {unknown[0]!r}: the roles are {known}")
        classes = {
            role: tuple(Node(layer, head, ROLE_POSITIONS[role]) for layer, head in heads)
            for role, heads in roles.items()
        }
        circuit = cls(classes, name)
        if len(circuit.nodes) < len(circuit):
            raise ValueError("a head has two roles at one position")
        return circuit

    @property
    def nodes(self) -> frozenset[Node]:
        """All nodes."""
        return frozenset(chain.from_iterable(self.classes.values()))

    def __len__(self) -> int:
        return sum(len(nodes) for nodes in self.classes.values())

    def class_of(self, node: Node) -> str:
        """The class of a node.

        Args:
            node: One of the circuit's nodes.

        Returns:
            Name of the class.

        Raises:
            KeyError: If the node is not in the circuit.
        """
        for name, nodes in self.classes.items():
            if node in nodes:
                return name
        raise KeyError(f"{node} is not in the circuit")

    def __str__(self) -> str:
        return "\n".join(
            f"{name}: {', '.join(map(str, nodes)) or 'none'}"
            for name, nodes in self.classes.items()
        )


def naive_circuit(circuit: Circuit, per_class: int = 2) -> Circuit:
    """The paper's simpler circuit: no backup, no negative heads, few early ones (Section 4.3).

    Args:
        circuit: The circuit to simplify.
        per_class: How many induction and duplicate token heads are kept, the first ones.

    Returns:
        Name movers, S-inhibition and previous token heads, and some of the other two classes.
    """
    kept = {
        role: nodes[:per_class] if role in ("induction", "duplicate token") else nodes
        for role, nodes in circuit.classes.items()
        if role not in ("backup name mover", "negative name mover")
    }
    return Circuit(kept, "naive circuit")


def random_circuits(
    circuit: Circuit,
    shape: tuple[int, int],
    count: int,
    *,
    seed: int,
    exclude: Collection[Node] = (),
) -> list[Circuit]:
    """Circuits of the same size and positions with heads drawn at random.

    Args:
        circuit: What they are compared with.
        shape: Layers of the model, and heads in each.
        count: How many.
        seed: Seed of the draw.
        exclude: Nodes that are not drawn, such as those of the circuit itself.

    Returns:
        At each position as many different heads as in the circuit, in a class named after it.

    Raises:
        ValueError: If there are not enough heads to draw from.
    """
    generator = torch.Generator().manual_seed(seed)
    positions = [node.position for nodes in circuit.classes.values() for node in nodes]
    drawn = []
    for number in range(count):
        classes = {}
        for position in dict.fromkeys(positions):
            pool = [
                node
                for layer in range(shape[0])
                for head in range(shape[1])
                if (node := Node(layer, head, position)) not in exclude
            ]
            wanted = positions.count(position)
            if wanted > len(pool):
                raise ValueError(
                    f"{wanted} heads are needed at {position}, and there are {len(pool)} to draw"
                )
            order = torch.randperm(len(pool), generator=generator)[:wanted]
            classes[f"at {position}"] = tuple(pool[index] for index in order)
        drawn.append(Circuit(classes, f"random circuit {number + 1}"))
    return drawn
