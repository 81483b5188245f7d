"""A text with its attributions: coloured words, each with its number, and a table for everybody.

The plot of the `shap` library writes white and grey into the page, so that it cannot be read on a
dark one; `shap_plot` takes its HTML and lets those colours follow the page.
"""

import hashlib
import html
import re
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from matplotlib.colors import to_rgb
from torch import Tensor

from interp_rl import plots
from interp_rl.attribution.attributions import Attribution
from interp_rl.attribution.text_models import find_output
from interp_rl.attribution.text_shap import load_shap


def text_plot(
    rows: Mapping[str, Attribution],
    name: str | Mapping[str, str],
    *,
    alt: str,
    unit: str,
    limit: float | None = None,
) -> plots.Picture:
    """Draws one or several attributions, one below the other on the same scale of colours.

    Args:
        rows: The attributions, each under its title.
        name: Which output; for rows about different outputs, one for each title.
        alt: What to see and what to conclude.
        unit: What the numbers are, with unit, and what a positive one means.
        limit: Value of the strongest colour; the largest absolute value if left out.

    Returns:
        The picture: blue words raise the output and vermilion ones lower it, and the number below
        each says by how much, so that nothing depends on colour. The table holds the same numbers.

    Raises:
        ValueError: If there is no row, the alternative text is too short, an output does not exist,
            or a value is NaN or infinite.
    """
    if not rows:
        raise ValueError("there is nothing to draw: give at least one attribution")
    outputs = {title: name if isinstance(name, str) else name[title] for title in rows}
    values = {title: found.of(outputs[title]) for title, found in rows.items()}
    everything = torch.cat(list(values.values()))
    if not everything.isfinite().all():
        raise ValueError("some attributions are NaN or infinite and cannot be drawn")
    limit = limit or float(everything.abs().max()) or 1.0
    parts = []
    for title, found in rows.items():
        output = outputs[title]
        index = find_output(output, found.output_names)
        facts = html.escape(output)
        if found.base[index].isfinite():  # attention rollout has neither
            ends = f"base {_number(found.base[index])}, text {_number(found.full[index])}"
            facts = f"{facts}: {ends}"
        words = "".join(
            _word(word, float(value), limit)
            for word, value in zip(found.words, values[title], strict=True)
        )
        heading = html.escape(title)
        parts.append(
            f'<div style="margin:.6em 0"><div style="font-size:.85em"><strong>{heading}</strong> '
            f'<span style="white-space:nowrap">({facts})</span></div>'
            f'<div style="line-height:2.6">{words}</div></div>'
        )
    body = f'<div style="font-size:.85em">{html.escape(unit)}</div>' + "".join(parts)
    return plots.html_picture(body, alt=alt, data=_table(rows, values))


def shap_plot(explanation: Any, attribution: Attribution, *, alt: str) -> plots.Picture:
    """SHAP's own plot of a text, in colours that follow the page, with a table.

    Args:
        explanation: A `shap.Explanation` of one text and one output, such as ``found[0, :, 1]``.
        attribution: The same numbers, for the table.
        alt: What to see and what to conclude.

    Returns:
        The picture.

    Raises:
        ValueError: If the alternative text is too short.
    """
    shap = load_shap()
    drawn = with_page_colours(shap.plots.text(explanation, display=False))
    values = {name: attribution.of(name) for name in attribution.output_names}
    rows = dict.fromkeys(values, attribution)
    return plots.html_picture(drawn, alt=alt, data=_table(rows, values))


def with_page_colours(drawn: str) -> str:
    """Repairs SHAP's HTML: its white and grey follow the page, its colours are ones that exist.

    With NumPy 2, SHAP 0.51 writes colours such as ``rgba(np.float64(30.0), ...)``, which no browser
    knows, so that no word is coloured; and it names its elements at random, so that no two builds
    of a page are alike.

    Args:
        drawn: HTML made by `shap.plots.text`.

    Returns:
        The same with white made transparent, grey and black replaced by the colour of the page's
        text, numbers written as numbers, and names made from the content.
    """
    drawn = re.sub(r"np\.float64\(([^()]*)\)", r"\1", drawn)
    white = r"#fff(?:fff)?\b|rgb\(255, ?255, ?255\)|\bwhite\b"
    grey = (
        r"#(?:999|ccc|ddd|dddddd|000|000000)\b|rgb\(0, ?0, ?0\)|rgb\(120, ?120, ?120\)"
        r"|rgb\(150, ?150, ?150\)|\bblack\b"
    )
    drawn = re.sub(white, "transparent", drawn)
    drawn = re.sub(grey, "currentColor", drawn)
    names = dict.fromkeys(re.findall(r"_tp_([a-z]{20})_", drawn))
    plain = re.sub("|".join(names) or "$^", "", drawn)
    digest = hashlib.sha256(plain.encode()).hexdigest()[:12]
    for number, name in enumerate(names):
        drawn = drawn.replace(name, f"shap{digest}{number}")
    return drawn


def _word(word: str, value: float, limit: float) -> str:
    """A word on its colour, and its number below."""
    red, green, blue = (
        round(255 * x) for x in to_rgb(plots.BLUE if value > 0 else plots.VERMILION)
    )
    opacity = plots.UNDER_TEXT * min(abs(value) / limit, 1.0)
    colour = f"rgba({red},{green},{blue},{opacity:.2f})"
    return (
        '<span style="display:inline-block;text-align:center;line-height:1.25;margin:0 .12em">'
        f'<span style="background:{colour};border-radius:.2em;padding:.05em .25em">'
        f"{html.escape(word.strip()) or '&nbsp;'}</span><br>"
        f'<span style="font-size:.72em">{_number(value)}</span></span>'
    )


def _number(value: float | Tensor) -> str:
    return f"{round(float(value), 2) + 0.0:+.2f}".replace("-", "−")


def _table(
    rows: Mapping[str, Attribution], values: Mapping[str, Float[Tensor, " token"]]
) -> plots.Table:
    """The numbers: side by side where all rows are about one text, below each other elsewhere."""
    words = {found.words for found in rows.values()}
    if len(words) == 1:
        tokens = [f"{place} {word.strip()}" for place, word in enumerate(words.pop(), start=1)]
        return {"token": tokens, **{title: column.tolist() for title, column in values.items()}}
    where, tokens, numbers = [], [], []
    for title, found in rows.items():
        where += [title] * len(found.words)
        tokens += [word.strip() for word in found.words]
        numbers += values[title].tolist()
    return {"text": where, "token": tokens, "value": numbers}
