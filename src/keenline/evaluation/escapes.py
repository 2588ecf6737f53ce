"""Turns audits of the parts that passed into a bound on the defects that slip through, in PPM."""

from __future__ import annotations

from dataclasses import dataclass

from keenline.evaluation.intervals import CONFIDENCE, rate_upper_bound

_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Escapes:
    """What random audits of PASS parts say of all PASS parts."""

    audited: int
    """PASS parts, drawn at random, that a person judged."""
    escaped: int
    """Of them: with a defect."""
    unclear: int = 0
    """Of them: the person could not tell; counted as escaped in the bound."""

    @property
    def ppm_upper95(self) -> float:
        """Of a million PASS parts at most so many are defective, with 95 % confidence."""
        return escape_ppm(self.escaped + self.unclear, self.audited)


def escape_ppm(escaped: int, audited: int, confidence: float = CONFIDENCE) -> float:
    """Upper bound of the defects per million PASS parts after `audited` of them were judged.

    One-sided Clopper-Pearson; without an escape it is 1e6 (1 - (1 - confidence)^(1/n)), about
    3e6/n at 95 %. 1e6 when nothing was audited. Raises ValueError unless 0 <= escaped <= audited.
    """
    return _MILLION * rate_upper_bound(escaped, audited, confidence)
