"""What an address holds turned into what a signal may carry: checks and ranges all adapters share.

An adapter reads its own addresses; what a signal needs of an address, how wide a number is and
when a value does not fit is the same for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic_core import PydanticCustomError

from keenline.devices.plc import Inputs, Outputs, SignalValue
from keenline.errors import Code, EnvironmentMissing, PlcError
from keenline.strict_toml import content_fault

Kind = Literal["bit", "number", "text"]

_FLAG: tuple[Kind, ...] = ("bit", "number")
_NUMBER: tuple[Kind, ...] = ("number",)
CARRIES: Mapping[str, tuple[Kind, ...]] = {
    "trigger": _FLAG,
    "part_id": ("text", "number"),
    "encoder": _NUMBER,
    "acknowledge": _NUMBER,
    "challenge": _FLAG,
    "heartbeat": _FLAG,
    "ready": _FLAG,
    "busy": _FLAG,
    "result_valid": _FLAG,
    "passed": _FLAG,
    "rejected": _FLAG,
    "divert": _FLAG,
    "fault": _FLAG,
    "fault_code": _NUMBER,
    "result_number": _NUMBER,
    "result_part_id": ("text", "number"),
}
"""What the address of a signal may hold. A flag in a number is 0 or 1."""

LONGEST_TEXT = 254
"""Characters; the longest STRING of an S7 PLC, and more than a part id needs."""


@dataclass(frozen=True, slots=True)
class Form:
    """What an address holds."""

    kind: Kind
    bits: int = 1
    """Width of a number. 16 bits count from 0 to 65535, whatever the PLC calls them; 32 and 64
    bits are signed."""
    length: int = LONGEST_TEXT
    """Characters that a text may have."""

    @property
    def low(self) -> int:
        return 0 if self.bits <= 16 else -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        return (1 << (self.bits if self.bits <= 16 else self.bits - 1)) - 1

    def __str__(self) -> str:
        if self.kind == "text":
            return f"text of at most {self.length} characters"
        return "a bit" if self.kind == "bit" else f"a number, {self.low} to {self.high}"


def misfit(signal: str, form: Form, *, is_output: bool) -> str | None:
    """Why an address of this form cannot carry `signal`, in words; None when it can."""
    kinds = _NUMBER if is_output and signal == "heartbeat" else CARRIES[signal]
    if form.kind not in kinds:
        return f"{signal} needs {' or '.join(f'a {kind}' for kind in kinds)}".replace(
            "a text", "text"
        )
    if signal == "encoder" and form.bits < 32:
        return "encoder needs a number of 32 bits"
    if is_output and form.kind == "number" and kinds != _FLAG and form.bits < 16:
        return f"{signal} needs a number of 16 bits or more"
    return None


def check(signal: str, address: str, form: Form, *, is_output: bool) -> None:
    """For a validator of settings: raises a fault when the address cannot carry the signal."""
    words = misfit(signal, form, is_output=is_output)
    if words:
        raise wrong_address(address, words)


def wrong_address(address: str, allowed: str) -> PydanticCustomError:
    """What a validator raises for an address; `allowed` ends the sentence."""
    return content_fault(f'= "{address}"; allowed: {allowed}')


def addressed(table: Inputs | Outputs) -> dict[str, str]:
    """The signals that have an address, in the order of the table."""
    return {name: address for name, address in table if address is not None}


def fitted(signal: str, value: SignalValue, form: Form, where: str) -> SignalValue:
    """`value` as its address holds it: bool for a bit, int for a number, str for text.

    Raises PlcError PLC_VALUE when it does not fit.
    """
    if form.kind == "bit" and isinstance(value, bool):
        return value
    if form.kind == "number":
        number = _number(value)
        if number is not None and form.low <= number <= form.high:
            return number
    if form.kind == "text":
        text = str(int(value)) if isinstance(value, bool) else str(value)
        if len(text) <= form.length and text.isprintable():
            return text
    raise unfit(signal, value, form, where)


def unfit(signal: str, value: SignalValue, form: Form, where: str) -> PlcError:
    """The error for a value that its address cannot hold."""
    return PlcError(
        Code.PLC_VALUE,
        f"A value does not fit the address of {signal}",
        where=where,
        expected=form,
        got=repr(value),
        next="give the signal a wider address, or the line shorter names of parts",
    )


def received(signal: str, value: SignalValue, form: Form) -> SignalValue:
    """What was read, as the port promises it: padding off, numbers in the range of `form`, the
    encoder a signed 32-bit number."""
    if isinstance(value, str):
        return value.split("\0", 1)[0].strip()
    if isinstance(value, bool):
        return value
    if form.bits == 16:
        return value & 0xFFFF
    if signal == "encoder":
        return (value + (1 << 31)) % (1 << 32) - (1 << 31)
    return value


def gone(name: str, problem: BaseException | str, *, connecting: bool) -> PlcError:
    """The error for a PLC that does not answer, or for one that could not be reached."""
    words = f"{problem}" or type(problem).__name__
    if connecting:
        return PlcError(
            Code.PLC_UNREACHABLE,
            "The PLC cannot be reached",
            where=name,
            got=words,
            next="check the address, the cable and that the PLC allows the connection",
        )
    return PlcError(
        Code.PLC_GONE,
        "The PLC does not answer any more",
        where=name,
        got=words,
        next="the station connects again by itself; until then no part passes",
    )


def no_signal(name: str, signal: str, address: str, why: object) -> PlcError:
    """The error for an address that the PLC does not have, or that holds something else."""
    return PlcError(
        Code.PLC_SIGNAL,
        f"The PLC does not give the address of {signal}",
        where=name,
        expected=address,
        got=why,
        next="compare the address with the PLC's program",
    )


def refused(name: str, why: object, next_step: str) -> PlcError:
    """The error for a PLC that answers but does not let the station in."""
    return PlcError(
        Code.PLC_REFUSED, "The PLC refuses the station", where=name, got=why, next=next_step
    )


def no_extra(what: str) -> EnvironmentMissing:
    """The error for a PLC whose package is not installed."""
    return EnvironmentMissing(
        Code.EXTRA_MISSING,
        f"The package that talks to {what} is not installed",
        next="pip install 'keenline[plc]'",
    )


class Deadline:
    """The time that one call of the port may take."""

    def __init__(self, milliseconds: float) -> None:
        self._end = time.monotonic() + milliseconds / 1e3

    def left(self) -> float:
        """Seconds, more than 0. Raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left


def _number(value: SignalValue) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() else None
    return int(value)
