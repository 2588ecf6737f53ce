"""Sparkplug B at a real broker, read by npm sparkplug-payload: births, data, deaths and faults."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.faults.mosquitto import Broker
from tests.faults.proxy import Proxy
from tests.publish.sparkplug_host import Host, take_in
from tests.station.lines import until
from tests.store.records import result

from keenline.errors import PublishError
from keenline.journal.entries import Accepted
from keenline.journal.forwarding import Forwarder
from keenline.journal.log import Journal
from keenline.publish.sparkplug import SparkplugPublisher, SparkplugSettings
from keenline.publish.sparkplug_session import BirthDeathNumber
from keenline.types import LineEvent, Result

Make = Callable[..., SparkplugPublisher]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    made.kill()


@pytest.fixture
def host(broker: Broker) -> Iterator[Host]:
    with closing(Host(broker.port)) as made:
        yield made


@pytest.fixture
def make(broker: Broker, tmp_path: Path) -> Iterator[Make]:
    made: list[SparkplugPublisher] = []

    def build(**more: object) -> SparkplugPublisher:
        settings = SparkplugSettings(**({"port": broker.port, "timeout_s": 2} | more))  # type: ignore[arg-type]
        made.append(settings.build("press-4", tmp_path))
        return made[-1]

    yield build
    for one in made:
        one.close()


def fresh(count: int, first: int = 1) -> list[Result]:
    return [result(number, time=datetime.now(UTC)) for number in range(first, first + count)]


def event() -> LineEvent:
    return LineEvent("e-1", "press-4", "camera-gone", datetime.now(UTC), {"camera": "öben"})


def test_a_day_of_a_station(make: Make, host: Host) -> None:
    publisher = make()
    parts = [*fresh(4), result(5, code=4102, time=datetime.now(UTC), cameras=())]
    publisher.deliver([Accepted(parts[0].trigger)])
    assert host.count("DDATA") == 0
    publisher.deliver([*parts, event()])
    publisher.close()
    until(lambda: host.count("NDEATH") == 1)

    kinds = [one.kind for one in host.heard]
    assert kinds == ["NBIRTH", "DBIRTH", *["DDATA"] * 6, "DDEATH", "NDEATH"]
    assert [one.qos for one in host.heard] == [0] * 9 + [1]
    assert not any(one.retain for one in host.heard)
    assert host.heard[0].topic == "spBv1.0/keenline/NBIRTH/press-4"
    assert host.heard[2].topic == "spBv1.0/keenline/DDATA/press-4/inspection"
    messages = host.read()
    seen = take_in(messages)
    assert seen.births == seen.deaths == [0]
    assert set(seen.known[0].values()) == {None}
    assert not any(metric["typed"] for metric in messages[2]["metrics"])

    for part, read in zip(parts, seen.readings, strict=False):
        assert read["Result/ID"] == part.result_id
        assert read["Result/Number"] == part.trigger.number
        assert read["Result/Verdict"] == part.decision.verdict.value
        assert read["Result/Code"] == part.code
        assert read["Result/Simulated"] is part.is_simulated
        assert read["Result/Bundle SHA256"] == part.bundle_sha256
        assert read["Result/Decided ms"] == part.timings.decided
        assert read["time"] == part.trigger.time.timestamp() * 1000 // 1
        assert not read["historical"]
    assert seen.readings[0]["Result/Score"] == parts[0].views[0].score
    assert seen.readings[0]["Result/Camera"] == "top"
    assert seen.readings[4]["Result/Score"] is None
    assert seen.readings[5]["Event/Kind"] == "camera-gone"
    assert seen.readings[5]["Event/Facts"] == '{"camera": "öben"}'


def test_datatypes_are_in_data_too_where_asked(make: Make, host: Host) -> None:
    make(types_in_data=True, publish=("results",)).deliver([*fresh(1), event()])
    until(lambda: host.count("DDATA") == 1)
    data = host.read()[2]
    assert all(metric["typed"] for metric in data["metrics"])
    types = {metric["type"] for metric in data["metrics"]}
    assert types == {"String", "Int64", "Int32", "Double", "Boolean"}


def test_numbers_begin_again_after_255(make: Make, host: Host) -> None:
    publisher = make()
    for first in range(1, 600, 100):
        publisher.deliver(fresh(100, first))
    until(lambda: host.count("DDATA") == 600)
    assert len(take_in(host.read()).readings) == 600


def test_bd_seq_rises_with_every_connection(make: Make, host: Host) -> None:
    for number in range(3):
        publisher = make()
        publisher.deliver(fresh(1))
        publisher.close()
        until(lambda so_far=number: host.count("NDEATH") == so_far + 1)
    seen = take_in(host.read())
    assert seen.births == seen.deaths == [0, 1, 2]


def test_bd_seq_begins_again_after_255_and_outlives_damage(tmp_path: Path) -> None:
    file = tmp_path / "sparkplug.bdseq"
    assert [BirthDeathNumber(file).rise() for _ in range(257)] == [*range(256), 0]
    file.write_text("12\x00")
    assert BirthDeathNumber(file).rise() == 0
    lost = BirthDeathNumber(tmp_path / "no such folder" / "sparkplug.bdseq")
    assert [lost.rise(), lost.rise()] == [0, 1]


def test_a_host_asks_for_a_rebirth(make: Make, host: Host) -> None:
    publisher = make()
    publisher.deliver(fresh(3))
    host.command(b"no protobuf")
    host.command(b"")
    host.ask_rebirth()
    until(lambda: host.count("DBIRTH") == 2)
    publisher.deliver(fresh(2, 4))
    until(lambda: host.count("DDATA") == 5)
    seen = take_in(host.read())
    assert seen.births == [0, 0]
    assert seen.known[1]["Result/ID"] == seen.readings[2]["Result/ID"]
    assert seen.known[1]["Event/ID"] is None
    assert [one["Result/Number"] for one in seen.readings] == [1, 2, 3, 4, 5]


def test_births_asked_for_among_data_keep_the_order(make: Make, host: Host) -> None:
    publisher = make()
    publisher.deliver(fresh(1))
    command = host.rebirth_command()
    for first in range(2, 502, 50):
        host.command(command)
        publisher.deliver(fresh(50, first))
    until(lambda: host.count("DDATA") == 501 and host.count("DBIRTH") == 11)
    seen = take_in(host.read())
    assert [one["Result/Number"] for one in seen.readings] == list(range(1, 502))
    assert set(seen.births) == {0}


def test_what_the_broker_does_not_take_is_left_out_and_counted(
    broker: Broker, make: Make, tmp_path: Path
) -> None:
    broker.kill()
    with (tmp_path / "mosquitto.conf").open("a") as settings:
        settings.write("max_packet_size 2500\n")
    broker.start()
    with closing(Host(broker.port)) as host:
        publisher = make(protocol="5")
        small, large, last = fresh(3)
        publisher.deliver([small, replace(large, part="x" * 3000), last])
        until(lambda: host.count("DDATA") == 2)
        assert publisher.refused == 1
        assert [one["Result/Number"] for one in take_in(host.read()).readings] == [1, 3]


def test_what_is_late_is_historical(make: Make, host: Host) -> None:
    now = datetime.now(UTC)
    ages = [3600, 31, 1]
    publisher = make(late_s=30)
    publisher.deliver([result(age, time=now - timedelta(seconds=age)) for age in ages])
    until(lambda: host.count("DDATA") == 3)
    seen = take_in(host.read())
    assert [one["historical"] for one in seen.readings] == [True, True, False]


def test_what_was_not_confirmed_comes_again_as_historical(
    broker: Broker, make: Make, host: Host
) -> None:
    with closing(Proxy(broker.port)) as proxy:
        publisher = make(port=proxy.port, timeout_s=0.5)
        publisher.deliver(fresh(1))
        proxy.stall()
        parts = fresh(3, 2)
        with pytest.raises(PublishError):
            publisher.deliver(parts)
        proxy.recover()
        until(lambda: _delivers(publisher, parts))
        publisher.deliver(fresh(1, 5))
        until(lambda: host.count("DDATA") >= 5)
        seen = take_in(host.read())
    read = [(one["Result/Number"], one["historical"]) for one in seen.readings]
    assert read[-4:] == [(2, True), (3, True), (4, True), (5, False)]
    assert seen.known[-1]["Result/Number"] == 4
    assert seen.births == sorted(set(seen.births))


def test_a_reading_does_not_wait_for_a_delayed_acknowledgement(make: Make) -> None:
    """A host delays that of TCP by 40 ms, and a small packet may wait for it (RFC 896, 1122)."""
    publisher = make()
    publisher.deliver(fresh(1))
    taken: list[float] = []
    for number in range(2, 42):
        start = time.perf_counter()
        publisher.deliver(fresh(1, number))
        taken.append(time.perf_counter() - start)
    assert statistics.median(taken) < 0.02


@pytest.mark.slow
def test_an_old_answer_confirms_nothing(broker: Broker, make: Make) -> None:
    """The numbers of messages begin again after 65535: that of a fence was one of data before."""
    with closing(Proxy(broker.port)) as proxy:
        publisher = make(port=proxy.port, timeout_s=3)
        (part,) = fresh(1)
        for _ in range(132):
            publisher.deliver([part] * 500)
        proxy.stall()
        with pytest.raises(PublishError, match="not confirmed"):
            publisher.deliver([part])


def test_nothing_is_sent_while_the_primary_host_is_away(make: Make, host: Host) -> None:
    publisher = make(primary_host="scada")
    parts = fresh(3)
    with pytest.raises(PublishError, match="scada is not online"):
        publisher.deliver(parts)
    host.say_state(True, 1000)
    until(lambda: host.count("DBIRTH") == 1)
    publisher.deliver(parts)
    host.say_state(False, 999)  # older than what is known
    publisher.deliver(fresh(1, 4))
    host.say_state(False, 2000)
    until(lambda: host.count("NDEATH") == 1)
    with pytest.raises(PublishError):
        publisher.deliver(fresh(1, 5))
    with pytest.raises(PublishError, match="scada is not online"):
        publisher.deliver(fresh(1, 5))
    host.ask_rebirth()
    time.sleep(0.2)
    assert host.count("NBIRTH") == 1
    host.say_state(True, 3000)
    until(lambda: host.count("DBIRTH") == 2)
    publisher.deliver(fresh(1, 5))
    until(lambda: host.count("DDATA") == 5)
    seen = take_in(host.read())
    assert seen.births == [0, 1]
    assert [one["Result/Number"] for one in seen.readings] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "state",
    [b"ONLINE", b"\xff", b"[1]", b"[" * 100_000, b'{"online": 1, "timestamp": 2}'],
    ids=["old", "no text", "list", "deep", "number"],
)
def test_what_is_no_state_of_a_host_is_not_followed(state: bytes, make: Make, host: Host) -> None:
    publisher = make(primary_host="scada")
    host.publish("spBv1.0/STATE/scada", state)
    with pytest.raises(PublishError, match="scada is not online"):
        publisher.deliver(fresh(1))


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_no_session_is_kept_at_the_broker(protocol: str, make: Make, host: Host) -> None:
    publisher = make(protocol=protocol)
    publisher.deliver(fresh(1))
    publisher.close()
    host.ask_rebirth()
    until(lambda: host.count("NCMD") == 1)
    make(protocol=protocol).deliver(fresh(1, 2))
    until(lambda: host.count("DDATA") == 2)
    # A kept session would have brought the command, and a second birth with it.
    assert host.count("NBIRTH") == 2


def test_the_broker_is_killed(broker: Broker, host: Host, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    proxy = Proxy(broker.port)
    settings = SparkplugSettings(port=proxy.port, timeout_s=0.5)
    forwarder = Forwarder(journal, settings.build("press-4", tmp_path), batch=5)
    forwarder.start()
    numbers = iter(range(1, 1000))

    def write(count: int) -> None:
        for number in [next(numbers) for _ in range(count)]:
            journal.append(result(number, time=datetime.now(UTC)))

    for _ in range(4):
        write(20)
        time.sleep(random.random() * 0.05)
        proxy.cut()
        broker.kill()
        write(5)
        until(lambda: not host.is_here.is_set())
        broker.start()
        # Data of QoS 0 reach only those who listen; a host that is late is another matter.
        assert host.is_here.wait(10)
        proxy.recover()
        assert forwarder.drain(20), forwarder.state
    forwarder.stop()
    proxy.close()
    written = next(numbers) - 1
    journal.close()
    until(lambda: host.count("DDEATH") == 1)
    seen = take_in(host.read())
    assert {int(one["Result/Number"]) for one in seen.readings} == set(range(1, written + 1))
    assert seen.births == sorted(set(seen.births))
    assert len(seen.births) >= 4


def test_the_publisher_is_killed(broker: Broker, host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    parts = fresh(1000)  # more than are carried before the last round: a node without any is silent
    for part in parts:
        journal.append(part)
    journal.close()
    command = [
        sys.executable,
        str(Path(__file__).with_name("sparkplug_deliverer.py")),
        str(folder),
        str(broker.port),
    ]
    rounds = 4
    for turn in range(1, rounds + 1):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if turn == rounds:
                assert process.stdout.readline() == b"done\n"
            else:
                until(lambda so_far=turn: host.count("NBIRTH") == so_far, 20)
                time.sleep(random.random() * 0.02)
            process.kill()
        # The broker says it: the station cannot any more.
        until(lambda so_far=turn: host.count("NDEATH") == so_far)
    seen = take_in(host.read())
    assert seen.births == seen.deaths == list(range(rounds))
    assert set(seen.ids()) == {part.result_id for part in parts}
    assert host.count("DDEATH") == 0


def test_without_its_package_it_is_told_what_to_install(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
sys.modules["pysparkplug"] = None
from keenline.errors import Code, EnvironmentMissing
from keenline.publish.sparkplug import SparkplugSettings
try:
    SparkplugSettings().build("press-4", Path(sys.argv[1]))
except EnvironmentMissing as missing:
    assert missing.code is Code.EXTRA_MISSING
    print(missing.next)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "pip install 'keenline[mqtt]'"


def _delivers(publisher: SparkplugPublisher, parts: list[Result]) -> bool:
    try:
        publisher.deliver(parts)
    except PublishError:
        return False
    return True
