"""What every label format must do, as a class of tests: a file of tests inherits it, gives a rig.

    class TestVoc(FormatContract):
        @pytest.fixture
        def rig(self) -> FormatRig:
            return FormatRig(VOC, by_hand=..., ...)

`by_hand` writes files in the words of the format's own tool, so that a reader is never tested only
against the writer that was made with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from tests.data.formats.damage import damaged
from tests.data.formats.marked_shapes import (
    BOX,
    CROSSING,
    POLYGON,
    SHAPES,
    SIZE,
    anywhere,
    same_shape,
)
from tests.data.picture_files import blank

from keenline.annotation import Annotation, BoxShape, PolygonShape, Shape
from keenline.data.formats import FORMATS, Format
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.rasterise import bounds, mask_of
from keenline.errors import Code, LabelError, OutputError


@dataclass(frozen=True)
class Drawn:
    """One mark to be written by hand."""

    image: str
    class_name: str
    shape: Shape | None


@dataclass
class FormatRig:
    """One format with what a test needs to try it."""

    format: Format
    by_hand: Callable[[Path, Sequence[Drawn]], Path]
    """Write the marks below an empty folder as the format's tool does; what is to be read. The
    shapes are those of `draws`; numbers may be negative, and a box may have no width."""
    malformed: Callable[[Path], Path]
    """Write files with one good mark, `scratch` on `a.png`, and one entry that lacks something or
    holds a word instead of a number; what is to be read."""
    keeps: frozenset[str]
    """Which of `SHAPES` survive being written and read, each within `tolerance`."""
    draws: frozenset[str] = frozenset({"box", "polygon"})
    """Which shapes `by_hand` can write, of `box` and `polygon`."""
    unknown_class: Callable[[Path], Path] | None = None
    """Write files with one good mark, and one of a class the file does not name; None where a
    class is only ever named at its mark."""
    empty: Callable[[Path], Path] | None = None
    """Write an empty file of the right name; None where a file may be empty, or is no text."""
    foreign: Callable[[Path], Path] | None = None
    """Write a file of the right suffix and another content; None: nothing can look like it."""
    annotated: Annotation | None = None
    """A box mark with everything else the format keeps: annotator, time, id, attributes."""
    has_lines: bool = True
    """Its problems name a line."""
    names_empty_images: bool = True
    """It says that an image has no marks."""
    keeps_splits: bool = False
    """It says which images are for training and which for testing."""
    suffix: str = ".png"
    """Of the images."""
    tolerance: float = 1e-6
    """Of coordinates that were written and read, pixels."""


class FormatContract:
    """Inherit it and define the fixture `rig`."""

    @pytest.fixture
    def rig(self) -> FormatRig:
        raise TypeError("a test of a format defines its rig")

    @pytest.fixture
    def pictures(self, rig: FormatRig, tmp_path: Path) -> Path:
        folder = tmp_path / "pictures"
        for grey, stem in enumerate(("a", "b", "c")):
            blank(folder / f"{stem}{rig.suffix}", 100 + grey, SIZE)
        return folder

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        folder = tmp_path / "labels"
        folder.mkdir()
        return folder

    def test_it_is_named_and_described(self, rig: FormatRig):
        assert rig.format.name == rig.format.name.lower().strip()
        assert len(rig.format.what) > 10

    def test_a_box_is_where_its_tool_drew_it(self, rig, place, pictures):
        labels = drawn(rig, place, pictures, "box", BOX)
        (image,) = [image for image in labels.images if image.annotations]
        (mark,) = image.annotations
        assert image.path == pictures / f"a{rig.suffix}"
        assert image.size == SIZE
        assert mark.class_name == "scratch"
        assert mark.shape is not None
        assert bounds(mark.shape) == pytest.approx((10, 8, 30, 20), abs=0.01)
        assert labels.classes == ("scratch",)
        assert labels.format == rig.format.name
        assert not labels.problems

    def test_a_polygon_is_where_its_tool_drew_it(self, rig, place, pictures):
        labels = drawn(rig, place, pictures, "polygon", POLYGON)
        (mark,) = marks_of(labels)
        assert mark.shape is not None
        assert np.array_equal(mask_of(mark.shape, SIZE), mask_of(POLYGON, SIZE))
        assert not labels.problems

    def test_files_of_its_tool_are_recognised(self, rig, place):
        shape = BOX if "box" in rig.draws else POLYGON
        path = rig.by_hand(place, [Drawn(f"a{rig.suffix}", "scratch", shape)])
        assert rig.format.recognises(path)
        assert rig.format.recognises(place)

    def test_what_it_keeps_is_read_as_it_was_written(self, rig, place, pictures):
        labels = example(rig, sorted(rig.keeps))
        assert rig.format.write(labels, place) == ()
        assert rig.format.recognises(place)
        back = rig.format.read(place, pictures)
        assert not back.problems
        assert set(back.classes) == set(labels.classes)
        expected = {image.name: image for image in labels.images}
        if not rig.names_empty_images:
            expected = {name: image for name, image in expected.items() if image.annotations}
        assert {Path(image.name).name for image in back.images} == set(expected)
        for image in back.images:
            meant = expected[Path(image.name).name].annotations
            assert len(image.annotations) == len(meant)
            for got, want in zip(image.annotations, meant, strict=True):
                assert got.class_name == want.class_name
                same_shape(got.shape, want.shape, rig.tolerance)

    @pytest.mark.parametrize("kind", ["box", "polygon"])
    def test_marks_anywhere_are_read_as_they_were_written(self, rig, place, pictures, kind):
        if kind not in rig.keeps:
            pytest.skip(f"the format keeps no {kind}")
        random = Random(kind)
        shapes = [anywhere(kind, random) for _ in range(60)]
        marks = tuple(Annotation("scratch", shape) for shape in shapes)
        image = LabelledImage(f"a{rig.suffix}", marks, None, SIZE)
        rig.format.write(Labels(rig.format.name, (image,), ("scratch",)), place)
        back = rig.format.read(place, pictures)
        assert not back.problems
        for got, want in zip(marks_of(back), shapes, strict=True):
            same_shape(got.shape, want, rig.tolerance)

    def test_splits_are_kept(self, rig, place, pictures):
        if not rig.keeps_splits:
            pytest.skip("the format knows no splits")
        mark = Annotation("scratch", shape_for(rig))
        splits = {"a": "train", "b": "test"}
        images = tuple(
            LabelledImage(f"{stem}{rig.suffix}", (mark,), None, SIZE, split=split)
            for stem, split in splits.items()
        )
        assert rig.format.write(Labels(rig.format.name, images, ("scratch",)), place) == ()
        back = rig.format.read(place, pictures)
        assert {Path(image.name).stem: image.split for image in back.images} == splits

    def test_what_it_cannot_say_is_told_and_the_rest_is_written(self, rig, place, pictures):
        foreign = sorted(SHAPES.keys() - rig.keeps)
        labels = example(rig, foreign)
        told = rig.format.write(labels, place)
        assert all(problem.code == Code.LABEL_CANNOT_SAY for problem in told)
        assert len(told) >= len(foreign)
        if len([problem for problem in told if problem.is_dropped]) < len(foreign):
            back = rig.format.read(place, pictures)
            assert not [problem for problem in back.problems if problem.is_dropped]
            assert len(marks_of(back)) >= len(foreign) - sum(p.is_dropped for p in told)

    def test_who_when_and_the_rest_are_kept(self, rig, place, pictures):
        if rig.annotated is None:
            pytest.skip("the format says nothing of a mark but class and shape")
        image = LabelledImage(f"a{rig.suffix}", (rig.annotated,), None, SIZE)
        labels = Labels(rig.format.name, (image,), (rig.annotated.class_name,))
        assert rig.format.write(labels, place) == ()
        (mark,) = marks_of(rig.format.read(place, pictures))
        same_shape(mark.shape, rig.annotated.shape, rig.tolerance)
        assert replace(mark, shape=None) == replace(rig.annotated, shape=None)

    def test_a_missing_image_is_listed(self, rig, place, pictures):
        name = f"gone{rig.suffix}"
        good = Drawn(f"a{rig.suffix}", "scratch", shape_for(rig))
        path = rig.by_hand(place, [good, replace(good, image=name)])
        labels = rig.format.read(path, pictures)
        told = only(labels.problems, Code.LABEL_IMAGE)
        assert "gone" in told.what
        assert told.file.exists()
        assert (told.line is not None) == rig.has_lines
        assert f"a{rig.suffix}" in [Path(image.name).name for image in labels.images]

    @pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
    def test_a_box_without_area_is_listed(self, rig, place, pictures, width, height):
        labels = beside_a_good_one(rig, place, pictures, "box", BoxShape(5, 6, width, height))
        told = only(labels.problems, Code.LABEL_NO_AREA)
        assert told.is_dropped
        assert (told.line is not None) == rig.has_lines
        assert len(marks_of(labels)) == 1

    def test_a_mark_outside_its_image_is_listed(self, rig, place, pictures):
        labels = beside_a_good_one(rig, place, pictures, "box", BoxShape(70, 6, 10, 10))
        told = only(labels.problems, Code.LABEL_OUTSIDE)
        assert told.is_dropped
        assert len(marks_of(labels)) == 1

    def test_a_mark_across_the_border_is_cut_there(self, rig, place, pictures):
        labels = beside_a_good_one(rig, place, pictures, "box", BoxShape(50, 30, 40, 8))
        assert not only(labels.problems, Code.LABEL_OUTSIDE).is_dropped
        shapes = [mark.shape for mark in marks_of(labels)]
        assert len(shapes) == 2
        assert bounds(shapes[1]) == pytest.approx((50, 30, 64, 38), abs=0.01)

    def test_a_polygon_across_the_border_is_cut_there(self, rig, place, pictures):
        wide = PolygonShape((((50, 30), (90, 30), (90, 40), (50, 40)),))
        labels = beside_a_good_one(rig, place, pictures, "polygon", wide)
        assert not only(labels.problems, Code.LABEL_OUTSIDE).is_dropped
        assert bounds(marks_of(labels)[1].shape) == pytest.approx((50, 30, 64, 40), abs=0.01)

    def test_a_polygon_that_crosses_itself_is_listed_and_kept(self, rig, place, pictures):
        labels = beside_a_good_one(rig, place, pictures, "polygon", CROSSING)
        assert not only(labels.problems, Code.LABEL_CROSSING).is_dropped
        got = mask_of(marks_of(labels)[1].shape, SIZE)
        assert np.array_equal(got, mask_of(CROSSING, SIZE))

    def test_the_same_mark_twice_counts_once(self, rig, place, pictures):
        labels = beside_a_good_one(rig, place, pictures, "any", shape_for(rig))
        assert only(labels.problems, Code.LABEL_DUPLICATE).is_dropped
        assert len(marks_of(labels)) == 1

    def test_a_class_the_file_does_not_name_is_listed(self, rig, place, pictures):
        if rig.unknown_class is None:
            pytest.skip("a class is only ever named at its mark")
        labels = rig.format.read(rig.unknown_class(place), pictures)
        told = only(labels.problems, Code.LABEL_CLASS)
        assert (told.line is not None) == rig.has_lines
        assert "scratch" in [mark.class_name for mark in marks_of(labels)]

    def test_a_malformed_entry_is_listed_and_the_rest_is_read(self, rig, place, pictures):
        labels = rig.format.read(rig.malformed(place), pictures)
        told = only(labels.problems, Code.LABEL_ENTRY)
        assert told.is_dropped
        assert (told.line is not None) == rig.has_lines
        assert [mark.class_name for mark in marks_of(labels)] == ["scratch"]

    def test_an_empty_file_is_no_label_file(self, rig, place, pictures):
        if rig.empty is None:
            pytest.skip("an empty file is a proper one here")
        path = rig.empty(place)
        assert not rig.format.recognises(path)
        with pytest.raises(LabelError) as caught:
            rig.format.read(path, pictures)
        refused(caught.value, path)

    def test_a_file_of_another_program_is_refused(self, rig, place, pictures):
        if rig.foreign is None:
            pytest.skip("no other file can be taken for one of these")
        path = rig.foreign(place)
        assert not rig.format.recognises(path)
        with pytest.raises(LabelError) as caught:
            rig.format.read(path, pictures)
        refused(caught.value, path)

    @pytest.mark.parametrize("seed", range(4))
    def test_whatever_is_damaged_is_told(self, rig, place, pictures, seed):
        random = Random(seed)
        name = f"a{rig.suffix}"
        good = shape_for(rig)
        path = rig.by_hand(place, [Drawn(name, "scratch", good), Drawn(name, "dent", good)])
        files = [file for file in sorted(place.rglob("*")) if file.is_file()]
        for _ in range(60):
            file = random.choice(files)
            whole = file.read_bytes()
            file.write_bytes(damaged(whole, random))
            rig.format.recognises(path)
            try:
                labels = rig.format.read(path, pictures)
            except LabelError:
                labels = Labels(rig.format.name, (), ())
            for mark in marks_of(labels):
                assert mark.shape is None or mask_of(mark.shape, SIZE).shape == (48, 64)
            file.write_bytes(whole)

    def test_what_is_not_there_is_refused(self, rig, place, pictures):
        path = place / "absent"
        assert not rig.format.recognises(path)
        with pytest.raises(LabelError) as caught:
            rig.format.read(path, pictures)
        refused(caught.value, path)

    def test_nothing_but_pictures_is_not_recognised(self, rig, pictures, place):
        assert not rig.format.recognises(pictures)
        assert not rig.format.recognises(place)
        assert not rig.format.recognises(pictures / f"a{rig.suffix}")

    def test_a_place_that_cannot_be_written_is_told(self, rig, place):
        blocked = place / "file"
        blocked.write_text("in the way")
        with pytest.raises(OutputError):
            rig.format.write(example(rig, sorted(rig.keeps)), blocked)


def drawn(rig: FormatRig, place: Path, pictures: Path, kind: str, shape: Shape) -> Labels:
    if kind not in rig.draws:
        pytest.skip(f"the format has no {kind}")
    path = rig.by_hand(place, [Drawn(f"a{rig.suffix}", "scratch", shape)])
    return rig.format.read(path, pictures)


def beside_a_good_one(
    rig: FormatRig, place: Path, pictures: Path, kind: str, shape: Shape
) -> Labels:
    """`shape` after a proper mark on the same image."""
    if kind not in rig.draws | {"any"}:
        pytest.skip(f"the format has no {kind}")
    name = f"a{rig.suffix}"
    first = Drawn(name, "scratch", shape_for(rig))
    path = rig.by_hand(place, [first, Drawn(name, "scratch", shape)])
    return rig.format.read(path, pictures)


def shape_for(rig: FormatRig) -> Shape:
    return BOX if "box" in rig.draws else POLYGON


def example(rig: FormatRig, kinds: Sequence[str]) -> Labels:
    """Two images with one mark of each kind between them, and one without."""
    marks = [
        Annotation(("scratch", "dent & pit")[place % 2], SHAPES[kind])
        for place, kind in enumerate(kinds)
    ]
    images = (
        LabelledImage(f"a{rig.suffix}", tuple(marks[::2]), None, SIZE),
        LabelledImage(f"b{rig.suffix}", tuple(marks[1::2]), None, SIZE),
        LabelledImage(f"c{rig.suffix}", (), None, SIZE),
    )
    classes = tuple(dict.fromkeys(mark.class_name for mark in marks))
    return Labels(rig.format.name, images, classes)


def marks_of(labels: Labels) -> list[Annotation]:
    return [mark for image in labels.images for mark in image.annotations]


def only(problems: Sequence[LabelProblem], code: Code) -> LabelProblem:
    """The one problem there is, which has this code."""
    assert [problem.code for problem in problems] == [code], [str(p) for p in problems]
    return problems[0]


def refused(error: LabelError, path: Path) -> None:
    assert error.code == Code.LABEL_FILE
    assert error.where is not None
    assert path.name in error.where
    assert error.next


def named(name: str) -> Format:
    """The format that is registered under this name."""
    return next(one for one in FORMATS if one.name == name)
