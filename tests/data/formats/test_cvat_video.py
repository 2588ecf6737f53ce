"""CVAT for video: tracks, frames, and a real export."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.formats.format_contract import SHAPES, SIZE, marks_of, named, only
from tests.data.picture_files import blank

from keenline.annotation import Annotation, BoxShape, PolylineShape
from keenline.data.formats import Format
from keenline.data.labels import LabelledImage, Labels
from keenline.errors import Code, LabelError, OutputError

VIDEO: Format = named("cvat-video")
KEYS = 'keyframe="1" occluded="0" z_order="0"'
SIDES = 'xtl="1" ytl="2" xbr="4" ybr="8"'


def box(frame: object, sides: str = SIDES, outside: int = 0) -> str:
    return f'<box frame="{frame}" outside="{outside}" {KEYS} {sides}/>'


def track(*shapes: str, identity: int = 0, label: str = "scratch") -> str:
    inside = "\n".join(shapes)
    return f'<track id="{identity}" label="{label}">\n{inside}\n</track>'


def put(folder: Path, *tracks: str, head: str = "") -> Path:
    path = folder / "annotations.xml"
    inside = "\n".join(tracks)
    path.write_text(f"<annotations>\n<version>1.1</version>\n{head}\n{inside}\n</annotations>")
    return path


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for number in range(5):
        blank(folder / f"frame_{number:06d}.png", 100 + number, SIZE)
    return folder


def test_a_track_is_on_each_frame_it_states_until_it_leaves(frames, tmp_path):
    moved = SIDES.replace("1", "2")
    path = put(tmp_path, track(box(1), box(2, moved), box(3, moved, outside=1), identity=8))
    labels = VIDEO.read(path, frames)
    assert not labels.problems
    assert [(one.name, len(one.annotations)) for one in labels.images] == [
        ("frame_000001.png", 1),
        ("frame_000002.png", 1),
        ("frame_000003.png", 0),
    ]
    assert [mark.shape for mark in marks_of(labels)] == [
        BoxShape(1, 2, 3, 6),
        BoxShape(2, 2, 2, 6),
    ]
    assert {mark.source_id for mark in marks_of(labels)} == {"8"}


def test_frames_of_the_task_that_nothing_is_marked_on_are_taken(frames, tmp_path):
    head = (
        "<meta><task><mode>interpolation</mode><start_frame>0</start_frame>"
        "<stop_frame>9</stop_frame><frame_filter>step=2</frame_filter></task></meta>"
    )
    labels = VIDEO.read(put(tmp_path, track(box(2)), head=head), frames)
    assert [one.name for one in labels.images] == [f"frame_{n:06d}.png" for n in (0, 2, 4)]
    assert not labels.problems


def test_a_frame_without_its_image_is_listed(frames, tmp_path):
    labels = VIDEO.read(put(tmp_path, track(box(1), box(70))), frames)
    told = only(labels.problems, Code.LABEL_IMAGE)
    assert "frame_000070" in told.what
    assert told.line is not None
    assert len(marks_of(labels)) == 2


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (box("one"), Code.LABEL_ENTRY),
        (box(1.5), Code.LABEL_ENTRY),
        (f"<box outside='0' {SIDES}/>", Code.LABEL_ENTRY),
        (box(1, "xtl='1'"), Code.LABEL_ENTRY),
        (box(1, SIDES.replace("8", "2")), Code.LABEL_NO_AREA),
        (f'<points frame="1" {KEYS} points="1,2"/>', Code.LABEL_SHAPE),
        (f'<skeleton frame="1" {KEYS}/>', Code.LABEL_SHAPE),
        ("<circle/>", Code.LABEL_ENTRY),
    ],
)
def test_a_shape_that_says_nothing_is_listed(frames, tmp_path, bad, code):
    path = put(tmp_path, track(box(1), bad))
    labels = VIDEO.read(path, frames)
    assert only(labels.problems, code).line == path.read_text().splitlines().index(bad) + 1
    assert len(marks_of(labels)) == 1


@pytest.mark.parametrize("head", ["start", "stop"])
def test_frames_that_are_no_numbers_are_listed(frames, tmp_path, head):
    numbers = {"start": 1, "stop": 2} | {head: "late"}
    inside = "".join(f"<{key}_frame>{value}</{key}_frame>" for key, value in numbers.items())
    labels = VIDEO.read(
        put(tmp_path, track(box(1)), head=f"<meta><task>{inside}</task></meta>"), frames
    )
    assert only(labels.problems, Code.LABEL_ENTRY).line == 3
    assert len(marks_of(labels)) == 1


def test_what_it_keeps_is_read_as_it_was_written(frames, tmp_path):
    kept = sorted(set(SHAPES) - {"rings", "thick polyline", "whole image"})
    images = tuple(
        LabelledImage(
            f"frame_{number:06d}.png",
            tuple(
                Annotation("scratch", SHAPES[kind], "anna", None, str(place), (("sure", "no"),))
                for place, kind in enumerate(kept)
                if place % 4 != number
            ),
            frames / f"frame_{number:06d}.png",
            SIZE,
        )
        for number in range(5)
    )
    labels = Labels("cvat-video", images, ("scratch", "unused"))
    folder = tmp_path / "again"
    assert VIDEO.write(labels, folder) == ()
    assert VIDEO.recognises(folder)
    back = VIDEO.read(folder, frames)
    assert (back.problems, set(back.classes)) == ((), {"scratch", "unused"})
    for got, want in zip(back.images, images, strict=True):
        assert (got.name, got.path, got.size) == (want.name, want.path, want.size)
        # in the order in which the tracks begin
        assert sorted(got.annotations, key=lambda mark: mark.source_id) == list(want.annotations)


def test_what_it_cannot_say_is_told(tmp_path):
    marks = (Annotation("scratch", None), Annotation("scratch", SHAPES["rings"], "anna"))
    labels = Labels("cvat-video", (LabelledImage("a.png", marks, None, SIZE),), ("scratch",))
    told = VIDEO.write(labels, tmp_path)
    assert [problem.is_dropped for problem in told] == [False, True, True, False]
    (back,) = marks_of(VIDEO.read(tmp_path, None))
    assert back.annotator == ""


def test_images_are_not_taken_for_tracks(tmp_path):
    path = put(tmp_path, '<image id="0" name="a.png"/>')
    assert not VIDEO.recognises(path)
    with pytest.raises(LabelError, match="the format cvat"):
        VIDEO.read(path, None)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(LabelError) as caught:
        VIDEO.read(tmp_path / "absent", None)
    assert caught.value.code == Code.LABEL_FILE
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        VIDEO.write(Labels("cvat-video", (), ()), tmp_path / "file")


def test_a_real_video(shared):
    # Counted in the file: of eight shapes four are `outside`, and one of the others is of points.
    folder = shared / "data" / "formats" / "cvat" / "for_video"
    assert VIDEO.recognises(folder)
    labels = VIDEO.read(folder, None)
    assert labels.counts == {"klhg": 0, "z U k": 0, "II": 2}
    assert only(labels.problems, Code.LABEL_SHAPE).line == 79
    assert [one.name for one in labels.images] == [f"frame_0000{n}.png" for n in (10, 13, 16)]
    first, second = marks_of(labels)
    assert first.shape == BoxShape(3, 4, 7, 1)
    assert isinstance(second.shape, PolylineShape)
    assert (first.annotator, first.source_id) == ("max", "0")
