"""docs/publishing.md tells the truth about MQTT: examples are real, each key has its default."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from tests.store.records import result

from keenline.journal.entries import as_json
from keenline.publish.broker_settings import TlsSettings
from keenline.publish.mqtt import MqttSettings
from keenline.strict_toml import StrictTable, parse_strictly

PAGE = (Path(__file__).parents[1] / "docs" / "publishing.md").read_text(encoding="utf-8")
MQTT = re.split(r"^## (.*)$", PAGE, flags=re.MULTILINE)[1:]
SECTION = dict(zip(MQTT[::2], MQTT[1::2], strict=True))["MQTT"]


class Document(StrictTable):
    mqtt: MqttSettings


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", SECTION, flags=re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def rows() -> dict[str, str]:
    """Key to default, as the page has them."""
    return dict(re.findall(r"^\| `([a-z_]+)` \| `?(.*?)`? \|", SECTION, flags=re.MULTILINE))


def test_the_example_is_taken_and_builds_a_publisher():
    settings = parse_strictly(block("toml"), Document).mqtt
    settings.build("press-4").close()


def test_the_example_of_a_result_is_a_result():
    assert json.loads(block("json")) == json.loads(as_json(result(4)))


def test_the_page_has_every_key_and_no_other():
    assert set(rows()) == set(MqttSettings.model_fields)


@pytest.mark.parametrize("key", MqttSettings.model_fields)
def test_a_key_has_the_default_that_the_page_says(key: str):
    told, default = rows()[key], MqttSettings.model_fields[key].default
    if default is None:
        assert told == "none"
        return
    value = tomllib.loads(f"value = {told}")["value"]
    assert (tuple(value) if isinstance(value, list) else value) == default


def test_every_key_of_tls_is_named():
    assert [key for key in TlsSettings.model_fields if f"{key} = " not in SECTION] == []


def test_the_topics_are_those_of_the_publisher():
    topics = set(re.findall(r"`PREFIX/STATION/(\w+)`", SECTION))
    assert topics == {*MqttSettings.model_fields["publish"].default, "status"}


def test_links_lead_to_headings_and_pages():
    headings = re.findall(r"^#+ (.*)$", PAGE, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors
    pages = re.findall(r"\]\((?!https?:|#)([^)#]+)", PAGE)
    folder = Path(__file__).parents[1] / "docs"
    assert [page for page in pages if not (folder / page).exists()] == []
