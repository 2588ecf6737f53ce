"""Turns the text of a valid TOML document into the line on which each key and element stands."""

from __future__ import annotations

import re
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys from the root of the document; a number is the place in an array, from 0."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_STRINGS = {
    '"""': re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*?"{3,5}', re.DOTALL),
    "'''": re.compile(r"'''.*?'{3,5}", re.DOTALL),
    '"': re.compile(r'"(?:[^"\\]|\\.)*"'),
    "'": re.compile(r"'[^']*'"),
}


def find_lines(text: str) -> dict[KeyPath, int]:
    """Line (from 1) of every key, table and array element of `text`.

    `text` must be what `tomllib` accepts; of anything else the answer means nothing, though it
    always ends. The grammar is that of https://toml.io/en/v1.0.0.
    """
    return _Reader(text).read()


def nearest_line(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, or of the nearest thing around it, or 1."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


class _Reader:
    """One pass over the text; `at` is how far it has come."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.array_tables: dict[KeyPath, int] = {}

    def read(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_blank():
            if self._take("[["):
                table = self._array_table(self._keys())
                self._take("]]")
            elif self._take("["):
                table = self._table(self._keys())
                self._take("]")
            else:
                self._key_value(table)
        return self.lines

    def _array_table(self, keys: KeyPath) -> KeyPath:
        name = (*self._table(keys[:-1], mark=False), *keys[-1:])
        self.array_tables[name] = self.array_tables.get(name, -1) + 1
        table = (*name, self.array_tables[name])
        self._mark(name)
        self._mark(table)
        return table

    def _table(self, keys: KeyPath, *, mark: bool = True) -> KeyPath:
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self.array_tables:
                path = (*path, self.array_tables[path])
        if mark:
            self._mark(path)
        return path

    def _key_value(self, table: KeyPath) -> None:
        start = self.at
        path = table
        for key in self._keys():
            path = (*path, key)
            self._mark(path)
        self._skip_blank()
        self._take("=")
        self._skip_blank()
        self._value(path)
        if self.at == start:  # not TOML: go on rather than stand still
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        if self._take("["):
            index = 0
            while self._skip_blank() and not self._take("]"):
                self._mark((*path, index))
                before = self.at
                self._value((*path, index))
                self._end_item(before)
                index += 1
        elif self._take("{"):
            while self._skip_blank() and not self._take("}"):
                before = self.at
                self._key_value(path)
                self._end_item(before)
        elif self._string() is None:
            scalar = _SCALAR.match(self.text, self.at)
            self.at = scalar.end() if scalar else self.at

    def _end_item(self, before: int) -> None:
        self._skip_blank()
        if not self._take(",") and self.at == before:
            self.at += 1

    def _keys(self) -> KeyPath:
        keys: list[str] = []
        while self._skip_blank():
            bare = _BARE_KEY.match(self.text, self.at)
            if bare:
                self.at = bare.end()
                keys.append(bare.group())
            else:
                keys.append(self._string() or "")
            self._skip_blank()
            if not self._take("."):
                break
        return tuple(keys)

    def _string(self) -> str | None:
        """Step over a string and return what it says (common escapes only), if one is here."""
        for quote, pattern in _STRINGS.items():
            found = pattern.match(self.text, self.at)
            if found:
                self.at = found.end()
                inside = found.group()[len(quote) : -len(quote)]
                return inside if "'" in quote else _ESCAPED.sub(r"\1", inside)
        return None

    def _take(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def _skip_blank(self) -> bool:
        """Step over blanks, line ends and comments; False at the end of the text."""
        blank = _BLANK.match(self.text, self.at)
        self.at = blank.end() if blank else self.at
        return self.at < len(self.text)

    def _mark(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self.text.count("\n", 0, self.at) + 1)
