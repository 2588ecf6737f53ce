"""Turns `[learning]` of a recipe into how a network is taught from labelled or good parts."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from keenline.strict_toml import StrictTable

Loss: TypeAlias = Literal["dice+bce", "focal", "weighted", "cross-entropy"]
Balance: TypeAlias = Literal["oversample", "weights", "none"]
Positions: TypeAlias = Literal["learned", "sine", "none"]

_Share = Annotated[float, Field(ge=0, le=0.9)]


class LearningSettings(StrictTable):
    """`[learning]`: which network `keenline learn` teaches, and how.

    Its encoder is `[detector] backbone`. Not every model reads every key; docs/supervised.md says
    which.
    """

    model: str = Field(default="unet", min_length=1)
    """A name of `keenline.training.supervised.learners`."""
    loss: Loss | None = None
    """None: the model's own."""
    balance: Balance = "oversample"
    """`oversample`: each class is drawn as often; `weights`: it counts as much; `none`: neither."""
    attention: bool = False
    """Let a decoder weigh channels and places."""
    frozen: bool = False
    """Leave the encoder as it is and teach only what follows it."""
    dropout: _Share = 0.0
    """Share of the features before the last layer that are left out at random while learning."""
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    """By which AdamW draws weights towards 0, as a multiple of the rate."""
    layers: int = Field(default=4, ge=1, le=12)
    """Of a transformer on convolutional features."""
    heads: int = Field(default=8, ge=1, le=16)
    """Of each of its layers."""
    positions: Positions = "learned"
    """How that transformer knows where a feature lies."""
    epochs: int = Field(default=100, ge=1)
    """At most."""
    patience: int = Field(default=10, ge=1)
    """Epochs without a lower validation loss after which learning ends."""
    batch: int | None = Field(default=None, ge=1)
    """Images or crops at a time; None: the model's own."""
    crop: int | None = Field(default=None, ge=16)
    """Side in pixels of the squares that a model which marks pixels is shown; None: its own."""
    patch: int = Field(default=64, ge=64, le=128, multiple_of=16)
    """Side in pixels of what the gate of a cascade decides about as a whole."""
    patch_recall: float = Field(default=0.99, ge=0.5, le=1)
    """Share of the defective patches of parts left out that its gate is to let pass."""
    rate: float = Field(default=1e-3, ge=1e-12)
    """Highest step size."""
    encoder_rate: float = Field(default=0.2, ge=0, le=1)
    """Of an encoder that has learnt already, as a share of `rate`."""
