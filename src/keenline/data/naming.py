"""Names of folders and files turned into what people mean by them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

GOOD_WORDS = frozenset({"good", "ok", "normal", "free", "okay"})
"""A folder whose name holds one of these words holds good parts: `good`, `MT_Free`, `OK parts`."""

_NEGATIONS = frozenset({"no", "non", "not", "un", "n"})
_MASK_WORDS = frozenset({"mask", "masks", "truth", "groundtruth", "gt"})
_MASK_ENDING = re.compile(r"[_-](?:mask|label|gt)$", re.IGNORECASE)


def means_good(folder: str) -> bool:
    """Whether a folder of this name holds good parts; `not_ok` and `abnormal` do not."""
    words = _words(folder)
    return not GOOD_WORDS.isdisjoint(words) and _NEGATIONS.isdisjoint(words)


def means_masks(folder: str) -> bool:
    """Whether a folder of this name holds masks: `masks`, `mask-images`, `ground_truth`."""
    return not _MASK_WORDS.isdisjoint(_words(folder))


def masked_stem(path: PurePosixPath) -> str | None:
    """`Part0` of `Part0_label.png`, `a` of `a_mask.png`; None where the name says no mask."""
    stem = _MASK_ENDING.sub("", path.stem)
    return stem if stem and stem != path.stem else None


def is_folder_name(class_name: str) -> bool:
    """Whether a folder may be called like a class: on any system, and not one of good parts."""
    forbidden = {*class_name} & {*'/\\:*?"<>|\0'}
    return not (means_good(class_name) or class_name.startswith(".") or forbidden)


def _words(name: str) -> set[str]:
    return {word for word in re.split(r"[\W_]+", name.lower()) if word}
