"""Tokens of an image turned into a number for good and each class, and where it was looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from keenline.training.supervised.classifier.network import Deployable, Named


class Tokens(nn.Module):  # type: ignore[misc]
    """A transformer: what `seen` makes of a picture to tokens (batch, prefix + cells, width)."""

    blocks: Any
    """Of timm's `vision_transformer`."""
    prefix: int
    """Tokens that stand for no place; the first of them for the whole image."""
    grid: tuple[int, int]
    """Rows and columns of the others."""
    width: int
    seen: Callable[[Any], Any]
    """A picture to what the transformer begins from; part of it are the weights of `encoder`."""


class TokenNetwork(Named):
    """On the token of the whole image and the mean of the others."""

    maps = "attention"

    def __init__(
        self,
        body: Tokens,
        encoder: Any,
        classes: int,
        *,
        stride: int,
        good: bool,
        dropout: float,
        frozen: bool,
    ) -> None:
        """encoder: the part of `body` that has learnt already."""
        super().__init__(2 * body.width, classes, good=good, dropout=dropout)
        self.body, self.stride = body, stride
        self.encoder = encoder.requires_grad_(not frozen)
        for block in body.blocks:
            block.attn.fused_attn = False  # fused, it would not say where it looks

    @property
    def rounds(self) -> bool:  # type: ignore[override]
        return self.body is not self.encoder

    def described(self, picture: Any) -> Any:
        return pooled(self.body(self.body.seen(picture)), self.body.prefix)

    def deployable(self) -> Deployable:
        return Deployable(_Seen(self.body), TokenAnswer(self))


class _Seen(nn.Module):  # type: ignore[misc]
    """The convolutions below a transformer, if there are any, as a module of their own."""

    def __init__(self, body: Tokens) -> None:
        super().__init__()
        self.below = getattr(body, "below", None)
        self._seen = body.seen

    def forward(self, picture: Any) -> Any:
        return self._seen(picture)


class TokenAnswer(nn.Module):  # type: ignore[misc]
    """What a transformer begins from to logits, and shares times attention for each place.

    Attention is rolled out over the layers (Abnar and Zuidema, ACL 2020): the mean of the heads
    and what passes beside them, multiplied; the row of the first token, its highest value 1.
    """

    def __init__(self, network: TokenNetwork) -> None:
        super().__init__()
        weights, bias = network.plain()
        self.register_buffer("weights", weights)
        self.register_buffer("bias", bias)
        self.body, self.possible = network.body, network.possible
        self._reserved = network.reserved

    def forward(self, seen: Any) -> tuple[Any, Any]:
        looked: list[Any] = []
        hooks = [
            block.attn.attn_drop.register_forward_hook(lambda *call: looked.append(call[2]))
            for block in self.body.blocks
        ]
        try:
            tokens = self.body(seen)
        finally:
            for hook in hooks:
                hook.remove()
        numbers = pooled(tokens, self.body.prefix)
        logits = self.possible(functional.linear(numbers, self.weights, self.bias))
        attention = self._rolled_out(looked)
        shares = torch.softmax(logits, dim=1)
        classes = shares[:, 1:, None, None] * attention
        good = 1 - (1 - shares[:, :1, None, None]) * attention
        return logits, self._reserved(torch.cat([good, classes], dim=1))

    def _rolled_out(self, looked: list[Any]) -> Any:
        """(batch, 1, rows, columns), the highest value of each image 1."""
        along: Any = None
        for each in looked:
            mean = each.float().mean(dim=1)
            beside = torch.eye(mean.shape[-1], device=mean.device)
            layer = (mean + beside) / 2
            along = layer if along is None else layer @ along
        row = along[:, 0, self.body.prefix :]
        row = row / row.amax(dim=1, keepdim=True)
        return row.reshape(-1, 1, *self.body.grid)


def pooled(tokens: Any, prefix: int) -> Any:
    """The first token and the mean of those that stand for places, (batch, 2 x width)."""
    return torch.cat([tokens[:, 0], tokens[:, prefix:].mean(dim=1)], dim=1)
