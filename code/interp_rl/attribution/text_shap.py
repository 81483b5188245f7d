"""SHAP on texts, by the `shap` library, with every choice that it makes silently made in the open.

Three of its defaults matter for texts:

- given a text masker, `shap.Explainer` chooses the partition explainer, which computes Owen values
  for a tree of neighbouring words and not Shapley values (see `shapley.owen_values`);
- `shap.maskers.Text` takes the tokenizer's mask token, or ``...`` if it has none; given another
  mask it writes one for a whole run of absent tokens, so that the text becomes shorter, and none
  with a space behind, so that a word as mask is glued to the next one;
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


def load_shap() -> Any:
    """Imports the `shap` library without compiling its inner loops.

    For texts of a few words compiling takes some five seconds and 100 MB, and saves nothing.
    Numba compiles as before whatever is imported later.

    Returns:
        The module.
    """
    import numba

    before = numba.config.DISABLE_JIT
    numba.config.DISABLE_JIT = 1
    try:
        import shap
    finally:
        numba.config.DISABLE_JIT = before
    return shap


BATCH = 512
"""How many masked texts SHAP hands over at once; its own default for texts is 5."""


def text_masker(tokenizer: Any, mask: str, *, grouped: bool = False) -> Any:
    """SHAP's masker of texts with a mask of your choice, one for each absent token.

    Args:
        tokenizer: A fast tokenizer.
        mask: What stands for an absent token; the empty text deletes it.
        grouped: Keep the tree of neighbouring tokens, for the partition explainer. Without it the
            other explainers compute Shapley values.

    Returns:
        A `shap.maskers.Text` that masks as `TextTokens.masked` does.

    Raises:
        ValueError: If the mask is not a single token.
    """
    shap = load_shap()

    class TextMasker(shap.maskers.Text):
        default_batch_size = BATCH

        def __call__(self, present: np.ndarray, text: str) -> tuple[np.ndarray]:
            present = self._standardize_mask(present, text)
            own = present[self.keep_prefix : len(present) - self.keep_suffix]
            masked = read_text(tokenizer, text).masked(torch.from_numpy(own), mask)
            return (np.array([masked]),)

        if not grouped:
            clustering = None

    require_mask(tokenizer, mask)
    # any token will do for what the base class prepares, and which is not used here
    some = mask or tokenizer.convert_ids_to_tokens(0)
    masker = TextMasker(tokenizer, mask_token=some, collapse_mask_token=False)
    masker.default_batch_size = BATCH
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
        method: See `METHODS`; ``auto`` is ``exact`` for up to `MOST_PLAYERS` tokens and
            ``permutation`` beyond, and the attribution says which it was.
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
    shap = load_shap()

    tokens = read_text(f.tokenizer, text)
    masker = text_masker(f.tokenizer, mask, grouped=method == "partition")
    n = len(tokens)
    if method == "auto":
        method = "exact" if n <= MOST_PLAYERS else "permutation"
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: the methods are {', '.join(METHODS)}")
    names = list(f.output_names)
    if method == "exact":
        if n > MOST_PLAYERS:
            raise TooManyPlayersError(
                f"{n} tokens have {2**n:,} coalitions; exact enumeration goes up to "
                f'{MOST_PLAYERS} tokens. Shorten the text, or take method="permutation".'
            )
        explainer = shap.explainers.Exact(f, masker)
        found = explainer([text], max_evals=2**n, batch_size=2**n, silent=True)
    elif method == "permutation":
        explainer = shap.explainers.Permutation(f, masker, seed=seed)
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
    # a tokenizer's own special tokens, which are never masked, have a row each
    around = len(values) - len(tokens)
    values = values[around // 2 : around // 2 + len(tokens)]
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
    merges = text_masker(tokenizer, mask, grouped=True).clustering(text)
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
    shap = load_shap()

    forced = shap.models.TeacherForcing(model, tokenizer)
    forced.similarity_tokenizer = _BeginsWithBos(tokenizer)
    masker = shap.maskers.OutputComposite(
        text_masker(tokenizer, mask, grouped=True), forced.text_generate
    )
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
