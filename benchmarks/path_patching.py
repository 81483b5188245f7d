"""Path patching of all heads: all senders in one batch against one sender at a time.

The loop is the paper's algorithm through transformer_lens: the clean and the corrupted run are
recorded once, then each sender takes one forward pass to the logits, or two to the queries of other
heads. On the large model these passes are timed for one sender in every second layer and scaled to
all senders; they cost the same for every sender.

python benchmarks/path_patching.py [--json] [--save]      (about ten minutes on one core)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from harness import paired_seconds, provenance, ratio, run
from torch import Tensor

from interp_rl import models
from interp_rl.ioi import IOIDataset, logit_difference, make_dataset
from interp_rl.ioi.nodes import Head, all_heads
from interp_rl.ioi.path_patching import LOGITS, Receiver, path_patch
from interp_rl.ioi.weights import read_weights

SEED = 0
PROMPTS = 64
SMALL_REPEATS = 7


def loop(
    bridge: object,
    clean: IOIDataset,
    corrupted: IOIDataset,
    senders: Sequence[Head],
    receivers: Sequence[Receiver],
) -> Tensor:
    """Change of the logit difference for each sender, one sender at a time.

    Args:
        bridge: The model with hooks.
        clean: The prompts.
        corrupted: The same prompts with other names.
        senders: Heads.
        receivers: Queries at END; empty for the logits.

    Returns:
        A row for each sender and a column for each prompt; negative where the path supports IO.
    """

    def is_output(name: str) -> bool:
        return name.endswith("attn.hook_z")

    n_layers = bridge.cfg.n_layers
    rows, end = torch.arange(len(clean)), clean.positions["END"]
    _, new = bridge.run_with_cache(corrupted.tokens, names_filter=is_output)
    logits, old = bridge.run_with_cache(clean.tokens, names_filter=is_output)
    before = logit_difference(logits, clean)
    last = max((receiver.layer for receiver in receivers), default=n_layers)
    changes = torch.zeros(len(senders), len(clean))
    for index, sender in enumerate(senders):
        if sender.layer >= last:
            continue

        # heads before the sender's layer are as in the clean run without being frozen
        def freeze(z: Tensor, hook: object, sender: Head = sender) -> Tensor:
            if not hook.name.startswith(f"blocks.{sender.layer}."):
                return old[hook.name]
            z = old[hook.name].clone()
            z[:, :, sender.head] = new[hook.name][:, :, sender.head]
            return z

        hooks = [(f"blocks.{n}.attn.hook_z", freeze) for n in range(sender.layer, n_layers)]
        if not receivers:
            logits = bridge.run_with_hooks(clean.tokens, fwd_hooks=hooks)
        else:
            read: dict[str, Tensor] = {}

            def keep(q: Tensor, hook: object, read: dict = read) -> None:
                read[hook.name] = q

            def patch(q: Tensor, hook: object, read: dict = read) -> Tensor:
                q = q.clone()
                for receiver in receivers:
                    if hook.name == f"blocks.{receiver.layer}.attn.hook_q":
                        head = receiver.head
                        q[rows, end, head] = read[hook.name][rows, end, head]
                return q

            places = sorted({f"blocks.{receiver.layer}.attn.hook_q" for receiver in receivers})
            bridge.run_with_hooks(
                clean.tokens, fwd_hooks=hooks + [(place, keep) for place in places]
            )
            logits = bridge.run_with_hooks(
                clean.tokens, fwd_hooks=[(place, patch) for place in places]
            )
        changes[index] = logit_difference(logits, clean) - before
    return changes


def compare(
    bridge: object,
    plain_or_bridge: object,
    clean: IOIDataset,
    receivers: Sequence[Receiver],
    *,
    timed: Sequence[Head],
    repeats: int,
    warmup: int,
) -> dict:
    """Times both ways and compares what they find.

    Args:
        bridge: The model with hooks, for the loop.
        plain_or_bridge: The model, for the batch.
        clean: The prompts.
        receivers: Queries at END; empty for the logits.
        timed: The senders that the loop runs; its time is scaled to all that can reach a receiver.
        repeats: Counted rounds.
        warmup: Rounds before them.

    Returns:
        Ratio of times, largest difference, and peak memory of each way.
    """
    corrupted = clean.corrupted("abc", SEED)
    senders = all_heads(bridge.cfg.n_layers, bridge.cfg.n_heads)
    last = max((receiver.layer for receiver in receivers), default=bridge.cfg.n_layers)
    reaching = [head for head in senders if head.layer < last]
    timed = [head for head in timed if head.layer < last]
    found: dict[str, Tensor] = {}
    peaks: dict[str, float] = {}

    # like the bridge's own preparation, done once for all experiments on a model
    weights = read_weights(plain_or_bridge)

    def batch() -> None:
        effects = path_patch(weights, clean, corrupted, receivers=list(receivers) or LOGITS)
        found["batch"] = effects.change

    def one_by_one() -> None:
        found["loop"] = loop(bridge, clean, corrupted, timed, receivers)

    ways = {
        "batch": measuring_peak("batch", batch, peaks),
        "loop": measuring_peak("loop", one_by_one, peaks),
    }
    scale = len(reaching) / len(timed)
    if scale > 1:  # the two runs that are recorded once must not be scaled
        ways["recording"] = lambda: loop(bridge, clean, corrupted, [], receivers)
    seconds = paired_seconds(ways, repeats=repeats, warmup=warmup)
    recording = seconds.get("recording", [0.0] * repeats)
    one_by_one_seconds = [
        once + scale * (total - once)
        for once, total in zip(recording, seconds["loop"], strict=True)
    ]
    ours = found["batch"][[senders.index(head) for head in timed]]
    return {
        "ratio": ratio(one_by_one_seconds, seconds["batch"]),
        "senders": len(reaching),
        "senders_timed_in_the_loop": len(timed),
        "seconds_of_the_batch": sorted(seconds["batch"])[len(seconds["batch"]) // 2],
        "largest_difference": (ours - found["loop"]).abs().max().item(),
        "largest_effect": found["loop"].abs().max().item(),
        "peak_megabytes": peaks,
    }


def measuring_peak(
    name: str, function: Callable[[], None], peaks: dict[str, float]
) -> Callable[[], None]:
    """Adds to a function a note of the most resident memory, beyond what was there before.

    Args:
        name: Key of the note.
        function: What to run.
        peaks: Where to note it, in megabytes.

    Returns:
        The function; where the kernel does not count, nothing is noted.
    """
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")

    def kilobytes(field: str) -> int:
        line = next(line for line in status.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1])

    def measured() -> None:
        if sys.platform != "linux":
            return function()
        reset.write_text("5")  # resets the high-water mark
        before = kilobytes("VmRSS")
        function()
        peaks[name] = max(peaks.get(name, 0.0), (kilobytes("VmHWM") - before) / 1e3)
        return None

    return measured


def gpt2_small_shape(tokenizer: object) -> tuple[object, object]:
    """A random model of GPT-2 small's shape, plain and with hooks.

    Args:
        tokenizer: Any tokenizer; its tokens are valid for the larger vocabulary.

    Returns:
        The plain model, and a bridge on another copy of it.
    """
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import GPT2Config, GPT2LMHeadModel

    def build() -> GPT2LMHeadModel:
        torch.manual_seed(SEED)
        model = GPT2LMHeadModel(GPT2Config(attn_implementation="eager")).eval()
        for name, parameter in model.named_parameters():
            if ".attn." in name:
                parameter *= 3  # as initialised, heads hardly matter; by 8, rounding does
        return model

    bridge = TransformerBridge.boot_transformers(
        "gpt2-small-shape", hf_model=build(), tokenizer=tokenizer, device="cpu"
    )
    bridge.enable_compatibility_mode(disable_warnings=True)
    return build(), bridge


def measure() -> dict:
    """Compares the two ways on both models, to the logits and to queries.

    Returns:
        The record of the benchmark.
    """
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    mini = models.load_hooked("ioi", edition="embedded")
    mini.set_use_attn_result(False)  # the loop does not need it, and it would be slower
    clean = make_dataset(mini.tokenizer, PROMPTS, seed=SEED)
    last = mini.cfg.n_layers - 1
    mini_queries = [Receiver("q", last, head, "END") for head in range(3)]
    every = all_heads(mini.cfg.n_layers, mini.cfg.n_heads)
    settings = {"timed": every, "repeats": SMALL_REPEATS, "warmup": 2}
    figures = {
        "ioi-mini, to the logits": compare(mini, mini, clean, [], **settings),
        "ioi-mini, to queries": compare(mini, mini, clean, mini_queries, **settings),
    }

    plain, large = gpt2_small_shape(mini.tokenizer)
    some = [Head(layer, layer) for layer in range(0, large.cfg.n_layers, 2)]
    # as many, and as late, as the name movers of GPT-2 small
    large_queries = [Receiver("q", *head, "END") for head in ((9, 6), (9, 9), (10, 0))]
    settings = {"timed": some, "repeats": 1, "warmup": 0}
    figures |= {
        "GPT-2 small's shape, to the logits": compare(large, plain, clean, [], **settings),
        "GPT-2 small's shape, to queries": compare(large, plain, clean, large_queries, **settings),
    }
    return {
        "question": "How much faster are all path patches in one batch than one sender at a time?",
        "finding": (
            "Only END is computed again, from the sender's layer on, and all senders share the "
            "clean and the corrupted run."
        ),
        "ratios": {f"loop / batch: {name}": figures[name].pop("ratio") for name in figures},
        "figures": figures,
        "setting": {"prompts": PROMPTS, "positions": clean.tokens.shape[1]},
        "provenance": provenance(["torch", "transformers", "transformer-lens"], SEED),
    }


if __name__ == "__main__":
    run("path_patching", measure)
