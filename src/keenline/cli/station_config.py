"""A station configuration turned into settings of everything that stands at the line, or faults."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from keenline.cli.devices import CameraTable, PlcTable, kinds_of
from keenline.credentials import Credential
from keenline.errors import Code, StationError
from keenline.publish.mqtt import MqttSettings
from keenline.publish.opc40100 import Opc40100Settings
from keenline.publish.sparkplug import SparkplugSettings
from keenline.station.settings import (
    EngineTable,
    HandshakeSettings,
    ShadowTable,
    TrackingSettings,
    TriggerSettings,
)
from keenline.store.settings import StoreSettings
from keenline.strict_toml import Fault, StrictTable, TomlFaults, parse_strictly
from keenline.toml_lines import KeyPath
from keenline.value_words import Words


class MetricsSettings(StrictTable):
    """`[metrics]`: Prometheus metrics of the station."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=9469, ge=0, le=65535)
    """0: any free one; it is said at the start."""


class StationConfig(StrictTable):
    """What hardware stands here and what runs on it."""

    schema_version: Annotated[int, Field(ge=1, le=1), Words("1")] = Field(default=1, alias="schema")
    """Of this form of a configuration."""
    station: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"),
        Words("1 to 64 letters, digits, _ . and -, the first a letter or digit"),
    ]
    """Its name: letters, digits, `_`, `.` and `-`; unlike that of any other station."""
    bundle: str = Field(min_length=1)
    """The learnt part; relative paths begin at the folder of this file."""
    recipe: str | None = Field(default=None, min_length=1)
    """Judges instead of the bundle's own recipe; what was learnt with must be the same in both."""
    journal: str = Field(default="journal", min_length=1)
    """Folder of the station's own journal, on a local disk."""
    trigger: TriggerSettings = TriggerSettings()
    cameras: Annotated[tuple[CameraTable, ...], Words("at least one table [[cameras]]")]
    """Every camera sees every part; the first is the one that may trigger."""
    plc: PlcTable | None = None
    handshake: HandshakeSettings = HandshakeSettings()
    tracking: TrackingSettings | None = None
    engine: EngineTable = EngineTable()
    shadow: ShadowTable | None = None
    store: StoreSettings = StoreSettings()
    mqtt: MqttSettings | None = None
    sparkplug: SparkplugSettings | None = None
    opcua: Opc40100Settings | None = None
    metrics: MetricsSettings | None = None

    @property
    def sha256(self) -> str:
        """Hash of every value, defaults included: 64 hexadecimal digits."""
        values = self.model_dump(mode="json")
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def load_station(path: Path) -> StationConfig:
    """The configuration in the TOML file `path`.

    Raises StationError: STATION_MISSING when it cannot be read, STATION_SYNTAX when a line is not
    TOML, else STATION_INVALID; `problems` then holds every fault with its line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise StationError(
            Code.STATION_MISSING,
            f"The station configuration cannot be read: {error.strerror or type(error).__name__}",
            where=path,
            next="check the path",
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _faulty(path, [Fault(line, "", "is not UTF-8 text")], is_syntax=True) from error
    try:
        return parse_strictly(text, StationConfig, also=_contradictions)
    except TomlFaults as error:
        raise _faulty(path, error.faults, is_syntax=error.is_syntax) from error


def secrets_of(table: BaseModel) -> Iterator[Credential]:
    """Where every secret of a configuration is."""
    for _, value in table:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Credential):
                yield one
            elif isinstance(one, BaseModel):
                yield from secrets_of(one)


def _contradictions(content: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """What no table can see by itself."""
    cameras = [one for one in _listed(content.get("cameras")) if isinstance(one, dict)]
    if content.get("cameras") == []:
        yield ("cameras",), "= []; allowed: at least one table [[cameras]]"
    names = [camera.get("name") for camera in cameras]
    for place, name in enumerate(names):
        if name in names[:place]:
            words = f'= "{name}"; cameras[{names.index(name)}] has this name'
            yield ("cameras", place, "name"), words
    yield from _untriggered(content, cameras)
    if "tracking" in content and not _has_input(content.get("plc"), "encoder"):
        yield ("tracking",), "needs plc.inputs.encoder"


def _untriggered(
    content: dict[str, Any], cameras: Sequence[dict[str, Any]]
) -> Iterator[tuple[KeyPath, str]]:
    """Nothing could ever ask for a part."""
    table = content.get("trigger", {})
    trigger = table if isinstance(table, dict) else {}
    source = trigger.get("source", "plc")
    if source == "plc" and "plc" not in content:
        yield (
            ("trigger", "source"),
            '= "plc" needs a table [plc]; or choose "camera" or "software"',
        )
    elif source == "plc" and not _has_input(content["plc"], "trigger"):
        yield ("plc", "inputs"), 'lacks trigger; trigger.source = "plc" needs it'
    if source == "camera" and cameras and _trigger_of(cameras[0]) == "software":
        yield (
            ("cameras", 0, "trigger"),
            '= "software"; a camera that triggers needs "line" or "free"',
        )
    if source == "software" and "every_ms" not in trigger and "opcua" not in content:
        yield ("trigger", "source"), '= "software" needs every_ms, or a table [opcua]'
    if source in ("plc", "camera") and "every_ms" in trigger:
        yield ("trigger", "every_ms"), 'is not used; it needs source = "software"'


def _trigger_of(camera: dict[str, Any]) -> object:
    kind = kinds_of(CameraTable).get(str(camera.get("kind")))
    return camera.get("trigger", kind and kind.model_fields["trigger"].default)


def _has_input(plc: object, name: str) -> bool:
    """Whether `plc` has an address for an input, or leaves what is wrong to other words."""
    if not isinstance(plc, dict):
        return False
    inputs = plc.get("inputs")
    if inputs is None:
        return plc.get("kind") == "simulated"  # which has them all
    return isinstance(inputs, dict) and name in inputs


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _faulty(path: Path, faults: Sequence[Fault], *, is_syntax: bool) -> StationError:
    problems = [
        f"{path.name}:{fault.line}: {fault.key + ' ' if fault.key else ''}{fault.message}"
        for fault in faults
    ]
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return StationError(
        Code.STATION_SYNTAX if is_syntax else Code.STATION_INVALID,
        f"The station configuration has {count}",
        problems=problems,
        where=path,
        next="correct the lines above; docs/station.md lists every key",
    )
