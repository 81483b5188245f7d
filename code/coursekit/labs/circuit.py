"""What the circuit laboratory loads first: the model, its tokenizer, sentences to begin with."""

from functools import partial
from pathlib import Path
from typing import Any

from coursekit.labs.packing import pack_model, pack_tokenizer

OFFERED = ("abc", "subject flip", "order flip", "random S1", "random S2")
"""The corrupted sentences that a head can be patched from, of `ioi.CORRUPTIONS`."""

FIRST = ("When [A] and [B] went to the store, [S] gave a drink to", "Mary", "John")
"""The sentence of section 2: template, IO and S."""

DRAW_SEED = 61
"""Of the prompts that chapter 2.6 measures on, some of which are offered."""


def data(root: Path) -> dict[str, Any]:
    """Collects it.

    Args:
        root: The course's folder.

    Returns:
        Model, tokenizer, names, sentences of the task in both orders, and corruptions.
    """
    import torch

    from interp_rl import ioi, models
    from interp_rl.models.recipes.ioi_corpus import is_held_out

    torch.set_num_threads(1)
    model, tokenizer, _ = models.load("ioi")
    template, io, s = FIRST
    first = [ioi.Prompt(template, order, io, s) for order in ioi.ORDERS]
    draw = partial(ioi.make_dataset, tokenizer, pairs=is_held_out)
    drawn = draw(2 * len(ioi.TEMPLATES), seed=DRAW_SEED)
    # both orders take turns: every third prompt has now one, now the other
    texts = [prompt.text for prompt in first] + list(drawn.texts[2::3])
    return {
        "model": pack_model(model),
        "tokenizer": pack_tokenizer(tokenizer),
        "names": sorted(drawn.names),
        "sentences": texts,
        "corruptions": [
            {"kind": kind, "names": list(ioi.CORRUPTIONS[kind].names)} for kind in OFFERED
        ],
    }
