"""Manifests of Ground Truth and Lookout for Vision: the contract, masks, and real files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from tests.data.formats.format_contract import (
    Drawn,
    FormatContract,
    FormatRig,
    marks_of,
    named,
    only,
)
from tests.data.formats.marked_shapes import SIZE
from tests.data.picture_files import blank, save

from keenline.annotation import Annotation, BoxShape, MaskShape
from keenline.data.formats import Format
from keenline.data.labels import LabelledImage, Labels
from keenline.errors import Code

MANIFEST: Format = named("manifest")
GOOD = {"class_id": 0, "left": 10, "top": 8, "width": 20, "height": 12}
GREEN = {"class-name": "cracked", "hex-color": "#23A436"}


def row(image: str, boxes: list[object], names: list[str]) -> dict[str, object]:
    return {
        "source-ref": image,
        "job": {
            "image_size": [{"width": SIZE[0], "height": SIZE[1], "depth": 3}],
            "annotations": boxes,
        },
        "job-metadata": {
            "class-map": {str(at): name for at, name in enumerate(names)},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
        },
    }


def by_hand(folder: Path, marks: list[Drawn]) -> Path:
    rows = []
    for image in dict.fromkeys(mark.image for mark in marks):
        mine = [mark for mark in marks if mark.image == image]
        names = list(dict.fromkeys(mark.class_name for mark in mine))
        boxes = [
            {
                "class_id": names.index(mark.class_name),
                "left": mark.shape.x,
                "top": mark.shape.y,
                "width": mark.shape.width,
                "height": mark.shape.height,
            }
            for mark in mine
        ]
        rows.append(row(f"s3://bucket/lot/{image}", boxes, names))
    return put(folder, *rows)


def put(folder: Path, *rows: object) -> Path:
    lines = (one if isinstance(one, str) else json.dumps(one) for one in rows)
    return written(folder, "\n".join(lines) + "\n")


def written(folder: Path, text: str) -> Path:
    path = folder / "output.manifest"
    path.write_text(text)
    return path


class TestManifest(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        return FormatRig(
            MANIFEST,
            by_hand,
            malformed=lambda folder: put(
                folder, row("a.png", [GOOD, GOOD | {"left": "left"}], ["scratch"])
            ),
            keeps=frozenset({"box", "mask", "whole image"}),
            draws=frozenset({"box"}),
            unknown_class=lambda folder: put(
                folder, row("a.png", [GOOD, GOOD | {"class_id": 7}], ["scratch"])
            ),
            empty=lambda folder: written(folder, ""),
            foreign=lambda folder: written(folder, '{"image": "a.png"}\n'),
            annotated=Annotation(
                "scratch",
                BoxShape(10, 8, 20, 12),
                "anna",
                datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=-7))),
                attributes=(("human-annotated", "yes"), ("job-name", "lot 5")),
            ),
        )


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return blank(tmp_path / "images" / "a.png", 100, SIZE)


def masked(mask: str | None = "mask.png", colours: object = None) -> dict[str, object]:
    return {
        "source-ref": "a.png",
        "anomaly-label": 1,
        "anomaly-label-metadata": {"class-name": "anomaly"},
        "anomaly-mask-ref": mask,
        "anomaly-mask-ref-metadata": {
            "internal-color-map": {"0": GREEN} if colours is None else colours,
            "creation-date": "Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time)",
        },
    }


def painted(folder: Path, **colours: tuple[int, int, int]) -> Path:
    """A mask with one pixel of each colour, side by side from (3, 5)."""
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for place, colour in enumerate(colours.values()):
        pixels[5, 3 + place] = colour
    return save(folder / "mask.png", pixels)


def test_each_colour_of_a_mask_is_a_mark_and_anomaly_says_no_more(picture):
    folder = picture.parent
    painted(folder, green=(0x23, 0xA4, 0x36), red=(255, 0, 0))
    colours = {"0": GREEN, "1": {"class-name": "burnt", "hex-color": "#ff0000"}}
    labels = MANIFEST.read(put(folder, masked(colours=colours)), None)
    assert not labels.problems
    first, second = marks_of(labels)
    assert (first.class_name, first.shape) == ("cracked", MaskShape(3, 5, 1, 1, (0, 1)))
    assert (second.class_name, second.shape) == ("burnt", MaskShape(4, 5, 1, 1, (0, 1)))
    assert first.time == datetime(2022, 8, 22, 20, 52, 52, tzinfo=UTC)


def test_a_colour_of_no_class_is_listed(picture):
    painted(picture.parent, green=(0x23, 0xA4, 0x36), blue=(0, 0, 255))
    labels = MANIFEST.read(put(picture.parent, masked()), None)
    assert "1 pixels" in only(labels.problems, Code.LABEL_CLASS).what
    assert len(marks_of(labels)) == 1


def test_an_empty_mask_and_a_missing_one_leave_what_is_said_of_the_image(picture):
    folder = picture.parent
    labels = MANIFEST.read(put(folder, masked()), None)
    assert only(labels.problems, Code.LABEL_IMAGE).line == 1
    assert labels.counts == {"anomaly": 1}
    painted(folder)
    labels = MANIFEST.read(put(folder, masked()), None)
    only(labels.problems, Code.LABEL_NO_AREA)
    assert labels.counts == {"anomaly": 1}


def test_a_mask_of_another_size_is_listed(picture):
    save(picture.parent / "mask.png", np.full((9, 9, 3), (0x23, 0xA4, 0x36), np.uint8))
    labels = MANIFEST.read(put(picture.parent, masked()), None)
    told = only(labels.problems, Code.LABEL_IMAGE_SIZE)
    assert "9 x 9" in told.what
    assert labels.counts == {"anomaly": 1}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("{", Code.LABEL_ENTRY),
        ("[1]", Code.LABEL_ENTRY),
        ({"source": "x"}, Code.LABEL_ENTRY),
        (masked(colours=[1]), Code.LABEL_ENTRY),
        (masked(colours={"0": {"class-name": "x", "hex-color": "red"}}), Code.LABEL_ENTRY),
        (masked(colours={"0": {"hex-color": "#123456"}}), Code.LABEL_ENTRY),
        (masked(None), Code.LABEL_ENTRY),
        ({"source-ref": "a.png", "job": 1}, Code.LABEL_ENTRY),
        ({"source-ref": "a.png", "job": 1, "job-metadata": {"type": "x"}}, Code.LABEL_ENTRY),
        (row("a.png", ["x"], ["pit"]), Code.LABEL_ENTRY),
        (row("a.png", "x", ["pit"]), Code.LABEL_ENTRY),
        (row("a.png", [GOOD], [""]), Code.LABEL_ENTRY),
    ],
)
def test_a_line_that_cannot_be_taken_is_listed(picture, bad, code):
    blank(picture.parent / "b.png", 5, SIZE)
    good = row("b.png", [GOOD], ["scratch"])
    labels = MANIFEST.read(put(picture.parent, good, "", bad), None)
    assert only(labels.problems, code).line == 3
    assert labels.counts["scratch"] == 1


def test_classes_of_whole_images_and_good_ones(picture):
    folder = picture.parent
    for name in ("b.png", "c.png"):
        blank(folder / name, ord(name[0]), SIZE)
    normal = {"source-ref": "b.png", "l": 0, "l-metadata": {"class-name": "normal"}}
    both = {"source-ref": "c.png", "l": [1, 2], "l-metadata": {"class-map": {"1": "pit", "2": "x"}}}
    mixed = row("a.png", [GOOD], ["scratch"]) | {"l": 0, "l-metadata": {"class-name": "normal"}}
    labels = MANIFEST.read(put(folder, normal, both, mixed), None)
    assert [image.is_good for image in labels.images] == [True, False, False]
    assert labels.counts == {"pit": 1, "x": 1, "scratch": 1}
    assert not only(labels.problems, Code.LABEL_ENTRY).is_dropped


def test_a_good_image_is_written_and_read(tmp_path):
    image = LabelledImage("a.png", (), None, None, is_good=True)
    assert MANIFEST.write(Labels("manifest", (image,), ()), tmp_path) == ()
    assert MANIFEST.read(tmp_path, None).images == (image,)


@pytest.mark.parametrize(
    ("name", "counts", "problems"),
    [
        ("train_class.manifest", {"anomaly": 32}, 0),
        ("train_segmentation.manifest", {"cracked": 32}, 0),
        ("dataset-files/manifests/template.manifest", {"cracked": 32}, 0),
    ],
)
def test_real_manifests(shared, name, counts, problems):
    # 32 anomalous and 31 normal images, as `grep -c` counts them; the normal ones of the template
    # have no mask, those of the segmentation name one that is not there and marks nothing.
    folder = shared / "data" / "cookie"
    assert MANIFEST.recognises(folder / name)
    labels = MANIFEST.read(folder / name, folder)
    assert labels.counts == counts
    assert sum(image.is_good for image in labels.images) == 31
    assert len(labels.problems) == problems
    assert all(image.path is not None for image in labels.images)
    if "cracked" in counts:
        # pixels of (35, 164, 54) in the mask of anomaly-1, counted with Pillow's getcolors
        shape = labels.images[0].annotations[0].shape
        assert isinstance(shape, MaskShape)
        assert sum(shape.runs[1::2]) == 9278
