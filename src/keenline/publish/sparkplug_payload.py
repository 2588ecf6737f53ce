"""Results and events turned into payloads of Sparkplug B, commands read from them.

The door of pysparkplug, which brings the protobuf classes of the specification. What is sent here
follows Eclipse Sparkplug 3.0.0 (ISO/IEC 20237:2023), chapter 6.4; requirements are quoted by their
`tck-id`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from keenline.errors import Code, EnvironmentMissing
from keenline.types import LineEvent, Result, View

if TYPE_CHECKING:
    from pysparkplug import Metric

Value: TypeAlias = int | float | bool | str | None
Datatype: TypeAlias = Literal["INT32", "INT64", "DOUBLE", "BOOLEAN", "STRING"]

REBIRTH = "Node Control/Rebirth"
BD_SEQ = "bdSeq"


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of some metrics of the device at one time."""

    id: str
    """Of the result or event; the same again is to have no second effect."""
    time_ms: int
    """Milliseconds since 1970, UTC: when the part was triggered, or the event happened."""
    values: Mapping[str, Value] = field(default_factory=dict)


def reading_of(entry: Result | LineEvent) -> Reading:
    """`entry` as a device reports it."""
    if isinstance(entry, Result):
        values = {name: value(entry) for name, _, value in _OF_RESULT}
        return Reading(entry.result_id, _milliseconds(entry.trigger.time), values)
    happened = {name: value(entry) for name, _, value in _OF_EVENT}
    return Reading(entry.event_id, _milliseconds(entry.time), happened)


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


class Payloads:
    """Encodes what an edge node with one device says.

    Aliases: metrics of the device have one each, 1 and up; in DDATA it stands for the name
    (tck-id-payloads-alias-data-cmd-requirement). Metrics of the node have none: they come in
    births only, and `Node Control/Rebirth` must have none
    (tck-id-operational-behavior-data-commands-rebirth-name-aliases).
    """

    def __init__(self, station: str, software: str, *, types_in_data: bool = False) -> None:
        """`types_in_data`: DDATA carries datatypes too, which the specification advises against
        (tck-id-payloads-metric-datatype-not-req), but some who read it cannot do without.

        Raises EnvironmentMissing when pysparkplug is not installed.
        """
        try:
            import pysparkplug
            from google.protobuf.message import DecodeError
        except ModuleNotFoundError as missing:
            raise EnvironmentMissing(
                Code.EXTRA_MISSING,
                "Publishing by Sparkplug B needs pysparkplug",
                next="pip install 'keenline[mqtt]'",
            ) from missing
        self._sparkplug = pysparkplug
        self._unreadable = (DecodeError, ValueError, KeyError)
        self._node = {"Properties/Station": station, "Properties/Software": software}
        self._types_in_data = types_in_data

    def node_birth(self, seq: int, bd_seq: int) -> bytes:
        """NBIRTH. `bd_seq`: that of the will of this connection."""
        at = now_ms()
        metrics = [
            self._metric(BD_SEQ, "INT64", bd_seq, at),
            self._metric(REBIRTH, "BOOLEAN", False, at),
            *(self._metric(name, "STRING", text, at) for name, text in self._node.items()),
        ]
        return self._sparkplug.NBirth(at, seq, metrics).encode()

    def node_death(self, bd_seq: int) -> bytes:
        """NDEATH, as will and as last word: it has no sequence number."""
        at = now_ms()
        return self._sparkplug.NDeath(at, self._metric(BD_SEQ, "INT64", bd_seq, at)).encode()

    def device_birth(self, seq: int, known: Mapping[str, tuple[Value, int]]) -> bytes:
        """DBIRTH: every metric with its alias, datatype, and last value with its time."""
        at = now_ms()
        metrics = [
            self._metric(name, kind, *known.get(name, (None, at)), alias=_ALIASES[name])
            for name, kind in METRICS.items()
        ]
        return self._sparkplug.DBirth(at, seq, metrics).encode()

    def device_data(self, seq: int, reading: Reading, *, is_historical: bool) -> bytes:
        """DDATA. `is_historical`: to be recorded, but no longer how things are."""
        metrics = [
            self._metric(
                None,
                METRICS[name],
                value,
                reading.time_ms,
                alias=_ALIASES[name],
                is_historical=is_historical,
            )
            for name, value in reading.values.items()
        ]
        data = self._sparkplug.DData(now_ms(), seq, metrics)
        return data.encode(include_dtypes=self._types_in_data)

    def device_death(self, seq: int) -> bytes:
        """DDEATH."""
        return self._sparkplug.DDeath(now_ms(), seq).encode()

    def asks_rebirth(self, command: bytes) -> bool:
        """Whether an NCMD has `Node Control/Rebirth` = true; one that is no NCMD has not."""
        try:
            metrics = self._sparkplug.NCmd.decode(command).metrics
        except self._unreadable:
            return False
        return any(metric.name == REBIRTH and metric.value is True for metric in metrics)

    def _metric(
        self,
        name: str | None,
        kind: Datatype,
        value: Value,
        time_ms: int,
        *,
        alias: int | None = None,
        is_historical: bool = False,
    ) -> Metric:
        return self._sparkplug.Metric(
            timestamp=time_ms,
            name=name,
            datatype=self._sparkplug.DataType[kind],
            value=value,
            alias=alias,
            is_historical=is_historical,
            is_null=value is None,
        )


