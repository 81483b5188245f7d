"""The two small distributions with which the laboratory on KL estimates begins."""

from pathlib import Path
from typing import Any

from interp_rl.finetuning.kl import random_policies


def data(root: Path) -> dict[str, Any]:
    """Takes those of the chapter.

    Args:
        root: The course's folder.

    Returns:
        `reference`, logits of six tokens, and `step`, what is added to them for each unit of the
        distance that the chapter calls 0.3 when near and 2.0 when far.
    """
    policy, reference = random_policies(vocabulary=6, distance=1.0)
    return {
        "reference": reference[0].tolist(),
        "step": (policy - reference)[0].tolist(),
    }
