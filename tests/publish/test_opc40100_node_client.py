"""A client of another make (node-opcua) connects, commands, hears and reads back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.publish.vision_client import Client, free_port
from tests.publish.vision_station import BUNDLE, RECIPE, STATION, BenchStation

from keenline.credentials import Credential
from keenline.publish.opc40100 import Opc40100Server, Opc40100Settings, OpcUaUser

LINE = {"user": "line", "password": "correct horse"}
VIEWER = {"user": "viewer", "password": "battery staple"}


class Bench:
    """A served station and the clients that know it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "server"
        users = []
        for facts, commands in ((LINE, True), (VIEWER, False)):
            secret = folder / facts["user"]
            secret.write_text(facts["password"])
            secret.chmod(0o600)
            credential = Credential(file=str(secret))
            users.append(OpcUaUser(name=facts["user"], password=credential, commands=commands))
        self.settings = Opc40100Settings(
            port=free_port(),
            folder=str(self.folder),
            security=("sign-and-encrypt", "sign"),
            users=tuple(users),
        )
        self.client = Client(folder / "client", "known")
        self.stranger = Client(folder / "stranger", "stranger")
        self.station = BenchStation()
        self.server: Opc40100Server = self.settings.build(self.station)
        self.station.deliver = self.server.deliver
        self.server.start()
        trusted = self.folder / "trusted" / "known.pem"
        trusted.write_bytes(self.client.certificate.read_bytes())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("opcua"))
    yield bench
    bench.station.end()
    bench.server.close()


@pytest.mark.parametrize("security", ["sign", "sign-and-encrypt"])
def test_a_trusted_client_with_a_password_is_let_in(bench: Bench, security: str):
    bench.station.be("Preoperational")
    said = bench.client.run(bench.server.endpoint, "connect", security=security, **LINE)
    assert said["connected"]["state"] == "Preoperational"
    assert "done" in said


@pytest.mark.parametrize(
    "facts",
    [
        {"user": "line", "password": "wrong"},
        {"user": "nobody", "password": "correct horse"},
        {"user": "line", "password": ""},
        {"user": None},
        {**LINE, "security": "none"},
    ],
    ids=["wrong password", "unknown name", "empty password", "anonymous", "open channel"],
)
def test_who_cannot_say_who_it_is_stays_out(bench: Bench, facts: dict[str, str]):
    said = bench.client.run(bench.server.endpoint, "connect", **facts)
    assert "connected" not in said
    assert "failed" in said


def test_a_strangers_certificate_is_refused_and_kept_for_review(bench: Bench):
    said = bench.stranger.run(bench.server.endpoint, "connect", **LINE)
    assert "connected" not in said
    assert "BadCertificateUntrusted" in said["failed"]["why"]
    (kept,) = (bench.folder / "rejected").glob("*.der")
    kept.rename(bench.folder / "trusted" / kept.name)
    try:
        assert "connected" in bench.stranger.run(bench.server.endpoint, "connect", **LINE)
    finally:
        (bench.folder / "trusted" / kept.name).unlink()


def test_a_job_is_started_announced_and_read_back(bench: Bench):
    bench.station.be("Ready")
    said = bench.client.run(bench.server.endpoint, "job", part="part-7", **LINE)
    job, error = said["started"]["outputs"]
    assert error == 0
    assert bench.station.jobs[-1].meas_id == "meas-7"
    event = said["event"]["event"]
    handle, result, error = said["result"]["outputs"]
    assert (handle > 0, error) == (True, 0)
    for facts in (
        {name[0].lower() + name[1:]: value for name, value in event.items()},
        result,
    ):
        assert facts["jobId"] == job
        assert facts["measId"]["id"] == "meas-7"
        assert facts["partId"]["id"] == "part-7"
        assert (facts["isPartial"], facts["isSimulated"], facts["resultState"]) == (False, False, 1)
        assert facts["internalRecipeId"]["id"] == RECIPE
        assert facts["internalRecipeId"]["version"] == BUNDLE
        assert facts["internalRecipeId"]["hash"] == RECIPE
        assert facts["externalRecipeId"]["id"] == facts["productId"]["id"] == "bracket"
        assert facts["internalConfigurationId"]["id"] == STATION
        assert facts["externalConfigurationId"]["id"] == "station-1"
        assert facts["processingTimes"]["acquisitionDuration"] == 4.0
        assert facts["processingTimes"]["processingDuration"] == 5.5
        assert facts["creationTime"] == facts["processingTimes"]["endTime"]
        verdict, actuates, code, score, reasons, document = facts["resultContent"]
        assert (verdict, actuates, code, score) == ("PASS", "pass", 0, 0.25)
        assert reasons == ["score 0.25 is below 0.5"]
        assert json.loads(document)["result_id"] == facts["resultId"]["id"]


@pytest.mark.parametrize("where", ["ns=1;s=Keenline", "ns=1;s=Keenline.VisionStateMachine"])
def test_events_are_heard_at_the_system_too(bench: Bench, where: str):
    bench.station.be("Ready")
    said = bench.client.run(bench.server.endpoint, "job", listen=where, **LINE)
    assert said["event"]["event"]["SourceName"] == "Keenline"


def test_two_sessions_at_once_hear_of_the_same_result(bench: Bench):
    bench.station.be("Ready")
    said = bench.client.run(bench.server.endpoint, "pair", **LINE)
    first, second = said["heard"]["ids"]
    assert first == second


def test_who_may_only_look_cannot_start_a_job(bench: Bench):
    bench.station.be("Ready")
    before = len(bench.station.jobs)
    said = bench.client.run(bench.server.endpoint, "job", "unknown", **VIEWER)
    assert said["started"]["status"] == "BadUserAccessDenied"
    assert said["result"]["status"] == "BadNotFound"
    assert len(bench.station.jobs) == before


def test_nobody_can_write(bench: Bench):
    said = bench.client.run(bench.server.endpoint, "write", **LINE)
    assert "BadUserAccessDenied" in said["written"]["status"]


def test_recipes_and_the_configuration_are_told(bench: Bench):
    said = bench.client.run(bench.server.endpoint, "recipes", **LINE)
    complete, count, _handle, recipes, error = said["recipes"]["outputs"]
    assert (complete, count, error) == (True, 2, 0)
    assert [recipe["id"] for recipe in recipes] == [RECIPE, "12" * 32]
    assert said["configuration"]["value"]["internalId"]["id"] == STATION
