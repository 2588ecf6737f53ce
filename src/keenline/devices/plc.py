"""The port through which a PLC is read and written: named signals, whatever the wire.

A new PLC is one file with a `PlcSettings` and a class with these methods, and one line in
`cli/devices.py`. An adapter knows addresses and types; what the signals mean together is the
handshake (`station/handshake.py`), the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from pydantic import Field

from keenline.strict_toml import StrictTable

SignalValue: TypeAlias = bool | int | str
Signals: TypeAlias = Mapping[str, SignalValue]


class Inputs(StrictTable):
    """`[plc.inputs]`: PLC to station; each value is an address in the words of the adapter."""

    trigger: str | None = None
    """A bit that rises for each part, or (with `handshake = "count"`) a number that counts up;
    not needed where a camera or a clock triggers."""
    part_id: str | None = None
    """Text or a number; without it the station names the parts."""
    encoder: str | None = None
    """Conveyor position in encoder counts, a signed 32-bit number that may wrap around."""
    acknowledge: str | None = None
    """The `result_number` that the PLC has taken; without it each result stays for a set time."""
    challenge: str | None = None
    """A bit that is up with the trigger of a known-bad part, or a number that says which one it is,
    0 for any other part."""
    heartbeat: str | None = None
    """A bit or number that the PLC changes all the time; without it stale data go unnoticed."""


class Outputs(StrictTable):
    """`[plc.outputs]`: station to PLC; each value is an address in the words of the adapter.

    A signal without an address is not written. PASS is the only one that may let a part through,
    and it is false whenever the station is not sure, so that reject is the default.
    """

    ready: str
    """The station accepts triggers."""
    busy: str | None = None
    """A part is being inspected."""
    result_valid: str
    """The signals below belong to the last trigger; written after them."""
    passed: str
    """The part may go on."""
    rejected: str | None = None
    divert: str | None = None
    """Off the line to a person."""
    fault: str | None = None
    """The station cannot inspect; every part gets an INVALID."""
    fault_code: str | None = None
    """Number of the error (docs/errors.md), 0 without one."""
    result_number: str | None = None
    """Trigger number (`handshake = "count"`: the PLC's own count) that the result is for."""
    result_part_id: str | None = None
    heartbeat: str | None = None
    """A number that the station counts up, modulo 32768."""


class PlcSettings(StrictTable):
    """What every `[plc]` table has; each kind adds its own keys and a literal `kind`."""

    inputs: Inputs
    outputs: Outputs
    timeout_ms: float = Field(default=500.0, ge=10, le=10_000)
    """After which a read or write counts as lost."""

    def build(self) -> Plc:
        """The PLC, not yet connected; each kind of settings has its own."""
        raise TypeError(f"{type(self).__name__} does not say how its PLC is built")


class Plc(Protocol):
    """One PLC. All methods are called from one thread at a time."""

    name: str
    """Kind and address, for people: `s7 at 192.168.0.1, rack 0, slot 1`."""

    def connect(self) -> None:
        """Connect, or connect again; and check that every address named exists where the protocol
        can tell. Raises PlcError: PLC_UNREACHABLE, PLC_SIGNAL, PLC_REFUSED."""

    def read(self) -> Signals:
        """Every input that has an address, by its name in `Inputs`.

        As few requests as the protocol allows. Raises PlcError PLC_GONE (then `connect` again) or
        PLC_SIGNAL.
        """

    def write(self, values: Signals) -> None:
        """Write outputs by their names in `Outputs`; those without an address are left out.

        Returns when the PLC has confirmed all. Raises PlcError: PLC_GONE, PLC_SIGNAL, or
        PLC_VALUE when a value does not fit its address.
        """

    def close(self) -> None:
        """Let the connection go; never raises for one that is already gone."""
