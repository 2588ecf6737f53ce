"""Folders turned into datasets: one module per layout, and `open_dataset` to tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from keenline.data.dataset import Dataset
from keenline.data.importers import (
    class_folders,
    label_files,
    label_pairs,
    mask_folder,
    mvtec_ad,
    one_folder,
)
from keenline.data.importers.draft import Draft, checked
from keenline.data.importers.listing import Listing, listing
from keenline.data.importers.version_file import open_version, refuse_sealed_folder
from keenline.data.keenset import is_version
from keenline.data.leaks import leak_note
from keenline.errors import Code, DatasetError


class Layout(NamedTuple):
    """A way in which people arrange images in folders."""

    name: str
    example: str
    read: Callable[[Listing], Draft | None]
    """The draft, or None when the folder is not arranged this way."""


LAYOUTS = (
    Layout(mvtec_ad.NAME, mvtec_ad.EXAMPLE, mvtec_ad.read),
    Layout(label_files.NAME, label_files.EXAMPLE, label_files.read),
    Layout(class_folders.NAME, class_folders.EXAMPLE, class_folders.read),
    Layout(label_pairs.NAME, label_pairs.EXAMPLE, label_pairs.read),
    Layout(mask_folder.NAME, mask_folder.EXAMPLE, mask_folder.read),
    Layout(one_folder.MASKED, one_folder.MASKED_EXAMPLE, one_folder.read_masked),
    Layout(one_folder.FLAT, one_folder.FLAT_EXAMPLE, one_folder.read_flat),
)
"""In the order they are tried; the first that recognises the folder reads it."""


def open_dataset(
    root: Path | str, *, part_pattern: str | None = None, only_defects: bool = False
) -> Dataset:
    """Read the folder `root` by the first of `LAYOUTS` that recognises it, or a dataset version.

    A version (`.keenset`) gives what it has to learn from as split `train` and its seeded samples
    as `test`; never its acceptance set. A folder of which a version beside, above or below seals
    some images is refused.

    `part_pattern` is a regular expression with a group named `part`, searched in each image's
    path relative to `root` with forward slashes; without it each layout says what a part is
    (the file itself, unless noted). Headers of all images and all masks are read; what cannot be
    used is listed in `Dataset.skipped`. Of a layout with train and test, a part or an image on both
    sides is noted.

    only_defects: no image need be good, and folders of which none is called good are classes too:
    for learning that tells defects from one another.

    Raises DatasetError: DATASET_MISSING, DATASET_EMPTY, DATASET_LAYOUT when no layout fits,
    DATASET_NO_GOOD when none of the images is good, DATASET_PART_PATTERN, DATASET_SEALED, and of a
    version what `open_version` raises; LabelError when a label file is broken.
    """
    place = Path(root)
    if is_version(place):
        if part_pattern is not None:
            raise DatasetError(
                Code.DATASET_PART_PATTERN,
                "A dataset version says itself which images belong together",
                where=place,
                got=part_pattern,
                next="leave --part-pattern out",
            )
        dataset = open_version(place)
        if not only_defects:
            _require_good(dataset)
        return dataset
    files = listing(place)
    below = [place / other for other in files.others if is_version(place / other)]
    notes = refuse_sealed_folder(place, below)
    dataset = _read(files, part_pattern, only_defects=only_defects)
    if not only_defects:
        _require_good(dataset)
    return replace(dataset, notes=dataset.notes + notes + leak_note(dataset))


def read_folder(root: Path, part_pattern: str | None = None) -> Dataset:
    """The same for a folder, whether or not an image in it is good or sealed: for making versions.

    Raises as `open_dataset`, but for DATASET_NO_GOOD and DATASET_SEALED.
    """
    return _read(listing(root), part_pattern)


def _read(files: Listing, part_pattern: str | None, *, only_defects: bool = False) -> Dataset:
    for layout in LAYOUTS:
        draft = layout.read(files)
        if draft is not None:
            return checked(draft, files, layout.name, part_pattern)
    classes = class_folders.read_defects(files) if only_defects else None
    if classes is not None:
        return checked(classes, files, class_folders.NAME, part_pattern)
    raise _unknown(files)


def _require_good(dataset: Dataset) -> None:
    if dataset.good:
        return
    first = dataset.skipped[0] if dataset.skipped else None
    raise DatasetError(
        Code.DATASET_NO_GOOD,
        "The dataset holds no usable image of a good part",
        where=dataset.root,
        expected=f"good images, arranged as {dataset.layout}",
        got=f"{len(dataset.samples)} defective images and {len(dataset.skipped)} unusable files"
        + (f"; the first, {first.path.name}: {first.error.what}" if first else ""),
    )


def _unknown(files: Listing) -> DatasetError:
    parts = [path.name for path in sorted(files.root.iterdir()) if (path / "train/good").is_dir()]
    known = "\n".join(
        f"\n            {layout.name}:\n"
        + "\n".join(f"                {line}" for line in layout.example.splitlines())
        for layout in LAYOUTS
    )
    loose = any(len(image.parts) == 1 for image in files.images)
    names = sorted({image.parts[0] for image in files.images if len(image.parts) > 1})
    shown = ", ".join(["the folder itself"] * loose + names[:8]) + ", ..." * (len(names) > 8)
    return DatasetError(
        Code.DATASET_LAYOUT,
        "The folder holds several parts, each a dataset of its own"
        if parts
        else "The folder is not arranged in a way Keenline knows",
        where=files.root,
        expected="one of" + known,
        got=f"{len(files.images)} images in {shown}" + _labels(files),
        next=f"choose one of them, such as {files.root / parts[0]}" if parts else None,
    )


def _labels(files: Listing) -> str:
    count = len(one_folder.annotated_stems(files))
    return f", {count} of them with an annotation file that is not read" if count else ""
