"""What a label file says: images with their annotations, and everything that was not taken."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from keenline.annotation import Annotation
from keenline.errors import Code


@dataclass(frozen=True, slots=True)
class LabelProblem:
    """One thing in a label file that was not taken as it stands."""

    code: Code
    """One of the LABEL_ codes (docs/errors.md)."""
    file: Path
    line: int | None
    """In the file, from 1; None for the file as a whole and for binary files."""
    what: str
    """One sentence, with the image and the value it is about."""
    is_dropped: bool = True
    """False: taken, but changed as the sentence says (a polygon clipped to its image)."""

    def __str__(self) -> str:
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.what}"


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image as a label file describes it."""

    name: str
    """As the file names it, with forward slashes; each once in `Labels`."""
    annotations: tuple[Annotation, ...]
    """Empty: the file names the image and marks nothing on it."""
    path: Path | None = None
    """Where the image was found; None when it was not, which is a problem on the list too."""
    size: tuple[int, int] | None = None
    """Width and height in pixels: the image's own where it was found, else what the file says."""
    is_good: bool = False
    """The file says outright that the part is good (a normal image of a manifest)."""
    split: str = ""
    """`train` or `test` (also for the words val, valid and validation: `train`) as the file says;
    else empty."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Everything one label file or folder of label files says."""

    format: str
    """Name of the format it was read by, or is to be written as."""
    images: tuple[LabelledImage, ...]
    """In the order of the file."""
    classes: tuple[str, ...]
    """Each class named by the file, also where nothing bears it; in the file's order."""
    problems: tuple[LabelProblem, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Annotations of each class, classes without any included, in the order of `classes`."""
        found = Counter(mark.class_name for image in self.images for mark in image.annotations)
        return {name: found[name] for name in self.classes}
