"""The metrics of a running station turned into findings: state, troubles, parts, times, records."""

from __future__ import annotations

import http.client
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from keenline.cli.examination import Finding, Level
from keenline.cli.station_config import MetricsSettings, StationConfig

_ANSWER_S = 3.0
_MANY_INVALID = 0.05
_MANY_SKIPPED = 0.05
_SLOW = 0.8
_FULL = 0.8
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not bound to)


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer of a station's metrics."""

    samples: tuple[tuple[str, Mapping[str, str], float], ...]

    def value(self, name: str, **labels: str) -> float:
        """The value of a metric; 0 where it is not there."""
        return next((value for of, value in self.each(name) if labels.items() <= of.items()), 0.0)

    def each(self, name: str) -> Iterator[tuple[Mapping[str, str], float]]:
        """Every sample of a metric, with its labels."""
        return ((labels, value) for found, labels, value in self.samples if found == name)


def address_of(table: MetricsSettings) -> str:
    """Where the metrics of a station are asked for on its own machine."""
    return f"http://{_ANYWHERE.get(table.host, table.host)}:{table.port}/metrics"


def scrape(table: MetricsSettings) -> Scrape:
    """Ask the station. Raises OSError when nobody answers, ValueError when the answer is not that
    of metrics."""
    host = _ANYWHERE.get(table.host, table.host)
    link = http.client.HTTPConnection(host, table.port, timeout=_ANSWER_S)
    try:
        link.request("GET", "/metrics")
        answer = link.getresponse()
        text = answer.read().decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise ValueError("the answer is not HTTP") from error
    finally:
        link.close()
    if answer.status != http.client.OK:
        raise ValueError(f"the answer is HTTP {answer.status}")
    families = text_string_to_metric_families(text)
    samples = [(one.name, one.labels, one.value) for each in families for one in each.samples]
    return Scrape(tuple(samples))


def findings(seen: Scrape, config: StationConfig, bundle_sha256: str | None) -> Iterator[Finding]:
    """What the metrics say; `bundle_sha256`: of the file that the configuration names now."""
    (who, _), *_ = [*seen.each("keenline_station_info"), ({}, 0.0)]
    if who.get("station") != config.station:
        other = who.get("station", "something else")
        yield Finding(
            "answers",
            Level.FAULT,
            f"{other} answers there, not {config.station}",
            "give each station a port of its own in [metrics]",
        )
        return
    yield from _programme(who, config, bundle_sha256)
    yield from _state(seen)
    yield from _parts(seen, config)
    yield from _times(seen, config)
    yield from _shadow(seen)
    yield from _records(seen)
    yield from _process(seen)


def _programme(
    who: Mapping[str, str], config: StationConfig, bundle_sha256: str | None
) -> Iterator[Finding]:
    running = who["bundle_sha256"]
    if bundle_sha256 is not None and bundle_sha256 != running:
        words = f"another one is in work ({running[:12]}) than on disk ({bundle_sha256[:12]})"
        yield Finding("bundle", Level.WARNING, words, "SIGHUP, or `systemctl reload`, loads it")
    elif who["station_sha256"] != config.sha256:
        words = "the configuration has been changed since the station was started"
        yield Finding("bundle", Level.WARNING, words, "start the station anew when it suits")
    else:
        yield Finding("bundle", Level.OK, f"{config.bundle} ({running[:12]}) is in work")


def _state(seen: Scrape) -> Iterator[Finding]:
    state = next((of["state"] for of, value in seen.each("keenline_state") if value), "unknown")
    level = Level.WARNING
    if state in ("ContinuousExecution", "SingleExecution"):
        level = Level.OK
    elif state in ("Error", "Halted"):
        level = Level.FAULT
    words = "" if level is Level.OK else ": nothing is inspected, every part is INVALID"
    yield Finding("state", level, state + words)
    for of, value in seen.each("keenline_trouble"):
        if value:
            yield Finding(
                "trouble", Level.FAULT, f"{of['where']}: see its last `trouble` in the log"
            )
    restarts = round(seen.value("keenline_engine_restarts_total"))
    if restarts:
        words = f"its process was started again, {restarts} x since the bundle was loaded"
        yield Finding("engine", Level.WARNING, words, "look at memory, and at engine.hang_ms")


def _parts(seen: Scrape, config: StationConfig) -> Iterator[Finding]:
    triggers = round(seen.value("keenline_triggers_total"))
    verdicts = {of["verdict"]: round(value) for of, value in seen.each("keenline_results_total")}
    told = ", ".join(f"{number} {name}" for name, number in verdicts.items() if number)
    unsettled = triggers - sum(verdicts.values()) - round(seen.value("keenline_parts_in_work"))
    invalid = verdicts.get("INVALID", 0)
    level = Level.OK
    if unsettled:
        level = Level.FAULT
        told += f"; {unsettled} have no result"
    elif triggers and invalid / triggers > _MANY_INVALID:
        level = Level.WARNING
        worst = sorted(seen.each("keenline_invalid_total"), key=lambda one: -one[1])[:3]
        told += " (" + ", ".join(f"{of['code']} {value:.0f} x" for of, value in worst) + ")"
    yield Finding("parts", level, f"{triggers} since the start: {told or 'none yet'}")
    last = seen.value("keenline_last_result_timestamp_seconds")
    if last:
        yield _age(time.time() - last, config.trigger.every_ms)
    lost = round(seen.value("keenline_lost_frames_total"))
    if lost:
        frames = round(seen.value("keenline_frames_total"))
        yield Finding("frames", Level.WARNING, f"{lost} lost or broken, {frames} came whole")
    late = round(seen.value("keenline_actuated_late_total"))
    if late:
        words = f"{late} verdicts were confirmed after the deadline, or missed the gate"
        yield Finding("PLC", Level.WARNING, words, "the PLC's program must have rejected them")


