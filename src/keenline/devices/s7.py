"""Signals turned into reads and writes of a Siemens S7 PLC (S7-300, 400, 1200, 1500, LOGO).

The classic S7 protocol over ISO-on-TCP (RFC 1006), port 102. An S7-1200 or 1500 must permit
PUT/GET access, and its data block must not be "optimised": only then do addresses exist. One
request reads all inputs and one writes all outputs, as far as they fit the length of a PDU.
A bit is written alone: its neighbours in the byte stay the PLC's.

Item layout: Wireshark's `packet-s7comm.c`, https://www.wireshark.org/ (2026-11-21), and the
answers of libsnap7 1.4.3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from keenline.devices.plc import Inputs, Outputs, PlcSettings, Signals, SignalValue
from keenline.devices.plc_signals import (
    Deadline,
    addressed,
    check,
    fitted,
    gone,
    no_extra,
    no_signal,
    received,
    refused,
    unfit,
)
from keenline.devices.s7_address import Address, Area, Span, merged, parse
from keenline.errors import PlcError

_READ, _WRITE = 0x04, 0x05
_BIT, _BYTE = 0x01, 0x02
_AREAS: dict[Area, int] = {"I": 0x81, "Q": 0x82, "M": 0x83, "DB": 0x84}
_MOST_ITEMS = 20
"""Items of one request that every S7 CPU takes."""
_READ_OVERHEAD, _ITEM_OVERHEAD = 14, 4
"""Bytes of an answer before its first item, and of an item before its data."""
_ITEM_FAULTS = {
    0x01: "hardware fault",
    0x03: "access is not allowed",
    0x05: "the address is beyond the end of its area",
    0x06: "the type is not supported",
    0x07: "the type does not match",
    0x0A: "there is no such data block, or it is optimised",
}
_CONNECTION_TYPES = {"pg": 1, "op": 2, "basic": 3}


class S7Inputs(Inputs):
    """`[plc.inputs]` with S7 addresses."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            check(str(info.field_name), value, parse(value).form, is_output=False)
        return value


