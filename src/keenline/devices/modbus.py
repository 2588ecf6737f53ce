"""Signals turned into reads and writes of a PLC with Modbus TCP.

Places count from 0, as they are on the wire: what a manual calls 40001 is `holding:0`. Inputs
that lie close together are read in one request. Outputs in a row are written in one; nothing
between them is written, and no register is read to be written back.

Modbus Application Protocol V1.1b3, https://www.modbus.org/specs.php (2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from keenline.devices.modbus_address import Address, Span, merged, parse
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
    unfit,
)
from keenline.errors import PlcError

_FAULTS = {
    1: "the function is not supported",
    2: "the PLC has no such place",
    3: "the PLC does not take the request",
}
"""Exceptions that concern an address; any other (busy, failure, no path behind a gateway) means
that the PLC does not answer for now."""


class ModbusInputs(Inputs):
    """`[plc.inputs]` with Modbus addresses."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            check(str(info.field_name), value, parse(value).form, is_output=False)
        return value


class ModbusOutputs(Outputs):
    """`[plc.outputs]` with Modbus addresses: coils and holding registers."""

    @field_validator("*")
    @classmethod
    def _address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            address = parse(value, writable=True)
            check(str(info.field_name), value, address.form, is_output=True)
        return value


class ModbusSettings(PlcSettings):
    """`[plc]` with `kind = "modbus"`."""

    kind: Literal["modbus"] = "modbus"
    inputs: ModbusInputs
    outputs: ModbusOutputs
    host: str = Field(min_length=1, max_length=255)
    """IP address; a name costs the time of a look-up, which `timeout_ms` does not bound."""
    port: int = Field(default=502, ge=1, le=65_535)
    device_id: int = Field(default=1, ge=0, le=255)
    """Unit identifier; 255 or 0 for many a PLC that stands for itself."""
    word_order: Literal["high-first", "low-first"] = "high-first"
    """Which register of an `int32` comes first."""
    byte_order: Literal["high-first", "low-first"] = "high-first"
    """Which byte of a register holds the first of two characters."""
    read_gap: int = Field(default=8, ge=0, le=64)
    """Unused places between two inputs that are rather read than asked for apart; 0 where the PLC
    answers an error for places that its program does not use."""

    def build(self) -> ModbusPlc:
        return ModbusPlc(self)


