"""What was asked for turned into everything that decides how a pair of networks is taught."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one run; the defaults are those of Zhu et al., Unpaired image-to-image translation using
    cycle-consistent adversarial networks (2017), but for a smaller network."""

    crop: int = 64
    """Side of a crop in pixels; a multiple of 4."""
    width: int = 16
    """Channels at full resolution; four times as many inside."""
    blocks: int = 4
    """Residual blocks; each sees 16 pixels further."""
    batch: int = 2
    steps: int = 4000
    """At most; learning ends earlier when the time runs out."""
    seconds: float | None = None
    """Time budget of the learning itself."""
    rate: float = 2e-4
    cycle: float = 10.0
    """Weight of a surface coming back as it was after there and back."""
    identity: float = 5.0
    """Weight of a defect staying as it is, and of a good surface staying good."""
    pool: int = 50
    """Earlier fakes kept for the critics, so that they do not forget (Shrivastava et al., 2017)."""
    seed: int = 0

    def lasting(self) -> dict[str, object]:
        """What must not change when a run is taken up again."""
        values: dict[str, object] = asdict(self)
        # How long to go on may change; a batch shrinks by itself when memory is short.
        for key in ("steps", "seconds", "batch"):
            del values[key]
        return values
