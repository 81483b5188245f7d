"""The loop in which small Hugging Face models are trained, and its command line.

Everything is counted in steps, and what a step reads is a function of its number, so that an
interrupted run goes on from its checkpoint and ends with the same weights as an uninterrupted one.
"""

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from interp_rl.models.recipes import run_folder


@runtime_checkable
class Schedule(Protocol):
    """What the loop reads of a recipe."""

    @property
    def steps(self) -> int:
        """Optimizer steps."""

    @property
    def learning_rate(self) -> float:
        """Peak learning rate of AdamW."""

    @property
    def warmup(self) -> int:
        """Steps over which the learning rate rises, before it falls linearly to zero."""

    @property
    def weight_decay(self) -> float:
        """Of all parameters."""


def learning_rate(recipe: Schedule, step: int) -> float:
    """Warm-up, then a linear fall to zero.

    Args:
        recipe: The schedule.
        step: Number of the step, from 0.

    Returns:
        The learning rate of that step.
    """
    rise = (step + 1) / recipe.warmup
    fall = (recipe.steps - step) / (recipe.steps - min(recipe.warmup, recipe.steps - 1))
    return recipe.learning_rate * min(rise, fall, 1.0)


def fit(
    model: nn.Module,
    recipe: Schedule,
    out: Path,
    loss_at: Callable[[int], tuple[Float[Tensor, ""], Float[Tensor, ""]]],
    *,
    checkpoint_every: int = 500,
    reported: str = "loss",
) -> None:
    """Trains a model, from the checkpoint in `out` if there is one, and puts it in evaluation mode.

    Args:
        model: Changed in place.
        recipe: All settings, a dataclass.
        out: Where the checkpoint is kept while the run lasts.
        loss_at: Given the number of a step, the loss to descend and the one to report.
        checkpoint_every: Steps between two checkpoints.
        reported: Name of the loss that is reported.

    Raises:
        ValueError: If the checkpoint in `out` belongs to a run with other settings.
    """
    torch.set_num_threads(1)
    optimizer = torch.optim.AdamW(
        model.parameters(), betas=(0.9, 0.98), weight_decay=recipe.weight_decay, fused=True
    )
    first = run_folder.resume(out, recipe, model, optimizer)
    bar = tqdm(range(first, recipe.steps), initial=first, total=recipe.steps, mininterval=5)
    for step in bar:
        loss, report = loss_at(step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

        if step % 50 == 0:
            bar.set_postfix({reported: f"{report.item():.3f}"})
        if (step + 1) % checkpoint_every == 0 and step + 1 < recipe.steps:
            run_folder.keep(out, recipe, step + 1, model, optimizer)
    model.eval()


def parse_settings(
    recipe: type, description: str | None, arguments: list[str] | None
) -> tuple[Any, Path]:
    """Reads a command line on which every setting is an option, besides `--out`.

    Args:
        recipe: A dataclass of numbers and texts, each with a default.
        description: What the command does.
        arguments: As on the command line; `sys.argv` if left out.

    Returns:
        The recipe and the directory to write to.
    """
    parser = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    for setting in fields(recipe):
        option = "--" + setting.name.replace("_", "-")
        parser.add_argument(option, type=type(setting.default), default=setting.default)
    given = vars(parser.parse_args(arguments))
    out = given.pop("out")
    return recipe(**given), out
