"""Variants of a detector turned into measurements, every variant in turn in every round.

Taking turns spreads whatever else the machine does over all of them alike.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common_images import CommonImages
from datasets import WEIGHTS
from workers import WorkerFailed, ask, medians

from keenline.evaluation.metrics import auroc

KEENLINE = "keenline_worker.py"
ANOMALIB = "anomalib_worker.py"


@dataclass(slots=True)
class Variant:
    """One way to be measured."""

    name: str
    python: Path
    worker: str
    fit: dict[str, Any]
    """Arguments of the task `fit` besides the images and where to write."""
    backbone: str = ""
    times_200: bool = True
    """Whether the fit of 200 images is worth its time."""
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By task: medians over rounds, or `error`."""

    def number(self, task: str, key: str) -> float | None:
        """A measured number, None when the task failed or was not run."""
        value = self.found.get(task, {}).get(key)
        return None if value is None else float(value)


def keenline_variants(size: int) -> list[Variant]:
    """The default, and the two backbones a comparison needs."""
    python = Path(sys.executable)
    named = {"keenline (default)": "keenline"}
    for name in ("mobilenet_v2", "resnet18"):
        if (WEIGHTS / name / "features.onnx").is_file():
            named[name] = f"onnx:{WEIGHTS / name / 'features.onnx'}"
    return [
        Variant(f"Keenline, {name}", python, KEENLINE, {"backbone": b, "size": size}, b)
        for name, b in named.items()
    ]


def anomalib_variants(python: Path, threads: int) -> list[Variant]:
    """PatchCore with its defaults, and the fastest it can be made to export."""
    shared = {"weights": str(WEIGHTS / "resnet18" / "features.onnx"), "threads": threads}
    default = {**shared, "ratio": 0.1, "calibrate": False}
    fastest = {**shared, "ratio": 0.01, "calibrate": True}
    return [
        Variant("anomalib PatchCore, defaults (10 % bank)", python, ANOMALIB, default),
        Variant("anomalib PatchCore, 1 % bank, INT8", python, ANOMALIB, fastest, times_200=False),
    ]


def measure(
    variants: Sequence[Variant],
    images: CommonImages,
    folder: Path,
    *,
    rounds: int,
    threads: int,
    slow_rounds: int,
) -> None:
    """Fill `found` of every variant. `slow_rounds`: rounds of fits that take minutes."""
    for place in range(rounds):
        for variant in variants:
            slow = variant.worker == ANOMALIB
            if not slow or place < slow_rounds:
                out = folder / f"{_file_name(variant)}-60{'' if slow else '.keen'}"
                _take(variant, "fit", "fit 60", folder, threads, images.good[60], out)
            if variant.times_200 and (not slow or place < min(1, slow_rounds)):
                out = folder / f"{_file_name(variant)}-200{'' if slow else '.keen'}"
                _take(variant, "fit", "fit 200", folder, threads, images.good[200], out)
    repeat = {"threads": threads, "repeat": 2, "images": str(images.test)}
    for _ in range(rounds):
        for variant in variants:
            model = variant.found["fit 60"].get("model")
            _add(variant, "load", "load", folder, threads, {})
            if model:
                _add(variant, "inspect", "inspect", folder, threads, {**repeat, "model": model})
                once = {"threads": threads, "images": str(images.test), "model": model}
                _add(variant, "first", "first", folder, threads, once)
    for variant in variants:
        _settle(variant, images)


def measure_alone(
    variants: Sequence[Variant], images: CommonImages, folder: Path, *, threads: int
) -> None:
    """What only Keenline is measured for: its backbone alone, and large images in tiles."""
    for variant in variants:
        precision = variant.found.get("inspect", {}).get("precision", "f32")
        few = {"threads": threads, "repeat": 3}
        asked = {**few, "name": variant.backbone, "images": str(images.test)}
        _add(variant, "backbone", "backbone", folder, threads, {**asked, "precision": precision})
        out = folder / f"{_file_name(variant)}-large.keen"
        native = {"backbone": variant.backbone, "size": "native", "out": str(out)}
        fit = {**native, "images": str(images.large_good)}
        _add(variant, "fit", "fit large", folder, threads, fit)
        task = {**few, "images": str(images.large), "model": str(out)}
        _add(variant, "large", "large", folder, threads, task)
        _settle(variant, images)


def _take(
    variant: Variant,
    task: str,
    name: str,
    folder: Path,
    threads: int,
    good: Path,
    out: Path,
) -> None:
    arguments = {**variant.fit, "images": str(good), "out": str(out)}
    _add(variant, task, name, folder, threads, arguments)


def _add(
    variant: Variant,
    task: str,
    name: str,
    folder: Path,
    threads: int,
    arguments: dict[str, Any],
) -> None:
    """Ask once; results of one task gather in a list until they are settled."""
    kept = variant.found.setdefault(name, {})
    try:
        # `threads` is both the worker's environment and, for some tasks, its argument.
        found = ask(
            variant.python,
            variant.worker,
            task,
            folder=folder,
            arguments=arguments,
            threads=threads,
        )
    except WorkerFailed as error:
        kept["error"] = str(error)
        print(f"  {variant.name}, {name}: {error}", flush=True)
        return
    kept.setdefault("rounds", []).append(found)
    kept.setdefault("model", found.get("model"))
    shown = ", ".join(
        f"{key} {found[key]:.4g}" for key in ("seconds", "ms", "rss_mb", "rise_mb") if key in found
    )
    print(f"  {variant.name}, {name}: {shown}", flush=True)


def _settle(variant: Variant, images: CommonImages) -> None:
    for name, found in variant.found.items():
        if "rounds" in found:
            variant.found[name] = medians(found["rounds"]) | {"repeats": len(found["rounds"])}
    scores = variant.found.get("inspect", {}).get("scores")
    if scores:
        values = np.asarray(scores)
        variant.found["inspect"]["auroc"] = auroc(
            values[~images.is_defect], values[images.is_defect]
        )


def _file_name(variant: Variant) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in variant.name)
