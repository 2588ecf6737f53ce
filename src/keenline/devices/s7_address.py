"""The text of an S7 address turned into area, place and form: `DB10.DBX0.3`, `MW20`, `Q0.1`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from keenline.devices.plc_signals import LONGEST_TEXT, Form, wrong_address

Area = Literal["DB", "M", "I", "Q"]

ALLOWED = (
    "DB10.DBX0.3 (bit), DB10.DBW2 (16 bits), DB10.DBD4 (32 bits), DB10.STRING8[16] (text), "
    "M0.3, MW2, MD4, and the same with I (inputs only) and Q; numbers without leading zeros"
)

_NUMBER = "(0|[1-9][0-9]{0,4})"
_BLOCK = re.compile(
    rf"DB{_NUMBER}\.(?:DBX{_NUMBER}\.([0-7])|DB([WD]){_NUMBER}|STRING{_NUMBER}\[{_NUMBER}\])"
)
_PLAIN = re.compile(rf"([MIQ])(?:{_NUMBER}\.([0-7])|([WD]){_NUMBER})")
_LARGEST_GAP = 16
"""Bytes between two inputs that are rather read too than asked for apart: an item of a request
costs 12 bytes and its answer 4."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes in a row of one area."""

    area: Area
    block: int
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size

    def covers(self, other: Span) -> bool:
        same = (self.area, self.block) == (other.area, other.block)
        return same and self.start <= other.start and other.end <= self.end


@dataclass(frozen=True, slots=True)
class Address:
    """One signal's place."""

    text: str
    span: Span
    form: Form
    bit: int = 0

    def __str__(self) -> str:
        return self.text


def parse(text: str, *, writable: bool = False) -> Address:
    """Raises the fault of a validator that says what is allowed."""
    block = _BLOCK.fullmatch(text)
    if block:
        number, byte, bit, wide, word, string, length = block.groups()
        if not 1 <= int(number) <= 65_535:
            raise wrong_address(text, "data blocks 1 to 65535")
        area: Area = "DB"
        if string is not None:
            return _string(text, int(number), int(string), int(length))
    else:
        plain = _PLAIN.fullmatch(text)
        if not plain:
            raise wrong_address(text, ALLOWED)
        letter, byte, bit, wide, word = plain.groups()
        number, area = "0", cast(Area, letter)
        if writable and area == "I":
            raise wrong_address(text, "an address that can be written: DB, M or Q")
    if byte is not None:
        return Address(text, Span(area, int(number), int(byte), 1), Form("bit"), int(bit))
    size = 2 if wide == "W" else 4
    form = Form("number", bits=8 * size)
    return Address(text, Span(area, int(number), int(word), size), form)


def merged(spans: Iterable[Span], longest: int, first: Span | None) -> list[Span]:
    """As few spans as cover all, gaps up to 16 bytes included, none longer than `longest`.

    The one with `first` in it comes first: what is read with or after a trigger is at least as
    new as the trigger, so a part never gets the name of the one before.
    """
    joined: list[Span] = []
    for span in sorted(set(spans), key=lambda one: (one.area, one.block, one.start, one.size)):
        last = joined[-1] if joined else None
        if last and (last.area, last.block) == (span.area, span.block):
            end = max(last.end, span.end)
            if span.start - last.end <= _LARGEST_GAP and end - last.start <= longest:
                joined[-1] = Span(last.area, last.block, last.start, end - last.start)
                continue
        joined.append(span)
    return sorted(joined, key=lambda one: first is None or not one.covers(first))


def _string(text: str, block: int, start: int, length: int) -> Address:
    if not 1 <= length <= LONGEST_TEXT:
        raise wrong_address(text, f"STRING of 1 to {LONGEST_TEXT} characters")
    # Two bytes before the characters: the declared and the present length.
    return Address(text, Span("DB", block, start, length + 2), Form("text", length=length))
