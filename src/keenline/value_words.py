"""Turns a key path of a pydantic model into words for what is allowed there."""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from keenline.toml_lines import KeyPath

_TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text"}


@dataclass(frozen=True, slots=True)
class Words:
    """Put into `Annotated` where the type alone does not tell a person what to write."""

    words: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads in a model."""

    path: KeyPath
    """The path without what is not a key (pydantic adds the member of a union it tried)."""
    allowed: str
    known: tuple[str, ...]
    """The keys of the table that the last key of the path stands in."""


def place_of(model: type[BaseModel], path: Sequence[str | int]) -> Place:
    """Follow `path` into `model` as far as it leads."""
    kind: Any = model
    extra: tuple[object, ...] = ()
    known: tuple[str, ...] = ()
    followed: KeyPath = ()
    for key in path:
        kind, is_tag = _among(kind, key)
        if is_tag:
            continue  # pydantic names the member of a union that it took
        if _is_model(kind):
            fields = keys_of(kind)
            known = tuple(fields)
            followed = (*followed, key)
            field = fields.get(str(key))
            if field is None:
                return Place(followed, "nothing", known)
            kind, extra = field.annotation, tuple(field.metadata)
        elif get_origin(kind) is tuple and isinstance(key, int):
            followed = (*followed, key)
            kind, extra = _bare(_member(kind, key))
        elif get_origin(kind) is dict:
            followed = (*followed, key)
            kind, extra = _bare(get_args(kind)[1])
        else:
            break
    return Place(followed, describe(kind, extra), known)


def describe(kind: Any, extra: Iterable[object] = ()) -> str:
    """What a type with its constraints takes: `whole number, 32 to 4096, or "auto"`."""
    kind, inner = _bare(kind)
    rules = [*extra, *inner]
    for rule in rules:
        if isinstance(rule, Words):
            return rule.words
    origin = get_origin(kind)
    if origin is Literal:
        return _one_of(get_args(kind))
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), rules)
    if origin is tuple:
        return f"list of: {describe(get_args(kind)[0])}"
    if origin is dict:
        return f"one {describe(get_args(kind)[1])} for each name"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _one_of([member.value for member in kind])
    if _is_model(kind):
        return "table"
    return _TYPES[kind] + _limits(rules)


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a table as they are written in a file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _bare(kind: Any) -> tuple[Any, tuple[object, ...]]:
    """A type without `Annotated`, and the constraints that stood there."""
    if get_origin(kind) is not Annotated:
        return kind, ()
    kind, *extra = get_args(kind)
    rules: list[object] = []
    for rule in extra:
        rules += rule.metadata if isinstance(rule, FieldInfo) else [rule]
    return kind, tuple(rules)


def _among(kind: Any, key: str | int) -> tuple[Any, bool]:
    """The table that is meant where one of several may stand: the one whose `kind` is `key`, or
    the only one (`| None`); and whether `key` was only the name of that choice."""
    tables = _tables_of(kind)
    if _is_model(kind) or not tables:
        return kind, False
    for table in tables:
        field = table.model_fields.get("kind")
        if field is not None and key in get_args(field.annotation):
            return table, True
    return (tables[0], False) if len(tables) == 1 else (kind, False)


def _tables_of(kind: Any) -> list[type[BaseModel]]:
    """The tables that a type, or a union in a union, leaves the choice of."""
    kind, _ = _bare(kind)
    if _is_model(kind):
        return [kind]
    if get_origin(kind) not in (Union, types.UnionType):
        return []
    return [table for member in get_args(kind) for table in _tables_of(member)]


def _member(kind: Any, index: int) -> Any:
    members = get_args(kind)
    return members[0] if Ellipsis in members else members[min(index, len(members) - 1)]


def _union(members: Iterable[Any], rules: Sequence[object]) -> str:
    bare = [_bare(member)[0] for member in members if member is not types.NoneType]
    kinds = [kind for member in bare for kind in _kinds_of(member)]
    if len(kinds) > 1:
        return f"table with kind = {_one_of(kinds)}"
    words = [describe(member, rules) for member in members if member is not types.NoneType]
    return ", or ".join(dict.fromkeys(words))


def _kinds_of(kind: Any) -> list[object]:
    """The values of `kind` by which the tables of a union are told apart."""
    fields = [table.model_fields.get("kind") for table in _tables_of(kind)]
    return [value for field in fields if field for value in get_args(field.annotation)]


def _one_of(values: Iterable[object]) -> str:
    return " or ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in values)


_FACTS = ("ge", "gt", "le", "multiple_of", "min_length", "max_length")


def _limits(rules: Iterable[object]) -> str:
    found = {name: getattr(rule, name) for rule in rules for name in _FACTS if hasattr(rule, name)}
    if "max_length" in found:
        return f", {found.get('min_length', 0)} to {found['max_length']} characters"
    if "min_length" in found:
        return ", not empty"
    step = f", a multiple of {found['multiple_of']}" if "multiple_of" in found else ""
    low = f"more than {found['gt']}" if "gt" in found else f"{found.get('ge', '')}"
    if "le" in found:
        return f", {low} to {found['le']}{step}" if low else f", at most {found['le']}{step}"
    return f", {low if 'gt' in found else low + ' or more'}{step}" if low else step
