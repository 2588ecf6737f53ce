"""Typefaces, sizes and colours of a page on paper, and letters that the typeface lacks."""

from __future__ import annotations

from functools import cache
from typing import Any

PLAIN, BOLD = "KeenlineVera", "KeenlineVera-Bold"
"""Bitstream Vera, which comes with reportlab; both are embedded in the file."""

INK, MUTED, LINE = "#000000", "#444444", "#bbbbbb"
"""As the style of the page prints them."""

_STYLES = {
    # size, leading, colour, above, below
    "kind": (8, 10, MUTED, 0, 1),
    "h1": (19, 23, INK, 0, 2),
    "headline": (14, 18, INK, 4, 8),
    "h2": (12, 15, INK, 13, 4),
    "h3": (9, 12, INK, 6, 2),
    "p": (8.5, 12, INK, 0, 4),
    "note": (7.5, 10, MUTED, 3, 0),
    "fact-name": (7, 9, MUTED, 3, 0),
    "fact": (8.5, 11, INK, 0, 2),
    "cell": (7.5, 10, INK, 0, 0),
    "head": (7, 9, MUTED, 0, 0),
    "code": (7, 9.5, INK, 0, 0),
}
_BOLD = frozenset({"h1", "headline", "h2", "h3"})


@cache
def load_typefaces() -> frozenset[int]:
    """Make both typefaces known to reportlab; gives the code points that both have."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    plain, bold = TTFont(PLAIN, "Vera.ttf"), TTFont(BOLD, "VeraBd.ttf")
    pdfmetrics.registerFont(plain)
    pdfmetrics.registerFont(bold)
    pdfmetrics.registerFontFamily(PLAIN, normal=PLAIN, bold=BOLD, italic=PLAIN, boldItalic=BOLD)
    return frozenset(plain.face.charToGlyph) & frozenset(bold.face.charToGlyph)


def drawable(text: str) -> str:
    """The text with every letter that the typeface lacks written as its number, `\\u4e2d`.

    Nothing is left out or replaced by a letter that looks alike: a name must be found again.
    """
    known = load_typefaces()
    return "".join(each if ord(each) in known else _otherwise(each) for each in text)


def style(name: str, *, right: bool = False, bold: bool = False) -> Any:
    """The paragraph style of that name; `right`: flush right."""
    from reportlab.lib.enums import TA_LEFT, TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle

    size, leading, colour, above, below = _STYLES[name]
    return ParagraphStyle(
        name,
        fontName=BOLD if bold or name in _BOLD else PLAIN,
        fontSize=size,
        leading=leading,
        textColor=colour,
        spaceBefore=above,
        spaceAfter=below,
        alignment=TA_RIGHT if right else TA_LEFT,
        splitLongWords=1,
    )


def width(text: str, of: Any) -> float:
    """How wide one line of text is in a style, in points."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(stringWidth(text, of.fontName, of.fontSize))


def _otherwise(letter: str) -> str:
    return " " if letter.isspace() else letter.encode("ascii", "backslashreplace").decode()
