r"""TRL's own RLOO and GRPO on the same model, prompts and reward as this course's PPO.

Both trainers stand behind one function, `configure`, that sets the options which are known to bite,
and behind one list of refusals, `refuse`: each of them is a run that TRL 1.16 would carry out
without a complaint and with a wrong result. On one machine::

    python -m interp_rl.finetuning.trl_runs rloo --beta 0.05 --out runs/rloo

and on several GPUs, every process with its share of each batch::

    INTERP_RL_MODELS=hub accelerate launch --num_processes 2 \
        -m interp_rl.finetuning.trl_runs rloo --beta 0.05 --device auto --out runs/rloo

Sources: Ahmadian et al. 2024 (RLOO, arXiv 2402.14740); Shao et al. 2024 (GRPO, arXiv 2402.03300);
for what the trainers do, their code in TRL 1.16.0.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from interp_rl.finetuning.rewards import Reward, checked, class_probability

if TYPE_CHECKING:
    import transformers

DEFAULT_BETA = {"rloo": 0.05, "grpo": 0.0}
"""The KL coefficients that TRL 1.16 takes when none is given."""


@dataclass(frozen=True)
class TrlSettings:
    """Everything that decides how a run goes; the same settings give the same run."""

    beta: float | None = None
    """KL coefficient; must be given. RLOO subtracts beta times the KL of the whole continuation
    from its reward, GRPO adds beta times the KL per token to the loss"""
    steps: int = 100
    """how many batches are sampled"""
    batch: int = 64
    """texts in each batch, over all processes"""
    generations: int = 4
    """continuations of each prompt in a batch; their leave-one-out mean (GRPO: mean) is the
    baseline"""
    new_tokens: int = 24
    """longest continuation"""
    learning_rate: float = 1e-3
    """AdamW's step size, which falls linearly to zero over the run"""
    iterations: int = 1
    """gradient steps on each batch; 1 is on-policy"""
    temperature: float = 1.0
    """the logits are divided by this, in sampling and in the loss"""
    largest_gradient: float = 1.0
    """longer gradients are shortened to this length"""
    seed: int = 0
    """seed of the order of the prompts and of the continuations"""
    device: str = "cpu"
    """`cpu`, or `auto` for the GPU that `accelerate launch` gives to the process"""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "new_tokens", "iterations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("learning_rate", "temperature", "largest_gradient"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.device not in ("cpu", "auto"):
            raise ValueError(f"device is {self.device!r}; it is 'cpu' or 'auto'")
        if self.generations < 2:
            raise ValueError(
                f"generations is {self.generations}: a single continuation of a prompt has no "
                "siblings whose reward could be its baseline; take at least 2"
            )
        if self.batch % self.generations:
            raise ValueError(
                f"batch is {self.batch}, which is not divisible by generations = "
                f"{self.generations}: the last prompt would lack some of its continuations, and "
                "with them its baseline"
            )


@dataclass
class TrlRun:
    """A finished run."""

    method: str
    """which trainer, "rloo" or "grpo\""""
    settings: TrlSettings
    """what decided how it went"""
    policy: transformers.GPT2LMHeadModel
    """the trained model, in evaluation mode; the model that training began from is unchanged"""
    history: dict[str, list[float]] = field(default_factory=dict)
    """one entry per batch, see `COLUMNS`"""
    seconds: float = 0.0
    """processor time used; the only thing here that differs between equal runs"""


COLUMNS = ("reward", "kl", "entropy", "length", "clipped")
"""Mean reward without the KL term; KL from the reference per continuation in nats, as the trainer
estimates it from the batch (RLOO: k1, which can be negative by chance; GRPO: k3), NaN if beta is 0,
because no reference is loaded then; entropy per token in nats; tokens per continuation, the end
token included; share of the ratios to the old policy beyond the clip."""

