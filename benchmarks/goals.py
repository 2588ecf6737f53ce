"""Measured variants turned into two tables: what was measured, and how that meets the goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from results_file import table
from rounds import Variant

MEASURES = (
    ("fit of 60 images, s", "fit 60", "seconds", 1),
    ("... processor time, s", "fit 60", "cpu_seconds", 1),
    ("fit of 200 images, s", "fit 200", "seconds", 1),
    ("... processor time, s", "fit 200", "cpu_seconds", 1),
    ("memory while fitting 60, MB", "fit 60", "peak_rss_mb", 0),
    ("latency, ms", "inspect", "ms", 2),
    ("latency, fastest 5 % of images, ms", "inspect", "ms_p05", 2),
    ("latency, 95 % of images, ms", "inspect", "ms_p95", 2),
    ("processor time for an image, ms", "inspect", "cpu_ms", 2),
    ("image AUROC", "inspect", "auroc", 3),
    ("start to first verdict, s", "first", "start_seconds", 2),
    ("resident while inspecting, MB", "first", "rss_mb", 0),
    ("import, s", "load", "seconds", 3),
    ("import of all that inspects, s", "load", "ready_seconds", 2),
    ("backbone alone, one pass, ms", "backbone", "ms", 2),
    ("backbone alone, all its passes, ms", "backbone", "all_ms", 2),
    ("2448 x 2048 px in tiles, ms", "large", "ms", 0),
    ("memory a 2448 x 2048 image adds, MB", "large", "rise_mb", 0),
)


@dataclass(frozen=True, slots=True)
class Peer:
    """What the goals compare with; None where it could not be measured."""

    default: Variant | None
    fastest: Variant | None
    installed_mb: float | None


def measured(variants: Sequence[Variant], installed: Sequence[float | None]) -> str:
    """A row for each measure, a column for each variant; failures are listed below."""
    rows = [
        [title, *(_shown(variant.number(task, key), digits) for variant in variants)]
        for title, task, key, digits in MEASURES
    ]
    rows.append(["installed, MB", *(_shown(size, 0) for size in installed)])
    precisions = [str(v.found.get("inspect", {}).get("precision", "-")) for v in variants]
    rows.append(["computed in", *precisions])
    text = table(("", *(variant.name for variant in variants)), rows)
    failures = [
        f"- {variant.name}, {name}: {found['error']}"
        for variant in variants
        for name, found in variant.found.items()
        if "error" in found
    ]
    return "\n\n".join([text, *(["Not measured:\n" + "\n".join(failures)] if failures else [])])


def against_goals(variants: Sequence[Variant], core_mb: float | None, peer: Peer) -> str:
    """Goal, reached and whether it is met, for every Keenline variant."""
    rows: list[list[str]] = []
    for variant in variants:
        rows += [_row(variant.name, *goal) for goal in _of_one(variant, peer)]
    rows.append(_row("install of the core", "under 700 MB", core_mb, 700, "MB", 0))
    if core_mb and peer.installed_mb:
        share = core_mb / peer.installed_mb
        rows.append(
            _row("install of the core", "a third of anomalib's", share, 1 / 3, "of anomalib's", 2)
        )
    return table(("what", "goal", "reached", "met"), rows)


_Goal = tuple[str, float | None, float, str, int]
"""Goal in words, what was reached, its limit, unit, digits."""


def _of_one(variant: Variant, peer: Peer) -> list[_Goal]:
    latency = variant.number("inspect", "ms")
    goals: list[_Goal] = []
    for words, other, limit in (
        ("latency at least 20x below anomalib's default", peer.default, 20.0),
        ("latency at least 3x below anomalib's fastest", peer.fastest, 3.0),
    ):
        if other is not None:
            factor = _ratio(other.number("inspect", "ms"), latency)
            goals.append((words, factor, -limit, "times lower", 1))
    if peer.default is not None:
        own, theirs = variant.number("inspect", "auroc"), peer.default.number("inspect", "auroc")
        gain = None if own is None or theirs is None else own - theirs
        goals.append(("image AUROC no worse than anomalib's default", gain, -0.0, "difference", 3))
    alone, every = variant.number("backbone", "ms"), variant.number("backbone", "all_ms")
    goals += [
        ("latency within 1.3x of the backbone alone", _ratio(latency, alone), 1.3, "x", 2),
        ("the same, of the backbone's passes at all scales", _ratio(latency, every), 1.3, "x", 2),
        ("fit of 200 images under 10 s", variant.number("fit 200", "seconds"), 10, "s", 1),
        ("first verdict under 1 s", variant.number("first", "start_seconds"), 1, "s", 2),
        ("resident under 200 MB", variant.number("first", "rss_mb"), 200, "MB", 0),
        ("import under 0.3 s", variant.number("load", "seconds"), 0.3, "s", 2),
        ("2448 x 2048 px under 200 ms", variant.number("large", "ms"), 200, "ms", 0),
        ("... adding less than 500 MB", variant.number("large", "rise_mb"), 500, "MB", 0),
    ]
    return goals


def _row(
    what: str, goal: str, reached: float | None, limit: float, unit: str, digits: int
) -> list[str]:
    """A limit written with a minus sign is one to be reached from below."""
    if reached is None:
        return [what, goal, "not measured", "-"]
    from_below = str(limit).startswith("-")
    met = reached >= -limit if from_below else reached <= limit
    return [what, goal, f"{reached:.{digits}f} {unit}", "yes" if met else "**no**"]


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None


def _shown(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
