"""Labels turned into files, with a list of what the format had no words for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Literal, TypeAlias

from keenline.annotation import Annotation
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.errors import Code, OutputError

Fact: TypeAlias = Literal[
    "annotator", "time", "id", "attributes", "good", "split", "empty class", "unmarked image"
]
"""Something that labels can hold besides the classes and shapes of the marks."""


class Unsaid:
    """What a format cannot say of some labels."""

    def __init__(self, file: Path) -> None:
        """`file` is the one written, or the folder of them."""
        self._file = file
        self._problems: list[LabelProblem] = []

    def mark(
        self, image: LabelledImage, annotation: Annotation, what: str, *, is_dropped: bool
    ) -> None:
        """One mark that was left out, or written differently."""
        self.add(f"{annotation.class_name} on {image.name}: {what}", is_dropped=is_dropped)

    def add(self, what: str, *, is_dropped: bool) -> None:
        """Anything else."""
        self._problems.append(
            LabelProblem(Code.LABEL_CANNOT_SAY, self._file, None, what, is_dropped)
        )

    def facts(self, labels: Labels, said: Collection[Fact]) -> None:
        """Count those facts that the labels hold and the format does not say: one line each."""
        lost: Counter[Fact] = Counter()
        used = set()
        for image in labels.images:
            lost["good"] += image.is_good
            lost["split"] += bool(image.split)
            lost["unmarked image"] += not image.annotations
            for mark in image.annotations:
                used.add(mark.class_name)
                lost["annotator"] += bool(mark.annotator)
                lost["time"] += mark.time is not None
                lost["id"] += bool(mark.source_id)
                lost["attributes"] += bool(mark.attributes)
        lost["empty class"] = len(set(labels.classes) - used)
        for fact, count in lost.items():
            if count and fact not in said:
                self.add(_SENTENCES[fact].format(count), is_dropped=True)

    @property
    def problems(self) -> tuple[LabelProblem, ...]:
        return tuple(self._problems)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file and the folders above it. Raises OutputError."""
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise OutputError.of(error, path) from error


_SENTENCES: dict[Fact, str] = {
    "annotator": "{} marks: who made them",
    "time": "{} marks: when they were made",
    "id": "{} marks: their ids",
    "attributes": "{} marks: their attributes",
    "good": "{} images: that they are good",
    "split": "{} images: their split",
    "empty class": "{} classes without a mark",
    "unmarked image": "{} images without a mark",
}
