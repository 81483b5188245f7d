"""Models: small ones that ship with the course, and their full-size counterparts on the hub.

    from interp_rl import models
    model = models.load_hooked("ioi")
    models.load_card("ioi")
    classifier = models.load_classifier("sentiment")

The environment variable `INTERP_RL_MODELS` chooses between `embedded` (the default) and `hub`.
"""

from interp_rl.models.card import ModelCard
from interp_rl.models.errors import (
    CardError,
    ChecksumError,
    EditionError,
    HubUnavailableError,
    KindError,
    LabelsError,
    MissingModelError,
    ModelError,
    TextError,
    TokenizerError,
    UnknownModelError,
    WeightsError,
)
from interp_rl.models.loading import (
    Classifier,
    Loaded,
    load,
    load_card,
    load_classifier,
    load_hooked,
)
from interp_rl.models.registry import EDITIONS, MODELS, ModelSpec, available

__all__ = [
    "EDITIONS",
    "MODELS",
    "CardError",
    "ChecksumError",
    "Classifier",
    "EditionError",
    "HubUnavailableError",
    "KindError",
    "LabelsError",
    "Loaded",
    "MissingModelError",
    "ModelCard",
    "ModelError",
    "ModelSpec",
    "TextError",
    "TokenizerError",
    "UnknownModelError",
    "WeightsError",
    "available",
    "load",
    "load_card",
    "load_classifier",
    "load_hooked",
]
