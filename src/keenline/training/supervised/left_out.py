"""Labelled samples turned into those to learn from and those to measure with; parts stay whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keenline.errors import Code, TrainingError
from keenline.training.lesson_samples import FOLDS, classes_of, dealt
from keenline.types import Sample


def left_out(
    samples: Sequence[Sample],
    parts: NDArray[np.int64],
    classes: Sequence[str],
    seed: int,
    *,
    good_needed: bool = True,
) -> NDArray[np.bool_]:
    """Which samples are left out of learning, (samples,): about a fifth of the parts of each class.

    A class of which nothing would be left to learn from is learnt and not measured. Raises
    TrainingError (TOO_FEW_IMAGES) unless there are good parts on both sides, or parts at all where
    good ones are not needed.
    """
    fold_of = dealt(samples, parts, classes, seed, FOLDS)
    good = np.array([sample.is_good for sample in samples])
    shown = [classes_of(sample) for sample in samples]

    def worth(fold: int) -> tuple[bool, int]:
        inside = [names for names, of in zip(shown, fold_of, strict=True) if of == fold]
        return bool((good & (fold_of == fold)).any()), len(frozenset().union(*inside))

    out: NDArray[np.bool_] = fold_of == max(range(int(fold_of.max()) + 1), key=worth)
    for name in classes:
        bears = np.array([name in names for names in shown])
        if bears.any() and not (bears & ~out).any():
            out &= ~np.isin(parts, parts[bears])
    if not good_needed:
        _check_both_sides(out)
    elif not (good & out).any() or not (good & ~out).any():
        raise TrainingError(
            Code.TOO_FEW_IMAGES,
            "There are too few good parts to leave some out of learning",
            expected="at least 2 independent good parts; 50 are better",
            got=f"{len(np.unique(parts[good]))} in {int(good.sum())} good images",
            next="add images of good parts",
        )
    return out


def _check_both_sides(out: NDArray[np.bool_]) -> None:
    if not out.any() or out.all():
        raise TrainingError(
            Code.TOO_FEW_IMAGES,
            "There are too few parts to leave some out of learning",
            expected="at least 2 independent parts of a class; 15 of each are better",
            got=f"{len(out)} images",
            next="add images of defects",
        )
