"""Plots of texts: readable on light and dark pages, and by those who see neither."""

import re
from dataclasses import replace

import pytest
import torch
from bs4 import BeautifulSoup
from tiny_models import MASK

from interp_rl import plots
from interp_rl.attribution import Attribution, explain, shap_plot, text_masker, text_plot
from interp_rl.attribution.text_plot import with_page_colours

TEXT = "the film was not good , but very dull"
ALT = "The word dull raises anger most, and the word not lowers it."


@pytest.fixture(scope="module")
def found(emotion):
    return explain(emotion, TEXT, mask=MASK)


def draw(found, **options):
    given = {"alt": ALT, "unit": "log odds; positive raises the output"} | options
    return text_plot({"the text": found}, "anger", **given)


def test_every_word_has_its_number_in_the_drawing_and_in_the_table(found):
    picture = draw(found)
    drawing = BeautifulSoup(picture.svg, "html.parser")
    for word, value in zip(found.words, found.of("anger"), strict=True):
        number = f"{float(value):+.2f}".replace("-", "−").replace("−0.00", "+0.00")
        assert number in drawing.text and word.strip() in drawing.text
    rows = BeautifulSoup(picture.table, "html.parser").find_all("tr")
    assert len(rows) == 1 + len(found.words)
    assert rows[1].th.text == "1 the"


def test_the_drawing_says_what_it_shows(found):
    group = BeautifulSoup(draw(found).svg, "html.parser").div
    assert group["role"] == "group" and group["aria-label"] == ALT
    assert "log odds" in group.text and "base" in group.text
    with pytest.raises(ValueError, match="too short"):
        draw(found, alt="words")


def test_an_attribution_without_a_base_value_shows_none(found):
    unknown = torch.full_like(found.base, torch.nan)
    rollout = replace(found, base=unknown, full=unknown)
    text = BeautifulSoup(draw(rollout).svg, "html.parser").text
    assert "nan" not in text and "base" not in text and "(anger)" in text


def test_colours_follow_sign_and_size_and_suit_any_page(found):
    svg = draw(found).svg
    colours = re.findall(r"background:rgba\((\d+),(\d+),(\d+),([\d.]+)\)", svg)
    assert len(colours) == len(found.words)
    opacity = torch.tensor([float(colour[3]) for colour in colours])
    assert int(opacity.argmax()) == int(found.of("anger").abs().argmax())
    assert opacity.max() == pytest.approx(plots.UNDER_TEXT, abs=0.005)
    for colour, value in zip(colours, found.of("anger"), strict=True):
        assert (int(colour[0]) == 0) == (value > 0), "blue raises, vermilion lowers"
    assert not re.search(r"#fff|: ?white|black|(?<!-)color:(?!inherit)", svg)


def test_rows_share_one_scale_and_one_table(found, emotion):
    other = explain(emotion, TEXT, mask="the")
    rows = {"mask": found, "the": other}
    picture = text_plot(rows, "anger", alt=ALT, unit="log odds")
    heads = BeautifulSoup(picture.table, "html.parser").find_all("th", scope="col")
    assert [head.text for head in heads] == ["token", "mask", "the"]
    other_text = explain(emotion, "very good", mask=MASK)
    picture = text_plot({"a": found, "b": other_text}, "anger", alt=ALT, unit="log odds")
    heads = BeautifulSoup(picture.table, "html.parser").find_all("th", scope="col")
    assert [head.text for head in heads] == ["text", "token", "value"]


def test_each_row_may_have_its_own_output(found):
    picture = text_plot(
        {"one": found, "two": found}, {"one": "anger", "two": "joy"}, alt=ALT, unit="log odds"
    )
    assert "(anger: base" in picture.svg and "(joy: base" in picture.svg


def test_case_does_not_matter_for_an_output(found):
    picture = text_plot({"one": found}, "ANGER", alt=ALT, unit="log odds")
    assert picture.table == text_plot({"one": found}, "anger", alt=ALT, unit="log odds").table


def test_words_cannot_break_the_page():
    nothing = torch.zeros(1, dtype=torch.double)
    one = Attribution("<b>", ("<b>",), torch.ones(1, 1).double(), nothing, nothing, ("x",), "test")
    picture = text_plot({"<i>": one}, "x", alt=ALT, unit="log odds")
    assert "<b>" not in picture.svg and "<i>" not in picture.svg
    assert "&lt;b&gt;" in picture.svg


def test_bad_input_is_refused(found):
    with pytest.raises(ValueError, match="nothing to draw"):
        text_plot({}, "anger", alt=ALT, unit="log odds")
    with pytest.raises(ValueError, match="no single output 'envy'"):
        text_plot({"a": found}, "envy", alt=ALT, unit="log odds")
    broken = Attribution(
        found.text, found.words, found.values * torch.nan, found.base, found.full,
        found.output_names, "test",
    )  # fmt: skip
    with pytest.raises(ValueError, match="NaN"):
        draw(broken)


# ----- the plot of the shap library


@pytest.fixture(scope="module")
def drawn(emotion):
    import shap

    masker = text_masker(emotion.tokenizer, MASK, grouped=True)
    explainer = shap.explainers.Partition(emotion, masker, output_names=list(emotion.output_names))
    return explainer([TEXT], silent=True)


def test_shaps_own_plot_is_unreadable_on_a_dark_page(drawn):
    """Once this fails, the repairs of `with_page_colours` may be unnecessary."""
    import shap

    plain = shap.plots.text(drawn[0, :, 0], display=False)
    assert re.search(r"#fff|255, ?255, ?255", plain)
    assert "np.float64" in plain, "no browser knows rgba(np.float64(30.0), ...)"


def test_repaired_it_follows_the_page_and_is_self_contained(drawn, found):
    picture = shap_plot(drawn[0, :, 0], found, alt=ALT)
    assert not re.search(r"#fff|#999|#000|255, ?255, ?255|120, ?120, ?120|np\.float64", picture.svg)
    assert re.search(r"background: rgba\([\d.]+, [\d.]+, [\d.]+, [\d.]+\)", picture.svg)
    assert not re.search(r"(src|href)=|https?:", picture.svg)
    assert "dull" in picture.table


def test_repaired_it_is_the_same_every_time(drawn):
    import shap

    one, other = (
        with_page_colours(shap.plots.text(drawn[0, :, 0], display=False)) for _ in range(2)
    )
    assert one == other
