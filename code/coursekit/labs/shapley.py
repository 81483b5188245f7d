"""What the laboratory of section 5 compares with: SHAP's values for the sentences it offers."""

from pathlib import Path
from typing import Any

import torch

from interp_rl import attribution, models

SENTENCES = {
    "it was not bad": "The chapter's sentence: two words do together what neither does alone.",
    "good but dull": "The clause after “but” decides.",
    "the plot was not bad": "The same with a subject: five words, 120 orders.",
    "not a waste of time": "The classifier is wrong here. Which word does it overlook?",
    "a film without charm": "Wrong again. What does it make of “without”?",
}
"""The sentences to choose from, and why each is there."""

OUTPUT = "positive"
"""The class whose log odds are explained."""


def data(root: Path) -> dict[str, Any]:
    """Everything that `book/labs/shapley/lab.js` needs besides the model.

    Args:
        root: The repository.

    Returns:
        For each sentence its words, what they share by the `shap` library, and what the classifier
        gives for none and for all of them, in log odds of `OUTPUT`.
    """
    loaded = models.load_classifier("sentiment")
    tokenizer = loaded.tokenizer
    f = attribution.Classifier(loaded.model, tokenizer, label=OUTPUT)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    sentences = []
    try:
        for text, why in SENTENCES.items():
            found = attribution.explain(f, text, mask=tokenizer.mask_token)
            sentences.append(
                {
                    "text": text,
                    "why": why,
                    "words": [word.strip() for word in found.words],
                    "shap": [round(float(share), 6) for share in found.of(OUTPUT)],
                    "base": round(float(found.base[0]), 6),
                    "full": round(float(found.full[0]), 6),
                }
            )
    finally:
        torch.set_num_threads(threads)
    return {
        "sentences": sentences,
        "output": OUTPUT,
        "label": loaded.model.config.label2id[OUTPUT],
        "begin": list(f.before),
        "mask": tokenizer.mask_token_id,
    }
