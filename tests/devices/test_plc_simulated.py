"""The PLC program of the simulated line: what its gate does with each part, and its faults."""

from __future__ import annotations

import threading

import pytest
from tests.devices.plc_contract import fails

from keenline.devices.plc_simulated import SimulatedPlc, SimulatedPlcSettings
from keenline.errors import Code

NOTHING = {"result_valid": False, "passed": False, "rejected": False, "divert": False}
GATES = {"passed": "pass", "rejected": "reject", "divert": "divert"}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plc(clock) -> SimulatedPlc:
    plc = SimulatedPlc(SimulatedPlcSettings(), clock)
    plc.connect()
    return plc


@pytest.fixture
def counting(clock) -> SimulatedPlc:
    plc = SimulatedPlc(SimulatedPlcSettings(handshake="count"), clock)
    plc.connect()
    return plc


@pytest.mark.parametrize("signal", GATES)
def test_a_part_goes_the_way_its_result_says(plc, clock, signal):
    plc.present("P1")
    assert plc.read()["trigger"] is True
    assert plc.read()["part_id"] == "P1"
    clock.now += 0.02
    plc.write(NOTHING | {signal: True, "fault_code": 3})
    assert plc.read()["trigger"] is True, "not valid yet"
    plc.write({"result_valid": True})
    assert plc.read()["trigger"] is False
    (part,) = plc.taken()
    assert (part.number, part.part_id, part.gate, part.fault_code) == (1, "P1", GATES[signal], 3)
    assert part.waited_s == pytest.approx(0.02)
    assert plc.taken() == []


def test_the_next_part_waits_until_the_result_is_taken_away(plc):
    plc.present("A")
    plc.present("B")
    assert plc.read()["part_id"] == "A"
    plc.write({"passed": True, "result_valid": True})
    assert plc.read()["trigger"] is False
    assert plc.waiting == 1
    plc.write({"result_valid": False})
    assert plc.read() | {"heartbeat": 0} == {
        "trigger": True,
        "part_id": "B",
        "challenge": 0,
        "encoder": 0,
        "acknowledge": 0,
        "heartbeat": 0,
    }


def test_a_part_without_a_result_in_time_is_rejected(plc, clock):
    plc.present("A")
    clock.now += 1.01
    (part,) = plc.taken()
    assert part.gate == "none"
    assert plc.read()["trigger"] is False
    plc.write({"passed": True, "result_valid": True})  # too late: nobody is there
    assert plc.taken() == []


@pytest.mark.parametrize("up", [(), ("passed", "rejected"), ("passed", "divert")])
def test_a_result_that_contradicts_itself_rejects(plc, up):
    plc.present()
    plc.write(NOTHING | dict.fromkeys(up, True) | {"result_valid": True})
    (part,) = plc.taken()
    assert part.gate == "reject"
    assert part.contradiction


def test_results_of_several_parts_go_by_their_number(counting):
    for name in "ABC":
        counting.present(name)
    assert counting.read()["trigger"] == 3
    for number, signal in ((2, "passed"), (1, "divert"), (3, "rejected")):
        counting.write(NOTHING)
        counting.write({signal: True, "result_number": number})
        counting.write({"result_valid": True})
        assert counting.read()["acknowledge"] == number
    gates = [(part.part_id, part.gate) for part in counting.taken()]
    assert gates == [("B", "pass"), ("A", "divert"), ("C", "reject")]
    assert counting.waiting == 0


def test_a_result_for_no_part_does_nothing(counting):
    counting.present("A")
    counting.write({"passed": True, "result_number": 9, "result_valid": True})
    assert counting.taken() == []
    assert counting.waiting == 1


def test_the_heartbeat_goes_on_until_it_is_stopped(plc, clock):
    def beats() -> set[object]:
        seen = set()
        for _ in range(5):
            clock.now += 0.06
            seen.add(plc.read()["heartbeat"])
        return seen

    assert len(beats()) == 5
    plc.stop_heartbeat()
    assert len(beats()) == 1
    plc.recover()
    assert len(beats()) == 5


def test_frozen_inputs_show_no_new_part(plc, clock):
    plc.freeze_inputs()
    plc.present("A")
    clock.now += 0.2
    plc.move_to(500)
    assert plc.read()["trigger"] is False
    assert plc.read()["encoder"] == 0
    plc.recover()
    assert plc.read()["trigger"] is True
    assert plc.read()["encoder"] == 500


def test_a_plc_that_disappears_is_gone_until_it_is_connected_again(plc):
    plc.write({"passed": True, "result_valid": False})
    plc.disappear()
    for call in (plc.read, lambda: plc.write({"result_valid": True})):
        with fails(Code.PLC_GONE, 0):
            call()
    with fails(Code.PLC_UNREACHABLE, 0):
        plc.connect()
    plc.recover()
    with fails(Code.PLC_GONE, 0):
        plc.read()
    plc.connect()
    assert plc.read()["trigger"] is False


def test_it_watches_the_stations_heartbeat(plc, clock):
    for beat in range(3):
        clock.now += 0.5
        plc.write({"heartbeat": beat})
        assert plc.station_is_alive
    for _ in range(3):
        clock.now += 0.5
        plc.write({"heartbeat": 2})
    assert not plc.station_is_alive


@pytest.mark.parametrize(("counts", "shown"), [(5, 5), (1 << 31, -(1 << 31)), (-1, -1)])
def test_the_encoder_wraps_at_32_bits(plc, counts, shown):
    plc.move_to(counts)
    assert plc.read()["encoder"] == shown


def test_only_signals_with_an_address_are_there(clock):
    settings = SimulatedPlcSettings.model_validate(
        {
            "inputs": {"trigger": "t"},
            "outputs": {"ready": "r", "result_valid": "v", "passed": "p"},
        }
    )
    plc = SimulatedPlc(settings, clock)
    plc.connect()
    plc.write({"passed": True, "fault_code": 7})
    assert plc.read() == {"trigger": False}
    assert plc.output("passed") is True
    assert plc.output("fault_code") is None


def test_no_part_is_lost_between_two_threads():
    plc = SimulatedPlc(SimulatedPlcSettings())
    plc.connect()
    end = threading.Event()

    def station() -> None:
        while not end.is_set():
            up = plc.read()["trigger"]
            if up and not plc.output("result_valid"):
                plc.write({"passed": True, "result_valid": True})
            elif not up and plc.output("result_valid"):
                plc.write({"result_valid": False})

    thread = threading.Thread(target=station)
    thread.start()
    for number in range(500):
        plc.present(f"P{number}")
    parts = []
    for _ in range(20_000):
        parts += plc.taken()
        if len(parts) == 500:
            break
    end.set()
    thread.join()
    assert [part.part_id for part in parts] == [f"P{number}" for number in range(500)]
    assert {part.gate for part in parts} == {"pass"}
