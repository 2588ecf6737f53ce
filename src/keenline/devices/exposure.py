"""A target grey level turned into the exposure at which a camera reaches it.

The search needs no model of the camera but that more exposure is never darker. It keeps the
longest exposure known to be too short and the shortest known to be too long, guesses between them
by a straight line through what was measured unsaturated, and halves the ratio where it cannot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from keenline.devices.camera import Camera, ExposureAdjustable, SoftwareTriggered
from keenline.errors import CameraError, Code, FrameBroken
from keenline.types import Box, Frame, Image

_SATURATED = 254
"""Grey level from which a pixel may be clipped; 255 may be lost to rounding or white balance."""

_DARKEST_USABLE = 2.0
"""Mean grey below which rounding and black level leave nothing to extrapolate from."""

_FINEST_STEP = 1.002
"""Ratio of two exposures between which no third is tried."""

_LARGEST_STEP = 16.0
_BROKEN_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class GreyGoal:
    """What an image should look like."""

    grey: float = 120.0
    """Mean of all channels over the region, 0..255."""
    tolerance: float = 3.0
    """Grey levels."""
    max_saturated: float = 0.005
    """Share of pixels of which a channel may be clipped."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an image looked like."""

    exposure_us: float
    grey: float
    """Mean of all channels over the region, 0..255."""
    saturated: float
    """Share of pixels of which a channel is clipped."""

    def meets(self, goal: GreyGoal) -> bool:
        return abs(self.grey - goal.grey) <= goal.tolerance and not self.is_clipped(goal)

    def is_clipped(self, goal: GreyGoal) -> bool:
        return self.saturated > goal.max_saturated

    def is_too_bright(self, goal: GreyGoal) -> bool:
        return self.is_clipped(goal) or self.grey > goal.grey


@dataclass(frozen=True, slots=True)
class Calibration:
    """The exposure that was found and is set."""

    exposure_us: float
    grey: float
    saturated: float
    readings: tuple[Reading, ...]
    """Everything that was tried, in order."""


def calibrate_exposure(
    camera: Camera,
    goal: GreyGoal = GreyGoal(),
    *,
    region: Box | None = None,
    most_steps: int = 15,
    discarded: int = 1,
    timeout_s: float = 3.0,
    prepare: Callable[[], None] = lambda: None,
) -> Calibration:
    """Set the exposure of `camera`, which is open and started, so that its image meets `goal`.

    At each step `discarded` frames are dropped, which may still have had the exposure before.
    `prepare` is called before each frame, such as to switch to the light that counts. A camera
    that can be fired is fired; of another, frames must come by themselves. Raises CameraError
    EXPOSURE_NOT_REACHED, with the exposure as it was before, or what the camera raises.
    """
    if not isinstance(camera, ExposureAdjustable):
        raise CameraError(
            Code.CAMERA_REFUSED,
            "The exposure of this camera cannot be set from here",
            where=f"camera {camera.name}",
            next="set it at the camera itself, or change the light",
        )
    limits = camera.exposure_range_us
    before = _whole_frame(camera, timeout_s, prepare).exposure_us
    readings: list[Reading] = []
    proposed: float | None = min(max(before or math.sqrt(math.prod(limits)), limits[0]), limits[1])
    while proposed is not None and len(readings) < most_steps:
        taken = camera.set_exposure(proposed)
        for _ in range(discarded):
            _whole_frame(camera, timeout_s, prepare)
        image = _whole_frame(camera, timeout_s, prepare).image
        readings.append(read_grey(image, taken, region))
        if readings[-1].meets(goal):
            last = readings[-1]
            return Calibration(last.exposure_us, last.grey, last.saturated, tuple(readings))
        proposed = next_exposure(readings, goal, limits)
    if before is not None:
        camera.set_exposure(before)
    raise _not_reached(camera.name, readings, goal, limits)


