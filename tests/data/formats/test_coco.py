"""COCO: the contract, the words of other tools, and real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.formats.format_contract import (
    SHAPES,
    SIZE,
    Drawn,
    FormatContract,
    FormatRig,
    marks_of,
    named,
    only,
)
from tests.data.picture_files import blank

from keenline.annotation import Annotation, BoxShape, MaskShape
from keenline.data.formats.run_lengths import packed, unpacked
from keenline.data.labels import LabelledImage, Labels
from keenline.data.rasterise import mask_of
from keenline.errors import Code, LabelError

COCO = named("coco")


def by_hand(folder: Path, marks: list[Drawn]) -> Path:
    names = list(dict.fromkeys(mark.image for mark in marks))
    classes = list(dict.fromkeys(mark.class_name for mark in marks))
    entries = []
    for number, mark in enumerate(marks):
        entry = {
            "id": 7 + number,
            "image_id": 100 + names.index(mark.image),
            "category_id": 50 + classes.index(mark.class_name),
            "iscrowd": 0,
        }
        if isinstance(mark.shape, BoxShape):
            box = mark.shape
            entry |= {"bbox": [box.x, box.y, box.width, box.height], "segmentation": []}
        else:
            entry["segmentation"] = [
                [value for point in ring for value in point] for ring in mark.shape.rings
            ]
        entries.append(entry)
    images = [
        {"id": 100 + place, "file_name": name, "width": SIZE[0], "height": SIZE[1]}
        for place, name in enumerate(names)
    ]
    categories = [{"id": 50 + place, "name": name} for place, name in enumerate(classes)]
    return put(folder, images, entries, categories)


def put(folder: Path, images: list, annotations: list, categories: list) -> Path:
    path = folder / "instances.json"
    lists = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps({"info": {}, "licenses": []} | lists, indent=1))
    return path


IMAGE = {"id": 1, "file_name": "a.png", "width": 64, "height": 48}
GOOD = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 8, 20, 12]}
SCRATCH = {"id": 1, "name": "scratch"}


def one(place: Path, pictures: Path, **changes: object) -> Labels:
    """A good mark and one with changes."""
    entry = GOOD | {"id": 2, "bbox": [1, 1, 5, 5]} | changes
    return COCO.read(put(place, [IMAGE], [GOOD, entry], [SCRATCH]), pictures)


class TestCoco(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        return FormatRig(
            COCO,
            by_hand,
            malformed=lambda folder: put(
                folder, [IMAGE], [GOOD, GOOD | {"id": 2, "bbox": [1, 2, "wide", 4]}], [SCRATCH]
            ),
            unknown_class=lambda folder: put(
                folder, [IMAGE], [GOOD, GOOD | {"id": 2, "category_id": 9}], [SCRATCH]
            ),
            keeps_splits=True,
            keeps=frozenset({"box", "turned box", "polygon", "rings", "mask"}),
            empty=lambda folder: written(folder, ""),
            foreign=lambda folder: written(folder, '{"version": "5.0", "shapes": []}'),
            annotated=Annotation(
                "scratch", SHAPES["box"], source_id="31", attributes=(("occluded", "yes"),)
            ),
        )


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.json"
    path.write_text(text)
    return path


@given(st.lists(st.integers(0, 1 << 30), min_size=1))
def test_packed_counts_come_back(counts):
    assert unpacked(packed(counts)) == counts


def test_packed_and_listed_counts_are_the_same_mask(place, pictures):
    # Column by column; the text is what `encode` of pycocotools 2.0.11 makes of this mask.
    mask = np.zeros((48, 64), np.bool_)
    mask[10:14, 20:25] = True
    listed = {"size": [48, 64], "counts": [970, 4, 44, 4, 44, 4, 44, 4, 44, 4, 1906]}
    assert sum(listed["counts"]) == 64 * 48
    text = {"size": [48, 64], "counts": r"Zn04\10000000Vj1"}
    assert packed(listed["counts"]) == text["counts"]
    for segmentation in (listed, text):
        labels = one(place, pictures, segmentation=segmentation, iscrowd=1)
        mark = marks_of(labels)[1]
        assert np.array_equal(mask_of(mark.shape, SIZE), mask)
        assert mark.attributes == (("iscrowd", "1"),)
        assert not labels.problems


@pytest.mark.parametrize(
    "changes",
    [
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, None, 4]},
        {"bbox": "1 2 3 4"},
        {"segmentation": [[1, 2, 3, 4, 5]]},
        {"segmentation": ["12"]},
        {"segmentation": 5},
        {"segmentation": {"size": [48], "counts": [5]}},
        {"segmentation": {"size": [48, 64], "counts": [5, 5]}},
        {"segmentation": {"size": [48, 64], "counts": []}},
        {"segmentation": {"size": [48, 64], "counts": "\x07"}},
        {"segmentation": {"size": [48, 64], "counts": None}},
        {"segmentation": {"size": [48, 64], "counts": [-1, 3073]}},
        {"segmentation": {"size": [10**9, 10**9], "counts": [10**18]}},
        {"image_id": 99},
        {"image_id": None},
        {"image_id": [1]},
        {"id": [1]},
    ],
)
def test_an_entry_that_cannot_be_right_is_listed(place, pictures, changes):
    labels = one(place, pictures, **changes)
    told = only(labels.problems, Code.LABEL_ENTRY)
    assert told.line is not None
    assert '"iscrowd"' not in told.what
    assert len(marks_of(labels)) == 1


def test_a_mask_for_another_size_is_listed(place, pictures):
    segmentation = {"size": [10, 10], "counts": [0, 100]}
    labels = one(place, pictures, segmentation=segmentation)
    assert only(labels.problems, Code.LABEL_IMAGE_SIZE).is_dropped


def test_key_points_alone_are_listed(place, pictures):
    labels = one(place, pictures, bbox=None, keypoints=[1, 2, 2], num_keypoints=1)
    assert only(labels.problems, Code.LABEL_SHAPE).is_dropped


def test_an_image_id_that_is_there_twice_is_listed(place, pictures):
    images = [IMAGE, IMAGE | {"file_name": "b.png"}]
    labels = COCO.read(put(place, images, [GOOD], [SCRATCH]), pictures)
    assert only(labels.problems, Code.LABEL_DUPLICATE).line is not None
    assert [image.name for image in labels.images] == ["a.png"]


def test_an_annotation_id_that_is_there_twice_is_listed_and_both_marks_count(place, pictures):
    labels = one(place, pictures, id=1)
    assert not only(labels.problems, Code.LABEL_DUPLICATE).is_dropped
    assert len(marks_of(labels)) == 2


def test_a_name_above_the_classes_is_no_class(place, pictures):
    categories = [
        {"id": 0, "name": "steel", "supercategory": "none"},
        {"id": 1, "name": "scratch", "supercategory": "steel"},
        {"id": 2, "name": "dent", "supercategory": "dent"},
    ]
    labels = COCO.read(put(place, [IMAGE], [GOOD], categories), pictures)
    assert labels.classes == ("scratch", "dent")
    assert "steel" in only(labels.problems, Code.LABEL_CLASS).what


def test_entries_that_are_no_objects_are_listed(place, pictures):
    labels = COCO.read(put(place, [IMAGE, 5], [GOOD, None], [SCRATCH, "dent"]), pictures)
    assert [problem.code for problem in labels.problems] == [Code.LABEL_ENTRY] * 3
    assert len(marks_of(labels)) == 1


def test_a_file_without_annotations_says_its_images_are_unmarked(place, pictures):
    path = place / "instances.json"
    path.write_text(json.dumps({"images": [IMAGE], "categories": []}))
    labels = COCO.read(path, pictures)
    assert [image.annotations for image in labels.images] == [()]


def test_splits_of_a_folder_are_told_by_name(tmp_path):
    for grey, split in enumerate(("train", "valid", "test")):
        (tmp_path / split).mkdir()
        blank(tmp_path / split / "a.png", 90 + grey, SIZE)
        put(tmp_path / split, [IMAGE], [GOOD], [SCRATCH])
    labels = COCO.read(tmp_path, None)
    assert not labels.problems
    assert {image.name: image.split for image in labels.images} == {
        "test/a.png": "test",
        "train/a.png": "train",
        "valid/a.png": "train",
    }
    assert all(image.path == tmp_path / image.name for image in labels.images)


def test_a_broken_file_beside_a_good_one_is_listed(place, pictures):
    put(place, [IMAGE], [GOOD], [SCRATCH])
    (place / "more.json").write_text('{"images": [], "annotations": [\n{"id": 1,\n')
    labels = COCO.read(place, pictures)
    told = only(labels.problems, Code.LABEL_FILE)
    assert told.line == 3
    assert len(marks_of(labels)) == 1
    with pytest.raises(LabelError):
        COCO.read(place / "more.json", pictures)


def test_splits_are_written_apart(place):
    images = tuple(
        LabelledImage(f"{split}.png", (), None, SIZE, split=split) for split in ("train", "test")
    )
    assert COCO.write(Labels("coco", images, ("scratch",)), place) == ()
    assert {path.parent.name for path in place.rglob("*.json")} == {"train", "test"}


def test_real_polygons(shared):
    folder = shared / "data/formats/coco"
    labels = COCO.read(folder / "_annotations.coco.json", None)
    assert len(labels.images) == 87
    assert all(image.path is not None and image.size == (600, 600) for image in labels.images)
    assert labels.classes == ("defect",)
    assert len(marks_of(labels)) == 3067
    told = only(labels.problems, Code.LABEL_CLASS)
    assert "defects-Resz-FKix" in told.what


def test_real_run_lengths(shared):
    path = shared / "data/formats/coco/rle_instances.json"
    assert COCO.recognises(path)
    labels = COCO.read(path, None)
    marks = marks_of(labels)
    masks = [mark for mark in marks if isinstance(mark.shape, MaskShape)]
    assert len(labels.images) == 10
    assert len(labels.classes) == 80
    assert len(masks) == 10
    assert len(marks) == 231
    entries = json.loads(path.read_text())["annotations"]
    source = {str(entry["id"]): entry for entry in entries}
    for image in labels.images:
        for mark in image.annotations:
            mask = mask_of(mark.shape, image.size)
            entry = source[mark.source_id]
            if isinstance(mark.shape, MaskShape):
                # The areas the file gives are not those of its masks.
                counts = entry["segmentation"]["counts"]
                assert mask.sum() == sum(counts[1::2])
                assert np.argmax(mask.T.ravel()) == counts[0]
            else:
                assert mask.sum() == pytest.approx(entry["area"], rel=0.1, abs=12)
    assert [problem.code for problem in labels.problems] == [Code.LABEL_IMAGE] * 10


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir()
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for grey, name in enumerate(("a.png", "b.png")):
        blank(tmp_path / "pictures" / name, 100 + grey, SIZE)
    return tmp_path / "pictures"
