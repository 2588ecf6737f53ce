"""Marked defects cut out of their images into a library, and a library folder read back.

A library is a folder: `library.json`, and for each defect a crop and its mask as PNG files whose
hashes the list holds. Nothing of it is ever executed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy import ndimage

from keenline.data.class_masks import class_masks
from keenline.data.dataset import Skipped, content_hash
from keenline.data.formats.writing import write_file
from keenline.data.imagined_by import Digest, Network
from keenline.data.reading import read_image, read_mask
from keenline.errors import Code, DatasetError, ImageError
from keenline.types import Image, Mask, Sample

INDEX = "library.json"
SURROUNDINGS = 0.5
"""Pixels kept around a defect, as a share of the larger side of its box."""
LEAST_SURROUNDINGS = 8
BRIDGED = 3
"""Pixels by which marks of one class may be apart and still be one defect: a broken scratch."""
SMALLEST = 4
"""Marked pixels; fewer are the rim of a mark, or a slip."""
SPECK = 0.02
"""Share of the largest piece's pixels; a smaller piece beside it is a slip of the brush."""
FAINTEST = 3.0
"""Grey levels by which a defect stands out at least: what nobody could see is no example."""
GROWN = 2
"""Pixels around a mark that are pasted with it, since marks are drawn tightly; where the border is
nearer, its mirror image would be pasted too."""
LARGEST = 0.6
"""Share of either side of its image: what covers more has no surroundings to be told from."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One defect with its surroundings, and where it comes from."""

    class_name: str
    image: Image
    """The crop."""
    mask: Mask
    """Of the crop: the defect."""
    box: tuple[int, int, int, int]
    """x, y, width and height of the crop in its image, pixels."""
    source: str
    """Path of the image, below the root of its dataset where that is known."""
    source_sha256: str
    """Of the image file."""
    origin: str = "cut"
    """How it came to be: `cut` from a real image, or `imagined` on a good one."""
    network: Network | None = None
    """What imagined it."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """What was cut from some samples, and what was not."""

    cuts: tuple[Cut, ...]
    at_border: int = 0
    """Defects that the image cuts off, so that what is beyond is not known."""
    too_large: int = 0
    too_small: int = 0
    too_faint: int = 0
    unmarked: int = 0
    """Defective samples that do not say where the defect is."""
    skipped: tuple[Skipped, ...] = ()


def cut_defects(
    samples: Iterable[Sample], bit_depth: int | None = None, root: Path | None = None
) -> Cuts:
    """Cut every marked defect of the samples; those of a test split are left alone.

    Each connected piece of a class's mask is a defect of its own. What is not cut is counted; an
    image that cannot be read is skipped. root: of the dataset, below which sources are named.
    """
    cuts: list[Cut] = []
    skipped: list[Skipped] = []
    counts = dict.fromkeys(("at_border", "too_large", "too_small", "too_faint", "unmarked"), 0)

    def miss(why: str) -> None:
        counts[why] += 1

    for sample in samples:
        if sample.is_good or sample.split == "test":
            continue
        try:
            image = read_image(sample.image, bit_depth=bit_depth)
            masks = class_masks(sample, (image.shape[1], image.shape[0]))
            digest = content_hash(sample.image)
        except ImageError as error:
            skipped.append(Skipped(sample.image, error))
            continue
        if not masks:
            miss("unmarked")
        for name, mask in masks.items():
            for crop, piece, box in _pieces(image, mask, miss):
                cuts.append(Cut(name, crop, piece, box, path_below(root, sample.image), digest))
    return Cuts(tuple(cuts), skipped=tuple(skipped), **counts)


def path_below(root: Path | None, image: Path) -> str:
    """The path of an image as an index names it: the same wherever the dataset lies."""
    if root is not None and image.is_relative_to(root):
        return image.relative_to(root).as_posix()
    return image.as_posix()


def write_library(cuts: Sequence[Cut], folder: Path) -> None:
    """Write a library into a new or empty folder, or one that holds the first of these.

    Raises OutputError.
    """
    entries = []
    for place, cut in enumerate(cuts):
        names = [f"{place:05}.png", f"{place:05}_mask.png"]
        contents = [png(cut.image), png(cut.mask.astype(np.uint8) * 255)]
        for name, content in zip(names, contents, strict=True):
            write_file(folder / name, content)
        entries.append(
            _Entry.model_validate(
                {
                    "class": cut.class_name,
                    "crop": names[0],
                    "crop_sha256": hashlib.sha256(contents[0]).hexdigest(),
                    "mask": names[1],
                    "mask_sha256": hashlib.sha256(contents[1]).hexdigest(),
                    "box": cut.box,
                    "source": cut.source,
                    "source_sha256": cut.source_sha256,
                    "origin": cut.origin,
                    "network": None if cut.network is None else cut.network.sha256,
                }
            )
        )
    networks = {cut.network.sha256: cut.network for cut in cuts if cut.network is not None}
    index = _Index.model_validate(
        {"schema": 1, "defects": tuple(entries), "networks": tuple(networks.values())}
    )
    write_file(folder / INDEX, index.model_dump_json(by_alias=True, indent=1) + "\n")


def read_library(folder: Path) -> tuple[Cut, ...]:
    """Read a library back.

    Raises DatasetError (DATASET_LIBRARY) when it is not one, or a file is not what was written.
    """
    try:
        index = _Index.model_validate_json((folder / INDEX).read_bytes())
    except OSError as error:
        raise _broken(folder, f"no readable {INDEX}") from error
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise _broken(folder / INDEX, f"{at}: {first['msg']}") from error
    networks = {network.sha256: network for network in index.networks}
    return tuple(_read(folder, entry, networks) for entry in index.defects)


def stands_out(pixels: NDArray[np.generic], mask: Mask, around: Mask) -> float:
    """Grey levels by which a defect differs from its surroundings: in the mean, or in the spread.

    pixels: (height, width, 3), 0..255; 0 where there are no surroundings.
    """
    if not around.any():
        return 0.0
    grey = pixels.mean(axis=2, dtype=np.float64)
    inner, outer = grey[mask], grey[around]
    return float(max(abs(inner.mean() - outer.mean()), abs(inner.std() - outer.std())))


def png(pixels: Image) -> bytes:
    """An image or a grey plane as the bytes of a PNG file."""
    if pixels.ndim == 3 and _is_grey(pixels):
        pixels = pixels[..., 0]
    content = io.BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(pixels)).save(content, "PNG")
    return content.getvalue()


_Name = Annotated[str, Field(pattern=r"^[0-9]{5}(_mask)?\.png$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    class_name: Annotated[str, Field(min_length=1, alias="class")]
    crop: _Name
    crop_sha256: Digest
    mask: _Name
    mask_sha256: Digest
    box: tuple[int, int, int, int]
    source: str
    source_sha256: Digest
    origin: str
    network: Digest | None = None


class _Index(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    defects: tuple[_Entry, ...]
    networks: tuple[Network, ...] = ()


def _read(folder: Path, entry: _Entry, networks: Mapping[str, Network]) -> Cut:
    if entry.network is not None and entry.network not in networks:
        raise _broken(folder / INDEX, f"{entry.crop} of a network that is not listed")
    for name, digest in ((entry.crop, entry.crop_sha256), (entry.mask, entry.mask_sha256)):
        try:
            found = content_hash(folder / name)
        except ImageError as error:
            raise _broken(folder / name, "a file that is not there or cannot be read") from error
        if found != digest:
            raise _broken(folder / name, "a file that is not the one that was written")
    image = read_image(folder / entry.crop)
    mask = read_mask(folder / entry.mask, (image.shape[1], image.shape[0]))
    return Cut(
        entry.class_name,
        image,
        mask,
        entry.box,
        entry.source,
        entry.source_sha256,
        entry.origin,
        None if entry.network is None else networks[entry.network],
    )


def _broken(where: Path, got: str) -> DatasetError:
    return DatasetError(
        Code.DATASET_LIBRARY,
        "The library of defects cannot be used",
        where=where,
        expected=f"a folder that Keenline wrote, with {INDEX} and the files it lists",
        got=got,
        next="cut the library anew from the labelled images",
    )


def _pieces(
    image: Image, mask: Mask, miss: Callable[[str], None]
) -> Iterator[tuple[Image, Mask, tuple[int, int, int, int]]]:
    """Crop, mask and box of each connected piece that can be used."""
    height, width = mask.shape
    bridged = ndimage.binary_dilation(mask, np.ones((3, 3)), iterations=BRIDGED)
    numbers, count = ndimage.label(bridged, np.ones((3, 3)))
    numbers[~mask] = 0
    smallest = max(SMALLEST, SPECK * np.bincount(numbers[mask], minlength=1).max())
    for number, found in enumerate(ndimage.find_objects(numbers, max_label=count), 1):
        if found is None:
            continue
        rows, columns = found
        marked = numbers[found] == number
        tall, wide = marked.shape
        if marked.sum() < smallest:
            miss("too_small")
        elif _beyond(rows, height) or _beyond(columns, width):
            miss("at_border")
        elif tall > LARGEST * height or wide > LARGEST * width:
            miss("too_large")
        else:
            room = max(LEAST_SURROUNDINGS, round(SURROUNDINGS * max(tall, wide)))
            top, left = max(0, rows.start - room), max(0, columns.start - room)
            end, right = min(height, rows.stop + room), min(width, columns.stop + room)
            part = (slice(top, end), slice(left, right))
            piece = numbers[part] == number
            if stands_out(image[part], piece, ~mask[part]) < FAINTEST:
                miss("too_faint")
                continue
            yield image[part].copy(), piece, (left, top, right - left, end - top)


def _beyond(found: slice, length: int) -> bool:
    return bool(found.start < GROWN or found.stop > length - GROWN)


def _is_grey(pixels: Image) -> bool:
    first = pixels[..., 0]
    return all(np.array_equal(first, pixels[..., c]) for c in (1, 2))
