"""The colours of a label file turned into defective or not, whatever tool painted them.

The rule is one: brighter than 127 is defective, where the brightness of a colour is that of its
brightest channel, so that a mark in pure green or dark red counts as much as a white one. What
follows are the cases in which that alone would read a mask as empty or full.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keenline.types import Mask

THRESHOLD = 127
"""Of 255; the level at which the public data sets' own tools cut anti-aliased masks."""

# A colour whose channels differ by this much is a label colour, not a shade of grey: the
# faintest of the Pascal VOC palette is (64, 0, 0), and JPEG moves grey by a few levels only.
_COLOURED = 48


def marked_colours(colours: NDArray[np.uint8], *, indexed: bool) -> NDArray[np.bool_]:
    """Which of the colours a label file uses mean a defect: (n, 3) -> (n,).

    `colours` are all distinct colours in use, `indexed` whether they come from a palette, where
    an index is a label and even its darkest colour was chosen by someone.

    - brighter than 127, or clearly coloured: defective
    - colours on white, no black in use: white is the background
    - nothing above 127 in a palette: every colour but black is defective
    - nothing but black and (1, 1, 1): a truth map that was saved without scaling
    """
    bright = colours.max(axis=1)
    coloured = bright - colours.min(axis=1) >= _COLOURED
    white = colours.min(axis=1) > 247
    marked = np.asarray((bright > THRESHOLD) | coloured)
    if white.any() and coloured.any() and (white | coloured).all():
        marked = marked & ~white
    if not marked.any() and (indexed or set(bright.tolist()) == {0, 1}):
        marked = np.asarray(bright > 0)
    return marked


def with_alpha(marked: Mask, alpha: NDArray[np.uint8]) -> Mask:
    """A mask whose file has transparency, `marked` being what its colours say: (h, w) -> (h, w).

    Constant alpha says nothing. Otherwise only what is visible (alpha > 127) can be marked, and
    where no visible pixel has a marking colour, the painter worked in alpha alone.
    """
    if alpha.min() == alpha.max():
        return marked
    visible: Mask = alpha > THRESHOLD
    both: Mask = marked & visible
    return both if both.any() else visible


def grey_mask(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Mask:
    """A grey label file, 8- or 16-bit: above half scale is defective, (h, w) -> (h, w).

    A 16-bit file that uses no value above 255 was widened from 8 bits and is cut at 127; a file
    of nothing but 0 and 1 is a truth map that was saved without scaling.
    """
    top = int(pixels.max())
    if top == 1:
        return np.asarray(pixels == 1)
    if top <= 255:
        return np.asarray(pixels > THRESHOLD)
    return np.asarray(pixels > 32767)
