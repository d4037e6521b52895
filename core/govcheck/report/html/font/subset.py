"""Make the subset of STIX Two Math that reports embed.

Not used at run time. Needs fontTools and brotli and the original font (version 2.12 from the
Debian package texlive-fonts-extra, folder stix2-otf)::

    python subset.py STIXTwoMath-Regular.otf stix-two-math.woff2

Kept are the characters below with all their layout features and the MATH table, which
browsers need for stretched signs, scripts and fractions.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

RANGES: Final = (
    (0x20, 0x7E),
    (0xA0, 0xFF),
    (0x02C6, 0x02DC),
    (0x0300, 0x0308),
    (0x0391, 0x03A9),
    (0x03B1, 0x03C9),
    (0x03D0, 0x03D6),
    (0x03F0, 0x03F5),
    (0x2009, 0x200B),
    (0x2010, 0x2026),
    (0x2032, 0x2034),
    (0x2044, 0x2044),
    (0x2061, 0x2064),
    (0x2102, 0x2102),
    (0x210E, 0x210F),
    (0x2112, 0x2115),
    (0x211D, 0x211D),
    (0x2190, 0x2199),
    (0x21A6, 0x21A6),
    (0x21D0, 0x21D4),
    (0x2200, 0x223C),
    (0x2240, 0x224D),
    (0x2260, 0x226B),
    (0x2282, 0x228B),
    (0x2295, 0x2299),
    (0x22A4, 0x22A5),
    (0x22C0, 0x22C6),
    (0x22EE, 0x22F1),
    (0x2308, 0x230B),
    (0x27E8, 0x27E9),
    (0x27F5, 0x27FA),
    (0x2A00, 0x2A02),
    (0x1D434, 0x1D467),
    (0x1D6A4, 0x1D6A5),
    (0x1D6E2, 0x1D71B),
)


def characters() -> list[int]:
    """Code points of the subset."""
    return [c for first, last in RANGES for c in range(first, last + 1)]


def main() -> None:
    """Read the font and write its subset."""
    from fontTools import subset

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("font", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    options = subset.Options(
        flavor="woff2", layout_features=["*"], name_IDs=["*"], notdef_outline=True,
        glyph_names=False, hinting=False, desubroutinize=True, drop_tables=["DSIG"],
    )
    font = subset.load_font(str(given.font), options)
    worker = subset.Subsetter(options)
    worker.populate(unicodes=characters())
    worker.subset(font)
    font.recalcTimestamp = False
    subset.save_font(font, str(given.output), options)


if __name__ == "__main__":
    main()
