"""Challenge parts turned into alarms, and a missed one into parts that no longer pass.

The state is kept in a file, so that starting a station anew does not undo a missed challenge.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from keenline.challenge_settings import ChallengePart, ChallengeSettings, Consequence
from keenline.errors import Code, OutputError, PartError
from keenline.types import ANOMALY, Decision, Trigger, Verdict

CHALLENGE_FILE = "challenge.json"
"""Name of the state's file, in the folder of the station's journal."""

ACKNOWLEDGED = ".acknowledged"
"""Ending, behind the name of the state's file, of what `acknowledge` writes."""

_LOOK_S = 0.5


class Tell(Protocol):
    """Where events go."""

    def __call__(self, kind: str, **facts: str) -> None:
        """Record an event."""


@dataclass(slots=True)
class State:
    """What a station remembers of its challenge parts."""

    last_number: int
    """Trigger of the last challenge part that was found, or of the first part ever."""
    last_time: str
    """When that was, ISO 8601."""
    missed_id: str = ""
    """Names a miss that nobody has acknowledged yet; empty without one."""
    missed_part: str = ""
    missed_why: str = ""
    missed_time: str = ""
    overdue_why: str = ""
    """Why one is overdue; empty when none is."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A person's word that a missed challenge was dealt with."""

    missed_id: str
    by: str
    why: str


