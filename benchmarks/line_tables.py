"""What lines showed turned into tables, with the goals beside."""

from __future__ import annotations

import statistics
import sys
from importlib.metadata import version

from line_run import SHARES, Measured
from results_file import Start, circumstances, table

GOALS_MS = (15.0, 30.0, 50.0)
"""For 50, 99 and 99.9 % of the parts, from the trigger to the PLC's valid result."""
TITLES = tuple("longest" if share == 100 else f"p{share:g}" for share in SHARES)
STILL = ("machine still", "longest")


def against_goals(found: dict[str, Measured]) -> str:
    """Goal and reached, for all parts and for those that the machine let alone."""
    rows: list[tuple[object, ...]] = []
    for name, measured in found.items():
        for place, goal in enumerate(GOALS_MS):
            reached, others = measured.shares[place], measured.untouched[place]
            what = f"{name}: {TITLES[place]}"
            told = f"{reached:.1f} ms", met(reached < goal), f"{others:.1f} ms", met(others < goal)
            rows.append((what, f"under {goal:g} ms", *told))
        missed, others = measured.missed, measured.missed_untouched
        told = str(missed), met(not missed), str(others), met(not others)
        rows.append((f"{name}: missed deadlines", "none", *told))
    return table(("what", "goal", "all parts", "met", "machine ran on", "met"), rows)


def latencies(found: dict[str, Measured]) -> str:
    """Milliseconds by the clock of the PLC."""
    rows = [
        (
            name,
            len(one.milliseconds),
            *(f"{value:.1f}" for value in one.shares),
            one.missed,
            one.faults or "-",
            f"{statistics.median(one.plc['scans']):.1f}",
            *still(one),
            f"{one.others:.2f}",
        )
        for name, one in found.items()
    ]
    header = ("ms", "parts", *TITLES, "missed", "INVALID", "PLC's pause", *STILL, "others, cores")
    return table(header, rows)


def memory(found: dict[str, Measured]) -> str:
    """Resident MB; the engine's hold the slots for images as far as they were used."""
    rows = [
        (name, *(f"{one.memory[n][which]:.1f}" for which in (0, 1) for n in range(3)))
        for name, one in found.items()
    ]
    times = ("begin", "middle", "end")
    columns = [f"{who}, {when}" for who in ("station", "engine") for when in times]
    return table(("resident, MB", *columns), rows)


def stages(found: dict[str, Measured]) -> str:
    """The station's own account, from its trigger on, which it reads up to one poll later."""
    rows = []
    for name, one in found.items():
        by_stage = one.station["stages"]
        used = one.station["processor"], one.station["engine_processor"]
        spent = [f"{stage['50']:.1f} / {stage['99']:.1f}" for stage in by_stage.values()]
        rows.append((name, *spent, *(f"{cores:.2f}" for cores in used)))
    header = ("p50 / p99 ms from the station's trigger", "image here", "inspected", "decided")
    return table((*header, "PLC told", "cores, station", "engine"), rows)


def still(measured: Measured) -> tuple[str, ...]:
    """How long cores stood still: in all and at the longest, ms."""
    if measured.stalls is None:
        return ("not seen",) * 2
    return tuple(f"{value:.0f}" for value in measured.stood_still)


def met(is_met: bool) -> str:
    return "yes" if is_met else "**no**"


def said(name: str, measured: Measured) -> Measured:
    """Tell whoever waits for the tables."""
    shares = ", ".join(f"{value:.1f}" for value in measured.shares)
    others = ", ".join(f"{value:.1f}" for value in measured.untouched)
    print(
        f"  {name}: {shares} ms (machine ran on: {others}); missed {measured.missed} "
        f"({measured.missed_untouched}) {measured.faults}; others {measured.others:.2f} cores",
        file=sys.stderr,
        flush=True,
    )
    return measured


def made_by(start: Start) -> str:
    """`circumstances`, with the versions of what stands at the line."""
    names = ("python-snap7", "pymodbus", "pypylon", "paho-mqtt")
    return circumstances(start, others="".join(f", {name} {version(name)}" for name in names))
