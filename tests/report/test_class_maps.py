"""A card shows for the surest classes where in the image that comes from, named as what it is."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from keenline.report.cards import CardMaker, Section
from keenline.report.class_maps import class_pictures, says_nothing
from keenline.report.content import ReportRow
from keenline.types import Box, Decision, Inspection, Prediction, Region, Verdict

GREY = np.full((80, 120, 3), 128, np.uint8)


def said(scores: dict[str, float], strange: float = 0.0) -> Prediction:
    """Every class is seen in its own column of a 4 x 6 map."""
    maps = {}
    for place, name in enumerate(scores):
        maps[name] = np.zeros((4, 6), np.float32)
        maps[name][:, place] = 1.0
    whole = np.full((4, 6), strange, np.float32)
    return Prediction(1.0, whole, (), scores, maps)


def pictures(page: str) -> list[np.ndarray]:
    found = re.findall(r"base64,([^\"]+)", page)
    return [np.asarray(Pillow.open(io.BytesIO(base64.b64decode(part)))) for part in found]


def test_the_surest_classes_are_painted_where_they_are_seen():
    page = class_pictures(
        said({"dent": 0.2, "<pit>": 0.9, "stain": 0.05}), GREY, "class activation"
    )
    assert re.findall(r"<b>(.+?)</b> (.+?)<", page) == [
        ("&lt;pit&gt; 0.90", "class activation"),
        ("dent 0.20", "class activation"),
    ]
    first, second = (np.abs(p.astype(int) - 128).max(axis=2) > 30 for p in pictures(page))
    assert first[:, 25:35].mean() > 0.9  # the second column, 20 to 40
    assert first[:, 60:].mean() < 0.05
    assert second[:, :10].mean() > 0.9


def test_the_surest_is_shown_however_unsure_and_three_at_most():
    assert "<b>dent 0.02</b>" in class_pictures(said({"dent": 0.02}), GREY, "attention")
    many = said(dict.fromkeys("abcdef", 0.9))
    assert class_pictures(many, GREY, "attention").count("<figure>") == 3
    assert class_pictures(said({}), GREY, "attention") == ""


def test_a_card_names_the_map_and_gives_a_class_its_own_confidence(tmp_path: Path):
    one = said({"dent": 0.9})
    region = Region("dent", Box(0, 0, 20, 80), 1600.0, 0.97)
    prediction = Prediction(one.score, one.map, (region,), one.class_scores, one.class_maps)
    decision = Decision(Verdict.REVIEW, ("x",))
    inspection = Inspection(tmp_path / "a.png", (120, 80), prediction, decision, 0.25, 1.0)
    rows = [ReportRow(tmp_path / "a.png", inspection)]
    for kind in ("attention", ""):
        maker = CardMaker(lambda _: GREY, None, budget=10**7, full=2.0, class_maps=kind)
        page = maker.section(Section("S", "s", rows), 1)
        assert ("<b>dent 0.90</b> attention" in page) == bool(kind)
        assert "confidence 0.97" in page
        assert "3.88 × threshold" not in page


def test_a_map_of_one_value_says_nothing_where_classes_are_known():
    assert says_nothing(said({"dent": 0.5}))
    assert not says_nothing(Prediction(1.0, np.ones((4, 6), np.float32)))
    assert not says_nothing(
        Prediction(1.0, np.eye(4, dtype=np.float32), (), {"a": 0.1}, {"a": GREY[..., 0]})
    )
