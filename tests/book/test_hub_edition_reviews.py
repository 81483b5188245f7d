"""Section 4 runs on models as the hub has them: other tokens, other classes, reviews of people.

The models have learned nothing, so that no claim of the prose is tested here; what is tested is
that every cell runs, on the hub's files and without a network.
"""

from pathlib import Path

import hub_reviews
import pytest
from chapter_run import run

from interp_rl import models

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("4-*.md"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return hub_reviews.save_all(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def hub(saved, hub_edition) -> Path:
    return hub_edition(saved)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_on_the_hubs_models(hub, name):
    chapter = run(ROOT, name)
    loaded = {getattr(value, "name_or_path", "") for value in chapter.names.values()}
    if "models.load(" in chapter.text:
        assert str(hub / "gpt2-imdb") in loaded
    chapter.is_sound()


def test_the_hubs_files_are_of_other_kinds_than_ours(hub):
    language, sentiment = models.load("reviews"), models.load_classifier("sentiment")
    assert language.tokenizer.bos_token == language.tokenizer.eos_token == "<|endoftext|>"
    assert sentiment.model.config.model_type == "distilbert"
    assert list(sentiment.model.config.id2label.values()) == ["NEGATIVE", "POSITIVE"]
