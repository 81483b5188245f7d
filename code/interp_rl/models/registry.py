"""The table of all models, and which of them a name means.

Chapters ask for a role ("ioi"); the edition decides which model plays it. The embedded edition
ships with the package and needs no network; the hub edition is GPT-2 small, and for film reviews a
GPT-2 and a DistilBERT trained on IMDB. `INTERP_RL_MODELS` chooses. The hub has no model for the
questions of `negation-mini` and for the labels of `emotion-mini`, so the roles "negation" and
"emotion" are played by the embedded models in both editions.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from interp_rl.models.card import ModelCard
from interp_rl.models.errors import EditionError, UnknownModelError

EDITIONS = ("embedded", "hub")
"""The editions there are; the first is in force unless another is chosen."""
EDITION_VARIABLE = "INTERP_RL_MODELS"
"""The environment variable that chooses the edition."""

KINDS = ("language model", "classifier")
"""What `load` and what `load_classifier` loads."""

WEIGHTS = Path(__file__).parent / "weights"
"""Directory of the embedded models."""


@dataclass(frozen=True)
class ModelSpec:
    """One line of the table."""

    name: str
    """its own name, and that of its directory"""
    role: str
    """what chapters ask for"""
    edition: str
    """`embedded` or `hub`"""
    recipe: str | None = None
    """embedded: the module whose `main` trains it"""
    hub_id: str | None = None
    """hub: its repository on the Hugging Face hub"""
    revision: str | None = None
    """hub: the branch or commit that has safetensors, if the main branch has pickles only"""
    kind: str = KINDS[0]
    """one of `KINDS`"""
    card: ModelCard | None = field(default=None, repr=False)
    """hub: its card; an embedded model's card lies beside its weights"""


_GPT2 = ModelCard(
    name="gpt2",
    title="GPT-2 small",
    what="The language model in which Wang et al. (2022) found the circuit for indirect objects.",
    source="https://huggingface.co/openai-community/gpt2 (Radford et al. 2019)",
    architecture="GPT-2: 12 layers, 12 heads, d_model 768, 1024 positions, 50257 tokens",
    parameters=124_439_808,
    trained_on="WebText: 40 GB of web pages, never published",
)
_GPT2_IMDB = ModelCard(
    name="gpt2-imdb",
    title="GPT-2 small, fine-tuned on film reviews",
    what=(
        "A language model of film reviews. Like GPT-2, it has one special token, which begins and "
        "ends a text and here also fills up batches: give the attention mask, or the end of a text "
        "is taken for padding."
    ),
    source="https://huggingface.co/lvwerra/gpt2-imdb (revision refs/pr/1, which has safetensors)",
    architecture="GPT-2: 12 layers, 12 heads, d_model 768, 1024 positions, 50257 tokens",
    parameters=124_439_808,
    trained_on="WebText, then the reviews of IMDB (Maas et al. 2011)",
)

_DISTILBERT_IMDB = ModelCard(
    name="distilbert-imdb",
    title="DistilBERT, fine-tuned to tell praise from blame",
    what="A classifier of film reviews with the labels NEGATIVE and POSITIVE.",
    source=(
        "https://huggingface.co/lvwerra/distilbert-imdb (revision refs/pr/5, which has safetensors)"
    ),
    architecture="DistilBERT: 6 layers, 12 heads, d_model 768, 512 positions, 30522 tokens",
    parameters=66_955_010,
    trained_on="distilbert-base-uncased, then the training half of IMDB (Maas et al. 2011)",
)

MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec("ioi-mini", "ioi", "embedded", recipe="interp_rl.models.recipes.ioi_mini"),
        ModelSpec("gpt2", "ioi", "hub", hub_id="openai-community/gpt2", card=_GPT2),
        ModelSpec(
            "negation-mini", "negation", "embedded", recipe="interp_rl.models.recipes.negation_mini"
        ),
        ModelSpec(
            "reviews-mini", "reviews", "embedded", recipe="interp_rl.models.recipes.reviews_mini"
        ),
        ModelSpec(
            "gpt2-imdb",
            "reviews",
            "hub",
            hub_id="lvwerra/gpt2-imdb",
            revision="refs/pr/1",
            card=_GPT2_IMDB,
        ),
        ModelSpec(
            "sentiment-mini",
            "sentiment",
            "embedded",
            recipe="interp_rl.models.recipes.sentiment_mini",
            kind="classifier",
        ),
        ModelSpec(
            "distilbert-imdb",
            "sentiment",
            "hub",
            hub_id="lvwerra/distilbert-imdb",
            revision="refs/pr/5",
            card=_DISTILBERT_IMDB,
            kind="classifier",
        ),
        ModelSpec(
            "emotion-mini",
            "emotion",
            "embedded",
            recipe="interp_rl.models.recipes.emotion_mini",
            kind="classifier",
        ),
    )
}
"""Every model by its own name."""


def chosen_edition(edition: str | None = None) -> str:
    """The edition in force.

    Args:
        edition: `embedded` or `hub`; left out, the environment variable `INTERP_RL_MODELS` decides,
            and without it the embedded edition is in force.

    Returns:
        `embedded` or `hub`.

    Raises:
        EditionError: If it is neither.
    """
    chosen = edition if edition is not None else os.environ.get(EDITION_VARIABLE) or EDITIONS[0]
    if chosen not in EDITIONS:
        where = "edition" if edition is not None else EDITION_VARIABLE
        raise EditionError(f"{where} is {chosen!r}; it must be one of: {', '.join(EDITIONS)}")
    return chosen


def available(edition: str | None = None) -> tuple[ModelSpec, ...]:
    """The models that can be asked for in an edition.

    Embedded models are always there; those of the hub only in the hub edition.

    Args:
        edition: `embedded` or `hub`; see `chosen_edition`.

    Returns:
        Lines of the table.

    Raises:
        EditionError: If the edition does not exist.
    """
    allowed = {"embedded", chosen_edition(edition)}
    return tuple(spec for spec in MODELS.values() if spec.edition in allowed)


def find(name: str, edition: str | None = None) -> ModelSpec:
    """The model that a name means.

    Args:
        name: A role such as "ioi", or a model's own name such as "ioi-mini".
        edition: `embedded` or `hub`; see `chosen_edition`.

    Returns:
        The model's line in the table.

    Raises:
        UnknownModelError: If there is no such role or name.
        EditionError: If the edition does not exist, or lacks the model.
    """
    chosen = chosen_edition(edition)
    for edition_asked in (chosen, "embedded"):  # a role that no hub model has is embedded in both
        for spec in MODELS.values():
            if name == spec.role and spec.edition == edition_asked:
                return spec
    if name not in MODELS:
        roles = sorted({spec.role for spec in MODELS.values()})
        raise UnknownModelError(
            f"There is no model {name!r}. Roles: {', '.join(roles)}. Models: {', '.join(MODELS)}. "
            "For a directory of your own, pass a pathlib.Path."
        )
    spec = MODELS[name]
    if spec not in available(chosen):
        raise EditionError(
            f"{name!r} belongs to the {spec.edition} edition; the {chosen} edition is in force. "
            f"Set {EDITION_VARIABLE}={spec.edition} or pass edition={spec.edition!r}."
        )
    return spec
