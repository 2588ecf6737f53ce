"""What every PLC must do, as a class of tests: a file of tests inherits it and gives a rig.

    @pytest.fixture(scope="module")
    def rig():
        yield PlcRig(...)

    class TestS7(PlcContract): ...

The peer runs in a process of its own and knows the signals by name, not by our addresses.
"""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.peers.plc_process import PlcProcess, free_port

from keenline.devices.plc import Plc, PlcSettings
from keenline.errors import Code, PlcError

TIMEOUT_MS = 400.0
SLACK_S = 0.6
"""What a busy machine may add to a time-out."""
BITS = ("ready", "busy", "result_valid", "passed", "rejected", "divert", "fault")
NUMBERS = ("fault_code", "result_number", "heartbeat")


@dataclass
class PlcRig:
    """One kind of PLC with what a test needs to work it."""

    peer: PlcProcess
    make: Callable[..., PlcSettings]
    """Settings from `inputs`, `outputs` and `port`."""
    inputs: dict[str, str]
    outputs: dict[str, str]
    count: str
    """Address of the trigger number that the peer's program counts."""
    unknown: str
    """A proper address that the PLC does not have."""
    longest_text: int = 16
    connect_s: float = TIMEOUT_MS / 1e3
    """Within which connecting succeeds or fails."""
    neighbours: tuple[str, ...] = ("own_bit",)
    """Bits of the PLC's own beside our outputs."""
    too_large: int = 1 << 40
    reads_per_call: int | None = 1
    """What the peer counts for one `read`; None where it does not count."""
    made: list[Plc] = field(default_factory=list)

    def plc(self, **changes: Any) -> Plc:
        given = {"inputs": self.inputs, "outputs": self.outputs, "port": self.peer.port} | changes
        plc = self.make(**given).build()
        self.made.append(plc)
        return plc


@contextmanager
def fails(code: Code, within_s: float) -> Iterator[None]:
    begin = time.monotonic()
    with pytest.raises(PlcError) as caught:
        yield
    assert caught.value.code == code, caught.value
    assert time.monotonic() - begin < within_s + SLACK_S


