"""The `[store]` table turned into what a station runs: a sink, a keeper of images, a retention."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keenline.store.database import Database
from keenline.store.images import ImageFolder, ImagePlace, read_image
from keenline.store.keeper import ImageKeeper, OnLost
from keenline.store.policy import KeepPolicy
from keenline.store.results import ResultSink
from keenline.store.retention import Retention
from keenline.store.s3 import S3Bucket
from keenline.store.settings import SQLITE, DiskImages, ImageSettings, StoreSettings
from keenline.types import Image


@dataclass(frozen=True, slots=True)
class Store:
    """What keeps the records of one station; nothing is connected or running yet."""

    sink: ResultSink
    """For a `Forwarder`; `prepare` it first: STORE_SCHEMA is a reason not to start."""
    keeper: ImageKeeper
    """To be started, and closed before the forwarder stops, whose journal it may still need."""
    retention: Retention
    """To be started and stopped."""
    database: Database
    """For questions."""
    place: ImagePlace

    def read_image(self, sha256: str) -> Image:
        """A kept image, (height, width, 3), uint8, checked against its hash; raises StoreError."""
        return read_image(self.place, sha256)

    def close(self) -> None:
        """Let the database go, once all else has ended."""
        self.database.close()


def open_store(settings: StoreSettings, *, station: str, folder: Path, on_lost: OnLost) -> Store:
    """The store of `station`; relative paths begin at `folder`.

    `on_lost`: called with the SHA-256 of an image that was taken over and is lost, and why.
    Raises EnvironmentMissing when an extra is not installed.
    """
    database = open_database(settings, folder)
    place = image_place(settings.images, folder)
    keeper = ImageKeeper(
        place,
        KeepPolicy(settings.keep),
        kind=settings.images.format,
        queue_bytes=int(settings.images.queue_mb * 1e6),
        on_lost=on_lost,
        writers=settings.images.writers,
    )
    retention = Retention(database, place, settings.retention, station)
    return Store(ResultSink(database), keeper, retention, database, place)


def open_database(
    settings: StoreSettings, folder: Path = Path(), *, must_exist: bool = False
) -> Database:
    """The database of `settings`; `must_exist`: for asking only."""
    return Database(
        _beside(settings.database, folder),
        password=settings.password,
        timeout_s=settings.timeout_ms / 1000,
        must_exist=must_exist,
    )


def image_place(settings: ImageSettings, folder: Path) -> ImagePlace:
    """The place of images of `settings`, not open."""
    if isinstance(settings, DiskImages):
        reserve = int(settings.reserve_gb * 1e9)
        return ImageFolder(folder / settings.folder, settings.format, reserve_bytes=reserve)
    return S3Bucket(settings, folder / settings.spool)


def _beside(url: str, folder: Path) -> str:
    scheme, _, file = url.partition(":///")
    return f"{scheme}:///{folder / file}" if scheme == SQLITE else url
