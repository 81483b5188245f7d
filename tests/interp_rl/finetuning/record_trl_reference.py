"""Records what TRL 1.12.0's PPO computes; `test_trl_reference.py` compares ours with it.

1.12.0 is the last release of TRL that has a PPOTrainer. Its arithmetic stands in the middle of the
method `train`, where no test can reach it, so a tiny model is trained with it and its local
variables are read while it runs, by Python's own tracing. Nothing is computed here. To repeat it:

    python -m venv elsewhere
    elsewhere/bin/pip install torch==2.13.0 trl==1.12.0 transformers==5.23.0
    elsewhere/bin/python tests/interp_rl/finetuning/record_trl_reference.py

It writes `trl_1_12_0.safetensors` beside itself. Names: `rollout.*` of the only batch, `step.k.*`
of the k-th gradient step, `whiten.*` of a call of `masked_whiten`, and the policy's and reference's
weights before training.
"""

import copy
import inspect
import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers
import trl
from datasets import Dataset
from safetensors.torch import save_file
from tiny_reviews import PROMPTS, VOCABULARY, make_model, make_tokenizer
from transformers import GPT2Config, GPT2ForSequenceClassification
from trl.experimental.ppo import PPOConfig, PPOTrainer
from trl.experimental.ppo.ppo_trainer import masked_whiten

OUT = Path(__file__).with_name("trl_1_12_0.safetensors")

ROLLOUT = (
    *("query_responses", "responses", "logprobs", "ref_logprobs", "scores", "values", "rewards"),
    *("advantages", "sequence_lengths", "padding_mask", "padding_mask_p1"),
)
STEP = (
    *("micro_batch_inds", "new_logprobs", "mb_logprobs", "mb_advantage", "vpred", "mb_values"),
    *("mb_return", "pg_loss", "vf_loss", "loss"),
)


def line_of(source: list[str], first: int, text: str) -> int:
    """The number of the only line that reads so."""
    found = [first + i for i, line in enumerate(source) if line.strip() == text]
    assert len(found) == 1, (text, found)
    return found[0]


def record(trainer: PPOTrainer) -> dict[str, torch.Tensor]:
    """Trains, and copies local variables of `train` before certain of its lines are executed."""
    source, first = inspect.getsourcelines(PPOTrainer.train)
    whitens = line_of(source, first, "advantages = masked_whiten(advantages, ~padding_mask)")
    epochs = line_of(source, first, "for ppo_epoch_idx in range(args.num_ppo_epochs):")
    steps = line_of(source, first, "accelerator.backward(loss)")
    kept: dict[str, torch.Tensor] = {}
    n_steps = 0

    def keep(prefix, names, variables):
        for name in names:
            kept[prefix + name] = torch.as_tensor(variables[name]).detach().clone()

    def local(frame, event, argument):
        nonlocal n_steps
        if event == "line" and frame.f_lineno == whitens:
            keep("rollout.", ROLLOUT, frame.f_locals)
            kept["rollout.context_length"] = torch.tensor(frame.f_locals["context_length"])
        if event == "line" and frame.f_lineno == epochs:
            keep("rollout.", ("returns",), frame.f_locals)
            kept["rollout.whitened"] = frame.f_locals["advantages"].clone()
        if event == "line" and frame.f_lineno == steps:
            keep(f"step.{n_steps}.", STEP, frame.f_locals)
            n_steps += 1
        return local

    code = PPOTrainer.train.__code__
    sys.settrace(lambda frame, event, argument: local if frame.f_code is code else None)
    try:
        trainer.train()
    finally:
        sys.settrace(None)
    return kept


def scalar_model(seed: int) -> GPT2ForSequenceClassification:
    """A model that gives a text one number: TRL's reward model and value model."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=32,
        n_embd=16,
        n_layer=1,
        n_head=2,
        num_labels=1,
        pad_token_id=2,
        initializer_range=0.5,
    )
    for dropout in ("resid_pdrop", "embd_pdrop", "attn_pdrop"):
        setattr(config, dropout, 0.0)
    return GPT2ForSequenceClassification(config)


def main() -> None:
    """Trains for one batch of two epochs and writes the file."""
    assert trl.__version__ == "1.12.0", trl.__version__
    torch.set_num_threads(1)
    tokenizer = make_tokenizer()
    tokenizer.padding_side = "left"
    policy = make_model()
    for module in policy.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    reference = copy.deepcopy(policy)
    torch.manual_seed(5)
    with torch.no_grad():  # so that there is a divergence from the first batch on
        for weight in policy.parameters():
            weight += 0.05 * torch.randn_like(weight)
    before = {
        f"{name}.{key}": weight.clone()
        for name, model in (("policy", policy), ("reference", reference))
        for key, weight in model.state_dict().items()
        if key != "lm_head.weight"  # tied to the embedding
    }
    prompts = [
        {"input_ids": [tokenizer.bos_token_id, *tokenizer(text)["input_ids"]]}
        for text in PROMPTS * 4
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = PPOConfig(
            output_dir=folder,
            total_episodes=16,
            per_device_train_batch_size=16,
            gradient_accumulation_steps=1,
            num_mini_batches=2,
            num_ppo_epochs=2,
            response_length=12,
            stop_token="eos",
            temperature=0.8,
            kl_coef=0.3,
            gamma=0.98,
            lam=0.9,
            learning_rate=0.02,
            cliprange=0.2,
            cliprange_value=0.2,
            vf_coef=0.1,
            num_sample_generations=0,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            seed=3,
        )
        trainer = PPOTrainer(
            args=arguments,
            processing_class=tokenizer,
            model=policy,
            ref_model=reference,
            reward_model=scalar_model(1),
            value_model=scalar_model(2),
            train_dataset=Dataset.from_list(prompts),
        )
        kept = record(trainer)
    generator = torch.Generator().manual_seed(0)
    numbers = 3 + 2 * torch.randn(5, 7, generator=generator)
    mask = torch.arange(7) <= torch.tensor([0, 3, 6, 2, 5])[:, None]
    kept |= {
        "whiten.numbers": numbers,
        "whiten.mask": mask,
        "whiten.whitened": masked_whiten(numbers, mask),
    }
    settings = ("temperature", "kl_coef", "gamma", "lam", "cliprange", "cliprange_value", "vf_coef")
    metadata = {
        "trl": trl.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "settings": json.dumps({name: getattr(arguments, name) for name in settings}),
    }
    tensors = {name: tensor.contiguous() for name, tensor in (before | kept).items()}
    save_file(tensors, OUT, metadata)
    print(f"wrote {OUT} ({OUT.stat().st_size:,} bytes, {len(tensors)} tensors)")


if __name__ == "__main__":
    main()
