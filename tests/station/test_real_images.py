"""Real photos of a real part run past a station: each gets the verdict that it gets in the lab."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.station.lines import running, until

import keenline
from keenline.devices.folder import FolderSettings
from keenline.inference.inspector import Inspector
from keenline.station.opening import StationPlan
from keenline.station.ports import StationFacts
from keenline.station.settings import EngineTable, TriggerSettings
from keenline.types import Verdict


@pytest.mark.slow
def test_cookies_from_a_watched_folder_get_the_verdicts_of_the_inspector(
    shared: Path, tmp_path: Path
) -> None:
    photos = shared / "data" / "cookie" / "dataset-files" / "training-images"
    good = tmp_path / "learn" / "good"
    good.mkdir(parents=True)
    for path in sorted(photos.glob("normal-*.jpg"))[:16]:
        (good / path.name).symlink_to(path)
    bundle = tmp_path / "cookie.keen"
    keenline.train(keenline.open_dataset(tmp_path / "learn"), bundle)
    chosen = [
        *sorted(photos.glob("normal-*.jpg"))[16:22],
        *sorted(photos.glob("anomaly-*.jpg"))[:8],
    ]
    inspector = Inspector.open(bundle)
    expected = {path.stem: inspector.inspect(path) for path in chosen}

    watched = tmp_path / "camera"
    watched.mkdir()
    camera = FolderSettings(
        kind="folder", name="top", trigger="free", folder=str(watched), settle_ms=50
    )
    plan = StationPlan(
        StationFacts("cookies", "0" * 64, "keenline test"),
        bundle,
        [(camera.build(), "free")],
        trigger=TriggerSettings(source="camera", deadline_ms=10_000, parts_at_once=64),
        engine=EngineTable(hang_ms=10_000, waiting=32),
    )
    with running(plan, tmp_path / "journal") as line:
        for path in chosen:
            (watched / f".{path.name}").write_bytes(path.read_bytes())
            (watched / f".{path.name}").rename(watched / path.name)
        until(lambda: len(line.results) == len(chosen), 60)
        line.assert_accounts_balance()
    for result in line.results:
        wanted = expected[result.trigger.part_id]
        assert result.decision.verdict is wanted.decision.verdict
        assert wanted.prediction is not None
        assert result.views[0].score == pytest.approx(wanted.prediction.score, rel=1e-5)
        assert result.views[0].size == wanted.size
    assert {result.decision.verdict for result in line.results} <= {Verdict.PASS, Verdict.REVIEW}
