"""Pictures of good parts squeezed through a few numbers and drawn anew from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

STRIDE = 16
"""Pixels for one place of what is in between."""

HALVED = 2
"""Pixels that are seen, and drawn, as one: single grains cannot be foretold anyway, and it takes a
quarter of the time."""

SCALE, OFFSET = (1 / 127.5,) * 3, (-1.0,) * 3
"""By which uint8 becomes -1..1."""

_WIDTHS = (24, 48, 96)
_BETWEEN = 16
"""Numbers a place in between, for 64 halved pixels."""


class Drawn(NamedTuple):
    """What a network makes of a picture."""

    picture: Any
    """(batch, 3, height / 2, width / 2)"""
    place: Any
    """Where it lies among good ones, (batch, `_BETWEEN`, height / 16, width / 16)."""
    penalty: Any
    """For how much is told by `place`, nats a pixel; 0 for an autoencoder."""


class Autoencoder(nn.Module):  # type: ignore[misc]
    """(batch, 3, height / 2, width / 2) in -1..1, as `halved` gives it, to `Drawn`.

    Height and width are multiples of `STRIDE`.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[Any] = []
        before = 3
        for width in _WIDTHS:
            layers += [nn.Conv2d(before, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width)]
            layers += [nn.LeakyReLU(0.1)]
            before = width
        self.encoder = nn.Sequential(*layers)
        self.mean = nn.Conv2d(before, _BETWEEN, 1)
        layers = [nn.Conv2d(_BETWEEN, before, 1), nn.LeakyReLU(0.1)]
        for width in (*reversed(_WIDTHS[:-1]), _WIDTHS[0]):
            # Enlarged first: transposed convolutions leave a grid in what they draw.
            layers += [nn.Upsample(scale_factor=2.0, mode="nearest")]
            layers += [nn.Conv2d(before, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)]
            layers += [nn.LeakyReLU(0.1)]
            before = width
        self.decoder = nn.Sequential(*layers, nn.Conv2d(before, 3, 3, 1, 1))

    def forward(self, picture: Any) -> Drawn:
        place = self.mean(self.encoder(picture))
        return Drawn(self.decoder(place), place, picture.sum() * 0.0)


class VariationalAutoencoder(Autoencoder):
    """An autoencoder that says of each place how sure it is (Kingma and Welling, ICLR 2014).

    While it learns, what is in between is drawn at random around the mean; in evaluation mode it
    is the mean, so the same picture has the same score every time. Good places end up near 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spread = nn.Conv2d(_WIDTHS[-1], _BETWEEN, 1)

    def forward(self, picture: Any) -> Drawn:
        seen = self.encoder(picture)
        mean = self.mean(seen)
        logarithm = self.spread(seen).clamp(-12.0, 6.0)
        place = mean
        if self.training:
            place = mean + torch.randn_like(mean) * torch.exp(0.5 * logarithm)
        apart = 0.5 * (mean**2 + logarithm.exp() - 1.0 - logarithm)
        penalty = apart.sum(dim=(1, 2, 3)).mean() / (picture.shape[2] * picture.shape[3])
        return Drawn(self.decoder(place), mean, penalty)


def halved(picture: Any) -> Any:
    """(batch, 3, height, width), each four pixels as their mean."""
    return functional.avg_pool2d(picture, HALVED)


def network_of(*, variational: bool) -> Autoencoder:
    """With random weights from torch's own generator."""
    return VariationalAutoencoder() if variational else Autoencoder()
