"""Synthetic samples turned into cells to learn from beside the real ones, never to measure on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from keenline.data.dataset import Skipped
from keenline.data.synthetic_index import SyntheticSample, learnable
from keenline.inference.engine import Engine
from keenline.inference.framing import Framing
from keenline.models.base import Progress
from keenline.training.labelled_cells import Cells, draw_cells


@dataclass(frozen=True, slots=True)
class SyntheticCells:
    """Cells of synthetic samples, each with what its image was made from."""

    samples: tuple[SyntheticSample, ...] = ()
    cells: Cells | None = None
    """Their sources are places in `samples`; None without any."""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    """What the user should know, one sentence each."""

    def beside(self, real: Cells, held_out: Collection[str] = ()) -> Cells:
        """Real cells and those made from none of the images with these hashes.

        The sources of synthetic ones are -1: they are no sample that could be left out.
        """
        if self.cells is None:
            return real
        kept = set(learnable(self.samples, held_out))
        chosen = self.cells.of(np.array([sample in kept for sample in self.samples]))
        return Cells(
            np.concatenate([real.vectors, chosen.vectors]),
            np.concatenate([real.numbers, chosen.numbers]),
            np.concatenate([real.source, np.full(len(chosen.source), -1)]),
        )


def draw_synthetic(
    synthetic: Sequence[SyntheticSample],
    classes: Sequence[str],
    engine: Engine,
    framing: Framing,
    *,
    rng: np.random.Generator,
    progress: Progress,
) -> SyntheticCells:
    """Cells of those samples whose class real samples show too; the others are left out.

    What no real image shows could not be measured. `engine`, `framing`: as for `draw_cells`.
    """
    known = tuple(each for each in synthetic if each.sample.label in classes)
    unused = sorted({each.sample.label for each in synthetic} - {*classes})
    notes: tuple[str, ...] = ()
    if unused:
        words = "synthetic images of classes that no real image shows, not used"
        notes = (f"{words}: {', '.join(unused)}",)
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
    return SyntheticCells(known, cells if len(cells.numbers) else None, skipped, notes)
