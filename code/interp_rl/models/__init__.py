"""Models: small ones that ship with the course, and their full-size counterparts on the hub.

    from interp_rl import models
    model = models.load_hooked("ioi")
    models.load_card("ioi")

The environment variable `INTERP_RL_MODELS` chooses between `embedded` (the default) and `hub`.
"""

from interp_rl.models.card import ModelCard
from interp_rl.models.errors import (
    CardError,
    ChecksumError,
    EditionError,
    HubUnavailableError,
    MissingModelError,
    ModelError,
    TextError,
    TokenizerError,
    UnknownModelError,
    WeightsError,
)
from interp_rl.models.loading import Loaded, load, load_card, load_hooked
from interp_rl.models.registry import EDITIONS, MODELS, ModelSpec, available

__all__ = [
    "EDITIONS",
    "MODELS",
    "CardError",
    "ChecksumError",
    "EditionError",
    "HubUnavailableError",
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
    "load_hooked",
]
