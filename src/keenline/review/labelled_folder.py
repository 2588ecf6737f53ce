"""Reviews turned into a folder of labelled images that a dataset version can be made of."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keenline.annotation import CONFIRMED_MISS, Annotation, BoxShape
from keenline.data.formats.manifest_writing import write as write_manifest
from keenline.data.labels import LabelledImage, Labels
from keenline.data.new_folder import new_folder
from keenline.data.provenance import FILE as PROVENANCE
from keenline.errors import Code, OutputError, StoreError
from keenline.review.queue import confirmed_miss
from keenline.store.pictures import encode
from keenline.store.remarks import Review
from keenline.types import GOOD, Image, Result, View


@dataclass(frozen=True, slots=True)
class Written:
    """What a labelled folder holds."""

    samples: Mapping[str, int]
    """Images by their label, good included."""
    confirmed_misses: int
    """Images of defects that had passed."""
    without_image: int
    """Reviewed images that are not kept, or gone; they are not in the folder."""
    images: tuple[str, ...]
    """SHA-256 of the pixels of those that are in it."""


def write_folder(
    folder: Path,
    judged: Sequence[tuple[Result, Review]],
    read: Callable[[str], Image],
    kept: Container[str] = frozenset(),
) -> Written:
    """Write `good/`, `defect/`, `labels.manifest` and `provenance.csv` into a new folder.

    `judged`: each result with the review that counts; confirmed misses come first. `read` gives
    the image of a hash; `kept`: hashes of those that are there though their results do not say so.
    Of a defective part only the images on which a defect was named go in: of the others nobody said
    what they show. `unclear` goes nowhere. Marks name who judged and when.
    Raises OutputError, StoreError AUDIT_BROKEN for an image that is not the one that was judged.
    """
    new_folder(folder)
    ordered = sorted(judged, key=lambda pair: (not confirmed_miss(*pair), pair[1].time))
    labelled: list[LabelledImage] = []
    rows: list[dict[str, str]] = []
    written: list[str] = []
    missing = 0
    for result, review in ordered:
        for view in _shown(result, review):
            if view.image_sha256 in written:
                continue  # the same pixels, judged before with more weight
            image = _image(view, read, kept)
            if image is None:
                missing += 1
                continue
            name = f"{GOOD if review.judgement == 'good' else 'defect'}/{_name(result, view)}.png"
            _write(folder / name, image)
            marks = _marks(result, review, view)
            labelled.append(
                LabelledImage(name, marks, size=view.size, is_good=review.judgement == "good")
            )
            rows.append(_origin(name, result, review))
            written.append(view.image_sha256)
    names = sorted({mark.class_name for image in labelled for mark in image.annotations})
    if names:
        write_manifest(Labels("manifest", tuple(labelled), tuple(names)), folder)
    _write_origins(folder / PROVENANCE, rows)
    counts = Counter(
        image.annotations[0].class_name if image.annotations else GOOD for image in labelled
    )
    misses = sum(
        (CONFIRMED_MISS, "yes") in mark.attributes
        for image in labelled
        for mark in image.annotations[:1]
    )
    return Written(dict(sorted(counts.items())), misses, missing, tuple(written))


def _image(view: View, read: Callable[[str], Image], kept: Container[str]) -> Image | None:
    if not view.image_kept and view.image_sha256 not in kept:
        return None
    try:
        return read(view.image_sha256)
    except StoreError as error:
        if error.code is Code.AUDIT_BROKEN:  # another image than the one that was judged
            raise
        return None


def _shown(result: Result, review: Review) -> list[View]:
    if review.judgement == "good":
        return list(result.views)
    named = {finding.camera for finding in review.findings}
    return [view for view in result.views if view.camera in named]


def _marks(result: Result, review: Review, view: View) -> tuple[Annotation, ...]:
    attributes = [("reviewed", review.review_id), ("verdict", result.decision.verdict.value)]
    if confirmed_miss(result, review):
        attributes.append((CONFIRMED_MISS, "yes"))
    said = tuple(sorted(attributes))
    marks: list[Annotation] = []
    for finding in review.findings:
        if finding.camera != view.camera:
            continue
        shapes: list[BoxShape | None] = [
            BoxShape(box.x, box.y, box.width, box.height) for box in finding.boxes
        ]
        marks += [
            Annotation(finding.class_name, shape, review.reviewer, review.time, attributes=said)
            for shape in shapes or [None]
        ]
    return tuple(marks)


def _origin(name: str, result: Result, review: Review) -> dict[str, str]:
    day = result.trigger.time.strftime("%Y-%m-%d")
    return {
        "image": name,
        "part": f"{result.station} {result.trigger.part_id}",
        "line": result.station,
        "session": day,
        "annotator": review.reviewer,
    }


def _write_origins(file: Path, rows: Sequence[Mapping[str, str]]) -> None:
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            table = csv.DictWriter(out, ("image", "part", "line", "session", "annotator"))
            table.writeheader()
            table.writerows(rows)
    except OSError as error:
        raise OutputError.of(error, file) from error


def _write(file: Path, image: Image) -> None:
    try:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(encode(image, "png"))
    except OSError as error:
        raise OutputError.of(error, file) from error


def _name(result: Result, view: View) -> str:
    """Of a file: nothing in it comes from the line, whose part ids may hold anything."""
    return f"{result.result_id}-{result.views.index(view)}"
