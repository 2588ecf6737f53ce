"""Pascal VOC: the contract, the words of other tools, and real files."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import pytest
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

from keenline.annotation import Annotation, BoxShape, PolygonShape
from keenline.data.formats import Format
from keenline.data.labels import LabelledImage, Labels
from keenline.errors import Code

VOC: Format = named("voc")
GOOD = "<bndbox><xmin>11</xmin><ymin>9</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>"


def by_hand(folder: Path, marks: list[Drawn]) -> Path:
    for image in dict.fromkeys(mark.image for mark in marks):
        objects = [
            thing(
                f"<bndbox><xmin>{box.x + 1}</xmin><ymin>{box.y + 1}</ymin>"
                f"<xmax>{box.x + box.width}</xmax><ymax>{box.y + box.height}</ymax></bndbox>",
                mark.class_name,
            )
            for mark in marks
            if mark.image == image and isinstance(box := mark.shape, BoxShape)
        ]
        put(folder, image, *objects)
    return folder


def thing(inside: str, name: str = "scratch") -> str:
    return f"""\t<object>
\t\t<name>{escape(name)}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t{inside}
\t</object>"""


def put(folder: Path, image: str, *objects: str) -> Path:
    path = folder / f"{Path(image).stem}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation>\n\t<folder>x</folder>\n\t<filename>{image}</filename>\n\t<size>"
        f"<width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>1</depth></size>\n"
        + "\n".join(objects)
        + "\n</annotation>\n"
    )
    return path


def written(folder: Path, text: str) -> Path:
    path = folder / "a.xml"
    path.write_text(text)
    return path


class TestVoc(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        return FormatRig(
            VOC,
            by_hand,
            malformed=lambda folder: put(
                folder, "a.png", thing(GOOD), thing(GOOD.replace("11", "left"))
            ),
            keeps_splits=True,
            keeps=frozenset({"box"}),
            draws=frozenset({"box"}),
            empty=lambda folder: written(folder, ""),
            foreign=lambda folder: written(folder, "<annotations><image/></annotations>"),
            annotated=Annotation(
                "scratch",
                SHAPES["box"],
                attributes=(("depth", "2 < 3"), ("difficult", "1"), ("pose", "Left")),
            ),
        )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for grey, name in enumerate(("a.png", "b.png")):
        blank(tmp_path / "JPEGImages" / name, 100 + grey, SIZE)
    return tmp_path


def test_folders_as_voc_has_them(pictures):
    put(pictures / "Annotations", "a.png", thing(GOOD))
    put(pictures / "Annotations", "b.png")
    sets = pictures / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    (sets / "trainval.txt").write_text("a  1\n")
    (sets / "test.txt").write_text("b -1\n")
    for path in (pictures, pictures / "Annotations"):
        labels = VOC.read(path, None)
        assert not labels.problems
        assert [(image.name, image.split) for image in labels.images] == [
            ("a.png", "train"),
            ("b.png", "test"),
        ]
        assert [mark.shape for mark in marks_of(labels)] == [BoxShape(10, 8, 20, 12)]


def test_boxes_that_begin_in_0_are_corners(pictures):
    box = "<bndbox><xmin>0</xmin><ymin>0.0</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>"
    put(pictures / "Annotations", "a.png", thing(box), thing(GOOD))
    labels = VOC.read(pictures, None)
    assert [mark.shape for mark in marks_of(labels)] == [
        BoxShape(0, 0, 30, 20),
        BoxShape(11, 9, 19, 11),
    ]
    assert not only(labels.problems, Code.LABEL_ENTRY).is_dropped


def test_a_click_is_no_box(pictures):
    box = "<bndbox><xmin>5</xmin><ymin>6</ymin><xmax>5</xmax><ymax>9</ymax></bndbox>"
    put(pictures / "Annotations", "a.png", thing(box))
    labels = VOC.read(pictures, None)
    assert only(labels.problems, Code.LABEL_NO_AREA).line == 5


def test_a_box_of_one_pixel_is_written_as_two(pictures, tmp_path):
    mark = Annotation("scratch", BoxShape(5, 6, 1, 9))
    labels = Labels("voc", (LabelledImage("a.png", (mark,), None, SIZE),), ("scratch",))
    (told,) = VOC.write(labels, tmp_path)
    assert not told.is_dropped
    assert [mark.shape for mark in marks_of(VOC.read(tmp_path, None))] == [BoxShape(5, 6, 2, 9)]


def test_polygons_and_turned_boxes_are_read(pictures):
    corners = "".join(
        f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate([(5, 5), (9, 5), (7, 9)], 1)
    )
    turned = "<robndbox><cx>20</cx><cy>20</cy><w>10</w><h>4</h><angle>1.5707963</angle></robndbox>"
    put(
        pictures / "Annotations",
        "a.png",
        thing(GOOD + f"<polygon>{corners}</polygon>"),
        thing(turned),
        thing("<part><name>head</name></part>" + GOOD),
        thing(""),
    )
    labels = VOC.read(pictures, None)
    polygon, box, _ = (mark.shape for mark in marks_of(labels))
    assert polygon == PolygonShape((((5, 5), (9, 5), (7, 9)),))
    assert (box.x, box.y, box.width, box.height) == (15, 18, 10, 4)
    assert box.angle == pytest.approx(90)
    assert [problem.code for problem in labels.problems] == [Code.LABEL_SHAPE, Code.LABEL_ENTRY]


def test_the_first_labelme_is_read(pictures):
    corners = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in [(5, 5), (9, 5), (7, 9)])
    outline = f"<polygon><username>Kim</username>{corners}</polygon>"
    put(
        pictures / "Annotations",
        "a.png",
        thing(f"<deleted>0</deleted>{outline}"),
        thing(f"<deleted>1</deleted>{outline}"),
    )
    labels = VOC.read(pictures, None)
    (mark,) = marks_of(labels)
    assert mark.shape == PolygonShape((((5, 5), (9, 5), (7, 9)),))
    assert mark.annotator == "Kim"
    assert "deleted" in only(labels.problems, Code.LABEL_ENTRY).what


def test_an_image_named_as_the_file_is_taken_and_told(pictures):
    put(pictures / "Annotations", "a.png", thing(GOOD)).rename(pictures / "Annotations" / "b.xml")
    for text, count in (("old.png", 1), ("b", 0), ("b.JPG", 0)):
        path = pictures / "Annotations" / "b.xml"
        path.write_text(path.read_text().replace("<filename>a.png", f"<filename>{text}"))
        labels = VOC.read(pictures, None)
        assert labels.images[0].path == pictures / "JPEGImages" / "b.png"
        assert len(labels.problems) == count
        path.write_text(path.read_text().replace(f"<filename>{text}", "<filename>a.png"))


def test_masks_are_told(pictures):
    put(pictures / "Annotations", "a.png", thing(GOOD))
    (pictures / "SegmentationObject").mkdir()
    assert only(VOC.read(pictures, None).problems, Code.LABEL_SHAPE).is_dropped


def test_entities_are_refused(pictures):
    text = '<!DOCTYPE a [<!ENTITY x "y">]><annotation><filename>a.png</filename></annotation>'
    (pictures / "bad.xml").write_text(text)
    put(pictures, "a.png", thing(GOOD))
    assert only(VOC.read(pictures, None).problems, Code.LABEL_FILE).line == 1


def test_splits_are_written(tmp_path):
    images = (
        LabelledImage("x/a.png", (), None, SIZE, split="train"),
        LabelledImage("x/a.jpg", (), None, SIZE, split="test"),
    )
    assert VOC.write(Labels("voc", images, ()), tmp_path) == ()
    back = VOC.read(tmp_path, None)
    assert {image.name: image.split for image in back.images} == {
        "x/a.png": "train",
        "x/a.jpg": "test",
    }


def test_real_boxes(shared):
    labels = VOC.read(shared / "data/neu-det-voc", None)
    assert len(labels.images) == 600
    assert all(image.path is not None and image.size == (200, 200) for image in labels.images)
    # One box is there twice, word for word.
    told = only(labels.problems, Code.LABEL_DUPLICATE)
    assert told.file.name == "crazing_120.xml"
    assert len(marks_of(labels)) == 1436
    assert labels.counts["crazing"] == 223
