"""The `[store]` table of a station configuration: which database, which images, for how long."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from keenline.credentials import Credential
from keenline.strict_toml import StrictTable, content_fault
from keenline.value_words import Words

SQLITE, POSTGRES = "sqlite", "postgresql+psycopg"
"""The two kinds of database, as a URL names them."""

ImageFormat = Literal["png", "tiff"]


class KeepSettings(StrictTable):
    """`[store.keep]`: which images are kept. REJECT, REVIEW and INVALID: all, always."""

    pass_share: float = Field(default=0.02, ge=0, le=1)
    """Share of the PASS parts whose images are kept, for audits of what slipped through."""


class DiskImages(StrictTable):
    """`[store.images]` with `kind = "disk"`: a folder."""

    kind: Literal["disk"] = "disk"
    folder: str = Field(default="images", min_length=1)
    """Relative paths begin at the folder of the station configuration."""
    format: ImageFormat = "png"
    """`png`: smaller; `tiff`: not compressed, quicker to write. Both give every pixel back."""
    reserve_gb: float = Field(default=2.0, ge=0.01)
    """Images stop before less than this (1e9 bytes) is free; the database needs room too."""
    queue_mb: float = Field(default=256.0, ge=1, le=65536)
    """Pixels (1e6 bytes) that may wait to be written; what comes beyond is counted as lost."""
    writers: int = Field(default=1, ge=1, le=16)
    """Threads that write."""


class S3Images(StrictTable):
    """`[store.images]` with `kind = "s3"`: a bucket; needs the extra `s3`."""

    kind: Literal["s3"]
    bucket: str = Field(min_length=3, max_length=63)
    prefix: str = ""
    """Before every name, such as `plant-2/`."""
    endpoint: str | None = Field(default=None, min_length=8)
    """Such as `https://minio.plant:9000`; without it, AWS. `http:` is allowed for loopback only,
    unless `allow_http`."""
    allow_http: bool = False
    """Images, not the secret, then cross the network readable."""
    region: str = Field(default="us-east-1", min_length=1)
    access_key: Credential
    secret_key: Credential
    format: ImageFormat = "png"
    queue_mb: float = Field(default=256.0, ge=1, le=65536)
    writers: int = Field(default=2, ge=1, le=16)
    timeout_ms: float = Field(default=5000.0, ge=100, le=60_000)
    """After which a request counts as failed."""
    spool: str = Field(default="images-spool", min_length=1)
    """Folder for images while the bucket cannot be reached."""
    spool_gb: float = Field(default=5.0, gt=0)
    """What the spool may hold (1e9 bytes); beyond it images stop."""
    reserve_gb: float = Field(default=2.0, ge=0.01)
    """Images stop before less than this is free on the disk of the spool."""

    @model_validator(mode="after")
    def _readable_on_loopback_only(self) -> S3Images:
        url = urlsplit(self.endpoint or "https://aws")
        if url.scheme not in ("http", "https"):
            raise content_fault("allowed: a URL that begins with https:// or http://", "endpoint")
        loopback = url.hostname in ("127.0.0.1", "::1", "localhost")
        if url.scheme == "http" and not (loopback or self.allow_http):
            raise content_fault("http: needs allow_http = true; allowed: https:", "endpoint")
        return self


ImageSettings: TypeAlias = DiskImages | S3Images


class RetentionSettings(StrictTable):
    """`[store.retention]`: when images go. Records stay, and say that the image was deleted."""

    pass_days: float = Field(default=30.0, gt=0)
    """Images of PASS parts go at this age."""
    other_days: float = Field(default=730.0, gt=0)
    """Images of REJECT, REVIEW and INVALID parts go at this age."""
    needed_days: float = Field(default=90.0, ge=0)
    """Younger images of REJECT, REVIEW and INVALID parts are never deleted, whatever the disk:
    a quarterly recalibration looks back 90 days."""
    free_gb: float = Field(default=5.0, ge=0)
    """With less than this free (1e9 bytes), images of PASS parts go, oldest first, then those of
    other parts beyond `needed_days`. More than `reserve_gb`, or images stop before any go."""
    every_minutes: float = Field(default=10.0, gt=0, le=1440)

    @model_validator(mode="after")
    def _needed_is_within_other(self) -> RetentionSettings:
        if self.needed_days > self.other_days:
            raise content_fault("allowed: at most other_days", "needed_days")
        return self


def _kind_of_images(table: object) -> object:
    """`disk` where a table does not say."""
    if isinstance(table, dict):
        return table.get("kind", "disk")
    return getattr(table, "kind", None)


class StoreSettings(StrictTable):
    """`[store]`: where results, events and images are kept."""

    database: str = "sqlite:///keenline.sqlite"
    """`sqlite:///FILE` (relative paths begin at the folder of the station configuration), or
    `postgresql+psycopg://USER@HOST:PORT/NAME`, extra `postgres`; never with the password in it."""
    password: Credential | None = None
    """Of the database user."""
    timeout_ms: float = Field(default=5000.0, ge=100, le=60_000)
    """After which the database counts as locked or gone; what it missed comes later."""
    keep: KeepSettings = KeepSettings()
    images: Annotated[
        Annotated[DiskImages, Tag("disk")] | Annotated[S3Images, Tag("s3")],
        Discriminator(_kind_of_images),
        Words('a table with kind = "disk" or kind = "s3"'),
    ] = DiskImages()
    retention: RetentionSettings = RetentionSettings()

    @field_validator("database")
    @classmethod
    def _a_database_without_password(cls, url: str) -> str:
        return checked_url(url)

    @model_validator(mode="after")
    def _room_is_made_before_images_stop(self) -> StoreSettings:
        free = self.retention.free_gb
        if isinstance(self.images, DiskImages) and 0 < free <= self.images.reserve_gb:
            words = f"= {free}; allowed: 0, or more than images.reserve_gb"
            raise content_fault(words, "retention", "free_gb")
        return self


def checked_url(url: str) -> str:
    """`url` if it names a database that can be used here; raises a fault of content."""
    parts = urlsplit(url)
    if parts.scheme not in (SQLITE, POSTGRES):
        raise content_fault(f"allowed: {SQLITE}:///FILE or {POSTGRES}://USER@HOST/NAME")
    if parts.password is not None or "password=" in parts.query:
        raise content_fault("holds a password; allowed: password = { env = ... } or { file = ... }")
    if parts.scheme == SQLITE and (parts.netloc or len(parts.path) < 2):
        raise content_fault("names no file; allowed: sqlite:///FILE, or sqlite:////ABSOLUTE/FILE")
    return url
