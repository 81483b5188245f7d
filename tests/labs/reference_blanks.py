"""What Python says for `blanks.test.mjs`: the check's words, the drawing, a run of the model."""

import json
import re
from pathlib import Path

import torch

from coursekit.labs import blanks, circuit, sealing
from interp_rl import models
from interp_rl.models import diagram, shapes

ROOT = Path(__file__).parents[2]


def write(folder: Path) -> None:
    """Writes `blanks.json`.

    Args:
        folder: Where to.
    """
    data = blanks.data(ROOT)
    answers = [
        (f"{blank}={label}", sealing.unseal(f"{blank}={label}", data["said"][key]))
        for blank in diagram.ANSWERS
        for label in diagram.WORD_BANK
        for key in [sealing.key_of(f"{blank}={label}")]
    ]
    content = {
        "data": data,
        "model": circuit.data(ROOT),
        "said": dict(answers),
        "answers": diagram.ANSWERS,
        "frames": _frames(diagram.decoder().svg),
        "blanks": _blanks(diagram.decoder(blanks=True).svg),
        "run": _run(blanks.SENTENCE),
    }
    (folder / "blanks.json").write_text(json.dumps(content), encoding="utf-8")


def _frames(svg: str) -> list[list[int]]:
    """Place and size of every box, and the block's frame."""
    pattern = r'<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"'
    return sorted([int(number) for number in found] for found in re.findall(pattern, svg))


def _blanks(svg: str) -> dict[str, list[int]]:
    """The frame of each blank, which stands right before it."""
    pattern = (
        r'<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"[^>]*/>'
        r'(?:<text[^>]*>(?:(?!<rect).)*?</text>)*<g class="blank" data-blank="(\d)">'
    )
    return {n: list(map(int, frame)) for *frame, n in re.findall(pattern, svg)}


def _run(sentence: str) -> dict[str, object]:
    """All tensors that the walk shows, by the names of their hooks."""
    torch.set_num_threads(1)
    model = models.load_hooked("ioi")
    tokens = model.to_tokens(sentence)
    with torch.no_grad():
        _, cache = model.run_with_cache(tokens)
    values = dict(cache.items())
    values["hook_embed + hook_pos_embed"] = cache["hook_embed"] + cache["hook_pos_embed"]
    tensors = {}
    for step in shapes.trace(model, sentence):
        value = values[step.hook][0].double()
        tensors[step.hook] = {
            "shape": list(value.shape),
            # JSON has no infinity; these are the scores of later positions, which are masked
            "values": value.masked_fill(value < -1e9, -1e30).flatten().tolist(),
        }
    return {"words": model.to_str_tokens(sentence), "tensors": tensors}
