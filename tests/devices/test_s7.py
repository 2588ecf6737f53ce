"""An S7 PLC against the server of the C library libsnap7, which shares no code with the adapter."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import pytest
from tests.devices.plc_contract import TIMEOUT_MS, PlcContract, PlcRig, fails
from tests.peers import require_peer
from tests.peers.plc_process import PlcProcess, free_port
from tests.peers.s7_library import find_library

from keenline.devices.s7 import _GONE, _REFUSED, S7Settings
from keenline.errors import Code

INPUTS = {
    "trigger": "DB1.DBX0.0",
    "part_id": "DB1.STRING14[16]",
    "encoder": "DB1.DBD4",
    "acknowledge": "DB1.DBW8",
    "heartbeat": "DB1.DBW2",
}
OUTPUTS = {
    "ready": "DB2.DBX0.0",
    "busy": "DB2.DBX0.1",
    "result_valid": "DB2.DBX0.2",
    "passed": "DB2.DBX0.3",
    "rejected": "DB2.DBX0.4",
    "divert": "M5.3",
    "fault": "DB2.DBX0.6",
    "fault_code": "DB2.DBW2",
    "result_number": "DB2.DBW4",
    "result_part_id": "DB2.STRING8[16]",
    "heartbeat": "DB2.DBW26",
}


def make(**given: object) -> S7Settings:
    return S7Settings.model_validate({"host": "127.0.0.1", "timeout_ms": TIMEOUT_MS} | given)


@pytest.fixture(scope="module")
def rig() -> Iterator[PlcRig]:
    library = find_library()
    if library is None:
        require_peer("needs libsnap7, which pip could not fetch (python-snap7 2.0.2)")
    peer = PlcProcess([sys.executable, "s7_server.py", str(library)], free_port())
    yield PlcRig(
        peer,
        make,
        INPUTS,
        OUTPUTS,
        count="DB1.DBW10",
        unknown="DB77.DBX0.0",
        neighbours=("own_bit", "own_flag"),
        reads_per_call=None,
    )
    peer.kill()


class TestS7(PlcContract):
    def test_an_address_beyond_the_end_of_a_block(self, rig):
        lost = rig.plc(inputs=INPUTS | {"encoder": "DB1.DBD254"})
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            lost.connect()

    def test_inputs_far_apart_and_in_several_areas(self, rig):
        far = rig.plc(inputs=INPUTS | {"encoder": "DB1.DBD200", "heartbeat": "MW4"})
        far.connect()
        rig.peer.set(far=-123_456, trigger=True, part_id="far")
        assert far.read() | {"acknowledge": 0} == {
            "trigger": True,
            "part_id": "far",
            "encoder": -123_456,
            "acknowledge": 0,
            "heartbeat": far.read()["heartbeat"],
        }

    def test_a_string_that_was_never_initialised_is_no_text(self, rig, plc):
        rig.peer.set(part_id_raw="ffff")
        try:
            with fails(Code.PLC_SIGNAL, 0):
                plc.read()
        finally:
            rig.peer.set(part_id="")
        assert plc.read()["part_id"] == ""

    def test_a_bit_that_a_number_does_not_fit(self, plc):
        with fails(Code.PLC_VALUE, 0):
            plc.write({"passed": 2})

    def test_every_error_of_the_package_is_translated(self):
        import snap7.error

        kinds = [kind for _, kind in inspect.getmembers(snap7.error, inspect.isclass)]
        errors = {kind.__name__ for kind in kinds if issubclass(kind, Exception)}
        assert errors == _GONE | _REFUSED
