"""An S7 PLC: the server of the C library libsnap7 with a program in front. LIBRARY PORT."""

from __future__ import annotations

import ctypes
import json
import struct
import sys
import threading
import time
from typing import Any

_PORT_PARAMETER = 1
_DB, _MK = 5, 2
_HALT = threading.Event()

BITS = {
    "trigger": (1, 0, 0),
    "plc_bit": (1, 0, 1),
    "ready": (2, 0, 0),
    "busy": (2, 0, 1),
    "result_valid": (2, 0, 2),
    "passed": (2, 0, 3),
    "rejected": (2, 0, 4),
    "fault": (2, 0, 6),
    "own_bit": (2, 0, 7),
    "divert": ("M", 5, 3),
    "own_flag": ("M", 5, 2),
}
NUMBERS = {
    "heartbeat_in": (1, 2, ">h"),
    "encoder": (1, 4, ">i"),
    "acknowledge": (1, 8, ">H"),
    "count": (1, 10, ">H"),
    "far": (1, 200, ">i"),
    "fault_code": (2, 2, ">H"),
    "result_number": (2, 4, ">H"),
    "heartbeat": (2, 26, ">h"),
    "narrow": (2, 30, ">H"),
}
TEXTS = {"part_id": (1, 14, 16), "result_part_id": (2, 8, 16)}


class Server:
    def __init__(self, path: str, port: int) -> None:
        self.library = ctypes.CDLL(path)
        self.library.Srv_Create.restype = ctypes.c_void_p
        self.server = ctypes.c_void_p(self.library.Srv_Create())
        number = ctypes.c_uint16(port)
        self._call("SetParam", _PORT_PARAMETER, ctypes.byref(number))
        self.blocks: dict[Any, Any] = {
            1: (ctypes.c_uint8 * 256)(),
            2: (ctypes.c_uint8 * 64)(),
            "M": (ctypes.c_uint8 * 16)(),
        }
        for name, block in self.blocks.items():
            area, index = (_MK, 0) if name == "M" else (_DB, name)
            self._call("RegisterArea", area, index, ctypes.byref(block), ctypes.sizeof(block))
        for name, (block, at, length) in TEXTS.items():
            del name
            self.blocks[block][at] = length
        self._call("StartTo", b"127.0.0.1")

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self.library, f"Srv_{name}")(self.server, *arguments)
        assert code == 0, f"{name}: {code:#x}"

    def put(self, **values: Any) -> None:
        for name, value in values.items():
            if name in BITS:
                block, byte, bit = BITS[name]
                old = self.blocks[block][byte] & ~(1 << bit)
                self.blocks[block][byte] = old | bool(value) << bit
            elif name in NUMBERS:
                block, at, form = NUMBERS[name]
                self._bytes(block, at, struct.pack(form, value))
            elif name == "part_id_raw":
                self._bytes(1, 14, bytes.fromhex(value))
            else:
                block, at, length = TEXTS[name]
                text = value.encode("latin-1")
                self._bytes(block, at, bytes([length, len(text)]) + text)

    def _bytes(self, block: Any, at: int, data: bytes) -> None:
        ctypes.memmove(ctypes.byref(self.blocks[block], at), data, len(data))

    def take(self, name: str) -> Any:
        if name in BITS:
            block, byte, bit = BITS[name]
            return bool(self.blocks[block][byte] >> bit & 1)
        if name in NUMBERS:
            block, at, form = NUMBERS[name]
            return struct.unpack_from(form, bytes(self.blocks[block]), at)[0]
        block, at, _ = TEXTS[name]
        raw = bytes(self.blocks[block])[at:]
        return raw[2 : 2 + raw[1]].decode("latin-1")

    def run(self) -> None:
        count = 0
        while not _HALT.wait(0.001):
            count = (count + 1) % 60_000
            self.library.Srv_LockArea(self.server, _DB, 1)
            self.put(encoder=count, part_id=f"P{count:08d}")
            self.library.Srv_UnlockArea(self.server, _DB, 1)
            time.sleep(0)
            self.put(count=count)


def main() -> None:
    server = Server(sys.argv[1], int(sys.argv[2]))
    print("UP", flush=True)
    for line in sys.stdin:
        request, answer = json.loads(line), {}
        if "run" in request:
            threading.Thread(target=server.run, daemon=True).start()
        server.put(**request.get("set", {}))
        answer = {name: server.take(name) for name in request.get("get", ())}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
