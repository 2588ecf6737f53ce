"""A station configuration turned into a station that runs, with its records and its publishers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from keenline import __version__
from keenline.cli.devices import build_camera
from keenline.cli.station_bundle import BundleWatch
from keenline.cli.station_config import StationConfig, load_station, secrets_of
from keenline.cli.vision_control import StationControl
from keenline.errors import Code, KeenlineError, OutputError, StationError, StoreError
from keenline.journal.forwarding import Forwarder, Sink
from keenline.journal.log import Journal
from keenline.publish.opc40100 import Opc40100Server
from keenline.recipe import Recipe, load_recipe
from keenline.station.challenge import CHALLENGE_FILE
from keenline.station.metrics import MetricsServer, StationMetrics
from keenline.station.opening import StationPlan
from keenline.station.ports import StationFacts
from keenline.station.settings import ShadowTable
from keenline.station.station import Station
from keenline.store.opening import Store, open_database, open_store
from keenline.store.queries import Query, find
from keenline.types import LineEvent, Result

_TIDY_S = 5.0
_STORE_LINGER_S = 0.1
"""A transaction costs 1.4 ms of processor time, a result in a batch .15 (benchmarks/store.py)."""


class Plant:
    """A station and everything that lives on its journal. One thread starts and stops it."""

    def __init__(
        self,
        config: StationConfig,
        folder: Path,
        *,
        on_result: Callable[[Result], None] = lambda _: None,
        on_event: Callable[[LineEvent], None] = lambda _: None,
        plan: Callable[[StationPlan], StationPlan] = lambda plan: plan,
        store: Callable[..., Store] = open_store,
    ) -> None:
        """`folder`: where relative paths of the configuration begin; `plan` may change what was
        planned, as a simulated line does with its devices; `store` makes the store, for a
        measurement of what another one costs.

        Raises JournalError, OutputError or EnvironmentMissing.
        """
        self.config, self.folder = config, folder
        self._problems: list[KeenlineError] = []
        """Found before anything was opened."""
        recipe: Recipe | None = None
        if config.recipe is not None:
            with _collecting(self._problems):
                recipe = load_recipe(folder / config.recipe)
        self.journal = Journal(folder / config.journal)
        self.store: Store = store(
            config.store, station=config.station, folder=folder, on_lost=self._image_lost
        )
        self.station = Station(
            plan(_plan(config, folder, recipe)),
            self.journal,
            self.store.keeper,
            on_result=on_result,
            on_event=on_event,
        )
        sinks: list[Sink] = [self.store.sink]
        if config.mqtt is not None:
            sinks.append(config.mqtt.build(config.station))
        if config.sparkplug is not None:
            sinks.append(config.sparkplug.build(config.station, folder / config.journal))
        self.opcua: Opc40100Server | None = None
        if config.opcua is not None:
            control = StationControl(self.station, config)
            self.opcua = config.opcua.build(control, self._lookup)
            sinks.append(self.opcua)
        lingers = {self.store.sink.name: _STORE_LINGER_S}
        self.forwarders = [
            Forwarder(self.journal, sink, linger_s=lingers.get(sink.name, 0.0)) for sink in sinks
        ]
        self.metrics: MetricsServer | None = None
        self._now, self._watch = config, BundleWatch(folder / config.bundle)
        self._stopping = threading.Event()
        self._tidying = threading.Thread(target=self._tidy, name="tidy", daemon=True)

    def start(self) -> None:
        """Start everything. Raises StationError with all that could not be started."""
        problems = list(self._problems)
        highest = 0
        try:
            self.store.sink.prepare()
            highest = self.store.sink.last_trigger(self.config.station)
        except StoreError as error:
            # A database that is down is no reason to stop a line; one of another version is.
            if error.code is Code.STORE_SCHEMA:
                problems.append(error)
        with _collecting(problems):
            self.store.keeper.start()
        if self.opcua is not None:
            with _collecting(problems):
                self.opcua.start()
        with _collecting(problems):
            self.station.start(highest + 1)
        with _collecting(problems):
            self._serve_metrics()
        if problems:
            self.stop()
            raise _joined(self.config.station, problems)
        for forwarder in self.forwarders:
            forwarder.start()
        self.store.retention.start()
        self._tidying.start()

    def check(self) -> None:
        """Open everything that a start would, and begin nothing.

        Raises StationError with all that could not be opened.
        """
        problems = list(self._problems)
        for secret in secrets_of(self.config):
            with _collecting(problems):
                secret.read()
        with _collecting(problems):
            self.store.sink.prepare()
        with _collecting(problems):
            self.store.keeper.start()
        if self.opcua is not None:
            with _collecting(problems):
                self.opcua.start()
        with _collecting(problems):
            self.station.check()
        with _collecting(problems):
            self._serve_metrics()
        if problems:
            raise _joined(self.config.station, problems)

    def reload(self, path: Path) -> None:
        """Change to the bundle, recipe and shadow that the file of the configuration names now.

        A bundle that cannot be used, or a file that changes anything else, is reported as an
        event, and the station goes on as before.
        """
        try:
            config = load_station(path)
            same = {name: getattr(self.config, name) for name in ("bundle", "recipe", "shadow")}
            if config.model_copy(update=same) != self.config:
                raise StationError(
                    Code.STATION_INVALID,
                    "Only bundle, recipe and [shadow] can be changed while a station runs",
                    next="start the station anew for the other changes",
                )
            self._change(config)
        except KeenlineError as error:
            code = str(int(error.code))
            self.station.books.event("change-refused", code=code, what=str(error))

    def withdrawn(self) -> tuple[str, ...]:
        """Classes of the bundle that decides that may no longer reject, by its file, and still do
        here: `give_up` them."""
        programme = self.station.programme
        return () if programme is None else self._watch.withdrawn(programme.bundle_sha256)

    def give_up(self, classes: Sequence[str]) -> None:
        """Let classes only ask for a review from the next part on, as the bundle's file says.

        Reported as an event; so is a bundle that cannot be used, and the station goes on as before.
        """
        file = self._now.bundle
        self.station.books.event("authority-withdrawn", classes=", ".join(classes), file=file)
        try:
            self._change(self._now)
        except KeenlineError as error:
            code = str(int(error.code))
            self.station.books.event("change-refused", code=code, what=str(error))

    def _change(self, config: StationConfig) -> None:
        recipe = None if config.recipe is None else load_recipe(self.folder / config.recipe)
        path = self.folder / config.bundle
        self.station.change(path, recipe, _shadow(config, self.folder))
        self._now, self._watch = config, BundleWatch(path)

    def stop(self, drain_s: float = 5.0) -> None:
        """Stop the line, give records `drain_s` seconds to be delivered, and close everything;
        what is not delivered by then comes after the next start."""
        if self._stopping.is_set():
            return
        self.station.stop()
        self.store.keeper.close()
        for forwarder in self.forwarders:
            forwarder.drain(drain_s)
            forwarder.stop()
        self._stopping.set()
        if self._tidying.ident is not None:
            self._tidying.join()
        self.store.retention.stop()
        if self.metrics is not None:
            self.metrics.close()
        self.store.close()
        self.journal.close()

    def _serve_metrics(self) -> None:
        table = self.config.metrics
        if table is None:
            return
        source = StationMetrics(
            self.station, self.forwarders, lambda: self.store.keeper.state.trouble is not None
        )
        try:
            self.metrics = MetricsServer(source, table.host, table.port)
        except OSError as error:
            raise StationError(
                Code.STATION_START,
                f"Metrics cannot be served: {error.strerror}",
                where=f"{table.host}:{table.port}",
                next="choose another port in [metrics]",
            ) from error

    def _tidy(self) -> None:
        while not self._stopping.wait(_TIDY_S):
            self.journal.forget_before(min(forwarder.place for forwarder in self.forwarders))
            try:
                self.journal.refill()
                self.journal.flush()
            except OutputError:
                continue  # the disk is gone: the entries of the line meet the same, and say so

    def _image_lost(self, sha256: str, why: str) -> None:
        self.station.tally.count("images_lost")
        self.station.books.event("image-lost", sha256=sha256, why=why)

    def _lookup(self, result_id: str) -> Result | None:
        database = open_database(self.config.store, self.folder, must_exist=True)
        try:
            return next(find(database, Query(result_id=result_id)), None)
        finally:
            database.close()


def _plan(config: StationConfig, folder: Path, recipe: Recipe | None) -> StationPlan:
    facts = StationFacts(config.station, config.sha256, f"keenline {__version__}")
    return StationPlan(
        facts=facts,
        bundle=folder / config.bundle,
        cameras=[(build_camera(table), table.trigger) for table in config.cameras],
        plc=None if config.plc is None else config.plc.build(),
        recipe=recipe,
        trigger=config.trigger,
        tracking=config.tracking,
        handshake=config.handshake,
        engine=config.engine,
        shadow=_shadow(config, folder),
        challenge_file=folder / config.journal / CHALLENGE_FILE,
    )


def _shadow(config: StationConfig, folder: Path) -> tuple[Path, ShadowTable] | None:
    return None if config.shadow is None else (folder / config.shadow.bundle, config.shadow)


@contextmanager
def _collecting(problems: list[KeenlineError]) -> Iterator[None]:
    try:
        yield
    except KeenlineError as problem:
        problems.append(problem)


def _joined(name: str, problems: list[KeenlineError]) -> StationError:
    words: list[str] = []
    for problem in problems:
        if isinstance(problem, StationError) and problem.code is Code.STATION_START:
            words += problem.problems or (str(problem),)
        else:
            words.append(str(problem))
    return StationError(
        Code.STATION_START,
        f"The station {name} cannot start",
        problems=words,
        next="correct what is named above; `keenline station --check` tries it without starting",
    )