def _milliseconds(when: datetime) -> int:
    # Not int(1000 * timestamp): a double loses the last millisecond now and then.
    return int(when.timestamp()) * 1000 + when.microsecond // 1000


def _worst(result: Result) -> View | None:
    """The view whose score is highest for its threshold."""
    scored = [view for view in result.views if view.score is not None and view.threshold]
    return max(scored, key=lambda view: (view.score or 0.0) / (view.threshold or 1.0), default=None)


def _camera(result: Result) -> Value:
    view = _worst(result)
    return None if view is None else view.camera


def _score(result: Result) -> Value:
    view = _worst(result)
    return None if view is None else view.score


def _threshold(result: Result) -> Value:
    view = _worst(result)
    return None if view is None else view.threshold


# Columns: name, datatype, value. docs/publishing.md explains each; a test compares.
_OF_RESULT: tuple[tuple[str, Datatype, Callable[[Result], Value]], ...] = (
    ("Result/ID", "STRING", lambda one: one.result_id),
    ("Result/Number", "INT64", lambda one: one.trigger.number),
    ("Result/Part ID", "STRING", lambda one: one.trigger.part_id),
    ("Result/Verdict", "STRING", lambda one: one.decision.verdict.value),
    ("Result/Reasons", "STRING", lambda one: "; ".join(one.decision.reasons)),
    ("Result/Actuates", "STRING", lambda one: one.actuates),
    ("Result/Code", "INT32", lambda one: one.code),
    ("Result/Camera", "STRING", _camera),
    ("Result/Score", "DOUBLE", _score),
    ("Result/Threshold", "DOUBLE", _threshold),
    ("Result/Decided ms", "DOUBLE", lambda one: one.timings.decided),
    ("Result/Product", "STRING", lambda one: one.part),
    ("Result/Recipe SHA256", "STRING", lambda one: one.recipe_sha256),
    ("Result/Bundle SHA256", "STRING", lambda one: one.bundle_sha256),
    ("Result/Software", "STRING", lambda one: one.software),
    ("Result/Simulated", "BOOLEAN", lambda one: one.is_simulated),
)
_OF_EVENT: tuple[tuple[str, Datatype, Callable[[LineEvent], Value]], ...] = (
    ("Event/ID", "STRING", lambda one: one.event_id),
    ("Event/Kind", "STRING", lambda one: one.kind),
    ("Event/Facts", "STRING", lambda one: json.dumps(dict(one.facts), ensure_ascii=False)),
)
METRICS: Mapping[str, Datatype] = {n: kind for n, kind, _ in (*_OF_RESULT, *_OF_EVENT)}
"""Every metric of the device and its datatype, in the order of the aliases."""
_ALIASES = {name: alias for alias, name in enumerate(METRICS, 1)}
