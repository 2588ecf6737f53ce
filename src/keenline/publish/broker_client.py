"""Settings turned into a client of paho-mqtt that has not connected yet: the package's door."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keenline.errors import Code, EnvironmentMissing, PublishError
from keenline.publish.broker_settings import BrokerSettings, Protocol

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties

_LOG = logging.getLogger(__name__)
_SLOWEST_RETRY_S = 30


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to publish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    properties: tuple[tuple[str, str], ...] = ()
    """MQTT 5 user properties; left out under 3.1.1."""


@dataclass(frozen=True, slots=True)
class Session:
    """How a publisher presents itself to the broker."""

    client_id: str
    protocol: Protocol
    expiry_s: int
    """The broker keeps the session so long after the connection; 0: not at all."""
    will: Callable[[], Message]
    """Called before each attempt to connect: what the broker tells others when we are gone."""
    greet: Callable[[], None]
    """Called on the network thread at each new connection, which counts as up once the broker has
    confirmed what was `put` then."""
    hear: Callable[[str, bytes], None]
    """Called on the network thread with topic and payload of each message that comes."""


def new_client(settings: BrokerSettings, session: Session) -> Client:
    """A client with name, password and certificates, all read now: a changed password counts.

    Raises CredentialError, and EnvironmentMissing when paho-mqtt is not installed.
    """
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
    except ModuleNotFoundError as missing:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Publishing by MQTT needs paho-mqtt",
            next="pip install 'keenline[mqtt]'",
        ) from missing
    is_five = session.protocol == "5"
    client = Client(
        CallbackAPIVersion.VERSION2,
        session.client_id,
        clean_session=None if is_five else session.expiry_s == 0,
        protocol=MQTTProtocolVersion.MQTTv5 if is_five else MQTTProtocolVersion.MQTTv311,
    )
    client.connect_timeout = settings.timeout_s
    client.max_inflight_messages_set(0)  # no limit: `Connection.send` counts
    client.reconnect_delay_set(1, _SLOWEST_RETRY_S)
    client.on_socket_open = _send_at_once
    if settings.username is not None:
        secret = None if settings.password is None else settings.password.read()
        client.username_pw_set(settings.username, secret)
    if settings.tls is not None:
        client.tls_set_context(settings.tls.context())
    return client


def end_client(client: Client) -> None:
    """Cut its connection and end its thread; what it has not delivered goes with it.

    The broker is not told, so it sends the will. Even where nothing can be sent any more, this
    ends the network thread.
    """
    line = client.socket()
    if isinstance(line, socket.socket):
        # On the plain socket: ending TLS first would wait for the other side.
        try:
            socket.socket.shutdown(line, socket.SHUT_RDWR)
        except OSError:
            _LOG.debug("the connection was already gone")
    client.disconnect()
    client.loop_stop()


def session_start(session: Session) -> dict[str, Any]:
    """What `Client.connect` is told of the session under MQTT 5."""
    if session.protocol != "5":
        return {}
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = session.expiry_s
    return {"clean_start": session.expiry_s == 0, "properties": properties}


def publish_properties(message: Message, protocol: Protocol) -> Properties | None:
    """The properties of one message; there are none under 3.1.1."""
    if protocol != "5" or not message.properties:
        return None
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = list(message.properties)
    properties.ContentType = "application/json"
    properties.PayloadFormatIndicator = 1
    return properties


def unreachable(address: str, got: str) -> PublishError:
    """The error for a broker that is not there, or went, or does not answer."""
    return PublishError(
        Code.BROKER_UNREACHABLE,
        "The broker cannot be reached",
        where=address,
        got=got,
        next="nothing is lost: what waits in the journal is sent once the broker is back",
    )


def refused(address: str, got: str) -> PublishError:
    """The error for a broker that is there and does not want us, or that we do not trust."""
    return PublishError(
        Code.BROKER_REFUSED,
        "The broker and this station do not accept each other",
        where=address,
        got=got,
        next="check username, password, certificates, and what the broker lets it publish",
    )


def _send_at_once(_client: object, _data: object, line: object) -> None:
    # Else a small packet behind another waits for the other side's acknowledgement, which that
    # side delays: 44 ms instead of 0.2 for one Sparkplug reading and the packet behind it.
    if isinstance(line, socket.socket):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
