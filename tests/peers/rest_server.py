"""A controller that speaks JSON over HTTP: the standard library's server. PORT.

With the variable PEER_PASSWORD it wants HTTP Basic of `keenline`, or that word as a token.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LOCK = threading.Lock()
INPUTS: dict[str, Any] = {
    "trigger": False,
    "part_id": "",
    "encoder": 0,
    "acknowledge": 0,
    "count": 0,
    "heartbeat_in": 0,
}
OUTPUTS: dict[str, Any] = {"own_bit": False}
MODE = {"requests": 0, "status": 200, "close": False, "connections": 0}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and content in one packet, as any server in earnest sends them.
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        MODE["connections"] += 1

    def do_GET(self) -> None:
        with _LOCK:
            plant = {"part": {"id": INPUTS["part_id"]}, **INPUTS}
            body = json.dumps(plant).encode()
        self._answer(body, {"/inputs"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._status({"/outputs"}) == 200:
            with _LOCK:
                found = json.loads(body)
                OUTPUTS.update(found.pop("result", {}))
                OUTPUTS.update(found)
        self._answer(b"", {"/outputs"})

    def _status(self, paths: set[str]) -> int:
        status = 404 if self.path not in paths else MODE["status"]
        word = os.environ.get("PEER_PASSWORD")
        if word is not None:
            basic = base64.b64encode(f"keenline:{word}".encode()).decode()
            if self.headers["Authorization"] not in (f"Basic {basic}", f"Bearer {word}"):
                status = 401
        return status

    def _answer(self, body: bytes, paths: set[str]) -> None:
        MODE["requests"] += 1
        self.send_response(self._status(paths))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or bool(MODE["close"])

    def log_message(self, *arguments: object) -> None:
        """Nobody reads it."""


def run() -> None:
    count = 0
    while True:
        count = (count + 1) % 60_000
        with _LOCK:
            INPUTS.update(encoder=count, part_id=f"P{count:08d}")
        with _LOCK:
            INPUTS.update(count=count)
        time.sleep(0.001)


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("UP", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "run" in request:
            threading.Thread(target=run, daemon=True).start()
        MODE.update(request.get("mode", {}))
        with _LOCK:
            for name, value in request.get("set", {}).items():
                (INPUTS if name in INPUTS else OUTPUTS)[name] = value
            everything = {**OUTPUTS, **INPUTS, **MODE}
            answer = {name: everything.get(name) for name in request.get("get", ())}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
