"""A table of a configuration turned into what goes wrong with which frame of a simulated camera."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from keenline.strict_toml import StrictTable, content_fault


class FaultKind(StrEnum):
    """What can go wrong with one frame."""

    SKIP = "skip"
    """It never comes; the next one's number shows the gap."""
    BROKEN = "broken"
    """It comes incomplete: `grab` raises FrameBroken."""
    SIZE = "size"
    """It has half the width and height."""
    BLACK = "black"
    """Every pixel is 0, as with a light that failed."""
    DELAY = "delay"
    """It comes late, and those behind it too."""
    GONE = "gone"
    """The camera is lost in this moment, until it is opened again."""


class FaultSettings(StrictTable):
    """`[[cameras.faults]]`: one fault, at one frame or again and again."""

    kind: Annotated[FaultKind, Field(strict=False)]
    at: int | None = Field(default=None, ge=1)
    """Which frame, counted from 1 since the station was started."""
    every: int | None = Field(default=None, ge=2)
    """Every so many frames."""
    ms: float = Field(default=0.0, ge=0, le=600_000)
    """How late a `delay` is, and how long after a `gone` the camera cannot be opened."""

    @model_validator(mode="after")
    def _once_or_often(self) -> FaultSettings:
        if (self.at is None) == (self.every is None):
            raise content_fault("allowed: either `at` or `every`")
        return self

    def strikes(self, count: int) -> bool:
        """Whether frame `count` has this fault."""
        return count == self.at if self.every is None else count % self.every == 0
