"""Made-up content for report tests: a few parts of every fate, with names that need escaping."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from keenline.evaluation.metrics import PixelMetrics
from keenline.evaluation.summary import summarise
from keenline.report.content import Finding, ReportContent, ReportRow, Skipped
from keenline.types import (
    ANOMALY,
    GOOD,
    Box,
    Decision,
    Image,
    Inspection,
    Mask,
    Prediction,
    Region,
    Verdict,
)

SHAPE = (120, 160)
THRESHOLD = 1.0
EVIL = '<script>alert("x")</script> & ü.png'


def read(path: Path) -> Image:
    """A grey part with a dark spot where the score map is high."""
    image = np.full((*SHAPE, 3), 150, np.uint8)
    if "good" not in path.name:
        image[40:60, 80:110] = 30
    return image


def read_mask(path: Path) -> Mask:
    mask = np.zeros(SHAPE, bool)
    mask[40:60, 80:110] = True
    return mask


def row(name: str, label: str | None, score: float | None) -> ReportRow:
    path = Path("parts") / name
    if score is None:
        decision = Decision(Verdict.INVALID, ("truncated <file>",))
        return ReportRow(path, Inspection(path, (0, 0), None, decision, THRESHOLD, 0.0), label)
    score_map = np.full((12, 16), 0.3, np.float32)
    score_map[4:6, 8:11] = score
    region = Region(ANOMALY, Box(80, 40, 30, 20), 600.0, score, 6.0)
    flagged = score > THRESHOLD
    regions = (region,) if flagged else ()
    decision = Decision(Verdict.REVIEW if flagged else Verdict.PASS, ("anomaly",))
    prediction = Prediction(score, score_map, regions)
    inspection = Inspection(path, (160, 120), prediction, decision, THRESHOLD, 3.0)
    normal = np.full((48, 48, 3), 150, np.uint8)
    findings = tuple(Finding(item, normal_patch=normal) for item in regions)
    mask = Path("masks") / name if label not in (None, GOOD) else None
    return ReportRow(path, inspection, label, mask, findings)


def rows() -> tuple[ReportRow, ...]:
    return (
        *(row(f"good-{index}.png", GOOD, 0.3 + 0.05 * index) for index in range(8)),
        row("good-loud.png", GOOD, 1.2),
        *(row(f"dent-{index}.png", "dent", 1.5 + index) for index in range(4)),
        row(EVIL, "dent", 0.6),
        row("scratch.png", "scratch", 2.2),
        row("broken.png", "scratch", None),
    )


def content(labelled: bool = True, skipped: bool = True) -> ReportContent:
    everything = rows()
    evaluation = None
    if labelled:
        pixels = PixelMetrics()
        for item in everything:
            prediction = item.inspection.prediction
            if prediction is not None:
                mask = np.zeros(SHAPE, bool) if item.mask is None else read_mask(item.mask)
                pixels.add(prediction.map, mask)
        evaluation = summarise(
            ((str(item.label), item.inspection) for item in everything),
            threshold=THRESHOLD,
            pixels=pixels,
        )
    else:
        everything = tuple(row(item.image.name, None, item.score) for item in everything)
    return ReportContent(
        title="Bracket <left> & Co",
        created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        rows=everything,
        threshold=THRESHOLD,
        statement="59 held-out parts, none above: false-alarm rate <= 5 % at 95 % confidence",
        facts={"Bundle": "bracket.keen", "Engine": "openvino, f32"},
        evaluation=evaluation,
        skipped=(Skipped(Path("notes & <b>.txt"), "not an image"),) if skipped else (),
    )
