"""A picture turned into patches, of which a light gate lets some through to a U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from keenline.models.class_head import ClassHead
from keenline.training.supervised.encoder import Encoder
from keenline.training.supervised.network import UNet, head_of

PATCH = 64
"""Side in pixels of what the gate decides about as a whole."""

SURE = 60.0
"""Logit that makes a place that nobody looked at good: its share of defects is 0 in float32."""

_GATE_WIDTHS = (16, 32, 64)


class Gate(nn.Module):  # type: ignore[misc]
    """Patches with their surroundings, (patches, 3, side, side), to logits, (patches,).

    Four convolutions: about a twentieth of what the U-Net costs. The highest answer decides as
    much as the mean does, so that a small defect is not averaged away.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[Any] = []
        before = 3
        for width in _GATE_WIDTHS:
            layers += [nn.Conv2d(before, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)]
            layers += [nn.ReLU()]
            before = width
        layers += [nn.Conv2d(before, before, 3, 1, 1, bias=False), nn.BatchNorm2d(before)]
        self.layers = nn.Sequential(*layers, nn.ReLU())
        self.answer = nn.Linear(2 * before, 1)

    def forward(self, patches: Any) -> Any:
        cells = self.layers(patches)
        seen = torch.cat([cells.amax(dim=(2, 3)), cells.mean(dim=(2, 3))], dim=1)
        return self.answer(seen)[:, 0]


class Cascade(nn.Module):  # type: ignore[misc]
    """(batch, 3, height, width) to (batch, 1 + classes, h, w), raw, as `UNet` answers.

    Height and width are multiples of the encoder's. Each patch is seen with `halo` pixels around
    it; beyond the picture its edge is repeated. What the gate keeps back is good beyond doubt. Of
    every picture at least the patch with the highest answer is looked at.
    """

    def __init__(
        self,
        encoder: Encoder,
        classes: int,
        *,
        patch: int = PATCH,
        dropout: float = 0.0,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        multiple = encoder.about.multiple_of
        self.patch, self.halo = patch, multiple // 2
        self.gate = Gate()
        self.unet = UNet(encoder, classes, attention=True, dropout=dropout, frozen=frozen)
        self.stride = self.unet.stride
        self.register_buffer("limit", torch.tensor(-torch.inf))

    @property
    def encoder(self) -> Any:
        """What of it had learnt before."""
        return self.unet.encoder

    @property
    def side(self) -> int:
        """Of a patch with its surroundings, in pixels."""
        return self.patch + 2 * self.halo

    def forward(self, picture: Any) -> Any:
        tiles, grid = self.tiles(picture)
        answers = self.gate(tiles).reshape(picture.shape[0], -1)
        kept = (answers > self.limit) | (answers >= answers.amax(dim=1, keepdim=True))
        looked = self.inner(self.unet(tiles[kept.flatten()]))
        side = self.patch // self.stride
        skipped = self._of_nothing().reshape(1, -1, 1, 1)
        whole = skipped.repeat(len(tiles), 1, side, side).to(looked.dtype)
        whole[kept.flatten()] = looked
        return self.joined(whole, grid, picture.shape)

    def tiles(self, picture: Any) -> tuple[Any, tuple[int, int]]:
        """All patches with their surroundings, row by row, (patches, 3, side, side), and the grid
        of patches, (rows, columns)."""
        height, width = picture.shape[2:]
        rows, columns = (
            torch.from_numpy(self.places(length)).to(picture.device) for length in (height, width)
        )
        cut = picture[:, :, rows][..., columns]
        grid = (len(rows), len(columns))
        tiles = cut.permute(0, 2, 4, 1, 3, 5).reshape(-1, 3, self.side, self.side)
        return tiles, grid

    def places(self, length: int) -> Any:
        """Which rows (or columns) of a picture each patch is cut from, (patches, side)."""
        first = np.arange(-(-length // self.patch)) * self.patch - self.halo
        return np.clip(first[:, None] + np.arange(self.side), 0, length - 1)

    def inner(self, seen: Any) -> Any:
        """What belongs to the patches themselves, without their surroundings."""
        edge = self.halo // self.stride
        return seen[..., edge : seen.shape[-2] - edge, edge : seen.shape[-1] - edge]

    def numbers_of(self, numbers: Any) -> Any:
        """Of crops with surroundings, (crops, height, width), what each patch shows,
        (patches, patch, patch)."""
        inner = numbers[:, self.halo : -self.halo, self.halo : -self.halo]
        cut = inner.unfold(1, self.patch, self.patch).unfold(2, self.patch, self.patch)
        return cut.reshape(-1, self.patch, self.patch)

    def joined(self, patches: Any, grid: tuple[int, int], picture: Any) -> Any:
        """Maps of patches, (patches, channels, s, s), as maps of pictures of this shape."""
        channels, side = patches.shape[1], patches.shape[2]
        apart = patches.reshape(picture[0], *grid, channels, side, side)
        whole = apart.permute(0, 3, 1, 4, 2, 5)
        whole = whole.reshape(picture[0], channels, grid[0] * side, grid[1] * side)
        return whole[..., : picture[2] // self.stride, : picture[3] // self.stride]

    def _of_nothing(self) -> Any:
        """What the head says of a place that was not looked at, (1 + classes,)."""
        raw = self.unet.output.bias + self.unet.output.weight[:, :, 0, 0] @ torch.relu(
            self.unet.hidden.bias
        )
        sure = torch.zeros_like(raw)
        sure[0] = SURE
        return raw + sure


def cascade_head(network: Cascade, classes: Sequence[str]) -> ClassHead:
    """The U-Net's head, with one more input: 1 where nobody looked, which makes a place good."""
    plain = head_of(network.unet, classes)
    units, inputs = plain.hidden.shape
    hidden = np.zeros((units + 1, inputs + 1), np.float32)
    hidden[:units, :inputs] = plain.hidden
    hidden[units, inputs] = 1.0
    output = np.zeros((len(plain.output), units + 1), np.float32)
    output[:, :units] = plain.output
    output[0, units] = SURE
    return ClassHead(
        plain.classes,
        hidden,
        np.append(plain.hidden_bias, np.float32(0)),
        output,
        plain.output_bias,
        plain.shift,
    )
