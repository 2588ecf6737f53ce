"""Gathers what a format's reader finds, checks each mark, and turns all of it into `Labels`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from keenline.annotation import Annotation, Shape
from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.shape_checks import Fault, fault_of
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.reading import probe
from keenline.errors import Code, ImageError


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation and the line it stands on."""

    annotation: Annotation
    line: int | None


class LabelReading:
    """One label file, or one folder of label files, while it is read.

    A reader calls `image` for each image, `problem` for what it cannot take, and `labels` at the
    end. Marks are checked against the size of their image: see `shape_checks`.
    """

    def __init__(self, name: str, file: Path, images: ImageFiles) -> None:
        """`name` of the format; `file` is named in problems that name no other."""
        self._format = name
        self._file = file
        self._files = images
        self._images: dict[str, LabelledImage] = {}
        self._classes: dict[str, None] = {}
        self._problems: list[LabelProblem] = []

    def classes(self, names: Iterable[str]) -> None:
        """The classes in the order of the file; those of marks are added by themselves."""
        self._classes.update(dict.fromkeys(names))

    def problem(
        self,
        code: Code,
        line: int | None,
        what: str,
        *,
        file: Path | None = None,
        is_dropped: bool = True,
    ) -> None:
        self._problems.append(LabelProblem(code, file or self._file, line, what, is_dropped))

    def image(
        self,
        name: str,
        marks: Sequence[Mark] = (),
        *,
        line: int | None = None,
        file: Path | None = None,
        size: tuple[int, int] | None = None,
        is_good: bool = False,
        split: str = "",
        hint: str = "",
    ) -> None:
        """Take an image with its marks; `size` (width, height) as the label file says, in pixels.

        An image that was taken before is a problem, and only the first one counts. One that is
        not found or cannot be read keeps its marks, so that they can still be exported. Where its
        size is not the one stated, its marks would lie wrong: they are left out. `hint` is told
        with an image that is not there.
        """
        if "://" not in name:
            name = PurePosixPath(name.replace("\\", "/")).as_posix()
        if name in self._images:
            self.problem(Code.LABEL_DUPLICATE, line, f"{name} is described twice", file=file)
            return
        path, real = self._found(name, line, file, hint)
        if real is not None and size is not None and real != size:
            self.problem(
                Code.LABEL_IMAGE_SIZE,
                line,
                f"{name} is {real[0]} x {real[1]} pixels, not {size[0]} x {size[1]}: "
                f"{len(marks)} marks left out",
                file=file,
            )
            marks, is_good = (), False
        kept = self._checked(name, marks, real or size, file)
        self._classes.update(dict.fromkeys(mark.class_name for mark in kept))
        self._images[name] = LabelledImage(
            name, kept, path, real or size, is_good, SPLIT_WORDS.get(split_word(split), "")
        )

    def labels(self) -> Labels:
        return Labels(
            self._format,
            tuple(self._images.values()),
            tuple(self._classes),
            tuple(self._problems),
        )

    def _found(
        self, name: str, line: int | None, file: Path | None, hint: str
    ) -> tuple[Path | None, tuple[int, int] | None]:
        path = self._files.find(name)
        if path is None:
            self.problem(Code.LABEL_IMAGE, line, f"{name} is not there{hint}", file=file)
            return None, None
        try:
            facts = probe(path)
        except ImageError as error:
            self.problem(Code.LABEL_IMAGE, line, f"{name} cannot be read: {error.what}", file=file)
            return None, None
        return path, (facts.width, facts.height)

    def _checked(
        self, name: str, marks: Sequence[Mark], size: tuple[int, int] | None, file: Path | None
    ) -> tuple[Annotation, ...]:
        kept: list[Annotation] = []
        seen: set[tuple[str, Shape | None, str]] = set()
        for mark in marks:
            annotation = mark.annotation
            if not annotation.class_name:
                what = f"a mark on {name} bears no class"
                self.problem(Code.LABEL_CLASS, mark.line, what, file=file)
                continue
            shape, faults = fault_of(annotation.shape, size)
            for fault in faults:
                self._tell(fault, name, mark, file)
            if shape is None and annotation.shape is not None:
                continue
            same = (annotation.class_name, annotation.shape, annotation.annotator)
            if same in seen:
                what = f"{annotation.class_name} on {name}: the same mark is there twice"
                self.problem(Code.LABEL_DUPLICATE, mark.line, what, file=file)
                continue
            seen.add(same)
            kept.append(
                annotation if shape is annotation.shape else replace(annotation, shape=shape)
            )
        return tuple(kept)

    def _tell(self, fault: Fault, name: str, mark: Mark, file: Path | None) -> None:
        what = f"{mark.annotation.class_name} on {name}: {fault.what}"
        self.problem(fault.code, mark.line, what, file=file, is_dropped=fault.is_dropped)


SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "train",
    "valid": "train",
    "validation": "train",
    "test": "test",
    "testing": "test",
}
"""What files call their splits; validation images are for learning, as `train` is here."""


def split_word(name: str) -> str:
    """The word for a split in the name of a file or folder, such as `instances_val2017` or
    `obj_train_data`; empty when there is none."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((word for word in words if word in SPLIT_WORDS), "")
