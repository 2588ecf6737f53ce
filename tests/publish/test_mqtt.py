"""Results and events by MQTT: each arrives, with its identifier, whatever becomes of the broker."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.faults.mosquitto import Broker
from tests.faults.proxy import Proxy
from tests.publish.broker_bench import PASSWORD, USER, Authority, ClosedBroker, Notes
from tests.store.records import event, result

from keenline.credentials import Credential
from keenline.errors import Code, CredentialError, PublishError
from keenline.journal.entries import Accepted, Entry, as_json
from keenline.journal.forwarding import Forwarder
from keenline.journal.log import Journal
from keenline.publish.broker_settings import TlsSettings
from keenline.publish.mqtt import MqttPublisher, MqttSettings

STATION = "press-4"


def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.01)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what a test started, last first; afterwards no thread of it is left."""
    before = set(threading.enumerate())
    with ExitStack() as each:
        yield each
    assert set(threading.enumerate()) <= before


@pytest.fixture
def broker(stack: ExitStack, tmp_path: Path) -> Broker:
    made = Broker(tmp_path)
    stack.callback(made.kill)
    return made


@pytest.fixture
def notes(stack: ExitStack, broker: Broker) -> Notes:
    made = Notes(broker.port)
    stack.callback(made.close)
    return made


@contextmanager
def publisher(port: int, **settings: Any) -> Iterator[MqttPublisher]:
    quick = {"timeout_s": 1.0, "keepalive_s": 5} | settings
    made = MqttSettings(port=port, **quick).build(STATION)
    try:
        yield made
    finally:
        made.close()


def refusal(port: int, **settings: Any) -> PublishError:
    with publisher(port, **settings) as mqtt, pytest.raises(PublishError) as caught:
        mqtt.deliver([result(1)])
    return caught.value


def user_properties(message: Any) -> dict[str, str]:
    return dict(getattr(message.properties, "UserProperty", ()))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_results_and_events_arrive_word_for_word(broker: Broker, notes: Notes, protocol: str):
    parts, happened = [result(number) for number in range(1, 51)], event(1)
    entries: list[Entry] = [each for one in parts for each in (Accepted(one.trigger), one)]
    with publisher(broker.port, protocol=protocol) as mqtt:
        mqtt.deliver([*entries, happened])
        until(lambda: len(notes.messages) == 52)
    heard = [one for one in notes.messages if not one.topic.endswith("/status")]
    assert [one.topic for one in heard] == 50 * ["keenline/press-4/results"] + [
        "keenline/press-4/events"
    ]
    assert [one.payload for one in heard] == [as_json(one) for one in [*parts, happened]]
    assert {one.qos for one in heard} == {1}
    assert not any(one.retain for one in heard)
    if protocol == "5":
        assert [user_properties(one)["id"] for one in heard] == [
            *(one.result_id for one in parts), happened.event_id,
        ]  # fmt: skip
        assert user_properties(heard[3])["verdict"] == "REJECT"
        assert user_properties(heard[-1])["kind"] == "state"


def test_only_what_is_asked_for_is_published(broker: Broker, notes: Notes):
    with publisher(broker.port, publish=("events",), prefix="plant/line 1") as mqtt:
        mqtt.deliver([result(1), event(1)])
        until(lambda: len(notes.messages) == 2)
    assert {one.topic for one in notes.messages} >= {"plant/line 1/press-4/events"}
    assert notes.payloads("/results") == []


def test_the_status_is_kept_by_the_broker_and_says_when_the_station_went(
    broker: Broker, notes: Notes, stack: ExitStack
):
    with publisher(broker.port) as mqtt:
        mqtt.deliver([result(1)])
        until(lambda: notes.statuses() == [b"online"])
    until(lambda: notes.statuses() == [b"online", b"offline"])
    late = Notes(broker.port, lambda client: client.reinitialise("late"))
    stack.callback(late.close)
    until(lambda: late.statuses() == [b"offline"])
    assert late.messages[0].retain


def test_the_broker_says_offline_for_a_station_that_goes_without_a_word(
    broker: Broker, notes: Notes, stack: ExitStack
):
    proxy = Proxy(broker.port)
    stack.callback(proxy.close)
    with publisher(proxy.port) as mqtt:
        mqtt.deliver([result(1)])
        proxy.cut()
        until(lambda: notes.statuses() == [b"online", b"offline"])
        proxy.recover()
        # Nobody publishes anything: the connection comes back by itself.
        until(lambda: notes.statuses() == [b"online", b"offline", b"online"])
        mqtt.deliver([result(2)])


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("known", [{}, {"username": USER}, {"username": "nobody"}])
def test_a_wrong_name_or_password_is_refused(
    stack: ExitStack, tmp_path: Path, known: dict[str, str], protocol: str
):
    broker = ClosedBroker(tmp_path)
    stack.callback(broker.kill)
    secret = tmp_path / "secret"
    secret.write_text("not the password")
    secret.chmod(0o600)
    words: dict[str, Any] = known | ({"password": Credential(file=str(secret))} if known else {})
    error = refusal(broker.port, protocol=protocol, **words)
    assert error.code == Code.BROKER_REFUSED
    assert str(broker.port) in str(error)
    assert "not the password" not in str(error)


