"""Places of images keep what they are given, whole, and give back nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.peers.s3 import S3, new_bucket, s3_server  # noqa: F401

from keenline.errors import Code, StoreError
from keenline.store.images import ImageFolder, ImagePlace, read_image
from keenline.store.pictures import encode, pixels_sha256
from keenline.store.s3 import S3Bucket
from keenline.types import Image


def picture(seed: int, size: int = 64) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ImagePlace]:
    made: ImagePlace
    if request.param == "folder":
        made = ImageFolder(tmp_path / "images", "png", reserve_bytes=1)
    else:
        server: S3 = request.getfixturevalue("s3_server")
        made = S3Bucket(new_bucket(server, tmp_path), tmp_path / "spool")
    made.open()
    yield made
    made.close()


class TestPlace:
    """The contract: the same for a folder and a bucket."""

    def test_what_is_put_can_be_had(self, place: ImagePlace):
        image = picture(1)
        digest = pixels_sha256(image)
        assert not place.has(digest)
        place.put(digest, encode(image, "png"))
        place.put(digest, encode(image, "png"))
        assert place.has(digest)
        assert place.has_room()
        assert np.array_equal(read_image(place, digest), image)

    def test_what_was_deleted_is_gone(self, place: ImagePlace):
        image = picture(2)
        digest = pixels_sha256(image)
        place.put(digest, encode(image, "png"))
        place.delete(digest)
        place.delete(digest)
        assert not place.has(digest)
        with pytest.raises(StoreError) as caught:
            place.get(digest)
        assert caught.value.code == Code.IMAGES_UNREACHABLE

    def test_another_image_in_its_place_is_noticed(self, place: ImagePlace):
        digest = pixels_sha256(picture(3))
        place.put(digest, encode(picture(4), "png"))
        with pytest.raises(StoreError) as caught:
            read_image(place, digest)
        assert caught.value.code == Code.AUDIT_BROKEN
        assert digest in str(caught.value)

    def test_a_torn_file_is_noticed(self, place: ImagePlace):
        image = picture(5)
        digest = pixels_sha256(image)
        place.put(digest, encode(image, "png")[:-2000])
        with pytest.raises(StoreError) as caught:
            read_image(place, digest)
        assert caught.value.code == Code.AUDIT_BROKEN


def test_files_are_by_the_hash_and_nothing_else_is_left(tmp_path: Path):
    place = ImageFolder(tmp_path, "tiff", reserve_bytes=1)
    place.open()
    image = picture(6)
    digest = pixels_sha256(image)
    place.put(digest, encode(image, "tiff"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / digest[:2] / f"{digest[2:]}.tif"]
    assert list(place.contents()) == [(digest, files[0].stat().st_size)]
    # A station that was changed to PNG still finds what was written before.
    assert np.array_equal(read_image(ImageFolder(tmp_path, "png", reserve_bytes=1), digest), image)


def test_what_a_sudden_end_left_is_cleared_later(tmp_path: Path):
    place = ImageFolder(tmp_path, "png", reserve_bytes=1)
    place.open()
    left, new = tmp_path / "partial" / "left", tmp_path / "partial" / "new"
    left.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(left, (1, 1))
    place.open()
    assert [path.name for path in (tmp_path / "partial").iterdir()] == ["new"]
    assert list(place.contents()) == []


def test_less_than_the_reserve_is_no_room(tmp_path: Path):
    free = shutil.disk_usage(tmp_path).free
    assert not ImageFolder(tmp_path, "png", reserve_bytes=2 * free).has_room()
    assert ImageFolder(tmp_path, "png", reserve_bytes=free // 2).has_room()


def test_a_place_that_cannot_be_made_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as caught:
        ImageFolder(tmp_path / "file" / "images", "png", reserve_bytes=1).open()
    assert caught.value.code == Code.IMAGES_UNREACHABLE


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_no_part_of_a_file(small_disk: Path):
    place = ImageFolder(small_disk, "tiff", reserve_bytes=1)
    place.open()
    written: list[Image] = []
    with pytest.raises(StoreError, match="No space left"):
        fill(place, written)
    assert len(written) > 5
    for image in written:
        assert np.array_equal(read_image(place, pixels_sha256(image)), image)
    assert len([path for path in small_disk.rglob("*") if path.is_file()]) == len(written)


def fill(place: ImagePlace, written: list[Image]) -> None:
    for seed in range(20):
        image = picture(seed, 256)
        place.put(pixels_sha256(image), encode(image, "tiff"))
        written.append(image)
