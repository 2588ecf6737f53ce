"""Features of an image turned into a number for good and for each class, and where it comes from.

Features are pooled to their mean and spread over the image, and the last layer is linear. So what
it says is the mean of what single places say (class activation; Zhou et al., CVPR 2016; for such a
network equal to Grad-CAM), the spread included: it is the mean of squared differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from keenline.training.supervised.encoder import Encoder

IMPOSSIBLE = -30.0
"""Logit of a good part where none was known: its share is less than float32 can add to one."""

_FINEST, _LEVELS = 8, 3
"""Stride of the finest features that are pooled, and how many levels at most."""

_LEAST_VARIANCE = 1e-4


class Named(nn.Module):  # type: ignore[misc]
    """What names classes: a linear layer on standardised numbers of an image."""

    encoder: Any
    stride: int
    """Pixels for a cell of the maps."""
    described: Callable[[Any], Any]
    """A picture to the numbers that say what it is like, (batch, numbers)."""
    deployable: Callable[[], Deployable]
    """Its standardising folded into its last layer."""
    rounds = True
    """Whether its encoder is one of convolutions, which int8 suits."""
    maps: str
    """What the maps show, for people."""

    def __init__(self, numbers: int, classes: int, *, good: bool, dropout: float) -> None:
        """numbers: that say what an image is like; good: whether good parts are known."""
        super().__init__()
        self.register_buffer("middle", torch.zeros(numbers))
        self.register_buffer("spread", torch.ones(numbers))
        self.register_buffer("closed", torch.zeros(1 + classes))
        if not good:
            self.closed[0] = 1.0
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(numbers, 1 + classes)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, picture: Any) -> Any:
        """(batch, 3, height, width), as the encoder is fed, to logits (batch, 1 + classes)."""
        return self.says(self.described(picture))

    def says(self, numbers: Any) -> Any:
        """What it says of an image that is like this, (batch, numbers)."""
        even = (numbers - self.middle) / self.spread
        return self.possible(self.output(self.dropout(even)))

    @property
    def is_settled(self) -> bool:
        """Whether what describes an image stays as it is, so that it need be asked only once."""
        last = {id(weights) for weights in self.output.parameters()}
        return not any(w.requires_grad for w in self.parameters() if id(w) not in last)

    def possible(self, logits: Any) -> Any:
        """Logits along the second axis, that of good out of reach where it was never known."""
        closed = self.closed.reshape(1, -1, *(1,) * (logits.ndim - 2))
        return logits * (1 - closed) + IMPOSSIBLE * closed

    def reserved(self, places: Any) -> Any:
        """Shares of each place; where good was never known, none is said to be other than good."""
        if not bool(self.closed.any()):
            return places
        return torch.cat([torch.ones_like(places[:, :1]), places[:, 1:]], dim=1)

    def settle(self, numbers: Any) -> None:
        """Standardise by those of the images learnt from, (images, numbers)."""
        self.middle.copy_(numbers.mean(dim=0))
        self.spread.copy_(numbers.std(dim=0, unbiased=False).clamp(min=1e-3))

    def plain(self) -> tuple[Any, Any]:
        """Weights (1 + classes, numbers) and bias that need no standardising."""
        weights = self.output.weight / self.spread
        return weights.detach(), (self.output.bias - weights @ self.middle).detach()

    def train(self, mode: bool = True) -> Named:
        super().train(mode)
        if not any(weights.requires_grad for weights in self.encoder.parameters()):
            self.encoder.eval()  # what batch norms remember is part of what stays
        return self


class GridNetwork(Named):
    """On features that lie on grids: those of a convolutional network, or of Swin."""

    maps = "class activation"

    def __init__(
        self,
        encoder: Encoder,
        classes: int,
        *,
        good: bool,
        dropout: float,
        frozen: bool,
        inspected: Any | None = None,
    ) -> None:
        """inspected: 1 or 0 for each cell of the coarsest features; None when all are."""
        strides = [encoder.stride * 2**place for place in range(len(encoder.channels))]
        first = max(next(p for p, s in enumerate(strides) if s >= _FINEST), len(strides) - _LEVELS)
        widths = encoder.channels[first:]
        super().__init__(2 * sum(widths), classes, good=good, dropout=dropout)
        self.encoder = encoder.module.requires_grad_(not frozen)
        self.rounds = getattr(encoder.module, "rounds", True)
        self.first, self.widths, self.stride = first, widths, strides[first]
        self.pooling = Pooling(inspected, len(widths))

    def deployable(self) -> Deployable:
        return Deployable(self.encoder, GridAnswer(self))

    def described(self, picture: Any) -> Any:
        found = self.pooling(self.encoder(picture)[self.first :])
        return torch.cat([part for level in found for part in level], dim=1)


class Pooling(nn.Module):  # type: ignore[misc]
    """Levels of features to the mean and spread of each, over inspected cells."""

    def __init__(self, inspected: Any | None, levels: int) -> None:
        super().__init__()
        self.register_buffer("inspected", inspected, persistent=False)
        self._levels = levels

    def forward(self, levels: Sequence[Any]) -> list[tuple[Any, Any]]:
        found = []
        for place, level in enumerate(levels):
            mean = self.mean(level, place)
            variance = self.mean((level - mean[:, :, None, None]) ** 2, place)
            found.append((mean, variance * torch.rsqrt(variance + _LEAST_VARIANCE)))
        return found

    def mean(self, values: Any, place: int) -> Any:
        """Over inspected cells of the level at `place`, (batch, channels)."""
        if self.inspected is None:
            return values.mean(dim=(2, 3))
        kept = self.cells(place)
        return (values * kept).sum(dim=(2, 3)) / kept.sum()

    def cells(self, place: int) -> Any:
        """1 where a cell of that level is inspected, (1, 1, height, width)."""
        factor = 2 ** (self._levels - 1 - place)
        return enlarged(self.inspected[None, None], factor)


class GridAnswer(nn.Module):  # type: ignore[misc]
    """Levels of features to logits, and the logits of each place, whose mean those are."""

    def __init__(self, network: GridNetwork) -> None:
        super().__init__()
        weights, bias = network.plain()
        self.register_buffer("weights", weights)
        self.register_buffer("bias", bias)
        self.pooling, self.possible = network.pooling, network.possible
        self._reserved = network.reserved
        self._first = network.first
        self.of_mean, self.of_spread = nn.ModuleList(), nn.ModuleList()
        start = 0
        for width in network.widths:
            for into in (self.of_mean, self.of_spread):
                layer = nn.Conv2d(width, len(bias), 1, bias=False)
                layer.weight.data = weights[:, start : start + width, None, None].clone()
                into.append(layer)
                start += width

    def forward(self, levels: Sequence[Any]) -> tuple[Any, Any]:
        levels = levels[self._first :]
        pooled = self.pooling(levels)
        numbers = torch.cat([part for level in pooled for part in level], dim=1)
        logits = functional.linear(numbers, self.weights, self.bias)
        total = self.bias[None, :, None, None]
        for place, level in enumerate(levels):
            mean = pooled[place][0][:, :, None, None]
            away = (level - mean) ** 2
            variance = self.pooling.mean(away, place)[:, :, None, None]
            spread = away * torch.rsqrt(variance + _LEAST_VARIANCE)
            said = self.of_mean[place](level) + self.of_spread[place](spread)
            total = total + enlarged(said, 2**place)
        places = torch.softmax(self.possible(total), dim=1)
        if self.pooling.inspected is not None:
            kept = self.pooling.cells(0)
            good = functional.one_hot(torch.zeros(1, dtype=torch.long), len(self.bias)).float()
            places = places * kept + good[:, :, None, None] * (1 - kept)
        return self.possible(logits), self._reserved(places)


def enlarged(values: Any, factor: int) -> Any:
    """Each cell repeated, so that the mean stays."""
    return values if factor == 1 else functional.interpolate(values, scale_factor=factor)


class Deployable(nn.Module):  # type: ignore[misc]
    """A taught network as it is exported: logits (batch, 1 + classes), and for each place the
    shares of good and of each class, (batch, 1 + classes, height, width)."""

    def __init__(self, encoder: Any, answering: Any) -> None:
        super().__init__()
        self.encoder, self.answering = encoder, answering

    def forward(self, picture: Any) -> tuple[Any, Any]:
        found: tuple[Any, Any] = self.answering(self.encoder(picture))
        return found