def test_a_password_that_was_put_right_counts_at_the_next_attempt(
    stack: ExitStack, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    broker = ClosedBroker(tmp_path)
    stack.callback(broker.kill)
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    password = Credential(file=str(secret))
    with publisher(broker.port, username=USER, password=password) as mqtt:
        with pytest.raises(PublishError):
            mqtt.deliver([result(1)])
        secret.write_text(PASSWORD + "\n")
        mqtt.deliver([result(1)])
        seen = repr(mqtt) + repr(vars(mqtt)) + repr(mqtt._settings) + str(password) + caplog.text
        assert PASSWORD not in seen
        assert "wrong" not in seen


def test_a_password_file_that_others_may_read_is_not_used(broker: Broker, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    with publisher(broker.port, username=USER, password=Credential(file=str(secret))) as mqtt:
        with pytest.raises(CredentialError) as caught:
            mqtt.deliver([result(1)])
        assert caught.value.code == Code.CREDENTIAL_EXPOSED
        assert PASSWORD not in str(caught.value)


def test_nobody_listens(tmp_path: Path, stack: ExitStack):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert refusal(port).code == Code.BROKER_UNREACHABLE


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64])
def test_a_host_that_cannot_be_is_unreachable(host: str, stack: ExitStack):
    assert refusal(1883, host=host).code == Code.BROKER_UNREACHABLE


def test_who_accepts_and_says_nothing_is_unreachable(stack: ExitStack):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        error = refusal(mute.getsockname()[1], timeout_s=0.3)
    assert error.code == Code.BROKER_UNREACHABLE
    assert "0.3 s" in str(error)


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def secure_broker(folder: Path, authority: Authority, *, asks: bool = False) -> ClosedBroker:
    certificate, key = authority.issue("broker")
    return ClosedBroker(
        folder,
        f"cafile {authority.ca}\ncertfile {certificate}\nkeyfile {key}\n"
        f"require_certificate {'true' if asks else 'false'}",
    )


def known(folder: Path) -> dict[str, Any]:
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    return {"username": USER, "password": Credential(file=str(secret))}


def test_a_broker_with_tls(stack: ExitStack, tmp_path: Path, authority: Authority):
    broker = secure_broker(tmp_path, authority)
    stack.callback(broker.kill)
    notes = Notes(broker.port, authority.trust)
    stack.callback(notes.close)
    tls = TlsSettings(ca=str(authority.ca))
    with publisher(broker.port, tls=tls, **known(tmp_path)) as mqtt:
        mqtt.deliver([result(1)])
        broker.kill()
        with pytest.raises(PublishError):
            mqtt.deliver([result(2)])
        broker.start()
        notes.wait()
        mqtt.deliver([result(2)])
        until(lambda: notes.firsts() == [result(1).result_id, result(2).result_id])


def test_a_broker_of_another_authority_is_not_trusted(
    stack: ExitStack, tmp_path: Path, authority: Authority
):
    broker = secure_broker(tmp_path, authority)
    stack.callback(broker.kill)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    error = refusal(broker.port, tls=TlsSettings(ca=str(other.ca)), **known(tmp_path))
    assert error.code == Code.BROKER_REFUSED
    assert "certificate" in str(error).lower()


def test_a_certificate_of_another_name_is_not_trusted(
    stack: ExitStack, tmp_path: Path, authority: Authority
):
    broker = secure_broker(tmp_path, authority)
    stack.callback(broker.kill)
    tls = TlsSettings(ca=str(authority.ca))
    error = refusal(broker.port, host="localhost", tls=tls, **known(tmp_path))
    assert error.code == Code.BROKER_REFUSED


def test_a_broker_that_asks_for_a_certificate(
    stack: ExitStack, tmp_path: Path, authority: Authority
):
    broker = secure_broker(tmp_path, authority, asks=True)
    stack.callback(broker.kill)
    certificate, key = authority.issue("station")
    bare = TlsSettings(ca=str(authority.ca))
    mine = TlsSettings(ca=str(authority.ca), certificate=str(certificate), key=str(key))
    refusal(broker.port, tls=bare, **known(tmp_path))
    with publisher(broker.port, tls=mine, **known(tmp_path)) as mqtt:
        mqtt.deliver([result(1)])
    key.chmod(0o640)
    with publisher(broker.port, tls=mine) as mqtt, pytest.raises(CredentialError) as caught:
        mqtt.deliver([result(1)])
    assert caught.value.code == Code.CREDENTIAL_EXPOSED


