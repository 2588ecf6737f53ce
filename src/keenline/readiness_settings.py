"""Turns `[readiness]` of a recipe into what a class must show before it may reject."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from keenline.strict_toml import StrictTable


class ReadinessSettings(StrictTable):
    """`[readiness]`: gates between `flag` and `reject`, besides `gates.minimum_samples_to_reject`.

    The defaults are the least that a seeded check of 29 defects without a miss, and a shadow run
    of 59 parts without a disagreement, can prove at 95 %.
    """

    recall: float = Field(default=0.9, ge=0.5, le=0.999)
    """Lower bound at 95 % of the share of seeded defects that are recognised as the class."""
    agreement: float = Field(default=0.95, ge=0.5, le=0.9999)
    """Lower bound at 95 % of the share of parts in shadow mode on which both said the same."""
    drift: Literal["required", "waived"] = "required"
    """`required`: drift must be watched and quiet; `waived`: nobody watches it, and that is
    accepted."""
    shadow: Literal["required", "waived"] = "required"
    """`waived`: the class may reject without having run in shadow mode."""
