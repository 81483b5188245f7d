"""The style sheet: contrast, and nothing from elsewhere."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from coursekit.sphinx_ext import fields
from coursekit.sphinx_ext.pages import ASSETS

CSS = (ASSETS / "course.css").read_text("utf-8")


def palette(theme: str) -> dict[str, str]:
    """The colours of a theme, by name."""
    block = re.search(rf'html\[data-theme="{theme}"\] {{\n  --paper.*?}}', CSS, re.DOTALL)
    assert block
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block[0]))


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_measured_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_is_legible_on_every_ground(theme: str) -> None:
    colour = palette(theme)
    pairs = [*product(("ink", "muted", "blue"), ("paper", "raised", "blue-tint", "amber-tint"))]
    for kind in ("blue", "amber", "teal", "plum"):
        pairs += [(kind, f"{kind}-tint"), (kind, "paper"), ("ink", f"{kind}-tint")]
    pairs.append(("amber", "blue-tint"))  # stars on the head of an exercise
    weak = {pair: contrast(colour[pair[0]], colour[pair[1]]) for pair in pairs}
    assert {pair: round(c, 2) for pair, c in weak.items() if c < 4.5} == {}


def test_the_style_sheet_asks_no_other_host_and_names_no_missing_file() -> None:
    targets = re.findall(r'url\("([^"]+)"\)', CSS)
    files = [target for target in targets if not target.startswith("data:")]
    assert files
    for name in files:
        assert (ASSETS / name).is_file(), name


@pytest.mark.parametrize("folder, licence", [("fonts", "OFL.txt"), ("thebe", "LICENSE")])
def test_what_is_vendored_has_its_licence_and_is_small(folder: str, licence: str) -> None:
    files = [path for path in (ASSETS / folder).rglob("*") if path.is_file()]
    assert ASSETS / folder / licence in files
    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert not any(path.parent.name == "_static" for path in files)


def test_numbers_sort_as_a_reader_expects() -> None:
    items = ["2.10", "2.9", "2.2b", "2.2a", "3.1 ii", "3.1 i", "1"]
    assert sorted(items, key=fields.in_reading_order) == [
        *("1", "2.2a", "2.2b", "2.9", "2.10", "3.1 i", "3.1 ii")
    ]


def test_anchors() -> None:
    assert fields.anchor("solution", "3.1 ii") == "solution-3-1-ii"


def test_the_logo_is_the_favicon(root: Path) -> None:
    assert (ASSETS / "logo.svg").read_text() == (ASSETS / "favicon.svg").read_text()
