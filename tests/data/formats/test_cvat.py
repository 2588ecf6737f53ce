"""CVAT for images: the contract, what its XML can hold besides, and real exports."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

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

from keenline.annotation import (
    Annotation,
    BoxShape,
    EllipseShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
)
from keenline.data.formats import Format
from keenline.data.labels import LabelledImage, Labels
from keenline.errors import Code, LabelError

CVAT: Format = named("cvat")
BOX = '<box label="scratch" occluded="0" xtl="10.00" ytl="8.00" xbr="30.00" ybr="20.00"/>'
HEAD = """<meta><task><id>7</id><labels><label><name>scratch</name></label></labels>
<owner><username>olga</username></owner><assignee><username>anna</username></assignee>
</task></meta>"""


def by_hand(folder: Path, marks: list[Drawn]) -> Path:
    return put(
        folder,
        *(
            image(mark, [one for one in marks if one.image == mark.image])
            for mark in {mark.image: mark for mark in marks}.values()
        ),
    )


def image(mark: Drawn, marks: list[Drawn]) -> str:
    return picture(mark.image, *map(element, marks))


def element(mark: Drawn) -> str:
    label = f'label={quoteattr(mark.class_name)} source="manual" occluded="0" z_order="0"'
    if isinstance(mark.shape, BoxShape):
        box = mark.shape
        return (
            f'<box {label} xtl="{box.x:.2f}" ytl="{box.y:.2f}" xbr="{box.x + box.width:.2f}" '
            f'ybr="{box.y + box.height:.2f}"></box>'
        )
    points = ";".join(f"{x:.2f},{y:.2f}" for x, y in mark.shape.rings[0])
    return f'<polygon {label} points="{points}"></polygon>'


def picture(name: str, *elements: str, more: str = "") -> str:
    inside = "\n".join(elements)
    size = f'width="{SIZE[0]}" height="{SIZE[1]}"'
    return f'<image id="0" name="{escape(name)}" {size} {more}>\n{inside}\n</image>'


def put(folder: Path, *images: str, head: str = "") -> Path:
    path = folder / "annotations.xml"
    inside = "\n".join(images)
    path.write_text(f"<annotations>\n<version>1.1</version>\n{head}\n{inside}\n</annotations>")
    return path


def written(folder: Path, text: str) -> Path:
    path = folder / "annotations.xml"
    path.write_text(text)
    return path


class TestCvat(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        return FormatRig(
            CVAT,
            by_hand,
            malformed=lambda folder: put(
                folder, picture("a.png", BOX, BOX.replace("10.00", "left"))
            ),
            keeps=frozenset(SHAPES) - {"rings", "thick polyline"},
            unknown_class=lambda folder: put(
                folder, picture("a.png", BOX, BOX.replace("scratch", "dent")), head=HEAD
            ),
            empty=lambda folder: written(folder, ""),
            foreign=lambda folder: written(folder, "<annotation><object/></annotation>"),
            keeps_splits=True,
            annotated=Annotation(
                "scratch",
                BoxShape(10, 8, 20, 12, 30.0),
                annotator="anna",
                attributes=(("depth", "2 < 3"), ("group_id", "4"), ("occluded", "1")),
            ),
        )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for grey, name in enumerate(("a.png", "b.png", "Train/c.png", "Test/c.png")):
        blank(tmp_path / "images" / name, 100 + grey, SIZE)
    return tmp_path / "images"


def test_each_shape_is_read(pictures, tmp_path):
    path = put(
        tmp_path,
        picture(
            "a.png",
            '<box label="scratch" xtl="1" ytl="2" xbr="4" ybr="8" rotation="90.0"/>',
            '<polyline label="scratch" points="1,2;3,4.5"/>',
            '<ellipse label="scratch" cx="20" cy="10" rx="5" ry="3" rotation="30"/>',
            '<mask label="scratch" rle="1, 2, 3" left="5" top="6" width="3" height="2"/>',
            '<tag label="scratch" source="manual"><attribute name="sure">yes</attribute></tag>',
        ),
        head=HEAD,
    )
    labels = CVAT.read(path, pictures)
    assert not labels.problems
    assert [mark.shape for mark in marks_of(labels)] == [
        BoxShape(1, 2, 3, 6, 90.0),
        PolylineShape(((1, 2), (3, 4.5))),
        EllipseShape(20, 10, 5, 3, 30.0),
        MaskShape(5, 6, 3, 2, (1, 2, 3)),
        None,
    ]
    assert {mark.annotator for mark in marks_of(labels)} == {"anna"}
    assert marks_of(labels)[-1].attributes == (("source", "manual"), ("sure", "yes"))


@pytest.mark.parametrize(
    "bad",
    [
        '<mask label="scratch" rle="1, 2" left="5" top="6" width="3" height="2"/>',
        '<mask label="scratch" rle="-1, 7" left="5" top="6" width="3" height="2"/>',
        '<mask label="scratch" rle="a" left="5" top="6" width="3" height="2"/>',
        '<mask label="scratch" left="5" top="6" width="3" height="2"/>',
        '<polygon label="scratch" points="1,2;3"/>',
        '<polygon label="scratch"/>',
        '<box label="scratch" xtl="1" ytl="2" xbr="4"/>',
        '<box label="scratch" xtl="1" ytl="2" xbr="4" ybr="nan"/>',
        '<circle label="scratch"/>',
    ],
)
def test_an_element_that_says_nothing_is_listed(pictures, tmp_path, bad):
    path = put(tmp_path, picture("a.png", BOX, bad))
    labels = CVAT.read(path, pictures)
    told = only(labels.problems, Code.LABEL_ENTRY)
    assert told.line == path.read_text().splitlines().index(bad) + 1
    assert len(marks_of(labels)) == 1


def test_a_mask_too_large_for_memory_is_listed(pictures, tmp_path):
    huge = f'<mask label="s" rle="{10**12}" left="0" top="0" width="{10**6}" height="{10**6}"/>'
    labels = CVAT.read(put(tmp_path, picture("a.png", BOX, huge)), pictures)
    assert len(labels.problems) == 1
    assert len(marks_of(labels)) == 1


def test_an_image_without_a_name_is_listed(pictures, tmp_path):
    path = put(tmp_path, '<image id="3"></image>', picture("a.png", BOX))
    labels = CVAT.read(path, pictures)
    assert only(labels.problems, Code.LABEL_ENTRY).line == 4
    assert [one.name for one in labels.images] == ["a.png"]


def test_each_person_of_a_project_is_named(tmp_path):
    images = tuple(
        LabelledImage(f"{who}.png", (Annotation("scratch", BoxShape(1, 2, 3, 4), who),), None, SIZE)
        for who in ("anna", "ben", "")
    )
    assert CVAT.write(Labels("cvat", images, ("scratch",)), tmp_path) == ()
    back = CVAT.read(tmp_path, None)
    assert [mark.annotator for mark in marks_of(back)] == ["anna", "ben", ""]


def test_two_people_on_one_image_are_told(tmp_path):
    marks = tuple(Annotation("scratch", BoxShape(at, 2, 3, 4), f"p{at}") for at in range(2))
    image = LabelledImage("a.png", marks, None, SIZE)
    (told,) = CVAT.write(Labels("cvat", (image,), ("scratch",)), tmp_path)
    assert "p1" in told.what


def test_the_same_name_in_two_subsets_is_two_images(pictures, tmp_path):
    path = put(
        tmp_path,
        picture("c.png", BOX, more='subset="Train"'),
        picture("c.png", BOX, more='subset="Test"'),
        picture("a.png", BOX, more='subset="Test"'),
    )
    labels = CVAT.read(path, pictures)
    assert not labels.problems
    assert [(one.name, one.split) for one in labels.images] == [
        ("Train/c.png", "train"),
        ("Test/c.png", "test"),
        ("a.png", "test"),
    ]
    assert labels.images[0].path == pictures / "Train" / "c.png"
    folder = tmp_path / "again"
    assert CVAT.write(labels, folder) == ()
    assert CVAT.read(folder, pictures) == labels


def test_a_broken_file_in_a_folder_is_listed_beside_the_others(pictures, tmp_path):
    put(tmp_path, picture("a.png", BOX))
    (tmp_path / "b.xml").write_text("<annotations>\n<image name=")
    labels = CVAT.read(tmp_path, pictures)
    assert only(labels.problems, Code.LABEL_FILE).line == 2
    assert len(marks_of(labels)) == 1


def test_tracks_are_not_taken_for_images(tmp_path):
    path = written(tmp_path, '<annotations><track id="0" label="a"/></annotations>')
    assert not CVAT.recognises(path)
    with pytest.raises(LabelError, match="cvat-video"):
        CVAT.read(path, None)


def test_signs_that_xml_cannot_hold_do_not_spoil_the_file(tmp_path):
    mark = Annotation("scratch", BoxShape(1, 2, 3, 4), attributes=(("note", "a\x00b"),))
    CVAT.write(Labels("cvat", (LabelledImage("a.png", (mark,)),), ("scratch",)), tmp_path)
    (back,) = marks_of(CVAT.read(tmp_path, None))
    assert back.attributes == (("note", "a�b"),)


def test_a_real_task(shared):
    # Counted in the file: of four marks, two bear no class and one is of points.
    folder = shared / "data" / "formats" / "cvat" / "for_images" / "export_task"
    assert CVAT.recognises(folder)
    labels = CVAT.read(folder, None)
    assert labels.counts == {"label1": 1, "label2": 0}
    assert [one.size for one in labels.images] == [(8, 8), (10, 10)]
    assert sorted((problem.code, problem.line) for problem in labels.problems) == [
        (Code.LABEL_SHAPE, 54),
        (Code.LABEL_CLASS, 50),
        (Code.LABEL_CLASS, 53),
    ]
    (mark,) = marks_of(labels)
    assert mark.shape == BoxShape(0, 2, 4, 2)
    assert mark.attributes[:2] == (("a1", "true"), ("a2", "v3"))


def test_a_real_project(shared):
    folder = shared / "data" / "formats" / "cvat" / "for_images" / "export_project"
    labels = CVAT.read(folder, None)
    assert [one.name for one in labels.images][:3] == [
        "Test/img0.jpg",
        "Test/img1.jpg",
        "Train/img0.jpg",
    ]
    assert [one.split for one in labels.images] == ["test"] * 2 + ["train"] * 4
    assert [problem.code for problem in labels.problems] == [Code.LABEL_SHAPE] * 3
    assert labels.counts == {"label1": 6, "label2": 3}
    assert {mark.annotator for mark in marks_of(labels)} == {"tester"}
    assert isinstance(labels.images[1].annotations[0].shape, PolygonShape)
