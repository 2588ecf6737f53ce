"""A folder of synthetic images with its index, written and read back; what may be learnt beside it.

Synthetic images are for learning only. Their file names begin with `PREFIX`; they are kept in a
folder of their own; and each is named with the hashes of the images that it was made from, so that
it is left out whenever one of those is held out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keenline.data.dataset import content_hash
from keenline.data.imagined_by import Digest, Network
from keenline.errors import Code, DatasetError, ImageError
from keenline.types import Sample

INDEX = "synthetic.json"
PREFIX = "keenline-synthetic-"


class Origin(BaseModel):
    """An image that something was made from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str
    """Its path below the dataset it belongs to."""
    sha256: Digest
    """Of the file."""


class Made(BaseModel):
    """One synthetic image and how it came to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str
    """Path below the folder, with forward slashes."""
    image_sha256: Digest
    mask: str
    mask_sha256: Digest
    class_name: Annotated[str, Field(min_length=1, alias="class")]
    origin: str
    """`cut`: a real defect pasted; `imagined`: one that a network made of a good surface, pasted;
    `drawn KIND`: a procedural one."""
    background: Origin
    """The good image."""
    defect: Origin | None = None
    """The image the defect was cut from, or imagined on; None for a drawn one."""
    network: Digest | None = None
    """What imagined the defect, one of `SyntheticIndex.networks`."""
    box: tuple[int, int, int, int]
    """x, y, width, height of what was changed at most, pixels."""
    angle: float | None = None
    """Degrees by which the defect was turned."""
    is_mirrored: bool | None = None
    scale: float | None = None
    blend: str | None = None


class SyntheticIndex(BaseModel):
    """What a folder of synthetic images holds, and what it was made for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    software: str
    recipe_sha256: Digest
    seed: int
    share: float
    """Of synthetic images among all defective ones of a class, as it was asked for."""
    real: dict[str, int]
    """Real defective images of each class that this share is of."""
    images: tuple[Made, ...]
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class SyntheticSample:
    """A synthetic image to learn from; never to measure on."""

    sample: Sample
    made_from: frozenset[str]
    """sha256 of every real image file in it."""


def is_synthetic(image: Path | PurePosixPath) -> bool:
    """Whether the name of a file says that Keenline made the image."""
    return image.name.startswith(PREFIX)


def read_synthetic(folder: Path) -> tuple[SyntheticSample, ...]:
    """The samples of a folder, each checked against its hash.

    Raises DatasetError (DATASET_SYNTHETIC) when the folder is not one, or a file is not what was
    written.
    """
    try:
        index = SyntheticIndex.model_validate_json((folder / INDEX).read_bytes())
    except OSError as error:
        raise _broken(folder, f"no readable {INDEX}") from error
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        raise _broken(folder / INDEX, f"{at}: {first['msg']}") from error
    networks = {network.sha256: network for network in index.networks}
    return tuple(_sample(folder, made, networks) for made in index.images)


def learnable(
    synthetic: Iterable[SyntheticSample], held_out: Collection[str]
) -> tuple[SyntheticSample, ...]:
    """Those made from none of the image files with these hashes.

    A defect pasted from an image that is held out would tell what is to be found on it, and a
    background would tell how the rest of it looks.
    """
    return tuple(each for each in synthetic if each.made_from.isdisjoint(held_out))


def _sample(folder: Path, made: Made, networks: Mapping[str, Network]) -> SyntheticSample:
    for name, digest in ((made.image, made.image_sha256), (made.mask, made.mask_sha256)):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise _broken(folder / INDEX, f"{name}, which lies outside the folder")
        try:
            found = content_hash(folder / path)
        except ImageError as error:
            raise _broken(folder / path, "a file that is not there or cannot be read") from error
        if found != digest:
            raise _broken(folder / path, "a file that is not the one that was written")
    if not is_synthetic(PurePosixPath(made.image)):
        raise _broken(folder / INDEX, f"{made.image}, whose name does not begin with {PREFIX}")
    origins = [made.background] + ([] if made.defect is None else [made.defect])
    sample = Sample(
        folder / made.image, made.class_name, folder / made.mask, part=made.image, split="train"
    )
    hashes = {origin.sha256 for origin in origins}
    if made.network is not None:
        if made.network not in networks:
            raise _broken(folder / INDEX, f"{made.image} of a network that is not listed")
        hashes |= {*networks[made.network].learnt_from}
    return SyntheticSample(sample, frozenset(hashes))


def _broken(where: Path, got: str) -> DatasetError:
    return DatasetError(
        Code.DATASET_SYNTHETIC,
        "The folder of synthetic images cannot be used",
        where=where,
        expected=f"a folder written by keenline synthesise, with {INDEX} and the files it lists",
        got=got,
        next="write it anew with keenline synthesise",
    )
