"""The MVTec AD layout turned into a draft: train, test and ground truth in folders of their own."""

from __future__ import annotations

from pathlib import PurePosixPath

from keenline.data.importers.draft import Draft, Entry
from keenline.data.importers.listing import Listing
from keenline.data.naming import means_good
from keenline.types import GOOD

NAME = "MVTec AD"

EXAMPLE = """\
train/good/000.png
test/good/000.png
test/scratch/000.png
ground_truth/scratch/000_mask.png"""


def read(files: Listing) -> Draft | None:
    """Read the layout published with MVTec AD (Bergmann et al., CVPR 2019); None if it is not it.

    Of `train`, only good parts are expected; a class folder there is read like one in `test`.
    A mask is `STEM_mask.*` or `STEM.*` under `ground_truth/CLASS`.
    """
    if not any(_place(image)[:1] == ("train",) and _good_folder(image) for image in files.images):
        return None
    masks: dict[tuple[str, str], PurePosixPath] = {}
    entries = []
    outside = 0
    for image in files.images:
        if image.parts[0] == "ground_truth" and len(image.parts) >= 3:
            masks[image.parts[1], image.stem] = image
    for image in files.images:
        match _place(image):
            case ("train" | "test" as split, folder):
                label = GOOD if means_good(folder) else folder
                mask = masks.get((folder, f"{image.stem}_mask")) or masks.get((folder, image.stem))
                entries.append(Entry(image, label, None if label == GOOD else mask, split=split))
            case ("ground_truth", _):
                pass
            case _:
                outside += 1
    used = {entry.mask for entry in entries}
    orphans = sum(mask not in used for mask in masks.values())
    notes = []
    if outside:
        notes.append(f"images outside train/, test/ and ground_truth/, not read: {outside}")
    if orphans:
        notes.append(f"masks in ground_truth/ that belong to no defective image: {orphans}")
    return Draft(entries, tuple(notes))


def _place(image: PurePosixPath) -> tuple[str, ...]:
    return image.parts[:2] if len(image.parts) >= 3 else ()


def _good_folder(image: PurePosixPath) -> bool:
    return means_good(image.parts[1])
