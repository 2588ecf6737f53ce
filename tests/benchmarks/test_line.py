"""A line's measurements: what the PLC's program counts, and what the machine took is told apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from line_config import Run, configuration
from line_plc import Found, Parts, Program
from line_run import Measured

from keenline.cli.station_config import StationConfig

ANSWER_S = 0.004


class Memory:
    """Signals of a PLC, with a station behind them that passes all but every fifth part."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"result_valid": 0, "result_number": 0, "fault_code": 0}
        self.values |= {"passed": 0, "rejected": 0, "divert": 0, "result_part_id": ""}
        self.values |= {"trigger": False, "count": 0, "part_id": "", "acknowledge": 0}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._answer)

    def put(self, **values: Any) -> None:
        self.values |= values

    def take(self, name: str) -> Any:
        return self.values[name]

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _answer(self) -> None:
        values, last = self.values, 0
        while not self._over.wait(0.0005):
            if values["count"] != last:
                last = values["count"]
                self._show(last, values["part_id"])
            elif values["trigger"] and not values["result_valid"]:
                self._show(int(values["part_id"][1:]), values["part_id"])
            elif values["result_valid"] and not values["trigger"] and not values["count"]:
                values["result_valid"] = False

    def _show(self, number: int, part_id: str) -> None:
        time.sleep(ANSWER_S)
        bad = number % 5 == 0
        shown: Mapping[str, Any] = {"passed": not bad, "divert": bad, "result_number": number}
        self.values |= shown | {"result_part_id": part_id, "fault_code": 5401 if bad else 0}
        self.values["result_valid"] = True


@pytest.mark.parametrize("handshake", ["level", "count"])
def test_every_part_of_the_plc_is_timed_and_counted(handshake: str, tmp_path: Path) -> None:
    parts = Parts(handshake, 50.0, 25, 5, 1000.0, str(tmp_path / "found.json"))
    with Memory() as memory:
        program = Program(memory, parts)
        program.run()
    found: Found = program.found
    assert len(found.milliseconds) == found.results == 20
    assert min(found.milliseconds) >= 1000 * ANSWER_S
    assert (found.passed, found.diverted, found.unanswered, found.wrong_part) == (16, 4, 0, 0)
    assert found.faults == {5401: 4}
    assert len(found.missed) == 4


def test_a_part_without_a_result_is_missed(tmp_path: Path) -> None:
    memory = Memory()  # nobody answers
    program = Program(memory, Parts("level", 50.0, 2, 0, 1000.0, str(tmp_path / "found.json")))
    program.run()
    assert program.found.unanswered == len(program.found.missed) == 2
    assert program.found.milliseconds == []


def test_parts_during_a_standstill_of_the_machine_are_told_apart() -> None:
    plc = {"sensed": [0.0, 1.0, 1.31, 2.0], "missed": [(1.0, 1.1), (5.0, 5.2)], "faults": {}}
    stalls = [(1.05, 1.3), (2.2, 2.4)]
    measured = Measured([10.0, 100.0, 90.0, 20.0], plc, {}, stalls=stalls)
    assert measured.shares[-1] == 100.0
    assert measured.untouched[-1] == 20.0
    assert (measured.missed, measured.missed_untouched) == (2, 1)
    total, longest = measured.stood_still
    assert total == pytest.approx(450.0)
    assert longest == pytest.approx(250.0)


@pytest.mark.parametrize("plc", ["s7", "modbus"])
@pytest.mark.parametrize(
    ("handshake", "camera"),
    [("level", "simulated"), ("level", "basler"), ("count", "simulated"), ("camera", "simulated")],
)
def test_the_station_of_each_row_is_one_that_a_user_could_configure(
    plc: str, handshake: str, camera: str, tmp_path: Path
) -> None:
    wanted = Run(tmp_path / "part.keen", tmp_path, plc=plc, handshake=handshake, camera=camera)
    made = StationConfig.model_validate(configuration(wanted, 1502, 1883), strict=False)
    assert made.mqtt is not None
