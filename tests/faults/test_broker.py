"""The broker is killed or falls silent: the line does not notice, and every result comes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.faults.line import STORE, FaultLine, fault_line
from tests.faults.mosquitto import Broker, Listener
from tests.faults.proxy import Proxy
from tests.station.lines import until

from keenline.types import Result

_TOML = """
[mqtt]
port = {port}
timeout_s = 0.5
keepalive_s = 5
"""


def mqtt_trouble(line: FaultLine) -> bool:
    (forwarder,) = [one for one in line.plant.forwarders if one.sink.name == "mqtt"]
    return forwarder.state.trouble is not None


@pytest.mark.parametrize("fault", ["killed", "stalled"])
def test_results_that_the_broker_missed_come_later(
    fault: str, bundle: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        broker = Broker(tmp_path)
        stack.callback(broker.kill)
        proxy = Proxy(broker.port)
        stack.callback(proxy.close)
        listener = Listener(broker.port)
        stack.callback(listener.close)
        more = STORE + _TOML.format(port=proxy.port)
        line = stack.enter_context(fault_line(tmp_path, bundle, more=more))
        line.until_passes(3)
        until(lambda: len(listener.ids) >= 3)

        {"killed": broker.kill, "stalled": proxy.stall}[fault]()
        until(lambda: mqtt_trouble(line))
        begin = len(line.results)
        line.until_passes(6)
        assert line.notices_nothing(begin)
        assert line.station.health.troubles == {}
        assert line.metric('keenline_behind{sink="mqtt"}') == 1

        if fault == "killed":
            broker.start()
        assert listener.is_here.wait(10)
        proxy.recover()
        until(lambda: not mqtt_trouble(line))
        line.until_passes(3)
        for forwarder in line.plant.forwarders:
            assert forwarder.drain(20)
        line.settle()
        ids = {one.result_id for one in line.left if isinstance(one, Result)}
        until(lambda: set(listener.ids) == ids, 5)
    assert line.notices_nothing()
