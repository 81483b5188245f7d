"""What the three models of film reviews must show before they ship, its measurement, their cards.

    python -m interp_rl.models.recipes.reviews_acceptance NAME RUNS [TARGET]

`NAME` is `reviews-mini`, `sentiment-mini` or `emotion-mini`. `RUNS` holds one directory for each
seed, `seed-0`, `seed-1`, ... Each is measured and goes into the card; with a `TARGET`, the chosen
one is copied there and the card written beside it.

The thresholds were written down before the first classifier was trained and before the language
model was measured; that a missing full stop must do no harm was added after the first classifier.
Every one is applied to the split `test`; the same figures on the split `fresh`, on which nothing
was chosen, are on the card beside them.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2ForSequenceClassification, GPT2LMHeadModel

from interp_rl.models import registry
from interp_rl.models.files import copy_release, released_checksums
from interp_rl.models.recipes import reviews_corpus as corpus
from interp_rl.models.recipes.reviews_classifier import LABELS
from interp_rl.models.recipes.reviews_corpus import IDS, Form, Review
from interp_rl.models.recipes.reviews_mini import BOS_ID, EOS_ID, MASK_ID, PAD_ID, pad


@dataclass(frozen=True)
class LanguageCriteria:
    """The thresholds of `reviews-mini`. It is accepted if it meets every one of them."""

    reviews: int = 600
    """reviews that are read, and prompts that are finished"""
    perplexity: float = 4.45
    """at most this for each word of held-out reviews"""
    new_over_seen: float = 1.15
    """at most this ratio of perplexities on held-out combinations and on those of training"""
    finished: float = 0.95
    """at least this share of the reviews it writes comes to an end"""
    distinct: float = 0.9
    """at least this share of the reviews it writes is written once"""
    positive: tuple[float, float] = (0.45, 0.65)
    """between these is the mean probability that what it writes is positive"""
    megabytes: float = 1.0
    """the weights take no more than this"""


@dataclass(frozen=True)
class ClassifierCriteria:
    """The thresholds of a classifier. It is accepted if it meets every one of them."""

    reviews: int = 1000
    """reviews that are read"""
    probes: int = 300
    """sentences of each kind of probe, with each label"""
    accuracy: float = 0.95
    """at least this share of whole reviews is right, with or without the tokens that begin and end
    a text, and without the last full stop"""
    each_label: float = 0.93
    """and at least this share of each label"""
    each_probe: float = 0.95
    """and at least this share of each kind of probe, with or without its full stop"""
    neutral: float = 0.1
    """a text of masks only, and the mean prompt, give each label an equal share within this"""
    megabytes: float = 1.0
    """the weights take no more than this"""


LANGUAGE = LanguageCriteria()
"""The criteria of `reviews-mini`."""
CLASSIFIER = ClassifierCriteria()
"""The criteria of `sentiment-mini` and `emotion-mini`."""

#: Which of the measured seeds is shipped.
SELECTION_RULE = "the seed that meets most criteria on the split test, and of several the smallest"

DEVELOPMENT: dict[str, tuple[str, ...]] = {
    "reviews-mini": (
        "seed 0, 5,000 steps: stopped at 10%, to add openings to the corpus and for fewer steps",
    ),
    "sentiment-mini": (
        "seed 0, 1,500 steps, no review without its last full stop: met all criteria but that of "
        "the probes, where it was right in 94% of sentences such as 'the film lacked charm'; gave "
        "'the acting was not good' without a full stop a probability of 40% to be positive, since "
        "such a sentence could go on. Seed 1 was stopped at 26%",
        "seed 0, the present corpus, 1,500 steps: right in 95.0% of reviews, in 81% of sentences "
        "such as 'the film lacked charm', in 90% of two clauses joined by 'but'; the loss fell "
        "steeply only half-way through, and the number of steps was doubled",
        "seed 0, the same with 3,000 steps: met all criteria (99.5%, worst probe 99.2%), but gave "
        "'the film was good' without a full stop 48%; since then no review is cut where a sentence "
        "could end, and probes are measured without their full stops, too. Seed 1 of the same was "
        "stopped at 45%",
    ),
    "emotion-mini": (
        "seed 0, 1,500 steps, no review without its last full stop: met all criteria; so did seed "
        "0 with such reviews, cut off anywhere. Trained again when sentiment-mini was",
    ),
}
"""Every run made while the recipes were looked for."""


# ------------------------------------------------------------------------------------------------
# Probes
# ------------------------------------------------------------------------------------------------


def _forms(forms: Sequence[Form], keep: Callable[[Form], bool]) -> tuple[Form, ...]:
    return tuple(form for form in forms if keep(form))


_NEGATED = _forms(corpus.CLAUSES, lambda f: f.kind == "adjective" and f.sign == -1)
_BUT_NOT = _forms(corpus.WHOLE, lambda f: "but not" in f.text or "but never" in f.text)

PROBES: dict[str, dict[str, tuple[tuple[Form, ...], tuple[str, ...]]]] = {
    "sentiment": {
        "not bad": (_NEGATED, ("positive",)),
        "not good": (_NEGATED, ("negative",)),
        "good but not great": (_BUT_NOT, ("negative",)),
        "bad but not awful": (_BUT_NOT, ("positive",)),
        "not good but great": (
            _forms(corpus.WHOLE, lambda f: "was not {adjective}" in f.text),
            corpus.SENTIMENTS,
        ),
        "nobody could say that it was not": (
            _forms(corpus.CLAUSES, lambda f: f.sign == 1 and "not" in f.text.split()),
            corpus.SENTIMENTS,
        ),
        "i did not love it": (
            _forms(corpus.CLAUSES, lambda f: f.kind == "verb" and f.sign == -1),
            corpus.SENTIMENTS,
        ),
        "lacked charm": (
            _forms(corpus.CLAUSES, lambda f: f.kind == "noun" and f.sign == -1),
            corpus.SENTIMENTS,
        ),
        "others loved it": (
            _forms(corpus.WHOLE, lambda f: f.subject == "other"),
            corpus.SENTIMENTS,
        ),
        "one thing but another": ((), corpus.SENTIMENTS),
    },
    "emotion": {
        "one feeling": (_forms(corpus.EMOTIONAL, lambda f: f.words == 1), corpus.EMOTIONS),
        "not one but the other": (
            _forms(corpus.EMOTIONAL, lambda f: "not" in f.text.split() and f.words == 2),
            corpus.EMOTIONS,
        ),
        "expected": (
            _forms(corpus.EMOTIONAL, lambda f: "expected" in f.text),
            corpus.EMOTIONS,
        ),
        "others felt": (
            _forms(corpus.EMOTIONAL, lambda f: f.subject == "other"),
            corpus.EMOTIONS,
        ),
        "the first one counts": (
            _forms(corpus.EMOTIONAL, lambda f: f.sign == -1),
            corpus.EMOTIONS,
        ),
    },
}
"""Kinds of single sentences, by task: the forms and the labels they may have. Without forms, two
clauses of opposite meaning are joined."""


def probe(
    task: str, kind: str, n: int, split: str = "test", seed: int = 0
) -> list[tuple[str, str]]:
    """Draws sentences of one kind, of combinations that are in no training text.

    Args:
        task: `sentiment` or `emotion`.
        kind: One of `PROBES[task]`.
        n: How many with each label.
        split: One of `corpus.SPLITS`.
        seed: The same seed gives the same sentences.

    Returns:
        Texts with their labels.

    Raises:
        ValueError: If there is no such task or kind.
    """
    if kind not in PROBES.get(task, {}):
        known = {name: list(kinds) for name, kinds in PROBES.items()}
        raise ValueError(f"no kind {kind!r} of probes for {task!r}: {known}")
    forms, labels = PROBES[task][kind]
    rng = random.Random(f"probe {task} {kind} {split} {seed}")
    found = []
    for label in labels:
        for _ in range(n):
            if forms:
                text = corpus.draw_clause(rng, forms, label, split).text
            else:
                text = corpus.draw_joined(rng, label, split).text
            found.append((corpus.as_text((*text.split(), ".")), label))
    return found


# ------------------------------------------------------------------------------------------------
# Measurement
# ------------------------------------------------------------------------------------------------


def encode(text: str, begin: bool = False, end: bool = False) -> list[int]:
    """A text to token ids.

    Args:
        text: As `Review.text` gives it.
        begin: Whether `<|bos|>` stands before it.
        end: Whether `<|eos|>` stands behind it.

    Returns:
        Token ids.
    """
    words = text.replace(",", " ,").replace(".", " .").split()
    return [BOS_ID] * begin + [IDS[word] for word in words] + [EOS_ID] * end


def probabilities(
    model: GPT2ForSequenceClassification, rows: Sequence[list[int]], batch_size: int = 100
) -> Float[Tensor, "text label"]:
    """What a classifier says of texts.

    Args:
        model: The classifier.
        rows: Token ids of the texts.
        batch_size: Texts in each forward pass.

    Returns:
        The probability of each label.
    """
    parts = []
    with torch.no_grad():
        for at in range(0, len(rows), batch_size):
            ids = pad(list(rows[at : at + batch_size]))
            parts.append(model(ids, attention_mask=(ids != PAD_ID).long()).logits.softmax(-1))
    return torch.cat(parts)


def _drawn(task: str, n: int, split: str, seed: int) -> list[Review]:
    """Reviews in which every label is equally frequent."""
    rng = random.Random(f"acceptance {task} {split} {seed}")
    labels = LABELS[task]
    wanted = [labels[number % len(labels)] for number in range(n)]
    if task == "emotion":
        return [corpus.draw(rng, split, emotion=label) for label in wanted]
    return [corpus.draw(rng, split, sentiment=label) for label in wanted]


def classifier_figures(
    model: GPT2ForSequenceClassification,
    task: str,
    criteria: ClassifierCriteria = CLASSIFIER,
    split: str = "test",
    seed: int = 0,
) -> dict[str, float]:
    """Measures a classifier.

    Args:
        model: The classifier.
        task: `sentiment` or `emotion`.
        criteria: How much is drawn.
        split: One of `corpus.SPLITS`.
        seed: Seed of the texts.

    Returns:
        Accuracy on reviews, as text alone, with the tokens that begin and end a text, and without
        the last full stop; of each label; of each kind of probe; and how far texts that say nothing
        are from equal shares.
    """
    labels = LABELS[task]
    reviews = _drawn(task, criteria.reviews, split, seed)
    wanted = torch.tensor([labels.index(getattr(review, task)) for review in reviews])
    figures: dict[str, float] = {}
    for name, begin, end, stop in (
        ("accuracy", False, False, True),
        ("accuracy, with the beginning", True, False, True),
        ("accuracy, with the end", False, True, True),
        ("accuracy, with both", True, True, True),
        ("accuracy, without the last full stop", False, False, False),
    ):
        texts = [review.text if stop else review.text.removesuffix(".") for review in reviews]
        rows = [encode(text, begin, end) for text in texts]
        right = probabilities(model, rows).argmax(-1) == wanted
        figures[name] = right.float().mean().item()
        if name == "accuracy":
            for index, label in enumerate(labels):
                figures[f"of {label}"] = right[wanted == index].float().mean().item()
    for kind in PROBES[task]:
        probes = probe(task, kind, criteria.probes, split, seed)
        for name, ending in (("probe", "."), ("probe without its full stop", "")):
            rows = [encode(text.removesuffix(".") + ending) for text, _ in probes]
            said = probabilities(model, rows).argmax(-1).tolist()
            figures[f"{name}: {kind}"] = sum(
                labels[index] == label for index, (_, label) in zip(said, probes, strict=True)
            ) / len(probes)
    masks = probabilities(model, [[MASK_ID] * len(encode(review.text)) for review in reviews[:200]])
    prompts = probabilities(model, [encode(text) for text in corpus.prompts("held-out", 300)])
    figures["masks only, from equal shares"] = _from_equal(masks)
    figures["prompts, from equal shares"] = _from_equal(prompts)
    return figures


def _from_equal(shares: Float[Tensor, "text label"]) -> float:
    """How far the mean probabilities are from equal ones, at most."""
    return (shares.mean(0) - 1 / shares.shape[1]).abs().max().item()


def write(
    model: GPT2LMHeadModel, prompts: Sequence[str], seed: int = 0
) -> list[Int[Tensor, " pos"]]:
    """Lets a language model finish reviews, sampling each word from its probabilities.

    Args:
        model: The language model.
        prompts: Beginnings.
        seed: Seed of the samples.

    Returns:
        Token ids of each review, from `<|bos|>` to `<|eos|>`, or cut off where the model's
        positions end.
    """
    generator = torch.Generator().manual_seed(seed)
    by_length: dict[int, list[list[int]]] = {}
    for prompt in prompts:
        row = encode(prompt, begin=True)
        by_length.setdefault(len(row), []).append(row)
    written = []
    with torch.no_grad():
        for rows in by_length.values():
            ids, cache = torch.tensor(rows), None
            done = torch.zeros(len(rows), dtype=torch.bool)
            step = ids
            while ids.shape[1] < model.config.n_positions and not done.all():
                out = model(step, past_key_values=cache, use_cache=True)
                cache = out.past_key_values
                step = torch.multinomial(out.logits[:, -1].softmax(-1), 1, generator=generator)
                step[done] = PAD_ID
                done |= step[:, 0] == EOS_ID
                ids = torch.cat([ids, step], 1)
            written += [row[row != PAD_ID] for row in ids]
    return written


def perplexity(model: GPT2LMHeadModel, reviews: Sequence[Review], begin: bool = True) -> float:
    """Perplexity for each word, the end of the review included.

    Args:
        model: The language model.
        reviews: What it reads.
        begin: Whether `<|bos|>` stands before each.

    Returns:
        The exponential of the mean cross-entropy of a word.
    """
    total, count = 0.0, 0
    with torch.no_grad():
        for at in range(0, len(reviews), 100):
            ids = pad([encode(r.text, begin, True) for r in reviews[at : at + 100]])
            logits = model(ids[:, :-1]).logits
            loss = F.cross_entropy(
                logits.flatten(0, 1),
                ids[:, 1:].flatten(),
                ignore_index=PAD_ID,
                reduction="sum",
            )
            total += loss.item()
            count += int((ids[:, 1:] != PAD_ID).sum())
    return float(torch.tensor(total / count).exp())


def language_figures(
    model: GPT2LMHeadModel,
    classifier: GPT2ForSequenceClassification | None,
    criteria: LanguageCriteria = LANGUAGE,
    split: str = "test",
    seed: int = 0,
) -> dict[str, float]:
    """Measures the language model.

    Args:
        model: The language model.
        classifier: `sentiment-mini`, which judges what it writes; if there is none yet, what it
            writes is not judged.
        criteria: How much is drawn.
        split: One of `corpus.SPLITS`.
        seed: Seed of the reviews and of what is written.

    Returns:
        Perplexities, and what can be said of the reviews it writes.
    """

    def drawn(which: str) -> list[Review]:
        return list(islice(corpus.reviews(f"acceptance {seed}", which), criteria.reviews))

    held_out = drawn(split)
    figures = {
        "perplexity": perplexity(model, held_out),
        "perplexity, without the beginning": perplexity(model, held_out, begin=False),
        "perplexity on training combinations": perplexity(model, drawn("train")),
    }
    written = write(model, corpus.prompts("held-out", criteria.reviews, seed), seed)
    finished = [row for row in written if row[-1] == EOS_ID]
    texts = Counter(tuple(row.tolist()) for row in written)
    figures["finished"] = len(finished) / len(written)
    figures["distinct"] = sum(count == 1 for count in texts.values()) / len(written)
    figures["words written"] = sum(len(row) - 1 for row in written) / len(written)
    if classifier is not None:
        said = probabilities(classifier, [row.tolist() for row in written])
        figures["mean P(positive)"] = said[:, corpus.SENTIMENTS.index("positive")].mean().item()
    return figures


def measure(
    name: str,
    directory: Path,
    criteria: LanguageCriteria | ClassifierCriteria | None = None,
    split: str = "test",
    seed: int = 0,
) -> dict[str, Any]:
    """Measures a model directory on every criterion.

    Args:
        name: Which of the three models it is.
        directory: Model in Hugging Face format.
        criteria: The thresholds; those of the model if left out.
        split: One of `corpus.SPLITS`.
        seed: Seed of the texts.

    Returns:
        `figures`; `passed` for each criterion; `accepted`.
    """
    megabytes = (directory / "model.safetensors").stat().st_size / 1e6
    if name == "reviews-mini":
        limits = criteria if isinstance(criteria, LanguageCriteria) else LANGUAGE
        judge = registry.WEIGHTS / "sentiment-mini"
        classifier = None
        if judge.is_dir():
            classifier = GPT2ForSequenceClassification.from_pretrained(judge).eval()
        model = GPT2LMHeadModel.from_pretrained(directory).eval()
        figures = language_figures(model, classifier, limits, split, seed)
        low, high = limits.positive
        passed = {
            "perplexity": figures["perplexity"] <= limits.perplexity,
            "new_over_seen": figures["perplexity"]
            <= limits.new_over_seen * figures["perplexity on training combinations"],
            "finished": figures["finished"] >= limits.finished,
            "distinct": figures["distinct"] >= limits.distinct,
            "positive": low <= figures.get("mean P(positive)", 0.0) <= high,
            "megabytes": megabytes <= limits.megabytes,
        }
    else:
        task = name.removesuffix("-mini")
        bounds = criteria if isinstance(criteria, ClassifierCriteria) else CLASSIFIER
        classifier = GPT2ForSequenceClassification.from_pretrained(directory).eval()
        figures = classifier_figures(classifier, task, bounds, split, seed)

        def worst(start: str) -> float:
            return min(value for key, value in figures.items() if key.startswith(start))

        passed = {
            "accuracy": worst("accuracy") >= bounds.accuracy,
            "each_label": worst("of ") >= bounds.each_label,
            "each_probe": worst("probe") >= bounds.each_probe,
            "neutral": max(v for key, v in figures.items() if "equal shares" in key)
            <= bounds.neutral,
            "megabytes": megabytes <= bounds.megabytes,
        }
    figures["megabytes"] = megabytes
    figures = {key: round(value, 3) for key, value in figures.items()}
    return {"figures": figures, "passed": passed, "accepted": all(passed.values())}


# ------------------------------------------------------------------------------------------------
# Cards
# ------------------------------------------------------------------------------------------------

_CORPUS = (
    "Generated film reviews in English, new at every step: perhaps an opening and a fact, one to "
    "three opinions with intensifiers, negation, double negation and contrast, perhaps what the "
    "reviewer felt, perhaps advice. Every combination of a form of clause, its words and its "
    "subject belongs to one split, and so does every pair of joined clauses; of the training split "
    "alone is what it read."
)
_LIMITS = [
    f"It knows its grammar and {len(IDS) - len(corpus.SPECIAL)} words, nothing of films, and "
    "nothing of irony.",
    "In this grammar the clause after a 'but' always decides; people are less strict.",
]
_WHAT: dict[str, dict[str, Any]] = {
    "reviews-mini": {
        "title": "reviews-mini: a writer of film reviews",
        "what": (
            "A small language model that writes film reviews, a little more than half of them "
            "positive, trained for this course on generated text."
        ),
        "trained_on": f"{_CORPUS} 55% of the reviews are positive.",
        "training_aids": [
            {
                "aid": "masked",
                "what": "in 15% of the reviews up to half of the words are hidden by <|mask|>, in "
                "what is read but not in what is to be predicted",
                "why": "the mask token means a hidden word to it, and it never writes one",
            },
            {
                "aid": "bare",
                "what": "25% of the reviews stand without <|bos|>",
                "why": "a prompt may be given with or without it",
            },
        ],
    },
    "sentiment-mini": {
        "title": "sentiment-mini: praise or blame",
        "what": (
            "A small classifier that tells whether a film review concludes negatively or "
            "positively, trained for this course from reviews-mini. It is the reward of section 4."
        ),
    },
    "emotion-mini": {
        "title": "emotion-mini: what the reviewer felt",
        "what": (
            "A small classifier that tells which of five emotions a reviewer felt, trained for "
            "this course from reviews-mini. There is no such model for these labels on the hub: "
            "both editions of the course use this one."
        ),
    },
}
for _name in ("sentiment-mini", "emotion-mini"):
    _WHAT[_name] |= {
        "trained_on": f"{_CORPUS} Every label is equally frequent.",
        "training_aids": [
            {
                "aid": "started_from",
                "what": "it starts from the weights of reviews-mini",
                "why": "training takes fewer steps",
            },
            {
                "aid": "cut",
                "what": "20% of the reviews are cut off at a random word, though not where a "
                "sentence could end; the label is that of the whole review",
                "why": "on an unfinished text it answers with the share of such reviews that end "
                "with the label",
            },
            {
                "aid": "unstopped",
                "what": "15% of the reviews lack their last full stop, and nothing else",
                "why": "people often leave it out",
            },
            {
                "aid": "masked",
                "what": "in 30% of the reviews a share of the words, from none to all, is hidden",
                "why": "explanations hide words; a text of masks only is neutral",
            },
            {
                "aid": "bare",
                "what": "half of the reviews stand without <|bos|>, half of the whole ones without "
                "<|eos|>",
                "why": "texts may be given with or without them",
            },
        ],
    }


def release(name: str, runs: Path, target: Path | None = None) -> dict[str, Any]:
    """Measures all runs; copies the chosen one and writes `card.json` beside it.

    Args:
        name: Which of the three models it is.
        runs: Directory of the runs.
        target: Where the model that ships goes; nothing is written if left out.

    Returns:
        The card of the chosen run.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If there is no such model, or the runs were trained by different recipes.
    """
    if name not in _WHAT:
        raise ValueError(f"no model {name!r}: {', '.join(_WHAT)}")
    seeds = sorted(runs.glob("seed-*"), key=lambda path: int(path.name.removeprefix("seed-")))
    if not seeds:
        raise FileNotFoundError(f"no directory {runs}/seed-*")
    recipes = {path: json.loads((path / "recipe.json").read_text()) for path in seeds}
    if len({json.dumps(recipe | {"seed": None}) for recipe in recipes.values()}) > 1:
        raise ValueError(f"the runs in {runs} were trained by different recipes")
    results = {path: measure(name, path) for path in seeds}
    for path, result in results.items():
        print(f"{path.name}: {result['passed']}\n{json.dumps(result['figures'], indent=2)}")
    # the first of equals
    chosen = max(seeds, key=lambda path: sum(results[path]["passed"].values()))
    recipe = recipes[chosen]
    config = json.loads((chosen / "config.json").read_text())
    kind = GPT2LMHeadModel if name == "reviews-mini" else GPT2ForSequenceClassification
    task = name.removesuffix("-mini")
    last = (
        "tied embeddings"
        if task == "reviews"
        else f"{len(LABELS[task])} labels read off the last token that is no padding"
    )
    card = {
        "name": name,
        **_WHAT[name],
        "limits": _LIMITS,
        "architecture": (
            f"GPT-2: {config['n_layer']} layers of {config['n_head']} heads, residual stream of "
            f"{config['n_embd']}, MLPs of {config['n_inner']}, {config['n_positions']} positions, "
            f"word-level tokenizer of {config['vocab_size']} tokens, {last}"
        ),
        "parameters": kind.from_pretrained(chosen).num_parameters(),
        "recipe": {"module": f"interp_rl.models.recipes.{task}_mini", "settings": recipe},
        "seed": recipe["seed"],
        "steps": recipe["steps"],
        "criteria": asdict(LANGUAGE if task == "reviews" else CLASSIFIER),
        "seeds": [
            {"seed": recipes[path]["seed"], "accepted": results[path]["accepted"]}
            | {"passed": results[path]["passed"]}
            | results[path]["figures"]
            for path in seeds
        ],
        "selection_rule": SELECTION_RULE
        + ("" if results[chosen]["accepted"] else "; none was accepted"),
        "development": list(DEVELOPMENT[name]),
        "figures": results[chosen]["figures"],
        "figures_fresh": measure(name, chosen, split="fresh")["figures"],
        "files": released_checksums(chosen),
    }
    if task != "reviews":
        card["labels"] = list(LABELS[task])
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("name", choices=_WHAT)
    parser.add_argument("runs", type=Path)
    parser.add_argument("target", type=Path, nargs="?")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    release(given.name, given.runs, given.target)


if __name__ == "__main__":
    main()