def test_no_tls_where_the_broker_has_it_and_the_other_way_round(
    stack: ExitStack, tmp_path: Path, authority: Authority, broker: Broker
):
    assert refusal(broker.port, tls=TlsSettings(ca=str(authority.ca))).code in (
        Code.BROKER_REFUSED,
        Code.BROKER_UNREACHABLE,
    )


def test_certificates_that_are_not_there(tmp_path: Path, authority: Authority):
    certificate, key = authority.issue("station")
    for tls in (
        TlsSettings(ca=str(tmp_path / "none.pem")),
        TlsSettings(ca=str(key)),
        TlsSettings(certificate=str(certificate), key=str(tmp_path / "none.key")),
        TlsSettings(certificate=str(key), key=str(key)),
    ):
        with pytest.raises(CredentialError) as caught:
            tls.context()
        assert caught.value.code == Code.CREDENTIAL_MISSING


# What is too large


def test_a_result_that_is_too_large_comes_without_its_regions(broker: Broker, notes: Notes):
    large, small = result(4, regions=200), result(8)
    with publisher(broker.port, largest_bytes=4096) as mqtt:
        mqtt.deliver([large, small])
        until(lambda: len(notes.messages) == 3)
        assert mqtt.refused == 0
    first, second = notes.payloads("/results")
    assert first["result_id"] == large.result_id
    assert first["views"][0]["regions"] == []
    assert len(second["views"][0]["regions"]) == 1
    shortened = [user_properties(one).get("shortened") for one in notes.messages]
    assert shortened[:3] == [None, "regions", None]


def test_what_can_never_be_sent_is_counted_and_stops_nothing(
    broker: Broker, notes: Notes, caplog: pytest.LogCaptureFixture
):
    with publisher(broker.port, largest_bytes=2048) as mqtt:
        mqtt.deliver([event(1, text=3000 * "x"), event(2)])
        until(lambda: len(notes.payloads("/events")) == 1)
        assert mqtt.refused == 1
    assert f"KL{int(Code.PUBLISH_ENCODING)}" in caplog.text
    assert event(1).event_id in caplog.text


@pytest.mark.parametrize("says", [True, False])
def test_a_broker_that_takes_less(stack: ExitStack, tmp_path: Path, says: bool):
    """One kind of limit it tells its clients, the other not: `largest_bytes` is for that."""
    broker = ClosedBroker(tmp_path, f"{'max_packet_size' if says else 'message_size_limit'} 3000")
    stack.callback(broker.kill)
    own = {} if says else {"largest_bytes": 3000}
    with publisher(broker.port, **known(tmp_path), **own) as mqtt:
        mqtt.deliver([event(1, text=3500 * "x"), event(2)])
        mqtt.deliver([event(3)])
        assert mqtt.refused == 1


# Outages


@pytest.fixture
def journal(stack: ExitStack, tmp_path: Path) -> Journal:
    made = Journal(tmp_path / "journal", reserve_bytes=0)
    stack.callback(made.close)
    return made


def assert_all_in_order(notes: Notes, count: int) -> None:
    """Each result came, in the order of the parts, whatever came twice."""
    wanted = [result(number).result_id for number in range(1, count + 1)]
    until(lambda: len(notes.firsts()) == count)
    assert notes.firsts() == wanted


@pytest.mark.parametrize("fault", ["killed", "cut", "stalled"])
def test_after_an_outage_every_result_is_there_in_order(
    stack: ExitStack, broker: Broker, notes: Notes, journal: Journal, fault: str
):
    proxy = Proxy(broker.port)
    stack.callback(proxy.close)
    mqtt = MqttSettings(port=proxy.port, timeout_s=0.5, keepalive_s=5).build(STATION)
    forwarder = Forwarder(journal, mqtt, batch=16)
    forwarder.start()
    stack.callback(forwarder.stop)
    for number in range(1, 301):
        journal.append(result(number))
        if number == 100:
            until(lambda: len(notes.firsts()) > 20)
            strike(fault, broker, proxy)
    until(lambda: forwarder.state.trouble is not None)
    trouble = forwarder.state.trouble
    assert trouble is not None
    assert trouble.code == Code.BROKER_UNREACHABLE
    if fault == "killed":
        broker.start()
        notes.wait()
    proxy.recover()
    assert forwarder.drain(20)
    assert_all_in_order(notes, 300)
    until(lambda: notes.statuses()[-1] == b"online")
    assert forwarder.state.trouble is None


