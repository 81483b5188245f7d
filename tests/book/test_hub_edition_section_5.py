"""Section 5 runs on models as the hub has them: a DistilBERT, and a GPT-2 with pieces of words.

The models have learned nothing, so that no claim of the prose is tested here; what is tested is
that every cell runs, on the hub's files and without a network, and that the solutions pass.
"""

from pathlib import Path

import hub_model
import hub_reviews
import pytest
from chapter_run import run

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("5-*.md"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """Where `INTERP_RL_HUB_DIR` points."""
    directory = tmp_path_factory.mktemp("hub")
    hub_model.save_random_model(directory / "gpt2-imdb")
    hub_reviews.save_classifier(directory / "distilbert-imdb")
    return directory


@pytest.fixture
def hub(saved, hub_edition) -> Path:
    return hub_edition(saved)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_on_the_hubs_models(hub, name):
    chapter = run(ROOT, name)
    classifier = chapter.names["classifier"].model
    assert classifier.config.model_type == "distilbert"
    chapter.is_sound()
