"""The one style of every figure in the book, and the plots its chapters share.

A figure is drawn with matplotlib and handed to `show`, which needs its alternative text:

    fig, ax = plots.subplots()
    ax.plot(steps, rewards)
    plots.show(fig, alt="Mean reward rises from -200 to 150 within 300 updates.")

What comes out is SVG inside HTML. Everything drawn in `INK` takes the colour of the text around it
and the background is transparent: one figure serves a light page, a dark page and paper.
"""

import hashlib
import html
import io
import re
import textwrap
import weakref
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from torch import Tensor

BLUE = "#0072B2"
"""The first colour, and that of positive values."""

VERMILION = "#D55E00"
"""The second colour, and that of negative values."""

GREEN = "#009E73"
"""The third colour."""

PURPLE = "#CC79A7"
"""The fourth colour."""

PALETTE = (BLUE, VERMILION, GREEN, PURPLE)
"""The colours of Okabe and Ito's palette whose contrast is at least 3:1 on light and on dark pages.
Readers with any common kind of colour blindness can tell them apart."""

INK = "#010203"
"""Stands for the colour of the surrounding text; `show` replaces it by `currentColor`."""

UNDER_TEXT = 0.65
"""Opacity of the largest value in a heat map whose values are printed: with more, the text on it
would be hard to read in light or in dark."""

MINIMUM_ALT = 20
"""Characters below which an alternative text cannot say what a figure shows."""

Table = Mapping[str, Sequence[Any]]
"""Columns of equal length under their headings; the first one names the rows."""

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
"""Characters that no SVG may hold; byte-level tokenizers have tokens made of them."""

_tables: weakref.WeakKeyDictionary[Figure, Table] = weakref.WeakKeyDictionary()
_shown: Counter[str] = Counter()


def _fading(negative: str, positive: str, opacity: float) -> np.ndarray:
    """From one colour to a transparent middle and on to the other colour."""
    steps = np.linspace(-1, 1, 257)
    rgb = [to_rgb(negative if step < 0 else positive) for step in steps]
    return np.column_stack([rgb, opacity * np.abs(steps)])


DIVERGING = ListedColormap(_fading(VERMILION, BLUE, UNDER_TEXT))
"""Negative values vermilion, zero transparent, positive values blue."""

SEQUENTIAL = ListedColormap(_fading(BLUE, BLUE, 1.0)[128:])
"""Zero transparent, larger values bluer."""


# -------------------------------------------------------------------------------------------------
# Style
# -------------------------------------------------------------------------------------------------


def use_style() -> None:
    """Sets matplotlib to the style of the book; `subplots` does this by itself."""
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    plt.rcParams.update(dict.fromkeys(inked, INK))
    plt.rcParams.update(
        {
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=PALETTE) + cycler(linestyle=["-", "--", "-.", ":"]),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "font.family": "DejaVu Sans",  # comes with matplotlib: the same layout on any machine
            "font.size": 10,
            "grid.alpha": 0.2,
            "grid.color": INK,
            "legend.frameon": False,
            "savefig.transparent": True,
            "svg.fonttype": "none",
            "svg.hashsalt": "circuits-and-rewards",
        }
    )


def subplots(
    rows: int = 1, columns: int = 1, *, width: float = 5.2, height: float = 3.2, **options: Any
) -> tuple[Figure, Any]:
    """Like `matplotlib.pyplot.subplots`, in the style of the book.

    Args:
        rows: Number of rows of axes.
        columns: Number of columns of axes.
        width: Width in inches. At the default the text is readable on a phone, where figures shrink
            to the screen; on a larger screen a figure is shown at 108 pixels an inch.
        height: Height in inches.
        **options: Passed on to matplotlib.

    Returns:
        The figure, and one axes or an array of them.
    """
    use_style()
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)


# -------------------------------------------------------------------------------------------------
# Showing
# -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """An SVG drawing that says what it shows; Jupyter and the book display it."""

    svg: str
    """the drawing, ready to stand inside a page"""
    alt: str
    """what a reader who cannot see it needs to know"""
    table: str = ""
    """its data as a collapsed HTML table, if there are any"""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.svg + self.table, "text/plain": self.alt}


