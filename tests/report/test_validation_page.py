"""The page of a validation says what the estimate says, and shows what was missed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pypdf
import pytest

from keenline.errors import Code, ImageError
from keenline.evaluation.cross_validation import Estimate, Judged, pooled
from keenline.report.page_tree import Node, page_tree
from keenline.report.pdf import pdf_of
from keenline.report.validation_page import MOST, Half, validation_page
from keenline.types import Image, Mask, Verdict


def judged(number: int, shows: str, sure: float, anomaly: float) -> Judged:
    alarmed = sure > 0.5 or anomaly > 1
    return Judged(
        Path(f"set/{shows or 'good'}/{number}.png"), number, frozenset({shows} - {""}),
        {"dent": sure}, {"dent": 0.5}, anomaly, Verdict.REVIEW if alarmed else Verdict.PASS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def estimate() -> Estimate:
    found = [judged(n, "dent", 0.9, 2.0) for n in range(10)]
    missed = [judged(10 + n, "dent", 0.1, 0.5) for n in range(MOST + 2)]
    good = [judged(50 + n, "", 0.0, 0.2) for n in range(20)]
    return pooled([*found, *missed, *good, judged(99, "", 0.0, 1.5)])


def texts(node: Node) -> Iterator[str]:
    for each in node.inside:
        if isinstance(each, str):
            yield each
        else:
            yield from texts(each)


def look(image: Path) -> tuple[Image, list[Mask]]:
    if image.stem == "10":
        raise ImageError(Code.IMAGE_MISSING, "The image is gone", where=image)
    mask = np.zeros((90, 120), bool)
    mask[10:30, 20:60] = True
    return np.full((90, 120, 3), 90, np.uint8), [mask]


def test_numbers_bounds_and_pictures_are_on_the_page_and_on_paper(estimate: Estimate) -> None:
    half = Half("On parts left out in turn", "k-fold: 2 bundles.", estimate, ["few parts"])
    html = validation_page([half], "What to expect of set", {"Seed": "0"}, look)
    tree = page_tree(html)
    text = " ".join(tree.text.split())
    # statsmodels, proportion_confint(method="beta", alpha=0.1): 10 of 36, and 1 of 21.
    assert "10 of 36 defective parts named (at least 15.9 %)" in text
    assert "1 of 21 good parts did not pass (at most 20.7 %)" in text
    assert f"Missed: {MOST + 2}" in text
    assert "2 more not shown." in text
    assert "No picture: The image is gone" in text
    pictures = list(tree.all("img"))
    assert len(pictures) == MOST - 1 + 1  # one is gone, one good part did not pass
    data = pdf_of(html)
    sheets = pypdf.PdfReader(io.BytesIO(data)).pages
    assert sum(len(sheet.images) for sheet in sheets) >= 1
    whole = "".join("".join(sheet.extract_text().split()) for sheet in sheets)
    said = [word for text in texts(next(tree.all("body"))) for word in text.split()]
    assert not [word for word in said if word not in whole]


def test_a_class_of_which_nothing_could_be_tried_is_no_number() -> None:
    alone = pooled([judged(0, "", 0.0, 0.2), judged(1, "", 0.0, 0.2)])
    html = validation_page([Half("H", "how", alone, ())], "T", {}, look)
    assert "No defective part could be tried; 0 of 2 good parts did not pass" in html
