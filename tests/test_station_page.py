"""docs/station.md tells the truth: its examples load, its tables are the models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from keenline.cli.station_config import MetricsSettings, StationConfig, load_station
from keenline.errors import Code
from keenline.station.settings import (
    EngineTable,
    HandshakeSettings,
    ShadowTable,
    TrackingSettings,
    TriggerSettings,
)
from keenline.station.states import State
from keenline.value_words import describe, keys_of

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "station.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
TABLES: dict[str, type[BaseModel]] = {
    "`[trigger]`": TriggerSettings,
    "`[handshake]`": HandshakeSettings,
    "`[tracking]`": TrackingSettings,
    "`[engine]`": EngineTable,
    "`[shadow]`": ShadowTable,
    "`[metrics]`": MetricsSettings,
}
ELSEWHERE = {"cameras", "plc", "store", "mqtt", "sparkplug", "opcua"}
"""Tables that have pages of their own."""


def section(title: str) -> str:
    found: str = re.split(r"\n#+ ", PAGE.split(f" {title}\n", 1)[1])[0]
    return found


def shown(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`"


def said(title: str) -> dict[str, tuple[str, str]]:
    """Key to (allowed, default) as the page says it."""
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .+ \|$", section(title), re.MULTILINE)
    return {key: (allowed, default) for key, allowed, default in rows}


def meant(model: type[BaseModel], but: frozenset[str] = frozenset()) -> dict[str, tuple[str, str]]:
    return {
        key: (
            describe(field.annotation, field.metadata),
            "must be given" if field.is_required() else shown(field.default),
        )
        for key, field in keys_of(model).items()
        if key not in but
    }


@pytest.mark.parametrize("title", TABLES)
def test_a_table_has_every_key_with_its_range_and_default_and_no_other(title: str):
    assert said(title) == meant(TABLES[title])


def test_the_top_of_the_file_is_told_and_every_other_table_is_linked():
    own = {re.findall(r"\w+", title)[0] for title in TABLES}
    assert said("Top of the file") == meant(StationConfig, frozenset(own | ELSEWHERE))
    assert own | ELSEWHERE | set(said("Top of the file")) == set(keys_of(StationConfig))
    for table in ELSEWHERE:
        assert re.search(rf"^\| .*`\[+{table}\]+`.*\]\(\w+\.md\) \|$", PAGE, re.MULTILINE), table


def test_there_are_examples_of_each_table():
    written = {name for one in EXAMPLES for name in re.findall(r"^\[+(\w+)", one, re.MULTILINE)}
    assert written >= {"trigger", "handshake", "tracking", "cameras", "plc", "metrics"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.split('"')[1])
def test_an_example_loads(example: str, tmp_path: Path):
    path = tmp_path / "station.toml"
    path.write_text(example, "utf-8")
    config = load_station(path)
    assert all(camera.build().name for camera in config.cameras)


def test_links_lead_to_pages_and_headings():
    for page, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", PAGE):
        path = DOCS / page if page else DOCS / "station.md"
        assert path.exists(), page
        headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), flags=re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
        assert not anchor or anchor in anchors, f"{page}#{anchor}"


def test_every_state_and_every_code_of_a_part_is_in_its_table():
    told = re.findall(r"^\| (\w+) \|", section("States"), re.MULTILINE)
    assert sorted(told) == sorted([*State, "state"])
    codes = re.findall(r"^\| \[(\d+)\]", section("What INVALID means for the line"), re.MULTILINE)
    assert [int(code) for code in codes] == [code for code in Code if 5400 <= code < 5500]
