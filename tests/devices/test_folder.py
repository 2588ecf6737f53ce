"""The watched folder: the contract, order, half-written files, tidying, and that none is lost."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tests.devices.camera_contract import CameraContract, CameraRig
from tests.small_parts import save_image

from keenline.devices.folder import FolderCamera, FolderSettings
from keenline.errors import CameraError, Code, FrameBroken
from keenline.types import Frame


def picture(grey: int = 100) -> np.ndarray:
    image = np.random.default_rng(grey).integers(0, 255, (24, 32, 3), np.uint8)
    image[0, 0] = grey
    return image


def drop(folder: Path, name: str, grey: int = 100) -> Path:
    """Write elsewhere, then rename, as a careful writer does."""
    path = folder / name
    hidden = folder / f".{name}"
    save_image(hidden, picture(grey))
    hidden.rename(path)
    return path


def quick(folder: Path, **options: object) -> FolderCamera:
    given = {"settle_s": 0.02, "give_up_s": 0.3, "poll_s": 0.01} | options
    return FolderCamera("in", folder, **given)  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.fixture
def inbox(tmp_path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def camera(inbox, request):
    made = quick(inbox, **getattr(request, "param", {}))
    made.open()
    made.start()
    yield made
    made.close()


class TestFolder(CameraContract):
    @pytest.fixture
    def rig(self, inbox, tmp_path):
        count = iter(range(1, 10_000))

        def produce(wanted: int) -> None:
            for _ in range(wanted):
                drop(inbox, f"part-{next(count)}.png")

        return CameraRig(
            quick(inbox),
            produce,
            absent=quick(tmp_path / "none"),
            size=(32, 24),
            keeps_waiting=True,
        )


def take(camera: FolderCamera, count: int) -> list[Frame]:
    return [camera.grab(2.0) for _ in range(count)]


def nothing_more(camera: FolderCamera, timeout_s: float = 0.1) -> bool:
    with pytest.raises(CameraError) as caught:
        camera.grab(timeout_s)
    return caught.value.code is Code.CAMERA_TIMEOUT


# Order


def test_a_part_is_named_like_its_file_and_files_come_as_a_person_counts(inbox, camera):
    for name in ("b-10.png", "b-9.png", "a.png"):
        drop(inbox, name)
    assert [frame.part_id for frame in take(camera, 3)] == ["a", "b-9", "b-10"]


@pytest.mark.parametrize("camera", [{"order": "time"}], indirect=True)
def test_files_come_in_the_order_of_their_times(inbox, camera):
    for age, name in enumerate(("c.png", "a.png", "b.png")):
        path = drop(inbox, f".{name}")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
        path.rename(inbox / name)
    assert [frame.part_id for frame in take(camera, 3)] == ["b", "a", "c"]


def test_a_burst_comes_whole_in_order_and_quickly(inbox, tmp_path):
    save_image(tmp_path / "one.png", picture())
    content = (tmp_path / "one.png").read_bytes()
    for number in range(3000):
        (inbox / f"{number}.png").write_bytes(content)
    camera = quick(inbox)
    camera.open()
    camera.start()
    started = time.monotonic()
    parts = [frame.part_id for frame in take(camera, 3000)]
    took = time.monotonic() - started
    assert nothing_more(camera)
    camera.close()
    assert parts == [str(number) for number in range(3000)]
    assert took < 20
    assert names(inbox) == []
    assert len(names(inbox / "done")) == 3000


# What is not complete


def test_a_file_that_is_still_written_is_not_read_before_its_end(inbox, tmp_path, camera):
    save_image(tmp_path / "whole.png", picture())
    content = (tmp_path / "whole.png").read_bytes()

    def write_slowly() -> None:
        with (inbox / "slow.png").open("wb", buffering=0) as file:
            for place in range(0, len(content), 200):
                file.write(content[place : place + 200])
                time.sleep(0.015)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    frame = camera.grab(5.0)
    writer.join()
    assert np.array_equal(frame.image[..., 0], picture()[..., 0])
    assert nothing_more(camera)


def test_half_a_file_holds_up_nobody_and_is_whole_once_completed(inbox, tmp_path, camera):
    save_image(tmp_path / "whole.png", picture())
    content = (tmp_path / "whole.png").read_bytes()
    (inbox / "a.png").write_bytes(content[:-300])
    drop(inbox, "b.png")
    assert camera.grab(2.0).part_id == "b"
    (inbox / "a.png").write_bytes(content)
    assert camera.grab(2.0).part_id == "a"


@pytest.mark.parametrize("content", [b"", b"not an image", None], ids=["empty", "text", "cut"])
def test_a_file_that_stays_broken_is_told_with_its_name_and_number(
    inbox, tmp_path, camera, content
):
    if content is None:
        save_image(tmp_path / "whole.png", picture())
        content = (tmp_path / "whole.png").read_bytes()[:-300]
    (inbox / "bad.png").write_bytes(content)
    drop(inbox, "good.png")
    assert camera.grab(2.0).number == 1
    started = time.monotonic()
    with pytest.raises(FrameBroken) as caught:
        camera.grab(3.0)
    assert 0.1 < time.monotonic() - started < 1.5
    assert caught.value.number == 2
    assert caught.value.part_id == "bad"
    assert "bad.png" in str(caught.value)
    assert names(inbox / "broken") == ["bad.png"]
    assert nothing_more(camera)


@pytest.mark.parametrize("camera", [{"settle_s": 0.2, "give_up_s": 0.1}], indirect=True)
def test_a_file_that_never_stops_changing_is_told_as_broken(inbox, camera):
    ended = threading.Event()

    def write_for_ever() -> None:
        with (inbox / "log.png").open("wb", buffering=0) as file:
            while not ended.wait(0.01):
                file.write(b"more")

    writer = threading.Thread(target=write_for_ever)
    writer.start()
    try:
        with pytest.raises(FrameBroken) as caught:
            camera.grab(6.0)
    finally:
        ended.set()
        writer.join()
    assert caught.value.part_id == "log"


@pytest.mark.parametrize(
    "name", [".hidden.png", "~a.png", "a.png.part", "a.tmp", "a.png~", "a.txt", "Thumbs.db"]
)
def test_names_of_unfinished_or_other_files_are_left_alone(inbox, camera, name):
    drop(inbox, "x.png").rename(inbox / name)
    assert nothing_more(camera)
    assert (inbox / name).exists()


def test_links_and_folders_are_left_alone(inbox, tmp_path, camera):
    (inbox / "folder.png").mkdir()
    (inbox / "link.png").symlink_to(drop(tmp_path, "secret.png"))
    assert nothing_more(camera)


# What becomes of a file


def test_a_file_stays_until_its_frame_has_been_taken_and_the_next_is_asked_for(inbox, camera):
    drop(inbox, "a.png")
    camera.grab(2.0)
    assert names(inbox) == ["a.png"]
    nothing_more(camera)
    assert names(inbox) == []
    assert names(inbox / "done") == ["a.png"]


def test_a_restart_inspects_no_file_twice(inbox):
    drop(inbox, "a.png")
    for expected in (1, 0):
        camera = quick(inbox)
        camera.open()
        camera.start()
        assert len(take(camera, expected)) == expected
        assert nothing_more(camera)
        camera.close()


def test_after_a_sudden_end_a_file_comes_again_rather_than_never(inbox):
    drop(inbox, "a.png")
    for _ in range(2):
        camera = quick(inbox)  # the first one is never closed, as if it was killed
        camera.open()
        camera.start()
        assert camera.grab(2.0).part_id == "a"
    camera.close()


@pytest.mark.parametrize("camera", [{"after": "delete"}], indirect=True)
def test_files_may_be_deleted_but_broken_ones_are_kept(inbox, camera):
    drop(inbox, "a.png")
    (inbox / "b.png").write_bytes(b"nothing")
    camera.grab(2.0)
    with pytest.raises(FrameBroken):
        camera.grab(2.0)
    assert names(inbox) == []
    assert names(inbox / "broken") == ["b.png"]
    assert not (inbox / "done").exists()


@pytest.mark.parametrize("camera", [{"after": "leave"}], indirect=True)
def test_files_may_be_left_and_come_once_also_after_a_new_start(inbox, camera):
    drop(inbox, "a.png")
    (inbox / "b.png").write_bytes(b"nothing")
    camera.grab(2.0)
    with pytest.raises(FrameBroken):
        camera.grab(2.0)
    camera.stop()
    camera.start()
    assert nothing_more(camera, 0.5)
    assert names(inbox) == ["a.png", "b.png"]
    drop(inbox, "a.png", grey=7)
    assert camera.grab(2.0).image[0, 0, 0] == 7


def test_a_name_used_again_is_another_part_and_replaces_nothing(inbox, camera):
    for grey in (1, 2, 3):
        drop(inbox, "same.png", grey)
        assert camera.grab(2.0).image[0, 0, 0] == grey
        nothing_more(camera)
    assert len(names(inbox / "done")) == 3


def test_a_file_written_anew_before_it_was_put_away_is_not_put_away_unseen(inbox, camera):
    drop(inbox, "same.png", 1)
    camera.grab(2.0)
    drop(inbox, "same.png", 2)
    assert camera.grab(2.0).image[0, 0, 0] == 2


# Faults


def test_a_folder_that_vanishes_is_a_camera_that_is_gone_and_may_come_back(inbox, tmp_path, camera):
    inbox.rename(tmp_path / "elsewhere")
    with pytest.raises(CameraError) as caught:
        camera.grab(1.0)
    assert caught.value.code is Code.CAMERA_GONE
    camera.close()
    with pytest.raises(CameraError, match="KL5100"):
        camera.open()
    (tmp_path / "elsewhere").rename(inbox)
    camera.open()
    camera.start()
    drop(inbox, "a.png")
    assert camera.grab(2.0).part_id == "a"


def test_a_file_that_cannot_be_put_away_stops_the_camera_and_comes_only_once(inbox, camera):
    drop(inbox, "a.png")
    camera.grab(2.0)
    (inbox / "done").rmdir()
    (inbox / "done").write_text("in the way")
    with pytest.raises(CameraError) as caught:
        camera.grab(1.0)
    assert caught.value.code is Code.CAMERA_GONE
    camera.close()
    with pytest.raises(CameraError, match="KL5104"):
        camera.open()
    (inbox / "done").unlink()
    camera.open()
    camera.start()
    assert nothing_more(camera)


def test_a_file_that_is_taken_away_before_it_is_read_is_nobodys(inbox):
    camera = quick(inbox, settle_s=0.0, poll_s=60.0)
    camera.open()
    camera.start()
    drop(inbox, "a.png")
    drop(inbox, "b.png")
    assert camera.grab(1.0).part_id == "a"
    (inbox / "b.png").unlink()
    assert nothing_more(camera)
    camera.close()


def test_sixteen_bits_are_scaled_as_the_settings_say(inbox):
    from PIL import Image as PillowImage

    PillowImage.fromarray(np.full((24, 32), 4095, np.uint16)).save(inbox / "deep.png")
    camera = FolderSettings(
        name="in", kind="folder", folder=str(inbox), settle_ms=0, bit_depth=12
    ).build()
    camera.open()
    camera.start()
    assert (camera.grab(2.0).image == 255).all()
    camera.close()
