"""A verdict turned into whether the images of the part are kept, in a way that can be checked."""

from __future__ import annotations

from keenline.random_sample import is_drawn
from keenline.store.settings import KeepSettings
from keenline.types import Verdict


class KeepPolicy:
    """Keeps REJECT, REVIEW and INVALID, and of PASS a share that nobody can choose.

    Whether a PASS is in the sample follows from its `result_id` alone: an auditor computes the
    same, and neither the station nor the image has a say in it. A random sample of the PASS stream
    is what an upper bound on what slipped through is computed from.
    """

    def __init__(self, settings: KeepSettings) -> None:
        self._share = settings.pass_share

    def keeps(self, verdict: Verdict, result_id: str) -> bool:
        """Whether the images of this part are kept; no I/O, some 2 microseconds."""
        return verdict is not Verdict.PASS or is_drawn(result_id, self._share)
