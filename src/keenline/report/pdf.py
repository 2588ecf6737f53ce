"""A page turned into a PDF: the same words on A4, with what vouches for them on every sheet."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keenline.errors import Code, EnvironmentMissing
from keenline.report.page_tree import Node, page_tree
from keenline.report.writing import as_utf8, write_whole

ENDING = ".pdf"


def has_pdf() -> bool:
    """Whether the extra `report` is installed."""
    return find_spec("reportlab") is not None


def require_pdf(path: Path) -> None:
    """Raise EnvironmentMissing (EXTRA_MISSING) when `path` is to be a PDF and none can be made."""
    if path.suffix.lower() == ENDING and not has_pdf():
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Writing PDF needs reportlab",
            where=path,
            next="pip install 'keenline[report]', or name an HTML file",
        )


def write_page(page: str, path: Path, *, foot: str = "") -> None:
    """Write a page as its name says: `.pdf` as PDF, anything else as HTML.

    Raises OutputError, and EnvironmentMissing (EXTRA_MISSING) for a PDF without the extra `report`.
    """
    require_pdf(path)
    is_pdf = path.suffix.lower() == ENDING
    write_whole(pdf_of(page, foot=foot) if is_pdf else as_utf8(page), path)


def pdf_of(page: str, *, foot: str = "") -> bytes:
    """A page of `plain_page` as PDF; the same page and `foot` always give the same bytes.

    `foot` stands at the foot of every sheet, beside `page x of y`. Every word of the page is in it;
    letters that the typeface (Bitstream Vera, embedded) lacks are written as `\\u4e2d`. Raises
    ValueError for a page that has more than headings, paragraphs, facts, tables and charts.
    """
    tree = page_tree(page)
    # Twice, because how many sheets there are is known after they were laid out.
    _, sheets = _laid_out(tree, foot, None)
    data, _ = _laid_out(tree, foot, sheets)
    return data


def _laid_out(tree: Node, foot: str, sheets: int | None) -> tuple[bytes, int]:
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    from keenline.report.pdf_blocks import blocks
    from keenline.report.pdf_type import drawable, load_typefaces

    load_typefaces()
    file = io.BytesIO()
    title = drawable(next(tree.all("title")).text)
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=14 * mm,
        rightMargin=14 * mm,
        topMargin=14 * mm,
        bottomMargin=18 * mm,
        invariant=1,
        title=title,
        author="Keenline",
        creator="Keenline",
        lang="en",
    )

    def foot_of_sheet(canvas: Any, document: Any) -> None:
        _foot(canvas, document, foot, sheets)

    document.afterFlowable = _outline(document)
    # The frame of the template takes 6 points on each side for itself.
    story = blocks(tree, document.width - 12)
    document.build(story, onFirstPage=foot_of_sheet, onLaterPages=foot_of_sheet)
    return file.getvalue(), document.page


def _foot(canvas: Any, document: Any, foot: str, sheets: int | None) -> None:
    from keenline.report.pdf_type import MUTED, PLAIN, drawable

    canvas.saveState()
    canvas.setFont(PLAIN, 6.5)
    canvas.setFillColor(MUTED)
    y = document.bottomMargin - 16
    canvas.drawString(document.leftMargin + 6, y, drawable(foot))
    right = document.leftMargin + document.width - 6
    canvas.drawRightString(right, y, f"page {document.page} of {sheets or document.page}")
    canvas.restoreState()


def _outline(document: Any) -> Any:
    """Headings become the outline by which a reader of the file jumps."""

    def note(block: Any) -> None:
        heading = getattr(block, "in_outline", None)
        if heading is not None:
            key = f"h{document.page}-{heading}"
            document.canv.bookmarkPage(key)
            document.canv.addOutlineEntry(heading, key, 0)

    return note
