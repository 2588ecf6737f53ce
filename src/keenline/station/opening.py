"""A plan of a station turned into opened devices, an engine that is ready, and a line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from keenline.bundle import Manifest
from keenline.devices.camera import Camera, SoftwareTriggered, TriggerMode
from keenline.devices.plc import Plc
from keenline.errors import CameraError, Code, KeenlineError, StationError
from keenline.inference.framing import Framing
from keenline.recipe import Recipe
from keenline.station.acquisition import Acquisition, FrameTaker
from keenline.station.engine_messages import Opening
from keenline.station.engine_process import (
    BUNDLE_INSPECTOR,
    EngineListener,
    EngineProcess,
    EngineSettings,
)
from keenline.station.handshake import CountHandshake, Handshake, LevelHandshake
from keenline.station.held_bundle import HeldBundle
from keenline.station.matching import CountMatcher, Matcher, TimeMatcher
from keenline.station.parts import Programme
from keenline.station.plc_link import PlcLink
from keenline.station.ports import CameraAtLine, StationFacts
from keenline.station.rulings import Ruling
from keenline.station.settings import (
    EngineTable,
    HandshakeSettings,
    ShadowTable,
    TrackingSettings,
    TriggerSettings,
)
from keenline.station.tally import Tally
from keenline.station.tracking import ShiftRegister


@dataclass(frozen=True, slots=True)
class StationPlan:
    """What a station is made of, nothing opened yet."""

    facts: StationFacts
    bundle: Path
    cameras: Sequence[tuple[Camera, TriggerMode]]
    """Every camera sees every part; the first is the one that may trigger."""
    plc: Plc | None = None
    recipe: Recipe | None = None
    """Judges instead of the bundle's own; both must say the same of what was learnt."""
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    tracking: TrackingSettings | None = None
    handshake: HandshakeSettings = field(default_factory=HandshakeSettings)
    engine: EngineTable = field(default_factory=EngineTable)
    challenge_file: Path | None = None
    """Where it is kept what became of challenge parts; None: in memory."""
    inspector: str = BUNDLE_INSPECTOR
    """What the engine's process runs, `module:function`; tests put a failing one here."""
    shadow: tuple[Path, ShadowTable] | None = None
    """A bundle that decides nothing, and how it is asked."""
    shadow_inspector: str = BUNDLE_INSPECTOR


class Listener(FrameTaker, EngineListener, Protocol):
    """Who hears of frames, answers and changes: the station."""

    @property
    def has_room(self) -> bool:
        """A part that may as well come later would be inspected at once."""

    def camera_changed(self, camera: str, trouble: KeenlineError | None) -> None:
        """A camera is gone, or with None is back."""


