"""Labels turned into the mask folders of MVTec AD."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image as PillowImage

from keenline.annotation import Annotation, MaskShape
from keenline.data.formats.mask_images import TRUTH, folders_of
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.naming import is_folder_name, means_good
from keenline.data.rasterise import mask_of
from keenline.types import Mask


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `ground_truth/CLASS/STEM_mask.png`; see `Format.write`.

    Where an image lies says more: `train/good/a.png` is good, and of the split `train`.
    """
    unsaid = Unsaid(folder / TRUTH)
    unsaid.facts(labels, {"good", "split", "unmarked image"})
    written: dict[Path, str] = {}
    for image in labels.images:
        _facts_of_image(image, unsaid)
        by_class: dict[str, list[Annotation]] = {}
        for mark in image.annotations:
            if _is_sayable(image, mark, unsaid):
                by_class.setdefault(mark.class_name, []).append(mark)
        for class_name, marks in by_class.items():
            file = folder / TRUTH / class_name / f"{PurePosixPath(image.name).stem}_mask.png"
            if file in written:
                what = f"{class_name} on {image.name}: its mask is that of {written[file]} already"
                unsaid.add(what, is_dropped=True)
                continue
            written[file] = image.name
            _write(file, image, marks, unsaid)
    return unsaid.problems


def _write(file: Path, image: LabelledImage, marks: list[Annotation], unsaid: Unsaid) -> None:
    masks = [
        mask_of(mark.shape, image.size)
        for mark in marks
        if mark.shape is not None and image.size is not None
    ]
    together: Mask = np.logical_or.reduce(masks)
    if len(marks) > 1:
        what = f"{len(marks)} marks of {marks[0].class_name} on {image.name}: one mask for all"
        unsaid.add(what, is_dropped=False)
    for mark in marks:
        if not isinstance(mark.shape, MaskShape):
            unsaid.mark(image, mark, "the mask of its pixels", is_dropped=False)
    content = io.BytesIO()
    PillowImage.fromarray(together.astype(np.uint8) * 255).save(content, "PNG", optimize=True)
    write_file(file, content.getvalue())


def _is_sayable(image: LabelledImage, mark: Annotation, unsaid: Unsaid) -> bool:
    """Whether there is a mask for it; what is said by the image's place needs none."""
    name = mark.class_name
    if mark.shape is None:
        if folders_of(PurePosixPath(image.name))[1] != name:
            unsaid.mark(image, mark, "there is no mask of a whole image", is_dropped=True)
        return False
    reason = ""
    if image.size is None:
        reason = "the size of the image is not known"
    elif not is_folder_name(name):
        reason = "its class cannot be the name of a folder"
    elif not mask_of(mark.shape, image.size).any():
        reason = "it marks no pixel"
    if reason:
        unsaid.mark(image, mark, reason, is_dropped=True)
    return not reason


def _facts_of_image(image: LabelledImage, unsaid: Unsaid) -> None:
    split, folder = folders_of(PurePosixPath(image.name))
    if image.is_good and not means_good(folder):
        unsaid.add(f"that {image.name} is good", is_dropped=True)
    if image.split and image.split != split:
        unsaid.add(f"that {image.name} is of the split {image.split}", is_dropped=True)
    if not image.annotations and not folder:
        unsaid.add(f"that {image.name} has no marks", is_dropped=True)
