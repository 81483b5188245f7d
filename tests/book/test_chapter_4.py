"""What the opening of section 4 says, held against what its own cells compute."""

import re
from xml.etree import ElementTree

import pytest
from chapter_run import Run, run

from interp_rl.models.recipes import reviews_corpus


@pytest.fixture(scope="module")
def opening(root) -> Run:
    return run(root, "4-fine-tuning")


@pytest.fixture(scope="module")
def names(opening):
    return opening.names


def test_prose_uses_exactly_the_numbers_that_its_cells_provide(opening):
    assert set(re.findall(r"{glue:text}`([^`]+)`", opening.text)) == set(opening.glued)


def test_the_models_are_small_ones_of_the_same_architecture(names):
    assert names["policy"].config.model_type == "gpt2"
    assert names["millions"](names["policy"]) < 0.5
    assert 300 < len(reviews_corpus.VOCABULARY) < 340, "a little over 300 words"
    labels = names["sentiment"].model.config.id2label
    assert [label.lower() for label in labels.values()] == ["negative", "positive"]


def test_prompts_say_nothing_of_what_the_reviewer_thinks(names):
    """The reward model is near one half on them."""
    opinions = names["positive"](names["held_out"])
    assert 0.35 < opinions.mean() < 0.65
    signs = {**reviews_corpus.ADJECTIVES, **reviews_corpus.NOUNS}
    assert not any(word in signs for prompt in names["held_out"] for word in prompt.split())


def test_two_responses_to_one_prompt_differ_in_score(names):
    assert len(names["written"].texts) == 8
    assert names["gaps"].max() > 0.5


def test_the_policy_starts_near_one_half(names):
    assert 0.4 < names["before"].reward.value < 0.65
    assert len(names["before"].texts) == 200


def test_the_training_prompts_are_other_ones(names):
    from interp_rl.models.review_prompts import prompts

    assert not set(names["held_out"]) & set(prompts("train", 400))


def test_the_judge_is_right_on_sentences_and_has_an_opinion_on_anything(names):
    opinions = list(names["opinions"].values())
    expected = [True, False, True, True, False, True]
    assert [score > 0.5 for score in opinions[:6]] == expected
    assert max(abs(score - 0.5) for score in opinions[6:]) > 0.2


def test_the_drawing_of_the_loop_names_its_three_stations(root):
    drawing = (root / "book/figures/fine-tuning-loop.svg").read_text(encoding="utf-8")
    words = " ".join(" ".join(ElementTree.fromstring(drawing).itertext()).split())
    for station in ("1 Rollout", "2 Evaluation", "3 Optimisation"):
        assert station in words
    assert words.count("frozen") == 2, "the reward model and the reference never change"
    assert "score − β · (log π − log π" in words


# ----- the whole section


def test_the_section_takes_the_half_hour_that_the_assignment_gives_it(root):
    total, numbers = 0, []
    for path in sorted((root / "book").glob("4-*.md")):
        text = path.read_text(encoding="utf-8")
        minutes = int(re.search(r"{overview}\n:minutes: (\d+)", text)[1])
        exercises = re.findall(
            r":number: (\S+)\n:minutes: (\d+)\n:difficulty: \d(\n:optional:)?", text
        )
        required = sum(int(m) for _, m, optional in exercises if not optional)
        assert required <= minutes, path
        numbers += [number for number, *_ in exercises]
        total += minutes
    assert total == 30
    asked = {"4.1i", "4.2i", "4.2ii", "4.2iii", "4.2iv"}
    assert asked <= set(numbers) and len(numbers) == len(set(numbers))


def test_the_optional_task_is_marked_as_such(root):
    text = (root / "book/4-2-few-votes.md").read_text(encoding="utf-8")
    assert ":number: 4.2iv\n:minutes: 5\n:difficulty: 2\n:optional:" in text
