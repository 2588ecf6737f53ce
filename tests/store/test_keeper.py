"""The line hands images over and never waits; a full disk stops images, and they come back."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.store.test_images import picture, small_disk  # noqa: F401

from keenline.errors import Code, OutputError, StoreError
from keenline.station.ports import ImageKeeper as Port
from keenline.store.images import ImageFolder, read_image
from keenline.store.keeper import ImageKeeper
from keenline.store.pictures import pixels_sha256
from keenline.store.policy import KeepPolicy
from keenline.store.settings import KeepSettings
from keenline.types import Image, Verdict


class Gate(ImageFolder):
    """A folder that takes files while it is open, and fails or waits while it is not."""

    def __init__(self, folder: Path, *, waits: bool = False) -> None:
        super().__init__(folder, "png", reserve_bytes=1)
        self.is_open = threading.Event()
        self._waits = waits

    def put(self, sha256: str, data: bytes) -> None:
        if self._waits:
            self.is_open.wait(10)
        elif not self.is_open.is_set():
            raise StoreError(Code.IMAGES_UNREACHABLE, "shut", got="shut")
        super().put(sha256, data)


Make = Callable[..., ImageKeeper]


@pytest.fixture
def lost() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def make(lost: list[tuple[str, str]]) -> Iterator[Make]:
    made: list[ImageKeeper] = []

    def new(place: ImageFolder, queue_bytes: int = 10**8, writers: int = 1) -> ImageKeeper:
        keeper = ImageKeeper(
            place,
            KeepPolicy(KeepSettings(pass_share=0.5)),
            kind="png",
            queue_bytes=queue_bytes,
            writers=writers,
            on_lost=lambda sha256, why: lost.append((sha256, why)),
        )
        keeper.start()
        made.append(keeper)
        return keeper

    yield new
    for keeper in made:
        keeper.close(0.1)


def put(keeper: ImageKeeper, image: Image) -> bool:
    return keeper.put(pixels_sha256(image), image)


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize("writers", [1, 3])
def test_what_was_taken_over_is_written(make: Make, tmp_path: Path, writers: int):
    place = ImageFolder(tmp_path, "png", reserve_bytes=1)
    keeper: Port = make(place, writers=writers)
    images = [picture(seed) for seed in range(40)]
    assert all(put(keeper, image) for image in images)
    assert keeper.close(10)
    assert all(np.array_equal(read_image(place, pixels_sha256(each)), each) for each in images)
    assert (keeper.state.written, keeper.state.waiting_bytes) == (40, 0)
    assert not put(keeper, picture(99))


def test_the_policy_is_asked_without_a_disk(make: Make, tmp_path: Path):
    keeper = make(ImageFolder(tmp_path, "png", reserve_bytes=1))
    assert keeper.wants(Verdict.REJECT, "x")
    assert len({keeper.wants(Verdict.PASS, str(number)) for number in range(50)}) == 2


def test_the_line_never_waits_for_a_slow_disk(make: Make, tmp_path: Path):
    place = Gate(tmp_path, waits=True)
    image = picture(1)
    keeper = make(place, queue_bytes=5 * image.nbytes)
    taken, longest = [], 0.0
    for seed in range(50):
        begun = time.perf_counter()
        taken.append(put(keeper, picture(seed)))
        longest = max(longest, time.perf_counter() - begun)
    assert sum(taken) == 5
    assert longest < 0.1  # a few milliseconds of making and hashing the picture, on a busy machine
    assert keeper.state.refused == 45
    assert keeper.state.waiting_bytes == 5 * image.nbytes
    place.is_open.set()
    assert until(lambda: keeper.state.written == 5)
    assert put(keeper, picture(60))


def test_images_stop_while_the_place_fails_and_come_back(make: Make, tmp_path: Path, lost: list):
    place = Gate(tmp_path)
    keeper = make(place)
    assert put(keeper, picture(1))
    assert until(lambda: keeper.state.trouble is not None)
    assert not put(keeper, picture(2))
    assert keeper.state.trouble is not None
    assert keeper.state.trouble.code == Code.IMAGES_UNREACHABLE
    place.is_open.set()
    assert until(lambda: keeper.state.trouble is None)
    assert put(keeper, picture(3))
    assert keeper.close(5)
    assert place.has(pixels_sha256(picture(1)))  # taken over before, so not lost
    assert not place.has(pixels_sha256(picture(2)))
    assert (keeper.state.written, keeper.state.refused, lost) == (2, 1, [])


def test_a_disk_that_is_full_and_gets_room_again(make: Make, small_disk: Path, lost: list):  # noqa: F811
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_500_000))
    place = ImageFolder(small_disk / "images", "png", reserve_bytes=250_000)
    keeper = make(place)
    images = [picture(seed, 256) for seed in range(30)]  # noise: some 197 kB each
    taken = [image for image in images if put(keeper, image) and not time.sleep(0.02)]
    assert 0 < len(taken) < 30
    assert until(lambda: keeper.state.trouble is not None)
    assert shutil.disk_usage(small_disk).free > 0
    assert keeper.state.trouble is not None
    assert "room" in keeper.state.trouble.what
    ballast.unlink()
    assert until(lambda: keeper.state.trouble is None)
    assert until(lambda: keeper.state.written == len(taken))
    assert put(keeper, picture(99, 256))
    assert keeper.close(5)
    assert lost == []
    assert all(np.array_equal(read_image(place, pixels_sha256(each)), each) for each in taken)


def test_what_cannot_be_written_at_the_end_is_said(make: Make, tmp_path: Path, lost: list):
    keeper = make(Gate(tmp_path))
    images = [picture(seed) for seed in range(5)]
    taken = [pixels_sha256(image) for image in images if put(keeper, image)]
    begun = time.monotonic()
    assert not keeper.close(0.2)
    assert time.monotonic() - begun < 5
    assert sorted(digest for digest, _ in lost) == sorted(taken)
    assert keeper.state.lost == len(taken)
    assert keeper.state.waiting_bytes == 0


def test_a_journal_in_trouble_does_not_end_the_writer(tmp_path: Path):
    def complain(sha256: str, why: str) -> None:
        raise OutputError(Code.OUTPUT_DISK_FULL, "full")

    keeper = ImageKeeper(
        Gate(tmp_path),
        KeepPolicy(KeepSettings()),
        kind="png",
        queue_bytes=10**8,
        on_lost=complain,
    )
    keeper.start()
    put(keeper, picture(1))
    assert not keeper.close(0.1)
    assert (keeper.state.lost, keeper.state.unsaid) == (1, 1)


@pytest.mark.parametrize("shape", [(0, 5, 3), (5, 5, 1), (5, 5, 4), (5, 5)])
def test_what_is_no_image_is_not_taken(make: Make, tmp_path: Path, shape: tuple[int, ...]):
    keeper = make(ImageFolder(tmp_path, "png", reserve_bytes=1))
    assert not keeper.put("0" * 64, np.zeros(shape, np.uint8))
    assert put(keeper, picture(1))
    assert keeper.close(5)
    assert keeper.state.written == 1


def test_no_thread_is_left(make: Make, tmp_path: Path):
    keeper = make(ImageFolder(tmp_path, "png", reserve_bytes=1), writers=4)
    assert keeper.close(5)
    assert [each.name for each in threading.enumerate() if each.name.startswith("images-")] == []
