"""EtherNet/IP messages over a socket, each call of it within the deadline of the port's call.

pycomm3 takes it in the place of its own socket, whose time-out begins anew with each piece of a
message, and which turns for ever when the peer ends within one.
"""

from __future__ import annotations

import socket

from keenline.devices.plc_signals import Deadline

_HEADER = 24
"""Bytes of an encapsulation header; its second word is the length of what follows (CIP Networks
Library Volume 2, 2-3.1)."""


class Wire:
    """A socket as pycomm3 uses one, every call within the deadline of the port's call."""

    def __init__(self) -> None:
        self.deadline = Deadline(0)
        self._socket: socket.socket | None = None

    def connect(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), self.deadline.left())
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, message: bytes, timeout: float = 0) -> int:
        del timeout
        self._ready().sendall(message)
        return len(message)

    def receive(self, timeout: float = 0) -> bytes:
        del timeout
        head = self._exactly(_HEADER)
        return head + self._exactly(int.from_bytes(head[2:4], "little"))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._ready().recv(size - len(data))
            if not piece:
                raise ConnectionError("closed by the PLC")
            data += piece
        return data

    def _ready(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected")
        self._socket.settimeout(self.deadline.left())
        return self._socket
