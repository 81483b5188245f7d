"""SHAP on texts, by the `shap` library, with every choice that it makes silently made in the open.

Three of its defaults matter for texts:

- given a text masker, `shap.Explainer` chooses the partition explainer, which computes Owen values
  for a tree of neighbouring words and not Shapley values (see `shapley.owen_values`);
- `shap.maskers.Text` takes the tokenizer's mask token, or ``...`` if it has none, and in the second
  case writes one mask for a whole run of absent tokens, so that the text becomes shorter;
- a language model is explained for the text that it generates, which the masked model might not
  have generated.

Here the method, the mask and the target are arguments.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp_rl.attribution.attributions import Attribution
from interp_rl.attribution.shapley import MOST_PLAYERS, Groups, TooManyPlayersError
from interp_rl.attribution.text_models import TextModel
from interp_rl.attribution.text_tokens import TextTokens, read_text, require_mask

METHODS: dict[str, str] = {
    "exact": "Shapley values, all coalitions",
    "permutation": "Shapley values, estimated from random orders",
    "partition": "Owen values of a tree of neighbouring tokens",
}
"""What each method computes."""


class Ungrouped:
    """A text masker without its tree of neighbouring tokens, so that SHAP computes Shapley values.

    Args:
        masker: A `shap.maskers.Text`.
    """

    text_data = True
    immutable_outputs = True
    default_batch_size = 512

    def __init__(self, masker: Any) -> None:
        self.masker = masker

    def __call__(self, present: np.ndarray, text: str) -> Any:
        """The masked text; see `shap.maskers.Text`."""
        return self.masker(present, text)

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "invariants", "feature_names", "data_transform", "mask_shapes"):
            return getattr(self.masker, name)
        raise AttributeError(name)


def text_masker(tokenizer: Any, mask: str) -> Any:
    """SHAP's masker with a mask token of your choice, one for each absent token.

    Args:
        tokenizer: A fast tokenizer.
        mask: The token that stands for an absent one.

    Returns:
        A `shap.maskers.Text`.

    Raises:
        ValueError: If the mask is empty, or not a single token.
    """
    import shap

    if not require_mask(tokenizer, mask):
        raise ValueError("shap.maskers.Text cannot delete tokens: give a mask token")
    masker = shap.maskers.Text(tokenizer, mask_token=mask, collapse_mask_token=False)
    masker.default_batch_size = Ungrouped.default_batch_size
    return masker


def explain(
    f: TextModel,
    text: str,
    *,
    mask: str,
    method: str = "exact",
    max_evals: int | None = None,
    seed: int = 0,
) -> Attribution:
    """Explains a text by the `shap` library.

    Args:
        f: The model.
        text: The text; its tokens are the players.
        mask: The token that stands for an absent one.
        method: See `METHODS`.
        max_evals: How many masked texts may be run: for `permutation` 2n+1 for each random order of
            n tokens, ten orders if left out; for `partition` as many as it takes if left out.
        seed: Seed of the random orders.

    Returns:
        The values, in the unit of the model's outputs.

    Raises:
        TypeError: If the tokenizer is slow.
        ValueError: If the text is empty or unknown, the mask is not one token, or the method does
            not exist.
        TooManyPlayersError: If the text is too long for `exact`.
    """
    import shap

    tokens = read_text(f.tokenizer, text)
    masker = text_masker(f.tokenizer, mask)
    n = len(tokens)
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: the methods are {', '.join(METHODS)}")
    names = list(f.output_names)
    if method == "exact":
        if n > MOST_PLAYERS:
            raise TooManyPlayersError(
                f"{n} tokens have {2**n:,} coalitions; exact enumeration goes up to "
                f'{MOST_PLAYERS} tokens. Shorten the text, or take method="permutation".'
            )
        explainer = shap.explainers.Exact(f, Ungrouped(masker))
        found = explainer([text], max_evals=2**n, batch_size=2**n, silent=True)
    elif method == "permutation":
        explainer = shap.explainers.Permutation(f, Ungrouped(masker), seed=seed)
        found = explainer(
            [text], max_evals=max_evals or 10 * (2 * n + 1), batch_size=2 * n + 1, silent=True
        )
    else:
        explainer = shap.explainers.Partition(f, masker, output_names=names)
        # nothing is left on a node inside the tree: one token after another
        enough = max_evals or 2 ** min(n + 1, 20)
        found = explainer([text], max_evals=enough, batch_size=256, silent=True)
    return as_attribution(found, f, tokens, METHODS[method])


def as_attribution(found: Any, f: TextModel, tokens: TextTokens, method: str) -> Attribution:
    """What SHAP returned for one text, as an `Attribution`.

    Args:
        found: A `shap.Explanation` of one text.
        f: The model.
        tokens: The text.
        method: How the values were found.

    Returns:
        The same numbers.
    """
    values = torch.as_tensor(np.array(found.values[0], float))
    base = torch.as_tensor(np.array(found.base_values, float)).reshape(-1)
    full = f([tokens.text])[0]
    outputs = len(f.output_names)
    return Attribution(
        tokens.text, tokens.words, values.reshape(len(tokens), outputs), base, full,
        f.output_names, method,
    )  # fmt: skip


def tree_of(tokenizer: Any, text: str, mask: str) -> Groups:
    """The tree of neighbouring tokens by which the partition explainer groups a text.

    Args:
        tokenizer: A fast tokenizer.
        text: The text.
        mask: A mask token; the tree does not depend on it.

    Returns:
        The tree, for `shapley.owen_values`.
    """
    merges = text_masker(tokenizer, mask).clustering(text)
    trees: list[Groups] = list(range(len(merges) + 1))
    for left, right, *_ in merges:
        trees.append((trees[int(left)], trees[int(right)]))
    return trees[-1]


def teacher_forcing(model: Any, tokenizer: Any, mask: str) -> tuple[Any, Any]:
    """SHAP's own wrapper for language models, with what begins a text put before it.

    `TextModel`s of the kind `FixedTarget` compute the same, more accurately: SHAP's wrapper takes
    log odds of probabilities that have been rounded.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer, which does not put the token that begins a text before it.
        mask: The mask token.

    Returns:
        A `shap.models.TeacherForcing` and a masker, for
        ``shap.explainers.Partition(*...)(texts, targets)``.
    """
    import shap

    forced = shap.models.TeacherForcing(model, tokenizer)
    forced.similarity_tokenizer = _BeginsWithBos(tokenizer)
    masker = shap.maskers.OutputComposite(text_masker(tokenizer, mask), forced.text_generate)
    return forced, masker


class _BeginsWithBos:
    """A tokenizer for `TeacherForcing`: batches of texts get BOS, targets do not."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self.padding_side = tokenizer, "right"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(self, texts: Any, return_tensors: str | None = None, **options: Any) -> Any:
        if return_tensors is None:  # a target
            return self._tokenizer(texts, **options)
        bos = self._tokenizer.bos_token
        self._tokenizer.padding_side = self.padding_side
        return self._tokenizer(
            [f"{bos} {text}" for text in texts],
            return_tensors=return_tensors, return_token_type_ids=False, **options,
        )  # fmt: skip


def mean_size(attributions: list[Attribution], name: str) -> Float[Tensor, ""]:
    """Mean absolute value of an output's attributions, over all tokens of all texts.

    Args:
        attributions: Attributions of several texts.
        name: Which output.

    Returns:
        A number in the unit of the output.
    """
    return torch.cat([found.of(name).abs() for found in attributions]).mean()
