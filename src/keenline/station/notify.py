"""A station's state told to systemd (sd_notify), which restarts a station that stops saying so.

The protocol is a datagram to the socket that `NOTIFY_SOCKET` names: systemd, sd_notify(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class ServiceManager:
    """Talks to systemd where it started us, to nobody elsewhere."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        known = os.environ if environment is None else environment
        address = known.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is in the abstract namespace of Linux.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog = known.get("WATCHDOG_USEC", "")
        self.interval_s = int(watchdog) / 2e6 if watchdog.isdigit() else 5.0
        """How often `alive` should be called: twice in the time that systemd waits."""

    def ready(self, words: str) -> None:
        """The station is started."""
        self._tell(f"READY=1\nSTATUS={words}")

    def alive(self, words: str) -> None:
        """The station keeps its deadlines."""
        self._tell(f"WATCHDOG=1\nSTATUS={words}")

    def stopping(self) -> None:
        """The station is being stopped."""
        self._tell("STOPPING=1\nSTATUS=stopping")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            try:
                link.connect(self._address)
                link.sendall(text.encode())
            except OSError:
                return  # nobody listens any more; systemd's own watch decides what follows
