"""Readings turned into messages of an edge node with one device: births, data, deaths, numbers.

The order on the wire is that of the sequence numbers, because one lock is held from taking a
number to handing the message over. Requirements of Sparkplug 3.0.0 are quoted by their `tck-id`.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from keenline.errors import PublishError
from keenline.publish.broker import Connection
from keenline.publish.broker_client import Message, Session, unreachable
from keenline.publish.broker_settings import BrokerSettings, Protocol
from keenline.publish.sparkplug_payload import Payloads, Reading, Value

_LOG = logging.getLogger(__name__)
_NUMBERS = 256
"""seq and bdSeq count 0 to 255 and begin again (tck-id-payloads-sequence-num-incrementing)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an edge node and its device are in the topics."""

    group: str
    node: str
    device: str

    def of_node(self, kind: str) -> str:
        return f"spBv1.0/{self.group}/{kind}/{self.node}"

    def of_device(self, kind: str) -> str:
        return f"{self.of_node(kind)}/{self.device}"


class BirthDeathNumber:
    """bdSeq: says which death belongs to which birth. Kept in a file over restarts."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.value = _kept(file)

    def rise(self) -> int:
        """The number for a new attempt to connect."""
        self.value = (self.value + 1) % _NUMBERS
        new = self._file.with_suffix(".new")
        try:
            with new.open("w", encoding="ascii") as out:
                out.write(f"{self.value}\n")
                out.flush()
                os.fsync(out.fileno())
            os.replace(new, self._file)
        except OSError as error:
            # After a restart a number may come again: better than not to connect.
            _LOG.warning("bdSeq cannot be kept in %s: %s", self._file, error.strerror)
        return self.value


