"""What all tests share: runtime shape checks of `interp_rl`, no network, one loaded model."""

from __future__ import annotations

import os
from pathlib import Path

for hub_switch in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
    os.environ[hub_switch] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["INTERP_RL_MODELS"] = "embedded"

import jaxtyping  # noqa: E402
import pytest  # noqa: E402

# every annotated tensor shape in interp_rl is checked on every call the tests make
jaxtyping.install_import_hook("interp_rl", "beartype.beartype")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def ioi_model():
    """The embedded IOI model with hooks, loaded once; tests must not change its weights."""
    import torch

    from interp_rl import models

    torch.set_num_threads(1)
    return models.load_hooked("ioi")
