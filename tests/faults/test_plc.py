"""A real PLC is killed, cut off or falls silent: nothing passes, the station says so, all comes
back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.faults.line import fault_line
from tests.faults.plc_program import TOML, PlcProgram
from tests.faults.proxy import Proxy
from tests.peers.plc_process import PlcProcess
from tests.station.lines import until

from keenline.station.states import State

_SAYS_SO_S = 0.3 + 0.5
"""`timeout_ms` and `stale_ms`: after one of them the PLC is known to be gone."""
_SLACK_S = 1.0
"""What a busy machine may add."""


@pytest.fixture
def program(plc_peer: PlcProcess) -> Iterator[PlcProgram]:
    made = PlcProgram(plc_peer)
    yield made
    made.close()


@pytest.mark.parametrize("fault", ["killed", "cut", "stalled"])
def test_nothing_passes_while_the_plc_is_gone_and_nothing_is_lost(
    fault: str, program: PlcProgram, bundle: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        proxy = Proxy(program.peer.port)
        stack.callback(proxy.close)
        fail, mend = {
            "killed": (program.kill, program.restart),
            "cut": (proxy.cut, proxy.recover),
            "stalled": (proxy.stall, proxy.recover),
        }[fault]
        table = TOML.format(port=proxy.port)
        line = stack.enter_context(fault_line(tmp_path, bundle, plc_toml=table, program=program))
        line.until_passes(5)
        until(lambda: program.passed >= 5)

        begin = time.monotonic()
        fail()
        until(lambda: line.trouble_of("plc"), _SAYS_SO_S + _SLACK_S)
        assert time.monotonic() - begin < _SAYS_SO_S + _SLACK_S
        assert line.station.state is State.ERROR
        passed, recorded = program.passed, line.passes()
        time.sleep(0.4)
        assert program.passed == passed
        assert line.passes() == recorded
        assert line.station.state is State.ERROR

        mend()
        line.until_works()
        line.until_passes(5)
        until(lambda: program.passed >= passed + 5)
        accounts = line.settle()
    assert accounts.gates["pass"] == program.passed
    troubles = [event.facts["where"] for event in line.events if event.kind == "trouble"]
    assert troubles == ["plc"]
    assert "trouble-over" in line.kinds()
