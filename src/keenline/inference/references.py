"""Whole views of good parts turned into a picture in the bundle, and that into how a place looks.

For parts that always lie in the same position: what should have been at a place is what other
parts show at that very place.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from keenline.inference.patch_sheet import PATCH_SIDE, cut_square
from keenline.types import Image

SHEET, NAMES = "references.jpg", "references.json"
"""Members of a bundle: the views one below the other, and what the parts are called."""

VIEWS_AT_MOST = 12

_JPEG_QUALITY = 85
_JPEG_SIDE = 65_500  # a JPEG cannot be higher


def reference_members(parts: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> dict[str, bytes]:
    """Files for a bundle: evenly spread views of good parts, each part (1, height, width, 3)."""
    height = parts[0].shape[1]
    number = max(1, min(len(parts), VIEWS_AT_MOST, _JPEG_SIDE // height))
    places = [place * len(parts) // number for place in range(number)]
    out = io.BytesIO()
    stack = np.concatenate([parts[place][0] for place in places])
    PillowImage.fromarray(stack).save(out, "JPEG", quality=_JPEG_QUALITY)
    chosen = [names[place] if place < len(names) else "" for place in places]
    return {SHEET: out.getvalue(), NAMES: json.dumps(chosen, ensure_ascii=False).encode()}


class References:
    """The good parts that a bundle shows."""

    def __init__(self, members: Mapping[str, bytes]) -> None:
        self._names: list[str] = json.loads(members[NAMES])
        with PillowImage.open(io.BytesIO(members[SHEET])) as picture:
            stack = np.asarray(picture.convert("RGB"))
        self._views = np.split(stack, len(self._names))

    def at(self, view: Image, x: int, y: int) -> tuple[Image, str]:
        """What the good part that is most like `view` there shows at (x, y), and its name.

        The picture is (PATCH_SIDE, PATCH_SIDE, 3); brightness as a whole is not compared.
        """
        seen = _centred(cut_square(view, x, y, PATCH_SIDE))
        shown = [cut_square(each, x, y, PATCH_SIDE) for each in self._views]
        far = [float(np.square(_centred(patch) - seen).mean()) for patch in shown]
        nearest = int(np.argmin(far))
        return shown[nearest], self._names[nearest]


def _centred(patch: Image) -> NDArray[np.float32]:
    values = patch.astype(np.float32)
    centred: NDArray[np.float32] = values - values.mean()
    return centred
