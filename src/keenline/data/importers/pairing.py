"""The files of one folder turned into images and the masks that lie beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from keenline.data.naming import masked_stem, means_masks
from keenline.data.reading import read_image
from keenline.errors import Code, DatasetError, ImageError

_PAIRS_LOOKED_AT = 12

# Share of a mask's pixels that lie in its two fullest of 16 grey bins. Measured on the masks of
# the magnetic-tile and KolektorSDD sets: above 0.99; on their photos: below 0.7.
_MASK_LIKE = 0.9


@dataclass(slots=True)
class Pairs:
    """Images, and for each its mask where it has one."""

    images: list[PurePosixPath] = field(default_factory=list)
    masks: dict[PurePosixPath, PurePosixPath] = field(default_factory=dict)
    orphans: list[tuple[PurePosixPath, ImageError]] = field(default_factory=list)
    """Masks, by their name, of which there is no image."""


def named_masks(files: Iterable[PurePosixPath]) -> Pairs:
    """Pair `NAME.*` with `NAME_mask.*`, `NAME_label.*` or `NAME_gt.*` in the same folder.

    As soon as one such pair exists, every file of that sort of name is a mask and never an image.
    """
    files = list(files)
    stems = {(path.parent, path.stem): path for path in files}
    pairs = Pairs()
    endings = [(path, masked_stem(path)) for path in files]
    if not any(stem and (path.parent, stem) in stems for path, stem in endings):
        pairs.images = files
        return pairs
    for path, stem in endings:
        if stem is None:
            pairs.images.append(path)
        elif (path.parent, stem) in stems:
            pairs.masks[stems[path.parent, stem]] = path
        else:
            pairs.orphans.append((path, _no_image(path)))
    return pairs


def same_stem_masks(root: Path, files: Sequence[PurePosixPath]) -> Pairs:
    """Pair files of one folder that differ in their ending alone, such as `a.jpg` and `a.png`.

    Which ending is the mask's is decided once for each two endings, by looking at some of the
    pairs: a mask is all but two-valued, a photo is not. Raises DatasetError (DATASET_LAYOUT) when
    that does not tell them apart.
    """
    by_stem: defaultdict[tuple[PurePosixPath, str], list[PurePosixPath]] = defaultdict(list)
    for path in files:
        by_stem[path.parent, path.stem].append(path)
    pairs = Pairs()
    by_endings: defaultdict[tuple[str, ...], list[list[PurePosixPath]]] = defaultdict(list)
    for group in by_stem.values():
        if len(group) == 1:
            pairs.images.append(group[0])
        else:
            group.sort(key=lambda path: path.suffix.lower())
            by_endings[tuple(path.suffix.lower() for path in group)].append(group)
    for endings, groups in by_endings.items():
        which = _mask_place(root, endings, groups)
        for group in groups:
            image, mask = group[1 - which], group[which]
            pairs.images.append(image)
            pairs.masks[image] = mask
    pairs.images.sort()
    return pairs


def without_masks(
    root: Path, files: Iterable[PurePosixPath]
) -> tuple[list[PurePosixPath], list[PurePosixPath]]:
    """The images among `files`, and the masks: those beside an image and those in folders of masks.

    Where it is not clear which is which, both are images: what is no part is better looked at
    than a part passed over.
    """
    files = list(files)
    photos = [file for file in files if not any(map(means_masks, file.parts[:-1]))]
    # A folder of nothing but masks, by its name, was meant when somebody named it.
    pairs = named_masks(photos or files)
    try:
        images = same_stem_masks(root, pairs.images).images
    except DatasetError:
        images = pairs.images
    kept = set(images)
    return sorted(images), [file for file in files if file not in kept]


def _mask_place(
    root: Path, endings: tuple[str, ...], groups: Sequence[Sequence[PurePosixPath]]
) -> int:
    if len(endings) == 2:
        step = max(1, len(groups) // _PAIRS_LOOKED_AT)
        looks = [_two_valued(root, group) for group in groups[::step]]
        known = np.array([look for look in looks if look is not None]).reshape(-1, 2)
        shares = known.mean(axis=0) if len(known) else np.zeros(2)
        higher = int(shares.argmax())
        if shares[higher] >= _MASK_LIKE and abs(shares[0] - shares[1]) > 0.02:
            return higher
        if shares[higher] >= _MASK_LIKE and endings.count(".png") == 1:
            return endings.index(".png")
    raise DatasetError(
        Code.DATASET_LAYOUT,
        "Files that differ in their ending alone are not clearly an image and its mask",
        where=root / groups[0][0].parent,
        expected="one photo and one two-valued mask for each name",
        got=", ".join(path.name for path in groups[0]),
        next="rename masks to NAME_mask.png, or keep one file for each photo",
    )


def _two_valued(root: Path, group: Sequence[PurePosixPath]) -> tuple[float, float] | None:
    """How mask-like each of two files is, 0..1; None when one cannot be read (listed later)."""
    shares = []
    for path in group:
        try:
            levels = read_image(root / path).max(axis=2) >> 4
        except ImageError:
            return None
        counts = np.sort(np.bincount(levels.ravel(), minlength=16))
        shares.append(float(counts[-2:].sum() / levels.size))
    return shares[0], shares[1]


def _no_image(path: PurePosixPath) -> ImageError:
    return ImageError(
        Code.IMAGE_MISSING,
        "This mask's image does not exist",
        where=path,
        expected=f"{masked_stem(path)}.* beside it",
    )
