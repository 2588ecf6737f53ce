"""Addresses of every PLC: what is taken, what is not, and that all faults are told at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from keenline.devices import ethernetip_address, modbus_address, s7_address
from keenline.devices.ethernetip import EthernetIpSettings
from keenline.devices.modbus import ModbusSettings
from keenline.devices.opcua import OpcUaSettings
from keenline.devices.plc_signals import Form, fitted, received
from keenline.devices.rest import RestSettings
from keenline.devices.s7 import S7Settings
from keenline.errors import Code, PlcError
from keenline.strict_toml import TomlFaults, parse_strictly

GOOD = {
    s7_address.parse: [
        *("DB10.DBX0.3", "DB10.DBW2", "DB10.DBD4", "DB10.STRING8[16]", "DB1.STRING0[254]"),
        *("M0.3", "MW2", "MD4", "I0.0", "IW10", "Q7.7", "QD0", "DB65535.DBX99999.7"),
    ],
    modbus_address.parse: [
        *("coil:0", "input:3", "holding:10", "holding:10:int32", "holding:20:text16"),
        *("input-register:3", "input-register:65534:int32", "holding:65535", "holding:1:bit15"),
    ],
    ethernetip_address.parse: [
        *("Trigger", "Line.Trigger", "Parts[3].Id", "M[1,2,3]", "Program:Main.Trigger", "_x"),
        *("@1/1/7:SHORT_STRING", "@0x93/1/1:DINT", "@0xFFFF/65535/1:BOOL"),
    ],
}
BAD = {
    s7_address.parse: [
        *("", "DB0.DBX0.0", "DB65536.DBW0", "DB10.DBX0.8", "DB10.DBX0", "DB10.DBW02", "db1.dbw0"),
        *("DB10.DBB0", "DB10.STRING0[0]", "DB10.STRING0[255]", "M0", "MB3", "T5", "DB10.DBW2 "),
    ],
    modbus_address.parse: [
        *("", "coil", "coil:-1", "coil:65536", "holding:65535:int32", "coil:0:int32", "40001"),
        *("holding:1:bit16", "holding:1:bit", "holding:1:int3216", "holding:1:text0"),
        *("holding:1:text241", "holding:01", "register:1", "Holding:1", "holding:65530:text16"),
    ],
    ethernetip_address.parse: [
        *("", "3Trigger", "Line..Trigger", "Line.", "Parts[x]", "Parts[1,2,3,4]", "a b", "Größe"),
        *("@1/1:DINT", "@1/1/1", "@1/1/1:REAL", "@65536/1/1:DINT", "@x/1/1:DINT", "x" * 41),
    ],
}


@pytest.mark.parametrize(("parse", "text"), [(p, t) for p, some in GOOD.items() for t in some])
def test_addresses_that_are_taken(parse, text):
    assert str(parse(text)) == text


@pytest.mark.parametrize(("parse", "text"), [(p, t) for p, some in BAD.items() for t in some])
def test_addresses_that_are_not(parse, text):
    with pytest.raises(PydanticCustomError, match="allowed"):
        parse(text)


@pytest.mark.parametrize("parse", GOOD)
@given(text=st.text(max_size=30))
def test_no_text_leads_to_another_error(parse, text):
    try:
        parse(text)
    except PydanticCustomError:
        return


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (s7_address.parse, "I0.0"),
        (modbus_address.parse, "input:0"),
        (modbus_address.parse, "input-register:0"),
        (modbus_address.parse, "holding:0:bit1"),
    ],
)
def test_what_cannot_be_written(parse, text):
    parse(text)
    with pytest.raises(PydanticCustomError):
        parse(text, writable=True)


def test_paths_of_tags_as_the_standard_has_them():
    """Examples of Rockwell 1756-PM020: symbolic segments are padded to an even length."""
    assert ethernetip_address.parse("rate").path == b"\x03\x91\x04rate"
    assert ethernetip_address.parse("odd").path == b"\x03\x91\x03odd\0"
    assert ethernetip_address.parse("a[5].b").path == b"\x05\x91\x01a\0\x28\x05\x91\x01b\0"
    assert ethernetip_address.parse("a[300]").path == b"\x04\x91\x01a\0\x29\0\x2c\x01"
    assert ethernetip_address.parse("@0x93/1/10:INT").path == b"\x03\x20\x93\x24\x01\x30\x0a"
    assert ethernetip_address.parse("@0x193/1/10:INT").path == b"\x04\x21\0\x93\x01\x24\x01\x30\x0a"


@given(value=st.integers(-(1 << 31), (1 << 31) - 1))
def test_numbers_of_cip_come_back(value):
    kind = ethernetip_address.TYPES["DINT"]
    assert ethernetip_address.unpacked(ethernetip_address.packed(value, kind), kind) == value


@pytest.mark.parametrize("name", ["STRING", "SHORT_STRING", ethernetip_address.LOGIX_STRING])
@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=82))
def test_texts_of_cip_come_back(name, text):
    kind = ethernetip_address.TYPES[name]
    assert ethernetip_address.unpacked(ethernetip_address.packed(text, kind), kind) == text


def test_a_logix_string_is_88_bytes_long():
    kind = ethernetip_address.TYPES[ethernetip_address.LOGIX_STRING]
    assert len(ethernetip_address.packed("abc", kind)) == 88
    assert ethernetip_address.type_words(kind) == b"\xa0\x02\xce\x0f\x01\x00"


@given(
    spans=st.lists(
        st.builds(
            s7_address.Span,
            st.sampled_from(["DB", "M"]),
            st.integers(0, 2),
            st.integers(0, 500),
            st.integers(1, 18),
        ),
        min_size=1,
        max_size=15,
    )
)
def test_merged_spans_cover_every_signal_once(spans):
    merged = s7_address.merged(spans, 200, spans[0])
    for span in spans:
        assert sum(one.covers(span) for one in merged) == 1
    assert merged[0].covers(spans[0])
    assert all(one.size <= 200 for one in merged)


WRONG = {
    S7Settings: ('host = "10.0.0.1"', "DB1.DBX0.9", "DB1.DBX0.0", "I0.0"),
    ModbusSettings: ('host = "10.0.0.1"', "coil:x", "coil:1", "input:0"),
    EthernetIpSettings: ('host = "10.0.0.1"', "a..b", "@1/1/1:BOOL", "@1/1:BOOL"),
    OpcUaSettings: ('url = "opc.tcp://x"', "x=1", "s=", "ns=1"),
    RestSettings: ('outputs_url = "http://x"\ninputs_url = "http://x"', "a b", "1", "a..b"),
}


@pytest.mark.parametrize("settings", WRONG)
def test_all_wrong_addresses_are_told_at_once_with_line_and_key(settings):
    head, trigger, encoder, passed = WRONG[settings]
    text = f"""{head}
