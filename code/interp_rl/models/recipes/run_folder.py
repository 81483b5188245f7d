"""The folder of a training run: a checkpoint while it lasts, then the model and its settings."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer


def resume(out: Path, recipe: Any, model: nn.Module, optimizer: Optimizer) -> int:
    """Puts model, optimizer and random numbers where the checkpoint has them, if there is one.

    Args:
        out: The run's folder; made if missing.
        recipe: All settings, a dataclass.
        model: Its weights are overwritten.
        optimizer: Its state is overwritten.

    Returns:
        The step to go on from; 0 without a checkpoint.

    Raises:
        ValueError: If the checkpoint belongs to a run with other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.pt"
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    if state["recipe"] != asdict(recipe):
        raise ValueError(
            f"{checkpoint} is from a run with other settings; delete it or go elsewhere"
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["rng"])
    print(f"resuming at step {state['step']} from {checkpoint}")
    return int(state["step"])


def keep(out: Path, recipe: Any, step: int, model: nn.Module, optimizer: Optimizer) -> None:
    """Writes a checkpoint; an interruption leaves the one before, never half of one.

    Args:
        out: The run's folder.
        recipe: All settings, a dataclass.
        step: How many steps are done.
        model: The weights to keep.
        optimizer: The state to keep.
    """
    state = {
        "recipe": asdict(recipe),
        "step": step,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
    }
    partial = out / "checkpoint.tmp"
    torch.save(state, partial)
    partial.replace(out / "checkpoint.pt")


def finish(out: Path, recipe: Any, model: Any, tokenizer: Any) -> None:
    """Writes model, tokenizer and settings, removes the checkpoint, and says what it wrote.

    Args:
        out: The run's folder.
        recipe: All settings, a dataclass.
        model: The finished model, of Hugging Face.
        tokenizer: Its tokenizer, of Hugging Face.
    """
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")
    (out / "checkpoint.pt").unlink(missing_ok=True)
    for path in sorted(out.iterdir()):
        path.chmod(0o644)
        print(f"wrote {path} ({path.stat().st_size:,} bytes)")
