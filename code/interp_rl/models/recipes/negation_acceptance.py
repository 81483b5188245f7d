"""What `negation-mini` must show before it ships, its measurement, and its card.

    python -m interp_rl.models.recipes.negation_acceptance RUNS [TARGET]

`RUNS` holds one directory for each seed, `seed-0`, `seed-1`, ... Each is measured and goes into the
card; with a `TARGET`, the chosen one is copied there and the card written beside it.

The thresholds in `Criteria` were written down before the first full run. Every figure is measured
on combinations of negatives and verb that are not in the training text.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import GPT2LMHeadModel

from interp_rl.models.files import copy_release, released_checksums
from interp_rl.models.recipes.negation_corpus import (
    BOS,
    HELD_OUT_PAIRS,
    KINDS,
    PAD,
    QUESTIONS,
    VOCABULARY,
    Example,
    draw,
)


@dataclass(frozen=True)
class Criteria:
    """The thresholds. A model is accepted if it meets every one of them."""

    examples: int = 400
    """texts of each kind, question, and with or without a distractor"""
    answers: float = 0.98
    """at least this share is right, over all held-out combinations, for either question"""
    each_kind: float = 0.95
    """and at least this share of each kind, with a distractor and without"""
    new_pairs: float = 0.90
    """and at least this share where the pair of negatives itself is new"""
    megabytes: float = 0.5
    """the weights take no more than this"""


CRITERIA = Criteria()
"""The criteria of `negation-mini`."""

#: Which of the measured seeds is shipped.
SELECTION_RULE = "the seed that meets most criteria, and of several the smallest"

DEVELOPMENT: tuple[str, ...] = (
    "seed 100, two layers, 15 verbs: stopped after 8% of 5,000 steps, to save time",
    "seed 101, two layers, 15 verbs, 2,500 steps: 71% right on yes and no, 90% on kinds. Three "
    "verbs never stood in an affirmative sentence, and the model took them for negated: since then "
    "the held-out verbs differ among affirmative patterns, and there are 30 verbs and three layers",
    "after seed 0 had been looked at, the texts that measure draw all combinations of negatives "
    "equally often; before, 40% of the double ones had a pair never seen together",
    "seed 0, 2,000 steps: 98.9% right on yes and no, 98.8% on kinds, 94.0% in the worst group, "
    "88.9% on new pairs, so that two criteria were missed; the loss was still falling, and "
    "the number of steps was tripled",
    "seed 1, 2,000 steps, and seed 1, the present recipe: stopped before their ends and not "
    "measured, to save time",
)
"""Every run made while the recipe was looked for."""


def encode(examples: Sequence[Example]) -> Int[Tensor, "example pos"]:
    """Texts to token ids, `<|bos|>` before and `<|pad|>` behind.

    Args:
        examples: The texts.

    Returns:
        Token ids.
    """
    ids = {word: index for index, word in enumerate(VOCABULARY)}
    length = max(example.end for example in examples) + 1
    rows = [(BOS, *e.words, *[PAD] * (length - 1 - e.end)) for e in examples]
    return torch.tensor([[ids[word] for word in row] for row in rows])


def is_right(model: GPT2LMHeadModel, examples: Sequence[Example]) -> Bool[Tensor, " example"]:
    """Whether the likeliest next word, of all words, is the answer.

    Args:
        model: The model.
        examples: The texts.

    Returns:
        One truth value for each text.
    """
    with torch.no_grad():
        logits = model(encode(examples)).logits
    ends = torch.tensor([example.end for example in examples])
    answers = torch.tensor([VOCABULARY.index(example.answer) for example in examples])
    return logits[torch.arange(len(examples)), ends].argmax(-1) == answers


def measure(directory: Path, criteria: Criteria = CRITERIA, seed: int = 0) -> dict:
    """Measures a model directory on every criterion.

    Args:
        directory: Model in Hugging Face format.
        criteria: The thresholds.
        seed: Seed of the texts.

    Returns:
        `figures`; `passed` for each criterion; `accepted`.
    """
    model = GPT2LMHeadModel.from_pretrained(directory).eval()
    rng = random.Random(f"negation acceptance {seed}")
    figures: dict[str, float] = {"texts in each group": criteria.examples}
    right: dict[str, list[float]] = {}
    new_pairs: list[float] = []
    for question in QUESTIONS:
        for kind in KINDS:
            for distractor in (False, True):
                group = [
                    draw(rng, kind=kind, question=question, distractor=distractor, held_out=True)
                    for _ in range(criteria.examples)
                ]
                found = is_right(model, group).float().tolist()
                name = f"{question}: {kind}{', distractor' if distractor else ''}"
                figures[name] = sum(found) / len(found)
                right.setdefault(question, []).extend(found)
                new_pairs += [
                    value
                    for value, example in zip(found, group, strict=True)
                    if example.pattern.negative_parts in HELD_OUT_PAIRS
                ]
    groups = [value for name, value in figures.items() if ":" in name]
    for question, values in right.items():
        figures[f"{question}, all"] = sum(values) / len(values)
    figures["pairs of negatives never seen together"] = sum(new_pairs) / len(new_pairs)
    triples = [
        draw(rng, kind="triple", question="did", distractor=False, held_out=True)
        for _ in range(2 * criteria.examples)
    ]
    figures["three negatives in one sentence (no criterion)"] = (
        is_right(model, triples).float().mean().item()
    )
    figures["megabytes"] = (directory / "model.safetensors").stat().st_size / 1e6
    passed = {
        "answers": all(figures[f"{question}, all"] >= criteria.answers for question in QUESTIONS),
        "each_kind": min(groups) >= criteria.each_kind,
        "new_pairs": figures["pairs of negatives never seen together"] >= criteria.new_pairs,
        "megabytes": figures["megabytes"] <= criteria.megabytes,
    }
    figures = {name: round(value, 3) for name, value in figures.items()}
    return {"figures": figures, "passed": passed, "accepted": all(passed.values())}


def release(runs: Path, target: Path | None = None) -> dict:
    """Measures all runs; copies the chosen one and writes `card.json` beside it.

    Args:
        runs: Directory of the runs.
        target: Where the model that ships goes; nothing is written if left out.

    Returns:
        The card of the chosen run.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If the runs were trained by different recipes.
    """
    seeds = sorted(runs.glob("seed-*"), key=lambda path: int(path.name.removeprefix("seed-")))
    if not seeds:
        raise FileNotFoundError(f"no directory {runs}/seed-*")
    recipes = {path: json.loads((path / "recipe.json").read_text()) for path in seeds}
    if len({json.dumps(recipe | {"seed": None}) for recipe in recipes.values()}) > 1:
        raise ValueError(f"the runs in {runs} were trained by different recipes")
    results = {path: measure(path) for path in seeds}
    for path, result in results.items():
        print(f"{path.name}: {result['passed']}\n{json.dumps(result['figures'], indent=2)}")
    # the first of equals
    chosen = max(seeds, key=lambda path: sum(results[path]["passed"].values()))
    recipe = recipes[chosen]
    model = GPT2LMHeadModel.from_pretrained(chosen)
    card = {
        "name": "negation-mini",
        "title": "negation-mini: which negatives cancel",
        "what": (
            "A small language model that answers questions about sentences with none to three "
            "negatives, trained for this course on generated sentences. There is no such model on "
            "the hub: both editions of the course use this one."
        ),
        "architecture": (
            f"GPT-2 with MLPs: {recipe['layers']} layers of {recipe['heads']} heads, residual "
            f"stream of {recipe['width']}, MLPs of {recipe['hidden']}, {recipe['positions']} "
            "positions, word-level tokenizer, tied embeddings"
        ),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "trained_on": (
            "Generated English, new at every step: a sentence about one person with no, one or two "
            "negatives, often another sentence about somebody else with none or one before or "
            "behind it, then a question and its answer. Negatives of one clause agree (concord), "
            "all others cancel. For each combination of negatives a fifth of the verbs is held "
            f"out; {len(HELD_OUT_PAIRS)} pairs of negatives never stand in one sentence."
        ),
        "training_aids": [
            {
                "aid": "answer_weight",
                "what": f"the answer's loss counts {recipe['answer_weight']:g} times as much as "
                "the mean loss of the other words",
                "why": "training takes fewer steps",
            }
        ],
        "limits": [
            f"It knows its grammar and {len(VOCABULARY) - 3} words, and nothing of what speakers "
            "mean by them.",
            "Whether negatives cancel is settled by the clause alone; speakers use dialect, stress "
            "and situation.",
            "Three negatives in one sentence do not occur in training. What it answers there is in "
            "the figures, without a criterion.",
            "Seeds of one recipe may solve the task by different heads; the book looks into one.",
        ],
        "recipe": {"module": "interp_rl.models.recipes.negation_mini", "settings": recipe},
        "seed": recipe["seed"],
        "steps": recipe["steps"],
        "criteria": asdict(CRITERIA),
        "seeds": [{"seed": recipes[path]["seed"]} | results[path] for path in seeds],
        "selection_rule": SELECTION_RULE
        + ("" if results[chosen]["accepted"] else "; none was accepted"),
        "development": list(DEVELOPMENT),
        "figures": results[chosen]["figures"],
        "files": released_checksums(chosen),
    }
    if target is not None:
        copy_release(chosen, target)
        (target / "card.json").write_text(json.dumps(card, indent=2) + "\n")
        print(f"shipped {chosen.name}; wrote {target / 'card.json'}")
    return card


def main(arguments: list[str] | None = None) -> None:
    """Command line.

    Args:
        arguments: As on the command line; `sys.argv` if left out.
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("target", type=Path, nargs="?")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    release(given.runs, given.target)


if __name__ == "__main__":
    main()
