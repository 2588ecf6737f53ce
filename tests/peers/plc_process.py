"""Starts a PLC peer as a process and talks to its program: one line of JSON each way."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_STARTS_WITHIN_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PlcProcess:
    """A PLC in a process of its own. Its program knows the signals by name.

    Every peer understands `{"set": {...}}`, `{"get": [...]}`, and `{"run": true}`, after which its
    program counts: each millisecond it writes encoder and part id, and then the trigger number.
    """

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.port = port
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, or start it again on the same port."""
        environment = os.environ | {"PYTHONWARNINGS": "ignore", "NODE_NO_WARNINGS": "1"}
        self._process = subprocess.Popen(
            [*self._command, str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=HERE,
        )
        while self._line(_STARTS_WITHIN_S) != "UP":
            pass

    def set(self, **values: bool | int | str) -> None:
        self._ask({"set": values})

    def get(self, *names: str) -> Any:
        """One value, or a tuple of several."""
        answer = self._ask({"get": names})
        return answer[names[0]] if len(names) == 1 else tuple(answer[name] for name in names)

    def run(self) -> None:
        self._ask({"run": True})

    def ask(self, **request: object) -> Any:
        return self._ask(request)

    @property
    def pid(self) -> int:
        """While it runs."""
        assert self._process is not None
        return self._process.pid

    def freeze(self) -> None:
        """It stops to answer, but its connections stay: half-open."""
        assert self._process is not None
        self._signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # it may still answer until it has stopped

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _ask(self, request: Mapping[str, object]) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._line(10.0))
        assert "error" not in answer, answer
        return answer

    def _line(self, seconds: float) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        end, line = time.monotonic() + seconds, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._process.stdout], [], [], end - time.monotonic())
            piece = os.read(self._process.stdout.fileno(), 1) if ready else b""
            if not piece:
                raise RuntimeError(f"the peer {self._command} says nothing (said {line!r})")
            line += piece
        return line.decode().strip()
