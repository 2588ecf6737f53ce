"""Says what is wrong with a mark, and what is left of it: see docs/errors.md, LABEL_ codes."""

from __future__ import annotations

from dataclasses import dataclass

from keenline.annotation import BoxShape, Shape
from keenline.errors import Code


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a mark."""

    code: Code
    what: str
    is_dropped: bool
    """False: the mark is kept, changed or as it is."""


def fault_of(
    shape: Shape | None, size: tuple[int, int] | None
) -> tuple[Shape | None, tuple[Fault, ...]]:
    """What is kept of `shape` on an image of `size` (width, height; None: not known), and why.

    None for a shape that covers nothing or lies outside; what crosses the border is cut there.
    """
    if isinstance(shape, BoxShape) and not (shape.width > 0 and shape.height > 0):
        what = f"a box of {shape.width:g} x {shape.height:g} pixels covers nothing"
        return None, (Fault(Code.LABEL_NO_AREA, what, is_dropped=True),)
    if size is not None and isinstance(shape, BoxShape) and shape.x >= size[0]:
        what = f"a box from x = {shape.x:g} lies outside the {size[0]} pixels"
        return None, (Fault(Code.LABEL_OUTSIDE, what, is_dropped=True),)
    return shape, ()
