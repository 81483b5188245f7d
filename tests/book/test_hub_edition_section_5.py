"""Section 5 runs on models as the hub has them: a DistilBERT, and a GPT-2 with pieces of words.

The models have learned nothing, so that no claim of the prose is tested here; what is tested is
that every cell runs, on the hub's files and without a network, and that the solutions pass.
"""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import hub_reviews
import pytest
from chapter_run import run

from interp_rl.models import files, registry

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("5-*.md"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return hub_reviews.save_all(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def hub(saved, monkeypatch) -> Iterator[Path]:
    """Puts the hub edition in force; any use of a network fails the test."""
    attempts = []

    def refuse(*arguments, **_):
        attempts.append(arguments)
        raise OSError("the test has no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv(registry.EDITION_VARIABLE, "hub")
    monkeypatch.setenv(files.HUB_DIR_VARIABLE, str(saved))
    yield saved
    assert not attempts


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_on_the_hubs_models(hub, name):
    chapter = run(ROOT, name)
    classifier = chapter.names["classifier"].model
    assert classifier.config.model_type == "distilbert"
    checked = [value for value in chapter.values if hasattr(value, "exercise")]
    passed = {result.exercise for result in checked if result.status == "passed"}
    assert {result.exercise for result in checked} == passed, "the solutions pass their checks"
    numbers = " ".join(map(str, chapter.glued.values()))
    assert not re.search(r"\b(nan|inf)\b", numbers), chapter.glued
