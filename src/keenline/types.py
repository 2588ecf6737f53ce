"""The nouns that cross rooms, with shape, dtype and unit stated at the field."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keenline.annotation import Annotation

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
    marks: tuple[Annotation, ...] = ()
    """Where on the image which class is, as people drew it; empty where a mask or nothing says."""

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
    class_maps: Mapping[str, ScoreMap] = field(default_factory=dict)
    """Where each class is seen: as `map`, but confidence, 0..1."""


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
    code: int | None = None
    """Number of the error for which the image is INVALID (docs/errors.md)."""


Actuation: TypeAlias = Literal["pass", "reject", "divert"]
"""What the line does with a part: it goes on, is taken out, or goes to a person."""


class TriggerSource(StrEnum):
    """What asked for a part to be inspected."""

    PLC = "plc"
    CAMERA = "camera"
    """A line of the camera fired by hardware: the frame itself says that a part is there."""
    SOFTWARE = "software"
    """A clock or a command."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One request to inspect one part."""

    number: int
    """The station's own count, from 1; never used twice, also not after a restart."""
    part_id: str
    """As the line names the part; made from the number where the line names none."""
    time: datetime
    """UTC."""
    monotonic_ns: int
    """`time.monotonic_ns()` when it was seen; every duration is measured from it."""
    source: TriggerSource = TriggerSource.SOFTWARE
    encoder: int | None = None
    """Encoder counts of the conveyor at the trigger."""
    challenge: int = 0
    """Which known-bad part the PLC announced this one to be, from 1; 0: it announced none."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One acquired image with what is known of its making."""

    image: Image
    camera: str
    """Its name in the station configuration."""
    serial: str
    number: int
    """The camera's own count since acquisition began; a step of more than 1 is frames lost."""
    received_ns: int
    """`time.monotonic_ns()` when the whole image was here."""
    device_time_ns: int | None = None
    """The camera's own clock at exposure, where it has one."""
    exposure_us: float | None = None
    gain_db: float | None = None
    lights: tuple[str, ...] = ()
    """Light channels, in the order of the image's channels; () for ordinary colour or grey."""
    part_id: str = ""
    """Where the frame brings the name of its part (an uploaded or watched file)."""
    is_simulated: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What one camera contributed to a result: a frame and what was found in it."""

    camera: str
    serial: str
    frame_number: int
    size: tuple[int, int]
    """Width and height in pixels."""
    image_sha256: str
    """Of the pixels, row by row, RGB: 64 hexadecimal digits; "" where there was no image."""
    image_kept: bool
    """The image was handed over to be stored; an event says so should that fail later."""
    device_time_ns: int | None = None
    exposure_us: float | None = None
    gain_db: float | None = None
    lights: tuple[str, ...] = ()
    score: float | None = None
    """None when the image could not be inspected."""
    threshold: float | None = None
    class_scores: Mapping[str, float] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds from the trigger; None for what did not happen."""

    acquired: float | None = None
    """Every frame of the part was here."""
    inspected: float | None = None
    """The engine had answered."""
    decided: float | None = None
    """The verdict stood. It is recorded before the line is told, so when the PLC confirmed is not
    here but in the metrics, and an event where that was too late."""


@dataclass(frozen=True, slots=True)
class Result:
    """Everything about one part that was inspected; exactly one for each trigger."""

    result_id: str
    """A UUID, unique over all stations."""
    station: str
    trigger: Trigger
    decision: Decision
    views: tuple[View, ...]
    timings: Timings
    actuates: Actuation
    """What the line was told."""
    recipe_sha256: str
    bundle_sha256: str
    station_sha256: str
    """Of the station configuration."""
    software: str
    """Name and version, such as `keenline 0.1.0`."""
    part: str = ""
    """The product, as the recipe names it."""
    code: int | None = None
    """Number of the error for which the part is INVALID (docs/errors.md)."""
    is_simulated: bool = False


@dataclass(frozen=True, slots=True)
class LineEvent:
    """Something that happened at a station and is no result: a change, a fault, its end."""

    event_id: str
    """A UUID."""
    station: str
    kind: str
    """Words joined by `-`, such as `state`, `camera-gone`, `bundle-changed`, `image-lost`."""
    time: datetime
    """UTC."""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShadowAnswer:
    """What a bundle in shadow says of one result."""

    result_id: str
    station: str
    time: datetime
    """UTC, when it was asked."""
    bundle_sha256: str
    verdict: Verdict
    classes: tuple[str, ...]
    """Defect classes that it named, sorted."""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    """Score of each camera's image."""
    reasons: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    """SHA-256 of images that were handed over to be kept because of this answer."""

    @property
    def answer_id(self) -> str:
        """The same for the same bundle and result: 64 hexadecimal digits."""
        return hashlib.sha256(f"{self.bundle_sha256} {self.result_id}".encode()).hexdigest()
