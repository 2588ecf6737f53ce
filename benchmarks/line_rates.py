"""Parts a second turned into the highest number at which every part is inspected, by halving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from line_config import Run
from line_run import Measured, run
from line_tables import STILL, TITLES, met, said, still
from results_file import table

GOAL = 100
RATES = range(50, 301, 10)
_ALL_CAME = 0.99
"""Share of the rate at which results came; with less they pile up."""


def highest(name: str, plain: Run, rates: Sequence[int] = RATES) -> tuple[int, dict[int, Measured]]:
    """The highest of `rates` at which nothing was missed but while the machine stood still, 0 where
    there is none; and what each tried one showed."""
    found: dict[int, Measured] = {}

    def holds(parts_a_second: int) -> bool:
        measured = run(replace(plain, rate=float(parts_a_second)))
        found[parts_a_second] = said(f"{name}, {parts_a_second} parts/s", measured)
        came = measured.plc["results"] / plain.seconds
        return measured.missed_untouched == 0 and came >= _ALL_CAME * parts_a_second

    low, high = 0, len(rates)  # how many of them hold
    middle = rates.index(GOAL)
    while low < high:
        low, high = (middle + 1, high) if holds(rates[middle]) else (low, middle)
        middle = (low + high) // 2
    return (rates[low - 1] if low else 0), found


def against_goal(name: str, best: int) -> tuple[str, ...]:
    what = f"{name}: parts a second without an INVALID while the machine runs"
    return what, f"at least {GOAL}", str(best), met(best >= GOAL)


def tried(name: str, found: dict[int, Measured], seconds: float) -> str:
    """A row for each rate; times from the station's trigger to the PLC's confirmation."""
    rows = [
        (
            one,
            f"{measured.plc['results'] / seconds:.1f}",
            *(f"{value:.1f}" for value in measured.station["stages"]["actuated"].values()),
            measured.missed,
            measured.missed_untouched,
            measured.faults or "-",
            measured.station["counts"]["images_lost"],
            f"{measured.station['processor']:.2f}",
            f"{measured.station['engine_processor']:.2f}",
            *still(measured),
            f"{measured.others:.2f}",
        )
        for one, measured in sorted(found.items())
    ]
    header = (name, "results/s", *TITLES, "missed", "machine ran on", "INVALID", "images lost")
    return table((*header, "cores, station", "engine", *STILL, "others, cores"), rows)
