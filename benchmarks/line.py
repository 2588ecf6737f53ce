"""A station, a PLC and simulated parts turned into latencies, rates and memory of a whole line."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace

from line_config import Run
from line_parts import in_shadow, large_parts, small_parts
from line_rates import RATES, against_goal, highest, tried
from line_run import HERE, SHARES, Measured, run
from line_shadow import BLOCK_S, measured
from line_tables import TITLES, against_goals, latencies, made_by, memory, met, said, stages
from results_file import Start, table, write_section

KEPT = HERE.parent / ".bench" / "line"
REAL_TIME = "S7, camera 0 ms, real-time priority"
BASLER, AT_ONCE = "S7, Basler's emulator", "S7, camera 0 ms"
SLOWDOWN = 0.2
"""By which no disturbance may raise the p99."""
QUIET = "nothing"
DISTURBED = {
    QUIET: {},
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
the first 30 are not counted. Results go to SQLite and images to a folder with the default settings,
so the image of each part with a defect (every 6th) is kept. A deadline is missed where the result
comes later than {deadline:g} ms, is INVALID, or never comes.

"Machine still": how many ms in all, and at the longest, a core ran nothing for more than 5 ms, seen
from real-time priority, so that it is no doing of the station (on a virtual machine: of its
neighbours); "machine ran on": parts in whose time, and in the 20 ms before, that did not happen.
"PLC's pause": its longest time between two scans within a second, median over the seconds; on few
cores it competes with the station. "Others": cores that processes used which are no part of the
line."""


def main() -> None:
    asked = _asked()
    for name in asked.groups:
        text = GROUPS[name](asked, Start.now())
        print(text, flush=True)
        if asked.write:
            write_section(f"line, {name}{asked.section and ': ' + asked.section}", text)


def latency(asked: argparse.Namespace, start: Start) -> str:
    """20 parts a second for minutes, by PLC and camera."""
    bundle, images = small_parts(KEPT)
    plain = Run(bundle, images, seconds=60 * asked.minutes, deadline_ms=asked.deadline)
    rows = {
        AT_ONCE: plain,
        REAL_TIME: replace(plain, real_time=True),
        "S7, camera 5 ms": replace(plain, latency_ms=5.0),
        "Modbus TCP, camera 0 ms": replace(plain, plc="modbus"),
        BASLER: replace(plain, camera="basler"),
    }
    chosen = {name: one for name, one in rows.items() if not asked.rows or name in asked.rows}
    found = {name: said(name, run(one)) for name, one in chosen.items()}
    parts = [
        f"## Trigger to PLC output{asked.section and ': ' + asked.section}",
        ABOUT.format(deadline=asked.deadline),
        f"256 x 256 px, 20 parts/s for {asked.minutes:g} minutes, `level` handshake.",
        made_by(start),
        against_goals(found),
        latencies(found),
        memory(found),
        stages(found),
    ]
    if BASLER in found and AT_ONCE in found:
        here = [found[name].station["stages"]["acquired"]["50"] for name in (BASLER, AT_ONCE)]
        parts.append(
            "Basler's emulator exposes when its own clock of 10 ms ticks, whenever it was fired, "
            f"for 1 ms: its images are here {here[0]:.1f} ms after the trigger at the median, "
            f"those of the camera of 0 ms after {here[1]:.1f} ms."
        )
    return "\n\n".join(parts)


def rate(asked: argparse.Namespace, start: Start) -> str:
    """The highest rate at which every part is inspected."""
    bundle, images = small_parts(KEPT)
    plain = Run(bundle, images, handshake="count", poll_ms=1.0, seconds=asked.seconds)
    ways = {
        "triggered by the camera": replace(plain, handshake="camera"),
        "triggered by the PLC's count": plain,
    }
    found = {name: highest(name, one) for name, one in ways.items()}
    about = (
        "256 x 256 px, S7, recording on, results acknowledged one by one, deadline 200 ms; "
        f"{asked.seconds:g} s each, halving between {RATES[0]} and {RATES[-1]} in steps of "
        f"{RATES.step}. With the PLC's count, two parts within one pause of the machine cannot be "
        "told apart and are INVALID; a camera that triggers names each frame. Times are the "
        "station's own, from its trigger to the PLC's confirmation."
    )
    goals = [against_goal(name, best) for name, (best, _) in found.items()]
    return "\n\n".join(
        [
            "## Parts a second",
            about,
            made_by(start),
            table(("what", "goal", "reached", "met"), goals),
            *(tried(name, runs, asked.seconds) for name, (_, runs) in found.items()),
        ]
    )


def large(asked: argparse.Namespace, start: Start) -> str:
    """5-megapixel images in tiles, two parts a second."""
    bundle, images = large_parts(KEPT)
    wanted = Run(bundle, images, rate=2.0, seconds=asked.seconds, deadline_ms=500.0)
    wanted = replace(wanted, largest_image_mb=16)
    found = {"S7, camera 0 ms, 5 MP": said("5 megapixels", run(wanted))}
    parts = [
        "## Large images at the line",
        f"2448 x 2048 px, grey, in tiles; 2 parts/s for {asked.seconds:g} s, deadline 500 ms.",
        made_by(start),
        latencies(found),
        memory(found),
        stages(found),
    ]
    return "\n\n".join(parts)


