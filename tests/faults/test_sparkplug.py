"""A whole plant publishes by Sparkplug B: its broker is killed, and every result comes once."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.faults.line import STORE, fault_line
from tests.faults.mosquitto import Broker
from tests.faults.proxy import Proxy
from tests.publish.sparkplug_host import Host, take_in
from tests.station.lines import until

from keenline.types import LineEvent, Result

_TOML = """
[sparkplug]
port = {port}
timeout_s = 0.5
keepalive_s = 5
"""


def test_results_that_the_broker_missed_come_later(bundle: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        broker = Broker(tmp_path)
        stack.callback(broker.kill)
        proxy = Proxy(broker.port)
        stack.callback(proxy.close)
        host = Host(broker.port)
        stack.callback(host.close)
        more = STORE + _TOML.format(port=proxy.port)
        line = stack.enter_context(fault_line(tmp_path, bundle, more=more))
        (forwarder,) = [one for one in line.plant.forwarders if one.sink.name == "sparkplug"]
        line.until_passes(3)
        until(lambda: host.count("DDATA") >= 3)

        proxy.cut()
        broker.kill()
        until(lambda: forwarder.state.trouble is not None)
        begin = len(line.results)
        line.until_passes(6)
        assert line.notices_nothing(begin)
        assert line.station.health.troubles == {}
        assert line.metric('keenline_behind{sink="sparkplug"}') == 1

        broker.start()
        assert host.is_here.wait(10)
        proxy.recover()
        line.until_passes(3)
        assert forwarder.drain(20)
        line.settle()
        until(lambda: [one.kind for one in host.heard[-2:]] == ["DDEATH", "NDEATH"])
        seen = take_in(host.read())
        assert set(seen.ids()) == {one.result_id for one in line.left if isinstance(one, Result)}
        events = {one.event_id for one in line.left if isinstance(one, LineEvent)}
        assert set(seen.ids("Event/ID")) <= events
        assert seen.births == sorted(set(seen.births))
        assert seen.deaths[-1] == seen.births[-1]
    assert line.notices_nothing()