FIXED: dict[str, tuple[Any, str]] = {
    "bf16": (
        False,
        "TRL's default computes in 16 bits, where a log-probability is off by about 0.01, as much "
        "as the KL per token that is to be controlled",
    ),
    "fp16": (False, "16 bits are too few for log-probabilities whose differences matter"),
    "disable_dropout": (
        True,
        "with dropout, TRL's default, the model of the loss is another than the one that sampled: "
        "fresh samples look off-policy, and their ratios are clipped",
    ),
    "gradient_checkpointing": (
        False,
        "TRL's default saves memory that a small model does not need, at the price of computing "
        "every forward pass twice",
    ),
    "report_to": ("none", "nothing is to be sent to a tracking service"),
    "push_to_hub": (False, "nothing is to be uploaded"),
    "save_strategy": ("no", "the policy is returned; checkpoints would fill the disk"),
    "mask_truncated_completions": (
        False,
        "continuations without an end token would drop out of the loss but stay in the baseline",
    ),
    "sync_ref_model": (
        False,
        "the KL is to be that from the model where training began, not from a moving one",
    ),
}
"""Options that `configure` sets, and why; they cannot be given."""

FIELDS = {
    "max_steps": "steps",
    "num_generations": "generations",
    "max_completion_length": "new_tokens",
    "per_device_train_batch_size": "batch",
    "generation_batch_size": "batch",
    "steps_per_generation": "batch",
    "gradient_accumulation_steps": "batch",
    "num_iterations": "iterations",
    "max_grad_norm": "largest_gradient",
    "data_seed": "seed",
    "use_cpu": "device",
    **{name: name for name in ("beta", "learning_rate", "temperature", "seed")},
}
"""Options of TRL that are decided by a field of `TrlSettings`."""


def train_rloo(
    policy: transformers.GPT2LMHeadModel,
    tokenizer: transformers.PreTrainedTokenizerBase,
    prompts: Sequence[str],
    reward: Reward,
    settings: TrlSettings,
    *,
    progress: bool = False,
    **options: Any,
) -> TrlRun:
    """Fine-tunes a copy of a model with TRL's `RLOOTrainer`.

    Each continuation's reward, minus beta times its summed log-ratio to the reference, is compared
    with the mean of its siblings (leave-one-out), and weights its log-probability.

    Args:
        policy: A model as `models.load` returns it; not changed.
        tokenizer: Its tokenizer, with an end and a padding token.
        prompts: Beginnings of texts, all of the same number of tokens.
        reward: Scores whole texts, prompt and continuation without special tokens.
        settings: The settings; beta must be given.
        progress: Whether to show a progress bar.
        options: Further options of `trl.RLOOConfig`; none of `FIXED` or `FIELDS`.

    Returns:
        The run.

    Raises:
        ValueError: If TRL would train without a complaint and wrongly; see `refuse` and
            `configure`. Also if the reward function returns something other than one finite number
            for each text.
    """
    return _train("rloo", policy, tokenizer, prompts, reward, settings, progress, options)


def train_grpo(
    policy: transformers.GPT2LMHeadModel,
    tokenizer: transformers.PreTrainedTokenizerBase,
    prompts: Sequence[str],
    reward: Reward,
    settings: TrlSettings,
    *,
    progress: bool = False,
    **options: Any,
) -> TrlRun:
    """Fine-tunes a copy of a model with TRL's `GRPOTrainer`.

    Each continuation's reward is compared with the mean of its group and divided by the group's
    standard deviation; the KL is a term of the loss, per token, and its gradient is corrected by
    the importance ratio (TRL's `use_bias_correction_kl`).

    Args:
        policy: As for `train_rloo`.
        tokenizer: As for `train_rloo`.
        prompts: As for `train_rloo`.
        reward: As for `train_rloo`.
        settings: As for `train_rloo`.
        progress: Whether to show a progress bar.
        options: Further options of `trl.GRPOConfig`; none of `FIXED` or `FIELDS`.

    Returns:
        The run.

    Raises:
        ValueError: As for `train_rloo`.
    """
    return _train("grpo", policy, tokenizer, prompts, reward, settings, progress, options)


