"""CVAT for video 1.1, an XML file of tracks, turned into labels of frames and back."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, SubElement

from keenline.data.formats.cvat_meta import Meta, Task, head_of, kind_of, meta_of, root_of
from keenline.data.formats.cvat_shapes import (
    NO_AREA,
    SHAPES,
    annotation_of,
    document,
    element_of,
    label_list,
    sayable,
)
from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.label_files import image_files, label_files, read_each
from keenline.data.formats.positions import line_of
from keenline.data.formats.reading import LabelReading, Mark
from keenline.data.formats.values import BadValue, whole
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.errors import Code

NAME = "cvat-video"
FILE = "annotations.xml"
"""What is written."""


def recognises(path: Path) -> bool:
    """Whether it is, or holds, an XML file of `<annotations>` with tracks."""
    return any(map(_is_ours, label_files(path, {".xml"}, _is_ours)))


def read(path: Path, images: Path | None) -> Labels:
    """Read one XML file, or all in a folder; see `Format.read`.

    Frames are named as CVAT exports them, `frame_000010` for the tenth of the whole video. One
    that nothing was marked on is taken where its image is found. A shape holds from its frame to
    the next that the file states, and the file states each one, so nothing is interpolated here;
    what lies `outside` is not there. The id of a track is the mark's.
    """
    found = image_files(path, images)
    reading = LabelReading(NAME, path, found)
    read_each(
        label_files(path, {".xml"}, _is_ours),
        path,
        reading,
        lambda file, held: _read_file(file, held, found),
    )
    return reading.labels()


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `annotations.xml`; see `Format.write`.

    Marks with the same id and class are one track. Images that are not named as frames of a video
    are named so, after those that are.
    """
    file = folder / FILE
    unsaid = Unsaid(file)
    unsaid.facts(labels, {"annotator", "id", "attributes", "empty class", "unmarked image"})
    frames = _numbered(labels.images, unsaid)
    people = {mark.annotator for image in labels.images for mark in image.annotations}
    if len(people) > 1:
        unsaid.add(f"which of {len(people)} people made a mark", is_dropped=True)
    tracks: dict[tuple[str, str, int], Element] = {}
    attributes: dict[str, set[str]] = {name: set() for name in labels.classes}
    for number, image in sorted(frames.items()):
        for mark in image.annotations:
            attributes.setdefault(mark.class_name, set()).update(dict(mark.attributes))
            if mark.shape is None:
                unsaid.mark(image, mark, "a video's frame has no class", is_dropped=True)
                continue
            drawn = element_of(mark, sayable(image, mark, unsaid))
            drawn.attrib |= {"frame": str(number), "outside": "0", "keyframe": "1"}
            key = (mark.class_name, mark.source_id, 0 if mark.source_id else len(tracks))
            if key not in tracks:
                identity = {"id": mark.source_id} if mark.source_id else {}
                tracks[key] = Element("track", identity, label=mark.class_name)
            tracks[key].append(drawn)
    for track in tracks.values():
        _end(track, max(frames))
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    covered = range(min(frames), max(frames) + 1) if frames else None
    who = people.pop() if len(people) == 1 else ""
    root.append(head_of(label_list(attributes), "interpolation", [(who, "")], covered))
    root.extend(tracks.values())
    write_file(file, document(root))
    return unsaid.problems


def _read_file(file: Path, reading: LabelReading, found: ImageFiles) -> None:
    root = root_of(file, "video")
    meta = meta_of(root, reading, file)
    reading.classes(meta.classes)
    frames = _Frames(reading, file, meta)
    for track in root.findall("track"):
        frames.take(track)
    for task in meta.tasks.values():
        frames.shown.update((task.subset, number) for number in task.frames)
    for subset, number in sorted({*frames.marks, *frames.shown}):
        stem = _frame_name(number)
        image = found.stem(stem)
        held = frames.marks.get((subset, number), [])
        if image is None and not held:
            continue
        name = stem if image is None else image.name
        reading.image(
            f"{subset}/{name}" if subset and len(meta.tasks) > 1 else name,
            held,
            line=held[0].line if held else None,
            file=file,
            size=meta.size,
            split=subset,
        )


class _Frames:
    """The marks of one file by subset and frame."""

    def __init__(self, reading: LabelReading, file: Path, meta: Meta) -> None:
        self._reading = reading
        self._file = file
        self._meta = meta
        self.marks: defaultdict[tuple[str, int], list[Mark]] = defaultdict(list)
        self.shown: set[tuple[str, int]] = set()
        """Frames that were looked at, marked or not."""

    def take(self, track: Element) -> None:
        task = self._meta.task(track.get("task_id"))
        class_name = self._meta.class_of(track, self._reading, self._file)
        for element in track:
            line = line_of(element)
            if element.tag not in {*SHAPES, *NO_AREA}:
                self._tell(Code.LABEL_ENTRY, line, f"<{element.tag}> is not known")
                continue
            try:
                frame = track.get("subset") or task.subset, whole(element.attrib, "frame")
                self._place(element, frame, class_name, task, track.get("id", ""))
            except BadValue as bad:
                what = f"a {element.tag} of {class_name}, track {track.get('id')}: {bad}"
                self._tell(Code.LABEL_ENTRY, line, what)

    def _place(
        self, element: Element, frame: tuple[str, int], class_name: str, task: Task, track: str
    ) -> None:
        self.shown.add(frame)
        if element.get("outside") == "1":
            return
        line = line_of(element)
        if element.tag in NO_AREA:
            what = f"{class_name} on {_frame_name(frame[1])}: <{element.tag}> marks no area"
            self._tell(Code.LABEL_SHAPE, line, what)
            return
        annotation = annotation_of(element, class_name, task.annotator, track)
        self.marks[frame].append(Mark(annotation, line))

    def _tell(self, code: Code, line: int, what: str) -> None:
        self._reading.problem(code, line, what, file=self._file)


def _numbered(images: Sequence[LabelledImage], unsaid: Unsaid) -> dict[int, LabelledImage]:
    """Each image by its frame number; those without one follow the others."""
    numbered: dict[int, LabelledImage] = {}
    others = []
    for image in images:
        named = _FRAME.fullmatch(PurePosixPath(image.name).stem)
        if named and int(named[1]) not in numbered:
            numbered[int(named[1])] = image
        else:
            others.append(image)
    for number, image in enumerate(others, max(numbered, default=-1) + 1):
        unsaid.add(f"{image.name} is named {_frame_name(number)}", is_dropped=False)
        numbered[number] = image
    return numbered


def _end(track: Element, last: int) -> None:
    """Say where a track is interrupted, or else CVAT shows its shape until it changes."""
    shapes = list(track)
    for place, shape in enumerate(shapes):
        after = int(shape.get("frame", "0")) + 1
        following = shapes[place + 1] if place + 1 < len(shapes) else None
        if after <= last and (following is None or int(following.get("frame", "0")) > after):
            gone = Element(shape.tag, shape.attrib | {"frame": str(after), "outside": "1"})
            track.insert(list(track).index(shape) + 1, gone)


def _frame_name(number: int) -> str:
    return f"frame_{number:06d}"


def _is_ours(file: Path) -> bool:
    return kind_of(file) == "video"


_FRAME = re.compile(r"frame_(\d+)")
