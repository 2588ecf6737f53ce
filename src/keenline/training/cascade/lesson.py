"""Crops turned, patch by patch, into a gate that lets defects pass and a U-Net that marks them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from keenline.training.cascade.network import Cascade
from keenline.training.supervised.lesson import Lesson, as_seen


class CascadeLesson(Lesson):
    """Both are taught at the same time, the U-Net with every patch: what the gate will keep back
    is not known before it is taught, and good patches that resemble defects are what it needs."""

    network: Cascade

    def training_step(self, batch: Any, number: int) -> Any:
        pixels, numbers = batch
        network = self.network
        tiles, inner = parted(self.fed(pixels), network), network.numbers_of(numbers)
        raw = network.inner(network.unet(tiles))
        marks = as_seen(inner, raw.shape[2:])
        gate = _even(network.gate(tiles), marks.flatten(1).amax(dim=1) > 0)
        return self.noted(self.loss(raw, marks) + gate, number)

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._gates: list[tuple[Any, Any]] = []

    def validation_step(self, batch: Any, *others: Any) -> None:
        super().validation_step(batch, *others)
        pixels, numbers = batch
        network = self.average.module
        tiles, _ = network.tiles(self.fed(pixels))
        self._gates.append((network.gate(tiles).float().cpu(), defective(network, numbers).cpu()))

    def validated(self, loss: float) -> None:
        answers, shown = (torch.cat([pair[which] for pair in self._gates]) for which in (0, 1))
        super().validated(loss + float(_even(answers, shown)))


def parted(picture: Any, network: Cascade) -> Any:
    """Patches with their surroundings of crops that have surroundings of their own,
    (patches, 3, side, side); a crop is some patches wide and two halos more."""
    patch, side = network.patch, network.side
    cut = picture.unfold(2, side, patch).unfold(3, side, patch)
    return cut.permute(0, 2, 3, 1, 4, 5).reshape(-1, picture.shape[1], side, side)


def defective(network: Cascade, numbers: Any) -> Any:
    """Which patches of views, (views, height, width), show what is to be marked, (patches,)."""
    stride, patch = network.stride, network.patch
    height, width = numbers.shape[1:]
    marks = as_seen(numbers, (height // stride, width // stride)).float().unsqueeze(1)
    cells = patch // stride
    below, right = (-side % cells for side in marks.shape[2:])
    padded = functional.pad(marks, (0, right, 0, below))
    return functional.max_pool2d(padded, cells).flatten() > 0


def _even(answers: Any, shown: Any) -> Any:
    """Binary cross-entropy in which defective patches count as much as the good ones together."""
    wanted = shown.to(answers.dtype)
    each = functional.binary_cross_entropy_with_logits(answers, wanted, reduction="none")
    number = torch.stack([(1 - wanted).sum(), wanted.sum()]).clamp(min=1.0)
    return ((each * (1 - wanted)).sum() / number[0] + (each * wanted).sum() / number[1]) / 2


def crop_of(network: Cascade, wanted: int, longest: int) -> int:
    """Side of the crops to learn from: whole patches, about `wanted` px, and their surroundings.

    longest: side of any view, in pixels.
    """
    patches = max(1, min(wanted // network.patch, int(np.ceil(longest / network.patch))))
    return patches * network.patch + 2 * network.halo
