"""Crops of good parts turned into a network that draws them; the course is that of `Lesson`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from keenline.training.reconstruction.errors_seen import Similarity
from keenline.training.reconstruction.network import OFFSET, SCALE, Autoencoder, halved
from keenline.training.supervised.lesson import Lesson
from keenline.training.supervised.lots import Lots
from keenline.training.supervised.settings import Settings

PENALTY = 0.02
"""What a nat a pixel costs a variational network, in the unit of its difference."""

_COVERED = 3
"""Squares of a crop that the network is not shown and must draw nevertheless, at most."""


class Drawing(Lesson):
    """What moves a network towards drawing good parts.

    Some squares of each crop are taken from another crop. The network is asked for what was there
    before, so that it learns to put good surface where something strange is.
    """

    def __init__(self, network: Autoencoder, settings: Settings, lots: Lots) -> None:
        super().__init__(network, settings, lots, 0.0, (SCALE, OFFSET))
        self.measure = Similarity()
        self._seen: list[float] = []

    def training_step(self, batch: Any, number: int) -> Any:
        picture = halved(self.fed(batch[0]))
        loss = self._difference(picture, self.network(_covered(picture)))
        return self.noted(loss, number)

    def on_validation_epoch_start(self) -> None:
        self._seen.clear()

    def validation_step(self, batch: Any, *_: Any) -> None:
        picture = halved(self.fed(batch[0]))
        self._seen.append(float(self._difference(picture, self.average(picture))))

    def on_validation_epoch_end(self) -> None:
        self.validated(float(np.mean(self._seen)))

    def _difference(self, picture: Any, drawn: Any) -> Any:
        apart = (picture - drawn.picture).abs().mean()
        unlike = 1 - self.measure(picture, drawn.picture).mean()
        return apart + unlike + PENALTY * drawn.penalty


def _covered(picture: Any) -> Any:
    """The pictures with squares of an eighth to a third of their side from the next picture."""
    shown = picture.clone()
    other = picture.roll(1, 0)
    side = picture.shape[-1]
    for place in range(len(picture)):
        for _ in range(int(torch.randint(0, _COVERED + 1, ()))):
            length = int(torch.randint(max(1, side // 16), max(2, side // 4), ()))
            y, x, v, u = (int(n) for n in torch.randint(0, side - length + 1, (4,)))
            square = other[place, :, v : v + length, u : u + length]
            shown[place, :, y : y + length, x : x + length] = square
    return shown
