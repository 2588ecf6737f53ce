"""What a broker said, on one thread, turned into what another thread waits for."""

from __future__ import annotations

import threading

from keenline.errors import PublishError
from keenline.publish.broker_client import refused, unreachable
from keenline.publish.broker_settings import BrokerSettings

_FAILURE = 0x80  # MQTT 5, 2.4: from here on, reason codes are failures
_NO_LIMIT = 268_435_455  # largest remaining length of a packet (MQTT 5, 1.5.5)


class Standing:
    """How a connection stands: whether it is up, and which messages were answered.

    Its lock is never held while paho is called: paho calls back while it holds locks of its own.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._changed = threading.Condition()
        self._number = 0
        self._is_up = self._is_closed = self._is_refused = False
        self._trouble: str | None = None
        self._answered: dict[int, int] = {}
        self._greeting: set[int] | None = None
        self._allowed = settings.in_flight
        self._packet_limit = _NO_LIMIT

    @property
    def is_up(self) -> bool:
        with self._changed:
            return self._is_up

    @property
    def is_closed(self) -> bool:
        with self._changed:
            return self._is_closed

    @property
    def number(self) -> int:
        """Counts the connections, from 1; 0 before the first."""
        with self._changed:
            return self._number

    @property
    def allowed(self) -> int:
        """Messages that may be without an answer."""
        with self._changed:
            return self._allowed

    @property
    def packet_limit(self) -> int:
        """In bytes."""
        with self._changed:
            return self._packet_limit

    def failure(self, got: str) -> PublishError:
        """The error for why there is no connection."""
        with self._changed:
            error = refused if self._is_refused else unreachable
        return error(self._settings.address, got)

    # The thread that publishes

    def clear(self) -> None:
        """Forget answers that nobody waits for."""
        with self._changed:
            self._answered.clear()

    def attempt(self) -> None:
        """A connection is about to be made."""
        with self._changed:
            self._trouble, self._is_refused, self._greeting = None, False, None

    def await_up(self) -> None:
        """Raises PublishError when the broker does not accept in time."""
        limit = self._settings.timeout_s
        with self._changed:
            done = self._changed.wait_for(
                lambda: self._is_up or self._is_closed or self._trouble is not None, limit
            )
            trouble = "the publisher was closed" if self._is_closed else self._trouble
        if not done or trouble is not None:
            raise self.failure(trouble or f"no answer within {limit:g} s")

    def await_answer(self, mid: int, number: int) -> None:
        """Returns when the broker has taken message `mid` of connection `number`; raises
        PublishError when it refuses it, or does not answer in time."""
        limit = self._settings.timeout_s
        with self._changed:
            done = self._changed.wait_for(
                lambda: mid in self._answered or not self._is_up or self._number != number, limit
            )
            code, trouble = self._answered.pop(mid, None), self._trouble
        if code is None:
            if done:
                raise self.failure(trouble or "the connection was lost")
            raise self.failure(f"a message was not confirmed in {limit:g} s")
        if code >= _FAILURE:
            raise refused(self._settings.address, f"a message got the reason code {code:#x}")

    def await_answers(self, mids: list[int], limit_s: float) -> None:
        """Returns when each is answered, at the latest after `limit_s`."""
        with self._changed:
            self._changed.wait_for(lambda: all(mid in self._answered for mid in mids), limit_s)

    def await_down(self, limit_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_up, limit_s)

    def shut(self) -> bool:
        """There will be no more connections; whether there is one now."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            return self._is_up

    # The thread of the network

    def accepted(self, most: int | None, packet_limit: int | None) -> None:
        """A new connection; what is put from now on is its greeting. None: the broker said none."""
        with self._changed:
            self._number += 1
            self._allowed = min(self._settings.in_flight, most or self._settings.in_flight)
            self._packet_limit = packet_limit or _NO_LIMIT
            self._greeting = set()

    def put(self, mid: int) -> None:
        """A message that will be answered was handed over."""
        with self._changed:
            if self._greeting is not None:
                self._greeting.add(mid)

    def greeted(self) -> None:
        """The greeting was put. Until all of it is answered the connection does not count as up:
        it would add to what is `allowed`."""
        with self._changed:
            if not self._greeting:
                self._greeting = None
                self._trouble, self._is_up, self._is_refused = None, True, False
                self._changed.notify_all()

    def answered(self, mid: int, code: int) -> None:
        with self._changed:
            greeting = self._greeting
            if greeting is None:
                self._answered[mid] = code
                self._changed.notify_all()
                return
            greeting.discard(mid)
        if code >= _FAILURE:
            self.failed(f"the first message got the reason code {code:#x}", is_refused=True)
        else:
            self.greeted()

    def failed(self, why: str, *, is_refused: bool = False) -> None:
        """There is no connection, for a reason that waiting does not mend."""
        with self._changed:
            self._trouble, self._is_refused = why, is_refused
            self._changed.notify_all()

    def lost(self, why: str | None = None) -> None:
        """The connection is gone; an earlier reason stands."""
        with self._changed:
            self._is_up, self._greeting = False, None
            self._trouble = self._trouble or why
            self._changed.notify_all()