class EdgeNode:
    """One edge node with one device, alive while there is a connection."""

    def __init__(
        self,
        settings: BrokerSettings,
        address: Address,
        payloads: Payloads,
        bd_seq: BirthDeathNumber,
        *,
        client_id: str,
        protocol: Protocol,
        primary_host: str | None = None,
    ) -> None:
        """`primary_host`: without it online, nothing is born and nothing sent."""
        self._address = address
        self._payloads = payloads
        self._bd_seq = bd_seq
        self._where = settings.address
        self._host = primary_host
        self._lock = threading.RLock()
        # All below are guarded by `_lock`.
        self._seq = 0
        self._born = 0
        """In which connection the births were sent; 0: in none."""
        self._is_closing = False
        self._host_is_online = primary_host is None
        self._host_time = 0
        self._is_over = False
        """This connection has said its NDEATH: only another one may have a birth."""
        self._known: dict[str, tuple[Value, int]] = {}
        """Each metric of the device as it was sent last: what a birth repeats."""
        session = Session(
            client_id=client_id,
            protocol=protocol,
            expiry_s=0,  # tck-id-principles-persistence-clean-session-50, -311
            will=self._will,
            greet=self._greet,
            hear=self._hear,
        )
        self._connection = Connection(settings, session)

    def ensure(self) -> None:
        """Connect, and be born, where there is no connection. Raises as `Connection.ensure`."""
        self._connection.ensure()

    @property
    def packet_limit(self) -> int:
        """Largest packet in bytes that the broker takes, as far as it said so."""
        return self._connection.packet_limit

    def send(self, readings: Iterable[tuple[Reading, bool]]) -> None:
        """Publish readings, each with whether it is historical, in order.

        Returns when the broker has read all of them. Raises as `ensure`, and BROKER_UNREACHABLE
        when the connection is lost in between: some may then have arrived.
        """
        # Connects, and forgets the answers to earlier messages: paho uses their numbers again after
        # 65535, and the fence must not take an old answer for its own.
        self._connection.send(())
        number = self._connection.number
        self._await_birth(number)
        for reading, is_historical in readings:
            with self._lock:
                self._put_data(reading, is_historical, number)
        self._connection.fence(number)

    def close(self) -> None:
        """Say that device and node are no more, and go."""
        with self._lock:
            self._is_closing = True
            words = []
            if self._born and self._born == self._connection.number:
                dead = self._payloads.device_death(self._seq)
                # What the broker says for us when we are cut off, we say ourselves here: it drops
                # the will of one who takes his leave.
                words = [_plain(self._address.of_device("DDEATH"), dead), self._death()]
        self._connection.close(words)

    def _await_birth(self, number: int) -> None:
        if self._host is not None and self._born != number and not self._is_over:
            # The broker tells what it keeps of the host before it answers this.
            self._connection.fence(number)
        with self._lock:
            if self._born == number:
                return
            is_waiting = not self._is_over and not self._host_is_online
        if not is_waiting:
            self._connection.drop("the births could not be sent")
        waits_for = "the births could not be sent"
        if self._host is not None:
            waits_for = f"the primary host {self._host} is not online"
        raise unreachable(self._where, waits_for)

    def _put_data(self, reading: Reading, is_historical: bool, number: int) -> None:
        if not self._connection.is_up or not self._born == number == self._connection.number:
            raise unreachable(self._where, "the connection was lost")
        data = self._payloads.device_data(self._seq, reading, is_historical=is_historical)
        self._put(_plain(self._address.of_device("DDATA"), data))
        for name, value in reading.values.items():
            # What is sent again does not become the present again.
            if reading.time_ms >= self._known.get(name, (None, 0))[1]:
                self._known[name] = (value, reading.time_ms)

    def _put(self, message: Message) -> None:
        """Hand over a message that has the number `_seq`."""
        self._connection.put(message)
        self._seq = (self._seq + 1) % _NUMBERS

    def _death(self) -> Message:
        # tck-id-payloads-ndeath-will-message-qos, -retain
        payload = self._payloads.node_death(self._bd_seq.value)
        return Message(self._address.of_node("NDEATH"), payload, qos=1)

    # Called by the connection

    def _will(self) -> Message:
        self._bd_seq.rise()
        return self._death()

    def _greet(self) -> None:
        # Before the birth (tck-id-message-flow-edge-node-ncmd-subscribe): a host that sees us
        # born may ask at once.
        self._connection.listen(self._address.of_node("NCMD"))
        if self._host is not None:
            with self._lock:
                self._is_over = self._host_is_online = False
            self._connection.listen(f"spBv1.0/STATE/{self._host}")
        self._give_birth()

    def _hear(self, topic: str, payload: bytes) -> None:
        if topic == self._address.of_node("NCMD"):
            if self._payloads.asks_rebirth(payload):
                self._give_birth()
        elif (state := _state_of_host(payload)) is not None:
            self._follow_host(*state)

    def _follow_host(self, is_online: bool, time_ms: int) -> None:
        """tck-id-message-flow-edge-node-birth-publish-phid-wait and -offline"""
        with self._lock:
            if time_ms < self._host_time:
                return
            self._host_is_online, self._host_time = is_online, time_ms
            if is_online and not self._born and not self._is_over:
                self._give_birth()
            elif not is_online and self._born:
                # The thread of the network cannot end its own connection: the next `send` does.
                self._born, self._is_over = 0, True
                try:
                    self._connection.put(self._death())
                except PublishError:
                    _LOG.info("the broker at %s went before the death was sent", self._where)

    def _give_birth(self) -> None:
        """NBIRTH with number 0 and the bdSeq of the will, and DBIRTH."""
        with self._lock:
            if self._is_closing or not self._host_is_online or self._is_over:
                return
            self._seq = self._born = 0
            node, device = self._address.of_node("NBIRTH"), self._address.of_device("DBIRTH")
            try:
                self._put(_plain(node, self._payloads.node_birth(0, self._bd_seq.value)))
                self._put(_plain(device, self._payloads.device_birth(self._seq, self._known)))
            except PublishError:
                _LOG.info("the broker at %s went before the births were sent", self._where)
                return
            self._born = self._connection.number


def _plain(topic: str, payload: bytes) -> Message:
    """Births and data have QoS 0 and are not retained (tck-id-topics-nbirth-mqtt and others)."""
    return Message(topic, payload, qos=0)


def _state_of_host(payload: bytes) -> tuple[bool, int] | None:
    """Whether a host says that it is online, and when it said so; None for what is no STATE."""
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    match told.get("online"), told.get("timestamp"):
        case bool() as is_online, int() as time_ms:
            return is_online, time_ms
    return None


def _kept(file: Path) -> int:
    try:
        return int(file.read_text("ascii")) % _NUMBERS
    except (FileNotFoundError, ValueError):
        return _NUMBERS - 1  # the first is 0
