"""Mask folders of MVTec AD: what they say, what is wrong with them, what they cannot say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.formats.format_contract import marks_of, named, only
from tests.data.formats.marked_shapes import SHAPES, SIZE
from tests.data.picture_files import blank, save

from keenline.annotation import Annotation, MaskShape
from keenline.data.formats import Format
from keenline.data.labels import LabelledImage, Labels
from keenline.errors import Code, LabelError, OutputError

MASKS: Format = named("masks")
SPOT = MaskShape(5, 4, 4, 4, (0, 16))


def masked(path: Path, size: tuple[int, int] = SIZE, spot: bool = True) -> Path:
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[4:8, 5:9] = 255 * spot
    return save(path, pixels)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "bottle"
    places = ("train/good/000", "test/good/000", "test/scratch/000", "test/scratch/001")
    for grey, place in enumerate(places):
        blank(folder / f"{place}.png", 100 + grey, SIZE)
    masked(folder / "ground_truth" / "scratch" / "000_mask.png")
    return folder


def test_a_folder_is_read(root):
    assert MASKS.recognises(root)
    labels = MASKS.read(root, None)
    assert not labels.problems
    assert [(one.name, one.split, one.is_good) for one in labels.images] == [
        ("test/good/000.png", "test", True),
        ("test/scratch/000.png", "test", False),
        ("test/scratch/001.png", "test", False),
        ("train/good/000.png", "train", True),
    ]
    assert [(mark.class_name, mark.shape) for mark in marks_of(labels)] == [
        ("scratch", SPOT),
        ("scratch", None),
    ]
    assert all(image.path == root / image.name for image in labels.images)


@pytest.mark.parametrize("name", ["000.png", "000_mask.png", "000/000.png"])
def test_masks_are_named_in_one_of_three_ways(root, name):
    (root / "ground_truth" / "scratch" / "000_mask.png").unlink()
    masked(root / "ground_truth" / "scratch" / name)
    blank(root / "ground_truth" / "scratch" / "001.png", 255, SIZE)
    labels = MASKS.read(root, None)
    assert not labels.problems
    assert marks_of(labels)[0].shape == SPOT


def test_an_image_bears_masks_of_several_classes(root):
    masked(root / "ground_truth" / "dent" / "a_mask.png")
    masked(root / "ground_truth" / "pit" / "a_mask.png")
    blank(root / "a.jpg", 5, SIZE)
    labels = MASKS.read(root, None)
    (image,) = [one for one in labels.images if one.name == "a.jpg"]
    assert [mark.class_name for mark in image.annotations] == ["dent", "pit"]


def test_a_mask_without_an_image_is_listed_and_kept(root):
    masked(root / "ground_truth" / "scratch" / "gone_mask.png")
    labels = MASKS.read(root, None)
    assert "gone" in only(labels.problems, Code.LABEL_IMAGE).what
    assert [mark.shape for mark in marks_of(labels)].count(SPOT) == 2


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: masked(path, (9, 9)), Code.LABEL_IMAGE_SIZE),
        (lambda path: masked(path, spot=False), Code.LABEL_NO_AREA),
        (lambda path: path.write_bytes(b"no image"), Code.LABEL_IMAGE),
    ],
)
def test_a_mask_that_says_nothing_is_listed(root, make, code):
    path = root / "ground_truth" / "scratch" / "001_mask.png"
    make(path)
    labels = MASKS.read(root, None)
    told = only(labels.problems, code)
    assert (told.file, told.is_dropped) == (path, True)
    assert labels.counts == {"scratch": 2}


def test_a_good_image_with_a_mask_is_listed(root):
    masked(root / "ground_truth" / "good" / "000_mask.png")
    labels = MASKS.read(root, None)
    assert not only(labels.problems, Code.LABEL_ENTRY).is_dropped
    assert not next(one for one in labels.images if one.name == "test/good/000.png").is_good


def test_what_it_keeps_is_read_as_it_was_written(root, tmp_path):
    labels = MASKS.read(root, None)
    folder = tmp_path / "again"
    assert MASKS.write(labels, folder) == ()
    assert MASKS.recognises(folder)
    assert MASKS.read(folder, root) == labels


def test_what_it_cannot_say_is_told_and_the_pixels_are_written(tmp_path):
    marks = tuple(Annotation(kind, shape) for kind, shape in SHAPES.items())
    marks += (Annotation("mask", SPOT), Annotation("a/b", SPOT), Annotation("good", SPOT))
    image = LabelledImage("a.png", marks, None, SIZE, is_good=True, split="train")
    bare = LabelledImage("b.png", (Annotation("pit", SPOT),), None, None)
    twin = LabelledImage("c/a.png", (Annotation("box", SPOT),), None, SIZE)
    told = MASKS.write(Labels("masks", (image, bare, twin), ()), tmp_path)
    assert {problem.code for problem in told} == {Code.LABEL_CANNOT_SAY}
    drawn = len(SHAPES) - 2  # all but the mask and the whole image
    assert sum(not problem.is_dropped for problem in told) == drawn + 1
    # whole image, a/b, good; that it is good, its split; no size; same name
    assert sum(problem.is_dropped for problem in told) == 7
    blank(tmp_path / "a.png", 9, SIZE)
    back = MASKS.read(tmp_path, None)
    assert not back.problems
    assert len(marks_of(back)) == drawn + 1


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "ground_truth" / "scratch").mkdir(parents=True)
    for path in (tmp_path, tmp_path / "absent", blank(tmp_path / "a.png")):
        assert not MASKS.recognises(path)
        with pytest.raises(LabelError) as caught:
            MASKS.read(path, None)
        assert caught.value.code == Code.LABEL_FILE


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    image = LabelledImage("a.png", (Annotation("pit", SPOT),), None, SIZE)
    with pytest.raises(OutputError):
        MASKS.write(Labels("masks", (image,), ()), tmp_path / "file")
