"""What all tests share: shape checks of `interp_rl`, no network, one loaded model, one browser."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
def connections(monkeypatch) -> list:
    """Every attempt to reach a network, each of which fails."""
    attempts = []

    def refuse(*arguments, **_):
        attempts.append(arguments)
        raise OSError("the test has no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return attempts


@pytest.fixture(scope="session")
def ioi_model():
    """The embedded IOI model with hooks, loaded once; tests must not change its weights."""
    import torch

    from interp_rl import models

    torch.set_num_threads(1)
    return models.load_hooked("ioi")


@pytest.fixture(scope="session")
def node() -> str:
    """Where Node is; only where nobody relies on the tests may it be missing."""
    found = shutil.which("node")
    if found is None:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop("the laboratories' tests need Node, 20 or later, and there is none on this machine")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests, since playwright cannot be started twice in one process.

    Only where nobody relies on the tests may it be missing.
    """
    from coursekit.browser import find_chromium, open_chromium

    if find_chromium() is None:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop("no Chromium on this machine: install one, or set CHROMIUM to its path")
    with open_chromium() as chromium:
        yield chromium
