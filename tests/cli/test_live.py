"""The live view of a running station: what it shows, at the width of a narrow terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from tests.station.lines import Watched, camera, plan, running

from keenline.cli.live import LiveView
from keenline.types import LineEvent


def shown(view: LiveView, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(view.render())
    return stream.getvalue()


def fed(line: Watched, number: int) -> LiveView:
    view = LiveView(line.station, ())
    for result in line.inspect(number):
        view.result(result)
    for event in line.events:
        view.event(event)
    return view


def test_before_the_first_part_it_waits(small_bundle: Path, tmp_path: Path):
    with running(plan(small_bundle, camera()), tmp_path) as line:
        text = shown(LiveView(line.station, ()))
    assert "waiting for the first part" in text
    assert "nan" not in text


def test_parts_verdicts_times_and_state(small_bundle: Path, tmp_path: Path):
    with running(plan(small_bundle, camera()), tmp_path) as line:
        text = shown(fed(line, 4))
    assert "  4 parts" in text
    assert "state ContinuousExecution" in text
    assert "p99.9" in text
    assert "test-1-4" in text


def test_faults_and_troubles_are_news_and_no_line_is_wider_than_the_terminal(
    small_bundle: Path, tmp_path: Path
):
    with running(plan(small_bundle, camera()), tmp_path) as line:
        view = fed(line, 1)
        view.fault("camera gone")
        facts = {"where": "camera top", "code": "5101", "what": "it is gone " * 20}
        some = line.events[0]
        view.event(LineEvent("id", "test-1", "trouble", some.time, facts))
        text = shown(view)
    assert "fault: camera gone" in text
    assert "trouble: camera top, it is gone" in text
    assert "…" in text
    assert max(map(len, text.splitlines())) <= 80
