"""Values as label files write them turned into numbers, points and times, or a reason why not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from keenline.annotation import Point


class BadValue(Exception):
    """An entry lacks a value, or has one that cannot be right; the text says which."""


def number(holder: Mapping[str, object], key: str) -> float:
    """A finite number, also where the file writes it as text. Raises BadValue."""
    if key not in holder:
        raise BadValue(f"there is no {key}")
    return as_number(holder[key], key)


def as_number(value: object, name: str) -> float:
    """`value` as a finite number; `name` is for the reason. Raises BadValue."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            read = float(value)
        except (ValueError, OverflowError):
            read = math.nan
        if math.isfinite(read):
            return read
    raise BadValue(f"{name} is {shown(value)}, not a number")


def whole(holder: Mapping[str, object], key: str) -> int:
    """A whole number, also where the file writes `3.0`. Raises BadValue."""
    read = number(holder, key)
    if not read.is_integer():
        raise BadValue(f"{key} is {shown(holder[key])}, not a whole number")
    return int(read)


def xy_points(places: object, name: str) -> tuple[Point, ...]:
    """The corners of `[{"x": 1, "y": 2}, ...]`. Raises BadValue."""
    if not isinstance(places, list):
        raise BadValue(f"{name} is {shown(places)}, not a list of points")
    for place in places:
        if not isinstance(place, Mapping):
            raise BadValue(f"a point of {name} is {shown(place)}")
    return tuple((number(place, "x"), number(place, "y")) for place in places)


def ring(points: Iterable[Point]) -> tuple[Point, ...]:
    """Corners of a closed outline without the repetition of the first one at the end."""
    corners = tuple(points)
    while len(corners) > 1 and corners[0] == corners[-1]:
        corners = corners[:-1]
    return corners


def text(value: object) -> str:
    """A single value as text: `true` for True, nothing for None; lists and objects as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def sorted_attributes(pairs: Iterable[tuple[str, object]]) -> tuple[tuple[str, str], ...]:
    """Names and values as `Annotation.attributes` holds them; those that are None are left out."""
    return tuple(sorted((name, text(value)) for name, value in pairs if value is not None))


def time_of(written: object) -> datetime | None:
    """A time in ISO 8601 or as JavaScript prints dates; without a zone it is UTC.

    None for anything else: a time that cannot be read is no reason to leave out a mark.
    """
    if not isinstance(written, str):
        return None
    javascript = _JAVASCRIPT.search(written)
    try:
        if javascript:
            return datetime.strptime(javascript[0], "%b %d %Y %H:%M:%S GMT%z")
        read = datetime.fromisoformat(written.strip())
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def digits(value: float) -> str:
    """A number so that reading it gives the same; whole ones without a point."""
    return str(int(value)) if value == int(value) else repr(float(value))


def difference(end: float, start: float) -> float:
    """`end - start` less the rounding of the two, to a billionth of a pixel."""
    return round(end - start, 9)


def shown(value: object) -> str:
    """A value in a sentence, cut where it is long."""
    written = repr(value)
    return written if len(written) <= _SHOWN else written[: _SHOWN - 3] + "..."


_SHOWN = 40
# `Mon Aug 22 2022 13:52:52 GMT-0700 (Pacific Daylight Time)`: ECMA-262, Date.prototype.toString
_JAVASCRIPT = re.compile(r"[A-Z][a-z]{2} \d{2} \d{4} \d{2}:\d{2}:\d{2} GMT[+-]\d{4}")
