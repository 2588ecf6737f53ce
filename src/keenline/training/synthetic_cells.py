"""Synthetic samples turned into cells to learn from beside the real ones, never to measure on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.data.dataset import Skipped
from keenline.data.synthetic_index import SyntheticSample, learnable
from keenline.errors import Code, TrainingError
from keenline.inference.engine import Engine
from keenline.inference.framing import Framing
from keenline.models.base import Progress
from keenline.training.labelled_cells import GOOD_PLACE, Cells, draw_cells

LARGEST_SHARE = 0.5
"""Of synthetic cells among those of a class. Beyond it a class is mostly what somebody thought it
looks like; on validation images three quarters took 0.02 of the AUROC (docs/augmentation.md)."""


@dataclass(frozen=True, slots=True)
class SyntheticCells:
    """Cells of synthetic samples, each with what its image was made from."""

    samples: tuple[SyntheticSample, ...] = ()
    """In a random order, in which they are taken until there are enough."""
    cells: Cells | None = None
    """Their sources are places in `samples`; None without any."""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    """What the user should know, one sentence each."""
    share: float = LARGEST_SHARE
    """Of synthetic cells among those of each class, at most; below 1."""

    def beside(self, real: Cells, held_out: Collection[str] = ()) -> Cells:
        """Real cells, and beside them those made from none of the images with these hashes.

        Of each class as many images as `share` allows, the last one in part. The sources of
        synthetic cells are -1: they are no sample that could be left out.
        """
        if self.cells is None:
            return real
        chosen = self._chosen(real, held_out)
        return Cells(
            np.concatenate([real.vectors, self.cells.vectors[chosen]]),
            np.concatenate([real.numbers, self.cells.numbers[chosen]]),
            np.concatenate([real.source, np.full(int(chosen.sum()), -1)]),
        )

    def used(self, real: Cells) -> Used:
        """What of them is learnt beside these real cells."""
        if self.cells is None:
            return Used()
        chosen = self._chosen(real, ())
        made = int((self.cells.numbers[chosen] != GOOD_PLACE).sum())
        defective = made + int((real.numbers != GOOD_PLACE).sum())
        images = len(np.unique(self.cells.source[chosen]))
        return Used(images, made / max(1, defective))

    def _chosen(self, real: Cells, held_out: Collection[str]) -> NDArray[np.bool_]:
        """Which cells are learnt, (cells,)."""
        assert self.cells is not None
        numbers, source = self.cells.numbers, self.cells.source
        kept = set(learnable(self.samples, held_out))
        may = np.array([sample in kept for sample in self.samples])[source]
        chosen = np.zeros(len(numbers), bool)
        for number in np.unique(numbers[numbers != GOOD_PLACE]):
            beside = int((real.numbers == number).sum())
            most = round(beside * self.share / (1 - self.share))
            places = np.flatnonzero(may & (numbers == number))
            chosen[places[np.argsort(source[places], kind="stable")][:most]] = True
        # The untouched places of an image come with its defect.
        shown = np.isin(source, np.unique(source[chosen]))
        return np.asarray(chosen | (shown & (numbers == GOOD_PLACE)))


@dataclass(frozen=True, slots=True)
class Used:
    """Synthetic images that were learnt from."""

    images: int = 0
    share: float = 0.0
    """Of synthetic cells among the defective ones, 0..1."""


def check_share(share: float, *, mostly_synthetic: bool) -> None:
    """Raise TrainingError (OPTION_CONFLICT) above `LARGEST_SHARE`, unless it is insisted on."""
    most = MOST_INSISTED if mostly_synthetic else LARGEST_SHARE
    if 0 <= share <= most:
        return
    insist = "give --mostly-synthetic to do it all the same; recall is measured on real parts only"
    raise TrainingError(
        Code.OPTION_CONFLICT,
        "A class is not learnt mostly from synthetic images",
        where="share of synthetic defects",
        expected=f"0 to {most:g}",
        got=f"{share:g}",
        next=None if mostly_synthetic or share < 0 else insist,
    )


MOST_INSISTED = 0.9
"""Beyond it real defects hardly count; `keenline synthesise` makes no larger share either."""


def draw_synthetic(
    synthetic: Sequence[SyntheticSample],
    classes: Sequence[str],
    engine: Engine,
    framing: Framing,
    *,
    share: float,
    tested: Collection[str],
    rng: np.random.Generator,
    progress: Progress,
) -> SyntheticCells:
    """Cells of those samples whose class real samples show too; the others are left out.

    What no real image shows could not be measured, and what was made from an image with one of the
    hashes `tested` would give away what is measured later. `engine`, `framing`: as for
    `draw_cells`; share: of `SyntheticCells`.
    """
    fair = learnable(synthetic, tested)
    found = [each for each in fair if each.sample.label in classes and share > 0]
    known = tuple(found[place] for place in rng.permutation(len(found)))
    notes = _notes(synthetic, fair, classes)
    if not known:
        return SyntheticCells(notes=notes)
    cells, skipped = draw_cells(
        [each.sample for each in known],
        classes,
        engine,
        framing,
        mirrored=True,
        rng=rng,
        progress=progress,
    )
    return SyntheticCells(known, cells if len(cells.numbers) else None, skipped, notes, share)


def _notes(
    synthetic: Sequence[SyntheticSample],
    fair: Sequence[SyntheticSample],
    classes: Sequence[str],
) -> tuple[str, ...]:
    notes = []
    if len(fair) < len(synthetic):
        number = len(synthetic) - len(fair)
        notes.append(f"synthetic images made from images of the test split, not used: {number}")
    unused = sorted({each.sample.label for each in fair} - {*classes})
    if unused:
        words = "synthetic images of classes that no real image shows, not used"
        notes.append(f"{words}: {', '.join(unused)}")
    return tuple(notes)
