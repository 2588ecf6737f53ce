"""The PDF says what the page says, on sheets that say what vouches for it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keenline.errors import Code, EnvironmentMissing
from keenline.evaluation.pod import probability_of_detection
from keenline.report.page_tree import page_tree
from keenline.report.pdf import has_pdf, pdf_of, write_page
from keenline.report.plain_page import paragraph, plain_page, section, table
from keenline.report.pod_page import pod_page

FOOT = f"r.json, sha256 {'0f' * 32}"


def page(text: str = "dent", *, rows: int = 3) -> str:
    cells = [(f"{text} {n}", "at least 80 %", "yes") for n in range(rows)]
    return plain_page(
        kind="Acceptance",
        title=text,
        headline=f"Refused: {text}",
        facts={"By": text, "When": "now", "Answer": "refused", "Standard": text},
        sections=[section("Criteria", table(("Criterion", "Asked", "Met"), cells), note=text)],
        footer="It ends with any change.",
    )


def sheets(data: bytes) -> list[str]:
    return [sheet.extract_text() for sheet in pypdf.PdfReader(io.BytesIO(data)).pages]


def joined(text: str) -> str:
    return "".join(text.split())


def test_every_word_of_the_page_is_on_paper_and_every_sheet_says_whose() -> None:
    sizes = [0.2 + 0.04 * n for n in range(30)]
    hits = [size > 0.7 + 0.25 * (-1) ** n for n, size in enumerate(sizes)]
    pods = {"dent": probability_of_detection(sizes, hits), "few": probability_of_detection([], [])}
    html = pod_page(pods, "mm", "Which defects are found", {"Table": "hits.csv"})
    found = sheets(pdf_of(html, foot=FOOT))
    assert len(found) > 1
    for number, text in enumerate(found, 1):
        assert joined(FOOT) in joined(text)
        assert f"page {number} of {len(found)}" in text
    body = next(page_tree(html).all("body"))
    whole = joined("".join(found))
    missing = [word for word in body.text.split() if joined(word) not in whole]
    assert not missing, missing


@settings(max_examples=10, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=300))
def test_any_words_of_people_can_be_set(text: str) -> None:
    assert pdf_of(page(text)).startswith(b"%PDF-")


def test_letters_that_the_typeface_lacks_keep_their_number() -> None:
    (text,) = sheets(pdf_of(page("Öse ≥ 3 µm, 划痕")))
    assert "Öse ≥ 3 µm, \\u5212\\u75d5" in text


def test_a_table_of_many_columns_goes_on_below_with_its_first_one() -> None:
    names = [f"class_{number}" for number in range(70)]
    cells = table(("Shown", *names), [("dent", *(f"n{n}" for n in range(70)))])
    html = plain_page(
        kind="K", title="T", headline="h", facts={}, sections=[section("Taken for", cells)],
        footer="f",
    )  # fmt: skip
    whole = " ".join(sheets(pdf_of(html))).split()
    assert whole.count("Shown") == whole.count("dent") > 3
    assert {*names, *(f"n{n}" for n in range(70))} <= set(whole)


def test_long_tables_and_long_cells_go_on_over_sheets() -> None:
    found = sheets(pdf_of(page(rows=60)))
    assert all("Criterion" in text for text in found)  # the head is repeated
    assert "dent 59" in found[-1]
    assert len(sheets(pdf_of(page("word " * 800)))) > 2


def test_the_same_page_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(), "utf-8")
    program = (
        "import hashlib, pathlib, sys; from keenline.report.pdf import pdf_of; "
        "page = pathlib.Path(sys.argv[1]).read_text('utf-8'); "
        "print(hashlib.sha256(pdf_of(page, foot=sys.argv[2])).hexdigest())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "page.html"), FOOT]
    elsewhere = {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=elsewhere)
    assert ran.stdout.strip() == hashlib.sha256(pdf_of(page(), foot=FOOT)).hexdigest()


def test_without_the_extra_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "reportlab", None)
    assert not has_pdf()
    with pytest.raises(EnvironmentMissing) as raised:
        write_page(page(), tmp_path / "a.pdf")
    assert raised.value.code is Code.EXTRA_MISSING
    write_page(page(), tmp_path / "a.html")


def test_what_cannot_be_set_is_refused() -> None:
    with pytest.raises(ValueError, match="video"):
        pdf_of(page().replace("<main>", "<main><video></video>"))
    with pytest.raises(ValueError, match="within"):
        page_tree("<html><p>open</html>")


def test_the_name_says_which(tmp_path: Path) -> None:
    write_page(page(), tmp_path / "a.PDF")
    write_page(page(), tmp_path / "a.html")
    assert (tmp_path / "a.PDF").read_bytes().startswith(b"%PDF-")
    assert (tmp_path / "a.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_paragraphs_keep_signs_that_markup_uses() -> None:
    html = plain_page(
        kind="K", title="T", headline="a < b & c", facts={}, sections=[paragraph("<b>x</b> &amp;")],
        footer="f",
    )  # fmt: skip
    (text,) = sheets(pdf_of(html))
    assert "a < b & c" in text
    assert "<b>x</b> &amp;" in text