class ModbusPlc:
    """A PLC with Modbus TCP; see `keenline.devices.plc.Plc`."""

    def __init__(self, settings: ModbusSettings) -> None:
        self.name = f"modbus at {settings.host}:{settings.port}, device {settings.device_id}"
        self._settings = settings
        self._inputs = {name: parse(text) for name, text in addressed(settings.inputs).items()}
        self._outputs = {name: parse(text) for name, text in addressed(settings.outputs).items()}
        self._client: Any = None
        self._vendor_errors: tuple[type[BaseException], ...] = (OSError,)

    def connect(self) -> None:
        self.close()
        try:
            from pymodbus.client import ModbusTcpClient
            from pymodbus.exceptions import ModbusException
        except ModuleNotFoundError as error:
            raise no_extra("a Modbus PLC") from error
        settings, deadline = self._settings, Deadline(self._settings.timeout_ms)
        self._vendor_errors = (OSError, ModbusException)
        self._client = ModbusTcpClient(
            settings.host, port=settings.port, timeout=deadline.left(), retries=0
        )
        try:
            if not self._client.connect():
                raise ConnectionError("no connection in time, or it was refused")
            everything = {f"inputs.{name}": at for name, at in self._inputs.items()}
            everything |= {f"outputs.{name}": at for name, at in self._outputs.items()}
            self._read_all(everything, deadline)
        except self._vendor_errors as error:
            self.close()
            raise gone(self.name, error, connecting=True) from error
        except PlcError:
            self.close()
            raise

    def read(self) -> Signals:
        deadline = Deadline(self._settings.timeout_ms)
        try:
            blocks = self._read_all(self._inputs, deadline)
        except self._vendor_errors as error:
            self.close()
            raise gone(self.name, error, connecting=False) from error
        return {name: self._value(name, at, blocks) for name, at in self._inputs.items()}

    def write(self, values: Signals) -> None:
        places = {name: at for name, at in self._outputs.items() if name in values}
        content: dict[Span, list[int]] = {
            at.span: self._encoded(name, values[name], at) for name, at in places.items()
        }
        runs = merged(content, 0)
        valid = places.get("result_valid")
        if valid is not None:
            # ResultValid goes up after, and down before, what it vouches for.
            raises = bool(values["result_valid"])
            runs.sort(key=lambda run: run.covers(valid.span) == raises)
        deadline = Deadline(self._settings.timeout_ms)
        try:
            for run in runs:
                self._write_run(run, content, places, deadline)
        except self._vendor_errors as error:
            self.close()
            raise gone(self.name, error, connecting=False) from error

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _read_all(
        self, places: dict[str, Address], deadline: Deadline
    ) -> dict[Span, Sequence[int]]:
        spans = merged((at.span for at in places.values()), self._settings.read_gap)
        trigger = places.get("trigger")
        if trigger is not None:
            # Read first: what comes after is at least as new, so that no part gets the name of
            # the part before.
            spans.sort(key=lambda span: not span.covers(trigger.span))
        return {span: self._read_span(span, places, deadline) for span in spans}

    def _read_span(
        self, span: Span, places: dict[str, Address], deadline: Deadline
    ) -> Sequence[int]:
        client = self._ready(deadline)
        call = {
            "coil": client.read_coils,
            "input": client.read_discrete_inputs,
            "holding": client.read_holding_registers,
            "input-register": client.read_input_registers,
        }[span.table]
        answer = call(span.start, count=span.size, device_id=self._settings.device_id)
        self._check(answer, span, places)
        is_bits = span.table in ("coil", "input")
        values: Sequence[int] = answer.bits if is_bits else answer.registers
        if len(values) < span.size:
            raise ConnectionError("the answer is shorter than what was asked for")
        return values

    def _write_run(
        self,
        run: Span,
        content: dict[Span, list[int]],
        places: dict[str, Address],
        deadline: Deadline,
    ) -> None:
        client, device = self._ready(deadline), self._settings.device_id
        values = [0] * run.size
        for span, some in content.items():
            if run.covers(span):
                values[span.start - run.start : span.end - run.start] = some
        if run.table == "coil":
            bits = [bool(value) for value in values]
            answer = (
                client.write_coils(run.start, bits, device_id=device)
                if run.size > 1
                else client.write_coil(run.start, bits[0], device_id=device)
            )
        else:
            answer = (
                client.write_registers(run.start, values, device_id=device)
                if run.size > 1
                else client.write_register(run.start, values[0], device_id=device)
            )
        self._check(answer, run, places)

    def _ready(self, deadline: Deadline) -> Any:
        if self._client is None or not self._client.connected:
            raise ConnectionError("not connected")
        self._client.comm_params.timeout_connect = deadline.left()
        return self._client

    def _check(self, answer: Any, span: Span, places: dict[str, Address]) -> None:
        if not answer.isError():
            return
        fault = _FAULTS.get(answer.exception_code)
        if fault is None:
            raise ConnectionError(f"the PLC answers with exception {answer.exception_code}")
        inside = {name: str(at) for name, at in places.items() if span.covers(at.span)}
        raise no_signal(self.name, " or ".join(inside), ", ".join(inside.values()), fault)

    def _encoded(self, signal: str, value: SignalValue, at: Address) -> list[int]:
        where = f"{self.name}: {at}"
        fit = fitted(signal, value, at.form, where)
        if not isinstance(fit, str):
            if at.form.bits != 32:
                return [int(fit)]
            words = [int(fit) >> 16 & 0xFFFF, int(fit) & 0xFFFF]
            return words if self._settings.word_order == "high-first" else words[::-1]
        try:
            raw = fit.encode("latin-1").ljust(2 * at.span.size, b"\0")
        except UnicodeEncodeError as error:
            raise unfit(signal, value, at.form, where) from error
        return [self._joined(raw[n : n + 2]) for n in range(0, len(raw), 2)]

    def _joined(self, pair: bytes) -> int:
        return int.from_bytes(
            pair, "big" if self._settings.byte_order == "high-first" else "little"
        )

    def _value(self, name: str, at: Address, blocks: dict[Span, Sequence[int]]) -> SignalValue:
        span, values = next((s, some) for s, some in blocks.items() if s.covers(at.span))
        mine = values[at.span.start - span.start : at.span.end - span.start]
        return received(name, self._decoded(mine, at), at.form)

    def _decoded(self, values: Sequence[int], at: Address) -> SignalValue:
        if at.form.kind == "bit":
            return bool(values[0] >> (at.bit or 0) & 1)
        if at.form.kind == "number":
            return self._number(values)
        order: Literal["big", "little"]
        order = "big" if self._settings.byte_order == "high-first" else "little"
        raw = b"".join(value.to_bytes(2, order) for value in values)
        return raw[: at.form.length].decode("latin-1")

    def _number(self, words: Iterable[int]) -> int:
        ordered = list(words)
        if len(ordered) == 1:
            return ordered[0]
        if self._settings.word_order == "low-first":
            ordered.reverse()
        number = ordered[0] << 16 | ordered[1]
        return number - (1 << 32) if number >> 31 else number
