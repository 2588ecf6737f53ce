"""Results and events turned into rows of the tables, the same for the same record always."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from keenline.errors import Code, JournalError
from keenline.journal.entries import as_json, result_from_json
from keenline.types import LineEvent, Region, Result, ShadowAnswer, Verdict, View

Row: TypeAlias = dict[str, Any]

IMAGE_LOST = "image-lost"
"""Kind of the event that says that an image was not kept after all; facts: `sha256`, `why`."""
IMAGES_DELETED = "images-deleted"
"""Kind of the event of a retention; facts: `count`, `why`, `sha256` (joined by blanks)."""

_EVENT: TypeAdapter[LineEvent] = TypeAdapter(LineEvent)

KEPT, LOST, DELETING, DELETED = "kept", "lost", "deleting", "deleted"
"""States of an image."""


@dataclass(frozen=True, slots=True)
class ResultRows:
    """One result as rows."""

    result: Row
    views: list[Row]
    regions: list[Row]


def content_of(entry: Result | LineEvent | ShadowAnswer) -> str:
    """The record word for word, as the journal has it."""
    return as_json(entry).decode()


def record_of(kind: str, content: str) -> Result | LineEvent:
    """The entry that `content_of` wrote, of kind `result` or `event`. Raises JournalError."""
    if kind == "result":
        return result_from_json(content)
    try:
        return _EVENT.validate_json(content)
    except ValidationError as error:
        raise JournalError(Code.JOURNAL_DAMAGED, "A record cannot be read", got=error) from error


def identity_of(entry: Result | LineEvent | ShadowAnswer) -> str:
    """What makes an entry the same as one that came before."""
    if isinstance(entry, ShadowAnswer):
        return entry.answer_id
    return entry.result_id if isinstance(entry, Result) else entry.event_id


def result_rows(result: Result, content: str) -> ResultRows:
    """`result` as one row of `results`, and those of its views and regions."""
    trigger, timings = result.trigger, result.timings
    row = {
        "result_id": result.result_id,
        "station": result.station,
        "trigger_number": trigger.number,
        "part_id": trigger.part_id,
        "time": trigger.time,
        "source": trigger.source.value,
        "encoder": trigger.encoder,
        "part": result.part,
        "verdict": result.decision.verdict.value,
        "actuates": result.actuates,
        "code": result.code,
        "reasons": list(result.decision.reasons),
        "acquired_ms": timings.acquired,
        "inspected_ms": timings.inspected,
        "decided_ms": timings.decided,
        "recipe_sha256": result.recipe_sha256,
        "bundle_sha256": result.bundle_sha256,
        "station_sha256": result.station_sha256,
        "software": result.software,
        "is_simulated": result.is_simulated,
        "content": content,
    }
    views = [_view(result.result_id, place, view) for place, view in enumerate(result.views)]
    regions = [
        _region(result.result_id, place, number, region)
        for place, view in enumerate(result.views)
        for number, region in enumerate(view.regions)
    ]
    return ResultRows(row, views, regions)


def event_row(event: LineEvent, content: str) -> Row:
    """`event` as one row of `events`."""
    return {
        "event_id": event.event_id,
        "station": event.station,
        "kind": event.kind,
        "time": event.time,
        "facts": dict(event.facts),
        "content": content,
    }


def image_rows(result: Result, now: datetime) -> list[Row]:
    """The images of `result` that were handed over to be kept."""
    return [
        {
            "station": result.station,
            "sha256": view.image_sha256,
            "width": view.size[0],
            "height": view.size[1],
            "state": KEPT,
            "since": now,
            "why": None,
            "is_pass": result.decision.verdict is Verdict.PASS,
            "time": result.trigger.time,
        }
        for view in result.views
        if view.image_kept and view.image_sha256
    ]


def _view(result_id: str, place: int, view: View) -> Row:
    return {
        "result_id": result_id,
        "view": place,
        "camera": view.camera,
        "serial": view.serial,
        "frame_number": view.frame_number,
        "width": view.size[0],
        "height": view.size[1],
        "image_sha256": view.image_sha256,
        "image_kept": view.image_kept,
        "device_time_ns": view.device_time_ns,
        "exposure_us": view.exposure_us,
        "gain_db": view.gain_db,
        "lights": list(view.lights),
        "score": view.score,
        "threshold": view.threshold,
        "class_scores": dict(view.class_scores),
    }


def _region(result_id: str, place: int, number: int, region: Region) -> Row:
    box = region.box
    return {
        "result_id": result_id,
        "view": place,
        "region": number,
        "class_name": region.class_name,
        "x": box.x,
        "y": box.y,
        "width": box.width,
        "height": box.height,
        "area_px": region.area_px,
        "area_mm2": region.area_mm2,
        "score": region.score,
    }
