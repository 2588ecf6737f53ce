"""Entries turned into a chain of hashes, and a chain into the first place where it is broken.

Each link holds the SHA-256 of the record it stands for and of the link before it, so that nothing
before a link can change, vanish, appear or move without the hash of that link changing. Whoever
can write the database can still make the whole chain anew: a noted head, kept elsewhere, shows
that too (the construction is that of S. Haber and W. S. Stornetta, How to Time-Stamp a Digital
Document, J. Cryptology 3, 1991).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

GENESIS = "0" * 64
"""What stands for the hash before the first link."""

Kind = Literal["result", "event", "refused", "review", "shadow"]


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the audit chain of one station."""

    station: str
    number: int
    """From 1, without a gap."""
    time: datetime
    """UTC, when it was stored."""
    kind: str
    """A `Kind`: which table has the record."""
    subject: str
    """`result_id`, `event_id`, `review_id`, `answer_id`, or `entry_id` of what was refused."""
    content_sha256: str
    """Of the record, word for word as the table has it."""
    previous: str
    """`hash` of the link before, or `GENESIS`."""
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain at some moment: noted elsewhere, it vouches for all that was before."""

    station: str
    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain stops being trustworthy."""

    station: str
    number: int
    """Everything before this link stands."""
    what: str


def link_after(
    before: Head | None, station: str, kind: Kind, subject: str, content: str, time: datetime
) -> Link:
    """The link for `content`, behind `before`."""
    number = before.number + 1 if before else 1
    previous = before.hash if before else GENESIS
    digest = content_digest(content)
    value = _hash(station, number, time, kind, subject, digest, previous)
    return Link(station, number, time, kind, subject, digest, previous, value)


def content_digest(content: str) -> str:
    """SHA-256 of a record, in 64 hexadecimal digits."""
    return hashlib.sha256(content.encode()).hexdigest()


def head_of(link: Link) -> Head:
    """What to note of `link`, so that everything up to it is vouched for."""
    return Head(link.station, link.number, link.hash)


def first_break(links: Iterable[Link], noted: Head | None = None) -> Break | None:
    """The first link of one station's chain that cannot be trusted; None when all can.

    `links` in the order they are stored; `noted`: a head that was written down earlier.
    """
    before: Link | None = None
    for link, behind in _with_next(links):
        found = _fault(before, link, behind) or _against(noted, link)
        if found:
            return found
        before = link
    if noted and (before is None or before.number < noted.number):
        start = before.number + 1 if before else 1
        words = f"missing: the chain once reached {noted.number}"
        return Break(noted.station, start, words)
    return None


def _fault(before: Link | None, link: Link, behind: Link | None) -> Break | None:
    expected = before.number + 1 if before else 1
    if link.number != expected:
        what = "missing" if link.number > expected else f"out of order: {link.number} comes here"
        return Break(link.station, expected, what)
    if link.hash != _rehashed(link):
        return Break(link.station, link.number, "changed")
    if before and before.station != link.station:
        return Break(before.station, link.number, f"belongs to station {link.station}")
    if link.previous == (before.hash if before else GENESIS):
        return None
    # Each of the two is sound in itself, so one was hashed anew. The link behind knows which.
    is_known = behind is not None and behind.previous == link.hash
    number = before.number if before and (is_known or behind is None) else link.number
    return Break(link.station, number, "changed and hashed anew")


def _against(noted: Head | None, link: Link) -> Break | None:
    if noted and link.number == noted.number and link.hash != noted.hash:
        words = "not what was noted: it, or something before it, was changed and hashed anew"
        return Break(link.station, link.number, words)
    return None


def _with_next(links: Iterable[Link]) -> Iterator[tuple[Link, Link | None]]:
    current: Link | None = None
    for link in links:
        if current is not None:
            yield current, link
        current = link
    if current is not None:
        yield current, None


def _rehashed(link: Link) -> str:
    return _hash(
        link.station,
        link.number,
        link.time,
        link.kind,
        link.subject,
        link.content_sha256,
        link.previous,
    )


def _hash(
    station: str,
    number: int,
    time: datetime,
    kind: str,
    subject: str,
    content_sha256: str,
    previous: str,
) -> str:
    moment = time.astimezone(UTC).isoformat(timespec="microseconds")
    row = [previous, station, number, moment, kind, subject, content_sha256]
    return hashlib.sha256(json.dumps(row, separators=(",", ":")).encode()).hexdigest()
