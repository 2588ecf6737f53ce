"""A crop turned into one of the other kind, and a crop turned into how real each place looks.

The shapes are those of Zhu et al. (2017) at a small size: residual blocks at a quarter of the
resolution, instance norm, and a critic of patches. The generator says what to change, not the
whole image, so that what it leaves alone stays pixel for pixel.
"""

from __future__ import annotations

from typing import Any

from torch import nn

_SLOPE = 0.2
_FIRST_CHANGE = 0.1
"""Of the last layer's usual weights: a run begins with hardly any change."""


class Generator(nn.Module):  # type: ignore[misc]
    """Crops, (batch, channels, side, side) of -1..1, into crops of the other kind."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            # Four pixels side by side as channels: most of the time went into full resolution.
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * channels, 2 * width, 5, padding=2, padding_mode="reflect"),
            *_norm(2 * width),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            *_norm(4 * width),
            *(_Block(4 * width) for _ in range(blocks)),
            # Not a transposed convolution, whose uneven overlap draws checkerboards.
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(4 * width, 2 * width, 3, padding=1),
            *_norm(2 * width),
            nn.Conv2d(2 * width, 4 * channels, 5, padding=2, padding_mode="reflect"),
            nn.PixelShuffle(2),
            nn.Tanh(),
        )
        last = self.change[-3]
        last.weight.data.mul_(_FIRST_CHANGE)
        last.bias.data.zero_()

    def forward(self, crops: Any) -> Any:
        return (crops + 2 * self.change(crops)).clamp(-1, 1)


class Critic(nn.Module):  # type: ignore[misc]
    """How real each patch of about 18 pixels looks, (batch, 1, side / 4, side / 4): 1 for real."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.InstanceNorm2d(2 * width),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(2 * width, 1, 3, padding=1),
        )

    def forward(self, crops: Any) -> Any:
        return self.layers(crops)


class _Block(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            *_norm(width),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(width),
        )

    def forward(self, inner: Any) -> Any:
        return inner + self.layers(inner)


def _norm(width: int) -> tuple[nn.Module, ...]:
    return nn.InstanceNorm2d(width), nn.ReLU()
