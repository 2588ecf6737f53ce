"""A TIFF file turned into its number of pictures, or into pixels of more than eight bits.

tifffile is imported when the first such file comes: it is slow to import, and most users have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keenline.data.orientation import TAG, known, upright

if TYPE_CHECKING:
    from tifffile import TiffFile

# TIFF 6.0: PlanarConfiguration and PhotometricInterpretation
_SEPARATE_PLANES = 2
MIN_IS_WHITE = 0


def picture_pages(path: Path) -> int:
    """Number of pages that are a picture of their own; pyramids, thumbnails and masks are not.

    Raises ValueError when tifffile cannot follow the file.
    """
    from tifffile import TiffPage

    with _opened(path) as file:
        pages = [page for page in file.pages if isinstance(page, TiffPage)]
        return sum(not (page.is_reduced or page.is_mask) for page in pages)


def page_pixels(path: Path, *, colour: bool, bit_depth: int) -> NDArray[np.uint16]:
    """The first page upright with all its bits, (height, width, 3), or (height, width) if grey.

    Raises ValueError when tifffile cannot decode the file, ImportError when it lacks a codec.
    """
    with _opened(path) as file:
        page = file.pages.first
        pixels = np.asarray(page.asarray())
        turned = page.tags.get(TAG)
        if pixels.ndim == 3 and page.planarconfig == _SEPARATE_PLANES:
            pixels = np.moveaxis(pixels, 0, -1)
        if page.photometric == MIN_IS_WHITE:
            pixels = (1 << bit_depth) - 1 - pixels
    if pixels.ndim == 3:
        pixels = pixels[..., :3] if colour else pixels[..., 0]
    return upright(pixels.astype(np.uint16), known(turned.value if turned else None))


@contextmanager
def _opened(path: Path) -> Iterator[TiffFile]:
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(path) as file:
            yield file
    except TiffFileError as error:
        raise ValueError(str(error)) from error
