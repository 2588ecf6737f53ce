"""Real image sets, backbones and seeds turned into the accuracy table of RESULTS.md.

One default configuration for all; what its values were chosen and checked on is in
docs/decisions/0006-memory-bank.md. Each run is kept in .bench/accuracy.jsonl, and with --resume
what is there for the same commit is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from typing import Any

from datasets import DATA, REPOSITORY, WEIGHTS, RealSet, named
from results_file import Start, circumstances, table, write_section

from keenline.errors import KeenlineError
from keenline.inference.inspector import Inspector
from keenline.recipe import DetectorSettings, Recipe
from keenline.training.evaluate import evaluate
from keenline.training.fit import train

PACKAGED = ("keenline", "filterbank")
BACKBONES = (*PACKAGED, "mobilenet_v2", "resnet18", "efficientnetv2_b0")
CLASSICAL = "classical"
KEPT = REPOSITORY / ".bench" / "accuracy.jsonl"
ABOUT = """\
One default recipe for every set and backbone; {seeds} seeds, mean ± half the range. Defaults were
checked on validation images only, which are not tested here but for bsdata and parts of deeppcb.
False alarms and recall are at the bundle's own threshold, learnt from good images alone (goal: 5 %
false alarms). ms/image: decoded array to verdict, {threads} threads, at the size the defaults
choose; fit s: with everything, from files to bundle."""
COLUMNS = (
    ("image_auroc", "image AUROC", 3),
    ("image_ap", "AP", 3),
    ("pixel_auroc", "pixel AUROC", 3),
    ("au_pro", "AU-PRO", 3),
    ("false_alarms", "false alarms", 3),
    ("recall", "recall", 3),
    ("fit_seconds", "fit s", 1),
    ("ms", "ms/image", 1),
)


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    runs = [run for run in _kept() if run["commit"] == start.commit] if asked.resume else []
    for real in named(asked.sets):
        for features in asked.features:
            for seed in range(asked.seeds):
                key = {"set": real.name, "features": features, "seed": seed, "commit": start.commit}
                if not any(key.items() <= run.items() for run in runs):
                    runs.append(key | _run(real, features, seed, asked.threads))
                    _keep(runs[-1])
                    _say(runs[-1])
    write_section(asked.section, _text(runs, start, asked))


def _run(real: RealSet, features: str, seed: int, threads: int) -> dict[str, Any]:
    if not real.is_here:
        return {"error": "not here"}
    recipe = Recipe(detector=detector_with(features))
    try:
        with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
            trained = train(real.dataset(seed), f"{folder}/part.keen", recipe=recipe, seed=seed)
            inspector = Inspector.open(trained.path, threads=threads)
            found, _ = evaluate(inspector, real.dataset(seed))
    except KeenlineError as error:
        return {"error": str(error)}
    facts = inspector.manifest
    return {
        "image_auroc": found.image_auroc,
        "image_ap": found.image_ap,
        "pixel_auroc": found.pixel_auroc,
        "au_pro": found.au_pro,
        "false_alarms": found.false_alarm_rate.value,
        "recall": found.recall_overall.value,
        "recall_by_class": {name: share.value for name, share in found.recall.items()},
        "fit_seconds": trained.seconds,
        "ms": found.ms_per_image,
        "invalid": sum(found.invalid.values()),
        "threshold": facts.threshold.kind,
        "precision": facts.engine.precision,
    }


def detector_with(features: str) -> DetectorSettings:
    """The default detector with these features, or the classical one."""
    if features == CLASSICAL:
        return DetectorSettings(name=CLASSICAL)
    if features in PACKAGED:
        return DetectorSettings(backbone=features)
    return DetectorSettings(backbone=f"onnx:{WEIGHTS / features / 'features.onnx'}")


def _text(runs: list[dict[str, Any]], start: Start, asked: argparse.Namespace) -> str:
    about = ABOUT.format(seeds=asked.seeds, threads=asked.threads or "all")
    parts = ["## Accuracy on real images", about, circumstances(start)]
    for real in named(asked.sets):
        rows = [_row(features, _of(runs, real.name, features)) for features in asked.features]
        header = ("features", *(title for _, title, _ in COLUMNS), "computed in", "threshold")
        parts += [
            f"### {real.name}",
            f"{real.about[0].upper()}{real.about[1:]}.",
            table(header, rows),
        ]
    return "\n\n".join(parts)


def _of(runs: list[dict[str, Any]], name: str, features: str) -> list[dict[str, Any]]:
    return [run for run in runs if run["set"] == name and run["features"] == features]


def _row(features: str, runs: list[dict[str, Any]]) -> list[str]:
    errors = [run["error"] for run in runs if "error" in run]
    if errors or not runs:
        return [features, *("-" for _ in COLUMNS), "-", errors[0] if errors else "not run"]
    cells = [_mean([run[key] for run in runs], digits) for key, _, digits in COLUMNS]
    invalid = sum(run["invalid"] for run in runs)
    kinds = "/".join(sorted({run["threshold"] for run in runs}))
    precision = "/".join(sorted({run["precision"] for run in runs}))
    return [features, *cells, precision, kinds + (f", {invalid} INVALID" if invalid else "")]


def _mean(values: list[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    half = (max(known) - min(known)) / 2
    return f"{statistics.mean(known):.{digits}f} ± {half:.{digits}f}"


def _kept() -> list[dict[str, Any]]:
    if not KEPT.is_file():
        return []
    return [json.loads(line) for line in KEPT.read_text("utf-8").splitlines()]


def _keep(run: dict[str, Any]) -> None:
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")


def _say(run: dict[str, Any]) -> None:
    shown = run.get("error") or f"AUROC {run['image_auroc']:.3f}, fit {run['fit_seconds']:.1f} s"
    stamp = time.strftime("%H:%M:%S")
    print(f"{stamp} {run['set']} {run['features']} seed {run['seed']}: {shown}", flush=True)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=[], help="names; all when left out")
    parser.add_argument("--features", nargs="*", default=[*BACKBONES, CLASSICAL])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--section", default="accuracy", help="of RESULTS.md to write")
    parser.add_argument("--resume", action="store_true", help="keep runs of the same commit")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
