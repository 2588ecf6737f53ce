"""What Keenline writes labelformat reads with the same meaning, and the other way round."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.formats.format_contract import named
from tests.data.picture_files import blank

from keenline.annotation import Annotation, BoxShape, PolygonShape
from keenline.data.labels import LabelledImage, Labels
from keenline.errors import Code

tool = pytest.importorskip(
    "tests.data.formats.by_labelformat",
    reason="needs labelformat, of the extra dev",
    exc_type=ModuleNotFoundError,
)
coco, cvat, voc, yolo = (tool.coco, tool.cvat, tool.pascalvoc, tool.yolov8)

COCO, VOC, YOLO, CVAT = (named(name) for name in ("coco", "voc", "yolo", "cvat"))


@pytest.fixture(scope="module")
def outlines(porosity: Path) -> Labels:
    return COCO.read(porosity, None)


@pytest.fixture(scope="module")
def steel(shared: Path) -> Labels:
    """600 images of 200 x 200 with 1436 boxes."""
    return VOC.read(shared / "data/neu-det-voc", None)


OUTLINE = PolygonShape((((10.25, 8), (40, 9.5), (35, 30), (12, 25)),))
SMALL = Labels(
    "coco",
    (
        LabelledImage(
            "a.png",
            (
                Annotation("scratch", BoxShape(10, 8, 20, 12)),
                Annotation("dent", BoxShape(0, 0, 64, 48)),
            ),
            None,
            (64, 48),
        ),
        LabelledImage("b.png", (Annotation("dent", BoxShape(3, 40, 7, 8)),), None, (64, 48)),
        LabelledImage("c.png", (), None, (64, 48)),
    ),
    ("scratch", "dent"),
)
OUTLINES = Labels(
    "coco",
    (LabelledImage("a.png", (Annotation("dent", OUTLINE),), None, (64, 48)),),
    ("scratch", "dent"),
)


class TestSmallFiles:
    """Boxes at the edge, an image without a mark, a class without one; in both directions."""

    def test_coco(self, tmp_path):
        for number, (labels, read, write) in enumerate(
            (
                (SMALL, coco.COCOObjectDetectionInput, coco.COCOObjectDetectionOutput),
                (OUTLINES, coco.COCOInstanceSegmentationInput, coco.COCOInstanceSegmentationOutput),
            )
        ):
            COCO.write(labels, tmp_path / str(number))
            (path,) = (tmp_path / str(number)).rglob("*.json")
            assert tool.total(labels, read(path), tool.EXACT) == 3 - 2 * number
            assert tool.classes(read(path)) == labels.classes
            back = tmp_path / f"{number}.json"
            write(back).save(read(path))
            assert tool.total(COCO.read(back, None), read(path), tool.EXACT) == 3 - 2 * number

    def test_yolo(self, tmp_path):
        for number, (labels, read, write) in enumerate(
            (
                (SMALL, yolo.YOLOv8ObjectDetectionInput, yolo.YOLOv8ObjectDetectionOutput),
                (
                    OUTLINES,
                    yolo.YOLOv8InstanceSegmentationInput,
                    yolo.YOLOv8InstanceSegmentationOutput,
                ),
            )
        ):
            folder, back = tmp_path / str(number), tmp_path / f"{number}.back"
            for image in labels.images:
                blank(folder / "images" / image.name, 90, (64, 48))
            YOLO.write(labels, folder)
            source = read(folder / "data.yaml", "train")
            assert tool.total(labels, source, tool.EXACT) == 3 - 2 * number
            assert tool.classes(source) == labels.classes
            write(back / "data.yaml", "train").save(source)
            read_back = YOLO.read(back, folder / "images")
            assert read_back.classes == labels.classes
            assert tool.total(read_back, source, tool.EXACT) == 3 - 2 * number

    def test_voc(self, tmp_path):
        VOC.write(SMALL, tmp_path)
        source = voc.PascalVOCObjectDetectionInput(tmp_path / "Annotations", "scratch,dent")
        pictures = tool.from_voc_counts(tool.theirs(source))
        assert tool.agreed(tool.ours(SMALL), pictures, tool.EXACT) == 3

    def test_cvat(self, tmp_path):
        CVAT.write(SMALL, tmp_path / "ours")
        (path,) = (tmp_path / "ours").rglob("*.xml")
        source = cvat.CVATObjectDetectionInput(path)
        assert tool.total(SMALL, source, tool.EXACT) == 3
        assert tool.classes(source) == SMALL.classes
        cvat.CVATObjectDetectionOutput(tmp_path / "back").save(source)
        back = CVAT.read(tmp_path / "back", None)
        assert back.classes == SMALL.classes
        assert tool.total(back, source, tool.EXACT) == 3


class TestWhatKeenlineWrites:
    """Real labels, read by Keenline in one format and written in another."""

    def test_coco(self, outlines, steel, tmp_path):
        for number, labels in enumerate((outlines, steel)):
            folder = tmp_path / str(number)
            COCO.write(labels, folder)
            (path,) = folder.rglob("*.json")
            read = coco.COCOObjectDetectionInput if number else coco.COCOInstanceSegmentationInput
            assert tool.total(labels, read(path), tool.EXACT) == (3067, 1436)[number]

    def test_yolo_polygons(self, outlines, tmp_path):
        YOLO.write(outlines, tmp_path)
        put_images(outlines, tmp_path / "images")
        source = yolo.YOLOv8InstanceSegmentationInput(tmp_path / "data.yaml", "train")
        assert tool.total(outlines, source, tool.EXACT) == 3067

    def test_yolo_boxes(self, steel, tmp_path):
        YOLO.write(steel, tmp_path)
        put_images(steel, tmp_path / "images")
        source = yolo.YOLOv8ObjectDetectionInput(tmp_path / "data.yaml", "train")
        assert tool.total(steel, source, tool.EXACT) == 1436

    def test_voc(self, steel, tmp_path):
        VOC.write(steel, tmp_path)
        source = voc.PascalVOCObjectDetectionInput(
            tmp_path / "Annotations", ",".join(steel.classes)
        )
        pictures = tool.from_voc_counts(tool.theirs(source))
        assert tool.agreed(tool.ours(steel), pictures, tool.EXACT) == 1436

    def test_cvat(self, steel, tmp_path):
        CVAT.write(steel, tmp_path)
        (path,) = tmp_path.rglob("*.xml")
        assert tool.total(steel, cvat.CVATObjectDetectionInput(path), tool.EXACT) == 1436

    def test_labelbox(self, steel, tmp_path):
        named("labelbox").write(steel, tmp_path)
        (path,) = tmp_path.rglob("*.ndjson")
        source = tool.labelbox.LabelboxObjectDetectionInput(
            path, ",".join(steel.classes), tool.labelbox.FilenameKeyOption.EXTERNAL_ID
        )
        assert tool.total(steel, source, tool.EXACT) == 1436


class TestWhatLabelformatWrites:
    """Real boxes and polygons, read by labelformat in one format and written in another."""

    def test_coco(self, porosity, tmp_path):
        path = tmp_path / "instances.json"
        source = coco.COCOInstanceSegmentationInput(porosity)
        coco.COCOInstanceSegmentationOutput(path).save(source)
        assert tool.total(COCO.read(path, porosity.parent), source, tool.EXACT) == 3067

    def test_yolo_outlines(self, porosity, tmp_path):
        source = coco.COCOInstanceSegmentationInput(porosity)
        yolo.YOLOv8InstanceSegmentationOutput(tmp_path / "data.yaml", "train").save(source)
        assert tool.total(YOLO.read(tmp_path, porosity.parent), source, tool.EXACT) == 3067

    def test_yolo_boxes(self, porosity, tmp_path):
        source = coco.COCOObjectDetectionInput(porosity)
        yolo.YOLOv8ObjectDetectionOutput(tmp_path / "data.yaml", "train").save(source)
        assert boxes_agree(YOLO.read(tmp_path, porosity.parent), source) == 3065

    def test_cvat(self, porosity, tmp_path):
        source = coco.COCOObjectDetectionInput(porosity)
        cvat.CVATObjectDetectionOutput(tmp_path).save(source)
        assert boxes_agree(CVAT.read(tmp_path, porosity.parent), source) == 3065

    def test_voc(self, porosity, tmp_path):
        # labelformat writes corners from 0 instead of pixels from 1; Keenline finds that out by
        # the boxes that begin in 0, and says so.
        source = coco.COCOObjectDetectionInput(porosity)
        voc.PascalVOCObjectDetectionOutput(tmp_path).save(source)
        labels = VOC.read(tmp_path, porosity.parent)
        assert [one.is_dropped for one in labels.problems if "begin in 0" in one.what] == [False]
        assert boxes_agree(labels, source) == 3065


def boxes_agree(labels: Labels, source: object) -> int:
    """Twice two polygons of the real file have one and the same box around them."""
    told = [one for one in labels.problems if one.code == Code.LABEL_DUPLICATE]
    assert len(told) == 2
    return int(tool.agreed(tool.ours(labels), tool.once(tool.theirs(source)), tool.EXACT))


def put_images(labels: Labels, folder: Path) -> None:
    """Where YOLO has the images, links to them."""
    for image in labels.images:
        place = folder / image.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(image.path)
