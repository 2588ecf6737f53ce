"""What a person types about a result turned into a review, and reviews into the store."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from keenline.errors import Code, ReviewError
from keenline.store.database import Database
from keenline.store.remarking import hold, images_kept, keep
from keenline.store.remarks import Finding, Judgement, Review, Role
from keenline.types import ANOMALY, GOOD, Box, Result

_WORDS: dict[str, Judgement] = {
    "g": "good",
    "ok": "good",
    GOOD: "good",
    "u": "unclear",
    "?": "unclear",
    "unclear": "unclear",
}
"""What people say for a part that is not defective, or of which they cannot tell."""

_FINDING = re.compile(
    r"(?P<name>[^@:+;]+)(:(?P<camera>[^@+;]+))?(@(?P<box>[0-9]+(,[0-9]+){3}))?(?P<model>\+)?"
)

FORM = "good, unclear, or CLASS[:CAMERA][@x,y,width,height][+], several joined by ;"
"""How a judgement is typed."""


def review(
    result: Result,
    said: str,
    reviewer: str,
    *,
    role: Role = "review",
    known: Collection[str] = (),
    asked: str = "",
    note: str = "",
    time: datetime | None = None,
) -> Review:
    """The review that `said` means, in the form `FORM`.

    `CAMERA` may be left out where the result has one image. `@` says where, in pixels of the image;
    `+` that the regions that the station found of this class, or as an anomaly, are where it is.
    `known`: classes that may be named; any when empty. Raises ReviewError REVIEW_SAID.
    """
    name = reviewer.strip()
    if not name:
        raise _unclear(result, "", "the name of the reviewer")
    words = said.strip()
    judgement: Judgement = _WORDS.get(words.lower(), "defect")
    findings: tuple[Finding, ...] = ()
    if judgement == "defect":
        findings = tuple(_finding(result, part, known) for part in words.split(";") if part.strip())
        if not findings:
            raise _unclear(result, words, FORM)
    return Review(
        review_id=str(uuid.uuid4()),
        result_id=result.result_id,
        station=result.station,
        time=(time or datetime.now(UTC)).astimezone(UTC),
        reviewer=name,
        role=role,
        judgement=judgement,
        findings=findings,
        asked=asked,
        note=note,
    )


def record(
    database: Database, reviews: Sequence[Review], results: Sequence[Result], holder: str
) -> int:
    """Append `reviews` to the store and hold the images of their `results`; how many were new.

    The images are held before the review stands, so that none of them can go in between.
    Raises StoreError.
    """
    hold(database, images_kept(database, results), holder)
    return keep(database, reviews)


def classes_known(results: Sequence[Result], reviews: Sequence[Review]) -> frozenset[str]:
    """The classes that bundles score and people have named."""
    scored = {name for result in results for view in result.views for name in view.class_scores}
    named = {name for review in reviews for name in review.classes}
    return frozenset(scored | named)


def said_of(review: Review) -> str:
    """`review` in the form `FORM`."""
    if review.judgement != "defect":
        return review.judgement
    words = []
    for finding in review.findings:
        name = f"{finding.class_name}:{finding.camera}"
        places = [f"{box.x},{box.y},{box.width},{box.height}" for box in finding.boxes]
        words += [f"{name}@{place}" for place in places] or [name]
    return "; ".join(words)


def _finding(result: Result, words: str, known: Collection[str]) -> Finding:
    parts = _FINDING.fullmatch(words.strip())
    if parts is None:
        raise _unclear(result, words, FORM)
    name = parts["name"].strip()
    if name in (GOOD, ANOMALY) or name.lower() in _WORDS:
        raise _unclear(result, words, "the name of a defect class")
    if known and name not in known:
        raise _unclear(result, words, f"one of {', '.join(sorted(known))}")
    cameras = [view.camera for view in result.views]
    camera = (parts["camera"] or "").strip() or (cameras[0] if len(cameras) == 1 else "")
    if camera not in cameras:
        raise _unclear(result, words, f"CLASS:CAMERA, on one of {', '.join(cameras)}")
    view = next(view for view in result.views if view.camera == camera)
    boxes: tuple[Box, ...] = ()
    if parts["box"]:
        box = Box(*map(int, parts["box"].split(",")))
        width, height = view.size
        inside = box.x + box.width <= width and box.y + box.height <= height
        if not (inside and box.width and box.height):
            raise _unclear(result, words, f"a box within the image, {width} x {height}")
        boxes = (box,)
    if parts["model"]:
        boxes += tuple(each.box for each in view.regions if each.class_name in (name, ANOMALY))
        if not boxes:
            raise _unclear(result, words, "a region of the station; it found none here")
    return Finding(name, camera, boxes)


def _unclear(result: Result, got: str, expected: str) -> ReviewError:
    return ReviewError(
        Code.REVIEW_SAID,
        "The judgement cannot be taken",
        where=f"result {result.result_id}, part {result.trigger.part_id}",
        expected=expected,
        got=got or "nothing",
    )
