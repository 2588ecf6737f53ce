"""Tag names and CIP attributes turned into paths, and CIP values into Python's and back.

`Program:Main.Trigger` is a tag of a Logix controller, whose type is learnt from the controller;
`@0x93/1/3:DINT` is class, instance and attribute of any CIP device. Paths: CIP Networks Library
Volume 1, appendix C-1; types: C-6; strings of a Logix controller: Rockwell 1756-PM020.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from keenline.devices.plc import SignalValue
from keenline.devices.plc_signals import Form, wrong_address

ALLOWED = (
    "a tag (Trigger, Line.Trigger, Parts[3].Id, Program:Main.Trigger) or an attribute "
    "(@0x93/1/3:DINT) of type BOOL, SINT, INT, DINT, LINT, USINT, UINT, UDINT, ULINT, STRING or "
    "SHORT_STRING"
)

_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,39}"
_INDEX = r"\[[0-9]{1,9}(?:,[0-9]{1,9}){0,2}\]"
_PART = rf"{_NAME}(?:{_INDEX})?"
_TAG = re.compile(rf"(?:Program:{_NAME}\.)?{_PART}(?:\.{_PART})*")
_NUMBER = r"(0x[0-9A-Fa-f]{1,4}|[0-9]{1,5})"
_ATTRIBUTE = re.compile(rf"@{_NUMBER}/{_NUMBER}/{_NUMBER}:([A-Z_]+)")

LOGIX_STRING, _LOGIX_STRING_HANDLE, _LOGIX_STRING_LENGTH = "STRING of Logix", 0x0FCE, 82
_STRUCTURE = 0x02A0


@dataclass(frozen=True, slots=True)
class CipType:
    """One elementary type."""

    name: str
    code: int
    form: Form
    packed: str = ""
    """As `struct` writes it, little-endian; "" for a text."""


def _type(name: str, code: int, packed: str = "", text: int = 0) -> CipType:
    bits = 8 * struct.calcsize("<" + packed)
    form = Form("text", length=text) if text else Form("number", bits=bits)
    return CipType(name, code, Form("bit") if name == "BOOL" else form, packed)


TYPES = {
    one.name: one
    for one in (
        _type("BOOL", 0xC1, "B"),
        _type("SINT", 0xC2, "b"),
        _type("INT", 0xC3, "h"),
        _type("DINT", 0xC4, "i"),
        _type("LINT", 0xC5, "q"),
        _type("USINT", 0xC6, "B"),
        _type("UINT", 0xC7, "H"),
        _type("UDINT", 0xC8, "I"),
        _type("ULINT", 0xC9, "Q"),
        _type("STRING", 0xD0, text=254),
        _type("SHORT_STRING", 0xDA, text=254),
        _type(LOGIX_STRING, _STRUCTURE, text=_LOGIX_STRING_LENGTH),
    )
}
_BY_CODE = {one.code: one for one in TYPES.values()}


@dataclass(frozen=True, slots=True)
class Address:
    """One signal's place."""

    text: str
    path: bytes
    """Padded EPATH with its length in words before it."""
    type: CipType | None = None
    """Of an attribute; that of a tag is learnt."""

    @property
    def is_tag(self) -> bool:
        return self.type is None

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Address:
    """Raises the fault of a validator that says what is allowed."""
    attribute = _ATTRIBUTE.fullmatch(text)
    if attribute:
        kind = TYPES.get(attribute[4])
        if kind is None:
            raise wrong_address(text, ALLOWED)
        numbers = [int(attribute[place], 0) for place in (1, 2, 3)]
        if max(numbers) > 0xFFFF:
            raise wrong_address(text, "class, instance and attribute of 0 to 65535")
        segments = zip((0x20, 0x24, 0x30), numbers, strict=True)
        return Address(text, _path(b"".join(_logical(*one) for one in segments)), kind)
    if not _TAG.fullmatch(text):
        raise wrong_address(text, ALLOWED)
    return Address(text, _path(b"".join(_symbolic(part) for part in _parts(text))))


def type_of(reply: bytes) -> tuple[CipType | None, bytes]:
    """What the reply to Read Tag says of the type, and the value after it."""
    code = int.from_bytes(reply[:2], "little")
    if code == _STRUCTURE:
        handle = int.from_bytes(reply[2:4], "little")
        return (TYPES[LOGIX_STRING] if handle == _LOGIX_STRING_HANDLE else None), reply[4:]
    return _BY_CODE.get(code), reply[2:]


def type_words(kind: CipType) -> bytes:
    """The type as Write Tag names it, with the count of one element."""
    if kind.code == _STRUCTURE:
        return struct.pack("<HHH", _STRUCTURE, _LOGIX_STRING_HANDLE, 1)
    return struct.pack("<HH", kind.code, 1)


def packed(value: SignalValue, kind: CipType) -> bytes:
    """A value that fits, as CIP writes it. Raises UnicodeEncodeError beyond Latin-1."""
    if kind.packed:
        if kind.form.kind == "bit":
            return b"\xff" if value else b"\0"
        bits = kind.form.bits
        # The same bits, whatever the sign: 16 bits count from 0 to 65535.
        raw = int(value) % (1 << bits)
        return raw.to_bytes(bits // 8, "little")
    text = str(value).encode("latin-1")
    if kind.name == "STRING":
        return struct.pack("<H", len(text)) + text
    if kind.name == "SHORT_STRING":
        return bytes([len(text)]) + text
    return struct.pack("<I", len(text)) + text.ljust(_LOGIX_STRING_LENGTH + 2, b"\0")


def unpacked(raw: bytes, kind: CipType) -> SignalValue:
    """What CIP wrote. Raises struct.error or IndexError for bytes that are not of that type."""
    if kind.packed:
        if len(raw) != struct.calcsize("<" + kind.packed):
            raise struct.error("of another length")
        value: int = struct.unpack("<" + kind.packed, raw)[0]
        return bool(value) if kind.form.kind == "bit" else value
    head = {"STRING": "<H", "SHORT_STRING": "<B"}.get(kind.name, "<I")
    length: int = struct.unpack_from(head, raw)[0]
    start = struct.calcsize(head)
    if length > len(raw) - start:
        raise struct.error("longer than it can be")
    return raw[start : start + length].decode("latin-1")


def _parts(text: str) -> list[str]:
    """`Program:Main.Line.Trigger`: the name of the program is one part with its word."""
    return text.split(".")


def _symbolic(part: str) -> bytes:
    name, _, index = part.partition("[")
    raw = name.encode("ascii")
    segment = bytes([0x91, len(raw)]) + raw + b"\0" * (len(raw) % 2)
    numbers = index.rstrip("]").split(",") if index else []
    return segment + b"".join(_logical(0x28, int(number)) for number in numbers)


def _logical(kind: int, number: int) -> bytes:
    if number <= 0xFF:
        return bytes([kind, number])
    if number <= 0xFFFF:
        return struct.pack("<BBH", kind | 1, 0, number)
    return struct.pack("<BBI", kind | 2, 0, number)


def _path(segments: bytes) -> bytes:
    return bytes([len(segments) // 2]) + segments
