"""Folders of MVTec AD, a mask image for each defective image, turned into labels.

`importers/mvtec_ad.py` reads the same folders into samples, where a mask says only which pixels
are defective; here it is a mark of the class its folder is named for, to be counted and exported.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from keenline.annotation import Annotation, MaskShape
from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.label_files import not_this_format
from keenline.data.formats.reading import LabelReading, Mark
from keenline.data.image_file import is_image_name
from keenline.data.labels import Labels
from keenline.data.naming import masked_stem, means_good
from keenline.data.rasterise import shape_of
from keenline.data.reading import probe, read_mask
from keenline.errors import Code, ImageError

NAME = "masks"
TRUTH = "ground_truth"
"""The folder of the masks, one folder below it for each class."""
SPLITS = ("train", "test")


def recognises(path: Path) -> bool:
    """Whether it holds image files in `ground_truth/CLASS/`."""
    try:
        return any(map(is_image_name, (path / TRUTH).glob("*/*")))
    except OSError:
        return False


def read(path: Path, images: Path | None) -> Labels:
    """Read the folder that holds `ground_truth`; see `Format.read`.

    The image of `ground_truth/CLASS/STEM_mask.png` (or `STEM.png`, or any file in a folder
    `STEM`) is `STEM` with any suffix in `test/CLASS`, `train/CLASS` or `CLASS`, or else in the
    folder of the images itself. Images in folders named for good parts are good; one in the
    folder of a class and without a mask of it bears the class as a whole.
    """
    if not recognises(path):
        raise not_this_format(path, f"no masks in {TRUTH}/CLASS")
    root = images or path
    reading = LabelReading(NAME, path, ImageFiles(root))
    held = [image for image in _listed(root) if image.parts[0] != TRUTH]
    masks = _masks(_listed(path), held)
    for image in dict.fromkeys([*held, *sorted(masks)]):
        split, folder = folders_of(image)
        if not folder and image not in masks:
            continue
        marks = []
        for class_name, mask in masks.get(image, ()):
            shape = _shape(path / mask, root / image, reading)
            if shape is not None:
                marks.append(Mark(Annotation(class_name, shape), None))
        is_good = means_good(folder)
        if folder and not is_good and folder not in {one.annotation.class_name for one in marks}:
            marks.append(Mark(Annotation(folder), None))
        if is_good and marks:
            what = f"{image} lies among the good images and has a mask, which counts"
            reading.problem(Code.LABEL_ENTRY, None, what, is_dropped=False)
        name = image.as_posix()
        reading.image(name, marks, is_good=is_good and not marks, split=split)
    return reading.labels()


def folders_of(image: PurePosixPath) -> tuple[str, str]:
    """The split and the class folder an image lies in; empty where it lies in none."""
    place = image.parts[:-1]
    return (place[0], place[1]) if len(place) >= 2 and place[0] in SPLITS else ("", "")


def _masks(
    files: list[PurePosixPath], images: list[PurePosixPath]
) -> dict[PurePosixPath, list[tuple[str, PurePosixPath]]]:
    """For each image its masks with their classes; one that is not there is named as it would
    be."""
    places = {(image.parent, image.stem): image for image in reversed(images)}
    found: defaultdict[PurePosixPath, list[tuple[str, PurePosixPath]]] = defaultdict(list)
    for mask in files:
        if mask.parts[0] != TRUTH or len(mask.parts) < 3:
            continue
        class_name = mask.parts[1]
        stems = [mask.parts[2]] if len(mask.parts) > 3 else [masked_stem(mask) or "", mask.stem]
        stems = [stem for stem in stems if stem]
        folders = [PurePosixPath(split, class_name) for split in ("test", "train", "")]
        wanted = [(folder, stem) for folder in (*folders, PurePosixPath()) for stem in stems]
        absent = PurePosixPath("test", class_name, f"{stems[0]}{mask.suffix}")
        image = next((places[place] for place in wanted if place in places), absent)
        found[image].append((class_name, mask))
    return found


def _shape(mask: Path, image: Path, reading: LabelReading) -> MaskShape | None:
    try:
        facts = probe(image if image.is_file() else mask)
        pixels = read_mask(mask, (facts.width, facts.height))
    except ImageError as error:
        wrong_size = error.code == Code.MASK_SIZE
        code = Code.LABEL_IMAGE_SIZE if wrong_size else Code.LABEL_IMAGE
        what = f"{mask.name}: {error.what}"
        if wrong_size:
            what += f", {error.got} and not {error.expected} pixels"
        reading.problem(code, None, what, file=mask)
        return None
    if not pixels.any():
        reading.problem(Code.LABEL_NO_AREA, None, f"{mask.name} marks no pixel", file=mask)
        return None
    return shape_of(pixels)


def _listed(folder: Path) -> list[PurePosixPath]:
    """The image files below a folder, relative to it and sorted."""
    found = (path for path in folder.rglob("*") if is_image_name(path) and path.is_file())
    return sorted(PurePosixPath(path.relative_to(folder).as_posix()) for path in found)
