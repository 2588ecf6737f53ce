"""Bundles that were written once open in every later version and say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.golden.make_golden import DETECTORS, HERE, LOOKED_AT, SCORES, golden_image, scores

from keenline.bundle import read_bundle
from keenline.inference.engines import ENGINES
from keenline.inference.inspector import Inspector
from keenline.types import Verdict

TOLERANCE = {"f32": 1e-4, "int8": 0.1}
"""Relative. In int8 a sum that lies on the edge of a step falls to either side, by processor."""


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCORES.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("detector", DETECTORS)
def test_scores_are_those_of_the_day_it_was_learnt(
    record: dict[str, Any], detector: str, engine: str
) -> None:
    path = HERE / f"{detector}.keen"
    precision = read_bundle(path).manifest.engine.precision
    found = scores(path, engine)
    assert found == pytest.approx(record[detector]["scores"], rel=TOLERANCE[precision])


@pytest.mark.parametrize("detector", DETECTORS)
def test_it_is_the_same_bundle_with_the_same_threshold(
    record: dict[str, Any], detector: str
) -> None:
    bundle = read_bundle(HERE / f"{detector}.keen")
    assert bundle.sha256 == record[detector]["sha256"]
    assert bundle.manifest.threshold.value == record[detector]["threshold"]
    assert bundle.manifest.recipe.part == f"golden {detector}"
    assert bundle.manifest.recipe.sha256 == bundle.manifest.recipe_sha256


@pytest.mark.parametrize("detector", DETECTORS)
def test_good_parts_pass_and_dents_do_not(record: dict[str, Any], detector: str) -> None:
    assert record["images"] == LOOKED_AT
    inspector = Inspector.open(HERE / f"{detector}.keen")
    for number in LOOKED_AT:
        verdict = inspector.inspect(golden_image(number)).decision.verdict
        assert verdict is (Verdict.REVIEW if number >= 100 else Verdict.PASS)


@pytest.mark.parametrize("detector", [name for name in DETECTORS if name != "classical"])
def test_findings_are_explained(detector: str) -> None:
    inspector = Inspector.open(HERE / f"{detector}.keen")
    image = golden_image(101)
    prediction = inspector.inspect(image).prediction
    assert prediction is not None
    (explained,) = inspector.explain(image, prediction.regions, 1)
    assert explained.normal is not None
    assert explained.source.endswith(".png")


def test_they_are_small() -> None:
    for name in DETECTORS:
        assert (HERE / f"{name}.keen").stat().st_size < 60_000
