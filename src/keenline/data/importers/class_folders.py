"""A folder of good parts beside one folder per defect class turned into a draft."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath

from keenline.data.importers.draft import Draft, Entry
from keenline.data.importers.listing import Listing
from keenline.data.importers.pairing import Pairs, named_masks, same_stem_masks
from keenline.data.naming import means_good, means_masks
from keenline.errors import Code, DatasetError, ImageError
from keenline.types import GOOD

NAME = "class folders"

EXAMPLE = """\
good/a.png            (also ok, normal, free: MT_Free, OK parts)
scratch/b.jpg
scratch/b.png         (a mask, if there is one; or b_mask.png, or masks/scratch/b.png)
dent/Imgs/c.png       (deeper folders belong to their class)"""


def read(files: Listing) -> Draft | None:
    """Read one folder per class; None if no folder's name says that it holds good parts.

    A class is called what its folder is called. Images beside the folders belong to no class and
    are listed as skipped.
    """
    top = {image.parts[0] for image in files.images if len(image.parts) > 1}
    if not any(means_good(name) for name in top if not means_masks(name)):
        return None
    return _read(files)


def read_defects(files: Listing) -> Draft | None:
    """The same of two folders or more none of which holds good parts; None for fewer."""
    top = {image.parts[0] for image in files.images if len(image.parts) > 1}
    return _read(files) if sum(not means_masks(name) for name in top) > 1 else None


def _read(files: Listing) -> Draft:
    apart = _masks_apart(files)
    by_folder: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
    loose = []
    for image in files.images:
        if len(image.parts) == 1:
            loose.append(image)
        elif not means_masks(image.parts[0]):
            by_folder[image.parts[0]].append(image)
    entries = []
    skipped: list[tuple[PurePosixPath, ImageError | DatasetError]] = [
        (image, _no_class(image)) for image in loose
    ]
    for name, images in by_folder.items():
        label = GOOD if means_good(name) else name
        pairs = _pairs(files, images)
        skipped += pairs.orphans
        for image in pairs.images:
            mask = pairs.masks.get(image) or _apart(apart, name, image)
            entries.append(Entry(image, label, mask))
    return Draft(entries, skipped=tuple(skipped))


def _pairs(files: Listing, images: list[PurePosixPath]) -> Pairs:
    named = named_masks(images)
    same = same_stem_masks(files.root, named.images)
    return Pairs(same.images, named.masks | same.masks, named.orphans)


def _masks_apart(files: Listing) -> dict[tuple[str, str], PurePosixPath]:
    """Masks under `masks/` or `ground_truth/`, by (class folder or nothing, stem)."""
    return {
        (mask.parts[1] if len(mask.parts) > 2 else "", mask.stem): mask
        for mask in files.images
        if len(mask.parts) > 1 and means_masks(mask.parts[0])
    }


def _apart(
    masks: dict[tuple[str, str], PurePosixPath], folder: str, image: PurePosixPath
) -> PurePosixPath | None:
    places = ((folder, f"{image.stem}_mask"), (folder, image.stem), ("", image.stem))
    return next((masks[place] for place in places if place in masks), None)


def _no_class(image: PurePosixPath) -> DatasetError:
    return DatasetError(
        Code.DATASET_LAYOUT,
        "This image lies beside the class folders and belongs to no class",
        where=image,
        next="move it into the folder of its class",
    )
