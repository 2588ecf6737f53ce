"""A single folder of images, with or without masks of the same names, turned into a draft."""

from __future__ import annotations

from keenline.data.importers.draft import Draft, Entry
from keenline.data.importers.listing import Listing
from keenline.data.importers.pairing import same_stem_masks
from keenline.types import GOOD

FLAT = "flat folder of good images"
FLAT_EXAMPLE = """\
a.png
b.png                   (all of them good parts, in one folder)"""

MASKED = "flat folder with same-stem masks"
MASKED_EXAMPLE = """\
a.jpg
a.png                   (a mask; black: the image is good)
b.jpg                   (no mask: the image is good)"""


def read_masked(files: Listing) -> Draft | None:
    """Read images and masks that differ in their ending alone; None if there is no such pair.

    The mask decides between good and `defect`. An image without one counts as good.
    """
    if len(files.folders()) > 1:
        return None
    stems = {image.stem for image in files.images}
    if len(stems) == len(files.images):
        return None
    pairs = same_stem_masks(files.root, files.images)
    entries = [Entry(image, None, pairs.masks.get(image)) for image in pairs.images]
    unlabelled = len(pairs.images) - len(pairs.masks)
    notes = (f"images without a mask, counted as good: {unlabelled}",) if unlabelled else ()
    return Draft(entries, notes)


def read_flat(files: Listing) -> Draft | None:
    """Read images that all lie in one folder as good parts; None if they lie in several.

    None, too, where annotation files go with them: such images show defects, and a detector that
    learnt them as good would pass those defects without a word.
    """
    if len(files.folders()) > 1 or annotated_stems(files):
        return None
    return Draft([Entry(image, GOOD) for image in files.images])


def annotated_stems(files: Listing) -> set[str]:
    """Stems of images that have a Pascal VOC, LabelMe or YOLO file of the same name."""
    notes = {path.stem for path in files.others if path.suffix.lower() in {".xml", ".json", ".txt"}}
    return notes & {image.stem for image in files.images}
