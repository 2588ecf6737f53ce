"""What people, and bundles that decide nothing, say of a stored result, turned into rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import ConfigDict, TypeAdapter, ValidationError

from keenline.errors import Code, JournalError
from keenline.store.chain import Kind
from keenline.store.rows import Row
from keenline.types import Box, ShadowAnswer

Judgement: TypeAlias = Literal["good", "defect", "unclear"]
"""What a person says of a part."""

Role: TypeAlias = Literal["review", "qc"]
"""`qc`: the call of the quality control that is there already, made without our help; `review`:
the judgement of a person who was asked, which outweighs it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect that a person sees."""

    class_name: str
    camera: str
    """On whose image."""
    boxes: tuple[Box, ...] = ()
    """Where, in pixels of the image; empty: somewhere on it."""


@dataclass(frozen=True, slots=True)
class Review:
    """One person's judgement of one result."""

    review_id: str
    """A UUID."""
    result_id: str
    station: str
    time: datetime
    """UTC."""
    reviewer: str
    role: Role
    judgement: Judgement
    findings: tuple[Finding, ...] = ()
    """With `defect`: at least one; else empty."""
    asked: str = ""
    """Why the person was asked, such as `random PASS audit`."""
    note: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes found, sorted, each once."""
        return tuple(sorted({finding.class_name for finding in self.findings}))


Remark: TypeAlias = Review | ShadowAnswer

# A score that is not finite is text, as in the journal: JSON has no word for it.
_TEXT = ConfigDict(ser_json_inf_nan="strings")
_READERS: dict[str, TypeAdapter[Any]] = {
    "review": TypeAdapter(Review),
    "shadow": TypeAdapter(ShadowAnswer),
}
_WRITERS: dict[str, TypeAdapter[Any]] = {
    "review": TypeAdapter(Review | None, config=_TEXT),
    "shadow": TypeAdapter(ShadowAnswer | None, config=_TEXT),
}


def kind_of(remark: Remark) -> Kind:
    """As the audit chain names it."""
    return "review" if isinstance(remark, Review) else "shadow"


def remark_id(remark: Remark) -> str:
    """What makes a remark the same as one that came before."""
    return remark.review_id if isinstance(remark, Review) else remark.answer_id


def content_of_remark(remark: Remark) -> str:
    """The record word for word, as JSON."""
    text: str = _WRITERS[kind_of(remark)].dump_json(remark).decode()
    return text


def remark_of(kind: str, content: str) -> Remark:
    """What `content_of_remark` wrote, of kind `review` or `shadow`. Raises JournalError."""
    try:
        remark: Remark = _READERS[kind].validate_json(content)
    except ValidationError as error:
        raise JournalError(Code.JOURNAL_DAMAGED, "A record cannot be read", got=error) from error
    return remark


def remark_row(remark: Remark, content: str) -> Row:
    """`remark` as one row of `reviews` or `shadows`."""
    row: Row = {
        "result_id": remark.result_id,
        "station": remark.station,
        "time": remark.time,
        "classes": list(remark.classes),
        "content": content,
    }
    if isinstance(remark, ShadowAnswer):
        return row | {
            "answer_id": remark.answer_id,
            "bundle_sha256": remark.bundle_sha256,
            "verdict": remark.verdict.value,
        }
    return row | {
        "review_id": remark.review_id,
        "reviewer": remark.reviewer,
        "role": remark.role,
        "judgement": remark.judgement,
    }