class Challenges:
    """Watches the challenge parts of one station. Any thread."""

    def __init__(
        self,
        file: Path | None,
        tell: Tell,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        """`file`: where the state is kept; None: in memory only. Raises PartError PART_CHALLENGE
        when the file is there and cannot be read."""
        self._file, self._tell, self._now = file, tell, now
        self._lock = threading.Lock()
        self._state = None if file is None else read_state(file)
        self._looked = 0.0

    @property
    def state(self) -> State | None:
        """None before the first part."""
        return self._state

    def judge(
        self,
        settings: ChallengeSettings,
        trigger: Trigger,
        decision: Decision,
        named: Collection[str],
    ) -> Decision | PartError:
        """The decision that stands, or why the part is INVALID.

        `named`: classes that were found. A challenge part that passes is never let go, and a part
        that the PLC announces is one whatever the recipe says. One that is INVALID was neither
        found nor missed, and stays due.
        """
        if not settings.parts and not trigger.challenge:
            return decision
        with self._lock:
            now = self._now()
            if self._state is None:
                self._state = State(trigger.number, now.isoformat())
                self._save()
            part = _part_of(settings, trigger)
            if part is None:
                self._look_for_overdue(settings, trigger, now)
                return self._stopped(settings, decision)
            if decision.verdict is Verdict.INVALID:
                return decision
            return self._challenged(settings, part, trigger, decision, named, now)

    def look(self) -> None:
        """Take an acknowledgement, where there is one; cheap, and at most twice a second."""
        if self._file is None or time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked = time.monotonic()
        beside = _acknowledged(self._file)
        if not beside.exists():
            return
        with self._lock:
            said = _read_acknowledgement(beside)
            state = self._state
            if said and state and state.missed_id and said.missed_id == state.missed_id:
                part = state.missed_part
                state.missed_id = state.missed_part = state.missed_why = state.missed_time = ""
                self._save()
                self._tell("challenge-acknowledged", part_id=part, by=said.by, why=said.why)
            with suppress(OSError):  # taken once; what stays names a miss that is no more
                beside.unlink(missing_ok=True)

    def _challenged(
        self,
        settings: ChallengeSettings,
        part: ChallengePart,
        trigger: Trigger,
        decision: Decision,
        named: Collection[str],
        now: datetime,
    ) -> Decision | PartError:
        state = self._state
        assert state is not None
        alarmed = decision.verdict in (Verdict.REJECT, Verdict.REVIEW)
        named = set(named) - {ANOMALY}
        if alarmed and (not part.defect or part.defect in named):
            state.last_number, state.last_time = trigger.number, now.isoformat()
            state.overdue_why = ""
            self._save()
            self._tell("challenge-found", part_id=trigger.part_id, defect=part.defect)
            return decision
        found = ", ".join(sorted(named)) or ("an anomaly" if alarmed else "nothing")
        expected = part.defect or "any defect"
        state.missed_id, state.missed_part = str(uuid.uuid4()), trigger.part_id
        state.missed_why = f"expected {expected}, found {found}"
        state.missed_time = now.isoformat()
        self._save()
        self._tell(
            "challenge-missed",
            part_id=trigger.part_id,
            expected=expected,
            found=found,
            verdict=decision.verdict.value,
            consequence=settings.missed,
        )
        if alarmed:
            return decision
        # It is known to be bad: whatever the recipe says of the parts that follow.
        words = f"challenge part {trigger.part_id}: {state.missed_why}"
        if settings.missed == "invalid":
            return PartError(Code.PART_CHALLENGE, words)
        return Decision(Verdict.REVIEW, (words, *decision.reasons))

    def _look_for_overdue(
        self, settings: ChallengeSettings, trigger: Trigger, now: datetime
    ) -> None:
        state = self._state
        assert state is not None
        if state.overdue_why:
            return
        since = trigger.number - state.last_number
        due = _last_due(settings, now)
        if settings.every_parts is not None and since > settings.every_parts:
            state.overdue_why = f"{since} parts since the last one, {settings.every_parts} allowed"
        elif due is not None and datetime.fromisoformat(state.last_time) < due:
            state.overdue_why = f"none since {due:%H:%M}"
        if state.overdue_why:
            self._save()
            self._tell("challenge-overdue", why=state.overdue_why, consequence=settings.overdue)

    def _stopped(self, settings: ChallengeSettings, decision: Decision) -> Decision | PartError:
        state = self._state
        assert state is not None
        if decision.verdict is not Verdict.PASS:
            return decision
        causes: list[tuple[Consequence, str]] = []
        if state.missed_id:
            words = f"challenge part {state.missed_part} was missed and nobody has acknowledged it"
            causes.append((settings.missed, words))
        if state.overdue_why:
            causes.append((settings.overdue, f"a challenge part is overdue: {state.overdue_why}"))
        for consequence in ("invalid", "review"):
            words = next((why for stops, why in causes if stops == consequence), "")
            if words and consequence == "invalid":
                return PartError(Code.PART_CHALLENGE, f"Automatic PASS is stopped: {words}")
            if words:
                reason = f"automatic PASS is stopped: {words}"
                return Decision(Verdict.REVIEW, (reason, *decision.reasons))
        return decision

    def _save(self) -> None:
        """A disk that is full must not stop the line: the state then lives in memory alone."""
        if self._file is None or self._state is None:
            return
        try:
            _write(self._file, asdict(self._state))
        except OutputError as error:
            self._tell("challenge-unsaved", why=error.got or error.what)


def read_state(file: Path) -> State | None:
    """What a station remembers; None where it has seen no part yet. Raises PartError."""
    try:
        return State(**json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise PartError(
            Code.PART_CHALLENGE,
            "What is known of the challenge parts cannot be read",
            where=file,
            got=error,
            next="a miss may stand in it: find out, then remove the file",
        ) from error


def acknowledge(file: Path, by: str, why: str) -> State | None:
    """Leave word for the station whose state is in `file`; gives the miss it is about, None where
    there is none. Raises PartError as `read_state`, OutputError."""
    state = read_state(file)
    if state is None or not state.missed_id:
        return None
    _write(_acknowledged(file), asdict(Acknowledgement(state.missed_id, by, why)))
    return state


def _last_due(settings: ChallengeSettings, now: datetime) -> datetime | None:
    """The latest scheduled time whose grace is over."""
    ended = now - timedelta(minutes=settings.grace_minutes)
    moments = []
    for text in settings.times:
        hour, minute = map(int, text.split(":"))
        moment = ended.replace(hour=hour, minute=minute, second=0, microsecond=0)
        moments.append(moment if moment <= ended else moment - timedelta(days=1))
    return max(moments, default=None)


def _part_of(settings: ChallengeSettings, trigger: Trigger) -> ChallengePart | None:
    """What the PLC announces counts before the id, which a part without one does not have."""
    if trigger.challenge:
        known = (each for each in settings.parts if each.announced == trigger.challenge)
        return next(known, ChallengePart(announced=min(trigger.challenge, 65_535)))
    by_id = (each for each in settings.parts if each.part_id)
    return next((each for each in by_id if re.fullmatch(each.part_id, trigger.part_id)), None)


def _acknowledged(file: Path) -> Path:
    return file.with_name(file.name + ACKNOWLEDGED)


def _read_acknowledgement(file: Path) -> Acknowledgement | None:
    try:
        return Acknowledgement(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None  # no word of ours; it acknowledges nothing


def _write(file: Path, content: dict[str, str]) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with partial.open("wb") as out:
            out.write(json.dumps(content).encode())
            out.flush()
            os.fsync(out.fileno())
        partial.replace(file)
    except OSError as error:
        raise OutputError.of(error, file) from error
