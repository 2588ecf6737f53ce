"""Label files of other tools, read and written: one module per format, named in `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keenline.data.formats import (
    coco,
    coco_writing,
    cvat,
    cvat_video,
    deeppcb,
    labelbox,
    labelbox_writing,
    labelme,
    labelme_writing,
    manifest,
    manifest_writing,
    mask_images,
    mask_images_writing,
    via,
    via_writing,
    voc,
    voc_writing,
    yolo,
    yolo_writing,
)
from keenline.data.labels import LabelProblem, Labels


class Format(NamedTuple):
    """A way in which a tool writes down what was marked."""

    name: str
    """As it is given to `--format`."""
    what: str
    """For people: the tool, its version, what its files look like."""
    recognises: Callable[[Path], bool]
    """Whether this file or folder is of the format, by names and first lines; never raises."""
    read: Callable[[Path, Path | None], Labels]
    """From (a label file or a folder of them, the folder of the images; None: beside or below the
    labels). Raises LabelError (LABEL_FILE) when nothing of it can be used."""
    write: Callable[[Labels, Path], tuple[LabelProblem, ...]]
    """Into an empty folder, images not included; returns what the format cannot say
    (LABEL_CANNOT_SAY). Raises OutputError."""


FORMATS: tuple[Format, ...] = (
    Format(
        "coco",
        "COCO: a JSON file with lists of images, annotations and categories (polygons, RLE, boxes)",
        coco.recognises,
        coco.read,
        coco_writing.write,
    ),
    Format(
        "voc",
        "Pascal VOC: an XML file of boxes for each image",
        voc.recognises,
        voc.read,
        voc_writing.write,
    ),
    Format(
        "deeppcb",
        "DeepPCB: a text file of boxes for each board, STEM_test and STEM_temp images",
        deeppcb.recognises,
        deeppcb.read,
        deeppcb.write,
    ),
    Format(
        "yolo",
        "YOLO: a text file of boxes and polygons for each image, names in data.yaml or classes.txt",
        yolo.recognises,
        yolo.read,
        yolo_writing.write,
    ),
    Format(
        "labelme",
        "LabelMe: a JSON file of shapes for each image",
        labelme.recognises,
        labelme.read,
        labelme_writing.write,
    ),
    Format(
        "cvat",
        "CVAT for images 1.1: an XML file of a task or project (all shapes but points, cuboids)",
        cvat.recognises,
        cvat.read,
        cvat.write,
    ),
    Format(
        "cvat-video",
        "CVAT for video 1.1: an XML file of tracks through the frames of a video",
        cvat_video.recognises,
        cvat_video.read,
        cvat_video.write,
    ),
    Format(
        "via",
        "VGG Image Annotator 1.x and 2.x: a JSON or CSV file, or a project (2.x JSON is written)",
        via.recognises,
        via.read,
        via_writing.write,
    ),
    Format(
        "labelbox",
        "Labelbox: JSON exports (legacy XY and WKT, v1) and NDJSON (an NDJSON export is written)",
        labelbox.recognises,
        labelbox.read,
        labelbox_writing.write,
    ),
    Format(
        "manifest",
        "SageMaker Ground Truth, Lookout for Vision: a .manifest of JSON lines, masks beside it",
        manifest.recognises,
        manifest.read,
        manifest_writing.write,
    ),
    Format(
        "masks",
        "mask images: ground_truth/CLASS/STEM_mask.png of each image, as in MVTec AD",
        mask_images.recognises,
        mask_images.read,
        mask_images_writing.write,
    ),
)
"""In the order in which they are asked whether they recognise a folder."""
