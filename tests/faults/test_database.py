"""The database is killed, and shared by two stations, while parts go by: it has each once."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.faults.line import STORE, FaultLine, assert_stored_once, fault_line
from tests.peers.postgres import PASSWORD, Postgres
from tests.station.lines import until


def store_in(url: str, folder: Path) -> str:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    password = f'password = {{ file = "{secret}" }}\n' if url.startswith("postgresql") else ""
    default = 'database = "sqlite:///keenline.sqlite"\n'
    assert default in STORE
    return STORE.replace(default, f'database = "{url}"\n{password}')


def test_the_database_is_killed_and_the_line_does_not_notice(
    postgres: Postgres, bundle: Path, tmp_path: Path
) -> None:
    store = store_in(postgres.new_database(), tmp_path)
    with fault_line(tmp_path, bundle, more=store) as line:
        line.until_passes(3)
        postgres.kill()
        begin = len(line.results)
        try:
            until(lambda: line.plant.forwarders[0].state.trouble is not None)
            assert line.metric('keenline_behind{sink="store"}') == 1
            line.until_passes(8)
            assert line.notices_nothing(begin)
            assert line.station.health.troubles == {}
        finally:
            postgres.start()
        until(lambda: line.plant.forwarders[0].state.trouble is None)
        line.until_passes(2)
        line.settle()
    assert line.notices_nothing()
    assert line.plant.forwarders[0].state.failures >= 1


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_two_stations_write_to_one_database(
    kind: str, request: pytest.FixtureRequest, bundle: Path, tmp_path: Path
) -> None:
    url = "sqlite:///keenline.sqlite"
    if kind == "postgres":
        url = request.getfixturevalue("postgres").new_database()
    store = store_in(url, tmp_path)
    with ExitStack() as stack:
        lines: list[FaultLine] = [
            stack.enter_context(fault_line(tmp_path, bundle, station=name, more=store))
            for name in ("press-4", "press-5")
        ]
        time.sleep(1)
        for line in lines:
            line.until_passes(3)
        for line in lines:
            line.settle()
        for line in lines:  # the other one has written since
            assert_stored_once(line.plant, line.left)
    ids = [{one.result_id for one in line.results} for line in lines]
    assert not ids[0] & ids[1]
