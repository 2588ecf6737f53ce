"""Turns TOML text into a strict pydantic model, or into every fault in it with line and range."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from keenline.toml_lines import KeyPath, find_lines, nearest_line
from keenline.value_words import Place, keys_of, place_of

_Model = TypeVar("_Model", bound=BaseModel)

Check: TypeAlias = Callable[[dict[str, Any]], Iterable[tuple[KeyPath, str]]]
"""Unvalidated content of a document to (key path, message) of each fault."""

_MAX_SYNTAX_FAULTS = 20
_MAX_VALUE_LENGTH = 60
_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)$")
_AT_END = re.compile(r"\s*\(at end of document\)$")


class StrictTable(BaseModel):
    """A table of a document: frozen, no key too many, no value taken for another kind."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,  # a field's `strict=False` only lets a list be a tuple, text an enum
        extra="forbid",
        allow_inf_nan=False,
        serialize_by_alias=True,
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a TOML document."""

    line: int
    """From 1."""
    key: str
    """Such as `classes[1].threshold`, places from 0; empty where the text is not TOML."""
    message: str
    """What was found and what is allowed."""


class TomlFaults(ValueError):
    """Every fault found in one document, in the order of its lines."""

    def __init__(self, faults: Iterable[Fault], *, is_syntax: bool) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        self.is_syntax = is_syntax
        """At least one line is not TOML."""
        super().__init__(f"{len(self.faults)} faults, first: {self.faults[0]}")


def parse_strictly(text: str, model: type[_Model], also: Check = lambda _: ()) -> _Model:
    """`text` as a `model`; raises TomlFaults with every fault, of syntax and of content alike.

    `also` finds what a validator of one field cannot see, even while other faults stand: it is
    given the unvalidated content and answers with key paths and messages. Arrays become tuples,
    so that a frozen model is frozen all the way down. A fault of syntax that stays within its
    line does not stop the reading of the lines behind it.
    """
    content, faults, readable = _read(text)
    is_syntax = bool(faults)
    found: dict[KeyPath, str] = {}
    made: _Model | None = None
    try:
        made = model.model_validate(_frozen(content))
    except ValidationError as error:
        found = _content_faults(error, model, is_syntax=is_syntax)
    found |= dict(also(content))
    lines = find_lines(readable) if found else {}
    faults += [Fault(nearest_line(lines, path), _key(path), found[path]) for path in found]
    if made is None or faults:
        raise TomlFaults(faults, is_syntax=is_syntax)
    return made


def content_fault(words: str, *below: str | int) -> PydanticCustomError:
    """What a validator raises; `below` leads from the field it checks to the key at fault."""
    return PydanticCustomError("content", "{words}", {"words": words, "below": below})


def _read(text: str) -> tuple[dict[str, Any], list[Fault], str]:
    """The content, the faults of syntax, and the text without the lines that carry them."""
    lines = text.replace("\r\n", "\n").split("\n")
    faults: list[Fault] = []
    while True:
        readable = "\n".join(lines)
        try:
            return tomllib.loads(readable), faults, readable
        except RecursionError:
            return {}, [*faults, Fault(1, "", "is nested too deeply")], ""
        except tomllib.TOMLDecodeError as error:
            number = _line_of(error, lines)
            words = _AT_END.sub("", _AT_LINE.sub("", str(error)))
            faults.append(Fault(number, "", f"is not TOML: {words}"))
            if len(faults) == _MAX_SYNTAX_FAULTS or not _wrong_by_itself(lines[number - 1]):
                return {}, faults, ""
            lines[number - 1] = ""


def _line_of(error: tomllib.TOMLDecodeError, lines: list[str]) -> int:
    at = _AT_LINE.search(str(error))
    if at:
        return int(at.group(1))
    return max(number for number, line in enumerate(lines, 1) if line.strip())


def _wrong_by_itself(line: str) -> bool:
    """Whether the fault ends with the line, so that what follows can still be judged.

    Not so for a table header (its keys would fall into the table above) and not so where the
    cause lies on an earlier line, such as an array that was never closed.
    """
    if not line.strip() or line.lstrip().startswith("["):
        return False
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return True
    return False


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _frozen(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(_frozen(inner) for inner in value)
    return value


def _content_faults(
    error: ValidationError, model: type[BaseModel], *, is_syntax: bool
) -> dict[KeyPath, str]:
    faults: dict[KeyPath, str] = {}
    for details in error.errors(include_url=False):
        place = place_of(model, details["loc"])
        path = (*place.path, *_below(details))
        # A line left out for its syntax may hold the key that seems to be missing.
        if details["type"] == "missing" and is_syntax and isinstance(path[-1], str):
            continue
        # Each member of a union complains in its own words; one fault per key is enough.
        faults.setdefault(path, _message(details, place, model))
    return faults


def _below(details: ErrorDetails) -> tuple[str | int, ...]:
    """From where pydantic puts the fault to the key that is at fault."""
    facts = details.get("ctx", {})
    if _names_its_key(details) and isinstance(details["input"], dict):
        return (_unquoted(facts["discriminator"])[0],)
    return tuple(facts.get("below", ()))


def _names_its_key(details: ErrorDetails) -> bool:
    """Whether the key that chooses among several tables is missing or wrong."""
    is_tag = details["type"] in ("union_tag_not_found", "union_tag_invalid")
    return is_tag and details["ctx"]["discriminator"].startswith("'")


def _unquoted(words: str) -> list[str]:
    return re.findall("'([^']*)'", words)


def _message(details: ErrorDetails, place: Place, model: type[BaseModel]) -> str:
    if _names_its_key(details) and isinstance(details["input"], dict):
        return _which_kind(details, place)
    if details["type"] == "extra_forbidden":
        return f"is not a key here; {_suggestion(str(details['loc'][-1]), place, model)}"
    if details["type"] == "missing":
        return f"is missing; allowed: {place.allowed}"
    if details["type"] == "content":
        return details["msg"]
    return f"= {_as_toml(details['input'])}; allowed: {place.allowed}"


def _which_kind(details: ErrorDetails, place: Place) -> str:
    allowed = place.allowed.split(" = ", 1)[-1]
    if details["type"] == "union_tag_not_found":
        return f"is missing; allowed: {allowed}"
    tag = str(details["ctx"]["tag"])
    close = difflib.get_close_matches(tag, _unquoted(details["ctx"]["expected_tags"]), n=1)
    meant = f"did you mean {_as_toml(close[0])}? " if close else ""
    return f"= {_as_toml(tag)}; {meant}allowed: {allowed}"


def _suggestion(key: str, place: Place, model: type[BaseModel]) -> str:
    close = difflib.get_close_matches(key, place.known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    for name in keys_of(model):
        if key in place_of(model, (name, key)).known:
            return f"it belongs in [{name}]"
    return f"known: {', '.join(place.known)}"


def _key(path: KeyPath) -> str:
    words = ""
    for key in path:
        words += f"[{key}]" if isinstance(key, int) else f".{key}"
    return words.removeprefix(".")


def _as_toml(value: object) -> str:
    words = json.dumps(value, default=str, ensure_ascii=False)
    if len(words) <= _MAX_VALUE_LENGTH:
        return words
    return words[: _MAX_VALUE_LENGTH - 1] + "…"
