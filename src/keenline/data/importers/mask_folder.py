"""A folder of images beside a folder of masks of the same names turned into a draft."""

from __future__ import annotations

from pathlib import PurePosixPath

from keenline.data.importers.draft import Draft, Entry
from keenline.data.importers.listing import Listing
from keenline.data.naming import masked_stem, means_masks
from keenline.errors import Code, ImageError

NAME = "image folder and mask folder"

EXAMPLE = """\
images/a.jpg
images/b.jpg
masks/b.png             (no mask or a black one: the image is good)"""


def read(files: Listing) -> Draft | None:
    """Read one folder of images and one of masks; None if there are not exactly these two.

    The mask decides between good and `defect`. An image without one counts as good. A mask is
    `STEM.*`, `STEM_mask.*` or `STEM_label.*`.
    """
    folders = files.folders()
    labels = [folder for folder in folders if means_masks(folder.name)]
    if len(folders) != 2 or len(labels) != 1:
        return None
    masks = {masked_stem(mask) or mask.stem: mask for mask in folders[labels[0]]}
    images = [image for folder, found in folders.items() if folder != labels[0] for image in found]
    entries = [Entry(image, None, masks.get(image.stem)) for image in images]
    stems = {image.stem for image in images}
    orphans = [(mask, _no_image(mask)) for stem, mask in masks.items() if stem not in stems]
    unlabelled = sum(entry.mask is None for entry in entries)
    notes = (f"images without a mask, counted as good: {unlabelled}",) if unlabelled else ()
    return Draft(entries, notes, tuple(orphans))


def _no_image(mask: PurePosixPath) -> ImageError:
    return ImageError(Code.IMAGE_MISSING, "This mask's image does not exist", where=mask)
