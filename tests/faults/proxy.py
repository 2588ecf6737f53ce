"""A port that leads to another one, until the network between them is cut or stalls."""

from __future__ import annotations

import selectors
import socket
import threading
from dataclasses import dataclass, field


@dataclass
class _Pair:
    """Two connected ends; what came from one and has not gone to the other."""

    ends: tuple[socket.socket, socket.socket]
    held: dict[socket.socket, bytes] = field(default_factory=dict)
    has_ended: bool = False
    """One end has gone; what it had sent before still arrives."""

    def other(self, end: socket.socket) -> socket.socket:
        return self.ends[1] if end is self.ends[0] else self.ends[0]


class Proxy:
    """Forwards TCP to a port on 127.0.0.1, on a thread of its own."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._chooser = selectors.DefaultSelector()
        self._chooser.register(self._listener, selectors.EVENT_READ)
        self._pairs: dict[socket.socket, _Pair] = {}
        self._is_cut = self._is_stalled = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy")
        self._thread.start()

    def cut(self) -> None:
        """Every connection ends at once, and new ones end as soon as they are made."""
        self._is_cut = True

    def stall(self) -> None:
        """Connections stay and nothing comes through: half-open."""
        self._is_stalled = True

    def recover(self) -> None:
        """The network is back. What was sent while it stalled comes now, late."""
        self._is_cut = self._is_stalled = False

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._drop_all()
        self._chooser.close()
        self._listener.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            if self._is_cut:
                self._drop_all()
            if not self._is_stalled:
                for pair in [pair for end, pair in self._pairs.items() if end is pair.ends[0]]:
                    self._release(pair)
            for key, _ in self._chooser.select(0.01):
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._listener:
                    self._accept()
                elif end in self._pairs:
                    self._take(end)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._target), 1.0)
        except OSError:
            near.close()
            return
        pair = _Pair((near, far))
        for end in pair.ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[end] = pair
            self._chooser.register(end, selectors.EVENT_READ)

    def _take(self, end: socket.socket) -> None:
        pair = self._pairs[end]
        try:
            data = end.recv(65536)
        except OSError:
            data = b""
        if not data:
            pair.has_ended = True
            self._chooser.unregister(end)
        pair.held[end] = pair.held.get(end, b"") + data
        if not self._is_stalled:
            self._release(pair)

    def _release(self, pair: _Pair) -> None:
        for end, data in list(pair.held.items()):
            del pair.held[end]
            try:
                pair.other(end).sendall(data)
            except OSError:
                self._drop(pair)
                return
        if pair.has_ended:
            self._drop(pair)

    def _drop_all(self) -> None:
        for pair in list(self._pairs.values()):
            self._drop(pair)

    def _drop(self, pair: _Pair) -> None:
        if pair.ends[0] not in self._pairs:
            return
        for end in pair.ends:
            if end in self._chooser.get_map():
                self._chooser.unregister(end)
            self._pairs.pop(end, None)
            end.close()
