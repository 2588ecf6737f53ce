"""What a PLC is to be shown turned into the fewest writes, in an order that cannot be misread."""

from __future__ import annotations

from keenline.devices.plc import Plc, Signals, SignalValue
from keenline.errors import Code, PlcError

VALID = "result_valid"
_NOT_OF_A_RESULT = frozenset({"heartbeat", "busy", "ready", "fault"})


class PlcPanel:
    """The outputs of the station as the PLC has them. One thread at a time."""

    def __init__(self, plc: Plc) -> None:
        self._plc = plc
        self._shown: dict[str, SignalValue] = {}

    @property
    def is_lit(self) -> bool:
        """The PLC has been written to since it was connected."""
        return bool(self._shown)

    def begin(self) -> None:
        """After connecting: nothing is valid, nothing passes, whatever the PLC still holds."""
        first: Signals = {VALID: False, "passed": False, "ready": False, "busy": False}
        self._plc.write({VALID: False})
        self._plc.write(first)
        self._shown = dict(first)

    def lose(self) -> None:
        """The connection is lost: nobody knows what the PLC has."""
        self._shown = {}

    def show(self, wanted: Signals) -> bool:
        """Write what has changed; whether a result has become valid.

        While anything of a result changes, `result_valid` is false. Raises PlcError.
        """
        changed = {name: value for name, value in wanted.items() if self._shown.get(name) != value}
        if not changed:
            return False
        if self._shown.get(VALID) and not changed.keys() <= _NOT_OF_A_RESULT:
            self._plc.write({VALID: False})
            self._shown[VALID] = False
            changed[VALID] = wanted[VALID]
        valid = changed.pop(VALID, None)
        if changed:
            self._write_as_it_fits(changed)
            self._shown |= changed
        if valid:
            self._plc.write({VALID: True})
        if valid is not None:
            self._shown[VALID] = valid
        return bool(valid)

    def leave(self) -> None:
        """The station ends: no part will be inspected. Raises PlcError."""
        self._plc.write({"ready": False, "busy": False, "fault": True})

    def _write_as_it_fits(self, values: Signals) -> None:
        """Where the PLC's text is too short for the part id, the result goes without it: the
        number says which part it is for."""
        try:
            self._plc.write(values)
        except PlcError as error:
            if error.code is not Code.PLC_VALUE or "result_part_id" not in values:
                raise
            self._plc.write({**values, "result_part_id": ""})
