"""A PLC with EtherNet/IP against the server of cpppo."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator

import pytest
from tests.devices.plc_contract import TIMEOUT_MS, PlcContract, PlcRig, fails
from tests.peers import require_peer
from tests.peers.plc_process import PlcProcess, free_port

from keenline.devices.ethernetip import _VENDOR, EthernetIpSettings, translated
from keenline.errors import Code

INPUTS = {
    "trigger": "Trigger",
    "part_id": "Part.Id",
    "encoder": "Encoder",
    "acknowledge": "Acknowledge",
    "heartbeat": "PlcBeat",
}
OUTPUTS = {
    "ready": "Ready",
    "busy": "Busy",
    "result_valid": "ResultValid",
    "passed": "Passed",
    "rejected": "@0x93/1/1:BOOL",
    "divert": "@147/1/2:BOOL",
    "fault": "Fault",
    "fault_code": "@0x93/1/3:DINT",
    "result_number": "ResultNumber",
    "result_part_id": "ResultPartId",
    "heartbeat": "Beat",
}


def make(**given: object) -> EthernetIpSettings:
    fixed = {"host": "127.0.0.1", "timeout_ms": TIMEOUT_MS}
    return EthernetIpSettings.model_validate(fixed | given)


@pytest.fixture(scope="module")
def rig() -> Iterator[PlcRig]:
    if importlib.util.find_spec("cpppo") is None:
        require_peer("needs cpppo")
    peer = PlcProcess([sys.executable, "cip_server.py"], free_port())
    yield PlcRig(
        peer,
        make,
        INPUTS,
        OUTPUTS,
        count="Count",
        unknown="Line.Missing",
        longest_text=254,
        reads_per_call=None,
    )
    peer.kill()


class TestEthernetIp(PlcContract):
    @pytest.mark.parametrize("messaging", ["connected", "unconnected"])
    @pytest.mark.parametrize("direct", [True, False])
    def test_ways_of_messaging(self, rig, messaging, direct):
        other = rig.plc(messaging=messaging, direct=direct)
        other.connect()
        rig.peer.set(encoder=-77)
        assert other.read()["encoder"] == -77
        other.write({"passed": True, "fault_code": 12})
        assert rig.peer.get("passed", "fault_code") == (True, 12)

    def test_an_attribute_that_is_not_there(self, rig):
        for lost in ("@0x93/1/99:DINT", "@0x94/1/1:DINT"):
            with fails(Code.PLC_SIGNAL, rig.connect_s):
                rig.plc(inputs=INPUTS | {"encoder": lost}).connect()

    def test_a_tag_of_a_type_that_carries_no_signal(self, rig):
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            rig.plc(inputs=INPUTS | {"acknowledge": "Level"}).connect()
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            rig.plc(inputs=INPUTS | {"trigger": "Part.Id"}).connect()
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            rig.plc(outputs=OUTPUTS | {"fault_code": "Fault"}).connect()

    def test_an_attribute_of_another_length_than_its_type(self, rig):
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            rig.plc(inputs=INPUTS | {"encoder": "@0x93/1/1:DINT"}).connect()

    def test_every_error_of_the_package_is_translated(self):
        import pycomm3.exceptions

        kinds = [kind for _, kind in inspect.getmembers(pycomm3.exceptions, inspect.isclass)]
        errors = {kind.__name__ for kind in kinds if issubclass(kind, Exception)}
        assert errors == set(_VENDOR) | {"ResponseError"}
        codes = {kind.__name__: translated(kind("x"), "", connecting=False).code for kind in kinds}
        assert codes.pop("ResponseError") == Code.PLC_REFUSED
        assert set(codes.values()) == {Code.PLC_GONE}
