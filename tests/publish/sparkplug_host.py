"""A host of Sparkplug B: listens at a broker, reads by another decoder, checks the numbers."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tests.peers.node_peer import require_package
from tests.peers.plc_process import HERE

_OF_NODES = {"NBIRTH", "NDEATH", "DBIRTH", "DDATA", "DDEATH"}


@dataclass(frozen=True)
class Heard:
    """One message as it came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool

    @property
    def kind(self) -> str:
        return self.topic.split("/")[2]


class Host:
    """Subscribes to all of Sparkplug, again after each end of the broker."""

    def __init__(self, port: int) -> None:
        self._node = require_package("sparkplug-payload")
        self.heard: list[Heard] = []
        self.is_here = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "host")
        self._client.reconnect_delay_set(0.05, 0.1)
        self._client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#", 1)
        self._client.on_subscribe = lambda *_: self.is_here.set()
        self._client.on_disconnect = lambda *_: self.is_here.clear()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self.is_here.wait(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def count(self, kind: str) -> int:
        return sum(one.kind == kind for one in list(self.heard))

    def rebirth_command(self) -> bytes:
        command = subprocess.run(
            [self._node, "sparkplug_reader.js", "rebirth"],
            cwd=HERE, capture_output=True, check=True,
        ).stdout  # fmt: skip
        return base64.b64decode(command)

    def ask_rebirth(self) -> None:
        self.command(self.rebirth_command())

    def say_state(self, online: bool, time_ms: int, name: str = "scada") -> None:
        """As a host application does: at its start, and by its will."""
        payload = json.dumps({"online": online, "timestamp": time_ms})
        self._client.publish(f"spBv1.0/STATE/{name}", payload, 1, retain=True)

    def command(self, payload: bytes, node: str = "press-4") -> None:
        self._client.publish(f"spBv1.0/keenline/NCMD/{node}", payload, 0)

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, 1, retain=True)

    def read(self) -> list[dict[str, Any]]:
        """All that edge nodes said, decoded by npm sparkplug-payload, in order."""
        heard = [one for one in list(self.heard) if one.kind in _OF_NODES]
        lines = [
            json.dumps({"topic": one.topic, "payload": base64.b64encode(one.payload).decode()})
            for one in heard
        ]
        done = subprocess.run(
            [self._node, "sparkplug_reader.js"],
            input="\n".join(lines).encode() + b"\n",
            cwd=HERE, capture_output=True, check=True,
        )  # fmt: skip
        read = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(read) == len(heard)
        return [message | {"kind": one.kind} for message, one in zip(read, heard, strict=True)]

    def _hear(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        one = Heard(message.topic, message.payload, message.qos, message.retain)
        self.heard.append(one)


@dataclass
class Seen:
    """What a host knows after it has taken everything in."""

    births: list[int]
    """bdSeq of each NBIRTH."""
    deaths: list[int]
    """bdSeq of each NDEATH."""
    readings: list[dict[str, Any]]
    """Each DDATA: metric name to value, with `historical` and `time`."""
    known: list[dict[str, Any]]
    """Each DBIRTH: metric name to value."""

    def ids(self, name: str = "Result/ID") -> list[str]:
        return [one[name] for one in self.readings if name in one]


def take_in(messages: list[dict[str, Any]]) -> Seen:
    """Follow the messages as a host does; fails where the specification is broken."""
    seen = Seen([], [], [], [])
    expected: int | None = None
    """The next sequence number; None: no birth is in force."""
    names: dict[int, str] = {}
    has_device = False
    for message in messages:
        kind, metrics = message["kind"], message.get("metrics", [])
        assert message["timestamp"] > 1_700_000_000_000
        if kind == "NDEATH":
            assert "seq" not in message
            (metric,) = metrics
            assert metric["name"] == "bdSeq"
            seen.deaths.append(metric["value"])
            if seen.births and metric["value"] == seen.births[-1]:
                expected, has_device = None, False
            continue
        if kind == "NBIRTH":
            named = {metric["name"]: metric for metric in metrics}
            assert message["seq"] == 0
            assert named["bdSeq"]["type"] == "Int64"
            assert named["Node Control/Rebirth"]["value"] is False
            assert "alias" not in named["Node Control/Rebirth"]
            seen.births.append(named["bdSeq"]["value"])
            expected, has_device = 1, False
            continue
        assert expected is not None, f"{kind} before the birth of the node"
        assert message["seq"] == expected, kind
        expected = (expected + 1) % 256
        if kind == "DBIRTH":
            names = {metric["alias"]: metric["name"] for metric in metrics}
            assert len(names) == len(metrics)
            assert all(metric["type"] and "timestamp" in metric for metric in metrics)
            seen.known.append({metric["name"]: metric["value"] for metric in metrics})
            has_device = True
        elif kind == "DDATA":
            assert has_device
            assert not any("name" in metric for metric in metrics)
            values = {names[metric["alias"]]: metric["value"] for metric in metrics}
            flags = {bool(metric.get("isHistorical")) for metric in metrics}
            times = {metric["timestamp"] for metric in metrics}
            (historical,), (time,) = flags, times
            seen.readings.append(values | {"historical": historical, "time": time})
        else:
            assert kind == "DDEATH"
            has_device = False
    return seen