[inputs]
trigger = "{trigger}"
encoder = "{encoder}"
[outputs]
ready = ""
passed = "{passed}"
"""
    with pytest.raises(TomlFaults) as caught:
        parse_strictly(text, settings)
    faults = {fault.key: fault for fault in caught.value.faults}
    wanted = {"inputs.trigger", "inputs.encoder", "outputs.ready", "outputs.passed"}
    assert wanted <= set(faults)
    assert "outputs.result_valid" in faults, "and the one that is missing"
    for key in wanted:
        assert text.split("\n")[faults[key].line - 1].startswith(key.split(".")[1])
        assert "needs" in faults[key].message or "allowed" in faults[key].message


BIT, WORD, LONG, TEXT = Form("bit"), Form("number", 16), Form("number", 32), Form("text", length=4)


@pytest.mark.parametrize(
    ("value", "form", "fit"),
    [
        (True, BIT, True),
        (True, WORD, 1),
        (65_535, WORD, 65_535),
        (-1, LONG, -1),
        ("17", WORD, 17),
        ("ab", TEXT, "ab"),
        (1234, TEXT, "1234"),
        ("", TEXT, ""),
    ],
)
def test_values_that_fit(value, form, fit):
    result = fitted("part_id", value, form, "here")
    assert result == fit
    assert type(result) is type(fit)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (1, BIT),
        ("x", BIT),
        (-1, WORD),
        (65_536, WORD),
        (1 << 31, LONG),
        ("a1", WORD),
        ("²", WORD),
        ("", WORD),
        ("abcde", TEXT),
        ("a\0", TEXT),
    ],
)
def test_values_that_do_not_fit(value, form):
    with pytest.raises(PlcError) as caught:
        fitted("part_id", value, form, "here")
    assert caught.value.code == Code.PLC_VALUE


@given(count=st.integers(0, (1 << 32) - 1))
def test_an_unsigned_encoder_becomes_a_signed_one(count):
    value = received("encoder", count, LONG)
    assert -(1 << 31) <= int(value) < 1 << 31
    assert (int(value) - count) % (1 << 32) == 0
