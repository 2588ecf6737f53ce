"""File names turned into the order in which a person would count them."""

from __future__ import annotations

import re
from typing import TypeAlias

NameKey: TypeAlias = tuple[tuple[int, str], ...]


def by_name(name: str) -> NameKey:
    """A key to sort by: `part-2.png` before `part-10.png`, whole numbers by their value."""
    words = re.findall(r"\d+|\D+", name)
    return tuple((int(word), "") if word.isdecimal() else (-1, word) for word in words)
