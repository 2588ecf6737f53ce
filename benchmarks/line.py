"""A station, a PLC and simulated parts turned into latencies, rates and memory of a whole line."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from line_parts import large_parts, small_parts
from line_run import HERE, SHARES, Measured, Run, run
from results_file import Start, circumstances, table, write_section

KEPT = HERE.parent / ".bench" / "line"
GOALS_MS = (15.0, 30.0, 50.0)
"""For 50, 99 and 99.9 % of the parts, from the trigger to the PLC's valid result."""
GOAL_RATE = 100
RATES = range(50, 301, 10)
SLOWDOWN = 0.2
"""By which no disturbance may raise the p99."""
DISTURBED = {
    "nothing": {},
    "recording off": {"store": "no store"},
    "database locked by another process": {"locked": True},
    "images take 2 s each to write": {"store": "slow images"},
    "MQTT broker down": {"broker": "down"},
    "MQTT broker 300 ms away": {"broker": "slow"},
}
ABOUT = """\
A station in its own process (with its engine as its child), a PLC in another, on loopback. The
PLC's program scans its memory every millisecond; times are by its clock, from the part at its
sensor to its seeing the valid result that names the part. Distances between parts vary by 10 %;
the first 20 are not counted. Results go to SQLite and images to a folder with the default settings,
so the image of each part with a defect (every 6th) is kept. A deadline is missed where the result
comes later than {deadline:g} ms or never. On few cores the PLC competes with the station for a
processor: "PLC's pause" is its longest time between two scans within a second, median over the
seconds, and the longest of all. Load: of the whole machine at the end of the run, what is measured
included."""


def main() -> None:
    asked = _asked()
    for name, group in GROUPS.items():
        if name in asked.groups:
            start = Start.now()
            text = group(asked, start)
            print(text, flush=True)
            if asked.write:
                write_section(f"line, {name}", text)


def latency(asked: argparse.Namespace, start: Start) -> str:
    """20 parts a second for minutes, by PLC and camera."""
    bundle, images = small_parts(KEPT)
    plain = Run(bundle, images, seconds=60 * asked.minutes, deadline_ms=asked.deadline)
    rows = {
        "S7, camera 0 ms": plain,
        "S7, camera 5 ms": replace(plain, latency_ms=5.0),
        "Modbus TCP, camera 0 ms": replace(plain, plc="modbus"),
        "S7, Basler's emulator": replace(plain, camera="basler"),
    }
    chosen = {name: one for name, one in rows.items() if not asked.rows or name in asked.rows}
    found = {name: _said(name, run(one)) for name, one in chosen.items()}
    parts = [
        "## Trigger to PLC output",
        ABOUT.format(deadline=asked.deadline),
        f"256 x 256 px, 20 parts/s for {asked.minutes:g} minutes, `level` handshake.",
        _circumstances(start),
        _against_goals(found),
        _latencies(found),
        _memory(found),
        _where(found),
    ]
    emulated, at_once = found.get("S7, Basler's emulator"), found.get("S7, camera 0 ms")
    if emulated and at_once:
        more = emulated.shares[0] - at_once.shares[0]
        parts.append(
            "Basler's emulator exposes when its own clock of 10 ms ticks, whenever it was fired: "
            f"against a camera of 0 ms that costs {more:.1f} ms at the median."
        )
    return "\n\n".join(parts)


def rate(asked: argparse.Namespace, start: Start) -> str:
    """The highest rate at which every part is inspected, by halving."""
    bundle, images = small_parts(KEPT)
    plain = Run(bundle, images, handshake="count", poll_ms=1.0, seconds=asked.seconds)
    plain = replace(plain, deadline_ms=200.0)
    found: dict[int, Measured] = {}

    def holds(parts_a_second: int) -> bool:
        measured = run(replace(plain, rate=float(parts_a_second)))
        found[parts_a_second] = _said(f"{parts_a_second} parts/s", measured)
        return measured.invalid == 0

    tried = list(RATES)
    low, high = 0, len(tried)  # of the rates that may be the highest one that holds
    middle = tried.index(GOAL_RATE)
    while low < high:
        low, high = (middle + 1, high) if holds(tried[middle]) else (low, middle)
        middle = (low + high) // 2
    best = tried[low - 1] if low else 0
    rows = [
        (
            one,
            measured.invalid,
            *(f"{value:.1f}" for value in measured.shares),
            measured.station["counts"]["images_lost"],
            f"{measured.station['processor']:.2f}",
            f"{measured.station['engine_processor']:.2f}",
            f"{measured.load:.1f}",
        )
        for one, measured in sorted(found.items())
    ]
    reached = [("parts a second without an INVALID", f"at least {GOAL_RATE}", best)]
    header = ("parts/s", "INVALID", *_titles(), "images lost", "cores, station", "engine", "load")
    return "\n\n".join(
        [
            "## Parts a second",
            (
                "256 x 256 px, S7, camera 0 ms, `count` handshake with acknowledgement, recording "
                f"on, {asked.seconds:g} s each, deadline 200 ms; halving between {RATES[0]} and "
                f"{RATES[-1]} in steps of {RATES.step}."
            ),
            _circumstances(start),
            table(("what", "goal", "reached"), reached),
            table(header, rows),
        ]
    )


def large(asked: argparse.Namespace, start: Start) -> str:
    """5-megapixel images in tiles, two parts a second."""
    bundle, images = large_parts(KEPT)
    wanted = Run(bundle, images, rate=2.0, seconds=asked.seconds, deadline_ms=500.0)
    found = {"S7, camera 0 ms": _said("5 megapixels", run(wanted))}
    return "\n\n".join(
        [
            "## Large images at the line",
            f"2448 x 2048 px, grey, in tiles; 2 parts/s for {asked.seconds:g} s, deadline 500 ms.",
            _circumstances(start),
            _latencies(found),
            _memory(found),
            _where(found),
        ]
    )


