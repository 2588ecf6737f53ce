"""What a journal says about the last run turned into its missing results and the next number."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from keenline.errors import Code, PartError
from keenline.journal.entries import Accepted, Entry
from keenline.journal.log import Journal
from keenline.station.ports import StationFacts
from keenline.station.rulings import invalid
from keenline.types import Actuation, Result, Timings, Trigger


@dataclass(frozen=True, slots=True)
class Recovered:
    """How the last run ended."""

    next_number: int
    """The first trigger number that was never used."""
    interrupted: tuple[Result, ...]
    """INVALID results of the parts that the last run took on and never settled."""


def recover(journal: Journal, facts: StationFacts, actuates: Actuation) -> Recovered:
    """Look through the journal and settle in it what was left unsettled.

    A part whose result was in the journal has that result, whether or not the line had been told:
    the line was told nothing else. Any other part was never told PASS.
    """
    open_triggers: dict[int, Trigger] = {}
    highest = 0
    for entry in _entries(journal):
        if isinstance(entry, Accepted):
            open_triggers[entry.trigger.number] = entry.trigger
            highest = max(highest, entry.trigger.number)
        elif isinstance(entry, Result):
            open_triggers.pop(entry.trigger.number, None)
            highest = max(highest, entry.trigger.number)
    interrupted = tuple(
        _interrupted(trigger, facts, actuates) for trigger in open_triggers.values()
    )
    for result in interrupted:
        journal.append(result)
    return Recovered(highest + 1, interrupted)


def _interrupted(trigger: Trigger, facts: StationFacts, actuates: Actuation) -> Result:
    error = PartError(Code.PART_INTERRUPTED, "The station ended before the part had a verdict")
    decision = invalid(error)
    return Result(
        result_id=str(uuid.uuid4()),
        station=facts.name,
        trigger=trigger,
        decision=decision,
        views=(),
        timings=Timings(),
        actuates=actuates,
        recipe_sha256="",
        bundle_sha256="",
        station_sha256=facts.sha256,
        software=facts.software,
        code=int(error.code),
    )


def _entries(journal: Journal) -> Iterator[Entry]:
    place = journal.first()
    while True:
        entries, behind = journal.read(place, 1024)
        yield from entries
        if behind == place:
            return
        place = behind
