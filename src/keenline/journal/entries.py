"""What a station records turned into lines of text and back, each line with its checksum."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from keenline.errors import Code, JournalError
from keenline.types import LineEvent, Result, ShadowAnswer, Trigger

_CHECKSUM = 8


@dataclass(frozen=True, slots=True)
class Accepted:
    """A trigger that the station took on: it owes one result for it."""

    trigger: Trigger


Entry: TypeAlias = Accepted | Result | LineEvent | ShadowAnswer
"""One thing that the journal holds."""


_ACCEPTED: TypeAdapter[Trigger] = TypeAdapter(Trigger)
_RESULT: TypeAdapter[Result] = TypeAdapter(Result)
_EVENT: TypeAdapter[LineEvent] = TypeAdapter(LineEvent)
_ANSWER: TypeAdapter[ShadowAnswer] = TypeAdapter(ShadowAnswer)

# JSON has no word for NaN and the infinities. As `null`, which pydantic writes unless told, a line
# could not be read back; as text it can. (Only a type that is no dataclass takes a configuration.)
_TEXT = ConfigDict(ser_json_inf_nan="strings")
_WRITERS: dict[type, TypeAdapter[Any]] = {
    Trigger: TypeAdapter(Trigger | None, config=_TEXT),
    Result: TypeAdapter(Result | None, config=_TEXT),
    LineEvent: TypeAdapter(LineEvent | None, config=_TEXT),
    ShadowAnswer: TypeAdapter(ShadowAnswer | None, config=_TEXT),
}


_LETTERS: dict[type, bytes] = {Accepted: b"A", Result: b"R", LineEvent: b"E", ShadowAnswer: b"S"}


def as_line(entry: Entry) -> bytes:
    """`entry` as one line: CRC-32 in 8 hexadecimal digits, a letter for its kind, JSON."""
    body = _letter(entry) + as_json(entry)
    return f"{zlib.crc32(body):08x} ".encode() + body + b"\n"


def as_json(entry: Entry) -> bytes:
    """The content of `entry` as JSON: what is stored and published too.

    A number that is not finite is one of the texts "NaN", "Infinity" and "-Infinity". Half of a
    surrogate pair, as in a file name that is not UTF-8, is written as `\\udcXX` in plain letters.
    """
    content = entry.trigger if isinstance(entry, Accepted) else entry
    writer = _WRITERS[type(content)]
    try:
        return writer.dump_json(content)
    except PydanticSerializationError:
        return to_json(_encodable(writer.dump_python(content)), inf_nan_mode="strings")


def result_from_json(text: bytes | str) -> Result:
    """The result that `as_json` wrote; raises JournalError JOURNAL_DAMAGED."""
    try:
        return _RESULT.validate_json(text)
    except ValidationError as error:
        raise _damaged(str(error)) from error


def from_line(line: bytes) -> Entry:
    """The entry of a line without its end; raises JournalError JOURNAL_DAMAGED."""
    checksum, _, body = line.partition(b" ")
    if len(checksum) != _CHECKSUM or f"{zlib.crc32(body):08x}".encode() != checksum:
        raise _damaged("the checksum of the line is wrong")
    letter, content = body[:1], body[1:]
    try:
        if letter == b"A":
            return Accepted(_ACCEPTED.validate_json(content))
        if letter == b"R":
            return _RESULT.validate_json(content)
        if letter == b"E":
            return _EVENT.validate_json(content)
        if letter == b"S":
            return _ANSWER.validate_json(content)
    except ValidationError as error:
        raise _damaged(str(error)) from error
    raise _damaged(f"a line of kind {letter!r}, which this version does not know")


def _letter(entry: Entry) -> bytes:
    return _LETTERS[type(entry)]


def _encodable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _damaged(found: str) -> JournalError:
    return JournalError(
        Code.JOURNAL_DAMAGED,
        "A line of the journal cannot be read",
        got=found,
        next="keep the file for an expert; the station goes on after this line",
    )
