"""Results and events turned into data of a Sparkplug B device, with births, deaths and numbers.

Sparkplug sends data with QoS 0, which no broker confirms. Here a batch counts as delivered once
the broker has answered a packet that was sent after it in the same connection; a batch that was
not is sent again, marked as historical.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from keenline.errors import Code
from keenline.journal.entries import Entry
from keenline.publish.broker_settings import BrokerSettings, Protocol
from keenline.publish.sparkplug_payload import Payloads, Reading, now_ms, reading_of
from keenline.publish.sparkplug_session import Address, BirthDeathNumber, EdgeNode
from keenline.types import LineEvent, Result
from keenline.version import VERSION

_LOG = logging.getLogger(__name__)
_LEVEL = r"^[^+#/\x00-\x1f]{1,64}$"

What = Literal["results", "events"]


class SparkplugSettings(BrokerSettings):
    """`[sparkplug]`: results and events as an edge node of Sparkplug B 3.0 with one device."""

    group_id: str = Field(default="keenline", pattern=_LEVEL)
    """Group of edge nodes, such as the plant or the hall."""
    node_id: str | None = Field(default=None, pattern=_LEVEL)
    """Name of the edge node; without it, that of the station. Group and node together are
    unlike those of every other node of the broker."""
    device_id: str = Field(default="inspection", pattern=_LEVEL)
    """Name of the one device, which has the metrics."""
    publish: Annotated[tuple[What, ...], Field(strict=False, min_length=1)] = ("results", "events")
    protocol: Protocol = "3.1.1"
    """Version of MQTT."""
    late_s: float = Field(default=30.0, ge=0, le=86_400)
    """Results and events older than this are sent as historical."""
    primary_host: str | None = Field(default=None, pattern=_LEVEL)
    """Name of the host application that the data are for. While it is not online, nothing is sent
    and the journal keeps it."""
    types_in_data: bool = False
    """Datatypes are in data too, for hosts that do not remember the birth."""

    def build(self, station: str, folder: Path) -> SparkplugPublisher:
        """The publisher of the station with this name; it connects when there is something.

        `folder`: keeps its bdSeq. Raises EnvironmentMissing when pysparkplug is not installed.
        """
        return SparkplugPublisher(self, station, folder)


class SparkplugPublisher:
    """Publishes the journal as a Sparkplug B device; a `Sink`.

    Each reading carries the identifier of its result or event as a metric. After an outage the
    same may come again: take one identifier once.
    """

    name = "sparkplug"

    def __init__(self, settings: SparkplugSettings, station: str, folder: Path) -> None:
        self.refused = 0
        """Entries left out because the broker takes no message of their size."""
        self._settings = settings
        self._sent: set[str] = set()
        """Identifiers of what was sent since the last confirmation."""
        self._node = EdgeNode(
            settings,
            Address(settings.group_id, settings.node_id or station, settings.device_id),
            Payloads(station, f"keenline {VERSION}", types_in_data=settings.types_in_data),
            BirthDeathNumber(folder / f"{self.name}.bdseq"),
            client_id=settings.client_id or f"keenline-sparkplug-{station}",
            protocol=settings.protocol,
            primary_host=settings.primary_host,
        )

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Publish results and events in order; returns when the broker has read all of them.

        Raises PublishError: BROKER_UNREACHABLE, BROKER_REFUSED; CredentialError. Some of
        `entries` may then have arrived.
        """
        self._node.ensure()
        wanted = self._settings.publish
        readings = [
            reading_of(entry)
            for entry in entries
            if (isinstance(entry, Result) and "results" in wanted)
            or (isinstance(entry, LineEvent) and "events" in wanted)
        ]
        if readings:
            self._node.send(self._marked(readings))
            self._sent.clear()

    def close(self) -> None:
        """Say that device and node are no more, and go."""
        self._node.close()

    def _marked(self, readings: Sequence[Reading]) -> Iterator[tuple[Reading, bool]]:
        late_ms = 1000 * self._settings.late_s
        for reading in readings:
            if self._is_too_large(reading):
                continue
            is_late = now_ms() - reading.time_ms > late_ms
            # What was sent before may have arrived, with others after it: it must not become the
            # present once more.
            is_again = reading.id in self._sent
            self._sent.add(reading.id)
            yield reading, is_late or is_again

    def _is_too_large(self, reading: Reading) -> bool:
        # Each metric has some 30 bytes beside its value; topic and header are below 512.
        texts = sum(len(v.encode()) for v in reading.values.values() if isinstance(v, str))
        size, limit = texts + 40 * len(reading.values) + 512, self._node.packet_limit
        if size <= limit:
            return False
        self.refused += 1
        _LOG.error(
            "KL%d: %s is %d bytes, the broker takes %d; it is left out",
            Code.PUBLISH_ENCODING, reading.id, size, limit,
        )  # fmt: skip
        return True