def read_grey(image: Image, exposure_us: float, region: Box | None = None) -> Reading:
    """Mean grey and share of clipped pixels of `region`, or of the whole image."""
    if region is not None:
        rows = slice(region.y, region.y + region.height)
        image = image[rows, region.x : region.x + region.width]
    clipped = (image >= _SATURATED).any(axis=2)
    return Reading(exposure_us, float(image.mean(dtype=np.float64)), float(clipped.mean()))


def next_exposure(
    readings: Sequence[Reading], goal: GreyGoal, limits: tuple[float, float]
) -> float | None:
    """The exposure to try after at least one reading; None when there is none left.

    `limits`: shortest and longest exposure in microseconds.
    """
    dark = [each.exposure_us for each in readings if not each.is_too_bright(goal)]
    bright = [each.exposure_us for each in readings if each.is_too_bright(goal)]
    lowest = max(dark, default=limits[0])
    highest = min(bright, default=limits[1])
    if (lowest in dark and lowest >= limits[1]) or (highest in bright and highest <= limits[0]):
        return None  # the end of the range is not enough
    if any(each.exposure_us == readings[-1].exposure_us for each in readings[:-1]):
        return None  # the camera has no step in between
    guess = min(max(_guessed(readings, goal), limits[0]), limits[1])
    if lowest <= guess <= highest and all(guess != each.exposure_us for each in readings):
        return guess
    if highest / lowest <= _FINEST_STEP:
        return None
    return math.sqrt(lowest * highest)


def _guessed(readings: Sequence[Reading], goal: GreyGoal) -> float:
    last = readings[-1]
    usable = [
        each for each in readings if not each.is_clipped(goal) and each.grey >= _DARKEST_USABLE
    ]
    if not usable:
        step = 1 / _LARGEST_STEP if last.is_too_bright(goal) else _LARGEST_STEP
        return last.exposure_us * step
    usable.sort(key=lambda each: abs(each.grey - goal.grey))
    nearest = usable[0]
    for other in usable[1:]:
        rise = other.grey - nearest.grey
        run = other.exposure_us - nearest.exposure_us
        if run != 0 and rise / run > 0:
            return nearest.exposure_us + (goal.grey - nearest.grey) * run / rise
    factor = goal.grey / nearest.grey
    return nearest.exposure_us * min(max(factor, 1 / _LARGEST_STEP), _LARGEST_STEP)


def _whole_frame(camera: Camera, timeout_s: float, prepare: Callable[[], None]) -> Frame:
    for attempt in range(_BROKEN_IN_A_ROW):
        prepare()
        if isinstance(camera, SoftwareTriggered):
            camera.fire()
        try:
            return camera.grab(timeout_s)
        except FrameBroken:
            if attempt == _BROKEN_IN_A_ROW - 1:
                raise
    raise AssertionError("the loop above returns or raises")


def _not_reached(
    name: str, readings: Sequence[Reading], goal: GreyGoal, limits: tuple[float, float]
) -> CameraError:
    best = min(readings, key=lambda each: (each.is_clipped(goal), abs(each.grey - goal.grey)))
    if all(not each.is_too_bright(goal) for each in readings):
        why, advice = "even the longest exposure is too dark", "add light or open the aperture"
    elif all(each.is_too_bright(goal) for each in readings):
        why, advice = "even the shortest exposure is too bright", "reduce the light or the aperture"
    elif any(each.is_clipped(goal) and each.grey <= goal.grey for each in readings):
        why = "parts of the image are clipped before its mean is reached"
        advice = "avoid gloss, calibrate on a region without it, or ask for a lower grey level"
    else:
        why, advice = "the grey level jumps or wanders", "see that the light is steady"
    return CameraError(
        Code.EXPOSURE_NOT_REACHED,
        f"The grey level cannot be reached: {why}",
        where=f"camera {name}, {limits[0]:g} to {limits[1]:g} us",
        expected=f"{goal.grey:g} +- {goal.tolerance:g}, "
        f"at most {100 * goal.max_saturated:.1f} % clipped",
        got=f"{best.grey:.1f} at {best.exposure_us:g} us, {100 * best.saturated:.1f} % clipped",
        next=advice,
    )
