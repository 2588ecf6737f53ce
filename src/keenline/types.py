"""The nouns that cross rooms, with shape, dtype and unit stated at the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""One image: (height, width, 3), uint8, RGB. Grey is three equal channels."""

Mask: TypeAlias = NDArray[np.bool_]
"""Which pixels are meant: (height, width), bool, True = defective (or: inspected)."""

ScoreMap: TypeAlias = NDArray[np.float32]
"""Anomaly per place: (height, width) of a reduced grid over the image, float32, >= 0, no unit."""

GOOD = "good"
"""The label of a sample without defects."""

ANOMALY = "anomaly"
"""The class of a region that is unlike the good parts; no defect class is claimed."""


class Verdict(StrEnum):
    """What becomes of a part."""

    PASS = "PASS"
    REJECT = "REJECT"
    REVIEW = "REVIEW"
    INVALID = "INVALID"


class Authority(StrEnum):
    """What a defect class may do on its own: ask for a review, or reject the part."""

    FLAG = "flag"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel rectangle in pixels of the image as it was read; x to the right, y down."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Region:
    """One place in an image that a model points at."""

    class_name: str
    box: Box
    area_px: float
    """Area in pixels of the image as it was read."""
    score: float
    """Highest score inside the region, on the scale of `Prediction.score`."""
    area_mm2: float | None = None
    """Area in mm2; None when the recipe states no pixel size."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image file with what is known about it."""

    image: Path
    label: str
    """`GOOD` or the name of a defect class."""
    mask: Path | None = None
    """A file whose bright pixels (> 127 of 255) are defective."""
    part: str = ""
    """The physical part (or lot) the image shows; samples of one part stay in one split."""
    split: str = ""
    """`train` or `test` where the folder layout says so, else empty."""

    @property
    def is_good(self) -> bool:
        return self.label == GOOD


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says about one image."""

    score: float
    """Anomaly of the whole image, >= 0; raw, never normalised over a set of images."""
    map: ScoreMap
    regions: tuple[Region, ...] = ()
    class_scores: Mapping[str, float] = field(default_factory=dict)
    """Confidence per defect class, 0..1; empty for a model learnt from good parts alone."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one part and why."""

    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """One image inspected: prediction, decision and what it took."""

    image: Path | None
    """The file, or None when the image came as an array."""
    size: tuple[int, int]
    """Width and height of the image as it was read, in pixels; (0, 0) if it could not be read."""
    prediction: Prediction | None
    """None when the image could not be inspected (INVALID)."""
    decision: Decision
    threshold: float
    milliseconds: float
    """Decoded array to verdict."""
