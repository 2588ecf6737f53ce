"""Images with a `_label` or `_mask` file beside each turned into a draft."""

from __future__ import annotations

from pathlib import PurePosixPath

from keenline.data.importers.draft import Draft, Entry
from keenline.data.importers.listing import Listing
from keenline.data.importers.pairing import named_masks

NAME = "image and label pairs"

EXAMPLE = """\
kos01/Part0.jpg
kos01/Part0_label.png   (black: the image is good; else it shows a defect)
kos01/Part1.jpg         (the images of one folder are views of one part)"""


def read(files: Listing) -> Draft | None:
    """Read the layout of KolektorSDD (Tabernik et al., 2019); None if no file is such a label.

    The mask decides between good and `defect`. An image without one counts as good. A folder is
    one part; in the root itself, each file is.
    """
    pairs = named_masks(files.images)
    if not pairs.masks:
        return None
    entries = [
        Entry(image, None, pairs.masks.get(image), part=_part(image)) for image in pairs.images
    ]
    unlabelled = sum(entry.mask is None for entry in entries)
    notes = (f"images without a label file, counted as good: {unlabelled}",) if unlabelled else ()
    return Draft(entries, notes, tuple(pairs.orphans))


def _part(image: PurePosixPath) -> str:
    return "" if len(image.parts) == 1 else image.parent.as_posix()
