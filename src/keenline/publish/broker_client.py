"""Settings turned into a client of paho-mqtt that has not connected yet: the door of that package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keenline.errors import Code, EnvironmentMissing
from keenline.publish.broker_settings import BrokerSettings, Protocol

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties

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
    """Called on the network thread at each new connection."""
    hear: Callable[[str, bytes], None]
    """Called on the network thread with topic and payload of each message that comes."""


def new_client(settings: BrokerSettings, session: Session) -> Client:
    """A client with name, password and certificates, all read now: a changed password counts.

    Raises CredentialError, and EnvironmentMissing when paho-mqtt is not installed.
    """
    try:
        from paho.mqtt import client as paho
    except ModuleNotFoundError as missing:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Publishing by MQTT needs paho-mqtt",
            next="pip install 'keenline[mqtt]'",
        ) from missing
    versions = paho.MQTTProtocolVersion
    is_five = session.protocol == "5"
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2,
        session.client_id,
        clean_session=None if is_five else session.expiry_s == 0,
        protocol=versions.MQTTv5 if is_five else versions.MQTTv311,
    )
    client.connect_timeout = settings.timeout_s
    client.max_inflight_messages_set(0)  # no limit: `Connection.send` counts
    client.reconnect_delay_set(1, _SLOWEST_RETRY_S)
    if settings.username is not None:
        secret = None if settings.password is None else settings.password.read()
        client.username_pw_set(settings.username, secret)
    if settings.tls is not None:
        client.tls_set_context(settings.tls.context())
    return client


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
