"""What looking inside costs: the bare model against the hooked one, with and without a cache.

python benchmarks/looking_inside.py [--json] [--save]
"""

from __future__ import annotations

import torch
from harness import paired_seconds, provenance, ratio, run

from interp_rl import models

SEED = 0
PROMPTS, POSITIONS, REPEATS = 64, 20, 15


def measure() -> dict:
    """Time one batch of random tokens through the embedded IOI model in four ways."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    bare = models.load("ioi").model
    hooked = models.load_hooked("ioi")
    tokens = torch.randint(3, bare.config.vocab_size, (PROMPTS, POSITIONS))

    def keep_pattern(name: str) -> bool:
        return name.endswith("hook_pattern")

    seconds = paired_seconds(
        {
            "bare": lambda: bare(tokens).logits,
            "hooked": lambda: hooked(tokens),
            "patterns": lambda: hooked.run_with_cache(tokens, names_filter=keep_pattern),
            "cache": lambda: hooked.run_with_cache(tokens),
        },
        repeats=REPEATS,
        warmup=3,
    )
    _, cache = hooked.run_with_cache(tokens)
    kept = sum(value.numel() * value.element_size() for value in cache.values())
    return {
        "question": "How much slower is a forward pass when it can be looked into?",
        "ratios": {
            "hooked / bare": ratio(seconds["hooked"], seconds["bare"]),
            "attention patterns kept / bare": ratio(seconds["patterns"], seconds["bare"]),
            "everything kept / bare": ratio(seconds["cache"], seconds["bare"]),
        },
        "sizes": {"cache_megabytes": kept / 1e6, "activations": len(cache)},
        "setting": {"prompts": PROMPTS, "positions": POSITIONS, "repeats": REPEATS},
        "provenance": provenance(["torch", "transformers", "transformer-lens"], SEED),
    }


if __name__ == "__main__":
    run("looking_inside", measure)
