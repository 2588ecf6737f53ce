"""HTTP requests turned into images offered to a station, within stated bounds.

What is checked before anything is unpacked: token, kind of content, length, room in the queue,
size in pixels. A browser page of another origin cannot send here: it would have to ask first,
because of the kind of content, and is not answered.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from keenline.data.reading import probe, read_image
from keenline.errors import CameraError, Code, EnvironmentMissing, ImageError, KeenlineError
from keenline.types import Image

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_STARTS_WITHIN_S = 10.0
_ENDS_WITHIN_S = 2
_MOST_CONNECTIONS = 128
_LONGEST_PART_ID = 128
_RETRY_AFTER_S = 1


class Station(Protocol):
    """Who takes the images."""

    @property
    def is_running(self) -> bool:
        """Images are wanted."""

    def offer(
        self, part_id: str, image: Image, settle: Callable[[int | None], None]
    ) -> Callable[[], None]:
        """As `UploadCamera.offer`."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """As the settings say."""

    max_bytes: int
    max_pixels: int
    queue: int
    receive_s: float
    take_s: float


class _Refusal(KeenlineError):
    """An answer other than 202."""

    def __init__(self, status: int, what: str, **facts: Any) -> None:
        super().__init__(Code.UPLOAD_REFUSED, what, **facts)
        self.status = status


class UploadServer:
    """Listens from its making to `close`, on a thread of its own."""

    def __init__(
        self,
        station: Station,
        host: str,
        port: int,
        limits: UploadLimits,
        *,
        token: str | None,
        tls: tuple[str, str | None] | None,
    ) -> None:
        """`tls`: files of certificate and key. Raises CameraError or EnvironmentMissing."""
        _require_packages()
        import uvicorn

        self._socket = _listening(host, port)
        self.port = int(self._socket.getsockname()[1])
        self._folder = tempfile.TemporaryDirectory(prefix="keenline-upload-")
        receiver = _Receiver(station, limits, token, Path(self._folder.name))
        config = uvicorn.Config(
            _application(receiver),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            loop="asyncio",
            http="h11",
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_ENDS_WITHIN_S,
        )
        self._server = uvicorn.Server(config)
        if tls is not None:
            config.load()
            config.ssl = self._secured(tls)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name=f"upload-{self.port}", daemon=True
        )
        self._thread.start()
        end = time.monotonic() + _STARTS_WITHIN_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.005)
        if not self._server.started:
            self.close()
            raise CameraError(Code.CAMERA_REFUSED, "The upload server does not start", where=host)

    def close(self) -> None:
        """Requests that are under way are answered first, or cut off after two seconds."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._folder.cleanup()

    def _secured(self, tls: tuple[str, str | None]) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # An empty password: nobody is there to be asked for one.
            context.load_cert_chain(*tls, password="")
        except OSError as error:
            self._socket.close()
            self._folder.cleanup()
            raise CameraError(
                Code.CAMERA_REFUSED,
                "The certificate of the upload server cannot be used",
                where=tls[0],
                got=error.strerror or type(error).__name__,
                next="give PEM files of a certificate and of its key without a passphrase",
            ) from error
        return context