class PlcContract:
    """Inherit it, and define a fixture `rig` in the file."""

    @pytest.fixture(autouse=True)
    def _closed_in_the_end(self, rig: PlcRig) -> Iterator[None]:
        yield
        for made in rig.made:
            made.close()
        rig.made.clear()

    @pytest.fixture
    def plc(self, rig: PlcRig) -> Plc:
        plc = rig.plc()
        plc.connect()
        return plc

    @pytest.fixture
    def fragile(self, rig: PlcRig, plc: Plc) -> Iterator[Plc]:
        """A PLC whose peer the test may kill or stop."""
        yield plc
        rig.peer.thaw() if rig.peer.is_running else rig.peer.start()

    # Values

    @pytest.mark.parametrize("up", [True, False])
    def test_a_trigger_bit_is_read(self, rig, plc, up):
        rig.peer.set(trigger=up)
        assert plc.read()["trigger"] is up

    @pytest.mark.parametrize("count", [-(1 << 31), -1, 0, 70_000, (1 << 31) - 1])
    def test_the_encoder_is_a_signed_number_of_32_bits(self, rig, plc, count):
        rig.peer.set(encoder=count)
        assert plc.read()["encoder"] == count

    @pytest.mark.parametrize("number", [0, 1, 32_767, 32_768, 65_535])
    def test_sixteen_bits_count_to_65535(self, rig, plc, number):
        rig.peer.set(acknowledge=number)
        assert plc.read()["acknowledge"] == number

    @pytest.mark.parametrize("text", ["", "A", "0123456789abcdef", "Größe 7", "a.b-c_d/e"])
    def test_the_part_id_is_read(self, rig, plc, text):
        rig.peer.set(part_id=text)
        assert plc.read()["part_id"] == text

    @pytest.mark.parametrize("padded", ["P-17   ", "P-17\0\0"])
    def test_padding_of_the_part_id_is_dropped(self, rig, plc, padded):
        rig.peer.set(part_id=padded)
        assert plc.read()["part_id"] == "P-17"

    def test_all_inputs_come_by_their_names(self, rig, plc):
        rig.peer.set(trigger=True, part_id="X1", encoder=-5, acknowledge=9, heartbeat_in=77)
        assert plc.read() == {
            "trigger": True,
            "part_id": "X1",
            "encoder": -5,
            "acknowledge": 9,
            "heartbeat": 77,
        }

    def test_a_challenge_part_is_announced_by_a_bit_or_by_a_number(self, rig):
        for signal, values in (("trigger", (True, False)), ("acknowledge", (2, 0))):
            plc = rig.plc(inputs={"challenge": rig.inputs[signal]})
            plc.connect()
            for value in values:
                rig.peer.set(**{signal: value})
                assert plc.read() == {"challenge": value}

    @pytest.mark.parametrize("name", BITS)
    def test_each_output_bit_goes_up_and_down_alone(self, rig, plc, name):
        plc.write(dict.fromkeys(BITS, False))
        plc.write({name: True})
        assert [other for other in BITS if rig.peer.get(other)] == [name]
        plc.write(dict.fromkeys(BITS, True))
        plc.write({name: False})
        assert [other for other in BITS if not rig.peer.get(other)] == [name]

    @pytest.mark.parametrize("name", NUMBERS)
    @pytest.mark.parametrize("number", [0, 1, 5409, 32_767])
    def test_numbers_are_written(self, rig, plc, name, number):
        plc.write({name: number})
        assert rig.peer.get(name) == number

    def test_the_highest_result_number_is_written(self, rig, plc):
        plc.write({"result_number": 65_535})
        assert rig.peer.get("result_number") % 65_536 == 65_535

    @pytest.mark.parametrize("text", ["", "A", "Größe 7", "0123456789abcdef"])
    def test_the_part_id_of_a_result_is_written(self, rig, plc, text):
        plc.write({"result_part_id": "before, longer"})
        plc.write({"result_part_id": text})
        assert rig.peer.get("result_part_id") == text

    def test_everything_is_written_at_once(self, rig, plc):
        values = dict.fromkeys(BITS, True) | dict.fromkeys(NUMBERS, 300)
        plc.write(values | {"result_part_id": "all of it"})
        assert set(rig.peer.get(*BITS)) == {True}
        assert set(rig.peer.get(*NUMBERS)) == {300}
        assert rig.peer.get("result_part_id") == "all of it"

    @pytest.mark.parametrize("state", [True, False])
    def test_what_is_the_plcs_own_is_never_written(self, rig, plc, state):
        for name in rig.neighbours:
            rig.peer.set(**{name: state})
        plc.write(dict.fromkeys(BITS, True) | {"fault_code": 65_535, "result_part_id": "x" * 16})
        plc.write(dict.fromkeys(BITS, False) | {"fault_code": 0, "result_part_id": ""})
        assert [rig.peer.get(name) for name in rig.neighbours] == [state] * len(rig.neighbours)

    def test_a_value_that_does_not_fit_is_refused_and_nothing_is_written(self, rig, plc):
        plc.write({"passed": False, "result_part_id": "before"})
        for bad in (
            {"result_part_id": "x" * (rig.longest_text + 1)},
            {"result_part_id": "a\nb"},
            {"result_number": -1 - rig.too_large},
            {"heartbeat": rig.too_large},
        ):
            with fails(Code.PLC_VALUE, 0):
                plc.write({"passed": True, **bad})
            assert rig.peer.get("passed") is False
            assert rig.peer.get("result_part_id") == "before"
        plc.write({"passed": True})
        assert rig.peer.get("passed") is True

    def test_an_output_without_an_address_is_left_out(self, rig):
        few = {name: rig.outputs[name] for name in ("ready", "result_valid", "passed")}
        rig.peer.set(fault_code=7, fault=False)
        small = rig.plc(outputs=few)
        small.connect()
        small.write({"ready": True, "fault_code": 99, "fault": True, "result_part_id": "x"})
        assert rig.peer.get("ready", "fault_code", "fault") == (True, 7, False)
        small.write({"fault_code": 99})
        small.write({})

    def test_inputs_without_an_address_are_not_there(self, rig):
        none = rig.plc(inputs={})
        none.connect()
        assert none.read() == {}
        one = rig.plc(inputs={"encoder": rig.inputs["encoder"]})
        one.connect()
        assert set(one.read()) == {"encoder"}

    # One moment

    def test_a_trigger_never_comes_with_the_part_before(self, rig):
        """The program writes encoder and part id, and then the count."""
        counting = rig.plc(inputs=rig.inputs | {"trigger": rig.count})
        counting.connect()
        rig.peer.set(encoder=0, part_id="P0", count=0)
        rig.peer.run()
        try:
            end, seen = time.monotonic() + 1.0, [counting.read()]
            while time.monotonic() < end:
                seen.append(counting.read())
        finally:
            rig.peer.kill()
            rig.peer.start()
        assert len({one["trigger"] for one in seen}) > 5
        for one in seen:
            assert int(str(one["part_id"])[1:]) >= one["trigger"]
            assert one["encoder"] >= one["trigger"]

    def test_one_reading_takes_few_requests(self, rig, plc):
        if rig.reads_per_call is None:
            pytest.skip("the peer does not count requests")
        before = rig.peer.get("requests")
        for _ in range(5):
            plc.read()
        assert rig.peer.get("requests") - before == 5 * rig.reads_per_call

    # What goes wrong

    @pytest.mark.parametrize("side", ["inputs", "outputs"])
    def test_an_address_the_plc_does_not_have_is_found_when_connecting(self, rig, side):
        name = {"inputs": "trigger", "outputs": "passed"}[side]
        lost = rig.plc(**{side: getattr(rig, side) | {name: rig.unknown}})
        with fails(Code.PLC_SIGNAL, rig.connect_s):
            lost.connect()
        with fails(Code.PLC_GONE, 0):
            lost.read()

    def test_nobody_listens(self, rig):
        with fails(Code.PLC_UNREACHABLE, rig.connect_s):
            rig.plc(port=free_port()).connect()

    @pytest.mark.parametrize(
        "answer",
        [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"\xff" * 600, b"\x03\0\0\x07\2"],
    )
    def test_something_else_listens(self, rig, answer):
        with other_service(answer) as port:
            begin = time.monotonic()
            with pytest.raises(PlcError):
                rig.plc(port=port).connect()
            assert time.monotonic() - begin < rig.connect_s + SLACK_S

    def test_a_plc_that_is_not_connected_is_gone(self, rig):
        fresh = rig.plc()
        with fails(Code.PLC_GONE, 0):
            fresh.read()
        with fails(Code.PLC_GONE, 0):
            fresh.write({"ready": True})

    @pytest.mark.parametrize("call", ["read", "write"])
    def test_a_killed_plc_is_gone_and_comes_back(self, rig, fragile, call):
        work = fragile.read if call == "read" else lambda: fragile.write({"passed": True})
        work()
        rig.peer.kill()
        with fails(Code.PLC_GONE, TIMEOUT_MS / 1e3):
            work()
        with fails(Code.PLC_GONE, 0):
            work()
        with fails(Code.PLC_UNREACHABLE, rig.connect_s):
            fragile.connect()
        rig.peer.start()
        fragile.connect()
        work()

    @pytest.mark.parametrize("call", ["read", "write"])
    def test_a_plc_that_stops_to_answer_is_gone_in_time(self, rig, fragile, call):
        work = fragile.read if call == "read" else lambda: fragile.write({"passed": True})
        work()
        rig.peer.freeze()
        with fails(Code.PLC_GONE, TIMEOUT_MS / 1e3):
            work()
        with fails(Code.PLC_UNREACHABLE, rig.connect_s):
            fragile.connect()
        rig.peer.thaw()
        fragile.connect()
        work()

    def test_closing_a_plc_that_does_not_answer_takes_no_longer_than_a_call(self, rig, fragile):
        rig.peer.freeze()
        begin = time.monotonic()
        fragile.close()
        assert time.monotonic() - begin < TIMEOUT_MS / 1e3 + SLACK_S

    # Resources

    def test_closing_twice_and_connecting_twice(self, rig, plc):
        rig.plc().close()
        plc.connect()
        plc.connect()
        assert "trigger" in plc.read()
        plc.close()
        plc.close()
        with fails(Code.PLC_GONE, 0):
            plc.read()

    def test_nothing_is_left_behind(self, rig, plc):
        for _ in range(2):  # what a package opens once for itself
            plc.connect()
            plc.close()
        gc.collect()  # what tests before have left must not end during this one
        before = open_files(), threading.active_count()
        for _ in range(5):
            plc.connect()
            plc.read()
            plc.close()
            with pytest.raises(PlcError):
                rig.plc(port=free_port()).connect()
        assert (open_files(), threading.active_count()) == before


@contextmanager
def other_service(answer: bytes) -> Iterator[int]:
    """A port where every request gets the same bytes, and then the end of the connection."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)
    end = threading.Event()

    def serve() -> None:
        while not end.is_set():
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(0.5)
                try:
                    if client.recv(4096):
                        client.sendall(answer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        end.set()
        thread.join()
        server.close()


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0
