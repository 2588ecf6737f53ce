"""Turns `[challenge]` of a recipe into known-bad parts that a station must find, and how often."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from keenline.strict_toml import StrictTable, content_fault
from keenline.value_words import Words

Consequence: TypeAlias = Literal["alarm", "review", "invalid"]
"""What becomes of parts that would pass: `alarm`: they pass, and an event says what happened;
`review`, `invalid`: they do not pass."""


class ChallengePart(StrictTable):
    """`[[challenge.parts]]`: a known-bad part."""

    part_id: Annotated[str, Words("a regular expression for the whole part id")] = ""
    """Which parts these are, by the id that the line gives them."""
    announced: int | None = Field(default=None, ge=1, le=65_535)
    """Which parts these are, by what the PLC says with their trigger (`challenge` of
    `[plc.inputs]`): 1 where that is a bit, else the number."""
    defect: str = ""
    """The class that must be named; without it any alarm will do."""

    @field_validator("part_id")
    @classmethod
    def _a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            words = f"= {pattern!r}: {error}; allowed: a regular expression"
            raise content_fault(words) from error
        if pattern and re.fullmatch(pattern, ""):
            raise content_fault(
                f"= {pattern!r} fits parts without an id; allowed: one that does not"
            )
        return pattern

    @model_validator(mode="after")
    def _is_told(self) -> ChallengePart:
        if not self.part_id and self.announced is None:
            raise content_fault("says of no part that it is one; needed: part_id or announced")
        return self


class ChallengeSettings(StrictTable):
    """`[challenge]`: known-bad parts that show that a station still finds them."""

    parts: tuple[ChallengePart, ...] = Field(default=(), strict=False)
    """Without any, nothing is asked for."""
    every_parts: int | None = Field(default=None, ge=1)
    """At most so many parts between two challenge parts; without it, any number."""
    times: Annotated[
        tuple[str, ...], Words('a list of times of day such as ["06:00", "14:00", "22:00"]')
    ] = Field(default=(), strict=False)
    """Local times of day, such as the begins of shifts, after each of which one is due."""
    grace_minutes: float = Field(default=30.0, ge=0, le=720)
    """So long after such a time it is overdue."""
    missed: Consequence = "review"
    """From a challenge part that was not found until a named person acknowledges it."""
    overdue: Consequence = "alarm"
    """From when one is overdue until one is found."""

    @field_validator("times")
    @classmethod
    def _times_of_day(cls, times: tuple[str, ...]) -> tuple[str, ...]:
        for place, time in enumerate(times):
            if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", time):
                words = f'= "{time}"; allowed: a time of day such as "06:00"'
                raise content_fault(words, place)
        return times
