"""What the tests of laboratories in Chromium share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `lab_pages` writes the bare pages, each once."""
    return tmp_path_factory.mktemp("labs")
