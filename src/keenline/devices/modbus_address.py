"""The text of a Modbus address turned into table, place and form: `coil:0`, `holding:10:int32`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from keenline.devices.plc_signals import Form, wrong_address

Table = Literal["coil", "input", "holding", "input-register"]

ALLOWED = (
    "coil:0, input:3 (a discrete input), holding:10 (16 bits), holding:10:int32, "
    "holding:20:text16 (16 characters), holding:10:bit3 (bit 3, to be read only), and "
    "input-register in place of holding; places 0 to 65535"
)
_ADDRESS = re.compile(
    r"(coil|input|holding|input-register):(0|[1-9][0-9]{0,4})(?::(int32|text|bit)([0-9]{0,3}))?"
)
_LONGEST_TEXT = 240
"""Characters; the 120 registers that a request of any function carries."""
LONGEST: dict[Table, int] = {"coil": 1968, "input": 1968, "holding": 120, "input-register": 120}
"""Places in one request. Modbus Application Protocol V1.1b3 (modbus.org): at most 2000 coils read
and 1968 written, 125 registers read and 123 written."""


@dataclass(frozen=True, slots=True)
class Span:
    """Places in a row of one table."""

    table: Table
    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size

    def covers(self, other: Span) -> bool:
        same = self.table == other.table
        return same and self.start <= other.start and other.end <= self.end


@dataclass(frozen=True, slots=True)
class Address:
    """One signal's place."""

    text: str
    span: Span
    form: Form
    bit: int | None = None
    """Which bit of a register."""

    def __str__(self) -> str:
        return self.text


def parse(text: str, *, writable: bool = False) -> Address:
    """Raises the fault of a validator that says what is allowed."""
    found = _ADDRESS.fullmatch(text)
    if not found:
        raise wrong_address(text, ALLOWED)
    table, place, kind, extent = cast(Table, found[1]), int(found[2]), found[3], found[4]
    if writable and table in ("input", "input-register"):
        raise wrong_address(text, "a place that can be written: coil or holding")
    if writable and kind == "bit":
        raise wrong_address(text, "a whole register, or a coil: one bit cannot be written alone")
    address = _address(text, table, place, kind, extent)
    if address is None:
        raise wrong_address(text, ALLOWED)
    if address.span.end > 1 << 16:
        raise wrong_address(text, "places 0 to 65535")
    return address


def merged(spans: Iterable[Span], gap: int) -> list[Span]:
    """As few spans as cover all, joined over at most `gap` places and within `LONGEST`."""
    joined: list[Span] = []
    for span in sorted(set(spans), key=lambda one: (one.table, one.start, one.size)):
        last = joined[-1] if joined else None
        if last and last.table == span.table and span.start - last.end <= gap:
            end = max(last.end, span.end)
            if end - last.start <= LONGEST[span.table]:
                joined[-1] = Span(last.table, last.start, end - last.start)
                continue
        joined.append(span)
    return joined


def _address(text: str, table: Table, place: int, kind: str | None, extent: str) -> Address | None:
    if table in ("coil", "input"):
        return None if kind else Address(text, Span(table, place, 1), Form("bit"))
    if kind is None:
        return Address(text, Span(table, place, 1), Form("number", bits=16))
    if kind == "int32":
        form = Form("number", bits=32)
        return None if extent else Address(text, Span(table, place, 2), form)
    number = int(extent or -1)
    if kind == "bit":
        inside = 0 <= number <= 15
        return Address(text, Span(table, place, 1), Form("bit"), number) if inside else None
    if not 1 <= number <= _LONGEST_TEXT:
        return None
    return Address(text, Span(table, place, (number + 1) // 2), Form("text", length=number))
