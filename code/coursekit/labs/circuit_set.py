"""What "Build a circuit" loads: the prompts of chapter 2.6, mean outputs, and its circuits.

Everything is computed here as the chapter computes it, from the same seeds, so that the laboratory
shows the chapter's numbers; a test compares them with those of the executed chapter.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from coursekit.labs.packing import pack_rows

MEAN_BITS = 14
"""Bits of a mean output; what follows from them is off by less than 0.001."""

SEEDS = {"search": 60, "data": 61, "reference": 62, "abc": 63, "corrupted": 64}
"""Of the draws in chapter 2.6."""


@dataclass(frozen=True)
class Chapter:
    """What the chapter works with."""

    ablator: Any
    """the model on the prompts, every head's mean at hand"""
    circuits: list[Any]
    """the circuit, the naive one and the classes that were found"""


def chapter() -> Chapter:
    """Does what chapter 2.6 does.

    Returns:
        Prompts and circuits.
    """
    import torch

    from interp_rl import ioi, models
    from interp_rl.models.recipes.ioi_corpus import is_held_out

    torch.set_num_threads(1)
    model, tokenizer, _ = models.load("ioi")
    draw = partial(ioi.make_dataset, tokenizer, pairs=is_held_out)
    search, prompts = draw(80, seed=SEEDS["search"]), draw(80, seed=SEEDS["data"])
    reference = draw(600, seed=SEEDS["reference"]).corrupted("abc", seed=SEEDS["abc"])
    corrupted = search.corrupted("abc", seed=SEEDS["corrupted"])
    with torch.no_grad():
        roles = ioi.find_roles(model, search, corrupted, reference)
        classes = {k: v for k, v in roles.circuit().classes.items() if v}
        found = ioi.Circuit(classes, "classes alone")
        finder = ioi.Ablator(model, search, reference=reference)
        grow = partial(ioi.grow, finder, positions=("IO", "S1", "S2", "END"), max_added=12)
        minor = ("backup name mover", "negative name mover")
        few = {k: v[:2] for k, v in classes.items() if k not in minor}
        left_out = found.nodes - ioi.Circuit(few).nodes
        grown = grow(found).circuit.classes
        small = grow(ioi.Circuit(few), exclude=left_out).circuit.classes
        ablator = ioi.Ablator(model, prompts, reference=reference)
        circuits = [ioi.Circuit(grown, "circuit"), ioi.Circuit(small, "naive circuit"), found]
    return Chapter(ablator, circuits)


def data(root: Path) -> dict[str, Any]:
    """Collects it.

    Args:
        root: The course's folder.

    Returns:
        Prompts with their positions and names, mean outputs of every head for each template, which
        prompts searches use, and the circuits.
    """
    from interp_rl import ioi

    made = chapter()
    prompts = made.ablator.dataset
    templates = list(dict.fromkeys(prompt.template for prompt in prompts.prompts))
    rows = [[prompt.template for prompt in prompts.prompts].index(text) for text in templates]
    ends = prompts.positions["END"]
    return {
        "tokens": [
            row[: int(end) + 1].tolist() for row, end in zip(prompts.tokens, ends, strict=True)
        ],
        "positions": {name: at.tolist() for name, at in prompts.positions.items()},
        "io": prompts.io_ids.tolist(),
        "s": prompts.s_ids.tolist(),
        "template": [templates.index(prompt.template) for prompt in prompts.prompts],
        # of each template (layer, position, head and its numbers in a row)
        "means": [
            pack_rows(made.ablator.values[:, row, : int(ends[row]) + 1], MEAN_BITS) for row in rows
        ],
        "searched": ioi.Validation(made.ablator, made.circuits[0]).searched.int().tolist(),
        "circuits": [
            {
                "name": circuit.name,
                "classes": {
                    name: [[node.layer, node.head, node.position] for node in nodes]
                    for name, nodes in circuit.classes.items()
                },
            }
            for circuit in made.circuits
        ],
    }
