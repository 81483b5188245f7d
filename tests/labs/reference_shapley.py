"""What Python says for `shapley.test.mjs`: worth of all coalitions, exact values, SHAP's values."""

import json
from pathlib import Path

import torch

from coursekit.labs import sentiment_mini, shapley
from interp_rl import attribution, models

ROOT = Path(__file__).parents[2]
MORE = ("never boring", "i want my money back", "neither good nor bad, dull")
"""Sentences that are not offered: for the reader's own words."""


@torch.no_grad()
def write(folder: Path) -> None:
    """Writes `shapley.json`.

    Args:
        folder: Where to.
    """
    torch.set_num_threads(1)
    loaded = models.load_classifier("sentiment")
    f = attribution.Classifier(loaded.model, loaded.tokenizer, label=shapley.OUTPUT)
    games = []
    for text in (*shapley.SENTENCES, *MORE):
        tokens = attribution.read_text(loaded.tokenizer, text)
        game = attribution.text_game(f, tokens, mask=loaded.tokenizer.mask_token)
        players = len(tokens)
        games.append(
            {
                "text": text,
                "words": [word.strip() for word in tokens.words],
                "worth": game(attribution.all_coalitions(players))[:, 0].tolist(),
                "exact": attribution.exact_shapley(game, players)[:, 0].tolist(),
            }
        )
    model = sentiment_mini.data(ROOT)
    content = {"data": shapley.data(ROOT), "model": model, "games": games}
    (folder / "shapley.json").write_text(json.dumps(content), encoding="utf-8")