class _Receiver:
    """What becomes of one request. Its methods run on the server's event loop."""

    def __init__(
        self, station: Station, limits: UploadLimits, token: str | None, folder: Path
    ) -> None:
        self._station = station
        self._limits = limits
        self._token = token
        self._folder = folder
        self._busy = 0

    async def receive(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        part_id = request.path_params["part_id"]
        try:
            number = await self._taken(request, part_id)
        except _Refusal as refusal:
            headers = {"Retry-After": str(_RETRY_AFTER_S)} if refusal.status == 503 else None
            if refusal.status == 401:
                headers = {"WWW-Authenticate": "Bearer"}
            return JSONResponse(refusal.as_dict(), refusal.status, headers)
        except ImageError as error:
            status = 413 if error.code is Code.IMAGE_TOO_LARGE else 422
            # Where it was put for reading is nobody's business.
            return JSONResponse(error.as_dict() | {"where": f"part {part_id}"}, status)
        return JSONResponse({"part_id": part_id, "frame": number}, 202)

    async def _taken(self, request: Request, part_id: str) -> int:
        """The number of the frame. Raises _Refusal, ImageError."""
        self._admit(request, part_id)
        self._busy += 1
        try:
            content = await self._content(request)
            image = await asyncio.to_thread(self._decoded, content)
            del content
            return await self._offered(part_id, image)
        finally:
            self._busy -= 1

    def _admit(self, request: Request, part_id: str) -> None:
        if self._token is not None:
            shown = request.headers.get("authorization", "")
            if not hmac.compare_digest(shown.encode(), f"Bearer {self._token}".encode()):
                raise _Refusal(401, "The token is missing or wrong")
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if not (kind.startswith("image/") or kind == "application/octet-stream"):
            expected = "Content-Type image/... or application/octet-stream"
            raise _Refusal(415, "The content is not an image", expected=expected, got=kind or None)
        if not part_id.isprintable() or not 1 <= len(part_id.strip()) <= _LONGEST_PART_ID:
            expected = f"1 to {_LONGEST_PART_ID} printable characters"
            raise _Refusal(422, "The name of the part cannot be used", expected=expected)
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limits.max_bytes:
            raise self._too_long(f"{length} bytes")
        if not self._station.is_running:
            raise _Refusal(503, "The station takes no images at present")
        if self._busy >= self._limits.queue:
            raise _Refusal(503, "The queue is full", got=f"{self._busy} images under way")

    async def _content(self, request: Request) -> bytes:
        from starlette.requests import ClientDisconnect

        content = bytearray()
        try:
            async with asyncio.timeout(self._limits.receive_s):
                async for piece in request.stream():
                    content += piece
                    if len(content) > self._limits.max_bytes:
                        raise self._too_long("more")
        except TimeoutError as error:
            raise _Refusal(408, "The image did not arrive completely in time") from error
        except ClientDisconnect as error:
            raise _Refusal(400, "The sender went away before the image was here") from error
        return bytes(content)

    def _decoded(self, content: bytes) -> Image:
        # Decoders read files; a name of its own for each, as several are read at once.
        with tempfile.NamedTemporaryFile(dir=self._folder) as file:
            try:
                file.write(content)
                file.flush()
            except OSError as error:
                got = error.strerror
                raise _Refusal(503, "There is no room to unpack the image", got=got) from error
            path = Path(file.name)
            facts = probe(path)
            if facts.width * facts.height > self._limits.max_pixels:
                raise ImageError(
                    Code.IMAGE_TOO_LARGE,
                    "The image has more pixels than the station takes",
                    expected=f"at most {self._limits.max_pixels}",
                    got=f"{facts.width} x {facts.height}",
                )
            return read_image(path)

    async def _offered(self, part_id: str, image: Image) -> int:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[int | None] = loop.create_future()

        def settle(number: int | None) -> None:
            loop.call_soon_threadsafe(_resolve, answer, number)

        withdraw = self._station.offer(part_id, image, settle)
        timer = loop.call_later(self._limits.take_s, withdraw)
        try:
            number = await answer
        finally:
            timer.cancel()
            withdraw()
        if number is None:
            raise _Refusal(503, "The station did not take the image")
        return number

    def _too_long(self, got: str) -> _Refusal:
        expected = f"at most {self._limits.max_bytes} bytes"
        return _Refusal(413, "The image file is too long", expected=expected, got=got)


def _resolve(answer: asyncio.Future[int | None], number: int | None) -> None:
    if not answer.done():
        answer.set_result(number)


def _application(receiver: _Receiver) -> Any:
    from fastapi import FastAPI
    from starlette.routing import Route

    route = Route("/parts/{part_id}/image", receiver.receive, methods=["POST"])
    return FastAPI(title="Keenline upload", openapi_url=None, routes=[route])


def _require_packages() -> None:
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Uploads need the packages FastAPI and uvicorn",
            next="pip install 'keenline[web]'",
        ) from error


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(_MOST_CONNECTIONS)
    except OSError as error:
        made.close()
        in_use = isinstance(error, PermissionError) or error.errno == errno.EADDRINUSE
        raise CameraError(
            Code.CAMERA_REFUSED if in_use else Code.CAMERA_MISSING,
            "The upload server cannot listen",
            where=f"{host}:{port}",
            got=error.strerror or type(error).__name__,
            next="check the keys `host` and `port`; another program may have the port",
        ) from error
    return made