@dataclass(slots=True)
class Opened:
    """The devices of a station, open."""

    acquisitions: dict[str, Acquisition]
    cameras: dict[str, CameraAtLine]
    programme: Programme
    engine: EngineProcess

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of the frames of each camera that knows them."""
        facts = [each.facts for each in self.acquisitions.values()]
        return [fact.size for fact in facts if fact is not None and fact.size is not None]


def open_devices(plan: StationPlan, listener: Listener, link: PlcLink | None) -> Opened:
    """Open cameras, PLC and engine.

    Raises StationError STATION_START with everything that could not be opened; nothing is then
    left open.
    """
    problems: list[KeenlineError] = []
    # A part may come later only where its one camera makes it: another one would be waited for.
    makes_parts = plan.trigger.source == "camera" and len(plan.cameras) == 1
    acquisitions = {
        camera.name: Acquisition(
            camera,
            listener,
            listener.camera_changed,
            lambda: not makes_parts or listener.has_room,
        )
        for camera, _ in plan.cameras
    }
    sizes: list[tuple[int, int]] = []
    cameras: dict[str, CameraAtLine] = {}
    for camera, mode in plan.cameras:
        with _Collecting(problems):
            facts = acquisitions[camera.name].open()
            sizes += [facts.size] if facts.size else []
            cameras[camera.name] = _at_line(plan, camera, mode, acquisitions[camera.name])
    if link is not None:
        with _Collecting(problems):
            link.connect()
    programme: Programme | None = None
    engine: EngineProcess | None = None
    with _Collecting(problems):
        engine, programme = open_programme(plan, listener, plan.bundle, plan.recipe, sizes)
    if problems or engine is None or programme is None:
        for acquisition in acquisitions.values():
            acquisition.stop()
        if link is not None:
            link.stop()
        if engine is not None:
            engine.stop()
        raise _cannot_start(plan.facts.name, problems)
    return Opened(acquisitions, cameras, programme, engine)


def open_programme(
    plan: StationPlan,
    listener: EngineListener,
    path: Path,
    recipe: Recipe | None,
    sizes: Sequence[tuple[int, int]],
) -> tuple[EngineProcess, Programme]:
    """A bundle in an engine that is ready.

    Raises BundleError, EngineError, OutputError, ImageError when one of `sizes`, the (width,
    height) of each camera's frames, is not what was learnt, or StationError when `recipe` says
    something else about what was learnt than the bundle does.
    """
    bundle = HeldBundle(path)
    try:
        require_fitting(bundle.manifest, recipe, sizes)
    except KeenlineError:
        bundle.close()
        raise
    judge = recipe or bundle.manifest.recipe
    table = plan.engine
    engine = EngineProcess(
        Opening(
            bundle.path,
            table.threads or max(1, (os.cpu_count() or 2) - 1),
            tuple(dict.fromkeys(sizes)),
            "" if recipe is None else recipe.model_dump_json(by_alias=True),
        ),
        listener,
        EngineSettings(table.waiting, table.largest_image_mb * 1_000_000, table.hang_ms / 1e3),
        factory=plan.inspector,
        bundle=bundle,
    )
    try:
        engine.start()
    except KeenlineError:
        engine.stop()
        raise
    return engine, Programme(engine, judge, judge.sha256, bundle.sha256, judge.part)


def require_fitting(
    manifest: Manifest, recipe: Recipe | None, sizes: Sequence[tuple[int, int]]
) -> None:
    """Raise ImageError for frames of a size that was not learnt, StationError for a recipe that
    says something else of what was learnt than the bundle does."""
    framing = Framing(manifest.framing)
    for width, height in sizes:
        if not framing.fits(width, height):  # every part would be INVALID
            raise framing.wrong_size(width, height, "the frames of a camera")
    if recipe is not None:
        _require_same_learning(recipe, manifest.recipe)


def plc_link(plan: StationPlan, tally: Tally) -> PlcLink | None:
    """The link to the plan's PLC, not yet connected."""
    if plan.plc is None:
        return None
    counts = plan.handshake.kind == "count" or plan.trigger.source != "plc"
    handshake: Handshake = LevelHandshake()
    if counts:
        handshake = CountHandshake(plan.handshake.hold_ms / 1e3)
    register: ShiftRegister[Ruling] | None = None
    if plan.tracking is not None:
        register = ShiftRegister(
            gate=plan.tracking.gate_counts,
            lead=plan.tracking.lead_counts,
            direction=1 if plan.tracking.direction == "up" else -1,
        )
    return PlcLink(
        plan.plc,
        handshake,
        plan.handshake,
        tally,
        register=register,
        deadline_ms=plan.trigger.deadline_ms,
        oldest_ms=plan.trigger.frame_ms,
    )


def _at_line(
    plan: StationPlan, camera: Camera, mode: TriggerMode, acquisition: Acquisition
) -> CameraAtLine:
    fire: Callable[[], None] | None = None
    matcher: Matcher = TimeMatcher(round(plan.trigger.frame_window_ms * 1e6))
    if mode == "software":
        if not isinstance(camera, SoftwareTriggered):
            raise CameraError(
                Code.CAMERA_NO_TRIGGER,
                "This kind of camera cannot be fired by the station",
                where=camera.name,
                next='set trigger = "line" or "free"',
            )
        fire = camera.fire
        matcher = CountMatcher(round(plan.trigger.frame_ms * 1e6))
    return CameraAtLine(matcher, fire, acquisition.restart)


class _Collecting:
    """Notes a problem instead of stopping at it, so that all are told at once."""

    def __init__(self, problems: list[KeenlineError]) -> None:
        self._problems = problems

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, KeenlineError):
            self._problems.append(error)
            return True
        return False


def _require_same_learning(recipe: Recipe, learnt: Recipe) -> None:
    tables = ("image", "lighting", "inspect", "detector")
    wrong = [name for name in tables if getattr(recipe, name) != getattr(learnt, name)]
    if wrong:
        raise StationError(
            Code.STATION_INVALID,
            "The recipe differs from the bundle's in what was learnt with",
            problems=[
                f"[{name}] of the recipe is not what the bundle was learnt with" for name in wrong
            ],
            next="learn the part anew with this recipe, or leave these tables as they were",
        )


def _cannot_start(name: str, problems: Sequence[KeenlineError]) -> StationError:
    return StationError(
        Code.STATION_START,
        f"The station {name} cannot start",
        problems=[str(problem) for problem in problems],
        next="correct what is named above; `keenline station --check` tries it without starting",
    )
