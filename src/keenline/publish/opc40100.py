"""Results and states of a station served to OPC UA clients as OPC 40100-1, and commands taken back.

The server runs on a thread of its own. `Opc40100Server` is a sink of the journal: what it is given
becomes ResultReady and JobStarted events and fills the list of results; the state it shows is
asked of the station several times a second. Nothing of a client's can be written.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.util
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from keenline.errors import Code, EnvironmentMissing, KeenlineError, PublishError
from keenline.journal.entries import Accepted, Entry
from keenline.publish.opc40100_control import VisionControl
from keenline.publish.opc40100_results import Jobs, RecentResults
from keenline.publish.opc40100_settings import VisionServerSettings
from keenline.types import Result

if TYPE_CHECKING:
    from keenline.publish.opc40100_service import VisionService

_START_S, _STOP_S = 60.0, 15.0
_LOOK_S = 0.1


class Opc40100Settings(VisionServerSettings):
    """`[opcua]`: the OPC 40100-1 server of a station."""

    def build(
        self, control: VisionControl, lookup: Callable[[str], Result | None] | None = None
    ) -> Opc40100Server:
        """The server, not yet started; `lookup` finds an older result by its id in the store."""
        return Opc40100Server(self, control, lookup or _finds_nothing)


class Opc40100Server:
    """One vision system on the network. `deliver`, `start` and `close` may come from any thread."""

    name = "opc40100"

    def __init__(
        self,
        settings: Opc40100Settings,
        control: VisionControl,
        lookup: Callable[[str], Result | None],
    ) -> None:
        self._settings, self._control, self._lookup = settings, control, lookup
        self._recent, self._jobs = RecentResults(settings.keep_results), Jobs()
        self._lock = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._service: VisionService | None = None
        self._failure: Exception | None = None

    @property
    def endpoint(self) -> str:
        """The address that clients connect to."""
        return self._settings.endpoint

    @property
    def refused(self) -> int:
        """Clients that were turned away since the server came up."""
        return 0 if self._service is None else self._service.refused

    def start(self) -> None:
        """Come up and serve; nothing happens when that is already so.

        Raises PublishError OPCUA_SERVER when the port is taken, EnvironmentMissing EXTRA_MISSING
        without asyncua, CredentialError for a password, key or certificate, OutputError for the
        folder.
        """
        if importlib.util.find_spec("asyncua") is None:
            raise EnvironmentMissing(
                Code.EXTRA_MISSING,
                "The OPC UA server needs the package asyncua",
                next='pip install "keenline[plc]"',
            )
        with self._lock:
            self._ensure_serving()

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Announce `entries` to the clients; brings the server up again should it have ended."""
        self.start()
        with self._lock:
            if self._closed or self._loop is None:
                raise self._trouble("it is closed")
            future = asyncio.run_coroutine_threadsafe(self._announce(entries), self._loop)
        try:
            future.result(self._settings.timeout_s)
        except concurrent.futures.TimeoutError as error:
            future.cancel()
            raise self._trouble(f"no answer in {self._settings.timeout_s:g} s") from error
        except concurrent.futures.CancelledError as error:
            raise self._trouble("it was stopped") from error

    def close(self) -> None:
        """Let every client go and end; returns when the port is free."""
        with self._lock:
            self._closed = True
            thread, loop, stopping = self._thread, self._loop, self._stopping
            if thread is None or not thread.is_alive() or loop is None or stopping is None:
                return
            loop.call_soon_threadsafe(stopping.set)
        thread.join(_STOP_S)

    def _ensure_serving(self) -> None:
        if self._closed:
            raise self._trouble("it is closed")
        if self._thread is not None and self._thread.is_alive():
            return
        ready = threading.Event()
        self._failure = None
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="opc40100", daemon=True
        )
        self._thread.start()
        if not ready.wait(_START_S):
            raise self._trouble(f"it did not come up in {_START_S:g} s")
        if isinstance(self._failure, KeenlineError):
            raise self._failure
        if self._failure is not None:
            raise self._trouble(str(self._failure)) from self._failure
        if self._service is None:
            raise self._trouble("it ended while it came up")

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except (OSError, RuntimeError, ValueError, KeenlineError) as error:
            self._failure = error
        finally:
            self._service = None
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        # Here and not above: a station without OPC UA does without asyncua.
        from keenline.publish.opc40100_service import VisionService

        service = VisionService(
            self._settings, self._control, self._recent, self._jobs, self._lookup
        )
        async with service:
            self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
            self._service = service
            ready.set()
            while not self._stopping.is_set():
                await service.follow()
                try:
                    await asyncio.wait_for(self._stopping.wait(), _LOOK_S)
                except TimeoutError:
                    continue

    async def _announce(self, entries: Sequence[Entry]) -> None:
        service = self._service
        if service is None:
            raise asyncio.CancelledError
        for entry in entries:
            if isinstance(entry, Result):
                await service.announce_result(entry)
            elif isinstance(entry, Accepted):
                await service.announce_start(entry.trigger)
        await service.follow()

    def _trouble(self, found: str) -> PublishError:
        return PublishError(
            Code.OPCUA_SERVER,
            "The OPC UA server does not serve",
            where=self.endpoint,
            got=found,
            next="free the port or choose another; results are announced once the server is up",
        )


def _finds_nothing(_result_id: str) -> None:
    return None
