"""docs/publishing.md on Sparkplug B: its example is taken, and it has every metric and key."""

from __future__ import annotations

import re
from pathlib import Path

from keenline.publish.sparkplug import SparkplugSettings
from keenline.publish.sparkplug_payload import METRICS
from keenline.strict_toml import StrictTable, parse_strictly

PAGE = (Path(__file__).parents[2] / "docs" / "publishing.md").read_text(encoding="utf-8")
SECTION = re.split(r"^## ", PAGE.split("\n## Sparkplug B\n")[1], flags=re.MULTILINE)[0]
ROWS = [re.split(r" ?\| ?", line)[1:-1] for line in SECTION.splitlines() if line.startswith("|")]


class Document(StrictTable):
    sparkplug: SparkplugSettings


def test_the_example_is_taken() -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", SECTION, flags=re.MULTILINE | re.DOTALL)
    assert parse_strictly(example, Document).sparkplug.primary_host == "scada"


def test_every_metric_is_in_its_table_with_its_datatype() -> None:
    told = {row[0].strip("`"): row[1].upper() for row in ROWS if "/" in row[0] and "`R" in row[0]}
    told |= {row[0].strip("`"): row[1].upper() for row in ROWS if row[0].startswith("`Event/")}
    assert told == dict(METRICS)


def test_every_key_is_in_its_table() -> None:
    told = {key for row in ROWS for key in re.findall(r"`(\w+)`", row[0])}
    assert set(SparkplugSettings.model_fields) <= told


def test_defaults_are_as_told() -> None:
    defaults = SparkplugSettings()
    told = {row[0].strip("`"): row[1].strip("`") for row in ROWS}
    for key in ("group_id", "device_id", "protocol"):
        assert told[key] == getattr(defaults, key)
    for key in ("late_s", "keepalive_s", "timeout_s", "in_flight"):
        assert float(told[key]) == getattr(defaults, key)