def configure(
    method: str, settings: TrlSettings, folder: str | Path, **options: Any
) -> transformers.TrainingArguments:
    """TRL's configuration for these settings, with the options known to bite set.

    Args:
        method: "rloo" or "grpo".
        settings: The settings.
        folder: Where TRL may write.
        options: Further options of TRL.

    Returns:
        A `trl.RLOOConfig` or a `trl.GRPOConfig`.

    Raises:
        ValueError: If beta is not given or negative, an option is one that must not be changed, or
            the batch cannot be shared equally among the processes.
    """
    if method not in DEFAULT_BETA:
        raise ValueError(f"method is {method!r}; it is one of {tuple(DEFAULT_BETA)}")
    if settings.beta is None:
        raise ValueError(
            "beta is not given. TRL would take 0.05 for RLOO and 0, that is no KL penalty at all, "
            "for GRPO; say which you mean: TrlSettings(beta=...)"
        )
    if not 0 <= settings.beta < math.inf:
        raise ValueError(f"beta is {settings.beta}; a KL penalty is not negative and finite")
    for name, value in options.items():
        if name in FIXED and value != FIXED[name][0]:
            raise ValueError(f"{name}={value!r} is refused: {FIXED[name][1]}")
        if name in FIELDS:
            raise ValueError(f"{name} is decided by the settings: TrlSettings({FIELDS[name]}=...)")
    from accelerate import PartialState
    from trl import GRPOConfig, RLOOConfig

    processes = PartialState(cpu=settings.device == "cpu").num_processes
    if settings.batch % processes:
        raise ValueError(
            f"batch is {settings.batch}, which {processes} processes cannot share equally"
        )
    return {"rloo": RLOOConfig, "grpo": GRPOConfig}[method](
        output_dir=str(folder),
        beta=settings.beta,
        max_steps=settings.steps * settings.iterations,
        per_device_train_batch_size=settings.batch // processes,
        num_generations=settings.generations,
        num_iterations=settings.iterations,
        max_completion_length=settings.new_tokens,
        learning_rate=settings.learning_rate,
        max_grad_norm=settings.largest_gradient,
        temperature=settings.temperature,
        seed=settings.seed,
        data_seed=settings.seed,
        use_cpu=settings.device == "cpu",
        **{name: value for name, (value, _) in FIXED.items()},
        **{
            "lr_scheduler_type": "linear",
            "logging_steps": 1,
            "disable_tqdm": True,
            "log_level": "error",
            "dataloader_pin_memory": settings.device != "cpu",
            **{name: value for name, value in options.items() if name not in FIXED},
        },
    )


