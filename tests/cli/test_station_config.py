"""A station's TOML file: what is taken, and for what is not: line, key and what is allowed."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.cli.devices import CameraTable, PlcTable, kinds_of
from keenline.cli.station_config import StationConfig, load_station
from keenline.errors import Code, StationError

TOP = 'station = "press-7"\nbundle = "part.keen"\n'
CAMERA = '[[cameras]]\nname = "top"\nkind = "simulated"\n'
CLOCK = '[trigger]\nsource = "software"\nevery_ms = 100.0\n'
PLC = '[plc]\nkind = "simulated"\n'
BARE = TOP + CAMERA + PLC


def written(folder: Path, text: str) -> Path:
    path = folder / "station.toml"
    path.write_text(text, "utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(StationError) as caught:
        load_station(written(folder, text))
    return list(caught.value.problems)


def test_a_plc_and_a_camera_are_enough(tmp_path: Path):
    config = load_station(written(tmp_path, BARE))
    assert (config.station, config.journal, config.trigger.source) == ("press-7", "journal", "plc")
    assert config.metrics is None


def test_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path: Path):
    path = tmp_path / "station.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BARE.replace("\n", "\r\n").encode())
    assert load_station(path) == load_station(written(tmp_path, BARE))


def test_the_hash_is_of_what_it_says_and_not_of_how(tmp_path: Path):
    same = load_station(written(tmp_path, "# a remark\n" + BARE + "[engine]\nthreads = 0\n"))
    other = load_station(written(tmp_path, BARE + "[engine]\nthreads = 1\n"))
    assert load_station(written(tmp_path, BARE)).sha256 == same.sha256 != other.sha256


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BARE + "[plcx]\n", "8: plcx is not a key here; did you mean plc?"),
        (
            TOP + "deadline_ms = 3.0\n" + CAMERA + PLC,
            "3: deadline_ms is not a key here; it belongs in [trigger]",
        ),
        (BARE.replace("press-7", "press 7"), '1: station = "press 7"; allowed: 1 to 64 letters'),
        (
            BARE + "[trigger]\ndeadline_ms = 0\n",
            "9: trigger.deadline_ms = 0; allowed: number, 1 to 60000",
        ),
        (
            BARE + '[handshake]\nkind = "levl"\n',
            '9: handshake.kind = "levl"; allowed: "level" or "count"',
        ),
        (
            BARE + '[metrics]\nport = "80"\n',
            '9: metrics.port = "80"; allowed: whole number, 0 to 65535',
        ),
        (TOP + PLC, "1: cameras is missing; allowed: at least one table [[cameras]]"),
        (TOP + "cameras = []\n" + PLC, "3: cameras = []; allowed: at least one table [[cameras]]"),
        (BARE.replace('"top"', '""'), '4: cameras[0].name = ""; allowed: text, 1 to 64 characters'),
        (BARE + CAMERA, '9: cameras[1].name = "top"; cameras[0] has this name'),
        (TOP + CAMERA, '1: trigger.source = "plc" needs a table [plc]'),
        (
            BARE + "[tracking]\ngate_counts = 9\nlead_counts = 10\n",
            "10: tracking.lead_counts = 10; allowed: whole number, 0 to gate_counts",
        ),
        (
            BARE + "[tracking]\ngate_counts = 9\nlead_counts = -1\n",
            "10: tracking.lead_counts = -1; allowed",
        ),
        (
            BARE + '[trigger]\nsource = "camera"\n',
            'cameras[0].trigger = "software"; a camera that triggers needs "line" or "free"',
        ),
        (
            TOP + CAMERA + '[trigger]\nsource = "software"\n',
            '7: trigger.source = "software" needs every_ms, or a table [opcua]',
        ),
        (
            BARE + "[trigger]\nevery_ms = 10.0\n",
            '9: trigger.every_ms is not used; it needs source = "software"',
        ),
    ],
)
def test_a_fault_is_told_with_line_key_and_what_is_allowed(tmp_path: Path, text: str, told: str):
    found = problems(tmp_path, text)
    assert any(one.startswith("station.toml:") and told in one for one in found), found


REAL_PLC = (
    '[plc]\nkind = "modbus"\nhost = "127.0.0.1"\n[plc.outputs]\nready = "coil:0"\n'
    'result_valid = "coil:1"\npassed = "coil:2"\n[plc.inputs]\n'
)


def test_tracking_needs_an_encoder(tmp_path: Path):
    text = TOP + CAMERA + "[tracking]\ngate_counts = 9\n" + REAL_PLC + 'trigger = "coil:3"\n'
    assert problems(tmp_path, text) == ["station.toml:6: tracking needs plc.inputs.encoder"]
    load_station(written(tmp_path, text + 'encoder = "input-register:0:int32"\n'))


def test_a_plc_that_triggers_needs_a_trigger(tmp_path: Path):
    (told,) = problems(tmp_path, TOP + CAMERA + REAL_PLC)
    assert told.endswith('plc.inputs lacks trigger; trigger.source = "plc" needs it')


@pytest.mark.parametrize("more", ['"folder"\nfolder = "in"', '"video"\nsource = "/dev/video0"'])
def test_a_camera_whose_frames_come_by_themselves_may_trigger(tmp_path: Path, more: str):
    camera = f'[[cameras]]\nname = "in"\nkind = {more}\n'
    load_station(written(tmp_path, TOP + camera + '[trigger]\nsource = "camera"\n'))


UNIONS = [
    ("cameras[0]", CameraTable, TOP + PLC + '[[cameras]]\nname = "top"\n', 5, 7),
    ("plc", PlcTable, TOP + CAMERA + "[plc]\ntimeout_ms = 500.0\n", 6, 8),
]


@pytest.mark.parametrize(("key", "union", "text", "at", "below"), UNIONS, ids=["cameras", "plc"])
def test_a_missing_or_unknown_kind_lists_the_known_ones(
    tmp_path: Path, key: str, union: object, text: str, at: int, below: int
):
    known = kinds_of(union)
    assert len(known) >= 6
    allowed = " or ".join(f'"{kind}"' for kind in known)
    assert f"station.toml:{at}: {key}.kind is missing; allowed: {allowed}" in problems(
        tmp_path, text
    )
    told = problems(tmp_path, text + 'kind = "siemens"\n')
    assert f'station.toml:{below}: {key}.kind = "siemens"; allowed: {allowed}' in told


def test_a_mistyped_kind_is_told_with_the_one_that_was_meant(tmp_path: Path):
    (told,) = problems(
        tmp_path, BARE.replace('"top"\nkind = "simulated"', '"top"\nkind = "simulted"')
    )
    assert '= "simulted"; did you mean "simulated"? allowed: ' in told


def test_what_is_no_table_at_all_is_told_which_tables_there_are(tmp_path: Path):
    told = problems(tmp_path, TOP + 'plc = "s7"\n' + CAMERA)
    assert any('plc = "s7"; allowed: table with kind = "ethernetip" or' in one for one in told), (
        told
    )


def test_all_is_told_at_once_in_the_order_of_the_lines(tmp_path: Path):
    text = (
        TOP + "bundel = 1\n" + CAMERA + "colour = 3\n" + CAMERA + PLC + "[engine]\nthreads = 65\n"
    )
    told = problems(tmp_path, text)
    lines = [int(one.split(":")[1]) for one in told]
    assert lines == sorted(lines)
    assert len(told) == 4


def test_syntax_and_content_are_told_together(tmp_path: Path):
    with pytest.raises(StationError) as caught:
        load_station(written(tmp_path, 'station = "press 7"\nbundle = \n' + CAMERA + PLC))
    assert caught.value.code is Code.STATION_SYNTAX
    assert len(caught.value.problems) == 2


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path):
    with pytest.raises(StationError) as caught:
        load_station(tmp_path / "none.toml")
    assert caught.value.code is Code.STATION_MISSING
    path = tmp_path / "station.toml"
    path.write_bytes(b"station = 'a'\n# \xff\n")
    with pytest.raises(StationError, match=r"station.toml:2: is not UTF-8 text"):
        load_station(path)


KEYS = [*StationConfig.model_fields, "schema", "kind", "name", "source", "inputs", "images", "x"]
VALUES = ['"plc"', '"camera"', '"software"', '"simulated"', "1", "-1", "0.5", "true", "[]", "{}"]
VALUES += [
    "[{}]",
    '[{ name = "a" }]',
    '{ kind = "simulated" }',
    "{ inputs = 3 }",
    "{ source = [] }",
]
LINE = st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES))


@given(st.lists(LINE, unique_by=lambda line: line[0]))
def test_any_file_is_a_configuration_or_a_list_of_faults(lines: list[tuple[str, str]]):
    """No value of the wrong kind stops the search for contradictions."""
    folder = Path(tempfile.mkdtemp())
    path = written(folder, "".join(f"{key} = {value}\n" for key, value in lines))
    with pytest.raises(StationError) as caught:
        load_station(path)
    assert all(re.match(r"station\.toml:\d+: .+", one) for one in caught.value.problems)
    shutil.rmtree(folder)
