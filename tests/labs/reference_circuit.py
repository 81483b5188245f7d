"""What `interp_rl.ioi` measures on the prompts of chapter 2.6, for `circuit.test.mjs`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from coursekit.labs import circuit, circuit_set
from coursekit.labs.packing import pack_model, pack_rows
from coursekit.labs.publish import data_script
from interp_rl import ioi


@torch.no_grad()
def write(folder: Path) -> None:
    """Write the laboratory's data, and what Python computes from the same."""
    root = Path(__file__).parents[2]
    made = circuit_set.chapter()
    first, second = circuit.data(root), circuit_set.data(root)
    expected = {
        "F(M)": made.ablator.model_metric.mean().item(),
        "sets": _sets(made.ablator),
        "circuits": {each.name: _tests(made.ablator, each) for each in made.circuits},
        "with MLPs": _with_mlps(made.ablator.dataset, second),
    }
    (folder / "data.json").write_text(data_as_json(first))
    (folder / "set.json").write_text(data_as_json(second))
    (folder / "expected.json").write_text(json.dumps(expected))
    for name, data in {"circuit": first, "circuit-set": second}.items():
        (folder / f"{name}.js").write_text(data_script(name, data))


def data_as_json(data: dict[str, Any]) -> str:
    """Data as the script hands it over."""
    script = data_script("x", data)
    return script.removeprefix('labData("x",').removesuffix(");\n")


def _sets(ablator: ioi.Ablator) -> list[dict[str, Any]]:
    """Some sets of nodes, drawn, and the logit difference with them alone and without them."""
    generator = torch.Generator().manual_seed(1)
    layers, heads = ablator.weights.shape
    nodes = [
        (layer, head, position)
        for layer in range(layers)
        for head in range(heads)
        for position in ("IO", "S1", "S1+1", "S2", "END")
    ]
    sizes = (0, 1, 1, 2, 3, 5, 8, 13, 21, 34, len(nodes))
    drawn = [torch.randperm(len(nodes), generator=generator)[:size].tolist() for size in sizes]
    sets = [[nodes[index] for index in indices] for indices in drawn]
    only, without = ablator.only(sets), ablator.without(sets)
    return [
        {"nodes": some, "only": a.tolist(), "without": b.tolist()}
        for some, a, b in zip(sets, only, without, strict=True)
    ]


def _tests(ablator: ioi.Ablator, each: ioi.Circuit) -> dict[str, Any]:
    validation = ioi.Validation(ablator, each)
    worst = validation.greedy(runs=1, candidates=len(each), max_size=3)[0]
    # the laboratory draws no sets at random
    validation.random_subsets = lambda count=0: []  # type: ignore[method-assign]
    return {
        "gap": validation.faithfulness().gap,
        "classes": {name: test.gap for name, test in validation.by_class().items()},
        "greedy": {"removed": sorted(map(str, worst.removed)), "gap": worst.gap},
        "minimality": {str(test.node): test.effect.mean for test in validation.minimality()},
    }


def _with_mlps(prompts: Any, second: dict[str, Any]) -> dict[str, Any]:
    """A model of the same vocabulary whose layers have MLPs."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(5)
    config = GPT2Config(
        **{"vocab_size": len(prompts.tokenizer), "n_positions": 40, "n_embd": 20, "n_layer": 3},
        **{"n_head": 2, "n_inner": 12, "bos_token_id": 0, "eos_token_id": 0},
    )
    model = GPT2LMHeadModel(config).eval()
    for tensor in model.parameters():
        tensor.add_(0.3 * torch.randn_like(tensor))
    reference = ioi.make_dataset(prompts.tokenizer, 600, seed=9).corrupted("abc", 10)
    ablator = ioi.Ablator(model, prompts, reference=reference)
    templates = [prompt.template for prompt in prompts.prompts]
    rows = [templates.index(text) for text in dict.fromkeys(templates)]
    ends = prompts.positions["END"]
    means = [pack_rows(ablator.values[:, row, : int(ends[row]) + 1], 20) for row in rows]
    return {"model": pack_model(model), "means": means, "sets": _sets(ablator)}