def disturbed(asked: argparse.Namespace, start: Start) -> str:
    """What the verdicts' times owe to those who take records, in turns."""
    bundle, images = small_parts(KEPT)
    plain = Run(bundle, images, seconds=asked.seconds, deadline_ms=asked.deadline, broker="up")
    found: dict[str, list[Measured]] = {name: [] for name in DISTURBED}
    for _ in range(asked.rounds):
        for name, change in DISTURBED.items():
            found[name].append(_said(name, run(replace(plain, **change))))
    rows = []
    for name, runs in found.items():
        ratios = [
            one.shares[1] / quiet.shares[1]
            for one, quiet in zip(runs, found["nothing"], strict=True)
        ]
        medians = [statistics.median(one.shares[n] for one in runs) for n in range(len(SHARES))]
        ratio = statistics.median(ratios)
        met = "" if name == "nothing" else "yes" if ratio <= 1 + SLOWDOWN else "**no**"
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        late = sum(int(one.plc["late"]) for one in runs)
        rows.append(
            (name, *(f"{value:.1f}" for value in medians), late, f"{ratio:.2f}", spread, met)
        )
    header = ("disturbed by", *_titles(), "late", "p99 to undisturbed", "of the rounds", "within")
    return "\n\n".join(
        [
            "## Records and messages disturbed",
            (
                "The line of the first table (S7, camera 0 ms) with MQTT, undisturbed and with "
                f"those who take its records in trouble; {asked.rounds} rounds of "
                f"{asked.seconds:g} s each in turns, medians. Goal: the p99 stays within 20 % of "
                "the undisturbed one of its round."
            ),
            _circumstances(start),
            table(header, rows),
        ]
    )


GROUPS: dict[str, Callable[[argparse.Namespace, Start], str]] = {
    "latency": latency,
    "rate": rate,
    "large": large,
    "disturbed": disturbed,
}


def _against_goals(found: dict[str, Measured]) -> str:
    rows = []
    for name, measured in found.items():
        for place, goal in enumerate(GOALS_MS):
            reached = measured.shares[place]
            met = "yes" if reached < goal else "**no**"
            what = f"{name}: {_titles()[place]}"
            rows.append((what, f"under {goal:g} ms", f"{reached:.1f} ms", met))
        late = measured.plc["late"] + measured.invalid
        rows.append((f"{name}: missed deadlines", "none", late, "**no**" if late else "yes"))
    return table(("what", "goal", "reached", "met"), rows)


def _latencies(found: dict[str, Measured]) -> str:
    rows = [
        (
            name,
            len(one.milliseconds),
            *(f"{value:.1f}" for value in one.shares),
            one.plc["late"],
            one.invalid,
            f"{statistics.median(one.plc['scans']):.1f}",
            f"{max(one.plc['scans']):.0f}",
            f"{one.load:.1f}",
        )
        for name, one in found.items()
    ]
    header = ("ms", "parts", *_titles(), "late", "INVALID", "PLC's pause", "longest", "load")
    return table(header, rows)


def _memory(found: dict[str, Measured]) -> str:
    """Resident MB; the engine's hold the slots for images as far as they were used."""
    rows = [
        (name, *(f"{one.memory[n][which]:.1f}" for which in (0, 1) for n in range(3)))
        for name, one in found.items()
    ]
    times = ("begin", "middle", "end")
    header = (
        "resident, MB",
        *(f"{who}, {when}" for who in ("station", "engine") for when in times),
    )
    return table(header, rows)


def _where(found: dict[str, Measured]) -> str:
    """The station's own account, from its trigger on, which it reads up to one poll later."""
    rows = [
        (
            name,
            *(f"{stages[stage]['50']:.1f} / {stages[stage]['99']:.1f}" for stage in stages),
            f"{one.station['processor']:.2f}",
            f"{one.station['engine_processor']:.2f}",
        )
        for name, one in found.items()
        for stages in (one.station["stages"],)
    ]
    header = (
        "p50 / p99 ms from the station's trigger",
        "image here",
        "inspected",
        "decided",
        "PLC told",
        "cores, station",
        "engine",
    )
    return table(header, rows)


def _titles() -> tuple[str, ...]:
    return tuple("longest" if share == 100 else f"p{share:g}" for share in SHARES)


def _said(name: str, measured: Measured) -> Measured:
    shares = ", ".join(f"{value:.1f}" for value in measured.shares)
    late, invalid = measured.plc["late"], measured.invalid
    print(
        f"  {name}: {shares} ms, {late} late, {invalid} INVALID, load {measured.load:.1f}",
        file=sys.stderr,
        flush=True,
    )
    return measured


def _circumstances(start: Start) -> str:
    names = ("python-snap7", "pymodbus", "pypylon", "paho-mqtt")
    return circumstances(start, others="".join(f", {name} {version(name)}" for name in names))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", default=list(GROUPS), help="of: " + ", ".join(GROUPS))
    parser.add_argument("--rows", nargs="*", default=[], help="of `latency`, by name; all if none")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each row of `latency`")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each run of the others")
    parser.add_argument("--rounds", type=int, default=3, help="of `disturbed`")
    parser.add_argument("--deadline", type=float, default=100.0, help="milliseconds")
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    Path(KEPT).mkdir(parents=True, exist_ok=True)
    sys.exit(main())
