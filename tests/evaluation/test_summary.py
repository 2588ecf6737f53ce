"""An evaluation counts what an auditor counts, and its JSON holds no NaN."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keenline.evaluation.metrics import PixelMetrics
from keenline.evaluation.summary import summarise
from keenline.types import GOOD, Decision, Inspection, Prediction, Verdict


def inspection(
    score: float | None, threshold: float = 1.0, verdict: Verdict | None = None
) -> Inspection:
    if score is None:
        decision = Decision(Verdict.INVALID, ("unreadable",))
        return Inspection(None, (0, 0), None, decision, threshold, 0.0)
    verdict = verdict or (Verdict.REVIEW if score > threshold else Verdict.PASS)
    prediction = Prediction(score, np.full((2, 2), score, np.float32))
    return Inspection(None, (8, 8), prediction, Decision(verdict, ()), threshold, 2.0 + score)


CASES = [
    (GOOD, inspection(0.2)),
    (GOOD, inspection(1.0)),
    (GOOD, inspection(1.5)),
    (GOOD, inspection(None)),
    ("dent", inspection(0.9)),
    ("dent", inspection(3.0)),
    ("scratch", inspection(2.0)),
    ("scratch", inspection(None)),
    ("scratch", inspection(None)),
]


def test_counts_by_class_and_verdict() -> None:
    result = summarise(CASES, threshold=1.0, statement="59 parts")
    assert result.verdicts == {"PASS": 3, "REJECT": 0, "REVIEW": 3, "INVALID": 3}
    assert (result.false_alarm_rate.events, result.false_alarm_rate.n) == (1, 3)
    assert (result.recall["dent"].events, result.recall["dent"].n) == (1, 2)
    assert (result.recall["scratch"].events, result.recall["scratch"].n) == (1, 1)
    assert (result.recall_overall.events, result.recall_overall.n) == (2, 3)


def test_invalid_images_are_neither_found_nor_missed_but_listed() -> None:
    result = summarise(CASES, threshold=1.0)
    assert result.invalid == {"good": 1, "scratch": 2}
    assert result.image_auroc == pytest.approx(7 / 9)
    assert result.ms_per_image == pytest.approx(3.25)


def test_a_class_with_invalid_images_only_stays_in_the_table() -> None:
    result = summarise([("pit", inspection(None))], threshold=1.0)
    assert result.recall["pit"].n == 0
    assert result.recall["pit"].lower95 == 0.0
    assert result.ms_per_image is None


def test_the_keys_of_the_command_line() -> None:
    facts = json.loads(json.dumps(summarise(CASES, threshold=1.0).as_dict(), allow_nan=False))
    keys = {"image_auroc", "image_ap", "pixel_auroc", "au_pro", "ms_per_image"}
    assert keys <= facts.keys()
    assert {"value", "upper95", "n"} <= facts["false_alarm_rate"].keys()
    assert {"value", "lower95", "n"} <= facts["recall"]["dent"].keys()


@pytest.mark.parametrize("cases", [[], CASES[:4], CASES[4:], [CASES[3]]])
def test_undefined_numbers_are_null_never_nan(cases: list[tuple[str, Inspection]]) -> None:
    result = summarise(cases, threshold=1.0, pixels=PixelMetrics())
    facts = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert facts["image_auroc"] is None
    assert facts["image_ap"] is None
    assert facts["pixel_auroc"] is None


def test_pixel_metrics_are_taken_over() -> None:
    pixels = PixelMetrics()
    pixels.add(np.array([[1.0, 0.0]], np.float32), np.array([[True, False]]))
    result = summarise(CASES, threshold=1.0, pixels=pixels)
    assert result.pixel_auroc == result.pixel_ap == result.au_pro == result.au_pro_05 == 1.0
    assert result.masked_images == 1


def test_a_reject_is_an_alarm_and_a_band_below_the_threshold_too() -> None:
    cases = [("dent", inspection(0.5, verdict=Verdict.REVIEW))]
    cases += [("dent", inspection(5.0, verdict=Verdict.REJECT))]
    assert summarise(cases, threshold=1.0).recall["dent"].events == 2
