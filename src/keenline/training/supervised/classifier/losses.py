"""What a network says of images and what they show turned into the number made small."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from keenline.learning_settings import Loss

LOSSES: tuple[Loss, ...] = ("cross-entropy", "focal")
"""Of a network that names classes, its own first."""

_FOCUS = 2.0
"""Exponent of the focal loss (Lin et al., 2017)."""


class ClassLoss(nn.Module):  # type: ignore[misc]
    """Of logits (batch, 1 + classes) and shares of the same shape: a mean over the batch."""

    def __init__(self, kind: Loss, weights: Any) -> None:
        """weights: how much each of them counts, (1 + classes,)."""
        super().__init__()
        self._focus = _FOCUS if kind == "focal" else 0.0
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Any, wanted: Any) -> Any:
        said = torch.log_softmax(logits.float(), dim=1)
        surprise = -wanted * said * self.weights
        if self._focus:
            surprise = surprise * (1 - said.exp()) ** self._focus
        return surprise.sum() / (wanted * self.weights).sum()
