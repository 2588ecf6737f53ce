"""A client of another make (node-opcua) connects, commands, hears and reads back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.publish.vision_client import Client, free_port
from tests.publish.vision_station import BUNDLE, RECIPE, STATION, BenchStation

from keenline.credentials import Credential
from keenline.publish.opc40100 import Opc40100Server, Opc40100Settings
from keenline.publish.opc40100_settings import OpcUaUser

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


def test_a_trusted_client_with_a_password_is_let_in_by_each_security(bench: Bench):
    bench.station.be("Preoperational")
    attempts = [{"security": "sign"}, {"security": "sign-and-encrypt"}]
    said = bench.client.lines(bench.server.endpoint, "connect", attempts=attempts, **LINE)
    assert [each["word"] for each in said] == ["connected", "done"] * 2
    assert said[0]["state"] == "Preoperational"


def test_who_cannot_say_who_it_is_stays_out(bench: Bench):
    attempts = {
        "BadUserAccessDenied": {"user": "line", "password": "wrong"},
        "BadUserAccessDenied (0": {"user": "nobody", "password": "correct horse"},
        "BadUserAccessDenied (0x": {"user": "line", "password": ""},
        "ANONYMOUS": {"user": None},
        "securityMode = None": LINE | {"security": "none"},
    }
    refused = bench.server.refused
    said = bench.client.lines(bench.server.endpoint, "connect", attempts=list(attempts.values()))
    assert [each["word"] for each in said] == ["failed"] * len(attempts)
    for each, why in zip(said, attempts, strict=True):
        assert why in each["why"]
    assert bench.server.refused >= refused + 3


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


def test_a_job_is_started_announced_and_read_back_but_nothing_can_be_written(bench: Bench):
    bench.station.be("Ready")
    said = bench.client.run(bench.server.endpoint, "job", "write", part="part-7", **LINE)
    assert "BadUserAccessDenied" in said["written"]["status"]
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


def test_recipes_and_the_configuration_are_told(bench: Bench):
    said = bench.client.run(bench.server.endpoint, "recipes", **LINE)
    complete, count, _handle, recipes, error = said["recipes"]["outputs"]
    assert (complete, count, error) == (True, 2, 0)
    assert [recipe["id"] for recipe in recipes] == [RECIPE, "12" * 32]
    assert said["configuration"]["value"]["internalId"]["id"] == STATION
