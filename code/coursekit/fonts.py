"""Makes the site's fonts again from those that others publish; the site does not need it.

    python -m pip install fonttools brotli
    python -m coursekit.fonts STIXMath-Regular.otf code/coursekit/assets/fonts/book-math.woff2
    python -m coursekit.fonts source-serif-4-latin-wght-normal.woff2 code/coursekit/assets/fonts/...

The first makes the font of the formulas from Debian's package `fonts-stix` 1.1.1, the others limit
a variable font of Fontsource 5.3 to the weights and features that the book uses.
"""

import io
import sys
from typing import Any

WEIGHTS = (400, 700)
"""Lightest and boldest weight of the style sheet."""

LETTERS = (
    *range(0x20, 0x7F),
    *range(0x391, 0x3CA),  # Greek
    *range(0x1D434, 0x1D468),  # slanted Latin
    *range(0x1D6E2, 0x1D71C),  # slanted Greek
    *(0xA0, 0xAC, 0xB0, 0xB1, 0xB7, 0xD7, 0xF7, 0x210E, 0x3D1, 0x3D5, 0x3F1, 0x3F5),
    *(0x2009, 0x2061, 0x2062),  # a thin space, and signs that are not seen
)
SIGNS = "−∇∑𝔼∣∂⊤⊥̂̃̄⃗ˆ˜¯‾‖∥≤≥≪≫≈≠≡∼∝×⋅∗∘±ℓ′∏∪∩∖∅∈∉⊂⊆∞→←↔⇒↦∀∃√∫…⋯⋮⋱⏟⏞∧∨¬⊕⊗⊙⟨⟩⌈⌉⌊⌋ℝℕℤℙ𝟙𝒩ℒ𝒟𝒜𝒮"
SLANTED = {*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)}

OVERHANG = 0.8
"""Part of what a slanted letter reaches beyond its width that is added to the width: browsers set
no italic correction, and the font brings none."""


def math_font(source: str) -> Any:
    """Makes the font of the formulas.

    Args:
        source: Path of STIX Math.

    Returns:
        The font, of fontTools, with the signs above, their sizes, and the table MATH; renamed.
    """
    from fontTools.pens.boundsPen import BoundsPen
    from fontTools.ttLib import TTFont

    font = TTFont(source)
    names, outlines = font.getBestCmap(), font.getGlyphSet()
    for glyph in [names[code] for code in sorted(SLANTED & set(names))]:
        pen = BoundsPen(outlines)
        outlines[glyph].draw(pen)
        width, left = font["hmtx"][glyph]
        font["hmtx"][glyph] = (width + max(0, round(OVERHANG * (pen.bounds[2] - width))), left)
    _subset(font, {*LETTERS, *map(ord, SIGNS)}, ["ssty"], drop=["GPOS"])
    for record in font["name"].names:  # the licence keeps the old name for the unchanged font
        if record.nameID == 1:
            record.string = "Book Math"
    top = font["CFF "].cff.topDictIndex[0]
    top.FullName = top.FamilyName = "Book Math"
    return font


def text_font(source: str) -> Any:
    """Limits a variable font to the weights and features of the book.

    Args:
        source: Path of the font.

    Returns:
        The font, of fontTools.
    """
    from fontTools.ttLib import TTFont
    from fontTools.varLib import instancer

    font = TTFont(source)
    codes = set(font.getBestCmap())
    font = instancer.instantiateVariableFont(font, {"wght": WEIGHTS})
    font.flavor = None
    written = io.BytesIO()
    font.save(written)
    font = TTFont(io.BytesIO(written.getvalue()))
    features = ["kern", "liga", "ccmp", "locl", "tnum", "pnum", "mark", "mkmk"]
    _subset(font, codes, features, drop=["FFTM"])
    return font


def _subset(font: Any, codes: set[int], features: list[str], drop: list[str]) -> None:
    from fontTools import subset

    options = subset.Options()
    options.hinting, options.notdef_outline = False, True
    options.layout_features = features
    options.drop_tables += drop
    options.name_IDs = [0, 1, 2, 13, 14, 16, 17, 25]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)


def main() -> int:
    """Makes one font.

    Returns:
        The exit status.
    """
    source, target = sys.argv[1:]
    font = math_font(source) if "STIX" in source else text_font(source)
    font.flavor = "woff2"
    font.save(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
