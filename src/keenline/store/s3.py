"""Files of images kept in a bucket; while it cannot be reached, in a spool on disk until it can."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keenline.errors import Code, EnvironmentMissing, StoreError
from keenline.store.images import ImageFolder, unreachable
from keenline.store.pictures import SUFFIX
from keenline.store.settings import S3Images

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0

MEANING = {
    # Every error of obstore 0.12 (obstore.exceptions), and what it says of the bucket.
    "GenericError": "cannot be reached, or answers with an error",
    "JoinError": "the request was broken off",
    "PermissionDeniedError": "refuses: the key has no permission there",
    "UnauthenticatedError": "refuses: the key is not known there",
    "NotFoundError": "there is no such bucket, or no such image",
    "AlreadyExistsError": "the image is there already",
    "PreconditionError": "the image was changed meanwhile",
    "NotModifiedError": "the image was not changed",
    "InvalidPathError": "the prefix is not a valid name",
    "NotSupportedError": "the server cannot do what is asked",
    "UnknownConfigurationKeyError": "a setting is not known",
}


class S3Bucket:
    """A place in a bucket (S3 or what speaks like it)."""

    def __init__(self, settings: S3Images, spool: Path) -> None:
        """Nothing is connected yet; `spool`: a folder."""
        self._settings = settings
        self.name = f"s3://{settings.bucket}/{settings.prefix}"
        self._suffix = SUFFIX[settings.format]
        self._spool = ImageFolder(
            spool, settings.format, reserve_bytes=int(settings.reserve_gb * 1e9)
        )
        self._limit = int(settings.spool_gb * 1e9)
        self._lock = threading.Lock()
        self._spooled: dict[str, int] = {}
        self._trouble: StoreError | None = None
        self._stopping = threading.Event()
        self._drainer = threading.Thread(target=self._drain, name="images-spool", daemon=True)
        self._bucket: Any = None

    def open(self) -> None:
        self._spool.open()
        self._bucket = self._client()
        self._spooled = dict(self._spool.contents())
        self._drainer.start()

    @property
    def waiting(self) -> tuple[int, int]:
        """Images in the spool, and their bytes."""
        with self._lock:
            return len(self._spooled), sum(self._spooled.values())

    @property
    def trouble(self) -> StoreError | None:
        """Why images go to the spool; None while the bucket takes them."""
        return self._trouble

    def put(self, sha256: str, data: bytes) -> None:
        """To the bucket, or to the spool while that cannot be reached."""
        if not self._is_away():
            try:
                self._upload(sha256, data)
            except StoreError as error:
                self._trouble = error
            else:
                self._trouble = None
                return
        self._spool.put(sha256, data)
        with self._lock:
            self._spooled[sha256] = len(data)

    def get(self, sha256: str) -> bytes:
        with self._lock:
            is_here = sha256 in self._spooled
        if is_here:
            return self._spool.get(sha256)
        with self._translated():
            content = self._bucket.get(self._key(sha256)).bytes()
        return bytes(content)

    def has(self, sha256: str) -> bool:
        if self._spool.has(sha256):
            return True
        try:
            with self._translated():
                self._bucket.head(self._key(sha256))
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return False
            raise
        return True

    def delete(self, sha256: str) -> None:
        with self._lock:
            self._spooled.pop(sha256, None)
        self._spool.delete(sha256)
        try:
            with self._translated():
                self._bucket.delete(self._key(sha256))
        except StoreError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise

    def has_room(self) -> bool:
        return self.waiting[1] < self._limit and self._spool.has_room()

    def free_bytes(self) -> int | None:
        """A bucket does not say."""
        return None

    def close(self) -> None:
        self._stopping.set()
        if self._drainer.ident is not None:
            self._drainer.join(self._settings.timeout_ms / 1000 + 1)

    def _client(self) -> Any:
        settings = self._settings
        try:
            from obstore.store import S3Store
        except ImportError as missing:
            raise EnvironmentMissing(
                Code.EXTRA_MISSING,
                "Images in a bucket need obstore",
                where=self.name,
                next="pip install 'keenline[s3]', or keep images on disk",
            ) from missing
        timeout = f"{settings.timeout_ms / 1000:g}s"
        with self._translated():
            return _Bucket(
                S3Store(
                    settings.bucket,
                    prefix=settings.prefix or None,
                    endpoint=settings.endpoint,
                    region=settings.region,
                    access_key_id=settings.access_key.read(),
                    secret_access_key=settings.secret_key.read(),
                    virtual_hosted_style_request=settings.endpoint is None,
                    client_options={
                        "timeout": timeout,
                        "connect_timeout": timeout,
                        "allow_http": (settings.endpoint or "").startswith("http:"),
                    },
                    # Trying again is ours, with the spool; a request must not take minutes.
                    retry_config={"max_retries": 0},
                )
            )

    def _upload(self, sha256: str, data: bytes) -> None:
        with self._translated():
            self._bucket.put(self._key(sha256), data)

    def _key(self, sha256: str) -> str:
        return f"{sha256[:2]}/{sha256[2:]}{self._suffix}"

    def _is_away(self) -> bool:
        """While the spool is not empty; the drainer finds out when the bucket is back."""
        with self._lock:
            return bool(self._spooled)

    def _drain(self) -> None:
        """Carry the spool to the bucket, oldest first, for ever."""
        pause = _FIRST_PAUSE_S
        while not self._stopping.wait(pause):
            try:
                while self._carry_one():
                    pass
                pause = _FIRST_PAUSE_S
            except StoreError as error:
                self._trouble = error
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _carry_one(self) -> bool:
        with self._lock:
            sha256 = next(iter(self._spooled), None)
        if sha256 is None or self._stopping.is_set():
            return False
        if self._spool.has(sha256):  # unless somebody cleared the folder
            self._upload(sha256, self._spool.get(sha256))
            self._trouble = None
        with self._lock:
            self._spooled.pop(sha256, None)
        self._spool.delete(sha256)
        return True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except BaseError as error:
            means = MEANING.get(type(error).__name__, "answers in a way that is not known")
            raise unreachable(self.name, ValueError(means)) from error
        except FileNotFoundError as error:  # obstore's NotFoundError arrives as this
            raise unreachable(self.name, ValueError(MEANING["NotFoundError"])) from error


class _Bucket:
    """obstore's functions on one store."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def put(self, key: str, data: bytes) -> None:
        import obstore

        obstore.put(self._store, key, data, use_multipart=False)

    def get(self, key: str) -> Any:
        import obstore

        return obstore.get(self._store, key)

    def head(self, key: str) -> None:
        import obstore

        obstore.head(self._store, key)

    def delete(self, key: str) -> None:
        import obstore

        obstore.delete(self._store, key)
