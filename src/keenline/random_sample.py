"""The id of a result turned into whether it is in a random sample, as anybody can compute again.

Neither the station nor the image has a say in it.
"""

from __future__ import annotations

import hashlib

_RANGE = 1 << 64


def draw(result_id: str) -> int:
    """The lot of a result: the first 64 bits of SHA-256 of its `result_id` (UTF-8), big-endian."""
    return int.from_bytes(hashlib.sha256(result_id.encode()).digest()[:8], "big")


def is_drawn(result_id: str, share: float) -> bool:
    """Whether it is in the sample of this share, 0..1: its lot is below `share` x 2^64."""
    return draw(result_id) < round(share * _RANGE)
