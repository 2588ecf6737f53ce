"""A headline, facts and sections turned into one HTML page that opens anywhere and prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template


def plain_page(
    *,
    kind: str,
    title: str,
    headline: str,
    facts: Mapping[str, str],
    sections: Iterable[str],
    footer: str,
) -> str:
    """The page as text. `sections` are HTML, everything else is plain text."""
    folder = files("keenline.report") / "templates"
    cells = (f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())
    return Template((folder / "plain.html").read_text("utf-8")).substitute(
        style=(folder / "page.css").read_text("utf-8"),
        kind=escape(kind),
        title=escape(title),
        headline=escape(headline),
        facts=f'<dl class="facts-grid">{"".join(cells)}</dl>',
        sections="\n".join(sections),
        footer=escape(footer),
    )


def section(heading: str, *parts: str, note: str = "") -> str:
    """A section under a heading; `parts` are HTML, the rest plain text."""
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(heading)}</h2>{''.join(parts)}{below}</section>"


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of plain text, the first cell of each row its name; wide ones scroll."""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><thead><tr>{columns}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def figures(drawings: Iterable[str]) -> str:
    """Charts beside each other."""
    shown = "".join(f"<figure>{drawing}</figure>" for drawing in drawings)
    return f'<div class="charts">{shown}</div>' if shown else ""
