"""Objects and classifications of Labelbox, as all of its exports nest them, turned into marks.

Labelbox documentation, "Export image annotations" and "Import image annotations", looked up in
2026. Coordinates are continuous with (0, 0) at the outer corner, as here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from keenline.annotation import Annotation, BoxShape, PolygonShape, PolylineShape, Shape
from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.positions import JsonObject
from keenline.data.formats.reading import Mark
from keenline.data.formats.values import (
    BadValue,
    number,
    ring,
    shown,
    sorted_attributes,
    text,
    xy_points,
)
from keenline.data.rasterise import shape_of
from keenline.data.reading import probe, read_mask
from keenline.errors import Code, ImageError

QUESTION = "question"
"""The attribute that holds which question a class of a whole image answers."""
CLASS = "class"
"""A question that is not kept, since the answer is the class: what is written here."""


@dataclass(frozen=True, slots=True)
class Said:
    """Where, by whom and when marks were made."""

    image: str
    annotator: str
    time: datetime | None
    tell: Callable[[Code, int | None, str], None]
    """Puts what is left out on the list: its code, line and a sentence."""
    masks: ImageFiles


def marks_of(label: Mapping[str, object], said: Said, line: int) -> list[Mark]:
    """The marks of `{"objects": [...], "classifications": [...]}`."""
    marks = []
    for held in _objects(label.get("objects"), said, line):
        marks += object_marks(held, said)
    for held in _objects(label.get("classifications"), said, line):
        marks += classification_marks(held, said)
    return marks


def object_marks(held: JsonObject, said: Said) -> list[Mark]:
    """The mark of one object, or none where that is put on the list."""
    try:
        name = name_of(held)
        shape = _shape(held, name, said)
        answers = _answers_in(held.get("classifications"))
    except BadValue as bad:
        said.tell(Code.LABEL_ENTRY, held.line, f"an object on {said.image}: {bad}")
        return []
    if shape is None:
        return []
    return [Mark(_annotation(name, shape, held, answers, said), held.line)]


def classification_marks(held: JsonObject, said: Said) -> list[Mark]:
    """The classes of a whole image that one question gives it."""
    try:
        question = name_of(held)
        chosen, written = _answers(held)
        if written:
            what = f"{question} of {said.image} is free text, no class: {shown(written)}"
            said.tell(Code.LABEL_ENTRY, held.line, what)
        marks = []
        for answer in chosen:
            more = _answers_in(answer.get("classifications"))
            if question != CLASS:
                more = [(QUESTION, question), *more]
            annotation = _annotation(name_of(answer), None, held, more, said)
            marks.append(Mark(annotation, held.line))
    except BadValue as bad:
        said.tell(Code.LABEL_ENTRY, held.line, f"a classification of {said.image}: {bad}")
        return []
    return marks


def name_of(held: Mapping[str, object]) -> str:
    """The name of a class, question or answer, or else its id. Raises BadValue."""
    for key in ("title", "name", "value", "schemaId", "schema_id"):
        if isinstance(found := held.get(key), str) and found:
            return found
    raise BadValue("it has no name")


def _shape(held: JsonObject, name: str, said: Said) -> Shape | None:
    box = held.get("bbox", held.get("bounding_box"))
    if isinstance(box, dict):
        sides = (number(box, key) for key in ("left", "top", "width", "height"))
        return BoxShape(*sides)
    if "polygon" in held:
        return PolygonShape((ring(xy_points(held["polygon"], "polygon")),))
    if "line" in held:
        return PolylineShape(xy_points(held["line"], "line"))
    if "point" in held:
        said.tell(Code.LABEL_SHAPE, held.line, f"{name} on {said.image}: a point marks no area")
        return None
    mask = held.get("mask")
    address = mask.get("url", mask.get("instanceURI")) if isinstance(mask, dict) else None
    address = address or held.get("instanceURI")
    if isinstance(address, str):
        return _mask(address, name, said, held.line)
    if isinstance(mask, dict) or {"segments", "frames"} & held.keys():
        kind = "a mask without an address" if isinstance(mask, dict) else "a track of a video"
        said.tell(Code.LABEL_SHAPE, held.line, f"{name} on {said.image}: {kind} is not read")
        return None
    raise BadValue("there is no box, polygon, line or mask")


def _mask(address: str, name: str, said: Said, line: int) -> Shape | None:
    path = said.masks.find(address)
    if path is None:
        place = address.partition("?")[0]
        what = f"{name} on {said.image}: its mask is not there, only at {place}"
        said.tell(Code.LABEL_SHAPE, line, what)
        return None
    try:
        size = _size(said.masks.find(said.image) or path)
        pixels = read_mask(path, size)
    except ImageError as error:
        code = Code.LABEL_IMAGE
        if error.code == Code.MASK_SIZE:
            code = Code.LABEL_IMAGE_SIZE
        said.tell(code, line, f"{name} on {said.image}: {path.name}: {error.what}")
        return None
    if not pixels.any():
        said.tell(Code.LABEL_NO_AREA, line, f"{name} on {said.image}: an empty mask")
        return None
    return shape_of(pixels)


def _size(path: Path) -> tuple[int, int]:
    facts = probe(path)
    return facts.width, facts.height


def _annotation(
    name: str,
    shape: Shape | None,
    held: Mapping[str, object],
    answers: list[tuple[str, str]],
    said: Said,
) -> Annotation:
    identity = next(
        (text(held[key]) for key in ("feature_id", "featureId", "uuid") if held.get(key)), ""
    )
    joined: dict[str, str] = {}
    for question, answer in answers:
        joined[question] = f"{joined[question]}, {answer}" if question in joined else answer
    if "confidence" in held:
        joined["confidence"] = text(held["confidence"])
    attributes = sorted_attributes(joined.items())
    return Annotation(name, shape, said.annotator, said.time, identity, attributes)


def _answers_in(held: object) -> list[tuple[str, str]]:
    """Questions and answers of a list of classifications, however deeply nested."""
    found: list[tuple[str, str]] = []
    for one in held if isinstance(held, list) else ():
        if isinstance(one, list):
            found += _answers_in(one)
        elif isinstance(one, dict):
            question = name_of(one)
            chosen, written = _answers(one)
            if written:
                found.append((question, written))
            for answer in chosen:
                found.append((question, name_of(answer)))
                found += _answers_in(answer.get("classifications"))
    return found


def _answers(held: Mapping[str, object]) -> tuple[list[Mapping[str, object]], str]:
    """The chosen answers of one classification, or else its free text."""
    for key in ("answer", "answers", "radio_answer", "checklist_answers", "text_answer"):
        answer = held.get(key)
        if isinstance(answer, str):
            return [], answer
        if key == "text_answer" and isinstance(answer, dict):
            return [], text(answer.get("content"))
        if isinstance(answer, dict):
            return [answer], ""
        if isinstance(answer, list):
            if not all(isinstance(one, dict) for one in answer):
                raise BadValue(f"its answer is {shown(answer)}")
            return answer, ""
    raise BadValue("there is no answer")


def _objects(held: object, said: Said, line: int) -> Iterator[JsonObject]:
    if held is not None and not isinstance(held, list):
        said.tell(Code.LABEL_ENTRY, line, f"objects of {said.image} are {shown(held)}")
        return
    for one in held or ():
        if isinstance(one, JsonObject):
            yield one
        else:
            said.tell(Code.LABEL_ENTRY, line, f"an object on {said.image} is {shown(one)}")
