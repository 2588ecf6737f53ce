"""Label files turned into who marked what on each image."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from keenline.annotation import Annotation
from keenline.data.labels import LabelledImage, Labels
from keenline.errors import Code, LabelError


@dataclass(frozen=True, slots=True)
class Opinions:
    """Images with what each person who saw them marked."""

    seen: Mapping[str, Mapping[str, tuple[Annotation, ...]]]
    """By image and person; nothing marked is an opinion too."""
    images: Mapping[str, LabelledImage]
    """The images themselves, by the same names; their annotations are of no meaning here."""
    notes: tuple[str, ...] = ()


def of_one_file(labels: Labels, *, marked_only: bool = False) -> Opinions:
    """Tell people apart by the annotator of each mark.

    Everybody is taken to have seen every image of the file, for such files do not say who looked
    and found nothing; marked_only: only where the person marked something. Raises LabelError
    (LABEL_ANNOTATORS) when the file names fewer than two.
    """
    marks = [mark for image in labels.images for mark in image.annotations]
    people = sorted({mark.annotator for mark in marks} - {""})
    unnamed = sum(not mark.annotator for mark in marks)
    if len(people) < 2:
        raise _too_few(f"{len(marks)} marks by {people[0] if people else 'nobody named'}")
    seen = {}
    for image in labels.images:
        said: dict[str, tuple[Annotation, ...]] = {
            person: tuple(mark for mark in image.annotations if mark.annotator == person)
            for person in people
        }
        seen[image.name] = {
            person: found for person, found in said.items() if found or not marked_only
        }
    notes = []
    if unnamed:
        notes.append(f"marks without the name of who made them, left out: {unnamed}")
    if not marked_only:
        notes.append("everybody is taken to have seen every image of the file")
    return Opinions(seen, {image.name: image for image in labels.images}, tuple(notes))


def of_files(files: Sequence[tuple[str, Labels]]) -> Opinions:
    """One file a person, who saw the images the file names, also those without a mark.

    files: (name of the person, labels). Images are the same when their names are; folders in the
    names do not count where no file has two images of one name. Raises LabelError
    (LABEL_ANNOTATORS) for fewer than two people or one name twice.
    """
    names = [name for name, _ in files]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise _too_few(f"the names {', '.join(names)}")
    by_folder = any(
        max(Counter(_last(image.name) for image in labels.images).values(), default=0) > 1
        for _, labels in files
    )
    seen: defaultdict[str, dict[str, tuple[Annotation, ...]]] = defaultdict(dict)
    images: dict[str, LabelledImage] = {}
    for person, labels in files:
        for image in labels.images:
            key = image.name if by_folder else _last(image.name)
            seen[key][person] = tuple(replace(mark, annotator=person) for mark in image.annotations)
            known = images.get(key)
            if known is None or (known.path is None and image.path is not None):
                images[key] = image
    alone = sum(len(said) == 1 for said in seen.values())
    notes = (f"images that only one person saw, not compared: {alone}",) if alone else ()
    return Opinions(dict(seen), images, notes)


def _last(name: str) -> str:
    return PurePosixPath(name).name


def _too_few(got: str) -> LabelError:
    return LabelError(
        Code.LABEL_ANNOTATORS,
        "The labels are not of two or more people",
        expected="one label file that names the annotator of its marks, or a file for each person",
        got=got,
        next="name people like this: ana=ana.json ben=ben.json",
    )
