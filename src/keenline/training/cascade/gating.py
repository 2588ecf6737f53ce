"""Answers of a gate on parts left out turned into the limit above which a patch is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from keenline.evaluation.intervals import CONFIDENCE, recall_lower_bound
from keenline.models.backbones import Description
from keenline.training.cascade.lesson import defective
from keenline.training.cascade.network import Cascade
from keenline.training.supervised.labelled_views import LabelledViews

_APART = 1e-3
"""Logits around the limit in which no known answer lies, so that engines which round differently
let the same patches pass; they differ by less than 1e-5."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the gate says of the patches of some parts."""

    logits: NDArray[np.float64]
    """(patches,)"""
    shown: NDArray[np.bool_]
    """(patches,): whether a patch shows what is to be marked."""
    samples: NDArray[np.int64]
    """(patches,): the sample each belongs to."""


@dataclass(frozen=True, slots=True)
class Gating:
    """A limit, and what it does on parts left out of learning."""

    limit: float
    """Logit; a patch above it is looked at. Minus infinity: every patch."""
    asked: float
    """Share of defective patches that are to pass."""
    defective: int
    """Patches that show what is to be marked."""
    passed: int
    """Of these."""
    parts: int
    """Parts that show a defect."""
    whole: int
    """Parts of which every defective patch passes."""
    discarded: float
    """Share of all patches of good parts that is not looked at; NaN without any."""

    @property
    def bound(self) -> float:
        """Recall of defective patches that is exceeded with 95 % confidence (Clopper-Pearson), were
        patches independent. Those of one defect are not, so it is too high."""
        return recall_lower_bound(self.passed, self.defective)

    @property
    def statement(self) -> str:
        """The sentence to print."""
        if not self.defective:
            return "every patch is looked at, because no part left out shows a defect"
        return (
            f"lets {self.passed} of {self.defective} defective patches pass (asked: "
            f"{100 * self.asked:.1f} %, an estimate; >= {100 * self.bound:.1f} % at "
            f"{100 * CONFIDENCE:.0f} % confidence if "
            f"patches were independent), all of them in {self.whole} of {self.parts} parts left "
            f"out; discards {100 * self.discarded:.1f} % of the patches of good ones"
        )

    def facts(self) -> dict[str, object]:
        """For the bundle's manifest, JSON values."""
        limited = bool(np.isfinite(self.limit))
        return {
            "limit": round(self.limit, 6) if limited else None,
            "recall_asked": self.asked,
            "defective_patches": self.defective,
            "passed": self.passed,
            "recall_bound": round(self.bound, 4),
            "parts": self.parts,
            "parts_passed_whole": self.whole,
            "discarded_of_good": None if np.isnan(self.discarded) else round(self.discarded, 4),
        }


def answers_of(network: Cascade, about: Description, views: LabelledViews) -> Answers:
    """The gate's answers to every patch of every view; raises ImageError when a file has gone."""
    scale, offset = (torch.tensor(v)[None, :, None, None] for v in (about.scale, about.offset))
    logits, shown, samples = [], [], []
    for known in views.known:
        view = views.view(known)
        with torch.inference_mode():
            pixels = torch.from_numpy(np.array(view.pixels[None])).permute(0, 3, 1, 2).float()
            tiles, _ = network.tiles(pixels * scale + offset)
            found = network.gate(tiles).numpy().astype(np.float64)
            marks = defective(network, torch.from_numpy(view.numbers.astype(np.int64))[None])
        logits.append(found)
        shown.append(marks.numpy())
        samples.append(np.full(len(found), known.sample))
    return Answers(np.concatenate(logits), np.concatenate(shown), np.concatenate(samples))


def gating_for(
    answers: Answers, parts: NDArray[np.int64], good: NDArray[np.bool_], asked: float
) -> Gating:
    """The highest limit at which at least the share `asked` of the defective patches pass.

    parts, good: of each sample, (samples,).
    """
    logits, shown = answers.logits, answers.shown
    limit = _limit(logits, shown, asked)
    passed = logits > limit
    of = parts[answers.samples]
    lost = np.unique(of[shown & ~passed])
    bearing = np.unique(of[shown])
    clean = good[answers.samples]
    return Gating(
        limit,
        asked,
        int(shown.sum()),
        int((shown & passed).sum()),
        len(bearing),
        len(np.setdiff1d(bearing, lost)),
        float((~passed[clean]).mean()) if clean.any() else float("nan"),
    )


def _limit(logits: NDArray[np.float64], shown: NDArray[np.bool_], asked: float) -> float:
    wanted = np.sort(logits[shown])
    if not len(wanted):
        return -np.inf
    # Rounded first: 0.99 of 100 patches is 99, whatever floating point makes of 1 - 0.99.
    missed = int(np.floor(round((1 - asked) * len(wanted), 9)))
    lowest = wanted[missed] if missed < len(wanted) else np.inf
    below = np.unique(logits[logits <= lowest])[::-1]
    for higher, lower in zip(below, [*below[1:], -np.inf], strict=True):
        if higher - lower >= 2 * _APART:
            return float(higher - _APART if np.isinf(lower) else (higher + lower) / 2)
    raise AssertionError("the lowest answer has nothing below it")
