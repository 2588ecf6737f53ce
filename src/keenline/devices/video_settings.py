"""A `[[cameras]]` table turned into where a video comes from and how it is asked for."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator, model_validator

from keenline.credentials import Credential
from keenline.devices.camera import CameraSettings
from keenline.strict_toml import StrictTable, content_fault
from keenline.value_words import Words

SourceKind: TypeAlias = Literal["file", "network", "usb"]

_NETWORK = ("rtsp", "rtsps", "http", "https")
_Side = Annotated[int, Field(ge=16, le=16384)]


class UsbSettings(StrictTable):
    """`[cameras.usb]`: what a USB camera is asked for; the driver takes the nearest it has."""

    size: Annotated[
        tuple[_Side, _Side] | None, Field(strict=False), Words("[width, height] in pixels")
    ] = None
    fps: float | None = Field(default=None, gt=0, le=1000)
    pixel_format: str | None = Field(default=None, pattern=r"^[a-z0-9_]{2,16}$")
    """As FFmpeg names it: `yuyv422`, `mjpeg`, `gray`."""


class VideoSource(CameraSettings):
    """What every source of video has; `keenline.devices.video` makes a camera of it."""

    kind: Literal["video"]
    trigger: Literal["software", "free"] = "free"
    """`software`: the first frame after the station fires; `free`: every frame is a part."""
    source: str = Field(min_length=1)
    """A file, an address (`rtsp://`, `rtsps://`, `http://`, `https://`), or a device such as
    `/dev/video0`."""
    user: str | None = Field(default=None, min_length=1)
    password: Credential | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    """Of RTSP: `udp` loses packets without a word, which shows as torn images."""
    open_timeout_s: float = Field(default=5.0, ge=0.1, le=120)
    read_timeout_s: float = Field(default=2.0, ge=0.1, le=120)
    """Without a frame for so long, a live source counts as gone."""
    newest: bool = True
    """Of a live source that runs free: only the newest frame waits, older ones are dropped and
    their numbers are missing. Otherwise up to 16 frames wait."""
    pace: Literal["real", "fast"] = "real"
    """Of a file that runs free: as it was recorded, or as fast as frames are taken."""
    loop: bool = False
    """Of a file: begin anew at its end, instead of being gone for good."""
    usb: UsbSettings = Field(default_factory=UsbSettings)

    @field_validator("source")
    @classmethod
    def _without_secrets(cls, source: str) -> str:
        if "://" not in source:
            return source
        address = urlsplit(source)
        if address.scheme not in _NETWORK:
            raise content_fault(f"allowed: {', '.join(_NETWORK)}, a file or a device")
        if not address.hostname or address.username or address.password:
            raise content_fault(
                "allowed: scheme://host:port/path; user and password are keys of their own"
            )
        return source

    @model_validator(mode="after")
    def _whole_login(self) -> VideoSource:
        if (self.user is None) != (self.password is None):
            raise content_fault("allowed: both or none of user and password", "user")
        if self.user is not None and self.source_kind != "network":
            raise content_fault("allowed only with an address", "user")
        return self

    @property
    def source_kind(self) -> SourceKind:
        if "://" in self.source:
            return "network"
        return "usb" if self.source.startswith("/dev/video") else "file"

    def address(self) -> str:
        """What FFmpeg opens, with user and password in it: not to be shown to anybody.

        Raises CredentialError.
        """
        if self.user is None or self.password is None:
            return self.source
        scheme, rest = self.source.split("://", 1)
        return f"{scheme}://{quote(self.user, '')}:{quote(self.password.read(), '')}@{rest}"

    def options(self) -> dict[str, str]:
        """Of FFmpeg's demuxers: rtsp, v4l2, and the protocols that a file may refer to."""
        if self.source_kind == "file":
            # A playlist that calls itself a video must not make the station fetch addresses.
            return {"protocol_whitelist": "file"}
        # Half a second of a stream tells its size; FFmpeg would read for five.
        live = {"fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "500000"}
        if self.source_kind == "usb":
            given = {
                "video_size": "x".join(map(str, self.usb.size)) if self.usb.size else None,
                "framerate": None if self.usb.fps is None else f"{self.usb.fps:g}",
                "input_format": self.usb.pixel_format,
            }
            return live | {key: value for key, value in given.items() if value is not None}
        is_rtsp = self.source.startswith("rtsp")
        return live | ({"rtsp_transport": self.transport} if is_rtsp else {})
