"""A running station turned into Prometheus metrics, read only when somebody asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from keenline.journal.forwarding import Forwarder
from keenline.station.shadow import ShadowCounts, Skipped
from keenline.station.states import State
from keenline.station.station import Station
from keenline.station.tally import EDGES_MS, STAGES

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

_COUNTS = {
    "triggers": "Parts that were asked for",
    "frames": "Whole frames that cameras delivered",
    "stray_frames": "Frames that belonged to no part",
    "lost_frames": "Frames that a camera did not deliver, or delivered broken",
    "images_lost": "Images that should have been kept and could not be",
    "actuated_late": "Verdicts that the PLC confirmed after the deadline, or that missed the gate",
}


class StationMetrics(Collector):
    """Answers a scrape from the station's own accounts; costs the line nothing in between."""

    def __init__(
        self,
        station: Station,
        forwarders: Sequence[Forwarder],
        images_trouble: Callable[[], bool],
    ) -> None:
        self._station = station
        self._forwarders = forwarders
        self._images_trouble = images_trouble

    def collect(self) -> Iterator[Metric]:
        yield self._who()
        yield from self._parts()
        yield from self._latencies()
        yield from self._health()
        yield from self._forwarding()
        yield from self._shadow()

    def _who(self) -> Metric:
        facts, programme = self._station.plan.facts, self._station.programme
        values = {
            "station": facts.name,
            "station_sha256": facts.sha256,
            "software": facts.software,
            "bundle_sha256": programme.bundle_sha256 if programme else "",
            "recipe_sha256": programme.recipe_sha256 if programme else "",
        }
        return InfoMetricFamily("keenline_station", "What inspects here", value=values)

    def _parts(self) -> Iterator[Metric]:
        counts = self._station.tally.counts()
        for name, words in _COUNTS.items():
            yield CounterMetricFamily(f"keenline_{name}", words, value=getattr(counts, name))
        results = CounterMetricFamily("keenline_results", "Parts by verdict", labels=["verdict"])
        for verdict, number in counts.verdicts.items():
            results.add_metric([verdict], number)
        yield results
        codes = CounterMetricFamily("keenline_invalid", "INVALID parts by error", labels=["code"])
        for code, number in counts.codes.items():
            codes.add_metric([f"KL{code}"], number)
        yield codes
        words = "Parts between trigger and verdict"
        yield GaugeMetricFamily("keenline_parts_in_work", words, value=counts.in_work)
        words = "When the last part got its result; 0 before the first"
        yield GaugeMetricFamily(
            "keenline_last_result_timestamp_seconds", words, value=counts.last_result_s or 0.0
        )
        words = "Entries that the journal's disk does not take"
        yield GaugeMetricFamily("keenline_unrecorded", words, value=counts.unrecorded)
        journal = self._station.books.recorder
        words = "1 while the journal's disk is full, or was and its reserve is not whole again"
        value = float(journal.is_on_reserve)
        yield GaugeMetricFamily("keenline_journal_on_reserve", words, value=value)
        words = "What is left of the room set aside for a full disk"
        left = journal.reserve_left
        yield GaugeMetricFamily("keenline_journal_reserve_bytes", words, value=left)

    def _latencies(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "keenline_latency_seconds", "From the trigger to each stage", labels=["stage"]
        )
        edges = [f"{edge / 1e3:g}" for edge in EDGES_MS] + ["+Inf"]
        for stage in STAGES:
            found = self._station.tally.histogram(stage)
            buckets = list(zip(edges, found.counts, strict=True))
            family.add_metric([stage], buckets, found.sum_ms / 1e3)
        yield family

    def _health(self) -> Iterator[Metric]:
        state = GaugeMetricFamily("keenline_state", "1 for the present state", labels=["state"])
        for one in State:
            state.add_metric([one], float(one is self._station.state))
        yield state
        trouble = GaugeMetricFamily("keenline_trouble", "1 for what is gone", labels=["where"])
        for where in self._station.health.troubles:
            trouble.add_metric([where], 1.0)
        yield trouble
        words = "1 while images cannot be kept"
        value = float(self._images_trouble())
        yield GaugeMetricFamily("keenline_images_stopped", words, value=value)
        words = "Times that the engine's process was started again"
        restarts = self._station.engine_restarts
        yield CounterMetricFamily("keenline_engine_restarts", words, value=restarts)

    def _forwarding(self) -> Iterator[Metric]:
        words = "Entries that a sink confirmed"
        delivered = CounterMetricFamily("keenline_delivered", words, labels=["sink"])
        words = "Batches that a sink did not take"
        failures = CounterMetricFamily("keenline_delivery_failures", words, labels=["sink"])
        words = "1 while a sink has not confirmed everything"
        behind = GaugeMetricFamily("keenline_behind", words, labels=["sink"])
        words = "1 for a sink that does not take what it is given, by its error"
        trouble = GaugeMetricFamily("keenline_delivery_trouble", words, labels=["sink", "code"])
        for forwarder in self._forwarders:
            state = forwarder.state
            if state.trouble is not None:
                code = f"KL{int(state.trouble.code)}"
                trouble.add_metric([forwarder.sink.name, code], 1.0)
            delivered.add_metric([forwarder.sink.name], state.delivered)
            failures.add_metric([forwarder.sink.name], state.failures)
            behind.add_metric([forwarder.sink.name], float(state.is_behind))
        yield from (delivered, failures, behind, trouble)

    def _shadow(self) -> Iterator[Metric]:
        if self._station.plan.shadow is None:
            return
        shadow = self._station.shadow
        counts = ShadowCounts() if shadow is None else shadow.counts
        words = "1 while the bundle in shadow can be asked; 0 where it may not run, or is down"
        up = GaugeMetricFamily("keenline_shadow_up", words, labels=["bundle_sha256"])
        sha256 = "" if shadow is None else shadow.bundle_sha256
        up.add_metric([sha256], float(shadow is not None and shadow.is_up))
        yield up
        words = "Parts of which the bundle in shadow has said what it would have decided"
        yield CounterMetricFamily("keenline_shadow_answers", words, value=counts.answers)
        words = "Answers of the bundle in shadow that are not what the station decided"
        yield CounterMetricFamily("keenline_shadow_differing", words, value=counts.differing)
        words = "Parts that the bundle in shadow was not asked about, or gave no answer on"
        skipped = CounterMetricFamily("keenline_shadow_skipped", words, labels=["why"])
        for why in get_args(Skipped):
            skipped.add_metric([why], counts.skipped.get(why, 0))
        yield skipped
        words = "Times that the process of the bundle in shadow was started again"
        restarts = 0 if shadow is None else shadow.restarts
        yield CounterMetricFamily("keenline_shadow_restarts", words, value=restarts)


class MetricsServer:
    """Serves metrics at `/metrics` of an address."""

    def __init__(self, metrics: StationMetrics, host: str, port: int) -> None:
        """Begin to serve. Raises OSError when the port is taken."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(metrics)
        ProcessCollector(registry=registry)  # memory, file descriptors, time of the start
        self._server: WSGIServer
        self._thread: threading.Thread
        self._server, self._thread = start_http_server(port, host, registry)
        self.port: int = self._server.server_port

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
