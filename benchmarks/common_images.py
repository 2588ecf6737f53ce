"""Magnetic-tile images turned into the files that both sides of a comparison are given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import DATA, SETS
from numpy.typing import NDArray
from PIL import Image as PillowImage

from keenline.data.reading import read_image

SIZE = 256
LARGE = (2048, 2448)
"""Height and width of a usual 5-megapixel sensor."""


@dataclass(frozen=True, slots=True)
class CommonImages:
    """Where the files are."""

    good: dict[int, Path]
    """Folders of PNG files by how many good images they hold."""
    test: Path
    """.npy: (n, 256, 256, 3), uint8, RGB."""
    is_defect: NDArray[np.bool_]
    """(n,)"""
    large: Path
    """.npy: two large images."""
    large_good: Path
    """Folder of large images to learn from."""


def are_here() -> bool:
    """Whether the images to make them from are on this machine."""
    return (DATA / "magnetic-tile").is_dir()


def make(folder: Path, sizes: tuple[int, ...] = (60, 200), tested: int = 100) -> CommonImages:
    """Write all files below `folder`; squeezed to 256 x 256, because anomalib squeezes.

    Tested are `tested` good images, none of them learnt, and every defect of the
    set's test half.
    """
    samples = SETS[0].dataset(0).samples
    learnt = [s for s in samples if s.is_good and s.split == "train"]
    good = [s for s in samples if s.is_good and s.split == "test"][:tested]
    defects = [s for s in samples if not s.is_good]
    folders = {}
    for number in sizes:
        folders[number] = folder / f"good{number}" / "good"
        folders[number].mkdir(parents=True)
        for sample in learnt[:number]:
            picture = PillowImage.fromarray(_squeezed(sample.image))
            picture.save(folders[number] / f"{sample.image.stem}.png")
    test = [_squeezed(sample.image) for sample in (*good, *defects)]
    np.save(folder / "test.npy", np.stack(test))
    tiles = [_squeezed(sample.image) for sample in learnt]
    large_good = folder / "large" / "good"
    large_good.mkdir(parents=True)
    for number in range(4):
        PillowImage.fromarray(_mosaic(tiles, number)).save(large_good / f"{number}.png")
    np.save(folder / "large.npy", np.stack([_mosaic(tiles, n) for n in (4, 5)]))
    return CommonImages(
        good=folders,
        test=folder / "test.npy",
        is_defect=np.arange(len(test)) >= len(good),
        large=folder / "large.npy",
        large_good=large_good,
    )


def _squeezed(path: Path) -> NDArray[np.uint8]:
    picture = PillowImage.fromarray(read_image(path))
    return np.asarray(picture.resize((SIZE, SIZE), PillowImage.Resampling.BILINEAR))


def _mosaic(tiles: list[NDArray[np.uint8]], seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    rows, columns = (-(-side // SIZE) for side in LARGE)
    grid = [
        np.concatenate([tiles[i] for i in rng.integers(len(tiles), size=columns)], axis=1)
        for _ in range(rows)
    ]
    return np.concatenate(grid)[: LARGE[0], : LARGE[1]]
