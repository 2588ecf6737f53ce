"""Real label files mean to other tools what they mean to Keenline.

Live against labelformat where it is right; where it is not, or knows no such file, against numbers
that supervision 0.31.2 and datumaro 1.13.12 gave, each beside the call that gave it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.data.formats.format_contract import marks_of, named

from keenline.annotation import (
    BoxShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
    Shape,
)
from keenline.data.labels import Labels
from keenline.data.rasterise import bounds, mask_of
from keenline.errors import Code

tool = pytest.importorskip(
    "tests.data.formats.by_labelformat",
    reason="needs labelformat, of the extra dev",
    exc_type=ModuleNotFoundError,
)
coco, cvat, voc, yolo = (tool.coco, tool.cvat, tool.pascalvoc, tool.yolov8)

COCO, VOC, YOLO, CVAT = (named(name) for name in ("coco", "voc", "yolo", "cvat"))


@pytest.fixture(scope="module")
def steel(shared: Path) -> Labels:
    """600 images of 200 x 200 with 1436 boxes."""
    return VOC.read(shared / "data/neu-det-voc", None)


class TestRealFiles:
    def test_coco_polygons(self, porosity):
        labels = COCO.read(porosity, None)
        assert tool.total(labels, coco.COCOInstanceSegmentationInput(porosity)) == 3067
        # labelformat takes Roboflow's name of the whole project, category 0, for a class of its
        # own; nothing bears it, and every other category says it is its super-category.
        names = tool.classes(coco.COCOInstanceSegmentationInput(porosity))
        assert names == ("defects-Resz-FKix", *labels.classes)

    def test_coco_run_lengths(self, shared):
        path = shared / "data/formats/coco/rle_instances.json"
        labels = COCO.read(path, None)
        source = coco.COCOInstanceSegmentationInput(path)
        assert tool.classes(source) == labels.classes
        # Without the masks, which have no corners, on both sides.
        drawn = [
            picture._replace(marks=tuple(mark for mark in picture.marks if mark.rings))
            for picture in tool.theirs(source)
        ]
        assert tool.agreed(tool.ours(labels), drawn) == 221
        masks = {
            label.image.filename: [
                thing.segmentation.get_binary_mask()
                for thing in label.objects
                if hasattr(thing.segmentation, "get_binary_mask")
            ]
            for label in source.get_labels()
        }
        assert sum(map(len, masks.values())) == 10
        for image in labels.images:
            marks = [mark for mark in image.annotations if isinstance(mark.shape, MaskShape)]
            for mark, mask in zip(marks, masks[image.name], strict=True):
                assert np.array_equal(mask_of(mark.shape, image.size), mask > 0)

    def test_yolo_polygons(self, shared, tmp_path):
        folder = shared / "data/formats/yolo-seg"
        table = tool.yolo_table(tmp_path, folder, ["inclusion"])
        source = yolo.YOLOv8InstanceSegmentationInput(table, "train")
        assert tool.total(YOLO.read(folder, None), source) == 92

    def test_yolo_boxes(self, shared, tmp_path):
        folder = shared / "data/wood"
        table = tool.yolo_table(tmp_path, folder, [f"class {number}" for number in range(8)])
        source = yolo.YOLOv8ObjectDetectionInput(table, "train")
        assert tool.total(YOLO.read(folder, None), source) == 10

    def test_voc_boxes(self, shared, steel):
        folder = shared / "data/neu-det-voc/Annotations"
        source = voc.PascalVOCObjectDetectionInput(folder, ",".join(steel.classes))
        pictures = tool.from_voc_counts(tool.theirs(source))
        assert sum(len(picture.marks) for picture in pictures) == 1437
        assert tool.agreed(tool.ours(steel), tool.once(pictures), tool.EXACT) == 1436

    def test_voc_boxes_where_labelformat_is_wrong(self, steel):
        # The sums of the left, upper, right and lower edges of all boxes of the 600 files, by
        # `detections_from_xml_obj(root, classes, (200, 200))[0].xyxy` of supervision's pascal_voc.
        # It counts pixels from 1, as VOC does, and so does datumaro (voc/base.py). Less the box
        # that is there twice.
        (told,) = [one for one in steel.problems if one.code == Code.LABEL_DUPLICATE]
        assert told.file.name == "crazing_120.xml"
        total = np.sum([bounds(mark.shape) for mark in marks_of(steel)], axis=0)
        (twice,) = twice_in(told.file)
        assert total + twice == pytest.approx((99207, 69804, 188563, 211651))

    @pytest.mark.parametrize(
        ("name", "count"), [("export_task/train.xml", 1), ("export_project/annotations.xml", 3)]
    )
    def test_cvat_boxes(self, shared, name, count):
        # labelformat passes over every other shape of a CVAT file without a word.
        path = shared / "data/formats/cvat/for_images" / name
        read = tool.ours(CVAT.read(path, None), (BoxShape,))
        assert tool.agreed(read, tool.theirs(cvat.CVATObjectDetectionInput(path))) == count

    def test_cvat_outlines_and_lines(self, shared):
        # datumaro: Dataset.import_from("export_project/annotations.xml", "cvat"), printing
        # (item.subset, item.id, class, annotation.points) of all but the points and boxes. Points
        # mark no area.
        labels = CVAT.read(shared / "data/formats/cvat/for_images/export_project", None)
        line, outline = (1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 4, 6, 5)
        want = {
            (subset, *what)
            for subset in ("Test", "Train", "Validation")
            for what in (("img0", "label2", line), ("img1", "label1", outline))
        }
        got = {
            (*image.name.removesuffix(".jpg").split("/"), mark.class_name, corners(mark.shape))
            for image in labels.images
            for mark in image.annotations
            if not isinstance(mark.shape, BoxShape)
        }
        assert got == want

    def test_cvat_video(self, shared):
        # datumaro: the same of Dataset.import_from("for_video/annotations.xml", "cvat"). It also
        # returns two shapes of frame 13 and 16 with `outside` true: those are where a track has
        # left the picture, so there is nothing to mark (CVAT, XML annotation format).
        labels = named("cvat-video").read(shared / "data/formats/cvat/for_video", None)
        line = (7.85, 13.88, 3.5, 6.67, 15.9, 2.0, 13.31, 7.21)
        assert [
            (Path(image.name).stem, mark.class_name, corners(mark.shape))
            for image in labels.images
            for mark in image.annotations
        ] == [("frame_000010", "II", (3, 4, 10, 5)), ("frame_000013", "II", line)]

    @pytest.mark.parametrize(
        ("folder", "count", "sums"),
        [
            ("bsdata", 49, (33597.38, 13211.96, 37010.91, 16040.95)),
            ("formats/labelme", 92, (8565, 5996, 9695, 12722)),
        ],
    )
    def test_labelme_outlines(self, shared, folder, count, sums):
        # The sums of the edges of the boxes around all polygons, by `.xyxy` of supervision's
        # `labelme_shapes_to_detections(shapes, {"Pitting": 0, "inclusion": 0}, size, False)`.
        marks = marks_of(named("labelme").read(shared / "data" / folder, None))
        assert len(marks) == count
        total = np.sum([bounds(mark.shape) for mark in marks], axis=0)
        assert total == pytest.approx(sums, abs=0.02)


def twice_in(path: Path) -> list[tuple[float, ...]]:
    """The edges of the boxes that a VOC file holds twice."""
    boxes = [
        (int(x0) - 1, int(y0) - 1, int(x1), int(y1))
        for x0, y0, x1, y1 in (
            [box.findtext(key, "") for key in ("xmin", "ymin", "xmax", "ymax")]
            for box in ElementTree.parse(path).getroot().iter("bndbox")
        )
    ]
    return [box for box, count in Counter(boxes).items() if count > 1]


def corners(shape: Shape | None) -> tuple[float, ...]:
    if isinstance(shape, BoxShape):
        return bounds(shape)
    if isinstance(shape, PolylineShape):
        return tuple(value for point in shape.points for value in point)
    assert isinstance(shape, PolygonShape)
    return tuple(value for point in shape.rings[0] for value in point)
