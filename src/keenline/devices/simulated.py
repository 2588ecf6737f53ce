"""A stated list of images turned into frames, with the faults of a real camera when asked.

What it shows is told beforehand: images come in order, each with the name of its part, and
answer to exposure and light by a simple rule: grey = recorded grey x exposure / nominal exposure
x brightness of the light, rounded, at most 255. There is no noise and no black level.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from keenline.devices.camera import CameraFacts, CameraSettings, TriggerMode
from keenline.devices.simulated_faults import FaultKind, FaultSettings
from keenline.devices.simulated_images import Shot, rendered_shots, shots_of
from keenline.errors import CameraError, Code, FrameBroken, ImageError
from keenline.types import Frame, Image

EXPOSURE_RANGE_US = (10.0, 100_000.0)
"""In steps of 1 microsecond."""

_KEPT_IMAGES = 64


class SimulatedSettings(CameraSettings):
    """`kind = "simulated"`: images of a folder, or photos of the demo's part."""

    kind: Literal["simulated"]
    folder: str | None = None
    """Image files, shown in the order of their names; without it the demo's part is rendered."""
    rendered: int = Field(default=24, ge=1, le=1000)
    """How many photos of the demo's part; every sixth has a defect."""
    seed: int = Field(default=1, ge=0)
    """Of those photos."""
    latency_ms: float = Field(default=5.0, ge=0, le=10_000)
    """From exposure to the whole frame."""
    period_ms: float = Field(default=50.0, ge=1, le=60_000)
    """With `trigger = "free"`: from frame to frame."""
    buffers: int = Field(default=16, ge=1, le=1000)
    """Frames that wait; with more, the newest is lost and its number is missing."""
    exposure_us: float = Field(default=1000.0, ge=EXPOSURE_RANGE_US[0], le=EXPOSURE_RANGE_US[1])
    nominal_exposure_us: float = Field(
        default=1000.0, ge=EXPOSURE_RANGE_US[0], le=EXPOSURE_RANGE_US[1]
    )
    """At which images look as they were recorded."""
    brightness: dict[str, Annotated[float, Field(ge=0, le=10)]] = Field(default_factory=dict)
    """Of light channels; 1 is as recorded, and that of every other channel."""
    faults: tuple[FaultSettings, ...] = Field(default=(), strict=False)

    def build(self) -> SimulatedCamera:
        folder = None if self.folder is None else Path(self.folder)

        def shots() -> Sequence[Shot]:
            return rendered_shots(self.rendered, self.seed) if folder is None else shots_of(folder)

        return SimulatedCamera(
            self.name,
            shots,
            trigger=self.trigger,
            latency_ms=self.latency_ms,
            period_ms=self.period_ms,
            buffers=self.buffers,
            exposure_us=self.exposure_us,
            nominal_exposure_us=self.nominal_exposure_us,
            brightness=self.brightness,
            faults=self.faults,
        )


@dataclass(frozen=True, slots=True)
class Exposed:
    """One exposure, whatever became of its frame."""

    number: int
    taken_ns: int
    """`time.monotonic_ns()`, the `device_time_ns` of its frame."""
    part_id: str
    """Of the part that was in front, or of the image that was shown."""
    fault: FaultKind | None


@dataclass(frozen=True, slots=True)
class _Coming:
    due_ns: int
    taken_ns: int
    number: int
    shot: Shot
    part_id: str
    fault: FaultKind | None
    exposure_us: float
    gain: float
    """By which recorded grey levels are multiplied."""


