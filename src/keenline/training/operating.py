"""A bundle and chosen thresholds turned into a bundle that decides by them, with its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from keenline.bundle import (
    Bundle,
    Manifest,
    ThresholdFacts,
    check_writable,
    read_bundle,
    write_bundle,
)
from keenline.evaluation.recipe_cuts import cuts_of, modes_of, recipe_with
from keenline.evaluation.scored import Cut
from keenline.types import ANOMALY

RECORD = "operating_point"
"""Key of `Manifest.facts` with what the thresholds were chosen on, newest last."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Thresholds and what speaks for them."""

    cuts: Mapping[str, Cut]
    by: str
    """Who chose."""
    on: str
    """The results: a file with its sha256, or a store."""
    counts: Mapping[str, int]
    """Labelled parts by label."""
    promises: tuple[str, ...] = ()
    """What holds, one sentence each."""
    proves_false_alarms: bool = False
    """The threshold of the anomaly lies above the order statistic that proves the rate below."""
    false_alarm_rate: float | None = None
    """The rate proven, 0..1; None: of the recipe's gates, which is then an aim only."""
    good_above: int = 0
    """Good parts that score above the anomaly's threshold."""


def scored_by(bundle: Bundle) -> tuple[str, ...]:
    """The sha256 of every bundle whose scores are those of `bundle`: itself, and those from which
    only thresholds were changed since."""
    record = bundle.manifest.facts.get(RECORD)
    earlier = [str(one["bundle_sha256"]) for one in _entries(record)]
    return (bundle.sha256, *reversed(earlier))


def cuts_now(manifest: Manifest) -> dict[str, Cut]:
    """The cuts by which a bundle decides."""
    modes = modes_of(
        manifest.recipe, [known.name for known in manifest.classes], manifest.training_counts
    )
    return cuts_of(manifest.recipe, manifest.threshold.value, modes)


def apply(path: Path, chosen: Chosen, *, output: Path | None = None) -> Bundle:
    """Write the bundle with the chosen thresholds, in its place unless `output` is given.

    Nothing that was learnt changes. What was chosen, on what and by whom is one sentence in
    `updates`, and in `facts` with the sha256 of the bundle it was. Raises BundleError, OutputError.
    """
    bundle = read_bundle(path)
    output = output or path
    check_writable(output)
    manifest = bundle.manifest
    now = datetime.now(UTC).isoformat(timespec="seconds")
    before = cuts_now(manifest)
    recipe = recipe_with(manifest.recipe, chosen.cuts)
    entry = {
        "time": now,
        "by": chosen.by,
        "on": chosen.on,
        "counts": dict(chosen.counts),
        "promises": list(chosen.promises),
        "bundle_sha256": bundle.sha256,
        "before": {name: _edges(cut) for name, cut in before.items()},
        "cuts": {name: _edges(cut) for name, cut in chosen.cuts.items()},
    }
    facts = dict(manifest.facts)
    facts[RECORD] = [*_entries(facts.get(RECORD)), entry]
    changed = manifest.model_copy(
        update={
            "recipe": recipe,
            "recipe_sha256": recipe.sha256,
            "threshold": _threshold(manifest, chosen),
            "updates": (*manifest.updates, f"{now}: {_sentence(chosen, before)}"),
            "facts": facts,
        }
    )
    return write_bundle(output, changed, bundle.members)


def _threshold(manifest: Manifest, chosen: Chosen) -> ThresholdFacts:
    good = chosen.counts.get("good", 0)
    rate = chosen.false_alarm_rate
    proven = chosen.proves_false_alarms and rate is not None
    confirm = "confirm it on other parts: keenline evaluate"
    return ThresholdFacts(
        value=chosen.cuts[ANOMALY].low,
        kind="guaranteed" if proven else "estimated",
        held_out=good,
        above=chosen.good_above,
        false_alarm_rate=manifest.recipe.gates.false_alarm_rate if rate is None else rate,
        confidence=manifest.threshold.confidence,
        statement=f"chosen by cost on {_parts(chosen)}; "
        + "".join(f"{promise}; " for promise in chosen.promises)
        + confirm,
    )


def _sentence(chosen: Chosen, before: Mapping[str, Cut]) -> str:
    moved = "; ".join(
        f"{name} {_words(before[name])} -> {_words(cut)}"
        if name in before
        else f"{name} {_words(cut)}"
        for name, cut in chosen.cuts.items()
    )
    promises = f"; {'; '.join(chosen.promises)}" if chosen.promises else ""
    return f"thresholds chosen by {chosen.by} on {_parts(chosen)} ({chosen.on}): {moved}{promises}"


def _parts(chosen: Chosen) -> str:
    total = sum(chosen.counts.values())
    return f"{total} parts ({', '.join(f'{n} {label}' for label, n in chosen.counts.items())})"


def _words(cut: Cut) -> str:
    if np.isinf(cut.high) or cut.high == cut.low:
        return f"{cut.low:.4g}"
    return f"{cut.low:.4g}..{cut.high:.4g}"


def _edges(cut: Cut) -> list[float | None]:
    return [cut.low, None if np.isinf(cut.high) else cut.high]


def _entries(record: object) -> list[dict[str, object]]:
    return [dict(one) for one in record] if isinstance(record, list) else []
