"""Images while a bucket is away: into the spool, and to the bucket once it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from obstore import exceptions
from tests.peers.s3 import S3, new_bucket, s3_server  # noqa: F401
from tests.store.test_images import picture
from tests.store.test_keeper import until

from keenline.errors import Code, CredentialError, StoreError
from keenline.store.images import read_image
from keenline.store.pictures import encode, pixels_sha256
from keenline.store.s3 import MEANING, S3Bucket
from keenline.store.settings import S3Images


@pytest.fixture
def settings(s3_server: S3, tmp_path: Path) -> Iterator[S3Images]:  # noqa: F811
    yield new_bucket(s3_server, tmp_path)
    s3_server.kill()
    s3_server.start()


def put(place: S3Bucket, *seeds: int) -> list[str]:
    digests = []
    for seed in seeds:
        image = picture(seed)
        digests.append(pixels_sha256(image))
        place.put(digests[-1], encode(image, "png"))
    return digests


def files(server: S3, settings: S3Images) -> int:
    return len(list((server.folder / settings.bucket).rglob("*.png")))


def test_what_the_bucket_missed_comes_later(settings: S3Images, s3_server: S3, tmp_path: Path):  # noqa: F811
    place = S3Bucket(settings, tmp_path / "spool")
    place.open()
    before = put(place, 1, 2)
    assert place.waiting == (0, 0)
    s3_server.kill()
    during = put(place, *range(3, 9))
    assert place.waiting[0] == 6
    assert place.trouble is not None
    for digest, seed in zip(during, range(3, 9), strict=True):
        assert np.array_equal(read_image(place, digest), picture(seed))
    with pytest.raises(StoreError) as caught:
        place.get(before[0])
    assert caught.value.code == Code.IMAGES_UNREACHABLE
    s3_server.start()
    assert until(lambda: place.waiting == (0, 0), 20)
    assert place.trouble is None
    put(place, 9)
    assert files(s3_server, settings) == 9
    assert all(place.has(digest) for digest in before + during)
    assert list((tmp_path / "spool").rglob("*.png")) == []
    place.close()


def test_the_spool_outlives_the_station(settings: S3Images, s3_server: S3, tmp_path: Path):  # noqa: F811
    s3_server.kill()
    first = S3Bucket(settings, tmp_path / "spool")
    first.open()
    digests = put(first, 1, 2, 3)
    first.close()
    s3_server.start()
    second = S3Bucket(settings, tmp_path / "spool")
    second.open()
    assert second.waiting[0] == 3
    assert until(lambda: second.waiting[0] == 0)
    assert all(second.has(digest) for digest in digests)
    second.close()


def test_a_full_spool_is_no_room(settings: S3Images, s3_server: S3, tmp_path: Path):  # noqa: F811
    small = settings.model_copy(update={"spool_gb": 30e-6})  # 30 kB: two pictures and a bit
    s3_server.kill()
    place = S3Bucket(small, tmp_path / "spool")
    place.open()
    put(place, 1, 2)
    assert place.has_room()
    put(place, 3)
    assert not place.has_room()
    s3_server.start()
    assert until(place.has_room, 20)
    place.close()


def test_a_server_that_hangs_costs_one_timeout(settings: S3Images, tmp_path: Path):
    """Connected and silent, as behind a half-open connection."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        hung = settings.model_copy(update={"endpoint": endpoint, "timeout_ms": 300.0})
        place = S3Bucket(hung, tmp_path / "spool")
        place.open()
        begun = time.monotonic()
        put(place, 1, 2, 3, 4)
        assert time.monotonic() - begun < 3
        assert place.waiting[0] == 4
        place.close()


@pytest.mark.parametrize(("change", "words"), [("secret", "refuses"), ("bucket", "no such bucket")])
def test_a_bucket_that_refuses_is_said(settings: S3Images, tmp_path: Path, change: str, words: str):
    if change == "bucket":
        settings = settings.model_copy(update={"bucket": "absent"})
    else:
        Path(str(settings.secret_key.file)).write_text("another")
    place = S3Bucket(settings, tmp_path / "spool")
    place.open()
    (digest,) = put(place, 1)
    assert place.waiting[0] == 1
    assert words in str(place.trouble)
    assert "another" not in str(place.trouble)
    assert np.array_equal(read_image(place, digest), picture(1))
    place.close()


def test_a_secret_that_is_missing_is_said_at_once(settings: S3Images, tmp_path: Path):
    Path(str(settings.secret_key.file)).unlink()
    with pytest.raises(CredentialError):
        S3Bucket(settings, tmp_path / "spool").open()


def test_every_error_of_obstore_has_a_meaning():
    named = {
        name
        for name, kind in vars(exceptions).items()
        if isinstance(kind, type)
        and issubclass(kind, exceptions.BaseError)
        and kind is not exceptions.BaseError
    }
    assert set(MEANING) == named
