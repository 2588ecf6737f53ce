"""The PLC's side of a line on a thread of its own: triggers in, rulings out, heartbeats both ways.

One thread reads and writes, so that signals never cross. It wakes for each ruling and otherwise
polls. When the PLC is gone, or shows no heartbeat, the line may not pass anything until it is
back; the thread connects again by itself, later and later.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

from keenline.devices.plc import Plc, Signals, SignalValue
from keenline.errors import Code, EnvironmentMissing, KeenlineError, PartError, PlcError
from keenline.station.handshake import Handshake, Request
from keenline.station.plc_panel import VALID, PlcPanel
from keenline.station.rulings import Ruling
from keenline.station.settings import HandshakeSettings
from keenline.station.tally import Tally
from keenline.station.tracking import EncoderClock, ShiftRegister
from keenline.types import Trigger, TriggerSource, Verdict

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_BEAT_RANGE = 1 << 15


class PlcListener(Protocol):
    """What the link needs of the line and of the station; called from the link's thread."""

    def trigger(
        self,
        source: TriggerSource,
        *,
        part_id: str = "",
        encoder: int | None = None,
        at_ns: int | None = None,
        challenge: int = 0,
        refused: KeenlineError | None = None,
    ) -> Trigger:
        """The PLC asks for a part."""

    def too_late(self, number: int, why: str) -> None:
        """A part has come to the gate without a ruling."""

    def actuated_late(self, ruling: Ruling, when: str) -> None:
        """The PLC confirmed a ruling too late, or never was told it."""

    def plc_changed(self, trouble: KeenlineError | None) -> None:
        """The PLC is gone or stale; with None, it is back."""

    def readiness(self) -> KeenlineError | None:
        """What keeps the station from inspecting at present; None where nothing does."""

    @property
    def inspects(self) -> bool:
        """A part that triggers now is inspected; not so while the station waits for a job."""


