"""A video file, a network stream or a USB camera turned into frames, decoded by FFmpeg (PyAV)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from keenline.devices.camera import CameraFacts
from keenline.devices.video_errors import OPENING
from keenline.devices.video_players import FilePlayer, LivePlayer, Picture
from keenline.devices.video_settings import VideoSource
from keenline.errors import CameraError, Code, CredentialError, EnvironmentMissing, FrameBroken
from keenline.types import Frame

_BROKEN_IN_A_ROW = 100
"""After so many packets that cannot be decoded a source counts as gone."""


class VideoSettings(VideoSource):
    """`kind = "video"`."""

    def build(self) -> VideoCamera:
        return VideoCamera(self)


class VideoCamera:
    """A source of video as a camera. A live source is read by a thread from `open` to `close`."""

    def __init__(self, settings: VideoSource) -> None:
        self.name = settings.name
        self._settings = settings
        self._player: FilePlayer | LivePlayer | None = None
        self._has_ended = False

    def open(self) -> CameraFacts:
        """Raises CameraError: CAMERA_MISSING (also for a file that was played to its end) or
        CAMERA_REFUSED (also for a password that cannot be read); EnvironmentMissing without PyAV.
        """
        self.close()
        if self._has_ended:
            raise self._error(Code.CAMERA_MISSING, "The video was played to its end")
        stream = _Stream(self._settings)
        facts = CameraFacts("FFmpeg", stream.model, self._settings.source, stream.size)
        is_fired = self._settings.trigger == "software"
        if self._settings.source_kind == "file":
            is_real = self._settings.pace == "real" and not is_fired
            self._player = FilePlayer(stream, is_fired=is_fired, at_its_pace=is_real)
        else:
            newest = self._settings.newest and not is_fired
            self._player = LivePlayer(stream, self.name, is_fired=is_fired, newest=newest)
        return facts

    def start(self) -> None:
        self._opened().start()

    def fire(self) -> None:
        """The next frame is the one. Raises CameraError CAMERA_GONE."""
        self._opened().fire()

    def grab(self, timeout_s: float) -> Frame:
        """As `Camera.grab`; CAMERA_GONE also at the end of a file that does not loop."""
        played = self._opened().next(timeout_s)
        if played is None:
            raise self._error(Code.CAMERA_TIMEOUT, "No frame came in time")
        if played.is_end:
            self._has_ended = self._settings.source_kind == "file"
            raise self._error(Code.CAMERA_GONE, "The video has ended")
        if played.picture is None:
            where = f"camera {self.name}, frame {played.number}"
            raise FrameBroken("A frame cannot be decoded", number=played.number, where=where)
        return Frame(
            image=np.ascontiguousarray(played.picture.to_ndarray(format="rgb24")),
            camera=self.name,
            serial=self._settings.source,
            number=played.number,
            received_ns=played.received_ns,
            device_time_ns=played.time_ns,
        )

    def stop(self) -> None:
        if self._player is not None:
            self._player.stop()

    def close(self) -> None:
        player, self._player = self._player, None
        if player is not None:
            player.close()

    def _opened(self) -> FilePlayer | LivePlayer:
        if self._player is None:
            raise self._error(Code.CAMERA_GONE, "The source of video is not open")
        return self._player

    def _error(self, code: Code, what: str) -> CameraError:
        advice = None if code is Code.CAMERA_TIMEOUT else "open it again, or give `loop = true`"
        return CameraError(code, what, where=_where(self._settings), next=advice)


class _Stream:
    """An opened source; used by one thread at a time."""

    def __init__(self, settings: VideoSource) -> None:
        self._settings = settings
        self._av = _pyav()
        self._container = self._open()
        video = self._container.streams.video[0]
        codec = video.codec_context
        self.size = (codec.width, codec.height) if codec.width and codec.height else None
        self.model = f"{settings.source_kind}, {codec.name}"

    def pictures(self) -> Iterator[Picture]:
        """Every frame. Raises CameraError CAMERA_GONE; ends when the source does."""
        begin_ns = 0
        while True:
            last_ns = begin_ns
            for each in self._once():
                time_ns = None if each.time_ns is None else begin_ns + each.time_ns
                last_ns = max(last_ns, time_ns or 0)
                yield Picture(each.picture, time_ns)
            if not (self._settings.loop and self._settings.source_kind == "file"):
                return
            begin_ns = last_ns + self._frame_ns()
            self._container.close()
            self._container = self._open()

    def close(self) -> None:
        self._container.close()

    def _open(self) -> Any:
        settings = self._settings
        try:
            address = settings.address()
        except CredentialError as error:
            raise CameraError(
                Code.CAMERA_REFUSED,
                error.what,
                where=f"{_where(settings)}, {error.where}",
                got=error.got,
                next=error.next,
            ) from error
        try:
            container = self._av.open(
                address,
                format="v4l2" if settings.source_kind == "usb" else None,
                options=settings.options(),
                timeout=(settings.open_timeout_s, settings.read_timeout_s),
            )
        except self._av.error.FFmpegError as error:
            # FFmpeg's own words hold the address with its password: they go no further.
            raise self._translated(error) from None
        if not container.streams.video:
            container.close()
            raise CameraError(
                Code.CAMERA_REFUSED, "The source has no video", where=_where(settings)
            )
        return container

    def _once(self) -> Iterator[Picture]:
        video = self._container.streams.video[0]
        broken_in_a_row = 0
        try:
            for packet in self._container.demux(video):
                try:
                    pictures = packet.decode()
                except self._av.error.InvalidDataError:
                    broken_in_a_row += 1
                    if broken_in_a_row >= _BROKEN_IN_A_ROW:
                        raise
                    yield Picture(None, None)
                    continue
                for picture in pictures:
                    broken_in_a_row = 0
                    yield Picture(None if picture.is_corrupt else picture, _time_ns(picture))
        except self._av.error.EOFError:
            return
        except self._av.error.FFmpegError as error:
            raise CameraError(
                Code.CAMERA_GONE,
                "The source of video is gone",
                where=_where(self._settings),
                got=_reason(error),
                next="see that it is switched on and can be reached",
            ) from None

    def _frame_ns(self) -> int:
        rate = self._container.streams.video[0].average_rate
        return int(1e9 / rate) if rate else 40_000_000

    def _translated(self, error: Any) -> CameraError:
        code = OPENING.get(type(error).__name__.removesuffix("Error"), Code.CAMERA_MISSING)
        refused = code is Code.CAMERA_REFUSED
        return CameraError(
            code,
            "The source of video refuses" if refused else "The source of video is not there",
            where=_where(self._settings),
            got=_reason(error),
            next="check user, password and options" if refused else "check the key `source`",
        )


def _pyav() -> Any:
    try:
        import av
        import av.error
    except ImportError as error:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Video needs the package PyAV",
            next="pip install 'keenline[video]'",
        ) from error
    return av


def _time_ns(picture: Any) -> int | None:
    if picture.pts is None or picture.time_base is None:
        return None
    return max(0, int(picture.pts * picture.time_base * 1_000_000_000))


def _reason(error: Any) -> str:
    return str(error.strerror or type(error).__name__)


def _where(settings: VideoSource) -> str:
    return f"camera {settings.name}, {settings.source}"
