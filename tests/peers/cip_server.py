"""A PLC with EtherNet/IP: the server of cpppo with a program in front. PORT.

The program reads and writes its own tags with cpppo's client, as another controller would.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from cpppo.server.enip import client
from cpppo.server.enip.main import main as serve

TAGS = {
    "trigger": ("Trigger", "BOOL"),
    "part_id": ("Part.Id", "STRING"),
    "encoder": ("Encoder", "DINT"),
    "acknowledge": ("Acknowledge", "UINT"),
    "count": ("Count", "UINT"),
    "heartbeat_in": ("PlcBeat", "INT"),
    "ready": ("Ready", "BOOL"),
    "busy": ("Busy", "BOOL"),
    "result_valid": ("ResultValid", "BOOL"),
    "passed": ("Passed", "BOOL"),
    "rejected": ("Rejected@0x93/1/1", "BOOL"),
    "divert": ("Divert@0x93/1/2", "BOOL"),
    "fault": ("Fault", "BOOL"),
    "own_bit": ("Own", "BOOL"),
    "fault_code": ("FaultCode@0x93/1/3", "DINT"),
    "result_number": ("ResultNumber", "INT"),
    "result_part_id": ("ResultPartId", "SSTRING"),
    "heartbeat": ("Beat", "INT"),
    "narrow": ("Narrow", "UINT"),
    "level": ("Level", "REAL"),
}


def name_of(signal: str) -> str:
    return TAGS[signal][0].split("@")[0]


class Program:
    def __init__(self, port: int) -> None:
        self.connection = client.connector("127.0.0.1", port, timeout=5)
        self.lock = threading.Lock()

    def put(self, values: dict[str, Any]) -> None:
        operations = []
        for name, value in values.items():
            is_text = isinstance(value, str)
            words = f"{name_of(name)}=({TAGS[name][1]}){'x' if is_text else int(value)}"
            (operation,) = client.parse_operations([words])
            if is_text:  # as it is: the words of the client know no escapes
                operation["data"] = [value]
            operations.append(operation)
        self._do(operations)

    def take(self, names: list[str]) -> dict[str, Any]:
        found = self._do(list(client.parse_operations([name_of(name) for name in names])))
        return {
            name: bool(value) if TAGS[name][1] == "BOOL" else value
            for name, value in zip(names, found, strict=True)
        }

    def run(self) -> None:
        count = 0
        while True:
            count = (count + 1) % 60_000
            self.put({"encoder": count, "part_id": f"P{count:08d}"})
            self.put({"count": count})

    def _do(self, operations: list[Any]) -> list[Any]:
        values: list[Any] = []
        with self.lock, self.connection:
            for *_, status, value in self.connection.synchronous(operations=operations):
                assert status == 0, (operations, status)
                values.append(value[0] if isinstance(value, list) else value)
        return values


def main() -> None:
    port = int(sys.argv[1])
    tags = [f"{name}={kind}" for name, kind in TAGS.values()]
    options = ["--no-udp", "--no-config", "-a", f"127.0.0.1:{port}", *tags]
    threading.Thread(target=serve, kwargs={"argv": options}, daemon=True).start()
    for _ in range(100):
        try:
            program = Program(port)
            break
        except OSError:
            time.sleep(0.1)
    print("UP", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "run" in request:
            threading.Thread(target=program.run, daemon=True).start()
        if request.get("set"):
            program.put(request["set"])
        print(json.dumps(program.take(request.get("get", []))), flush=True)


if __name__ == "__main__":
    main()
