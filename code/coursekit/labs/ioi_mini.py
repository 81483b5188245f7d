"""The model of sections 1 and 2 for the browser, as it is shipped."""

from pathlib import Path
from typing import Any

from coursekit.labs.packing import pack_model, pack_tokenizer
from interp_rl import models


def data(root: Path) -> dict[str, Any]:
    """Packs `ioi-mini`.

    Args:
        root: The course's folder.

    Returns:
        Model and tokenizer.
    """
    loaded = models.load("ioi")
    return {"model": pack_model(loaded.model), "tokenizer": pack_tokenizer(loaded.tokenizer)}