def disturbed(asked: argparse.Namespace, start: Start) -> str:
    """What the verdicts' times owe to those who take records, in turns."""
    bundle, images = small_parts(KEPT)
    plain = Run(bundle, images, seconds=asked.seconds, deadline_ms=asked.deadline, broker="up")
    found: dict[str, list[Measured]] = {name: [] for name in DISTURBED}
    for _ in range(asked.rounds):
        for name, change in DISTURBED.items():
            found[name].append(said(name, run(replace(plain, **change))))
    rows = [_disturbance(name, runs, found[QUIET]) for name, runs in found.items()]
    others = ("p99 to undisturbed", "of the rounds", "within")
    about = (
        "The line of the first table (S7, camera 0 ms) with MQTT, undisturbed and with those who "
        f"take its records in trouble; {asked.rounds} rounds of {asked.seconds:g} s each in turns, "
        "medians of the parts during whose time the machine ran on. Goal: the p99 stays within "
        "20 % of the undisturbed one of its round."
    )
    header = ("disturbed by", *TITLES, "p99 of all parts", "missed", *others)
    parts = ["## Records and messages disturbed", about, made_by(start), table(header, rows)]
    return "\n\n".join(parts)


def shadow(asked: argparse.Namespace, start: Start) -> str:
    """What the verdicts' times owe to a bundle in shadow, asked and not asked in turns."""
    bundle, images = small_parts(KEPT)
    beside = in_shadow(bundle)
    found = [measured(bundle, beside, images, asked.seconds) for _ in range(asked.rounds)]
    about = (
        "256 x 256 px, camera 0 ms, 20 parts/s, no PLC; from the trigger to the recorded verdict. "
        f"{asked.rounds} runs of {asked.seconds:g} s. A second bundle, as heavy as the first, is "
        f"asked about every part for {BLOCK_S:g} s, then for as long not: so the ratio is of one "
        "run, and what else the machine does falls on both. Station and engine have real-time "
        "priority, the bundle in shadow that of a station (idle)."
    )
    header = ("run", "alone: p50", "p99", "beside: p50", "p99", "p50 ratio", "p99 ratio")
    rows: list[tuple[object, ...]] = [
        (
            number,
            *(f"{one.alone[n]:.1f}" for n in range(2)),
            *(f"{one.beside[n]:.1f}" for n in range(2)),
            *(f"{one.ratio(share):.2f}" for share in (50, 99)),
            f"{sum(one.parts)}, {sum(one.invalid)} INVALID",
            f"{one.answers}, {one.skipped}",
        )
        for number, one in enumerate(found, 1)
    ]
    medians = [statistics.median(one.ratio(share) for one in found) for share in (50, 99)]
    rows.append(("median", "", "", "", "", *(f"{value:.2f}" for value in medians), "", ""))
    told = table((*header, "parts", "answers, skipped"), rows)
    return "\n\n".join(["## A bundle in shadow", about, made_by(start), told])


def _disturbance(name: str, runs: list[Measured], quiet: list[Measured]) -> tuple[object, ...]:
    p99 = SHARES.index(99)
    pairs = zip(runs, quiet, strict=True)
    ratios = [one.untouched[p99] / other.untouched[p99] for one, other in pairs]
    ratio = statistics.median(ratios)
    medians = [statistics.median(one.untouched[n] for one in runs) for n in range(len(SHARES))]
    of_all = statistics.median(one.shares[p99] for one in runs)
    return (
        name,
        *(f"{value:.1f}" for value in medians),
        f"{of_all:.1f}",
        sum(one.missed for one in runs),
        f"{ratio:.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        "-" if name == QUIET else met(ratio <= 1 + SLOWDOWN),
    )


GROUPS: dict[str, Callable[[argparse.Namespace, Start], str]] = {
    "latency": latency,
    "rate": rate,
    "large": large,
    "disturbed": disturbed,
    "shadow": shadow,
}


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    names = ", ".join(GROUPS)
    parser.add_argument("groups", nargs="*", default=list(GROUPS), help=f"of {names}; else all")
    parser.add_argument("--rows", nargs="*", default=[], help="of `latency`, by name; else all")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each row of `latency`")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each run of the others")
    parser.add_argument("--rounds", type=int, default=3, help="of `disturbed` and `shadow`")
    parser.add_argument("--deadline", type=float, default=200.0, help="milliseconds")
    parser.add_argument(
        "--section", default="", help="of RESULTS.md: a name of its own, beside the group's"
    )
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    asked = parser.parse_args()
    unknown = set(asked.groups) - set(GROUPS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: none of {names}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
