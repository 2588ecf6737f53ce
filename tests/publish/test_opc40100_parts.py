"""States, fields, settings and certificates by themselves, without a server."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import product
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from tests.publish.vision_client import Client
from tests.publish.vision_station import result_of

from keenline.credentials import Credential
from keenline.errors import CredentialError
from keenline.publish.opc40100 import Opc40100Settings
from keenline.publish.opc40100_certificates import Identity, TrustList, identity_in
from keenline.publish.opc40100_results import Jobs, RecentResults, Wanted, as_vision_result
from keenline.publish.opc40100_states import ALLOWED, AUTOMATIC, STATES, SYSTEM_STATES, steps
from keenline.station.states import State
from keenline.strict_toml import TomlFaults, parse_strictly

NODE_SET = files("keenline.publish") / "nodesets" / "Opc.Ua.MachineVision.NodeSet2.xml"


# States


@pytest.mark.parametrize("method", ["", *ALLOWED])
def test_every_transition_is_one_of_the_standard(method: str):
    text = NODE_SET.read_text("utf-8")
    for old, new in product(STATES, STATES):
        way = steps(old, new, method)
        assert [step.new for step in way][-1:] == ([] if old == new else [new])
        for step in way:
            assert f'BrowseName="1:{step.transition}"' in text, step


def test_the_states_are_those_of_a_station():
    assert set(STATES) == {str(state) for state in State} == set(SYSTEM_STATES)


def test_an_automatic_transition_says_so():
    (step,) = steps("Ready", "SingleExecution")
    assert step.transition == "ReadyToSingleExecutionAuto"
    (step,) = steps("Ready", "SingleExecution", "StartSingleJob")
    assert step.transition == "ReadyToSingleExecution"


def test_executing_leads_to_executing_only_by_way_of_ready():
    way = steps("SingleExecution", "ContinuousExecution")
    assert [step.new for step in way] == ["Ready", "ContinuousExecution"]
    assert all(step.is_automatic for step in way)
    assert steps("Halted", AUTOMATIC[1])[0].new == "Preoperational"


# Results


def test_creation_is_the_moment_of_the_verdict():
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    found = as_vision_result(result_of(1, time_=when), Jobs())
    assert found.created - found.started == timedelta(milliseconds=9.5)
    assert (found.acquisition_ms, found.processing_ms) == (4.0, 5.5)


def test_the_list_forgets_the_oldest():
    recent, jobs = RecentResults(3), Jobs()
    for number in range(5):
        assert recent.add(as_vision_result(result_of(number), jobs))
    assert recent.get(result_of(1).result_id) is None
    found, complete = recent.select(Wanted(), 0, 10)
    assert ([each.job_id for each in found], complete) == (["2", "3", "4"], True)
    assert not recent.add(as_vision_result(result_of(4), jobs))


def test_jobs_are_remembered_but_not_for_ever():
    jobs = Jobs()
    now = datetime.now(UTC)
    for number in range(1500):
        jobs.single(number, f"m{number}")
    assert jobs.of(1499, now) == ("1499", "m1499")
    assert jobs.of(1, now) == ("1", "")


def test_a_continuous_job_covers_its_time_and_no_other():
    jobs, start = Jobs(), datetime.now(UTC)
    jobs.continuous("c1", "m1", start)
    jobs.end_continuous(start + timedelta(seconds=2))
    jobs.continuous("c2", "m2", start + timedelta(seconds=3))
    assert jobs.of(1, start + timedelta(seconds=1)) == ("c1", "m1")
    assert jobs.of(2, start + timedelta(seconds=2.5)) == ("2", "")
    assert jobs.of(3, start + timedelta(seconds=9)) == ("c2", "m2")


# Settings


def settings(text: str) -> Opc40100Settings:
    return parse_strictly(text, Opc40100Settings)


def test_the_settings_of_the_page_are_read(tmp_path: Path):
    page = (Path(__file__).parents[2] / "docs" / "opc40100.md").read_text("utf-8")
    shown = page.split("```toml\n")[1].split("```")[0]
    read = settings(shown.replace("[opcua]\n", "").replace("[[opcua.users]]", "[[users]]"))
    assert [user.name for user in read.users] == ["line", "office"]
    assert [user.commands for user in read.users] == [True, False]


def test_by_default_only_this_machine_can_connect_and_all_is_encrypted():
    read = settings('users = [{ name = "a", password = { env = "A" } }]')
    assert (read.host, read.security) == ("127.0.0.1", ("sign-and-encrypt",))
    assert not read.anonymous
    assert not read.users[0].commands


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('host = "0.0.0.0"\nanonymous = true\nsecurity = ["none"]', "only with host 127.0.0.1"),
        ('security = ["sign"]', "at least one user"),
        ('anonymous = true\ncertificate = "a.der"', "together"),
        ("anonymous = true\nport = 0", "allowed"),
        ("anonymous = true\nsecurity = []", "allowed"),
        ('anonymous = true\nsecurity = ["basic128"]', "allowed"),
    ],
)
def test_settings_that_would_be_unsafe_are_refused(text: str, words: str):
    with pytest.raises(TomlFaults) as refused:
        settings(text)
    assert any(words in fault.message for fault in refused.value.faults)


def test_a_secret_that_is_missing_stops_the_start(tmp_path: Path):
    from tests.publish.vision_station import BenchStation

    read = settings('users = [{ name = "a", password = { env = "KEENLINE_NO_SUCH" } }]')
    server = read.model_copy(update={"folder": str(tmp_path)}).build(BenchStation())
    with pytest.raises(CredentialError):
        server.start()
    server.close()


# Certificates


def test_an_identity_is_made_once_and_its_key_is_private(tmp_path: Path):
    made = identity_in(tmp_path, "Line 1", "127.0.0.1")
    again = identity_in(tmp_path, "Line 1", "127.0.0.1")
    assert made.certificate.read_bytes() == again.certificate.read_bytes()
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert made.application_uri.startswith("urn:")
    assert made.application_uri.endswith(":keenline:Line-1")
    assert made.valid_until > datetime.now(UTC) + timedelta(days=3600)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path):
    made = identity_in(tmp_path, "x", "localhost")
    made.key.chmod(0o644)
    with pytest.raises(CredentialError):
        Identity(made.certificate, made.key)


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path):
    made = identity_in(tmp_path, "x", "localhost")
    made.certificate.write_bytes(b"no certificate")
    with pytest.raises(CredentialError):
        Identity(made.certificate, made.key)


def test_only_the_very_certificate_is_trusted(tmp_path: Path):
    trust = TrustList(tmp_path / "pki")
    known, other = Client(tmp_path, "same-name"), Client(tmp_path / "b", "same-name")
    der = {each: each.x509.public_bytes(serialization.Encoding.DER) for each in (known, other)}
    assert not trust.trusts(der[known])
    (tmp_path / "pki" / "trusted" / "junk.der").write_bytes(b"junk")
    (tmp_path / "pki" / "trusted" / "known.DER").write_bytes(der[known])
    assert trust.trusts(der[known])
    assert not trust.trusts(der[other])
    assert not trust.trusts(b"junk")
    assert len(list((tmp_path / "pki" / "rejected").iterdir())) == 2


def test_strangers_cannot_fill_the_disk(tmp_path: Path):
    trust = TrustList(tmp_path)
    for number in range(150):
        (tmp_path / "rejected" / f"{number}.der").write_bytes(b"x")
    stranger = Client(tmp_path / "c", "stranger").x509.public_bytes(serialization.Encoding.DER)
    assert not trust.trusts(stranger)
    assert len(list((tmp_path / "rejected").iterdir())) == 100


def test_users_need_a_name_and_names_differ():
    password = Credential(env="A")
    twice = [{"name": "a", "password": password}, {"name": "a", "password": password}]
    with pytest.raises(ValueError, match="each name once"):
        Opc40100Settings.model_validate({"users": tuple(twice)})
