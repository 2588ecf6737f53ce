"""The page says what the content says, escapes it, needs nothing from outside and stays small."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.report import synthetic

from keenline.errors import Code, ImageError
from keenline.report.cards import CardMaker, Section
from keenline.report.html import render, write_report
from keenline.types import Image

VOID = {"meta", "img", "br", "input"}


class _Balance(HTMLParser):
    """Fails on a closing tag that closes nothing; collects attributes that load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)
        assert tag != "script"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _page(labelled: bool = True) -> str:
    content = synthetic.content(labelled)
    return render(content, read=synthetic.read, read_mask=synthetic.read_mask)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_page_is_well_formed_and_loads_nothing(labelled: bool) -> None:
    page = _page(labelled)
    parser = _Balance()
    parser.feed(page)
    assert parser.open == []
    assert parser.loads
    assert all(load.startswith("data:image/") for load in parser.loads)
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_names_are_escaped_everywhere() -> None:
    page = _page()
    assert "<script" not in page
    assert "Bracket &lt;left&gt; &amp; Co" in page
    assert "notes &amp; &lt;b&gt;.txt" in page
    assert "truncated &lt;file&gt;" in page
    assert synthetic.EVIL in unescape(page)


def test_counts_statement_and_bounds_are_on_the_page() -> None:
    page = _page()
    for verdict, count in {"PASS": 9, "REVIEW": 6, "REJECT": 0, "INVALID": 1}.items():
        assert f'<b>{count}</b><span class="name">{verdict}</span>' in page
    assert "5 of 6 defective images found, fewest of dent: 4 of 5; 1 of 9 good images" in page
    assert "59 held-out parts, none above: false-alarm rate &lt;= 5 % at 95 % confidence" in page
    # dent: 4 of 5 found, at least 34.3 % (Clopper-Pearson); good: 1 of 9, at most 42.9 %
    assert "<td>80.0 %</td><td>34.3 %</td>" in page
    assert "<td>11.1 %</td><td>42.9 %</td>" in page


def test_cards_hold_what_an_auditor_looks_for_first() -> None:
    page = _page()
    missed, rest = page.split("<h2>False alarms")
    alarms, found = rest.split("<h2>Found")
    assert missed.count('<article class="card">') == 1
    assert alarms.count('<article class="card">') == 1
    assert "good-loud.png" in alarms
    assert found.count('<article class="card">') == 5
    assert "3 × 2 mm, 6 mm²" in found  # 30 x 20 px of 600 px² that are 6 mm²
    assert found.count("normal there</figcaption>") == 5
    assert 'class="layer truth"' in found


def test_found_parts_take_turns_by_class() -> None:
    found = _page().split("<h2>Found")[1]
    names = re.findall(r"</span>([^<]+)</h3>", found)
    assert names[:3] == ["dent-3.png", "scratch.png", "dent-2.png"]


def test_a_report_without_labels_claims_nothing_about_recall() -> None:
    page = _page(labelled=False)
    assert "Inspection report" in page
    assert "7 of 16 images did not pass." in page
    assert "Recall" not in page
    assert "ROC" not in page
    assert "<h2>To look at" in page


def test_an_image_that_cannot_be_read_any_more_leaves_a_card_with_the_reason() -> None:
    def gone(path: Path) -> Image:
        raise ImageError(Code.IMAGE_MISSING, "The image is not there", where=path)

    page = render(synthetic.content(), read=gone)
    assert page.count("No picture: The image is not there [KL1100]") == 7


def test_nothing_inspected_is_still_a_page() -> None:
    content = dataclasses.replace(synthetic.content(labelled=False), rows=())
    page = render(content, read=synthetic.read)
    assert "0 of 0 images did not pass." in page
    assert '<svg class="chart"' not in page


def test_the_page_stops_growing_and_says_so() -> None:
    def noise(path: Path) -> Image:
        return np.random.default_rng(0).integers(0, 256, (*synthetic.SHAPE, 3), np.uint8)

    rows = [item for item in synthetic.rows() if item.label == "dent"]
    maker = CardMaker(noise, None, budget=60_000, full=2.0)
    page = maker.section(Section("Dents", "All of them.", rows), most=12)
    shown = page.count('<article class="card">')
    assert 1 <= shown < 5
    assert f"{5 - shown} more not shown." in page
    assert len(page) < 70_000


def test_large_images_are_scaled_down() -> None:
    def large(path: Path) -> Image:
        return np.random.default_rng(1).integers(0, 256, (1500, 2000, 3), np.uint8)

    rows = [item for item in synthetic.rows() if item.label == "scratch" and item.score]
    page = CardMaker(large, None, budget=10**9, full=2.0).section(Section("S", "s", rows), 1)
    assert len(page) < 600_000
    assert "--ratio:1.33333" in page


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "prüf bericht.html"
    write_report(synthetic.content(), path, read=synthetic.read)
    assert path.read_text("utf-8").rstrip().endswith("</html>")
    assert list(tmp_path.iterdir()) == [path]
