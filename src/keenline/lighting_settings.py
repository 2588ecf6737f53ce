"""Turns `[lighting]` of a recipe into how pictures are freed of changes of the light."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from keenline.strict_toml import StrictTable

Equalise: TypeAlias = Literal["none", "histogram", "local"]


class LightingSettings(StrictTable):
    """`[lighting]`: what is taken out of a picture before anything is learnt or looked for.

    Off by default: on most parts the light says something too, and what is taken out is gone.
    docs/lighting.md says when it pays and where the defaults were measured.
    """

    grayscale: bool = False
    """Colour is dropped; three equal channels go on."""
    equalise: Equalise = "none"
    """`histogram`: every grey level becomes its rank in the picture; `local`: the mean of the
    surroundings is taken off and their deviation divided by."""
    window: Annotated[int, Field(ge=8, le=4096)] | Literal["auto"] = "auto"
    """For `local`: side in pixels, of the image as it was read, of the square that is taken for the
    surroundings; `auto`: a share of the shorter side of the image, or of a tile."""
    floor: float = Field(default=8.0, ge=1, le=128)
    """For `local`: grey levels of deviation up to which a surface counts as plain; its noise is
    not made larger."""
