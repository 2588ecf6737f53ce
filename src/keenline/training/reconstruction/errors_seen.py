"""A picture and the same drawn anew turned into maps of how they differ."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from keenline.training.reconstruction.network import (
    HALVED,
    STRIDE,
    Autoencoder,
    VariationalAutoencoder,
    halved,
)

CELL = 4
"""Pixels for one cell of a map."""

_WINDOW, _SIGMA = 7, 1.5
"""Of SSIM, in halved pixels (11 and 1.5 pixels in Wang et al., IEEE Trans. Image Processing
13(4), 2004)."""

_STEADIER = (0.01 * 2) ** 2, (0.03 * 2) ** 2
"""C1 and C2 there, for pixels from -1 to 1."""

_BLUR = 5
"""Cells over which differences are smoothed; one grain of noise is no defect."""


class Differences(nn.Module):  # type: ignore[misc]
    """(batch, 3, height, width) in -1..1 to (batch, maps, height / 4, width / 4), >= 0.

    The maps: mean absolute difference, 1 - SSIM (as Bergmann et al., VISAPP 2019, use it), and of
    a variational network how far its mean lies from 0.
    """

    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network
        self.measure = Similarity()
        self.places = isinstance(network, VariationalAutoencoder)
        self.register_buffer("blur", _bell(_BLUR, 1.0))

    @property
    def number(self) -> int:
        """Of maps."""
        return 3 if self.places else 2

    def forward(self, picture: Any) -> Any:
        picture = halved(picture)
        drawn = self.network(picture)
        apart = (picture - drawn.picture).abs().mean(dim=1, keepdim=True)
        unlike = 1 - self.measure(picture, drawn.picture)
        maps = [_blurred(_pooled(each), self.blur) for each in (apart, unlike)]
        if self.places:
            # sqrt has no slope at 0, and exporters no trouble with this.
            far = (drawn.place**2).mean(dim=1, keepdim=True).clamp(min=1e-12).sqrt()
            maps.append(functional.interpolate(far, scale_factor=STRIDE / CELL, mode="nearest"))
        return torch.cat(maps, dim=1)


class Similarity(nn.Module):  # type: ignore[misc]
    """SSIM of two pictures' grey values at every pixel, (batch, 1, height, width), -1..1."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bell", _bell(_WINDOW, _SIGMA))

    def forward(self, one: Any, other: Any) -> Any:
        x, y = (each.mean(dim=1, keepdim=True) for each in (one, other))
        means = [_blurred(each, self.bell) for each in (x, y)]
        # The squares of the differences from the mean, never below 0 however they are rounded.
        spreads = [
            (_blurred(each * each, self.bell) - mean * mean).clamp(min=0.0)
            for each, mean in zip((x, y), means, strict=True)
        ]
        both = _blurred(x * y, self.bell) - means[0] * means[1]
        first, second = _STEADIER
        light = (2 * means[0] * means[1] + first) / (means[0] ** 2 + means[1] ** 2 + first)
        return light * (2 * both + second) / (spreads[0] + spreads[1] + second)


def _pooled(maps: Any) -> Any:
    return functional.avg_pool2d(maps, CELL // HALVED)


def _bell(side: int, sigma: float) -> Any:
    """A Gaussian along one axis, (1, 1, side, 1), that adds up to 1."""
    places = torch.arange(side) - side // 2
    bell = torch.exp(-((places / sigma) ** 2) / 2)
    return (bell / bell.sum()).reshape(1, 1, side, 1)


def _blurred(maps: Any, bell: Any) -> Any:
    """(batch, 1, height, width), its edge repeated outside."""
    edge = bell.shape[2] // 2
    maps = functional.pad(maps, (edge, edge, edge, edge), mode="replicate")
    return functional.conv2d(functional.conv2d(maps, bell), bell.transpose(2, 3))