class SimulatedCamera:
    """Plays images when fired (`software`), pulsed (`line`) or by its own clock (`free`).

    It keeps no thread: a frame is made by the `grab` that takes it. It is `SoftwareTriggered`,
    `ExposureAdjustable`, and its own light switch (`keenline.devices.lights.Lights`).
    """

    exposure_range_us = EXPOSURE_RANGE_US

    def __init__(
        self,
        name: str,
        shots: Callable[[], Sequence[Shot]],
        *,
        trigger: TriggerMode = "software",
        latency_ms: float = 5.0,
        period_ms: float = 50.0,
        buffers: int = 16,
        exposure_us: float = 1000.0,
        nominal_exposure_us: float = 1000.0,
        brightness: Mapping[str, float] | None = None,
        faults: Sequence[FaultSettings] = (),
    ) -> None:
        """`shots` is asked when the camera is opened for the first time and never again; after the
        last image comes the first."""
        self.name = name
        self.on_exposed: Callable[[Exposed], None] | None = None
        """Told of each exposure, on the thread that caused it, before its frame can be grabbed."""
        self._make_shots = shots
        self._shots: Sequence[Shot] = ()
        self._by_part: dict[str, int] = {}
        self._trigger = trigger
        self._latency_ns, self._period_ns = int(latency_ms * 1e6), int(period_ms * 1e6)
        self._buffers = buffers
        self._exposure_us, self._nominal_us = exposure_us, nominal_exposure_us
        self._brightness, self._light = dict(brightness or {}), ""
        self._faults, self._injected = tuple(faults), deque[tuple[FaultKind, float]]()
        self._changed = threading.Condition()
        self._coming: deque[_Coming] = deque()
        self._count = self._next_shot = self._number = 0
        self._is_open = self._is_running = self._is_lost = False
        self._in_front: tuple[str | None, str | None] = (None, None)
        self._absent_until_ns = self._next_free_ns = 0
        self._pixels: dict[int, Image] = {}

    @property
    def serial(self) -> str:
        return f"simulated-{self.name}"

    def open(self) -> CameraFacts:
        """Raises CameraError CAMERA_MISSING: the folder has no images, or the camera was lost a
        moment ago and is not back."""
        if time.monotonic_ns() < self._absent_until_ns:
            raise self._error(Code.CAMERA_MISSING, "The simulated camera is not back yet")
        if not self._shots:
            self._shots = self._make_shots()
            self._by_part = {shot.part_id: place for place, shot in enumerate(self._shots)}
        with self._changed:
            self._is_open, self._is_lost, self._is_running = True, False, False
        return CameraFacts("Keenline", "simulated camera", self.serial, None, is_simulated=True)

    def start(self) -> None:
        with self._changed:
            if not self._is_open:
                raise self._error(Code.CAMERA_GONE, "The simulated camera is not open")
            self._coming.clear()
            self._number = 0
            self._next_free_ns = time.monotonic_ns() + self._period_ns
            self._is_running = True

    def place(self, part_id: str, looks_like: str) -> None:
        """From now on part `part_id` is in front of the camera, until another one is placed; it
        looks like the image of that name."""
        with self._changed:
            self._in_front = part_id, looks_like

    def fire(self) -> None:
        """Show the part that was placed, or the next image where none ever was. Raises CameraError
        CAMERA_GONE."""
        self._expose(*self._in_front)

    def pulse(self, part_id: str = "") -> None:
        """A part is in front of the camera: its line fires. Shows the image of `part_id` if there
        is one, else the next. Raises CameraError CAMERA_GONE."""
        self._expose(part_id, part_id)

    def inject(self, kind: FaultKind, ms: float = 0.0) -> None:
        """The next exposure has this fault; several calls, the next ones each."""
        with self._changed:
            self._injected.append((kind, ms))

    def select(self, channel: str) -> None:
        """Switch to one light channel; "" is the ordinary light."""
        with self._changed:
            self._light = channel

    def set_exposure(self, microseconds: float) -> float:
        lowest, highest = self.exposure_range_us
        with self._changed:
            self._exposure_us = float(round(min(max(microseconds, lowest), highest)))
            return self._exposure_us

    def grab(self, timeout_s: float) -> Frame:
        return self._frame(self._next(timeout_s))

    def stop(self) -> None:
        with self._changed:
            self._is_running = False
            self._coming.clear()
            self._changed.notify_all()

    def close(self) -> None:
        self.stop()
        with self._changed:
            self._is_open = False

    def _next(self, timeout_s: float) -> _Coming:
        end_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        with self._changed:
            while True:
                self._check_here()
                now_ns = time.monotonic_ns()
                self._run_free(now_ns)
                if self._coming and self._coming[0].due_ns <= now_ns:
                    return self._coming.popleft()
                if now_ns >= end_ns or not self._is_running:
                    raise self._error(Code.CAMERA_TIMEOUT, "No frame came in time")
                self._changed.wait((self._next_event_ns(end_ns) - now_ns) / 1e9)

    def _expose(self, part_id: str | None, looks_like: str | None) -> None:
        with self._changed:
            self._check_here()
            if not self._is_running:
                raise self._error(Code.CAMERA_GONE, "The simulated camera is not started")
            self._take(time.monotonic_ns(), part_id, looks_like)
            self._check_here()
            self._changed.notify_all()

    def _take(self, now_ns: int, part_id: str | None, looks_like: str | None) -> None:
        self._count += 1
        self._number += 1
        place = self._by_part.get(looks_like or "", self._next_shot % len(self._shots))
        self._next_shot = place + 1
        shot = self._shots[place]
        fault, fault_ms = self._fault()
        if self.on_exposed:
            self.on_exposed(Exposed(self._number, now_ns, part_id or shot.part_id, fault))
        if fault is FaultKind.GONE:
            self._absent_until_ns = now_ns + int(fault_ms * 1e6)
            self._is_lost, self._is_running = True, False
            self._coming.clear()
            return
        if fault is FaultKind.SKIP or len(self._coming) >= self._buffers:
            return
        due_ns = (
            now_ns + self._latency_ns + (int(fault_ms * 1e6) if fault is FaultKind.DELAY else 0)
        )
        if self._coming:
            due_ns = max(due_ns, self._coming[-1].due_ns)
        gain = self._exposure_us / self._nominal_us * self._brightness.get(self._light, 1.0)
        named = shot.part_id if self._trigger == "free" else ""
        self._coming.append(
            _Coming(due_ns, now_ns, self._number, shot, named, fault, self._exposure_us, gain)
        )

    def _fault(self) -> tuple[FaultKind | None, float]:
        if self._injected:
            return self._injected.popleft()
        for fault in self._faults:
            if fault.strikes(self._count):
                return fault.kind, fault.ms
        return None, 0.0

    def _run_free(self, now_ns: int) -> None:
        if self._trigger != "free":
            return
        while self._is_running and self._next_free_ns <= now_ns:
            self._take(self._next_free_ns, None, None)
            self._next_free_ns += self._period_ns
        self._check_here()

    def _next_event_ns(self, end_ns: int) -> int:
        events = [end_ns]
        if self._coming:
            events.append(self._coming[0].due_ns)
        if self._trigger == "free":
            events.append(self._next_free_ns)
        return min(events)

    def _check_here(self) -> None:
        if self._is_lost or not self._is_open:
            raise self._error(Code.CAMERA_GONE, "The simulated camera is gone")

    def _frame(self, coming: _Coming) -> Frame:
        if coming.fault is FaultKind.BROKEN:
            raise self._broken(coming, "A frame came incomplete", "as was asked")
        try:
            image = self._shown(coming)
        except ImageError as error:
            raise self._broken(coming, "An image cannot be read", error.what) from error
        return Frame(
            image=image,
            camera=self.name,
            serial=self.serial,
            number=coming.number,
            received_ns=coming.due_ns,
            device_time_ns=coming.taken_ns,
            exposure_us=coming.exposure_us,
            gain_db=0.0,
            part_id=coming.part_id,
            is_simulated=True,
        )

    def _shown(self, coming: _Coming) -> Image:
        image = self._recorded(coming.shot)
        if coming.fault is FaultKind.BLACK:
            return np.zeros_like(image)
        if coming.fault is FaultKind.SIZE:
            image = np.ascontiguousarray(image[: image.shape[0] // 2, : image.shape[1] // 2])
        if coming.gain == 1.0:
            return image
        levels = np.rint(np.minimum(np.arange(256) * coming.gain, 255)).astype(np.uint8)
        return np.asarray(levels[image])

    def _recorded(self, shot: Shot) -> Image:
        key = id(shot)
        if key not in self._pixels:
            if len(self._pixels) >= _KEPT_IMAGES:
                self._pixels.pop(next(iter(self._pixels)))
            self._pixels[key] = shot.pixels()
        return self._pixels[key]

    def _broken(self, coming: _Coming, what: str, got: str) -> FrameBroken:
        where = f"camera {self.name}, frame {coming.number}"
        return FrameBroken(what, number=coming.number, where=where, got=got)

    def _error(self, code: Code, what: str) -> CameraError:
        advice = "close it and open it again" if code is not Code.CAMERA_TIMEOUT else None
        return CameraError(code, what, where=f"camera {self.name}", next=advice)
