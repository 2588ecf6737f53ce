"""The `[store]` table: what is allowed, what is refused with its line, and what it builds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel
from tests.store.records import result
from tests.store.test_images import picture

from keenline.store.migrating import VERSION_TABLE
from keenline.store.opening import open_store
from keenline.store.pictures import pixels_sha256
from keenline.store.queries import Query, count
from keenline.store.schema import tables
from keenline.store.settings import (
    DiskImages,
    KeepSettings,
    RetentionSettings,
    S3Images,
    StoreSettings,
)
from keenline.strict_toml import TomlFaults, parse_strictly

S3 = '[store.images]\nkind = "s3"\nbucket = "abc"\nsecret_key = { env = "B" }\n'


class Station(BaseModel):
    store: StoreSettings = StoreSettings()


def read(text: str) -> StoreSettings:
    return parse_strictly(text, Station).store


def faults(text: str) -> list[str]:
    with pytest.raises(TomlFaults) as caught:
        read(text)
    return [f"{each.line} {each.key}: {each.message}" for each in caught.value.faults]


def test_every_default():
    assert read("") == StoreSettings()
    assert isinstance(StoreSettings().images, DiskImages)


def test_a_whole_table():
    settings = read(
        '[store]\ndatabase = "postgresql+psycopg://line@db.plant:5432/line"\n'
        'password = { env = "LINE_PASSWORD" }\ntimeout_ms = 1000\n'
        "[store.keep]\npass_share = 0.05\n"
        '[store.images]\nkind = "s3"\nbucket = "press-4"\nendpoint = "https://minio.plant:9000"\n'
        'access_key = { env = "A" }\nsecret_key = { file = "/etc/keenline/s3" }\n'
        "[store.retention]\npass_days = 14\nfree_gb = 0\n"
    )
    assert isinstance(settings.images, S3Images)
    assert settings.retention.pass_days == 14
    assert "LINE_PASSWORD" in json.dumps(settings.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[store]\ndatabase = "mysql://x/y"', "2 store.database"),
        ('[store]\ndatabase = "sqlite://"', "names no file"),
        ('[store]\ndatabase = "sqlite://host/file"', "names no file"),
        ('[store]\ndatabase = "postgresql+psycopg://u:pw@h/d"', "holds a password"),
        ('[store]\ndatabase = "postgresql+psycopg://u@h/d?password=pw"', "holds a password"),
        ("[store.keep]\npass_share = 1.5", "2 store.keep.pass_share"),
        ("[store.keep]\nshare = 0.1", "share"),
        ('[store.images]\nkind = "tape"', 'a table with kind = "disk" or'),
        ('[store.images]\nformat = "jpeg"', '2 store.images.format: = "jpeg"; allowed: "png"'),
        ("[store.retention]\nneeded_days = 1000.0", "needed_days"),
        ("[store.retention]\nfree_gb = 1.0", "more than images.reserve_gb"),
        (
            f'{S3}endpoint = "http://minio.plant"\naccess_key = {{ env = "A" }}',
            "allow_http",
        ),
        (f'{S3}access_key = "AKIA123"', "5 store.images.access_key"),
        (f'{S3}acces_key = {{ env = "A" }}', "did you mean access_key"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, words: str):
    found = faults(text)
    assert any(words in each for each in found), found
    assert not any(":pw@" in each for each in found)


def test_what_a_station_runs(tmp_path: Path):
    settings = read(
        '[store]\ndatabase = "sqlite:///data.sqlite"\n[store.keep]\npass_share = 1.0\n'
        "[store.images]\nreserve_gb = 0.01\n[store.retention]\nfree_gb = 0.02\n"
    )
    lost: list[tuple[str, str]] = []
    store = open_store(
        settings, station="press-4", folder=tmp_path, on_lost=lambda *what: lost.append(what)
    )
    store.sink.prepare()
    store.keeper.start()
    store.retention.start()
    image = picture(1)
    part = result(1, sha256=pixels_sha256(image))
    assert store.keeper.wants(part.decision.verdict, part.result_id)
    assert store.keeper.put(part.views[0].image_sha256, image)
    store.sink.deliver([part])
    assert count(store.database, Query()) == 1
    assert store.keeper.close(5)
    store.retention.stop()
    assert np.array_equal(store.read_image(part.views[0].image_sha256), image)
    store.close()
    assert lost == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.sqlite", "images"]


PAGE = (Path(__file__).parents[2] / "docs" / "store.md").read_text("utf-8")


@pytest.mark.parametrize(
    "table", [StoreSettings, KeepSettings, DiskImages, S3Images, RetentionSettings]
)
def test_the_page_has_every_key(table: type[BaseModel]):
    nested = {"keep", "images", "retention"}
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    told = {key for line in rows for key in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert set(table.model_fields) - nested - {"allow_http"} <= told
    assert "allow_http" in PAGE


def test_the_page_has_every_table():
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| `")]
    assert {f"`{name}`" for name in (*tables.tables, VERSION_TABLE)} <= set(rows)


def test_the_table_that_is_shown_is_valid():
    (shown,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert read(shown).retention.pass_days == 30
