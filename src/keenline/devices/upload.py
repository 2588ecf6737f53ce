"""Images that another program sends over HTTP turned into frames: POST /parts/PART/image.

A frame is answered for once the station has taken it, so whoever sends knows what became of it;
a program that sends faster than the station inspects is told to wait.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from keenline.credentials import Credential, require_private
from keenline.devices.camera import CameraFacts, CameraSettings
from keenline.devices.upload_server import UploadLimits, UploadServer
from keenline.errors import CameraError, Code, CredentialError
from keenline.strict_toml import content_fault
from keenline.types import Frame, Image


class UploadSettings(CameraSettings):
    """`kind = "upload"`: a small HTTP server; each image that is sent to it is a part."""

    kind: Literal["upload"]
    trigger: Literal["free"] = "free"
    host: str = Field(default="127.0.0.1", min_length=1)
    """The address to listen at. Any but this machine's own needs a `token`."""
    port: int = Field(default=8471, ge=0, le=65535)
    """0: any that is free."""
    token: Credential | None = None
    """What senders must show: `Authorization: Bearer ...`."""
    tls_certificate: str | None = Field(default=None, min_length=1)
    """A PEM file; with `tls_key`, the server speaks HTTPS."""
    tls_key: str | None = Field(default=None, min_length=1)
    max_bytes: int = Field(default=32 * 2**20, ge=1024, le=2**30)
    """Of one image file."""
    max_pixels: int = Field(default=50_000_000, ge=64, le=200_000_000)
    """Of one image; checked before it is unpacked."""
    queue: int = Field(default=8, ge=1, le=256)
    """Images that are received, unpacked or waiting at once; more are asked to come again."""
    receive_timeout_s: float = Field(default=10.0, ge=0.1, le=600)
    """For one image to arrive completely."""
    take_timeout_s: float = Field(default=10.0, ge=0.1, le=600)
    """For the station to take it; then it is handed back to the sender."""

    @model_validator(mode="after")
    def _safe(self) -> UploadSettings:
        if self.token is None and not _is_loopback(self.host):
            raise content_fault("is needed where host is not this machine's own address", "token")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise content_fault("allowed: both or none of tls_certificate and tls_key", "tls_key")
        return self

    def build(self) -> UploadCamera:
        return UploadCamera(self)


@dataclass(slots=True, eq=False)
class _Offer:
    """An image on its way to the station."""

    part_id: str
    image: Image
    received_ns: int
    settle: Callable[[int | None], None]
    """Called once: with the number of its frame, or with None when nobody will take it."""


class UploadCamera:
    """An HTTP server as a camera that runs free. It listens from `open` to `close`."""

    def __init__(self, settings: UploadSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._server: UploadServer | None = None
        self._changed = threading.Condition()
        self._waiting: deque[_Offer] = deque()
        self._is_running = False
        self._number = 0

    @property
    def port(self) -> int:
        """Where it listens; that of the settings while it is closed."""
        return self._settings.port if self._server is None else self._server.port

    @property
    def waiting(self) -> int:
        """Images that wait for the station to take them."""
        return len(self._waiting)

    @property
    def serial(self) -> str:
        return f"{self._settings.host}:{self.port}"

    def open(self) -> CameraFacts:
        """Raises CameraError: CAMERA_MISSING for an address that this machine has not,
        CAMERA_REFUSED for a port in use, a token or a certificate that cannot be read;
        EnvironmentMissing without FastAPI."""
        self.close()
        given = self._settings
        try:
            token = None if given.token is None else given.token.read()
            if given.tls_key is not None:
                require_private(Path(given.tls_key))
        except CredentialError as error:
            raise CameraError(
                Code.CAMERA_REFUSED,
                error.what,
                where=f"camera {self.name}, {error.where}",
                got=error.got,
                next=error.next,
            ) from error
        tls = (given.tls_certificate, given.tls_key) if given.tls_certificate else None
        limits = UploadLimits(
            given.max_bytes,
            given.max_pixels,
            given.queue,
            given.receive_timeout_s,
            given.take_timeout_s,
        )
        self._server = UploadServer(self, given.host, given.port, limits, token=token, tls=tls)
        return CameraFacts("Keenline", "HTTP upload", self.serial, None)

    def start(self) -> None:
        with self._changed:
            self._number = 0
            self._is_running = True

    def grab(self, timeout_s: float) -> Frame:
        end = time.monotonic() + timeout_s
        with self._changed:
            while self._is_running and not self._waiting:
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            if not self._is_running or not self._waiting:
                where = f"camera {self.name}, {self.serial}"
                raise CameraError(Code.CAMERA_TIMEOUT, "No image was sent in time", where=where)
            offer = self._waiting.popleft()
            self._number += 1
            offer.settle(self._number)
            return Frame(
                image=np.ascontiguousarray(offer.image),
                camera=self.name,
                serial=self.serial,
                number=self._number,
                received_ns=offer.received_ns,
                part_id=offer.part_id,
            )

    def stop(self) -> None:
        """Images that were not taken are handed back to their senders."""
        with self._changed:
            self._is_running = False
            for offer in self._waiting:
                offer.settle(None)
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        self.stop()
        server, self._server = self._server, None
        if server is not None:
            server.close()

    # What the server calls, on a thread of its own.

    @property
    def is_running(self) -> bool:
        return self._is_running

    def offer(
        self, part_id: str, image: Image, settle: Callable[[int | None], None]
    ) -> Callable[[], None]:
        """Put an image before the station; answers with how to take it back.

        `settle` is called once, on any thread, also after it was taken back.
        """
        offer = _Offer(part_id, image, time.monotonic_ns(), settle)
        with self._changed:
            if self._is_running:
                self._waiting.append(offer)
                self._changed.notify_all()
            else:
                settle(None)
        return lambda: self._withdraw(offer)

    def _withdraw(self, offer: _Offer) -> None:
        with self._changed:
            if offer in self._waiting:
                self._waiting.remove(offer)
                offer.settle(None)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
