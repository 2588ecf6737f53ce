"""An image that lost its marks is never taken for a good part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.data.picture_files import save

from keenline.data.importers import open_dataset
from keenline.errors import Code

GOOD_BOX = [2, 3, 6, 4]


def folder(root: Path, **marks: object) -> Path:
    """Images of 20 x 16 pixels; `marks` are COCO's annotations of each, by name."""
    rng = np.random.default_rng(3)
    for name in marks:
        save(root / f"{name}.png", rng.integers(0, 256, (16, 20, 3), dtype=np.uint8))
    images = [
        {"id": number, "file_name": f"{name}.png", "width": 20, "height": 16}
        for number, name in enumerate(marks, 1)
    ]
    annotations = [
        {"id": number, "image_id": number, "category_id": 1} | mark  # type: ignore[operator]
        for number, mark in enumerate(marks.values(), 1)
        if mark is not None
    ]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "dent"}],
    }
    (root / "coco.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    return root


@pytest.mark.parametrize(
    "lost",
    [
        {"bbox": [2, 3, 0, 4]},
        {"bbox": [200, 3, 6, 4]},
        {"bbox": GOOD_BOX, "category_id": 77},
        {"bbox": "wide"},
    ],
    ids=["covers nothing", "outside", "unknown class", "malformed"],
)
def test_an_image_that_lost_its_only_mark_is_not_good(tmp_path: Path, lost: dict[str, object]):
    data = open_dataset(folder(tmp_path, marked={"bbox": GOOD_BOX}, clean=None, hurt=lost))
    assert {sample.image.stem for sample in data.good} == {"clean"}
    assert {sample.image.stem for sample in data.defects} == {"marked"}
    told = [skipped for skipped in data.skipped if skipped.path.name == "hurt.png"]
    assert [skipped.error.code for skipped in told] == [Code.LABEL_ENTRY]
    assert "cannot be told" in told[0].error.what


def test_one_that_keeps_another_mark_stays_a_defect(tmp_path: Path):
    root = folder(tmp_path, marked={"bbox": GOOD_BOX}, clean=None)
    content = json.loads((root / "coco.json").read_text("utf-8"))
    lost = {"id": 9, "image_id": 1, "category_id": 1, "bbox": [1, 1, 0, 0]}
    content["annotations"].append(lost)
    (root / "coco.json").write_text(json.dumps(content), encoding="utf-8")
    data = open_dataset(root)
    assert {sample.image.stem for sample in data.defects} == {"marked"}
    assert {sample.image.stem for sample in data.good} == {"clean"}
