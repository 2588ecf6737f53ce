"""A verdict turned into whether the images of the part are kept, in a way that can be checked."""

from __future__ import annotations

import hashlib

from keenline.store.settings import KeepSettings
from keenline.types import Verdict

_RANGE = 1 << 64


class KeepPolicy:
    """Keeps REJECT, REVIEW and INVALID, and of PASS a share that nobody can choose.

    Whether a PASS is in the sample follows from its `result_id` alone: an auditor computes the
    same, and neither the station nor the image has a say in it. A random sample of the PASS stream
    is what an upper bound on what slipped through is computed from.
    """

    def __init__(self, settings: KeepSettings) -> None:
        self._limit = round(settings.pass_share * _RANGE)

    def keeps(self, verdict: Verdict, result_id: str) -> bool:
        """Whether the images of this part are kept; no I/O, some 2 microseconds."""
        return verdict is not Verdict.PASS or draw(result_id) < self._limit


def draw(result_id: str) -> int:
    """The lot of a PASS: the first 64 bits of SHA-256 of its `result_id` (UTF-8), big-endian.

    In the sample when it is below `pass_share` x 2^64.
    """
    return int.from_bytes(hashlib.sha256(result_id.encode()).digest()[:8], "big")