class S7Outputs(Outputs):
    """`[plc.outputs]` with S7 addresses; inputs of the PLC (`I`) cannot be written."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            address = parse(value, writable=True)
            check(str(info.field_name), value, address.form, is_output=True)
        return value


class S7Settings(PlcSettings):
    """`[plc]` with `kind = "s7"`."""

    kind: Literal["s7"] = "s7"
    inputs: S7Inputs
    outputs: S7Outputs
    host: str = Field(min_length=1, max_length=255)
    """IP address; a name costs the time of a look-up, which `timeout_ms` does not bound."""
    port: int = Field(default=102, ge=1, le=65_535)
    rack: int = Field(default=0, ge=0, le=7)
    slot: int = Field(default=1, ge=0, le=31)
    """1 for S7-1200 and 1500, 2 for S7-300."""
    connection: Literal["pg", "op", "basic"] = "op"
    """Which of its connections the PLC gives; their numbers are limited per kind."""

    def build(self) -> S7Plc:
        return S7Plc(self)


@dataclass(frozen=True, slots=True)
class _Item:
    """One place of a write request."""

    signal: str
    address: Address
    data: bytes

    def specification(self) -> bytes:
        bit = self.address.form.kind == "bit"
        count = 1 if bit else len(self.data)
        return _specification(_BIT if bit else _BYTE, count, self.address.span, self.address.bit)

    def content(self, *, last: bool) -> bytes:
        bit = self.address.form.kind == "bit"
        size = 1 if bit else 8 * len(self.data)
        padding = b"" if last or len(self.data) % 2 == 0 else b"\0"
        return struct.pack(">BBH", 0, 0x03 if bit else 0x04, size) + self.data + padding


class S7Plc:
    """An S7 PLC; see `keenline.devices.plc.Plc`."""

    def __init__(self, settings: S7Settings) -> None:
        self.name = f"s7 at {settings.host}, rack {settings.rack}, slot {settings.slot}"
        self._settings = settings
        self._inputs = {name: parse(text) for name, text in addressed(settings.inputs).items()}
        self._outputs = {name: parse(text) for name, text in addressed(settings.outputs).items()}
        self._link: Any = None
        self._protocol: Any = None
        self._table: dict[type[Exception], Callable[..., PlcError]] = {}
        self._pdu = 240
        self._sequence = 0

    def connect(self) -> None:
        self.close()
        try:
            from snap7.connection import ISOTCPConnection
            from snap7.s7protocol import S7Protocol
        except ModuleNotFoundError as error:
            raise no_extra("an S7 PLC") from error
        settings, deadline = self._settings, Deadline(self._settings.timeout_ms)
        tsap = _CONNECTION_TYPES[settings.connection] << 8 | settings.rack << 5 | settings.slot
        self._protocol = S7Protocol()
        self._link = ISOTCPConnection(settings.host, settings.port, 0x0100, tsap)
        with _Translated(self, connecting=True):
            self._link.connect(deadline.left())
            request = self._protocol.build_setup_communication_request(1, 1, 480)
            answer = self._exchange(request, deadline)
            self._pdu = max(64, (answer["parameters"] or {}).get("pdu_length", 240))
            everything = {f"inputs.{name}": at for name, at in self._inputs.items()}
            everything |= {f"outputs.{name}": at for name, at in self._outputs.items()}
            self._read_all(everything, deadline)

    def read(self) -> Signals:
        deadline = Deadline(self._settings.timeout_ms)
        with _Translated(self):
            blocks = self._read_all(self._inputs, deadline)
        return {name: self._value(name, at, blocks) for name, at in self._inputs.items()}

    def write(self, values: Signals) -> None:
        items = [
            _Item(name, at, _encoded(name, values[name], at, self.name))
            for name, at in self._outputs.items()
            if name in values
        ]
        deadline = Deadline(self._settings.timeout_ms)
        with _Translated(self):
            for some in _batches(items, self._pdu):
                self._write_some(some, deadline)

    def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.disconnect()

    def _read_all(self, places: dict[str, Address], deadline: Deadline) -> dict[Span, bytes]:
        first = places["trigger"].span if "trigger" in places else None
        longest = self._pdu - _READ_OVERHEAD - _ITEM_OVERHEAD
        spans = merged([at.span for at in places.values()], longest, first)
        blocks: dict[Span, bytes] = {}
        for some in _fitting(spans, self._pdu):
            items = b"".join(_specification(_BYTE, span.size, span) for span in some)
            answer = self._exchange(self._request(_READ, len(some), items), deadline)
            for span, (fault, data) in zip(some, _answers(answer, len(some)), strict=True):
                if fault is not None:
                    raise self._no_place(places, span, fault)
                blocks[span] = data
        return blocks

    def _write_some(self, items: Sequence[_Item], deadline: Deadline) -> None:
        last = len(items) - 1
        places = b"".join(item.specification() for item in items)
        content = b"".join(item.content(last=n == last) for n, item in enumerate(items))
        answer = self._exchange(self._request(_WRITE, len(items), places, content), deadline)
        codes = answer.get("raw_data", b"")
        if len(codes) != len(items):
            raise ConnectionError("the answer does not belong to the request")
        for item, code in zip(items, codes, strict=True):
            if code != 0xFF:
                where = str(item.address)
                raise no_signal(self.name, item.signal, where, _ITEM_FAULTS.get(code, f"{code:#x}"))

    def _exchange(self, request: bytes, deadline: Deadline) -> dict[str, Any]:
        link = self._link
        if link is None or link.socket is None:
            raise ConnectionError("not connected")
        link.socket.settimeout(deadline.left())
        link.send_data(request)
        answer: dict[str, Any] = self._protocol.parse_response(link.receive_data())
        if answer["sequence"] != struct.unpack_from(">H", request, 4)[0]:
            raise ConnectionError("the answer does not belong to the request")
        return answer

    def _request(self, function: int, count: int, places: bytes, content: bytes = b"") -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        head = (0x32, 0x01, 0, self._sequence, 2 + len(places), len(content))
        return struct.pack(">BBHHHHBB", *head, function, count) + places + content

    def _no_place(self, places: dict[str, Address], span: Span, fault: str) -> PlcError:
        inside = [name for name, at in places.items() if span.covers(at.span)]
        at = ", ".join(str(places[name]) for name in inside)
        return no_signal(self.name, " or ".join(inside), at, fault)

    def _value(self, name: str, at: Address, blocks: dict[Span, bytes]) -> SignalValue:
        span, data = next((s, data) for s, data in blocks.items() if s.covers(at.span))
        start = at.span.start - span.start
        raw = data[start : start + at.span.size]
        if at.form.kind == "text" and raw[1] > at.form.length:
            raise no_signal(self.name, name, str(at), "no STRING of this length")
        return received(name, _decoded(raw, at), at.form)


class _Translated:
    """Turns what snap7 raises inside into a PlcError, and lets the connection go."""

    def __init__(self, plc: S7Plc, *, connecting: bool = False) -> None:
        self._plc = plc
        self._connecting = connecting

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, PlcError):
            if self._connecting:
                self._plc.close()
            return
        # The errors of `struct` and of indices come of answers that are none of S7.
        foreign = isinstance(error, OSError | struct.error | LookupError | ValueError)
        if foreign or type(error).__module__ == "snap7.error":
            self._plc.close()
            raise _translated(error, self._plc.name, connecting=self._connecting) from error


_GONE = {
    "S7Error",
    "S7ConnectionError",
    "S7TimeoutError",
    "S7ProtocolError",
    "S7StalePacketError",
    "S7PacketLostError",
    "S7RateLimitError",
}
_REFUSED = {"S7AuthenticationError"}
_NOT_PERMITTED = {0x8104, 0xD241, 0x8500}
"""Error words of a PLC that does not permit PUT/GET, or is protected."""


def _translated(error: BaseException, name: str, *, connecting: bool) -> PlcError:
    kind = type(error).__name__
    if kind in _REFUSED or getattr(error, "error_code", None) in _NOT_PERMITTED:
        return refused(name, error, "permit PUT/GET access in the PLC's protection settings")
    return gone(name, error, connecting=connecting)


def _specification(kind: int, count: int, span: Span, bit: int = 0) -> bytes:
    place = struct.pack(">I", span.start * 8 + bit)[1:]
    area = _AREAS[span.area]
    return struct.pack(">BBBBHHB", 0x12, 0x0A, 0x10, kind, count, span.block, area) + place


def _answers(answer: dict[str, Any], count: int) -> Iterator[tuple[str | None, bytes]]:
    """Fault or data of each item of a read."""
    raw = answer.get("raw_data", b"")
    at = 0
    for _ in range(count):
        if at + 4 > len(raw):
            raise ConnectionError("the answer is shorter than it says")
        code, kind, size = struct.unpack_from(">BBH", raw, at)
        size = (size + 7) // 8 if kind in (0x03, 0x04, 0x05) and code == 0xFF else size
        if code != 0xFF:
            yield _ITEM_FAULTS.get(code, f"{code:#x}"), b""
            at += 4
            continue
        if at + 4 + size > len(raw):
            raise ConnectionError("the answer is shorter than it says")
        yield None, raw[at + 4 : at + 4 + size]
        at += 4 + size + size % 2


def _fitting(spans: Sequence[Span], pdu: int) -> Iterator[list[Span]]:
    """Spans in lots whose request and answer fit one PDU."""
    some: list[Span] = []
    for span in spans:
        sizes = [one.size + one.size % 2 + _ITEM_OVERHEAD for one in [*some, span]]
        too_long = _READ_OVERHEAD + sum(sizes) > pdu or 12 + 12 * len(sizes) > pdu
        if some and (too_long or len(some) == _MOST_ITEMS):
            yield some
            some = []
        some.append(span)
    if some:
        yield some


def _batches(items: Sequence[_Item], pdu: int) -> Iterator[list[_Item]]:
    some: list[_Item] = []
    for item in items:
        size = sum(12 + _ITEM_OVERHEAD + len(one.data) + 1 for one in [*some, item])
        if some and (12 + size > pdu or len(some) == _MOST_ITEMS):
            yield some
            some = []
        some.append(item)
    if some:
        yield some


def _encoded(signal: str, value: SignalValue, at: Address, plc: str) -> bytes:
    where = f"{plc}: {at}"
    fit = fitted(signal, value, at.form, where)
    if at.form.kind == "bit":
        return bytes([bool(fit)])
    if at.form.kind == "number":
        return struct.pack(">H" if at.form.bits == 16 else ">i", fit)
    try:
        text = str(fit).encode("latin-1")
    except UnicodeEncodeError as error:
        raise unfit(signal, value, at.form, where) from error
    return bytes([at.form.length, len(text)]) + text


def _decoded(raw: bytes, at: Address) -> SignalValue:
    if at.form.kind == "bit":
        return bool(raw[0] >> at.bit & 1)
    if at.form.kind == "number":
        number: int = struct.unpack(">H" if at.form.bits == 16 else ">i", raw)[0]
        return number
    return raw[2 : 2 + raw[1]].decode("latin-1")
