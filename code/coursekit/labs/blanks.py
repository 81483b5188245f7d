"""What the laboratory of section 1 knows: the blanks' answers, sealed, and the steps of a run."""

import json
from pathlib import Path
from typing import Any

from coursekit.labs.sealing import SALT, seal, sealed_texts
from interp_rl.checks import section1
from interp_rl.models import loading, shapes
from interp_rl.models.diagram import ANSWERS, WORD_BANK

SENTENCE = "When Mary and John went to the store, John gave a drink to"
"""The sentence of the chapter."""

# Places of the diagram, along the way of the data; they are named so that nothing can be told from
# the name: i inputs, e embeds, s their sum, t trunk, and in each branch r reads, m middle, w way
# back, j joins; then n, u and l above the blocks.
_BEFORE = {"Index 0": "i0", "Token embed": "e0", "Index 1": "i1", "Position embed": "e1"}
_BEFORE |= {"add": "s0", "Dropout": "t0"}
_AFTER = {"LayerNorm": "n", "Unembed": "u"}
_SOFTMAX = "softmax turns them into a probability for each token as the next one"
_TRAINING = "the same numbers: Dropout acts in training only"


def data(root: Path) -> dict[str, Any]:
    """Everything that `book/labs/blanks/lab.js` needs besides the model.

    Args:
        root: The repository.

    Returns:
        The word bank; what is said of each label in each blank, sealed with blank and label; and
        the stops of the walk through the model, sealed with the complete set of right labels,
        because their names are the answers.
    """
    return {
        "salt": SALT,
        "bank": list(WORD_BANK),
        "blanks": list(ANSWERS),
        "sentence": SENTENCE,
        "said": sealed_texts(_said()),
        "walk": seal(_all_right(), json.dumps(_walk(), ensure_ascii=False)),
    }


def _said() -> dict[str, str]:
    """What is said of each label in each blank: + or -, and why not, in the words of the check."""
    said = {}
    for number, right in ANSWERS.items():
        for label in WORD_BANK:
            # the check explains the first wrong blank only, the laboratory each
            advice = section1._WHY_NOT.get((right, label), section1._LOOK_AT[number])
            said[f"{number}={label}"] = "+" if label == right else f"-{advice}"
    return said


def _all_right() -> str:
    """What the walk is sealed with."""
    return ";".join(f"{number}={label}" for number, label in ANSWERS.items())


def _walk() -> dict[str, Any]:
    """The stops, in the order in which the data pass them, and what is learned."""
    model = loading.load_hooked("ioi")
    steps = shapes.trace(model, SENTENCE)
    before = [step for step in steps if step.block is None]
    stops = [_stop(_BEFORE[step.name], step.name, [step]) for step in before[: len(_BEFORE)]]
    for block in range(model.cfg.n_layers):
        stops += _block([step for step in steps if step.block == block])
    stops += [_stop(_AFTER[step.name], step.name, [step]) for step in before[len(_BEFORE) :]]
    stops.append(_stop("l", "logits", before[-1:], _SOFTMAX))
    learned = section1.check_diagram(dict(ANSWERS)).learned
    return {"learned": learned, "stops": stops}


def _block(steps: list[shapes.Step]) -> list[dict[str, Any]]:
    """The stops within a block: two branches, each of reading, a part, the way back, joining."""
    stops, branch = [], 1
    part: list[shapes.Step] = []
    for step in steps:
        if step.name == "LayerNorm":
            stops.append(_stop(f"r{branch}", step.name, [step]))
        elif step.name != "add":
            part.append(step)
        else:
            stops.append(_stop(f"m{branch}", part[-1].name, part))
            stops.append(_stop(f"w{branch}", "Dropout", part[-1:], _TRAINING))
            stops.append(_stop(f"j{branch}", step.name, [step]))
            part, branch = [], branch + 1
    return stops


def _stop(place: str, name: str, steps: list[shapes.Step], meaning: str = "") -> dict[str, Any]:
    tensors = [
        {
            "name": step.name.partition(": ")[2] or "output",
            "hook": step.hook,
            "axes": [axis for axis in step.axes if axis != "batch"],
            "meaning": meaning or step.meaning.removesuffix("; then Dropout"),
        }
        for step in steps
    ]
    return {"place": place, "name": name, "block": steps[0].block, "tensors": tensors}
