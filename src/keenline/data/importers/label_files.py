"""Images with label files of an annotation tool turned into a draft."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from keenline.annotation import Annotation
from keenline.data.formats import FORMATS, Format
from keenline.data.importers.draft import Draft, Entry
from keenline.data.importers.listing import Listing
from keenline.data.labels import LabelProblem, Labels
from keenline.data.naming import means_good
from keenline.data.rasterise import bounds
from keenline.errors import Code, DatasetError
from keenline.types import GOOD

NAME = "label files"
EXAMPLE = """\
images/a.png
labels.json           (COCO, Pascal VOC, YOLO, LabelMe, CVAT, Labelbox, VIA, a manifest, ...)
good/b.png            (images that no label file names count where their folder is called good)"""

_MARK_LOST = frozenset(
    {
        Code.LABEL_ENTRY,
        Code.LABEL_SHAPE,
        Code.LABEL_IMAGE_SIZE,
        Code.LABEL_CLASS,
        Code.LABEL_OUTSIDE,
        Code.LABEL_NO_AREA,
    }
)
"""Problems by which an image loses a mark that somebody made on it."""

_FOLDERS_OF_MASKS = "masks"  # the format whose folders the layouts of masks read themselves


def read(files: Listing) -> Draft | None:
    """Read the first format that recognises the folder; None if none does, or nothing is marked.

    An image that its label file names without any mark is taken for a good part: that is how
    tools say so. One that lost its marks is not: somebody saw a defect there. Raises LabelError
    when the label file is broken.
    """
    found = format_of(files.root)
    if found is None:
        return None
    labels = found.read(files.root, None)
    if not any(image.annotations for image in labels.images):
        return None
    return draft(labels, files)


def format_of(place: Path) -> Format | None:
    """The format of a label file, or of the label files in a folder; None if none recognises it."""
    formats = (known for known in FORMATS if known.name != _FOLDERS_OF_MASKS)
    return next((known for known in formats if known.recognises(place)), None)


def draft(labels: Labels, files: Listing) -> Draft:
    """What label files say of the images of a folder."""
    doubtful = _doubtful(labels)
    entries = [
        Entry(
            PurePosixPath(image.path.relative_to(files.root).as_posix()),
            main_class(image.annotations) if image.annotations else GOOD,
            split=image.split,
            marks=image.annotations,
        )
        for image in labels.images
        if image.path is not None and image.path.is_relative_to(files.root)
    ]
    named = {entry.image for entry in entries}
    lost = {
        PurePosixPath(image.path.relative_to(files.root).as_posix())
        for image in labels.images
        if image.name in doubtful
        and image.path is not None
        and image.path.is_relative_to(files.root)
    }
    entries = [entry for entry in entries if entry.image not in lost]
    good = [
        image
        for image in files.images
        if image not in named and any(means_good(part) for part in image.parts[:-1])
    ]
    left = len(files.images) - len(named) - len(good)
    unmarked = sum(
        not image.annotations and not image.is_good and image.name not in doubtful
        for image in labels.images
    )
    entries += [Entry(image, GOOD) for image in good]
    notes = [f"label files: {labels.format}"]
    if unmarked:
        notes.append(f"images without any mark in their label file, taken for good: {unmarked}")
    if left:
        notes.append(f"images that no label file names, left out: {left}")
    empty = [name for name, number in labels.counts.items() if not number]
    if empty:
        notes.append(f"classes that no image bears: {', '.join(empty)}")
    notes += [str(problem) for problem in labels.problems if not problem.is_dropped]
    dropped = (problem for problem in labels.problems if problem.is_dropped)
    skipped = (
        *(_skipped(problem, files.root) for problem in dropped),
        *((image, _undecided(image)) for image in sorted(lost)),
    )
    return Draft(entries, tuple(notes), skipped)


def main_class(marks: tuple[Annotation, ...]) -> str:
    """The class an image is counted under: the one whose marks reach over the largest area."""
    areas: defaultdict[str, float] = defaultdict(float)
    for mark in marks:
        if mark.shape is None:
            areas[mark.class_name] += 0.0
        else:
            left, top, right, bottom = bounds(mark.shape)
            areas[mark.class_name] += (right - left) * (bottom - top)
    return max(areas, key=lambda name: (areas[name], name))


def _doubtful(labels: Labels) -> set[str]:
    """Names of the images without a mark that may have lost one.

    A problem says which image it is about in its sentence, or by its file where each image has one.
    Where neither tells, every image without a mark may be meant: none of them is then good.
    """
    unmarked = [image.name for image in labels.images if not image.annotations]
    known = [image.name for image in labels.images]
    found: set[str] = set()
    for problem in labels.problems:
        if problem.is_dropped and problem.code in _MARK_LOST:
            meant = {name for name in known if _is_about(problem, name)}
            found |= meant or set(unmarked)
    return found.intersection(unmarked)


def _is_about(problem: LabelProblem, name: str) -> bool:
    path = PurePosixPath(name)
    return path.name in problem.what or path.stem == problem.file.stem


def _undecided(image: PurePosixPath) -> DatasetError:
    return DatasetError(
        Code.LABEL_ENTRY,
        "Whether this image is good cannot be told, because what was marked on it was not taken",
        where=image,
        next="correct the mark that is listed, or remove it where the part is good",
    )


def _skipped(problem: LabelProblem, root: Path) -> tuple[PurePosixPath, DatasetError]:
    file = problem.file
    path = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
    where = path.as_posix() if problem.line is None else f"{path.as_posix()}:{problem.line}"
    return PurePosixPath(path.as_posix()), DatasetError(problem.code, problem.what, where=where)
