"""Turns `[classes.augment]` of a recipe into how a kind of defect may also look."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from keenline.strict_toml import StrictTable, content_fault


class ClassAugment(StrictTable):
    """`[classes.augment]`: how a defect of the class may also look; the defaults are modest.

    The sources of the defaults are in docs/augmentation.md.
    """

    kind: Literal["isotropic", "directional"] = "isotropic"
    """`isotropic`: as likely at any angle; `directional`: at the angle at which it was made."""
    degrees: float = Field(default=10.0, ge=0, le=90)
    """By which a directional defect may be turned, either way; an isotropic one: by any angle."""
    mirrored: bool = True
    """May also be seen mirrored; a directional one only turned by 180 degrees, as a mirror would
    change the angle."""
    elastic: float = Field(default=1.0, ge=0, le=10)
    """Pixels by which a smooth deformation moves a place, root mean square."""
    brightness: float = Field(default=0.1, ge=0, le=0.3)
    """Fraction by which the light may become brighter or darker."""
    contrast: float = Field(default=0.1, ge=0, le=0.3)
    """Fraction by which differences from the mean may grow or shrink."""
    gamma: float = Field(default=0.1, ge=0, le=0.5)
    """The exponent of the grey values is between 1 / (1 + gamma) and 1 + gamma."""
    reflections: float = Field(default=0.0, ge=0, le=0.5)
    """Share of full scale that the brightest simulated reflection may add."""
    blur: float = Field(default=0.5, ge=0, le=3)
    """Standard deviation in pixels of the blur at the ends of the depth of field."""
    colour_is_no_signal: bool = False
    """Must be true for `hue` or `saturation` above 0."""
    hue: float = Field(default=0.0, ge=0, le=180)
    """Degrees by which hues may turn, either way."""
    saturation: float = Field(default=0.0, ge=0, le=1)
    """Fraction by which colours may become paler or stronger."""

    @field_validator("hue", "saturation")
    @classmethod
    def _only_when_insisted(cls, value: float, info: ValidationInfo) -> float:
        if value and not info.data.get("colour_is_no_signal", True):
            raise content_fault(
                f"= {value:g}; refused: the colour of a defect (rust, tarnish, a burn, the film of "
                "a stain) is what it is told by, and under one light it does not change; where it "
                "says nothing about this class, state colour_is_no_signal = true here"
            )
        return value
