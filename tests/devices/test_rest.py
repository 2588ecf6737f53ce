"""A controller behind HTTP against the standard library's server in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest
from pydantic import ValidationError
from tests.devices.plc_contract import TIMEOUT_MS, PlcContract, PlcRig, fails
from tests.peers.plc_process import PlcProcess, free_port

from keenline.devices.rest import RestSettings
from keenline.errors import Code

INPUTS = {
    "trigger": "trigger",
    "part_id": "part.id",
    "encoder": "encoder",
    "acknowledge": "acknowledge",
    "heartbeat": "heartbeat_in",
}
OUTPUTS = {
    "ready": "ready",
    "busy": "busy",
    "result_valid": "result_valid",
    "passed": "result.passed",
    "rejected": "result.rejected",
    "divert": "result.divert",
    "fault": "fault",
    "fault_code": "fault_code",
    "result_number": "result_number",
    "result_part_id": "result_part_id",
    "heartbeat": "heartbeat",
}


def make(port: int, **given: object) -> RestSettings:
    urls = {
        "inputs_url": f"http://127.0.0.1:{port}/inputs",
        "outputs_url": f"http://127.0.0.1:{port}/outputs",
    }
    return RestSettings.model_validate({"timeout_ms": TIMEOUT_MS} | urls | given)


@pytest.fixture(scope="module")
def rig() -> Iterator[PlcRig]:
    peer = PlcProcess([sys.executable, "rest_server.py"], free_port())
    yield PlcRig(
        peer,
        make,
        INPUTS,
        OUTPUTS,
        count="count",
        unknown="line.missing",
        longest_text=254,
        too_large=1 << 60,
    )
    peer.kill()


class TestRest(PlcContract):
    @pytest.mark.parametrize("side", ["outputs"])
    def test_an_address_the_plc_does_not_have_is_found_when_connecting(self, rig, side):
        """Of the inputs; nobody can say what keys a program takes."""
        del side
        lost = rig.plc(inputs=INPUTS | {"trigger": rig.unknown})
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            lost.connect()

    def test_a_url_that_is_not_there(self, rig):
        base = f"http://127.0.0.1:{rig.peer.port}"
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            rig.plc(inputs_url=f"{base}/nothing").connect()
        lost = rig.plc(outputs_url=f"{base}/nothing")
        lost.connect()
        with fails(Code.PLC_SIGNAL, 0):
            lost.write({"passed": True})

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_a_program_in_trouble_is_gone(self, rig, plc, status):
        rig.peer.ask(mode={"status": status})
        try:
            with fails(Code.PLC_GONE, 0):
                plc.read()
            with fails(Code.PLC_UNREACHABLE, rig.connect_s):
                plc.connect()
        finally:
            rig.peer.ask(mode={"status": 200})

    def test_the_connection_is_kept(self, rig, plc):
        plc.read()
        plc.write({"ready": True})
        before = rig.peer.get("connections")
        for _ in range(10):
            plc.read()
            plc.write({"ready": True})
        assert rig.peer.get("connections") == before

    def test_a_server_that_closes_after_each_answer(self, rig, plc):
        rig.peer.ask(mode={"close": True})
        try:
            rig.peer.set(encoder=3)
            for passed in (True, False, True):
                assert plc.read()["encoder"] == 3
                plc.write({"passed": passed})
                assert rig.peer.get("passed") is passed
        finally:
            rig.peer.ask(mode={"close": False})

    @pytest.mark.parametrize("value", [1.5, None, [1], "x"])
    def test_a_value_of_another_kind(self, rig, plc, value):
        rig.peer.ask(set={"encoder": value})
        try:
            with fails(Code.PLC_SIGNAL, 0):
                plc.read()
        finally:
            rig.peer.set(encoder=0)


class TestCredentials:
    @pytest.fixture
    def guarded(self, monkeypatch) -> Iterator[PlcProcess]:
        monkeypatch.setenv("PEER_PASSWORD", "s3cret-word")
        peer = PlcProcess([sys.executable, "rest_server.py"], free_port())
        yield peer
        peer.kill()

    @pytest.mark.parametrize(
        "given",
        [
            {"user": "keenline", "password": {"env": "PEER_PASSWORD"}},
            {"token": {"env": "PEER_PASSWORD"}},
        ],
    )
    def test_the_right_ones(self, guarded, given):
        plc = make(guarded.port, inputs=INPUTS, outputs=OUTPUTS, **given).build()
        plc.connect()
        plc.write({"ready": True})
        plc.close()
        assert guarded.get("ready") is True

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"token": {"env": "WRONG"}},
            {"token": {"env": "NOT_SET_ANYWHERE"}},
            {"user": "other", "password": {"env": "PEER_PASSWORD"}},
        ],
    )
    def test_wrong_ones_are_refused_and_never_shown(self, guarded, given, monkeypatch):
        monkeypatch.setenv("WRONG", "wr0ng-word")
        settings = make(guarded.port, inputs=INPUTS, outputs=OUTPUTS, **given)
        plc = settings.build()
        with pytest.raises(Exception, match="5205") as caught:
            plc.connect()
        shown = f"{caught.value} {settings!r} {plc.name} {json.dumps(caught.value.as_dict())}"
        assert "word" not in shown.replace("PEER_PASSWORD", "").replace("password", "")


@pytest.mark.parametrize(
    "given",
    [
        {"inputs_url": None},
        {"outputs_url": "ftp://x/y"},
        {"outputs_url": "http://user:word@x/y"},
        {"outputs_url": "http://x:99999/"},
        {"outputs_url": "http://"},
        {"user": "x"},
        {"user": "x", "password": {"env": "A"}, "token": {"env": "B"}},
        {"outputs": OUTPUTS | {"passed": "result", "rejected": "result.rejected"}},
        {"outputs": OUTPUTS | {"passed": "a b"}},
    ],
)
def test_settings_that_do_not_go_together(given):
    with pytest.raises(ValidationError):
        make(8080, **({"inputs": INPUTS, "outputs": OUTPUTS} | given))
