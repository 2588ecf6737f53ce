"""How a line is run: what a station's configuration says beside its devices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from keenline.strict_toml import StrictTable, content_fault
from keenline.value_words import Words


class TriggerSettings(StrictTable):
    """`[trigger]`: what asks for a part to be inspected, and how long it may take."""

    source: Literal["plc", "camera", "software"] = "plc"
    """`plc`: its trigger signal; `camera`: each frame of the first camera is a part; `software`:
    commands (OPC UA), or a clock with `every_ms`."""
    every_ms: float | None = Field(default=None, gt=0)
    """With `software`: a part every so many milliseconds; without it, on command only."""
    deadline_ms: float = Field(default=200.0, ge=1, le=60_000)
    """From trigger to verdict; a part that takes longer is INVALID."""
    frame_ms: float = Field(default=100.0, ge=1, le=60_000)
    """A camera that the station fires delivers within this time; a frame that comes later is not
    believed to belong to its part. Set it below the time between two parts."""
    frame_window_ms: float = Field(default=50.0, ge=0, le=1000)
    """A camera with `trigger = "line"` and a PLC trigger belong together within this time; parts
    must come further apart."""
    parts_at_once: int = Field(default=16, ge=1, le=256)
    """Parts between trigger and verdict; one more is INVALID (overload)."""
    invalid_actuates: Literal["reject", "divert"] = "reject"
    """What the line does with a part that could not be inspected."""


class TrackingSettings(StrictTable):
    """`[tracking]`: the way from the camera to the reject gate, in encoder counts."""

    gate_counts: int = Field(ge=1, le=1 << 30)
    """From where a part is triggered to the reject gate."""
    lead_counts: Annotated[int, Words("whole number, 0 to gate_counts")] = 0
    """The verdict is given to the PLC this much before the gate."""
    direction: Literal["up", "down"] = "up"
    """Whether the count rises or falls as parts move on."""

    @model_validator(mode="after")
    def _lead_is_before_the_gate(self) -> TrackingSettings:
        if not 0 <= self.lead_counts <= self.gate_counts:
            words = f"= {self.lead_counts}; allowed: whole number, 0 to gate_counts"
            raise content_fault(words, "lead_counts")
        return self


class HandshakeSettings(StrictTable):
    """`[handshake]`: how triggers and verdicts are passed between station and PLC."""

    kind: Literal["level", "count"] = "level"
    """`level`: one part at a time, the trigger stays high until its result is valid; `count`: the
    trigger is a number that rises, results name it, and several parts may be on their way."""
    poll_ms: float = Field(default=2.0, ge=0.5, le=1000)
    """Time between two readings of the PLC."""
    hold_ms: float = Field(default=20.0, ge=0, le=10_000)
    """How long a result stays where the PLC does not acknowledge it (`count`, and camera
    triggers); at least two cycles of the PLC's program."""
    stale_ms: float = Field(default=1000.0, ge=50, le=60_000)
    """A heartbeat that has not changed for so long means that the PLC's data are stale."""
    beat_ms: float = Field(default=200.0, ge=10, le=10_000)
    """Time between two counts of the station's own heartbeat."""


class EngineTable(StrictTable):
    """`[engine]`: the process that inspects."""

    threads: int = Field(default=0, ge=0, le=64)
    """Processor threads; 0: one for each core but one."""
    waiting: int = Field(default=8, ge=1, le=64)
    """Images that may be in the engine or wait for it; one more makes its part INVALID."""
    largest_image_mb: int = Field(default=36, ge=1, le=1000)
    """Megabytes of the largest image, in colour: width x height x 3."""
    hang_ms: float = Field(default=2000.0, ge=50, le=60_000)
    """An answer that takes longer means that the engine hangs; it is then started again."""


class ShadowTable(StrictTable):
    """`[shadow]`: a bundle that says what it would have decided, beside the one that decides."""

    bundle: str = Field(min_length=1)
    """Of stage `shadow`; relative paths begin at the folder of the configuration."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Of the parts that it is asked about; drawn by the id of the result, as `pass_share` is."""
    waiting: int = Field(default=16, ge=1, le=1000)
    """Parts whose images may wait for it; what comes while so many wait is left out and counted."""
    threads: int = Field(default=1, ge=1, le=64)
    """Processor threads; they get what the line leaves them."""
    hang_ms: float = Field(default=30_000.0, ge=50, le=600_000)
    """An answer that takes longer means that its process hangs; it is then started again."""
    keep_images: bool = True
    """Keep the images of a part on which it differs from the line, where they were not kept."""
