"""An encoder's features turned into a number for each class at each place: a U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import nn

from keenline.models.class_head import ClassHead
from keenline.training.supervised.encoder import Encoder

WIDTHS = (192, 96, 48, 24, 16)
"""Channels of the decoder's blocks, coarsest first; an encoder of fewer levels has the last."""

UNITS = 32
"""Of the head's hidden layer, which sees one place at a time."""


class UNet(nn.Module):  # type: ignore[misc]
    """(batch, 3, height, width), as the encoder is fed, to (batch, 1 + classes, h, w), raw.

    The grid is that of the encoder's finest features. Channel 0 stands for a good place; softmax
    over the channels gives shares. The head is that of `keenline.models.class_head`, so what is
    exported is the same kind of graph.
    """

    def __init__(
        self,
        encoder: Encoder,
        classes: int,
        *,
        attention: bool,
        dropout: float = 0.0,
        frozen: bool = False,
    ) -> None:
        """dropout: of the head's input, whole channels; frozen: the encoder is not taught."""
        super().__init__()
        self.stride = encoder.stride
        levels = len(encoder.channels)
        self.encoder = encoder.module.requires_grad_(not frozen)
        self.decoder = UnetDecoder(
            # The decoder expects the image first, which it only takes the size from.
            encoder_channels=(encoder.channels[0], *encoder.channels),
            decoder_channels=WIDTHS[-levels:],
            n_blocks=levels,
            attention_type="scse" if attention else None,
        )
        self.dropout = nn.Dropout2d(dropout)
        self.hidden = nn.Conv2d(WIDTHS[-1], UNITS, 1)
        self.relu = nn.ReLU()
        self.output = nn.Conv2d(UNITS, 1 + classes, 1)
        # A defect is rare: begun otherwise, the first steps would only learn that.
        nn.init.zeros_(self.output.bias)
        with torch.no_grad():
            self.output.bias[0] = _GOOD_AT_FIRST

    def forward(self, picture: Any) -> Any:
        return self.output(self.relu(self.hidden(self.dropout(self.features(picture)))))

    def train(self, mode: bool = True) -> UNet:
        super().train(mode)
        if not next(self.encoder.parameters()).requires_grad:
            self.encoder.eval()  # what batch norms remember is part of what stays
        return self

    def features(self, picture: Any) -> Any:
        """What the head looks at, (batch, `WIDTHS[-1]`, h, w)."""
        levels = self.encoder(picture)
        return self.decoder([levels[0], *levels])


_GOOD_AT_FIRST = 3.0
"""Logit; about 5 % of a place is taken for a defect."""


def head_of(network: UNet, classes: Sequence[str]) -> ClassHead:
    """The last two layers in the form that bundles keep; no shift."""

    def plain(weights: Any) -> Any:
        values = weights.detach().cpu().numpy().astype(np.float32)
        return values[:, :, 0, 0] if values.ndim == 4 else values

    return ClassHead(
        tuple(classes),
        plain(network.hidden.weight),
        plain(network.hidden.bias),
        plain(network.output.weight),
        plain(network.output.bias),
        np.zeros(len(classes), np.float32),
    )
