"""A PostgreSQL server of its own: data folder, port and processes of one test session."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.peers import require_peer

ACCOUNT = "postgres"
PASSWORD = "of-the-tests"


class Postgres:
    """A server on 127.0.0.1 that can be killed and started again on the same data."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found:
            require_peer("needs PostgreSQL (Debian: apt install postgresql)")
        self._binaries = found[-1].parent
        self._as = ["runuser", "-u", ACCOUNT, "--"] if os.geteuid() == 0 else []
        self.port = _free_port()
        # Not pytest's folder: the account that PostgreSQL runs as may not look into it.
        self._folder = Path(tempfile.mkdtemp(prefix="keenline-postgres-"))
        if self._as:
            account = pwd.getpwnam(ACCOUNT)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        secret = self._folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", self.data, "-U", ACCOUNT, "-A", "scram-sha-256",
            "--pwfile", str(secret), "-E", "UTF8", "--locale", "C",
        )  # fmt: skip
        self._log = (self._folder / "log").open("wb")
        self._server: subprocess.Popen[bytes] | None = None
        self._made = 0
        self.start()

    @property
    def data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
            "shared_buffers": "32MB",
            "max_connections": "40",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [*self._as, str(self._binaries / "postgres"), "-D", self.data, *words]
        self._server = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        end = time.monotonic() + 30
        while not self._answers():
            assert self._server.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end, (self._folder / "log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """End every process of the server at once, as the loss of a machine would."""
        assert self._server is not None
        first = int(Path(self.data, "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for number in (first, *map(int, children)):
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._server.wait()

    def new_database(self) -> str:
        """The URL of an empty database, without a password."""
        self._made += 1
        name = f"line{self._made}"
        self.ask(f"CREATE DATABASE {name}", "postgres")
        return f"postgresql+psycopg://{ACCOUNT}@127.0.0.1:{self.port}/{name}"

    def ask(self, statement: str, database: str) -> str:
        """Run one statement outside any transaction."""
        psql = [str(self._binaries / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1"]
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", ACCOUNT, "-d", database]
        return subprocess.run(
            [*psql, *where, "-c", statement],
            env=os.environ | {"PGPASSWORD": PASSWORD},
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def close(self) -> None:
        if self._server is not None and self._server.poll() is None:
            self.kill()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._binaries / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self._folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