def strike(fault: str, broker: Broker, proxy: Proxy) -> None:
    if fault == "cut":
        proxy.cut()
    else:
        proxy.stall()
    if fault == "killed":
        # In the middle of a batch, part of which is under way. What it has confirmed it passes
        # on first: with it would end what it keeps in memory only, as mosquitto by default.
        time.sleep(0.2)
        broker.kill()


def test_a_broker_that_is_killed_again_and_again(
    stack: ExitStack, broker: Broker, notes: Notes, journal: Journal
):
    mqtt = MqttSettings(port=broker.port, timeout_s=0.5, keepalive_s=5).build(STATION)
    forwarder = Forwarder(journal, mqtt, batch=8)
    forwarder.start()
    stack.callback(forwarder.stop)
    for number in range(1, 401):
        journal.append(result(number))
        if number % 100 == 0:
            assert forwarder.drain(20)
            until(lambda upto=number: len(notes.firsts()) >= upto)
            journal.append(event(number))
            broker.kill()
            broker.start()
            notes.wait()
    assert forwarder.drain(20)
    assert_all_in_order(notes, 400)


def test_a_slow_broker_gets_everything(stack: ExitStack, broker: Broker, notes: Notes):
    proxy = Proxy(broker.port)
    stack.callback(proxy.close)
    with publisher(proxy.port, in_flight=2, timeout_s=2) as mqtt:
        mqtt.deliver([result(1)])
        slow = threading.Thread(target=stutter, args=(proxy, 12))
        slow.start()
        try:
            mqtt.deliver([result(number) for number in range(2, 41)])
        finally:
            slow.join()
        assert_all_in_order(notes, 40)
    assert len(notes.payloads("/results")) == 40


def stutter(proxy: Proxy, times: int) -> None:
    for _ in range(times):
        proxy.stall()
        time.sleep(0.1)
        proxy.recover()
        time.sleep(0.02)


def test_a_close_does_not_wait_for_a_network_that_is_gone(stack: ExitStack, broker: Broker):
    proxy = Proxy(broker.port)
    stack.callback(proxy.close)
    with publisher(proxy.port) as mqtt:
        mqtt.deliver([result(1)])
        proxy.stall()
        begin = time.monotonic()
    assert time.monotonic() - begin < 4


def test_a_close_ends_an_attempt_to_connect(stack: ExitStack):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mqtt = MqttSettings(port=mute.getsockname()[1], timeout_s=30).build(STATION)
        failures: list[Code] = []

        def deliver() -> None:
            try:
                mqtt.deliver([result(1)])
            except PublishError as error:
                failures.append(error.code)

        thread = threading.Thread(target=deliver)
        thread.start()
        time.sleep(0.3)
        mqtt.close()
        thread.join(5)
        assert not thread.is_alive()
    assert failures == [Code.BROKER_UNREACHABLE]


def test_a_hundred_failed_attempts_leave_nothing_behind(stack: ExitStack):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    before = len(list(Path("/proc/self/fd").iterdir()))
    with publisher(port) as mqtt:
        for _ in range(100):
            with pytest.raises(PublishError):
                mqtt.deliver([result(1)])
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


# Rights


RULES = "topic readwrite other/#\n"
GREETS = "topic write keenline/press-4/status\n"


@pytest.mark.parametrize("rules", [RULES, RULES + GREETS])
def test_a_topic_that_may_not_be_written_is_refused(stack: ExitStack, tmp_path: Path, rules: str):
    """MQTT 5 alone can say so."""
    (tmp_path / "rules").write_text(f"user {USER}\n{rules}")
    broker = ClosedBroker(tmp_path, f"acl_file {tmp_path / 'rules'}")
    stack.callback(broker.kill)
    error = refusal(broker.port, **known(tmp_path))
    assert error.code == Code.BROKER_REFUSED
    assert "0x87" in str(error)


def test_another_client_of_the_same_name_is_told_as_trouble(broker: Broker, stack: ExitStack):
    with publisher(broker.port, client_id="one") as mqtt:
        mqtt.deliver([result(1)])
        with publisher(broker.port, client_id="one") as other:
            other.deliver([result(2)])
            # Each throws the other out and comes back; what is delivered is confirmed all the same.
            until(lambda: delivered(mqtt) and delivered(other))


def delivered(mqtt: MqttPublisher) -> bool:
    try:
        mqtt.deliver([result(3)])
    except PublishError:
        return False
    return True
