"""Messages and a broker turned into confirmations: one connection that knows what has arrived.

paho-mqtt keeps what it has not delivered and sends it again; here the journal does that, so a
client in trouble is thrown away with all it holds and a new one made. Between two deliveries
paho keeps the connection, and makes it again, on its own thread.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from keenline.errors import Code, PublishError
from keenline.publish.broker_client import (
    Message,
    Session,
    new_client,
    publish_properties,
    session_start,
)
from keenline.publish.broker_settings import BrokerSettings

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties

_LOG = logging.getLogger(__name__)
_NO_LIMIT = 268_435_455  # largest remaining length of a packet (MQTT 5, 1.5.5)


class Connection:
    """A connection that is made when needed and made again when lost."""

    def __init__(self, settings: BrokerSettings, session: Session) -> None:
        self._settings = settings
        self._session = session
        self._client: Client | None = None
        self._changed = threading.Condition()
        # All below are guarded by `_changed`. It is never held while paho is called: paho calls
        # back while it holds locks of its own.
        self._number = 0
        self._is_up = self._is_closed = False
        self._trouble: str | None = None
        self._is_refused = False
        self._answered: dict[int, int] = {}
        self._allowed = settings.in_flight
        self._packet_limit = _NO_LIMIT

    @property
    def is_up(self) -> bool:
        with self._changed:
            return self._is_up

    @property
    def packet_limit(self) -> int:
        """Largest packet in bytes that the broker takes, as far as it said so."""
        with self._changed:
            return self._packet_limit

    def ensure(self) -> None:
        """Connect where there is no connection.

        Raises PublishError: BROKER_UNREACHABLE, or BROKER_REFUSED when it knows us but does not
        want us; CredentialError; EnvironmentMissing when paho-mqtt is not installed.
        """
        with self._changed:
            if self._is_closed:
                raise self._failure("the publisher was closed")
            if self._is_up:
                return
        self._drop()
        self._connect()

    def send(self, messages: Iterable[Message]) -> None:
        """Publish in order; returns when the broker has confirmed each that has QoS 1.

        Raises as `ensure` does, and BROKER_UNREACHABLE when the connection is lost or a message
        is not confirmed in time. Some may then have arrived, and the connection is given up.
        """
        self.ensure()
        with self._changed:
            self._answered.clear()
            number, allowed = self._number, self._allowed
        waiting: deque[int] = deque()
        try:
            for message in messages:
                if len(waiting) >= allowed:
                    self._answer(waiting.popleft(), number)
                mid = self.put(message)
                if message.qos:
                    waiting.append(mid)
            while waiting:
                self._answer(waiting.popleft(), number)
        except PublishError:
            self._drop()
            raise

    def put(self, message: Message) -> int:
        """Hand one message to the network thread without waiting; its number. Raises
        PublishError BROKER_UNREACHABLE when there is no connection."""
        client = self._client
        if client is None:
            raise self._failure("there is no connection")
        done = client.publish(
            message.topic,
            message.payload,
            message.qos,
            message.retain,
            publish_properties(message, self._session.protocol),
        )
        if done.rc:
            raise self._failure(f"the message was not accepted for sending (paho {int(done.rc)})")
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
            raise self._failure("there is no connection")
        code, mid = client.unsubscribe(f"keenline/fence/{number}")
        if code or mid is None:
            raise self._failure("there is no connection")
        try:
            self._answer(mid, number)
        except PublishError:
            self._drop()
            raise

    @property
    def number(self) -> int:
        """Counts the connections, from 1; 0 before the first."""
        with self._changed:
            return self._number

    def close(self, last_words: Iterable[Message] = ()) -> None:
        """Say `last_words` and go, where there is a connection; never waits for long."""
        client = self._client
        with self._changed:
            polite = self._is_up
            self._is_closed = True
            self._changed.notify_all()
        if polite and client is not None:
            try:
                mids = [self.put(message) for message in last_words]
                with self._changed:
                    self._changed.wait_for(lambda: all(mid in self._answered for mid in mids), 1.0)
            except PublishError:
                _LOG.info("the broker at %s went before we did", self._settings.address)
            client.disconnect()
            with self._changed:
                self._changed.wait_for(lambda: not self._is_up, 1.0)
        self._drop()

    def drop(self, why: str) -> None:
        """Give the connection up, as if it were lost: the broker sends the will."""
        with self._changed:
            self._trouble = why
        self._drop()

    # Making and giving up

    def _connect(self) -> None:
        settings = self._settings
        client = new_client(settings, self._session)
        with self._changed:
            self._trouble, self._is_refused = None, False
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
        except OSError as error:
            self._client = None
            self._is_refused = isinstance(error, ssl.SSLError)
            raise self._failure(error.strerror or type(error).__name__) from error
        client.loop_start()
        with self._changed:
            done = self._changed.wait_for(
                lambda: self._is_up or self._is_closed or self._trouble is not None,
                settings.timeout_s,
            )
            trouble = "the publisher was closed" if self._is_closed else self._trouble
            if done and trouble is None:
                return
        self._drop()
        raise self._failure(trouble or f"no answer within {settings.timeout_s:g} s")

    def _drop(self) -> None:
        client, self._client = self._client, None
        with self._changed:
            self._is_up = False
            self._changed.notify_all()
        if client is None:
            return
        line = client.socket()
        if isinstance(line, socket.socket):
            # Even where nothing can be sent any more, this ends the network thread. Called on
            # the plain socket, because ending TLS first would wait for the other side.
            try:
                socket.socket.shutdown(line, socket.SHUT_RDWR)
            except OSError:
                _LOG.debug("the connection to %s was already gone", self._settings.address)
        client.disconnect()
        client.loop_stop()

    # Waiting

    def _answer(self, mid: int, number: int) -> None:
        with self._changed:
            done = self._changed.wait_for(
                lambda: mid in self._answered or not self._is_up or self._number != number,
                self._settings.timeout_s,
            )
            code = self._answered.pop(mid, None)
            trouble = self._trouble
        if code is None:
            if done:
                raise self._failure(trouble or "the connection was lost")
            raise self._failure(f"a message was not confirmed in {self._settings.timeout_s:g} s")
        if code >= 0x80:  # MQTT 5, 2.4: from here on, reason codes are failures
            with self._changed:
                self._is_refused = True
            raise self._failure(f"a message was refused with reason code {code:#x}")

    def _failure(self, got: str) -> PublishError:
        if self._is_refused:
            return PublishError(
                Code.BROKER_REFUSED,
                "The broker and this station do not accept each other",
                where=self._settings.address,
                got=got,
                next="check username, password, certificates, and what the broker lets it publish",
            )
        return PublishError(
            Code.BROKER_UNREACHABLE,
            "The broker cannot be reached",
            where=self._settings.address,
            got=got,
            next="nothing is lost: what waits in the journal is sent once the broker is back",
        )

    # Called by paho on its network thread

    def _before(self, client: Client, _: object) -> None:
        will = self._session.will()
        client.will_set(will.topic, will.payload, will.qos, will.retain)

    def _connected(
        self, client: Client, _data: object, _flags: object, reason: Any, told: Properties | None
    ) -> None:
        if client is not self._client:
            return
        with self._changed:
            if reason.is_failure:
                self._trouble, self._is_refused = str(reason), True
                self._changed.notify_all()
                return
            self._number += 1
            most = getattr(told, "ReceiveMaximum", self._settings.in_flight)
            self._allowed = min(self._settings.in_flight, most)
            self._packet_limit = getattr(told, "MaximumPacketSize", _NO_LIMIT)
        # Before anybody else may publish in this connection.
        self._session.greet()
        with self._changed:
            self._trouble, self._is_up, self._is_refused = None, True, False
            self._changed.notify_all()

    def _disconnected(
        self, client: Client, _data: object, _flags: object, reason: Any, _told: object
    ) -> None:
        if client is not self._client:
            return
        with self._changed:
            self._is_up = False
            self._trouble = self._trouble or f"the connection was lost: {reason}"
            self._changed.notify_all()

    def _published(
        self, client: Client, _data: object, mid: int, reason: Any, _told: object
    ) -> None:
        self._note(client, mid, int(reason.value))

    def _unsubscribed(
        self, client: Client, _data: object, mid: int, _reasons: object, _told: object
    ) -> None:
        self._note(client, mid, 0)

    def _note(self, client: Client, mid: int, code: int) -> None:
        if client is self._client:
            with self._changed:
                self._answered[mid] = code
                self._changed.notify_all()

    def _heard(self, client: Client, _data: object, message: Any) -> None:
        if client is self._client:
            self._session.hear(message.topic, bytes(message.payload))
