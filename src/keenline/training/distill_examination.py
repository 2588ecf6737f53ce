"""A student turned into how much of its teachers' features it explains on images it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from keenline.data.procedural import procedural_image
from keenline.training.crops import fixed_crops
from keenline.training.distill_settings import Settings
from keenline.training.student import LEVELS
from keenline.training.student_export import OFFSET, SCALE
from keenline.training.teachers import Features, Statistics, Teachers

_NATURAL, _PROCEDURAL = 64, 32
_AT_ONCE = 16


class Examination:
    """The same crops at every call, and what the teachers see in them."""

    def __init__(
        self,
        held_out: Sequence[PillowImage.Image],
        settings: Settings,
        teachers: Teachers,
        statistics: Statistics,
    ) -> None:
        side = settings.final_size
        drawn = [
            PillowImage.fromarray(procedural_image(settings.seed, 1 << 30, number))
            for number in range(min(_PROCEDURAL, settings.pool))
        ]
        self._device = settings.device
        sets = {"": (held_out, _NATURAL), "procedural_": (drawn, _PROCEDURAL)}
        self._sets = {
            name: _batches(pictures, count, settings.seed, side, teachers, statistics)
            for name, (pictures, count) in sets.items()
            if pictures
        }

    def explained(self, student: Any) -> dict[str, float]:
        """Share of the variance of each channel, averaged, at most 1: `s8`, `s16`, and the same on
        procedural images as `procedural_s8` and `procedural_s16`."""
        found = {}
        for name, batches in self._sets.items():
            wanted = {
                level: np.concatenate([targets[level] for _, targets in batches])
                for level in LEVELS
            }
            predicted = [self._predicted(student, images) for images, _ in batches]
            for place, level in enumerate(LEVELS):
                ours = np.concatenate([each[place] for each in predicted])
                mean = wanted[level].mean(axis=(0, 2, 3), keepdims=True)
                error = np.square(ours - wanted[level]).mean(axis=(0, 2, 3))
                spread = np.square(wanted[level] - mean).mean(axis=(0, 2, 3))
                share = 1 - error / np.maximum(spread, 1e-6)
                found[name + level] = round(float(np.clip(share, -1, 1).mean()), 4)
        return found

    def _predicted(self, student: Any, images: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        import torch

        with torch.no_grad():
            pictures = torch.from_numpy(images).to(self._device).permute(0, 3, 1, 2).float()
            return [v.float().cpu().numpy() for v in student(pictures * SCALE + OFFSET)]


def _batches(
    pictures: Sequence[PillowImage.Image],
    count: int,
    seed: int,
    side: int,
    teachers: Teachers,
    statistics: Statistics,
) -> list[tuple[NDArray[np.uint8], Features]]:
    crops = fixed_crops(pictures, seed=seed, count=count, side=side)
    batches = []
    for first in range(0, count, _AT_ONCE):
        images = crops[first : first + _AT_ONCE]
        features = teachers.features(images)
        targets = {
            level: (features[level] - statistics.mean[level][:, None, None])
            / statistics.std[level][:, None, None]
            for level in LEVELS
        }
        batches.append((images, targets))
    return batches