def show(fig: Figure, *, alt: str = "", data: Table | None = None) -> Picture:
    """Makes a picture of a figure and closes the figure. Stands last in a cell.

    Args:
        fig: The figure.
        alt: What the figure shows and what to conclude from it, in one or two sentences.
        data: The numbers behind the figure, shown as a table that opens on a click. The plots of
            this module bring their own.

    Returns:
        The picture.

    Raises:
        ValueError: If the alternative text is missing or too short to say anything, or if the
            columns of `data` differ in length.
    """
    plt.close(fig)  # so that a notebook does not show it a second time
    file = io.StringIO()
    fig.savefig(file, format="svg", metadata={"Date": None})
    return picture(file.getvalue(), alt=alt, data=_tables.get(fig) if data is None else data)


def picture(svg: str, *, alt: str, data: Table | None = None, scale: float = 1.5) -> Picture:
    """Makes a picture of any SVG drawing: labelled, shrinking with the page, with ids of its own.

    Args:
        svg: An SVG document with a `viewBox`.
        alt: What the drawing shows.
        data: The numbers behind it.
        scale: Pixels for each unit of the drawing, where there is room.

    Returns:
        The picture.

    Raises:
        ValueError: If the alternative text is missing or too short, if the columns of `data` differ
            in length, or if the drawing has no `viewBox`.
    """
    alt, table = _checked_alt(alt), _table(data) if data else ""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", svg))
    if "viewBox" not in root.attrib:
        raise ValueError("the drawing has no viewBox, without which it cannot shrink to a phone")
    for parent in list(root.iter()):
        for child in list(parent):
            # matplotlib's style sheet would apply to the whole page
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    _make_ids_unique(root, svg + alt)
    width = float(root.attrib["viewBox"].split()[2])
    for attribute in ("width", "height"):
        root.attrib.pop(attribute, None)
    root.attrib |= {
        "role": "img",
        "aria-label": alt,
        "style": f"display:block;margin:0 auto;width:{scale * width:.0f}px;max-width:100%;"
        "height:auto;break-inside:avoid;font-family:system-ui,sans-serif;stroke-linejoin:round",
    }
    text = ElementTree.tostring(root, encoding="unicode")
    text = text.replace("font-family: 'DejaVu Sans'; ", "").replace(INK, "currentColor")
    return Picture(re.sub(r"\s*\n\s*", "\n", text), alt, table)


def html_picture(body: str, *, alt: str, data: Table) -> Picture:
    """Makes a picture of HTML, such as a text with coloured words.

    Args:
        body: HTML in colours that suit a light and a dark page.
        alt: What it shows and what to conclude from it.
        data: The numbers behind it.

    Returns:
        The picture.

    Raises:
        ValueError: If the alternative text is missing or too short, or if the columns of `data`
            differ in length.
    """
    label = html.escape(_checked_alt(alt))
    group = f'<div role="group" aria-label="{label}" style="color:inherit">{body}</div>'
    return Picture(group, _checked_alt(alt), _table(data))


def _checked_alt(alt: str) -> str:
    alt = " ".join(alt.split())
    if len(alt) < MINIMUM_ALT:
        raise ValueError(
            f"a figure needs an alternative text, and {alt!r} is too short: "
            'say in a sentence what the figure shows and what to conclude, show(fig, alt="...")'
        )
    return alt


def _make_ids_unique(root: ElementTree.Element, content: str) -> None:
    """Drops the ids that nothing refers to; the others get a prefix made from the content."""
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    _shown[digest] += 1
    prefix = f"fig-{digest}-{_shown[digest]}-"
    used = set(
        re.findall(r"#([\w-]+)", " ".join(v for e in root.iter() for v in e.attrib.values()))
    )
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id" and value not in used:
                del element.attrib[key]
            elif key == "id":
                element.set(key, prefix + value)
            elif key.endswith("href"):
                element.set(key, value.replace("#", "#" + prefix, 1))
            else:
                element.set(key, value.replace("url(#", "url(#" + prefix))


