"""The head of CVAT's XML turned into classes, people and frames, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element, SubElement

from keenline.data.formats.label_files import not_this_format
from keenline.data.formats.positions import line_of, read_xml
from keenline.data.formats.reading import LabelReading
from keenline.data.formats.values import BadValue, number
from keenline.errors import Code


@dataclass(frozen=True, slots=True)
class Task:
    """What the head says of one task."""

    annotator: str = ""
    """Its assignee, or else its owner; empty where neither is named."""
    subset: str = ""
    frames: range = range(0)
    """Of the video, as numbers in the whole of it."""


@dataclass(frozen=True, slots=True)
class Meta:
    """The head of one file."""

    classes: tuple[str, ...]
    tasks: Mapping[str, Task]
    """By id."""
    size: tuple[int, int] | None
    """Width and height of a video, pixels."""

    def task(self, identity: str | None) -> Task:
        """The task with this id; where the file holds only one, that one."""
        if identity is not None and identity in self.tasks:
            return self.tasks[identity]
        return next(iter(self.tasks.values())) if len(self.tasks) == 1 else Task()

    def class_of(self, element: Element, reading: LabelReading, file: Path) -> str:
        """An element's label; one that the head does not name is put on the list."""
        name = element.get("label", "")
        if name and self.classes and name not in self.classes:
            what = f"the class {name} is not in the file's list of labels"
            reading.problem(Code.LABEL_CLASS, line_of(element), what, file=file, is_dropped=False)
        return name


def kind_of(file: Path) -> Literal["images", "video"] | None:
    """Which of the two kinds of CVAT's XML a file is; None when it is neither."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    if not _ROOT.search(content, 0, 4096):
        return None
    tracks, images = b"<track" in content, b"<image" in content
    is_video = (tracks or b"<mode>interpolation" in content) and not images
    return "video" if is_video else "images"


def root_of(file: Path, kind: Literal["images", "video"]) -> Element:
    """The root of a file of this kind. Raises LabelError (LABEL_FILE) for any other file."""
    root = read_xml(file)
    if root.tag != "annotations":
        raise not_this_format(file, f"XML of <{root.tag}>")
    if kind_of(file) != kind:
        other = "cvat-video" if kind == "images" else "cvat"
        raise not_this_format(file, f"a file of the format {other}")
    return root


def meta_of(root: Element, reading: LabelReading, file: Path) -> Meta:
    """What the head of a file says; frame numbers that are none are put on the list."""
    meta = root.find("meta")
    if meta is None:
        return Meta((), {}, None)
    # CVAT wrote <task>, later <task> or <project><tasks><task>, and <job> where one was exported
    tasks = [*meta.iter("task"), *meta.iter("job")]
    names = [name.text or "" for labels in meta.iter("labels") for name in _names(labels)]
    read = {}
    for place, task in enumerate(tasks):
        try:
            frames = _frames(task)
        except BadValue as bad:
            reading.problem(Code.LABEL_ENTRY, line_of(task), f"frames: {bad}", file=file)
            frames = range(0)
        who = _user(task, "assignee") or _user(task, "owner")
        read[task.findtext("id") or f"#{place}"] = Task(who, task.findtext("subset") or "", frames)
    size = next(meta.iter("original_size"), None)
    return Meta(tuple(dict.fromkeys(filter(None, names))), read, _size(size))


def head_of(
    labels: Element, mode: str, tasks: Sequence[tuple[str, str]], frames: range | None = None
) -> Element:
    """The head of a file: one task for each (annotator, subset), with ids from 1."""
    meta = Element("meta")
    project = SubElement(meta, "project") if len(tasks) > 1 else None
    held = meta if project is None else SubElement(project, "tasks")
    for place, (annotator, subset) in enumerate(tasks, 1):
        task = SubElement(held, "task")
        SubElement(task, "id").text = str(place)
        SubElement(task, "mode").text = mode
        if subset:
            SubElement(task, "subset").text = subset
        if frames:
            SubElement(task, "start_frame").text = str(frames[0])
            SubElement(task, "stop_frame").text = str(frames[-1])
            SubElement(task, "frame_filter").text = f"step={frames.step}"
        SubElement(SubElement(task, "assignee"), "username").text = annotator
        if project is None:
            task.append(labels)
    if project is not None:
        project.append(labels)
    return meta


def _names(labels: Element) -> list[Element]:
    return [name for label in labels.findall("label") for name in label.findall("name")]


def _user(task: Element, part: str) -> str:
    return (task.findtext(f"{part}/username") or "").strip()


def _frames(task: Element) -> range:
    held = {key: task.findtext(key) for key in ("start_frame", "stop_frame")}
    if not all(held.values()):
        return range(0)
    step = _STEP.search(task.findtext("frame_filter") or "")
    start, stop = (int(number(held, key)) for key in held)
    return range(start, stop + 1, int(step[1]) if step else 1)


def _size(element: Element | None) -> tuple[int, int] | None:
    if element is None:
        return None
    sides = [(element.findtext(side) or "").strip() for side in ("width", "height")]
    return (int(sides[0]), int(sides[1])) if all(side.isdecimal() for side in sides) else None


_ROOT = re.compile(rb"<annotations[\s>]")
_STEP = re.compile(r"step\s*=\s*([1-9]\d*)")