def _age(seconds: float, every_ms: float | None) -> Finding:
    words = f"the last one {seconds:.0f} s ago"
    if every_ms is not None and seconds > 5 + every_ms / 100:
        return Finding("parts", Level.WARNING, f"{words}, one is due every {every_ms:g} ms")
    return Finding("parts", Level.OK, words)


def _times(seen: Scrape, config: StationConfig) -> Iterator[Finding]:
    deadline = config.trigger.deadline_ms
    within = _within(seen, 0.99)
    if within is None:
        return
    level = Level.WARNING if within > _SLOW * deadline else Level.OK
    limit = "more than 2000" if math.isinf(within) else f"within {within:g}"
    words = f"99 % {limit} ms of the trigger; the deadline is {deadline:g} ms"
    yield Finding("verdicts", level, words)


def _within(seen: Scrape, share: float) -> float | None:
    """Milliseconds: the edge of the bucket that holds this share of the verdicts."""
    buckets = [
        (float(of["le"]) * 1e3, value)
        for of, value in seen.each("keenline_latency_seconds_bucket")
        if of["stage"] == "decided"
    ]
    total = max((value for _, value in buckets), default=0.0)
    if not total:
        return None
    return min(edge for edge, value in buckets if value >= share * total)


def _shadow(seen: Scrape) -> Iterator[Finding]:
    (of, is_up), *_ = [*seen.each("keenline_shadow_up"), ({}, None)]
    if is_up is None:
        return  # there is none
    answers = round(seen.value("keenline_shadow_answers_total"))
    differing = round(seen.value("keenline_shadow_differing_total"))
    words = f"{of['bundle_sha256'][:12]}: {answers} parts, {differing} not as the station decided"
    skipped = {each["why"]: value for each, value in seen.each("keenline_shadow_skipped_total")}
    left_out = round(sum(skipped.values()))
    if not of["bundle_sha256"]:
        advice = "`shadow-refused` in the log says why; `keenline station --check` too"
        yield Finding("shadow", Level.WARNING, "it may not run here; the line goes on", advice)
    elif not is_up:
        advice = "`shadow-down` in the log says why, `shadow-up` that it is loaded"
        yield Finding("shadow", Level.WARNING, f"{words}; it is down, or loading", advice)
    elif left_out > _MANY_SKIPPED * (answers + left_out):
        named = ", ".join(f"{value:.0f} {why}" for why, value in skipped.items() if value)
        words += f"; {left_out} left out ({named})"
        yield Finding("shadow", Level.WARNING, words, "a smaller `share`, or more cores")
    else:
        words += f"; {left_out} left out" if left_out else ""
        yield Finding("shadow", Level.OK, words)


def _records(seen: Scrape) -> Iterator[Finding]:
    unrecorded = round(seen.value("keenline_unrecorded"))
    if unrecorded:
        words = f"{unrecorded} entries are in memory only: its disk takes nothing"
        yield Finding("journal", Level.FAULT, words, "free space there; no part passes meanwhile")
    troubles = {
        of["sink"]: of["code"] for of, value in seen.each("keenline_delivery_trouble") if value
    }
    for of, behind in seen.each("keenline_behind"):
        sink = of["sink"]
        delivered = f"{seen.value('keenline_delivered_total', sink=sink):.0f} delivered"
        if sink in troubles:
            words = f"{delivered}, then {troubles[sink]}: the rest waits in the journal"
            yield Finding(
                sink, Level.FAULT, words, f"docs/errors.md says what {troubles[sink]} means"
            )
        else:
            yield Finding(sink, Level.OK, delivered + (", more on the way" if behind else ""))
    if seen.value("keenline_images_stopped"):
        words = "images are not kept at present"
        yield Finding("images", Level.FAULT, words, "free space, or bring their place back")
    lost = round(seen.value("keenline_images_lost_total"))
    if lost:
        yield Finding("images", Level.WARNING, f"{lost} were not kept; their parts say so")


def _process(seen: Scrape) -> Iterator[Finding]:
    most = seen.value("process_max_fds")
    if not most:
        return  # not Linux
    used = seen.value("process_open_fds")
    memory = seen.value("process_resident_memory_bytes") / 1e6
    up = (time.time() - seen.value("process_start_time_seconds")) / 60
    told = f"{up:.0f} min" if up < 120 else f"{up / 60:.0f} h"
    words = f"up {told}, {memory:.0f} MB, {used:.0f} of {most:.0f} file descriptors"
    level = Level.WARNING if used > _FULL * most else Level.OK
    yield Finding("process", level, words)
