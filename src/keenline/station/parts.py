"""What a station knows of a part between its trigger and its verdict."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Protocol

from keenline.recipe import Recipe
from keenline.station.engine_messages import Answer
from keenline.types import Frame, Image, Timings, Trigger, View


class Engine(Protocol):
    """What inspects images; `station/engine_process.py`."""

    def submit(self, part: int, camera: str, image: Image) -> None:
        """Hand over an image. Raises PartError."""


@dataclass(frozen=True, slots=True)
class Programme:
    """What parts are inspected with: a bundle in its engine, and the recipe that judges."""

    engine: Engine
    recipe: Recipe
    recipe_sha256: str
    bundle_sha256: str
    part: str
    """The product."""


@dataclass(slots=True)
class PartInWork:
    """One part on its way to its verdict; guarded by the lock of the line."""

    trigger: Trigger
    programme: Programme
    cameras: tuple[str, ...]
    deadline_ns: int
    frames: dict[str, Frame] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    acquired_ns: int | None = None
    inspected_ns: int | None = None
    is_settled: bool = False
    """It has its decision; whatever comes now comes too late."""

    @property
    def has_all_frames(self) -> bool:
        return len(self.frames) == len(self.cameras)

    @property
    def has_all_answers(self) -> bool:
        return len(self.answers) == len(self.cameras)

    @property
    def named(self) -> frozenset[str]:
        """Defect classes that were found on any of its images, the anomaly among them."""
        answers = self.answers.values()
        return frozenset(region.class_name for each in answers for region in each.regions)

    def timings(self) -> Timings:
        """Milliseconds from the trigger until now."""
        return Timings(
            _ms(self.trigger, self.acquired_ns),
            _ms(self.trigger, self.inspected_ns),
            _ms(self.trigger, time.monotonic_ns()),
        )

    def views(self, keeps_images: bool) -> tuple[View, ...]:
        """What each camera contributed; a camera without a frame contributed nothing."""
        return tuple(
            self._view(self.frames[camera], keeps_images)
            for camera in self.cameras
            if camera in self.frames
        )

    def _view(self, frame: Frame, kept: bool) -> View:
        answer = self.answers.get(frame.camera)
        height, width = frame.image.shape[:2]
        return View(
            camera=frame.camera,
            serial=frame.serial,
            frame_number=frame.number,
            size=(width, height),
            image_sha256=self.hashes.get(frame.camera) or image_sha256(frame.image),
            image_kept=kept,
            device_time_ns=frame.device_time_ns,
            exposure_us=frame.exposure_us,
            gain_db=frame.gain_db,
            lights=frame.lights,
            score=None if answer is None else answer.score,
            threshold=None if answer is None else answer.threshold,
            class_scores={} if answer is None else answer.class_scores,
            regions=() if answer is None else answer.regions,
        )


def image_sha256(image: Image) -> str:
    """Of the pixels, row by row, RGB: 64 hexadecimal digits."""
    return hashlib.sha256(
        image.tobytes() if not image.flags.c_contiguous else image.data
    ).hexdigest()


def _ms(trigger: Trigger, moment_ns: int | None) -> float | None:
    return None if moment_ns is None else (moment_ns - trigger.monotonic_ns) / 1e6
