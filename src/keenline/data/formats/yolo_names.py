"""A data set's YAML, or a list of names, turned into what YOLO's class numbers and folders mean.

Only what data sets use is read: `key: value`, and `names`, `train`, `val` and `test` as a value, a
list or a table, in either of YAML's two notations. No value is ever taken for more than text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from keenline.data.formats.positions import read_text
from keenline.data.formats.values import shown


@dataclass
class DataSet:
    """What is known besides the label files."""

    file: Path | None = None
    """The file that says so."""
    names: dict[int, str] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)
    """Folders or lists of images of `train`, `val` and `test`, as they are written."""
    has_key_points: bool = False
    faults: list[tuple[int, str]] = field(default_factory=list)
    """Line and sentence for what could not be understood."""


def data_set(file: Path) -> DataSet:
    """Read `data.yaml`, or a list of names with one a line. Raises LabelError (LABEL_FILE)."""
    lines = read_text(file).splitlines()
    if file.suffix.lower() not in YAML:
        names = {place: line.strip() for place, line in enumerate(lines) if line.strip()}
        return DataSet(file, names)
    found = DataSet(file)
    for key, entries in _blocks(lines):
        if key == "names":
            _take_names(entries, found)
        elif key in {"train", "val", "test"}:
            found.splits[key] = [value for _, _, value in entries if value]
        elif key == "kpt_shape":
            found.has_key_points = True
    return found


YAML = {".yaml", ".yml"}

_Entry = tuple[int, str, str]
_KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^\s:#'"{}\[\],-][^:#]*?)\s*:(?:\s+(.*))?$""")
_ITEM = re.compile(r"-(?:\s+(.*))?$")
_PART = re.compile(r"""\s*((?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,'"])+?)\s*(?:,|$)""")


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[_Entry]]]:
    """Each key at the margin with its entries: line, key (of a table) and value."""
    entries: list[_Entry] = []
    key, rest, first = "", "", 0
    for number, written in enumerate(lines, start=1):
        line = _without_comment(written)
        if not line.strip() or line.strip() == "---":
            continue
        if rest:
            # A list or table in brackets that goes on over several lines.
            rest += " " + line.strip()
        elif line[0] not in " \t-":
            yield key, entries
            match = _KEY.match(line)
            key = _plain(match[1]) if match else ""
            entries, first, rest = [], number, (match[2] or "").strip() if match else ""
        else:
            entries.append(_entry(number, line.strip()))
        if rest and (rest[0] not in "[{" or rest[-1] in "]}"):
            entries.extend(_values(first, rest))
            rest = ""
    yield key, entries


def _entry(number: int, line: str) -> _Entry:
    item = _ITEM.match(line)
    if item:
        return number, "", _plain(item[1] or "")
    pair = _KEY.match(line)
    return (number, _plain(pair[1]), _plain(pair[2] or "")) if pair else (number, line, "")


def _values(number: int, value: str) -> Iterator[_Entry]:
    if value[0] not in "[{":
        yield number, "", _plain(value)
        return
    for part in _PART.findall(value[1:-1]):
        pair = _KEY.match(part) if value[0] == "{" else None
        yield (
            (number, _plain(pair[1]), _plain(pair[2] or ""))
            if pair
            else (
                number,
                "",
                _plain(part),
            )
        )


def _take_names(entries: list[_Entry], found: DataSet) -> None:
    for place, (line, key, name) in enumerate(entries):
        number = key or str(place)
        if not number.isdecimal() or not name:
            found.faults.append((line, f"a name of a class is {shown(f'{key}: {name}')}"))
        elif int(number) in found.names:
            found.faults.append((line, f"class {number} has a second name, {shown(name)}"))
        else:
            found.names[int(number)] = name


def _plain(value: str) -> str:
    """Text without its quotes."""
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except json.JSONDecodeError:
            return value[1:-1]
    return value


def _without_comment(line: str) -> str:
    quote = ""
    for place, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and (place == 0 or line[place - 1] in " \t[{,:-"):
            quote = letter
        elif letter == "#" and (place == 0 or line[place - 1] in " \t"):
            return line[:place].rstrip()
    return line.rstrip()
