"""Folders turned into datasets: one module per layout, and `open_dataset` to tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keenline.data.dataset import Dataset
from keenline.data.importers import class_folders, label_pairs, mask_folder, mvtec_ad, one_folder
from keenline.data.importers.draft import Draft, checked
from keenline.data.importers.listing import Listing, listing
from keenline.errors import Code, DatasetError


class Layout(NamedTuple):
    """A way in which people arrange images in folders."""

    name: str
    example: str
    read: Callable[[Listing], Draft | None]
    """The draft, or None when the folder is not arranged this way."""


LAYOUTS = (
    Layout(mvtec_ad.NAME, mvtec_ad.EXAMPLE, mvtec_ad.read),
    Layout(class_folders.NAME, class_folders.EXAMPLE, class_folders.read),
    Layout(label_pairs.NAME, label_pairs.EXAMPLE, label_pairs.read),
    Layout(mask_folder.NAME, mask_folder.EXAMPLE, mask_folder.read),
    Layout(one_folder.MASKED, one_folder.MASKED_EXAMPLE, one_folder.read_masked),
    Layout(one_folder.FLAT, one_folder.FLAT_EXAMPLE, one_folder.read_flat),
)
"""In the order they are tried; the first that recognises the folder reads it."""


def open_dataset(root: Path | str, *, part_pattern: str | None = None) -> Dataset:
    """Read the folder `root` by the first of `LAYOUTS` that recognises it.

    `part_pattern` is a regular expression with a group named `part`, searched in each image's
    path relative to `root` with forward slashes; without it each layout says what a part is
    (the file itself, unless noted). Headers of all images and all masks are read; what cannot be
    used is listed in `Dataset.skipped`.

    Raises DatasetError: DATASET_MISSING, DATASET_EMPTY, DATASET_LAYOUT when no layout fits,
    DATASET_NO_GOOD when none of the images is good, DATASET_PART_PATTERN.
    """
    files = listing(Path(root))
    for layout in LAYOUTS:
        draft = layout.read(files)
        if draft is not None:
            dataset = checked(draft, files, layout.name, part_pattern)
            _require_good(dataset)
            return dataset
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