class PlcLink:
    """Runs one PLC. `tell` may be called from any thread."""

    def __init__(
        self,
        plc: Plc,
        handshake: Handshake,
        settings: HandshakeSettings,
        tally: Tally,
        *,
        register: ShiftRegister[Ruling] | None = None,
        deadline_ms: float = float("inf"),
        oldest_ms: float = float("inf"),
    ) -> None:
        """`register`: rulings wait in it until their parts come to the gate; `oldest_ms`: a
        trigger that may be older than this is refused, because by now another part may be at the
        camera."""
        self.plc = plc
        self.clock = EncoderClock()
        """Where the conveyor was, from the counts that were read."""
        self._handshake = handshake
        self._settings = settings
        self._tally = tally
        self._register = register
        self._deadline_ms = deadline_ms
        self._oldest_s = oldest_ms / 1e3
        self._read_at = 0.0
        self._listener: PlcListener | None = None
        self._rulings: deque[Ruling] = deque()
        self._entering: deque[Trigger] = deque()
        self._wake = threading.Condition()
        self._panel = PlcPanel(plc)
        self._timed: dict[int, Ruling] = {}
        self._trouble: KeenlineError | None = PlcError(
            Code.PLC_UNREACHABLE, "The PLC is not connected yet", where=plc.name
        )
        self._heard: tuple[SignalValue | None, float] = (None, 0.0)
        self._beat, self._beaten = 0, 0.0
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="plc", daemon=True)

    def connect(self) -> None:
        """Connect for the first time. Raises PlcError or EnvironmentMissing."""
        self.plc.connect()
        self._begin()

    def start(self, listener: PlcListener) -> None:
        """Begin to poll; `connect` must have gone well."""
        self._listener = listener
        self._thread.start()

    def stop(self) -> None:
        """Say that the station is not ready any more, and end."""
        with self._wake:
            self._is_stopping = True
            self._wake.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        self.plc.close()

    def tell(self, ruling: Ruling) -> None:
        """Pass a ruling on, without waiting."""
        with self._wake:
            self._rulings.append(ruling)
            self._wake.notify_all()

    def trouble(self) -> KeenlineError | None:
        """Why the line cannot be told at present."""
        return self._trouble

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._is_stopping:
            try:
                if not self._panel.is_lit:
                    self.plc.connect()
                    self._begin()
                self._once()
                pause = _FIRST_PAUSE_S
                self._sleep(self._settings.poll_ms / 1e3)
            except (PlcError, EnvironmentMissing) as trouble:
                self._lose(trouble)
                self._sleep(pause, for_rulings=False)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        self._say_goodbye()

    def _begin(self) -> None:
        self._panel.begin()
        self._heard = (None, time.monotonic())
        self._read_at = time.monotonic()

    def _once(self) -> None:
        inputs = self.plc.read()
        now = time.monotonic()
        self._check_heartbeat(inputs, now)
        if "encoder" in inputs:
            self.clock.read(time.monotonic_ns(), int(inputs["encoder"]))
        was_read, self._read_at = self._read_at, now
        is_old = now - was_read > self._oldest_s
        for request in self._handshake.seen(inputs):
            self._accept(request, is_old=is_old)
        self._take_entering()
        self._take_rulings()
        if self._register is not None and "encoder" in inputs:
            self._advance(int(inputs["encoder"]))
            self._take_rulings()  # of those that were at the gate too early
        self._write(now)

    def _accept(self, request: Request, *, is_old: bool) -> None:
        assert self._listener is not None
        refused = None
        if request.missed or is_old:
            words = "The trigger was seen too late to know which part is at the camera"
            refused = PartError(Code.PART_PLC, words)
        trigger = self._listener.trigger(
            TriggerSource.PLC,
            part_id=request.part_id,
            encoder=request.encoder,
            challenge=request.challenge,
            refused=refused,
        )
        self._handshake.accepted(request, trigger.number)
        if self._register is not None and request.encoder is not None:
            self._register.enter(trigger.number, request.encoder)

    def entered(self, trigger: Trigger) -> None:
        """A part that the PLC did not ask for is on its way to the gate; from any thread."""
        self._entering.append(trigger)

    def _take_entering(self) -> None:
        while self._entering:
            trigger = self._entering.popleft()
            if self._register is not None and trigger.encoder is not None:
                self._register.enter(trigger.number, trigger.encoder)

    def _take_rulings(self) -> None:
        while self._rulings:
            ruling = self._rulings.popleft()
            self._timed[ruling.trigger.number] = ruling
            if self._register is None:
                self._handshake.ruled(ruling)
            elif not self._register.decide(ruling.trigger.number, ruling):
                self._miss(ruling)

    def _advance(self, count: int) -> None:
        assert self._register is not None
        assert self._listener is not None
        for part in self._register.advance(count):
            if part.verdict is not None:
                self._handshake.ruled(part.verdict)
            else:
                self._listener.too_late(part.number, "The part was at the gate before its verdict")

    def _miss(self, ruling: Ruling) -> None:
        """The part is past the gate, where the PLC rejects what it has no PASS for."""
        if ruling.verdict is Verdict.INVALID:
            self._handshake.ruled(ruling)
            return
        del self._timed[ruling.trigger.number]
        self._note_late(ruling, "after the part had passed the gate")

    def _note_late(self, ruling: Ruling, when: str) -> None:
        self._tally.count("actuated_late")
        if self._listener is not None:
            self._listener.actuated_late(ruling, when)

    def _write(self, now: float) -> None:
        wanted = dict(self._handshake.shown(now))
        listener = self._listener
        trouble = self._trouble or (listener.readiness() if listener is not None else None)
        takes_parts = listener is not None and listener.inspects
        wanted["ready"] = trouble is None and takes_parts and self._handshake.accepts
        wanted["busy"] = self._handshake.is_busy
        wanted["fault"] = trouble is not None
        if trouble is not None:
            wanted["fault_code"] = int(trouble.code)
        elif not wanted[VALID]:
            wanted["fault_code"] = 0
        if (now - self._beaten) * 1e3 >= self._settings.beat_ms:
            self._beat, self._beaten = (self._beat + 1) % _BEAT_RANGE, now
            wanted["heartbeat"] = self._beat
        if self._panel.show(wanted):
            self._note_actuated(wanted)

    def _note_actuated(self, shown: Signals) -> None:
        part_id = shown["result_part_id"]
        for number, ruling in list(self._timed.items()):
            if ruling.trigger.part_id == part_id:
                del self._timed[number]
                took = (time.monotonic_ns() - ruling.trigger.monotonic_ns) / 1e6
                self._tally.actuated(took)
                if self._register is None and took > self._deadline_ms:
                    self._note_late(ruling, f"{took:.0f} ms after the trigger")

    def _check_heartbeat(self, inputs: Signals, now: float) -> None:
        beat = inputs.get("heartbeat")
        if beat is None or beat != self._heard[0]:
            self._heard = (beat, now)
            self._change(None)
        elif (now - self._heard[1]) * 1e3 > self._settings.stale_ms:
            words = "The PLC's heartbeat has stopped"
            if self._trouble is None:
                self._handshake.lost()
            self._change(PlcError(Code.PLC_STALE, words, where=self.plc.name))

    def _lose(self, trouble: KeenlineError) -> None:
        self.plc.close()
        self._panel.lose()
        self._timed.clear()
        self._handshake.lost()
        self._change(trouble)

    def _change(self, trouble: KeenlineError | None) -> None:
        before, self._trouble = self._trouble, trouble
        changed = (before is None) != (trouble is None)
        if changed and self._listener is not None:
            self._listener.plc_changed(trouble)

    def _sleep(self, seconds: float, *, for_rulings: bool = True) -> None:
        with self._wake:
            self._wake.wait_for(
                lambda: self._is_stopping or (for_rulings and bool(self._rulings)), seconds
            )

    def _say_goodbye(self) -> None:
        if not self._panel.is_lit:
            return
        try:
            self._take_rulings()
            self._write(time.monotonic())
            self._panel.leave()
        except PlcError:
            return  # gone: its own watch on our heartbeat tells it


class NoPlc:
    """A station without a PLC, on a bench: verdicts are recorded and published only."""

    def tell(self, ruling: Ruling) -> None:
        """Nobody is told."""

    def trouble(self) -> KeenlineError | None:
        return None
