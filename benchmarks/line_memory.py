"""Servers of PLC protocols turned into signals that a PLC's program puts and takes by name."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any, Protocol

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

_REGISTERS, _TEXT = 128, 8
_MODBUS = {
    "heartbeat_in": 0,
    "acknowledge": 4,
    "count": 5,
    "trigger": 6,
    "part_id": 8,
    "ready": 64,
    "passed": 66,
    "rejected": 67,
    "divert": 68,
    "fault_code": 70,
    "result_number": 71,
    "result_part_id": 72,
    "result_valid": 81,
}
"""Registers; `line_config.py` tells the station the same ones."""


class Memory(Protocol):
    """The signals of a PLC by name, as station and program see them."""

    def put(self, **values: Any) -> None: ...

    def take(self, name: str) -> Any: ...


class S7Memory:
    """Data blocks of the server of libsnap7, which answers on threads of C."""

    def __init__(self, library: str, port: int) -> None:
        from tests.peers.s7_server import Server

        self._server = Server(library, port)
        self.put, self.take = self._server.put, self._server.take


class ModbusMemory:
    """Registers of a server of pymodbus, on a thread of its own."""

    def __init__(self, port: int) -> None:
        self._registers = [0] * _REGISTERS
        """The server's own, once it was asked for the first time."""
        self._port = port
        self._is_up = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._is_up.wait()

    def put(self, **values: Any) -> None:
        for name, value in values.items():
            if name == "part_id":
                raw = value.encode("latin-1").ljust(2 * _TEXT, b"\0")
                for n in range(_TEXT):
                    self._registers[8 + n] = raw[2 * n] << 8 | raw[2 * n + 1]
            else:
                self._registers[_MODBUS[name]] = int(value)

    def take(self, name: str) -> Any:
        at = _MODBUS[name]
        if name != "result_part_id":
            return self._registers[at]
        words = self._registers[at : at + _TEXT]
        return b"".join(word.to_bytes(2, "big") for word in words).decode("latin-1").rstrip("\0")

    async def _serve(self) -> None:
        from pymodbus.server import ModbusTcpServer
        from pymodbus.simulator import DataType, SimData, SimDevice

        async def asked(
            _function: int, _start: int, _at: int, _count: int, registers: list[int], _new: object
        ) -> None:
            self._registers = registers

        registers = SimData(0, count=_REGISTERS, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(1, registers, action=asked)
        server = ModbusTcpServer(device, address=("127.0.0.1", self._port))
        await server.serve_forever(background=True)
        self._is_up.set()
        await asyncio.Event().wait()
