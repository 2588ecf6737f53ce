"""Signals turned into explicit messages to a PLC with EtherNet/IP: Logix tags, CIP attributes.

One Multiple Service Packet reads all inputs and one writes all outputs, as far as they fit. Types
of tags come with the first reading, so no list of tags is uploaded, which takes a large
controller seconds. Services: CIP Networks Library Volume 1, appendix A, and Rockwell
1756-PM020 "Logix 5000 Controllers Data Access" (Read Tag, Write Tag, Multiple Service Packet).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from keenline.devices.ethernetip_address import (
    Address,
    CipType,
    packed,
    parse,
    type_of,
    type_words,
    unpacked,
)
from keenline.devices.ethernetip_wire import Wire
from keenline.devices.plc import Inputs, Outputs, PlcSettings, Signals, SignalValue
from keenline.devices.plc_signals import (
    Deadline,
    addressed,
    check,
    fitted,
    gone,
    misfit,
    no_extra,
    no_signal,
    received,
    refused,
    unfit,
)
from keenline.errors import PlcError

_MULTIPLE, _READ_TAG, _WRITE_TAG, _GET, _SET = 0x0A, 0x4C, 0x4D, 0x0E, 0x10
_MESSAGE_ROUTER = 0x02
_LONGEST = 440
"""Bytes of the services, or of their replies, in one packet; 504 is the least that a device takes
in one message (CIP Volume 1, 3-5.5.1), less what stands before them."""
_FAULTS = {
    0x04: "the path is not understood",
    0x05: "there is no such tag or object",
    0x08: "the service is not supported there",
    0x09: "the value is not accepted",
    0x0E: "it cannot be written",
    0x13: "it is longer",
    0x14: "there is no such attribute",
    0x15: "it is shorter",
    0x16: "there is no such object",
    0x26: "the path is too long",
    0xFF: "the type or the index does not fit",
}
_NOT_PERMITTED = 0x0F


class EthernetIpInputs(Inputs):
    """`[plc.inputs]` with tags or attributes."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _checked(value, str(info.field_name), is_output=False)


