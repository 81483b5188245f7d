"""What chapter 5.1 says, held against what its own cells compute."""

import re

import pytest
import torch
from chapter_run import Run, run

from interp_rl import attribution, plots


@pytest.fixture(scope="module")
def texts(root) -> Run:
    return run(root, "5-1-shap-on-text")


@pytest.fixture(scope="module")
def names(texts):
    return texts.names


def share(found, word, name="positive"):
    place = [w.strip(" ,.") for w in found.words].index(word)
    return float(found.of(name)[place])


def test_prose_uses_only_numbers_that_its_cells_provide(texts):
    assert set(re.findall(r"{glue:text}`([^`]+)`", texts.text)) <= set(texts.glued)


def test_stubs_are_not_attempted_and_solutions_pass(texts):
    checked = [value for value in texts.values if hasattr(value, "exercise")]
    assert [result.exercise for result in checked] == [
        number for number in ("5.1a", "5.1b", "5.1c", "5.1d") for _ in range(2)
    ]
    assert [result.status for result in checked] == ["not attempted", "passed"] * 4


def test_the_solution_is_what_the_library_computes(names):
    answer = names["class_log_odds"](
        [names["review"], "the plot was bad"], names["classifier"].model, names["tokenizer"]
    )
    f = attribution.Classifier(names["classifier"].model, names["tokenizer"], begins_with_bos=False)
    assert torch.allclose(answer.double(), f([names["review"], "the plot was bad"]), atol=1e-3)


def test_three_lines_of_shap_are_what_explain_does(names):
    assert names["found"].values.shape == (1, 9)
    values = torch.tensor(names["found"].values[0])[:, None]
    assert torch.allclose(values, names["explained"].values, atol=1e-5)


def test_a_word_of_praise_before_but_speaks_against_positive(names):
    assert names["explained"].full[0] < -1
    for word in ("good", "but", "dull"):
        assert share(names["explained"], word) < 0
    without_but = attribution.explain(
        names["f"], "the music was good and the plot was fresh", mask=names["mask"]
    )
    assert share(without_but, "good") > 0, "the test that the answer proposes"


def test_the_models_own_mask_is_nearly_neutral_at_any_length(names):
    for n in (1, 4, 9, 14):
        assert names["f"]([" ".join([names["mask"]] * n)]).abs() < 0.4
    assert names["pick_mask"](names["f"], 9, names["candidates"]) in names["candidates"]


def test_shares_depend_on_the_mask(names):
    assert names["spread"].max() > 0.5 * names["values"].abs().max()
    assert len(names["explained"].words) == 9 and 0 < names["flips"] < 9


def test_padding_is_skipped_so_that_more_of_it_changes_nothing(names):
    pad = names["tokenizer"].pad_token
    values = names["f"]([" ".join([pad] * n) for n in (1, 4, 9)])
    assert (values - values[0]).abs().max() < 1e-4


def test_cried_speaks_for_sadness_and_against_joy(names):
    assert share(names["emotions"], "cried", "sadness") > 0.5
    assert share(names["emotions"], "cried", "joy") < 0
    assert names["feel"].output_names[int(names["emotions"].full.argmax())] == "sadness"
    assert len(names["feel"].output_names) == 5
    strongest = names["strongest_words"](
        names["emotions"].values, names["words"], list(names["feel"].output_names), "sadness", 1
    )
    assert strongest == [names["words"][int(names["sad"].argmax())]]


def test_the_target_is_what_the_model_finds_likeliest(names):
    f = attribution.NextToken(names["writer"].model, names["writer"].tokenizer)
    likeliest = f.output_names[int(f([names["prompt"]])[0].argmax())]
    assert names["target"] == likeliest


def test_the_last_word_has_the_largest_share_of_the_generated_token(names):
    assert int(names["of_target"].argmax()) == len(names["generated"].words) - 1


def test_negation_turns_the_share_of_bad(names):
    once, negated, _ = names["outputs"]
    assert once < -0.5 and negated > 1
    assert names["bads"][0] < 0 < names["bads"][1]


def test_every_figure_brings_its_numbers(texts):
    pictures = [value for value in texts.values if isinstance(value, plots.Picture)]
    assert len(pictures) == 5
    assert all("<table>" in picture.table for picture in pictures)