def _table(data: Table) -> str:
    lengths = {name: len(column) for name, column in data.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"the columns of the data differ in length: {lengths}")
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in data)
    body = ""
    for first, *others in zip(*data.values(), strict=True):
        cells = "".join(f"<td>{_cell(value)}</td>" for value in others)
        body += f'<tr><th scope="row" style="white-space:nowrap">{_cell(first)}</th>{cells}</tr>'
    return (
        '<details class="figure-data" style="font-size:.85em"><summary>Data of this figure'
        '</summary><div role="group" aria-label="Data of this figure" tabindex="0" '
        'style="overflow-x:auto">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _cell(value: Any) -> str:
    """A value of a table; a number that is not zero but rounds to it reads 0.000."""
    if isinstance(value, float):
        return f"{value:.3g}" if value == 0 or abs(value) >= 0.0005 else "0.000"
    return html.escape(str(value))


# -------------------------------------------------------------------------------------------------
# Plots
# -------------------------------------------------------------------------------------------------


def head_heatmap(
    values: Real[Tensor, "layer head"] | Real[np.ndarray, "layer head"],
    *,
    label: str,
    limit: float | None = None,
    decimals: int = 2,
) -> Figure:
    """One number for each attention head: layers down, heads across, colours centred at zero.

    Args:
        values: The numbers.
        label: What they are, with unit and what a negative value means.
        limit: Value of the strongest colour; the largest absolute value if left out.
        decimals: Digits after the point.

    Returns:
        The figure.

    Raises:
        ValueError: If there are not two axes, if a value is NaN or infinite, if the label is empty
            or the limit is not positive.
    """
    array, label = _checked(values, "layer", "head"), _wrapped(label)
    limit = _strongest(limit, array)
    n_layers, n_heads = array.shape
    fig, ax = subplots(height=1.1 + 0.42 * n_layers)
    _cells(ax, array, DIVERGING, -limit, limit)
    if n_heads <= 12:  # more do not fit
        _print_values(ax, array, decimals)
    ax.set(xlabel="head", ylabel="layer", xticks=range(n_heads), yticks=range(n_layers))
    _colour_bar(fig, ax, DIVERGING, -limit, limit, label)
    columns = {f"head {head}": array[:, head].tolist() for head in range(n_heads)}
    _tables[fig] = {"layer": list(range(n_layers)), **columns}
    return fig


def head_heatmaps(
    panels: Mapping[str, Real[Tensor, "layer head"] | Real[np.ndarray, "layer head"]],
    *,
    label: str,
    limit: float | None = None,
    columns: int = 3,
) -> Figure:
    """Several numbers for each attention head: a panel for each, all on one colour scale.

    The tiles are too small for printed values; these stand in the table of the figure.

    Args:
        panels: The numbers of each panel under its title.
        label: What they are, with unit and what a negative value means.
        limit: Value of the strongest colour; the largest absolute value of all panels if left out.
        columns: At most so many panels side by side.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no panel, the panels differ in shape, a value is NaN or infinite,
            the label is empty, or the limit or the number of columns is not positive.
    """
    arrays = {title: _checked(values, "layer", "head") for title, values in panels.items()}
    label, shapes = _wrapped(label), {title: array.shape for title, array in arrays.items()}
    if len(set(shapes.values())) != 1:
        raise ValueError(f"the panels need one shape, at least one of them: {shapes}")
    if columns < 1:
        raise ValueError(f"columns is the number of panels side by side: 1 or more, not {columns}")
    limit = _strongest(limit, *arrays.values())
    n_layers, n_heads = next(iter(shapes.values()))
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    titles = {title: textwrap.fill(title, 54 // columns) for title in arrays}
    lines = 1 + max(title.count("\n") for title in titles.values())
    side = min(0.42, 4.6 / columns / n_heads)  # of a tile, in inches
    height = 0.95 + rows * (0.5 + 0.18 * lines + side * n_layers)
    fig, grid = subplots(rows, columns, height=height, sharex=True, sharey=True, squeeze=False)
    every = -(-max(n_layers, n_heads) // 6)  # more numbers than these would touch
    for ax, (title, array) in zip(grid.flat, arrays.items(), strict=False):
        _cells(ax, array, DIVERGING, -limit, limit)
        ax.set(aspect="equal", xticks=range(0, n_heads, every), yticks=range(0, n_layers, every))
        ax.set_title(titles[title], fontsize=10)
    for ax in grid.flat[len(arrays) :]:
        ax.set_visible(False)
    for ax in grid[-1]:
        ax.set_xlabel("head")
    for ax in grid[:, 0]:
        ax.set_ylabel("layer")
    _colour_bar(fig, grid, DIVERGING, -limit, limit, label)
    heads = [f"{layer}.{head}" for layer in range(n_layers) for head in range(n_heads)]
    flat = {title: array.ravel().tolist() for title, array in arrays.items()}
    _tables[fig] = {"head": heads, **flat}
    return fig


def attention_pattern(
    pattern: Real[Tensor, "query key"] | Real[np.ndarray, "query key"],
    tokens: Sequence[str],
    *,
    label: str = "attention probability",
) -> Figure:
    """One head's attention: each row is a position that reads, each column a position that is read.

    Args:
        pattern: Attention probabilities, between 0 and 1.
        tokens: The text of each position.
        label: What the colours mean.

    Returns:
        The figure.

    Raises:
        ValueError: If the pattern is not square, has another size than there are tokens, or
            contains NaN or values outside 0 to 1.
    """
    array, label = _checked(pattern, "query", "key"), _wrapped(label)
    if array.shape != (len(tokens), len(tokens)):
        raise ValueError(
            f"the pattern has the shape {array.shape}, and there are {len(tokens)} tokens"
        )
    if array.min() < -1e-6 or array.max() > 1 + 1e-6:
        raise ValueError(
            "attention probabilities lie between 0 and 1: is this the pattern before softmax?"
        )
    fig, ax = subplots(height=5.4)
    _cells(ax, array, SEQUENTIAL, 0.0, 1.0)
    texts = [token.replace("$", r"\$") for token in tokens]  # no mathematics
    ax.set_xticks(range(len(tokens)), texts, rotation=90)
    ax.set_yticks(range(len(tokens)), texts)
    ax.set(xlabel="key: the position read", ylabel="query: the position that reads")
    _colour_bar(fig, ax, SEQUENTIAL, 0.0, 1.0, label)
    names = [f"{position} {token}" for position, token in enumerate(tokens)]
    columns = {name: array[:, key].tolist() for key, name in enumerate(names)}
    _tables[fig] = {"query \\ key": names, **columns}
    return fig


def bars_with_intervals(
    names: Sequence[str],
    values: Real[Tensor, " bar"] | Real[np.ndarray, " bar"],
    intervals: Real[Tensor, "bar 2"] | Real[np.ndarray, "bar 2"],
    *,
    label: str,
    n: int,
) -> Figure:
    """Horizontal bars, each with its interval.

    Args:
        names: What each bar stands for.
        values: Length of each bar.
        intervals: Lower and upper end of the interval of each bar.
        label: What is measured, with unit and sign convention, and what the interval is.
        n: Number of samples behind each bar.

    Returns:
        The figure.

    Raises:
        ValueError: If names, values and intervals differ in number, if a value is NaN, or if a
            lower end lies above its upper end.
    """
    lengths, ends = _checked(values, "bar"), _checked(intervals, "bar", "end")
    label = _wrapped(f"{label}, n = {n}" if label.strip() else "")
    if not len(names) == len(lengths) == len(ends) or ends.shape[1] != 2:
        raise ValueError(
            f"{len(names)} names, values of shape {lengths.shape} and intervals of shape "
            f"{ends.shape}: each bar needs one name, one value and two ends"
        )
    if (ends[:, 0] > ends[:, 1]).any():
        raise ValueError("the lower end of an interval lies above its upper end")
    fig, ax = subplots(height=1.0 + 0.38 * len(names))
    rows = np.arange(len(names))
    ax.barh(rows, lengths, height=0.62, color=to_rgba(BLUE, 0.35), edgecolor=BLUE)
    ax.hlines(rows, ends[:, 0], ends[:, 1], color=INK, linewidth=1.4)
    ax.plot(lengths, rows, "o", color=INK, markersize=3.5)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_yticks(rows, names)
    ax.invert_yaxis()
    ax.grid(axis="x")
    fig.supxlabel(label, fontsize=10)
    _tables[fig] = {
        "bar": list(names),
        "value": lengths.tolist(),
        "lower end": ends[:, 0].tolist(),
        "upper end": ends[:, 1].tolist(),
    }
    return fig


def histogram_by_group(
    groups: Mapping[str, Real[Tensor, " sample"] | Real[np.ndarray, " sample"]],
    *,
    label: str,
    bins: int = 24,
    counted: str = "samples",
) -> Figure:
    """How the values of a few groups are distributed, over the same bins.

    Args:
        groups: The values of each group under its name; at most four groups.
        label: What is measured, with unit and sign convention.
        bins: Number of bins.
        counted: What there is one value of, in the plural.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no group or more than four, if a group is empty or contains NaN.
    """
    if not 1 <= len(groups) <= len(PALETTE):
        raise ValueError(f"a histogram takes 1 to {len(PALETTE)} groups, not {len(groups)}")
    label = _wrapped(label)
    arrays = {name: _checked(values, "sample") for name, values in groups.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(arrays.values())), bins)
    fig, ax = subplots()
    counts = {name: np.histogram(array, edges)[0] for name, array in arrays.items()}
    for (name, count), colour, line in zip(
        counts.items(), PALETTE, ("-", "--", "-.", ":"), strict=False
    ):
        text = f"{name} (n = {count.sum()})"
        ax.stairs(count, edges, fill=True, color=colour, alpha=0.22)
        ax.stairs(count, edges, color=colour, linewidth=1.6, linestyle=line, label=text)
    ax.set(xlabel=label, ylabel=counted)
    ax.grid(axis="y")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    _tables[fig] = {
        "from": edges[:-1].tolist(),
        "to": edges[1:].tolist(),
        **{name: count.tolist() for name, count in counts.items()},
    }
    return fig


def _checked(values: Any, *axes: str) -> np.ndarray:
    """The values as an array with these axes, all finite."""
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, float)
    if array.ndim != len(axes) or not array.size:
        raise ValueError(
            f"values of shape {array.shape} cannot be drawn: needs ({', '.join(axes)})"
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = ", ".join(f"{axis} {index}" for axis, index in zip(axes, bad[0], strict=True))
        raise ValueError(
            f"{len(bad)} of {array.size} values are NaN or infinite, the first at {where}"
        )
    return array


def _strongest(limit: float | None, *arrays: np.ndarray) -> float:
    """Value of the strongest colour: the given one, or the largest absolute value."""
    if limit is not None and limit <= 0:
        raise ValueError(
            f"limit is the value of the strongest colour and must be positive, not {limit}"
        )
    return limit or max(float(np.abs(array).max()) for array in arrays) or 1.0


def _cells(ax: Axes, array: np.ndarray, colours: ListedColormap, low: float, high: float) -> None:
    """Draws a matrix as tiles, first row on top; where it is zero there is no tile."""
    norm = Normalize(low, high)
    for (row, column), value in np.ndenumerate(array):
        if value != 0:
            colour, frame = colours(norm(value)), to_rgba(INK, 0.2)
            tile = Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fc=colour, ec=frame, lw=0.5)
            ax.add_patch(tile)
    n_rows, n_columns = array.shape
    ax.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _print_values(ax: Axes, array: np.ndarray, decimals: int) -> None:
    """Writes the values of a matrix on its tiles."""
    size = 9 if array.shape[1] <= 8 else 7.5
    for (row, column), value in np.ndenumerate(array):
        text = f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
        ax.text(column, row, text, ha="center", va="center", fontsize=size)


def _colour_bar(
    fig: Figure, ax: Axes | np.ndarray, colours: ListedColormap, low: float, high: float, label: str
) -> None:
    """Draws the scale of one matrix, or of several, below them, with its label."""
    scale = ScalarMappable(Normalize(low, high), colours)
    steps = np.linspace(low, high, 42)  # few enough for matplotlib to draw them as shapes
    bar = fig.colorbar(scale, ax=ax, location="bottom", aspect=40, pad=0.02, boundaries=steps)
    bar.outline.set_alpha(0.35)
    bar.locator = MaxNLocator(5)
    bar.formatter = ScalarFormatter()
    bar.update_ticks()
    bar.set_label(label)


def _wrapped(label: str) -> str:
    if not label.strip():
        raise ValueError("a plot needs a label: what is measured, and what the sign means")
    return "\n".join(textwrap.wrap(label, 62))
