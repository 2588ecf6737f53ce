"""A Modbus PLC against the server of npm modbus-serial."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from tests.devices.plc_contract import TIMEOUT_MS, PlcContract, PlcRig, fails
from tests.peers.node_peer import require_package
from tests.peers.plc_process import PlcProcess, free_port

from keenline.devices.modbus import ModbusSettings
from keenline.errors import Code

INPUTS = {
    "trigger": "input:3",
    "part_id": "input-register:8:text16",
    "encoder": "input-register:2:int32",
    "acknowledge": "input-register:4",
    "heartbeat": "input-register:0",
}
OUTPUTS = {
    "ready": "coil:8",
    "busy": "coil:9",
    "result_valid": "coil:10",
    "passed": "coil:11",
    "rejected": "coil:12",
    "divert": "coil:14",
    "fault": "coil:20",
    "fault_code": "holding:10",
    "result_number": "holding:11",
    "result_part_id": "holding:20:text16",
    "heartbeat": "holding:30",
}


def make(**given: object) -> ModbusSettings:
    return ModbusSettings.model_validate({"host": "127.0.0.1", "timeout_ms": TIMEOUT_MS} | given)


@pytest.fixture(scope="module")
def rig() -> Iterator[PlcRig]:
    node = require_package("modbus-serial")
    peer = PlcProcess([node, "modbus_server.js"], free_port())
    yield PlcRig(
        peer,
        make,
        INPUTS,
        OUTPUTS,
        count="input-register:5",
        unknown="coil:900",
        neighbours=("own_bit", "plc_bit"),
        reads_per_call=None,
    )
    peer.kill()


class TestModbus(PlcContract):
    @pytest.mark.parametrize("order", ["high-first", "low-first"])
    def test_the_order_of_words(self, rig, order):
        swapped = rig.plc(word_order=order)
        swapped.connect()
        rig.peer.set(encoder=0x0001_0002)
        wanted = 0x0001_0002 if order == "high-first" else 0x0002_0001
        assert swapped.read()["encoder"] == wanted

    def test_the_order_of_bytes_in_a_text(self, rig):
        swapped = rig.plc(byte_order="low-first")
        swapped.connect()
        rig.peer.set(part_id="badc")
        assert swapped.read()["part_id"] == "abcd"
        swapped.write({"result_part_id": "abcd"})
        assert rig.peer.get("result_part_id") == "badc"

    def test_a_bit_of_a_register_is_read(self, rig):
        bit = rig.plc(inputs={"trigger": "input-register:4:bit3"})
        bit.connect()
        for value, up in ((8, True), (0xFFF7, False), (0xFFFF, True)):
            rig.peer.set(acknowledge=value)
            assert bit.read() == {"trigger": up}

    def test_32_bits_are_written(self, rig):
        wide = rig.plc(outputs=OUTPUTS | {"result_number": "holding:40:int32"})
        wide.connect()
        wide.write({"result_number": 70_000})
        back = rig.plc(inputs={"encoder": "holding:40:int32"})
        back.connect()
        assert back.read() == {"encoder": 70_000}

    def test_places_that_do_not_exist_between_two_inputs(self, rig):
        """The peer has 64 discrete inputs and 100 registers; nothing beyond them is read."""
        edges = {"trigger": "input:63", "acknowledge": "input-register:99"}
        edge = rig.plc(inputs=edges, read_gap=0)
        edge.connect()
        assert edge.read() == {"trigger": False, "acknowledge": 0}

    def test_another_device_behind_the_same_address_does_not_answer(self, rig):
        with fails(Code.PLC_UNREACHABLE, rig.connect_s):
            rig.plc(device_id=9).connect()

    def test_every_error_of_the_package_is_translated(self):
        import pymodbus.exceptions

        kinds = [kind for _, kind in inspect.getmembers(pymodbus.exceptions, inspect.isclass)]
        errors = [kind for kind in kinds if issubclass(kind, Exception)]
        assert errors
        assert all(issubclass(kind, pymodbus.exceptions.ModbusException) for kind in errors)
