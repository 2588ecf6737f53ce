"""What makes a part INVALID before it is inspected, turned into the error that says so."""

from __future__ import annotations

from keenline.errors import Code, PartError


def overload(most: int) -> PartError:
    """More parts than `most` are between trigger and verdict."""
    return PartError(
        Code.PART_OVERLOAD,
        "More parts come than can be inspected",
        expected=f"at most {most} at once",
    )


def hesitation(waited_ms: float, frame_ms: float) -> PartError:
    """A disk or a processor let a part wait until another one may be in front of the camera."""
    return PartError(
        Code.PART_UNCERTAIN_MATCH,
        "The camera would be fired too late to know which part is in front of it",
        expected=f"within {frame_ms:g} ms",
        got=f"{waited_ms:.0f} ms after the trigger",
    )
