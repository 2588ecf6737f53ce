"""Results and events turned into JSON messages of MQTT, each confirmed by the broker.

Topics below `PREFIX/STATION/`: `results`, `events`, and the retained `status`, which is `online`
or, by the broker's hand when the station goes without a word, `offline`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from keenline.errors import Code
from keenline.journal.entries import Entry, as_json
from keenline.publish.broker import Connection
from keenline.publish.broker_client import Message, Session
from keenline.publish.broker_settings import BrokerSettings, Protocol
from keenline.types import LineEvent, Result

_LOG = logging.getLogger(__name__)
_NOT_IN_A_LEVEL = re.compile(r"[/+#\x00-\x1f]")
# Room for what surrounds topic and payload in a packet: header, identifiers, user properties.
_AROUND = 512

What = Literal["results", "events"]


class MqttSettings(BrokerSettings):
    """`[mqtt]`: results and events as JSON, to any broker of MQTT."""

    prefix: str = Field(
        default="keenline", pattern=r"^[^$+#/\x00-\x1f]([^+#\x00-\x1f]{0,198}[^+#/\x00-\x1f])?$"
    )
    """First levels of every topic."""
    publish: Annotated[tuple[What, ...], Field(strict=False, min_length=1)] = ("results", "events")
    protocol: Protocol = "5"
    """Version of MQTT; under 3.1.1 there are no user properties."""
    session_expiry_s: int = Field(default=86_400, ge=0, le=4_294_967_294)
    """How long the broker keeps our session while we are away; 0 for none."""
    largest_bytes: int = Field(default=262_144, ge=2048, le=256_000_000)
    """A result with a larger payload is sent without its regions. Set it to what the broker
    takes, where that is less."""

    def build(self, station: str) -> MqttPublisher:
        """The publisher of the station with this name; it connects when there is something."""
        return MqttPublisher(self, station)


class MqttPublisher:
    """Publishes the journal to a broker of MQTT; a `Sink`.

    Each message carries the identifier of its result or event in its payload and (MQTT 5) in the
    user property `id`. After an outage the same may come again: take one identifier once.
    """

    name = "mqtt"

    def __init__(self, settings: MqttSettings, station: str) -> None:
        self.refused = 0
        """Entries left out because the broker takes no message of their size."""
        self._settings = settings
        self._base = f"{settings.prefix}/{_NOT_IN_A_LEVEL.sub('_', station)}"
        session = Session(
            client_id=settings.client_id or "keenline-" + re.sub(r"[^0-9A-Za-z]", "-", station),
            protocol=settings.protocol,
            expiry_s=settings.session_expiry_s,
            will=lambda: self._status("offline"),
            greet=self._say_online,
            hear=lambda _topic, _payload: None,
        )
        self._connection = Connection(settings, session)

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Publish results and events in order; returns when the broker has confirmed each.

        Raises PublishError: BROKER_UNREACHABLE, BROKER_REFUSED; CredentialError. Some of
        `entries` may then have arrived.
        """
        self._connection.ensure()
        self._connection.send(self._messages(entries))

    def close(self) -> None:
        """Say `offline` and go."""
        self._connection.close([self._status("offline")])

    def _messages(self, entries: Sequence[Entry]) -> Iterator[Message]:
        wanted = self._settings.publish
        for entry in entries:
            if (isinstance(entry, Result) and "results" in wanted) or (
                isinstance(entry, LineEvent) and "events" in wanted
            ):
                yield from self._fitting(entry)

    def _fitting(self, entry: Result | LineEvent) -> Iterator[Message]:
        around = _AROUND + len(self._base.encode())
        limit = min(self._settings.largest_bytes, self._connection.packet_limit - around)
        message = self._message(entry)
        if len(message.payload) > limit and isinstance(entry, Result):
            views = tuple(replace(view, regions=()) for view in entry.views)
            message = self._message(replace(entry, views=views), ("shortened", "regions"))
        if len(message.payload) > limit:
            self.refused += 1
            _LOG.error(
                "KL%d: %s is %d bytes, the broker takes %d; it is left out",
                Code.PUBLISH_ENCODING, dict(message.properties)["id"], len(message.payload), limit,
            )  # fmt: skip
            return
        yield message

    def _message(self, entry: Result | LineEvent, *more: tuple[str, str]) -> Message:
        if isinstance(entry, Result):
            told = (("id", entry.result_id), ("verdict", entry.decision.verdict.value), *more)
            return Message(f"{self._base}/results", as_json(entry), properties=told)
        told = (("id", entry.event_id), ("kind", entry.kind))
        return Message(f"{self._base}/events", as_json(entry), properties=told)

    def _status(self, word: str) -> Message:
        return Message(f"{self._base}/status", word.encode(), retain=True)

    def _say_online(self) -> None:
        self._connection.put(self._status("online"))
