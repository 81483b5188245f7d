"""`python -m interp_rl.models list | verify | train`: the models from the command line."""

import argparse
import importlib
import shutil
import sys
from pathlib import Path

from interp_rl.models import files, registry
from interp_rl.models.card import ModelCard
from interp_rl.models.errors import ModelError


def list_models() -> None:
    """Prints every model: name, role, edition, what it is."""
    for spec in registry.MODELS.values():
        try:
            card = spec.card or ModelCard.read(files.directory_of(spec))
            what = card.title or card.what
        except ModelError as error:
            what = f"({error})"
        print(f"{spec.name:12} role {spec.role:8} {spec.edition:9} {what}")


def verify_models() -> None:
    """Compares every embedded model with its card.

    Raises:
        ModelError: At the first file that is missing or differs.
    """
    for spec in _embedded():
        directory = files.directory_of(spec)
        card = ModelCard.read(directory)
        files.verify(directory, card)
        files.check_format(directory)
        print(f"{spec.name}: {len(card.files)} files are as the card says, in {directory}")


def train(name: str, *, seed: int | None, out: Path) -> None:
    """Trains an embedded model from its recipe and compares the outcome with the shipped files.

    If all are equal, they are put in the shipped files' place, which repairs damaged ones.

    Args:
        name: A role or a model's name.
        seed: Seed of the recipe; `None` for the shipped model's.
        out: A directory for `<out>/<name>`, where an interrupted run is resumed.

    Raises:
        ModelError: If the model does not exist or its card cannot be read.
    """
    spec = registry.find(name, "embedded")
    out = out / spec.name
    shipped = registry.WEIGHTS / spec.name
    card = ModelCard.read(shipped)
    arguments = ["--out", str(out), "--seed", str(card.seed if seed is None else seed)]
    print(f"python -m {spec.recipe} {' '.join(arguments)}", flush=True)
    importlib.import_module(str(spec.recipe)).main(arguments)

    equal = True
    for filename, digest in card.files.items():
        same = (out / filename).is_file() and files.sha256(out / filename) == digest
        print(f"{out / filename} {'equals' if same else 'DIFFERS from'} the shipped file")
        equal = equal and same
    for filename in card.files if equal else ():
        shutil.copyfile(out / filename, shipped / filename)
        print(f"wrote {shipped / filename}")


def _embedded() -> list[registry.ModelSpec]:
    return [spec for spec in registry.MODELS.values() if spec.edition == "embedded"]


def main(arguments: list[str] | None = None) -> int:
    """The command line.

    Args:
        arguments: As on the command line; `sys.argv` if left out.

    Returns:
        The exit code: 0, or 1 after an error.
    """
    parser = argparse.ArgumentParser(prog="python -m interp_rl.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every model, and what it is")
    commands.add_parser("verify", help="compare the embedded models with their checksums")
    trainer = commands.add_parser("train", help="train an embedded model again from its recipe")
    which = trainer.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", help="a role or a model's name")
    which.add_argument("--all", action="store_true", help="every embedded model")
    trainer.add_argument("--seed", type=int, help="default: the shipped model's")
    trainer.add_argument(
        "--out", type=Path, default=Path("runs"), help="writes OUT/NAME; default: runs"
    )
    given = parser.parse_args(arguments)
    try:
        if given.command == "list":
            list_models()
        elif given.command == "verify":
            verify_models()
        else:
            for name in [spec.name for spec in _embedded()] if given.all else [given.name]:
                train(name, seed=given.seed, out=given.out)
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
