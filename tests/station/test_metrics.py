"""The metrics of a running station, read by the parser of Prometheus' own library."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.station.lines import Watched, camera, plan, running, until

from keenline.devices.simulated_faults import FaultKind
from keenline.station.metrics import MetricsServer, StationMetrics
from keenline.station.settings import ShadowTable
from keenline.station.tally import EDGES_MS, STAGES
from keenline.types import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "station.md").read_text(encoding="utf-8")


@pytest.fixture
def line(bundle: Path, tmp_path: Path) -> Iterator[Watched]:
    # Of a bundle in shadow that may not run the metrics tell too.
    beside = (bundle, ShadowTable(bundle=bundle.name))
    with running(plan(bundle, camera(), shadow=beside), tmp_path) as watched:
        yield watched


@pytest.fixture
def server(line: Watched) -> Iterator[MetricsServer]:
    made = MetricsServer(StationMetrics(line.station, (), lambda: False), "127.0.0.1", 0)
    yield made
    made.close()


def scraped(server: MetricsServer) -> dict[str, Metric]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    samples = (sample for family in families.values() for sample in family.samples)
    (found,) = [one.value for one in samples if one.name == name and one.labels == labels]
    return found


def test_parts_verdicts_and_times_add_up(line: Watched, server: MetricsServer):
    results = line.inspect(12)
    seen = scraped(server)
    assert value(seen, "keenline_triggers_total") == 12
    by_verdict = {
        verdict: value(seen, "keenline_results_total", verdict=verdict) for verdict in Verdict
    }
    assert sum(by_verdict.values()) + value(seen, "keenline_parts_in_work") == 12
    passes = sum(result.decision.verdict is Verdict.PASS for result in results)
    assert by_verdict[Verdict.PASS] == passes > 0
    latency = seen["keenline_latency_seconds"]
    assert latency.type == "histogram"
    assert value(seen, "keenline_latency_seconds_count", stage="decided") == 12
    total = sum(result.timings.decided or 0.0 for result in results) / 1e3
    assert value(seen, "keenline_latency_seconds_sum", stage="decided") == pytest.approx(total)
    for stage in STAGES:
        buckets = [
            one.value
            for one in latency.samples
            if one.name.endswith("_bucket") and one.labels["stage"] == stage
        ]
        assert buckets == sorted(buckets)
        assert len(buckets) == len(EDGES_MS) + 1


def test_what_is_wrong_is_seen(line: Watched, server: MetricsServer):
    line.inspect(2)
    top = line.station.opened.acquisitions["top"].camera
    top.inject(FaultKind.SKIP)  # type: ignore[attr-defined]
    line.inspect(3)
    seen = scraped(server)
    codes = {
        one.labels["code"]: one.value
        for one in seen["keenline_invalid"].samples
        if one.name == "keenline_invalid_total"
    }
    assert codes
    assert all(re.fullmatch(r"KL5\d{3}", code) for code in codes)
    assert sum(codes.values()) == value(seen, "keenline_results_total", verdict="INVALID")
    assert value(seen, "keenline_lost_frames_total") > 0
    assert not seen["keenline_trouble"].samples
    until(lambda: line.station.line_is_in_step)  # or the camera is not fired
    top.inject(FaultKind.GONE, 60_000.0)  # type: ignore[attr-defined]
    line.trigger()
    until(lambda: bool(line.station.health.troubles))
    seen = scraped(server)
    assert value(seen, "keenline_trouble", where="camera top") == 1
    assert value(seen, "keenline_state", state="Error") == 1
    assert sum(one.value for one in seen["keenline_state"].samples) == 1


def test_who_inspects_and_when_it_last_did(line: Watched, server: MetricsServer):
    assert value(scraped(server), "keenline_last_result_timestamp_seconds") == 0
    (result,) = line.inspect(1)
    seen = scraped(server)
    age = value(seen, "keenline_last_result_timestamp_seconds") - result.trigger.time.timestamp()
    assert 0 <= age < 5
    (who,) = seen["keenline_station_info"].samples
    assert who.labels["station"] == result.station
    assert who.labels["bundle_sha256"] == result.bundle_sha256
    assert who.labels["recipe_sha256"] == result.recipe_sha256
    assert value(seen, "process_resident_memory_bytes") > 1e6


def test_the_page_lists_every_metric_and_no_other(line: Watched, server: MetricsServer):
    line.inspect(1)
    suffix = {"counter": "_total"}
    served = {name + suffix.get(each.type, "") for name, each in scraped(server).items()}
    rows = [row for row in PAGE.splitlines() if row.startswith(("| `keenline_", "| `process_"))]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    ours = {name for name in served if name.startswith("keenline_")}
    assert {name for name in told if name.startswith("keenline_")} == ours
    assert {name for name in told if name.startswith("process_")} <= served
    for name in re.findall(r"^  expr: .*$", PAGE, re.MULTILINE):
        assert set(re.findall(r"keenline_\w+", name)) <= ours, name


def test_a_station_that_has_ended_can_still_be_asked(bundle: Path, tmp_path: Path):
    with running(plan(bundle, camera()), tmp_path) as line:
        line.inspect(1)
        made = MetricsServer(StationMetrics(line.station, (), lambda: True), "127.0.0.1", 0)
    try:
        seen = scraped(made)
    finally:
        made.close()
    assert value(seen, "keenline_state", state="Halted") == 1
    assert value(seen, "keenline_images_stopped") == 1
    with pytest.raises(urllib.error.URLError):
        scraped(made)


def test_a_port_that_is_taken_is_said(line: Watched, server: MetricsServer):
    source = StationMetrics(line.station, (), lambda: False)
    with pytest.raises(OSError, match="in use"):
        MetricsServer(source, "127.0.0.1", server.port)
