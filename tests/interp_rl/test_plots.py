"""Figures read well in light and dark, say what they show, and refuse what cannot be drawn."""

import re
import subprocess
import sys
from itertools import combinations
from xml.etree import ElementTree

import jaxtyping
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from interp_rl import plots

ALT = "Two curves that cross once, as an example."
LIGHT, DARK = ("#ffffff", "#222832"), ("#121212", "#ced6dd")  # page and text of the book's theme
rng = np.random.default_rng(0)


def luminance(colour):
    channels = np.asarray(plt.matplotlib.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    """Contrast ratio of WCAG 2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def over(colour, page):
    """A colour with opacity, as it looks on a page."""
    *rgb, opacity = colour
    return opacity * np.asarray(rgb) + (1 - opacity) * np.asarray(
        plt.matplotlib.colors.to_rgb(page)
    )


def heatmap():
    return plots.head_heatmap(rng.normal(size=(3, 6)), label="change in logit difference")


def heatmaps():
    panels = {"zero": rng.normal(size=(3, 6)), "mean": torch.ones(3, 6)}
    return plots.head_heatmaps(panels, label="change in logit difference")


def pattern():
    return plots.attention_pattern(torch.eye(4), ["<|bos|>", "Mary", "and", "John"])


def bars():
    ends = np.array([[0.5, 1.5], [-2.5, -1.0]])
    return plots.bars_with_intervals(["a", "b"], np.array([1.0, -2.0]), ends, label="x", n=9)


def histogram():
    groups = {"ABBA": rng.normal(size=50), "BABA": torch.arange(30.0)}
    return plots.histogram_by_group(groups, label="logit difference", counted="prompts")


EVERY_PLOT = [heatmap, heatmaps, pattern, bars, histogram]


def example():
    fig, ax = plots.subplots()
    ax.plot([0, 1], [0, 1], label="rising")
    ax.set(xlabel="step", title="An example")
    ax.legend()
    return fig


@pytest.fixture
def unchecked():
    """Outside the tests nobody checks annotations: the functions themselves must refuse."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# Colours


@pytest.mark.parametrize("colour", plots.PALETTE)
@pytest.mark.parametrize("page", [LIGHT[0], DARK[0]])
def test_each_colour_stands_out_on_light_and_dark_pages(colour, page):
    assert contrast(colour, page) >= 3


# matrices of Machado et al. 2009 for full deficiency, on linear RGB
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_differ_for_every_kind_of_colour_blindness(deficiency):
    def seen(colour):
        rgb = np.asarray(plt.matplotlib.colors.to_rgb(colour)) ** 2.2
        return np.clip(DEFICIENCIES[deficiency] @ rgb, 0, 1) ** (1 / 2.2)

    for one, other in combinations(plots.PALETTE, 2):
        assert np.linalg.norm(seen(one) - seen(other)) > 0.1, (one, other)


@pytest.mark.parametrize(("page", "text"), [LIGHT, DARK])
def test_values_printed_on_a_heat_map_are_readable(page, text):
    worst = min(contrast(over(colour, page), text) for colour in plots.DIVERGING.colors)
    assert worst >= 4.5


def test_zero_is_transparent_and_the_scale_is_symmetric():
    opacity = plots.DIVERGING.colors[:, 3]
    assert opacity[128] == 0
    np.testing.assert_allclose(opacity, opacity[::-1])
    assert plots.SEQUENTIAL(0.0)[3] == 0
    assert plots.SEQUENTIAL(1.0)[3] == 1


def test_a_heat_map_is_centred_at_zero_though_its_values_are_not():
    fig = plots.head_heatmap(np.array([[1.0, 3.0], [0.5, -1.0]]), label="effect")
    tiles = [patch.get_facecolor() for patch in fig.axes[0].patches]
    plt.close(fig)
    assert [tile[:3] == plots.to_rgb(plots.BLUE) for tile in tiles] == [True, True, True, False]
    assert tiles[1][3] == pytest.approx(plots.UNDER_TEXT)
    assert tiles[0][3] == pytest.approx(tiles[3][3], abs=0.01)


def test_layers_run_down_and_heads_across():
    fig = plots.head_heatmap(np.arange(18.0).reshape(3, 6), label="effect")
    ax = fig.axes[0]
    plt.close(fig)
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("layer", "head")
    assert ax.yaxis_inverted()
    value = next(text for text in ax.texts if text.get_position() == (1, 2))  # layer 2, head 1
    assert value.get_text() == "13.00"


def test_a_tiny_negative_number_is_not_printed_as_minus_zero():
    fig = plots.head_heatmap(np.array([[-0.001, -0.4]]), label="effect")
    plt.close(fig)
    assert [text.get_text() for text in fig.axes[0].texts] == ["0.00", "−0.40"]


def test_panels_share_one_colour_scale_and_one_orientation():
    fig = plots.head_heatmaps(
        {"zero": np.array([[1.0, 2.0]]), "mean": np.array([[-4.0, 1.0]])}, label="effect"
    )
    plt.close(fig)
    one, other = fig.axes[:2]
    assert [ax.get_title("left") for ax in (one, other)] == ["zero", "mean"]
    assert one.yaxis_inverted() and other.yaxis_inverted()
    assert (one.get_ylabel(), one.get_xlabel(), other.get_xlabel()) == ("layer", "head", "head")
    zero, mean = ([patch.get_facecolor() for patch in ax.patches] for ax in (one, other))
    assert zero[0] == mean[1], "the same value has the same colour in every panel"
    assert mean[0][3] == pytest.approx(plots.UNDER_TEXT), "the largest of all is the strongest"
    assert zero[1][3] == pytest.approx(plots.UNDER_TEXT / 2, abs=0.01)
    assert len(fig.axes) == 3, "one scale for both"


def test_panels_that_do_not_fill_the_last_row_leave_it_empty():
    panels = {str(number): np.ones((2, 3)) for number in range(4)}
    fig = plots.head_heatmaps(panels, label="effect", columns=3)
    plt.close(fig)
    assert [ax.get_visible() for ax in fig.axes[:6]] == [True] * 4 + [False] * 2


def test_heads_of_a_panel_are_labelled_without_touching():
    for n_heads in (6, 12):
        fig = plots.head_heatmaps({"a": np.ones((n_heads, n_heads))}, label="effect")
        plt.close(fig)
        assert list(fig.axes[0].get_xticks()) == list(range(0, n_heads, n_heads // 6))


def test_the_table_of_several_panels_has_a_row_for_each_head():
    panels = {"zero": np.array([[0.25], [-1.5]]), "mean": np.array([[1.0], [2.0]])}
    table = plots.show(plots.head_heatmaps(panels, label="effect"), alt=ALT).table
    cells = re.findall(r">([^<>]+)</t[hd]>", table)
    assert cells == ["head", "zero", "mean", "0.0", "0.25", "1", "1.0", "-1.5", "2"]


# What a page receives


@pytest.mark.parametrize("plot", [*EVERY_PLOT, example])
def test_a_picture_fits_any_page(plot):
    picture = plots.show(plot(), alt=ALT)
    svg = ElementTree.fromstring(picture.svg)
    assert svg.attrib.keys() >= {"viewBox", "role", "aria-label"}
    assert not svg.attrib.keys() & {"width", "height"}
    assert "max-width:100%" in svg.attrib["style"]
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == ALT
    # ink is the page's, and nothing paints the background
    assert "currentColor" in picture.svg
    assert plots.INK not in picture.svg
    assert not re.search(r"fill: ?(#fff|white|#000|black)", picture.svg)
    texts = [text for text in svg.iter() if text.tag.endswith("text")]
    assert texts
    assert all("currentColor" in text.attrib["style"] for text in texts)
    # nothing leaks into the page or comes from elsewhere
    assert "<style" not in picture.svg
    assert "<image" not in picture.svg
    assert "metadata" not in picture.svg
    assert set(re.findall(r"https?://[^\"]+", picture.svg)) <= {plots._SVG, plots._XLINK}


@pytest.mark.parametrize("plot", [*EVERY_PLOT, example])
def test_text_is_readable_on_a_phone(plot):
    svg = plots.show(plot(), alt=ALT).svg
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
    assert min(sizes) * min(1, 366 / width) >= 7


def test_ids_are_unique_on_a_page_and_references_resolve():
    figures = [*(plot() for plot in EVERY_PLOT), example(), example()]  # the last two are the same
    pictures = [plots.show(fig, alt=ALT).svg for fig in figures]
    ids = [re.findall(r' id="([^"]+)"', svg) for svg in pictures]
    everything = [name for own in ids for name in own]
    assert everything
    assert len(everything) == len(set(everything))
    for svg, own in zip(pictures, ids, strict=True):
        assert set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", svg)) == set(own)


def test_the_same_figure_is_the_same_file_in_another_process():
    code = (
        "from interp_rl import plots; import numpy as np;"
        "fig = plots.histogram_by_group({'a': np.arange(9.0)}, label='x');"
        "print(plots.show(fig, alt='A histogram of nine numbers.').svg)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert b"<svg" in runs[0].stdout


def test_notebooks_get_html_and_text():
    bundle = plots.show(heatmap(), alt=ALT)._repr_mimebundle_()
    assert bundle["text/plain"] == ALT
    assert bundle["text/html"].startswith("<svg")


def test_showing_closes_the_figure():
    before = plt.get_fignums()
    plots.show(example(), alt=ALT)
    assert plt.get_fignums() == before


def test_alternative_text_is_escaped_and_its_line_breaks_are_spaces():
    alt = 'Heads with "effects" < 0\n  & others beside them.'
    svg = plots.show(example(), alt=alt).svg
    assert ElementTree.fromstring(svg).attrib["aria-label"] == " ".join(alt.split())


@pytest.mark.parametrize("alt", [{}, {"alt": ""}, {"alt": "  \n "}, {"alt": "a plot"}])
def test_a_figure_without_alternative_text_is_refused(alt):
    before = plt.get_fignums()
    with pytest.raises(ValueError, match=r"needs an alternative text.*say in a sentence"):
        plots.show(example(), **alt)
    assert plt.get_fignums() == before, "the refused figure would be displayed all the same"


def test_a_drawing_without_view_box_is_refused():
    with pytest.raises(ValueError, match="no viewBox"):
        plots.picture(f'<svg xmlns="{plots._SVG}" width="9" height="9"/>', alt=ALT)


# Data


@pytest.mark.parametrize("plot", EVERY_PLOT)
def test_every_plot_brings_its_data_as_a_closed_table(plot):
    table = plots.show(plot(), alt=ALT).table
    assert table.startswith("<details")
    assert "<details open" not in table
    assert table.count("<tr>") >= 2


def test_the_table_says_what_the_heat_map_shows():
    fig = plots.head_heatmap(np.array([[0.25, -1.5, 0.0, 3e-5]]), label="effect")
    table = plots.show(fig, alt=ALT).table
    head, row = (re.findall(r">([^<>]+)</t[hd]>", part) for part in table.split("<tbody>"))
    assert head == ["layer", "head 0", "head 1", "head 2", "head 3"]
    assert row == ["0", "0.25", "-1.5", "0", "0.000"]


def test_data_can_be_given_and_are_escaped():
    picture = plots.show(example(), alt=ALT, data={"<step>": [1, 2], "reward": [0.5, 1 / 3]})
    assert "&lt;step&gt;" in picture.table
    assert "<td>0.333</td>" in picture.table


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match=r"differ in length: \{'step': 2, 'reward': 1\}"):
        plots.show(example(), alt=ALT, data={"step": [1, 2], "reward": [0.5]})


# Bad input


@pytest.mark.parametrize(
    ("plot", "message"),
    [
        (lambda: plots.head_heatmap(np.ones(3), label="x"), r"needs \(layer, head\)"),
        (lambda: plots.head_heatmap(np.ones((0, 6)), label="x"), "cannot be drawn"),
        (lambda: plots.head_heatmap(np.array([[1, np.nan]]), label="x"), "at layer 0, head 1"),
        (lambda: plots.head_heatmap(np.ones((2, 2)), label=" "), "needs a label"),
        (lambda: plots.head_heatmap(np.ones((2, 2)), label="x", limit=0.0), "must be positive"),
        (lambda: plots.head_heatmaps({}, label="x"), "at least one"),
        (
            lambda: plots.head_heatmaps({"a": np.ones((2, 2)), "b": np.ones((2, 3))}, label="x"),
            "one shape",
        ),
        (lambda: plots.head_heatmaps({"a": np.ones(3)}, label="x"), r"needs \(layer, head\)"),
        (lambda: plots.head_heatmaps({"a": np.ones((2, 2))}, label=" "), "needs a label"),
        (
            lambda: plots.head_heatmaps({"a": np.ones((2, 2))}, label="x", limit=-1.0),
            "must be positive",
        ),
        (
            lambda: plots.head_heatmaps({"a": np.ones((2, 2))}, label="x", columns=0),
            "1 or more, not 0",
        ),
        (lambda: plots.attention_pattern(torch.eye(3), ["a", "b"]), "there are 2 tokens"),
        (lambda: plots.attention_pattern(torch.ones(2, 3), ["a", "b"]), "there are 2 tokens"),
        (lambda: plots.attention_pattern(3 * torch.eye(2), ["a", "b"]), "before softmax"),
        (
            lambda: plots.bars_with_intervals(["a"], np.ones(2), np.ones((2, 2)), label="x", n=1),
            "each bar needs one name",
        ),
        (
            lambda: plots.bars_with_intervals(["a"], np.ones(1), np.ones((1, 3)), label="x", n=1),
            "two ends",
        ),
        (
            lambda: plots.bars_with_intervals(
                ["a"], np.ones(1), np.array([[2.0, 1.0]]), label="x", n=1
            ),
            "above its upper end",
        ),
        (lambda: plots.histogram_by_group({}, label="x"), "1 to 4 groups, not 0"),
        (lambda: plots.histogram_by_group({"a": np.ones(0)}, label="x"), "cannot be drawn"),
        (lambda: plots.histogram_by_group({"a": np.array([np.inf])}, label="x"), "sample 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_and_leaves_no_figure(unchecked, plot, message):
    before = plt.get_fignums()
    with pytest.raises(ValueError, match=message):
        plot()
    assert plt.get_fignums() == before


def test_tokens_with_dollar_signs_are_no_mathematics():
    svg = plots.show(plots.attention_pattern(torch.eye(2), ["$x_1$", "$"]), alt=ALT).svg
    assert ">$x_1$<" in svg


def test_a_matrix_of_zeros_can_be_drawn():
    assert "<svg" in plots.show(plots.head_heatmap(np.zeros((2, 2)), label="x"), alt=ALT).svg


def test_a_token_of_control_characters_is_drawn_as_a_replacement_character():
    fig = plots.attention_pattern(torch.eye(2), ["\x01", "John"])
    assert "\N{REPLACEMENT CHARACTER}" in plots.show(fig, alt=ALT).svg
