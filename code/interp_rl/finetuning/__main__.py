"""`python -m interp_rl.finetuning`: PPO from the command line, in one process or in several.

    python -m interp_rl.finetuning --out runs/ppo
    accelerate launch --num_processes 4 -m interp_rl.finetuning --batch 256 --out runs/ppo

All settings of `PPOSettings` are options. An interrupted run goes on where it was when the same
command is given again.
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from interp_rl.finetuning.ppo import PPOSettings, train
from interp_rl.finetuning.rewards import class_probability


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains and writes the model, its tokenizer and the run's figures into a folder.

    Each process reports a checksum of its weights at the end; all must be the same.

    Args:
        arguments: Command line; that of the process if left out.
    """
    options = _parser().parse_args(arguments)
    settings = PPOSettings(**{field.name: getattr(options, field.name) for field in _FIELDS})
    torch.set_num_threads(1)

    from accelerate import Accelerator

    from interp_rl import models
    from interp_rl.models import review_prompts

    accelerator = Accelerator(cpu=options.cpu)
    loaded = models.load(_name_or_path(options.model))
    classifier = models.load_classifier(_name_or_path(options.classifier))
    classifier.model.to(accelerator.device)
    tokenizer: Any = loaded.tokenizer
    if tokenizer.pad_token is None:  # GPT-2 has none; what follows the end is masked anyway
        tokenizer.pad_token = tokenizer.eos_token
    if options.prompts is None:
        prompts = review_prompts.prompts("train", 1000, tokenizer=tokenizer)
    else:
        prompts = options.prompts.read_text().splitlines()
    run = train(
        loaded.model,
        models.load(_name_or_path(options.model)).model,
        tokenizer,
        prompts,
        class_probability(classifier.model, classifier.tokenizer, options.label),
        settings,
        checkpoint=options.out / "checkpoint.pt",
        accelerator=accelerator,
    )
    checksum = hashlib.sha256()
    for weight in run.policy.state_dict().values():
        checksum.update(weight.detach().cpu().contiguous().numpy().tobytes())
    print(
        f"process {accelerator.process_index + 1} of {accelerator.num_processes}: "
        f"weights {checksum.hexdigest()[:16]}",
        flush=True,
    )
    if accelerator.is_main_process:
        run.policy.save_pretrained(options.out)
        tokenizer.save_pretrained(options.out)
        record = {"settings": asdict(settings), "history": run.history}
        (options.out / "run.json").write_text(json.dumps(record, indent=1) + "\n")
        print(f"wrote {options.out}")
    accelerator.end_training()


_FIELDS = fields(PPOSettings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m interp_rl.finetuning", description="Fine-tunes a language model by PPO."
    )
    parser.add_argument("--model", default="reviews", help="role, model or folder")
    parser.add_argument("--classifier", default="sentiment", help="role, model or folder")
    parser.add_argument("--label", default="positive", help="the class to be rewarded")
    parser.add_argument(
        "--prompts",
        type=Path,
        help="a file, one prompt per line; 1000 beginnings of reviews if none",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--cpu", action="store_true", help="use no GPU")
    for setting in _FIELDS:
        parser.add_argument(
            f"--{setting.name}", type=_reader(setting), default=setting.default, metavar="VALUE"
        )
    return parser


def _reader(setting: Any) -> Any:
    """What turns a word of the command line into the value of a setting."""

    def read(word: str) -> Any:
        if word == "none" and "None" in str(setting.type):
            return None
        if setting.type is bool:
            return bool(("false", "true").index(word))
        return int(word) if setting.type is int else float(word)

    read.__name__ = str(setting.type)
    return read


def _name_or_path(given: str) -> str | Path:
    return Path(given) if Path(given).is_dir() else given


if __name__ == "__main__":
    main()
