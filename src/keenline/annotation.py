"""Turns what people mark on images into one form: a shape in pixels, its class, who and when.

Coordinates are continuous, in pixels of the image as it was read: x to the right, y down, (0, 0)
the outer corner of the first pixel, which reaches to (1, 1); its centre is (0.5, 0.5). A pixel
belongs to a shape when its centre lies inside. Formats that count otherwise (VOC from 1, YOLO in
shares of the side) are brought to this form by their importers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
"""x and y in pixels."""


@dataclass(frozen=True, slots=True)
class BoxShape:
    """A rectangle, turned by `angle` about its centre."""

    x: float
    """Left edge before turning, pixels."""
    y: float
    """Upper edge before turning, pixels."""
    width: float
    height: float
    angle: float = 0.0
    """Degrees, clockwise as seen on the screen."""


@dataclass(frozen=True, slots=True)
class PolygonShape:
    """One or more closed rings; a defect that something covers in the middle has several."""

    rings: tuple[tuple[Point, ...], ...]
    """Each of three or more corners, the first not repeated; together they mark their union."""


@dataclass(frozen=True, slots=True)
class PolylineShape:
    """An open line, such as a scratch or a crack drawn along its middle."""

    points: tuple[Point, ...]
    """Two or more."""
    width: float = 1.0
    """Of the line in pixels; 1 where the format states none."""


@dataclass(frozen=True, slots=True)
class EllipseShape:
    """An ellipse; a circle has equal radii."""

    x: float
    """Centre, pixels."""
    y: float
    """Centre, pixels."""
    radius_x: float
    """Before turning, pixels."""
    radius_y: float
    """Before turning, pixels."""
    angle: float = 0.0
    """Degrees, clockwise as seen on the screen."""


@dataclass(frozen=True, slots=True)
class MaskShape:
    """Any set of pixels, run-length coded, within a rectangle of whole pixels."""

    x: int
    """Left edge of the rectangle, pixels."""
    y: int
    """Upper edge of the rectangle, pixels."""
    width: int
    height: int
    runs: tuple[int, ...]
    """Lengths row by row, unmarked and marked in turn, unmarked first (0 when the first pixel is
    marked); they add up to width x height."""


Shape: TypeAlias = BoxShape | PolygonShape | PolylineShape | EllipseShape | MaskShape


@dataclass(frozen=True, slots=True)
class Annotation:
    """A defect somebody marked."""

    class_name: str
    shape: Shape | None = None
    """None: said of the whole image."""
    annotator: str = ""
    """As the file names the person; empty when it does not."""
    time: datetime | None = None
    """When it was marked, with its time zone; None when the file does not say."""
    source_id: str = ""
    """The format's own id of it (a tracking id, a UUID, a number), so that it can be found again;
    empty when there is none."""
    attributes: tuple[tuple[str, str], ...] = ()
    """What else the file says of it, sorted by name; kept, and but for `CONFIRMED_MISS` never
    interpreted."""

    @property
    def is_confirmed_miss(self) -> bool:
        """Whether a person found it on a part that had passed."""
        return (CONFIRMED_MISS, "yes") in self.attributes


CONFIRMED_MISS = "confirmed-miss"
"""Attribute, `yes`, of each mark on a part that passed and is defective: such samples say most."""
