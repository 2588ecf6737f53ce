"""Messages and a broker turned into confirmations: one connection that knows what has arrived.

paho-mqtt keeps what it has not delivered and sends it again; here the journal does that, so a
client in trouble is thrown away with all it holds and a new one made. Between two deliveries
paho keeps the connection, and makes it again, on its own thread.
"""

from __future__ import annotations

import logging
import ssl
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from keenline.errors import PublishError
from keenline.publish.broker_client import (
    Message,
    Session,
    end_client,
    new_client,
    publish_properties,
    session_start,
)
from keenline.publish.broker_settings import BrokerSettings
from keenline.publish.broker_standing import Standing

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties

_LOG = logging.getLogger(__name__)
_LAST_WORDS_S = 1.0


class Connection:
    """A connection that is made when needed and made again when lost."""

    def __init__(self, settings: BrokerSettings, session: Session) -> None:
        self._settings = settings
        self._session = session
        self._client: Client | None = None
        self._standing = Standing(settings)

    @property
    def is_up(self) -> bool:
        return self._standing.is_up

    @property
    def packet_limit(self) -> int:
        """Largest packet in bytes that the broker takes, as far as it said so."""
        return self._standing.packet_limit

    @property
    def number(self) -> int:
        """Counts the connections, from 1; 0 before the first."""
        return self._standing.number

    def ensure(self) -> None:
        """Connect where there is no connection.

        Raises PublishError: BROKER_UNREACHABLE, or BROKER_REFUSED when it knows us but does not
        want us; CredentialError; EnvironmentMissing when paho-mqtt is not installed.
        """
        if self._standing.is_closed:
            raise self._standing.failure("the publisher was closed")
        if not self._standing.is_up:
            self._drop()
            self._connect()

    def send(self, messages: Iterable[Message]) -> None:
        """Publish in order; returns when the broker has confirmed each that has QoS 1.

        Raises as `ensure` does, and BROKER_UNREACHABLE when the connection is lost or a message
        is not confirmed in time. Some may then have arrived, and the connection is given up.
        """
        self.ensure()
        self._standing.clear()
        number, allowed = self._standing.number, self._standing.allowed
        waiting: deque[int] = deque()
        try:
            for message in messages:
                if len(waiting) >= allowed:
                    self._standing.await_answer(waiting.popleft(), number)
                mid = self.put(message)
                if message.qos:
                    waiting.append(mid)
            while waiting:
                self._standing.await_answer(waiting.popleft(), number)
        except PublishError:
            self._drop()
            raise

    def put(self, message: Message) -> int:
        """Hand one message to the network thread without waiting; its number. Raises
        PublishError BROKER_UNREACHABLE when there is no connection."""
        client = self._client
        if client is None:
            raise self._standing.failure("there is no connection")
        done = client.publish(
            message.topic,
            message.payload,
            message.qos,
            message.retain,
            publish_properties(message, self._session.protocol),
        )
        if done.rc:
            got = f"the message was not accepted for sending (paho {int(done.rc)})"
            raise self._standing.failure(got)
        if message.qos:
            self._standing.put(done.mid)
        return done.mid

    def listen(self, topic: str) -> None:
        """Subscribe with QoS 1, without waiting."""
        if self._client is not None:
            self._client.subscribe(topic, 1)

    def fence(self, number: int) -> None:
        """Wait until the broker has read all that was sent in connection `number`.

        For messages of QoS 0, which nobody confirms: a broker reads the packets of one connection
        in their order, so its answer to a packet sent after them says that it has read them. The
        packet gives up a subscription that never was, which changes nothing.
        """
        client = self._client
        if client is None:
            raise self._standing.failure("there is no connection")
        code, mid = client.unsubscribe(f"keenline/fence/{number}")
        if code or mid is None:
            raise self._standing.failure("there is no connection")
        try:
            self._standing.await_answer(mid, number)
        except PublishError:
            self._drop()
            raise

    def close(self, last_words: Iterable[Message] = ()) -> None:
        """Say `last_words` and go, where there is a connection; never waits for long."""
        client = self._client
        if self._standing.shut() and client is not None:
            try:
                mids = [self.put(message) for message in last_words]
                self._standing.await_answers(mids, _LAST_WORDS_S)
            except PublishError:
                _LOG.info("the broker at %s went before we did", self._settings.address)
            client.disconnect()
            self._standing.await_down(_LAST_WORDS_S)
        self._drop()

    def drop(self, why: str) -> None:
        """Give the connection up, as if it were lost: the broker sends the will."""
        self._standing.lost(why)
        self._drop()

    def _connect(self) -> None:
        settings = self._settings
        client = new_client(settings, self._session)
        self._standing.attempt()
        client.on_pre_connect = self._before
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_publish = self._published
        client.on_unsubscribe = self._unsubscribed
        client.on_message = self._heard
        self._client = client
        try:
            client.connect(
                settings.host,
                settings.port,
                settings.keepalive_s,
                **session_start(self._session),
            )
            client.loop_start()
            self._standing.await_up()
        # UnicodeError: the answer to a host name that can be none.
        except (OSError, UnicodeError) as error:
            self._drop(client)
            got = getattr(error, "strerror", None) or str(error)
            self._standing.failed(got, is_refused=_is_distrust(error))
            raise self._standing.failure(got) from error
        except PublishError:
            self._drop(client)
            raise

    def _drop(self, client: Client | None = None) -> None:
        """Give up the client there is, and `client`, which `close` may have taken away already."""
        there, self._client = self._client, None
        self._standing.lost()
        for one in {there, client}:
            if one is not None:
                end_client(one)

    # Called by paho on its network thread

    def _before(self, client: Client, _: object) -> None:
        will = self._session.will()
        client.will_set(will.topic, will.payload, will.qos, will.retain)

    def _connected(
        self, client: Client, _data: object, _flags: object, reason: Any, told: Properties | None
    ) -> None:
        if client is not self._client:
            return
        if reason.is_failure:
            self._standing.failed(str(reason), is_refused=True)
            return
        most = getattr(told, "ReceiveMaximum", None)
        self._standing.accepted(most, getattr(told, "MaximumPacketSize", None))
        try:
            self._session.greet()
        except PublishError as error:
            self._standing.failed(error.got or error.what)
        else:
            self._standing.greeted()

    def _disconnected(
        self, client: Client, _data: object, _flags: object, reason: Any, _told: object
    ) -> None:
        if client is self._client:
            self._standing.lost(f"the connection was lost: {reason}")

    def _published(
        self, client: Client, _data: object, mid: int, reason: Any, _told: object
    ) -> None:
        if client is self._client:
            self._standing.answered(mid, int(reason.value))

    def _unsubscribed(
        self, client: Client, _data: object, mid: int, _reasons: object, _told: object
    ) -> None:
        if client is self._client:
            self._standing.answered(mid, 0)

    def _heard(self, client: Client, _data: object, message: Any) -> None:
        if client is self._client:
            self._session.hear(message.topic, bytes(message.payload))


def _is_distrust(error: Exception) -> bool:
    """TLS failed, and not because the other side went meanwhile."""
    went = ssl.SSLEOFError | ssl.SSLZeroReturnError
    return isinstance(error, ssl.SSLError) and not isinstance(error, went)
