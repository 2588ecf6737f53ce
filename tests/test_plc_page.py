"""docs/plc.md tells the truth: its examples are taken, and it names every kind, signal and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keenline.cli.devices import PlcTable
from keenline.devices.plc import Inputs, Outputs
from keenline.strict_toml import StrictTable, TomlFaults, parse_strictly

PAGE = (Path(__file__).parents[1] / "docs" / "plc.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
KINDS = {"s7", "modbus", "opcua", "ethernetip", "rest", "simulated"}


class Document(StrictTable):
    plc: PlcTable


def kind_of(example: str) -> str:
    return re.findall(r'^kind = "(\w+)"', example, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("example", EXAMPLES, ids=kind_of)
def test_each_example_is_taken_and_builds_a_plc(example):
    plc = parse_strictly(example, Document).plc
    assert plc.build().name


def test_there_is_an_example_of_each_kind():
    assert {kind_of(example) for example in EXAMPLES} == KINDS


@pytest.mark.parametrize("table", [Inputs, Outputs])
def test_every_signal_is_in_its_table(table):
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE))
    assert set(table.model_fields) <= rows


@pytest.mark.parametrize("example", EXAMPLES, ids=kind_of)
def test_every_key_of_each_kind_is_named(example):
    plc = parse_strictly(example, Document).plc
    missing = [key for key in type(plc).model_fields if not re.search(rf"\b{key}\b", PAGE)]
    assert missing == []


def test_links_lead_to_headings():
    headings = re.findall(r"^#+ (.*)$", PAGE, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors


def test_a_wrong_address_is_told_with_the_line_in_the_station_file():
    example = next(one for one in EXAMPLES if kind_of(one) == "s7")
    wrong = example.replace("DB10.DBX0.0", "DB10.X0").replace("DB11.DBX0.3", "I0.3")
    with pytest.raises(TomlFaults) as caught:
        parse_strictly(wrong, Document)
    told = {fault.key: fault for fault in caught.value.faults}
    assert set(told) == {"plc.inputs.trigger", "plc.outputs.passed"}
    for key, fault in told.items():
        assert wrong.split("\n")[fault.line - 1].startswith(key.rsplit(".", 1)[1])
        assert "allowed" in fault.message
