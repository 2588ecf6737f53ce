"""Views with their defects turned into the crops of each epoch, the same whenever asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from keenline.training.supervised.instances.marked import (
    Instance,
    InstanceView,
    clipped,
)
from keenline.training.supervised.labelled_views import LabelledView
from keenline.training.supervised.lots import Lots
from keenline.types import Image


@dataclass(frozen=True, slots=True)
class Crop:
    """A piece of a view, as it is learnt from."""

    pixels: Image
    """(side, side, 3)"""
    instances: tuple[Instance, ...]


class InstanceLots(Lots):
    """As `Lots`, of views that are `InstanceView`; each crop is a `Crop`."""

    defective = 0.7
    """More than for a network that marks pixels: most places of such a crop are good anyway."""

    def piece(self, view: LabelledView, wanted: int, rng: np.random.Generator) -> Crop:
        assert isinstance(view, InstanceView)
        crop = _cut(view, wanted, self._side, rng)
        across, down = (rng.random(2) < 0.5) & self._mirrored
        # A mirror and half a turn are a mirror in the other direction.
        crop = _mirrored(crop) if across != down else crop
        turns = int(rng.choice((0, *self._rotations))) // 90 + (2 if down else 0)
        for _ in range(turns % 4):
            crop = _turned(crop)
        return Crop(self._relit(crop.pixels, rng), crop.instances)


def batched(crops: Sequence[Crop]) -> tuple[Any, list[dict[str, Any]]]:
    """Pixels (batch, side, side, 3), uint8, and what torchvision's detectors learn from.

    `masks` are (instances, side, side); `outlined` says which of them somebody drew.
    """
    pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops]))
    return pixels, [_target(crop.instances, crop.pixels.shape[:2]) for crop in crops]


def _target(instances: Sequence[Instance], size: Sequence[int]) -> dict[str, Any]:
    masks: NDArray[np.uint8] = np.zeros((len(instances), size[0], size[1]), np.uint8)
    for each, instance in zip(masks, instances, strict=True):
        left, top, right, bottom = instance.box
        each[top:bottom, left:right] = 1 if instance.mask is None else instance.mask
    boxes = np.array([instance.box for instance in instances], np.float32).reshape(-1, 4)
    return {
        "boxes": torch.from_numpy(boxes),
        "labels": torch.tensor([instance.number for instance in instances], dtype=torch.int64),
        "masks": torch.from_numpy(masks),
        "outlined": torch.tensor([i.mask is not None for i in instances], dtype=torch.bool),
    }


def _cut(view: InstanceView, wanted: int, side: int, rng: np.random.Generator) -> Crop:
    """A square that holds as much as fits of a defect of the class `wanted`; any square when 0."""
    pixels = view.pixels
    more = [max(0, side - length) for length in pixels.shape[:2]]
    if any(more):
        pixels = np.pad(pixels, ((0, more[0]), (0, more[1]), (0, 0)), mode="edge")
    room = [length - side for length in pixels.shape[:2]]
    lowest, highest = [0, 0], room
    mine = [instance for instance in view.instances if instance.number == wanted]
    if mine:
        left, top, right, bottom = mine[int(rng.integers(len(mine)))].box
        ends = [sorted((low, high - side)) for low, high in ((top, bottom), (left, right))]
        lowest = [min(free, max(0, first)) for free, (first, _) in zip(room, ends, strict=True)]
        highest = [min(free, max(0, last)) for free, (_, last) in zip(room, ends, strict=True)]
    y, x = (int(rng.integers(a, b + 1)) for a, b in zip(lowest, highest, strict=True))
    shown = (clipped(each, x, y, x + side, y + side) for each in view.instances)
    return Crop(pixels[y : y + side, x : x + side], tuple(each for each in shown if each))


def _mirrored(crop: Crop) -> Crop:
    side = crop.pixels.shape[1]
    return Crop(
        np.flip(crop.pixels, 1),
        tuple(
            Instance(
                each.number,
                (side - each.box[2], each.box[1], side - each.box[0], each.box[3]),
                None if each.mask is None else np.flip(each.mask, 1),
            )
            for each in crop.instances
        ),
    )


def _turned(crop: Crop) -> Crop:
    """By a quarter, counter-clockwise."""
    side = crop.pixels.shape[1]
    return Crop(
        np.rot90(crop.pixels),
        tuple(
            Instance(
                each.number,
                (each.box[1], side - each.box[2], each.box[3], side - each.box[0]),
                None if each.mask is None else np.rot90(each.mask),
            )
            for each in crop.instances
        ),
    )