class EthernetIpOutputs(Outputs):
    """`[plc.outputs]` with tags or attributes."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _checked(value, str(info.field_name), is_output=True)


class EthernetIpSettings(PlcSettings):
    """`[plc]` with `kind = "ethernetip"`."""

    kind: Literal["ethernetip"] = "ethernetip"
    inputs: EthernetIpInputs
    outputs: EthernetIpOutputs
    host: str = Field(min_length=1, max_length=255)
    """IP address; a name costs the time of a look-up, which `timeout_ms` does not bound."""
    port: int = Field(default=44_818, ge=1, le=65_534)
    slot: int | None = Field(default=0, ge=0, le=31)
    """Of the controller in its rack; `direct = true` for a device without one."""
    direct: bool = False
    """The device at `host` is meant itself: no way through a rack."""
    messaging: Literal["connected", "unconnected"] = "connected"
    """`unconnected` where the device has no connection to give."""

    def build(self) -> EthernetIpPlc:
        return EthernetIpPlc(self)


class EthernetIpPlc:
    """A PLC with EtherNet/IP; see `keenline.devices.plc.Plc`."""

    def __init__(self, settings: EthernetIpSettings) -> None:
        way = "" if settings.direct else f", slot {settings.slot}"
        self.name = f"ethernetip at {settings.host}:{settings.port}{way}"
        self._settings = settings
        self._inputs = {name: parse(text) for name, text in addressed(settings.inputs).items()}
        self._outputs = {name: parse(text) for name, text in addressed(settings.outputs).items()}
        self._types: dict[str, CipType] = {}
        """By the text of the address."""
        self._driver: Any = None
        self._wire: Wire | None = None
        self._vendor_errors: tuple[type[BaseException], ...] = (OSError,)

    def connect(self) -> None:
        self.close()
        try:
            from pycomm3 import CIPDriver
            from pycomm3.exceptions import PycommError
        except ModuleNotFoundError as error:
            raise no_extra("a PLC with EtherNet/IP") from error
        settings = self._settings
        way = "" if settings.direct else f"/bp/{settings.slot}"
        self._vendor_errors = (OSError, PycommError)
        self._driver = CIPDriver(f"{settings.host}:{settings.port}{way}")
        # The driver's own socket waits for ever on a peer that ends within a message.
        self._wire = self._driver._sock = Wire()
        self._types = {}
        try:
            self._within_time()
            if not self._driver.open():
                raise ConnectionError("no session was given")
            self._learn(self._inputs, is_output=False)
            self._learn(self._outputs, is_output=True)
        except self._vendor_errors as error:
            self._drop()
            raise self._translated(error, connecting=True) from error
        except PlcError:
            self.close()
            raise

    def read(self) -> Signals:
        try:
            self._within_time()
            return self._read(self._inputs)
        except self._vendor_errors as error:
            self._drop()
            raise self._translated(error, connecting=False) from error

    def write(self, values: Signals) -> None:
        places = {name: at for name, at in self._outputs.items() if name in values}
        try:
            self._within_time()
            content = {name: self._packed(name, values[name], at) for name, at in places.items()}
            services = [
                bytes([_WRITE_TAG if at.is_tag else _SET]) + at.path + content[name]
                for name, at in places.items()
            ]
            self._exchange(list(places.items()), services, [4] * len(services))
        except self._vendor_errors as error:
            self._drop()
            raise self._translated(error, connecting=False) from error

    def close(self) -> None:
        if self._driver is None:
            return
        try:
            self._within_time()
            self._driver.close()
        except self._vendor_errors:
            pass  # gone already, and with it what was to be closed
        finally:
            self._drop()

    def _drop(self) -> None:
        """Let go without a word to a peer that does not answer."""
        wire, self._wire = self._wire, None
        if self._driver is not None:
            self._driver._sock = None
            self._driver = None
        if wire is not None:
            wire.close()

    def _within_time(self) -> None:
        if self._driver is None or self._wire is None:
            raise ConnectionError("not connected")
        self._wire.deadline = Deadline(self._settings.timeout_ms)

    def _learn(self, places: dict[str, Address], *, is_output: bool) -> None:
        for name, reply in self._replies(places).items():
            at = places[name]
            kind, _ = (at.type, reply) if at.type else type_of(reply)
            if kind is None:
                raise no_signal(self.name, name, str(at), "a structure, an array or a REAL")
            words = misfit(name, kind.form, is_output=is_output)
            if words:
                raise no_signal(self.name, name, str(at), f"{kind.name}; {words}")
            self._types[at.text] = kind
        self._read(places)

    def _read(self, places: dict[str, Address]) -> dict[str, SignalValue]:
        values = {}
        for name, reply in self._replies(places).items():
            at = places[name]
            kind, raw = (at.type, reply) if at.type else type_of(reply)
            if kind is None or kind != self._types[at.text]:
                raise no_signal(self.name, name, str(at), "of another type than before")
            try:
                values[name] = received(name, unpacked(raw, kind), kind.form)
            except (struct.error, IndexError) as error:
                raise no_signal(self.name, name, str(at), f"no {kind.name}: {error}") from error
        return values

    def _replies(self, places: dict[str, Address]) -> dict[str, bytes]:
        # The trigger first: what is read with or after it is at least as new.
        order = sorted(places.items(), key=lambda one: one[0] != "trigger")
        services = [
            bytes([_READ_TAG]) + at.path + b"\x01\0" if at.is_tag else bytes([_GET]) + at.path
            for _, at in order
        ]
        sizes = [_reply_size(at.type or self._types.get(at.text)) for _, at in order]
        replies = self._exchange(order, services, sizes)
        return {name: reply for (name, _), reply in zip(order, replies, strict=True)}

    def _exchange(
        self, places: Sequence[tuple[str, Address]], services: list[bytes], sizes: list[int]
    ) -> list[bytes]:
        replies: list[bytes] = []
        for start, end in _lots(services, sizes):
            for (name, at), (status, data) in zip(
                places[start:end], self._send(services[start:end]), strict=True
            ):
                if status == _NOT_PERMITTED:
                    raise refused(self.name, f"{name} at {at}: no privilege", "permit the access")
                if status:
                    if status not in _FAULTS:
                        raise ConnectionError(f"{name} at {at}: status {status:#04x}")
                    raise no_signal(self.name, name, str(at), _FAULTS[status])
                replies.append(data)
        return replies

    def _send(self, services: Sequence[bytes]) -> list[tuple[int, bytes]]:
        """Status and data of each service of one Multiple Service Packet."""
        first = 2 + 2 * len(services)
        starts = [first + sum(map(len, services[:place])) for place in range(len(services))]
        head = struct.pack(f"<{1 + len(starts)}H", len(services), *starts)
        answer = self._driver.generic_message(
            service=_MULTIPLE,
            class_code=_MESSAGE_ROUTER,
            instance=1,
            request_data=head + b"".join(services),
            connected=self._settings.messaging == "connected",
            unconnected_send=not self._settings.direct,
            route_path=not self._settings.direct,
        )
        # A fault within (status 0x1E) comes with all replies; any other fault comes without.
        raw = answer.value or b""
        if len(raw) < first or struct.unpack_from("<H", raw)[0] != len(services):
            raise ConnectionError(answer.error or "the answer does not belong to the request")
        ends = [*struct.unpack_from(f"<{len(services)}H", raw, 2), len(raw)]
        return [_service_reply(raw[a:b]) for a, b in pairwise(ends)]

    def _packed(self, name: str, value: SignalValue, at: Address) -> bytes:
        where, kind = f"{self.name}: {at}", self._types[at.text]
        fit = fitted(name, value, kind.form, where)
        try:
            raw = packed(fit, kind)
        except UnicodeEncodeError as error:
            raise unfit(name, value, kind.form, where) from error
        return type_words(kind) + raw if at.is_tag else raw

    def _translated(self, error: BaseException, *, connecting: bool) -> PlcError:
        return translated(error, self.name, connecting=connecting)


_VENDOR: dict[str, Callable[..., PlcError]] = {
    "PycommError": gone,
    "CommError": gone,
    "DataError": gone,
    "BufferEmptyError": gone,
    "RequestError": gone,
}


def translated(error: BaseException, name: str, *, connecting: bool) -> PlcError:
    """What pycomm3 raised, as an error of ours."""
    kind = type(error).__name__
    if kind == "ResponseError":
        return refused(name, error, 'check slot, or try messaging = "unconnected"')
    cause = error.__cause__ if kind == "CommError" and error.__cause__ else error
    return _VENDOR.get(kind, gone)(name, cause, connecting=connecting)


def _checked(value: str | None, signal: str, *, is_output: bool) -> str | None:
    if value is not None:
        kind = parse(value).type
        if kind is not None:
            check(signal, value, kind.form, is_output=is_output)
    return value


def _reply_size(kind: CipType | None) -> int:
    """Bytes of a reply at most; a text takes what its type can hold, up to 82 for a tag."""
    if kind is None:
        return 100
    return 10 + (min(kind.form.length, 100) if kind.form.kind == "text" else kind.form.bits // 8)


def _lots(services: Sequence[bytes], sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Places of the services that go together in one packet."""
    lots, start = [], 0
    for place in range(1, len(services) + 1):
        is_last = place == len(services)
        asked = sum(len(one) + 2 for one in services[start : place + (not is_last)])
        answered = sum(size + 2 for size in sizes[start : place + (not is_last)])
        if is_last or max(asked, answered) > _LONGEST:
            lots.append((start, place))
            start = place
    return lots


def _service_reply(raw: bytes) -> tuple[int, bytes]:
    if len(raw) < 4:
        raise ConnectionError("the answer is shorter than it says")
    return raw[2], raw[4 + 2 * raw[3] :]
