"""Convolutional features turned into tokens that a transformer compares with one another."""

from __future__ import annotations

from typing import Any

import torch
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block
from torch import nn

from keenline.learning_settings import Positions
from keenline.training.supervised.classifier.attention import Tokens
from keenline.training.supervised.encoder import Encoder

_WIDTH = 192
"""Of a token, at least; more where the heads ask for it."""

_SPREAD = 0.02
"""Standard deviation of tokens and positions at first, as in ViT."""


class Hybrid(Tokens):
    """The coarsest features of an encoder, a token of the whole, and layers of attention.

    Layers are ViT's, of timm (Dosovitskiy et al., 2021, call such a network hybrid).
    """

    prefix = 1

    def __init__(
        self,
        encoder: Encoder,
        size: tuple[int, int],
        *,
        layers: int,
        heads: int,
        positions: Positions,
        dropout: float,
    ) -> None:
        """size: height and width of an image, pixels."""
        super().__init__()
        self.below = encoder.module
        stride = encoder.stride * 2 ** (len(encoder.channels) - 1)
        self.grid = size[0] // stride, size[1] // stride
        self.width = width_for(heads)
        self.project = nn.Conv2d(encoder.channels[-1], self.width, 1)
        self.whole = nn.Parameter(torch.randn(1, 1, self.width) * _SPREAD)
        self.positions = self._positions(positions)
        self.blocks = nn.Sequential(
            *(Block(self.width, heads, qkv_bias=True, proj_drop=dropout) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(self.width)

    def seen(self, picture: Any) -> Any:
        """The coarsest features, (batch, channels, rows, columns)."""
        return self.below(picture)[-1]

    def forward(self, seen: Any) -> Any:
        cells = self.project(seen).flatten(2).transpose(1, 2) + self.positions
        tokens = torch.cat([self.whole.expand(cells.shape[0], -1, -1), cells], dim=1)
        return self.norm(self.blocks(tokens))

    def _positions(self, kind: Positions) -> Any:
        cells = self.grid[0] * self.grid[1]
        if kind == "learned":
            return nn.Parameter(torch.randn(1, cells, self.width) * _SPREAD)
        fixed = torch.zeros(1, cells, self.width)
        if kind == "sine":
            fixed = build_sincos2d_pos_embed(list(self.grid), dim=self.width)[None]
        return nn.Buffer(fixed)


def width_for(heads: int) -> int:
    """The least width of a token from `_WIDTH` up that heads and two sines an axis divide."""
    return next(width for width in range(_WIDTH, 10 * _WIDTH) if not width % heads | width % 4)