def refuse(
    policy: transformers.GPT2LMHeadModel,
    tokenizer: transformers.PreTrainedTokenizerBase,
    prompts: Sequence[str],
    settings: TrlSettings,
) -> None:
    """Refuses what TRL 1.16 would accept and get wrong.

    Args:
        policy: The model that training begins from.
        tokenizer: Its tokenizer.
        prompts: The prompts, as TRL will be given them.
        settings: The settings.

    Raises:
        ValueError: If the tokenizer has no padding or end token, or more tokens than the model; if
            there are no prompts, fewer than a batch needs, or prompts of unequal length; if a text
            would not fit into the model; or if the reference, which TRL loads from the directory
            that the policy came from, would not be the policy that training begins from.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError(
            "the tokenizer has no end token, so that no continuation could end; set eos_token"
        )
    if tokenizer.pad_token_id is None:
        raise ValueError(
            "the tokenizer has no padding token. TRL would silently pad with the end token; decide "
            f"it yourself: tokenizer.pad_token = {tokenizer.eos_token!r}, or a token of its own"
        )
    if len(tokenizer) > policy.config.vocab_size:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} tokens and the model {policy.config.vocab_size}: "
            "they do not belong together"
        )
    _refuse_prompts(policy, tokenizer, prompts, settings)
    if settings.beta:  # without a penalty no reference is loaded
        _refuse_reference(policy)


def _refuse_prompts(policy: Any, tokenizer: Any, prompts: Sequence[str], settings: Any) -> None:
    needed = settings.batch // settings.generations
    if len(prompts) < needed:
        raise ValueError(
            f"there are {len(prompts)} prompts, and a batch needs {needed}. TRL drops the "
            "incomplete batch, so that it would stop before the first step; give more prompts"
        )
    lengths = [len(ids) for ids in tokenizer(list(prompts))["input_ids"]]
    shortest, longest = min(lengths), max(lengths)
    if shortest != longest:
        raise ValueError(
            f"the prompts have from {shortest} to {longest} tokens. TRL 1.16 pads them on the left "
            "but sends no position ids with GPT-2 when it computes log-probabilities, so that the "
            "padded ones are read at wrong positions and the KL can even become negative; cut the "
            "prompts to equal length, or train by interp_rl.finetuning.ppo, which sends them"
        )
    limit = policy.config.n_positions
    if longest + settings.new_tokens > limit:
        raise ValueError(
            f"prompts of {longest} tokens and {settings.new_tokens} new ones do not fit into the "
            f"model's {limit} positions; set new_tokens to at most {limit - longest}"
        )


def _refuse_reference(policy: Any) -> None:
    """TRL loads the reference from where the configuration says the policy was loaded from."""
    from transformers import AutoModelForCausalLM

    path = Path(policy.config._name_or_path)
    if not policy.config._name_or_path or not (path / "config.json").is_file():
        raise ValueError(
            f"the policy says that it was loaded from {str(path)!r}, which is no model directory. "
            "TRL loads the reference of the KL penalty from there; save the policy with "
            "save_pretrained, and load it from that directory"
        )
    saved = AutoModelForCausalLM.from_pretrained(
        path, local_files_only=True, dtype=policy.dtype
    ).state_dict()
    memory = policy.state_dict()
    changed = [
        name
        for name, value in memory.items()
        if name not in saved or not torch.equal(saved[name], value.cpu())
    ]
    if changed:
        raise ValueError(
            f"the policy in memory is not the one saved in {path}: {len(changed)} of its tensors "
            f"differ, {changed[0]} among them. TRL loads the reference of the KL penalty from "
            "there, and would measure the distance to another model than the one that training "
            "begins from; save the policy with save_pretrained, and load it again"
        )


def _train(
    method: str,
    policy: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    reward: Reward,
    settings: TrlSettings,
    progress: bool,
    options: dict[str, Any],
) -> TrlRun:
    prompts = with_bos(tokenizer, prompts)
    with _undisturbed(), tempfile.TemporaryDirectory() as folder:
        arguments = configure(method, settings, folder, **options)
        refuse(policy, tokenizer, prompts, settings)
        history: dict[str, list[float]] = {name: [] for name in COLUMNS}
        trainer = make_trainer(method, copy.deepcopy(policy), tokenizer, prompts, reward, arguments)
        trainer.add_callback(_recorder(history, settings.steps, progress))
        start = time.process_time()
        trainer.train()
        seconds = time.process_time() - start
        trained = trainer.accelerator.unwrap_model(trainer.model)
        # TRL replaces the model's forward and removes its dropout: the weights go into a clean one
        clean = type(policy)(copy.deepcopy(policy.config)).eval()
        clean.load_state_dict(trained.state_dict())
    return TrlRun(method, settings, clean, history, seconds)


def with_bos(tokenizer: transformers.PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[str]:
    """The prompts with the token that begins a text, which TRL does not add.

    TRL calls the tokenizer on each prompt as it is, and the tokenizers of this course add nothing.

    Args:
        tokenizer: The tokenizer.
        prompts: Beginnings of texts.

    Returns:
        Each prompt, the beginning token before it unless it is there already.

    Raises:
        ValueError: If there are no prompts, or a prompt is no text.
    """
    if isinstance(prompts, str) or not prompts or not all(isinstance(p, str) for p in prompts):
        raise ValueError(
            f"prompts must be a list of texts, at least one; got {type(prompts).__name__}"
        )
    bos = tokenizer.bos_token or ""
    first = tokenizer("a")["input_ids"][:1]
    if bos and first == [tokenizer.bos_token_id]:  # this tokenizer adds it by itself
        return list(prompts)
    return [prompt if bos and prompt.startswith(bos) else bos + prompt for prompt in prompts]


def make_trainer(
    method: str,
    policy: transformers.GPT2LMHeadModel,
    tokenizer: transformers.PreTrainedTokenizerBase,
    prompts: Sequence[str],
    reward: Reward,
    arguments: transformers.TrainingArguments,
) -> transformers.Trainer:
    """TRL's trainer for this configuration; nothing is refused here.

    Args:
        method: "rloo" or "grpo".
        policy: The model, which TRL changes.
        tokenizer: Its tokenizer.
        prompts: The prompts as TRL is to tokenize them, the beginning token included.
        reward: Scores whole texts.
        arguments: What `configure` returned.

    Returns:
        A `trl.RLOOTrainer` or a `trl.GRPOTrainer`.
    """
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback
    from trl import GRPOTrainer, RLOOTrainer

    def whole_text_reward(
        prompts: list[str], completion_ids: list[list[int]], **_: Any
    ) -> list[float]:
        ids = [
            begun + new
            for begun, new in zip(tokenizer(prompts)["input_ids"], completion_ids, strict=True)
        ]
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        return checked(reward, [text.strip() for text in texts]).tolist()

    trainer = {"rloo": RLOOTrainer, "grpo": GRPOTrainer}[method](
        model=policy,
        reward_funcs=whole_text_reward,
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": list(prompts)}),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _recorder(history: dict[str, list[float]], steps: int, progress: bool) -> Any:
    """A callback that keeps what TRL logs of each batch."""
    from tqdm.auto import tqdm
    from transformers import TrainerCallback

    class Recorder(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.bar = tqdm(total=steps, disable=not progress, unit="batch")

        def on_log(self, _: Any, __: Any, ___: Any, logs: dict[str, float], **____: Any) -> None:
            if "reward" not in logs:  # a later gradient step on the same batch, or the summary
                return
            length = logs["completions/mean_length"]
            row = {
                "reward": logs["reward"],
                "kl": logs.get("kl", math.nan) * length,  # TRL logs the mean over all tokens
                "entropy": logs["entropy"],
                "length": length,
                "clipped": logs["clip_ratio/region_mean"],
            }
            for name, value in row.items():
                history[name].append(value)
            self.bar.set_postfix_str(f"reward {row['reward']:.2f}", refresh=False)
            self.bar.update()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self.bar.close()

    return Recorder()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leaves random numbers and verbosity as they were: TRL seeds and talks globally."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    states = random.getstate(), np.random.get_state()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # TRL uses names transformers gave up
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def main(arguments: Sequence[str] | None = None) -> None:
    """Fine-tunes the course's language model of reviews, and writes model, tokenizer and history.

    Args:
        arguments: Command line; that of the process if left out.
    """
    parser = argparse.ArgumentParser(
        prog="python -m interp_rl.finetuning.trl_runs",
        description="Fine-tunes the language model of film reviews by TRL's RLOO or GRPO.",
    )
    parser.add_argument("method", choices=tuple(DEFAULT_BETA))
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--words", type=int, default=4, help="tokens of each prompt (default 4)")
    for setting in fields(TrlSettings):
        kind = float if setting.name == "beta" else type(setting.default)
        parser.add_argument(
            f"--{setting.name}", type=kind, default=setting.default, metavar="VALUE"
        )
    given = vars(parser.parse_args(arguments))
    method, out, words = given.pop("method"), given.pop("out"), given.pop("words")
    settings = TrlSettings(**given)
    torch.set_num_threads(1)

    from accelerate import PartialState

    from interp_rl import models
    from interp_rl.models.review_prompts import prompts

    process = PartialState(cpu=settings.device == "cpu")
    policy, tokenizer, _ = models.load("reviews")
    classifier = models.load_classifier("sentiment")
    if tokenizer.pad_token is None:  # GPT-2 has none; what follows the end is masked anyway
        tokenizer.pad_token = tokenizer.eos_token
    run = _train(
        method,
        policy,
        tokenizer,
        prompts("train", 200, words=words, tokenizer=tokenizer),
        class_probability(
            classifier.model.to(process.device),
            classifier.tokenizer,
            classifier.labels.index("positive"),
        ),
        settings,
        process.is_main_process,
        {},
    )
    if process.is_main_process:
        run.policy.save_pretrained(out)
        tokenizer.save_pretrained(out)
        record = {"method": method, "settings": asdict(settings), "history": run.history}
        (out / "run.json").write_text(json.dumps(record, indent=1) + "\n")
        print(f"reward {run.history['reward'][0]:.2f} -> {run.history['reward'][-1]:.2f}")
        print(f"wrote {out}")


if __name__ == "__main__":
    main()
