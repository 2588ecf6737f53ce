"""Every detector keeps the contract of `models/base.py`, on every engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.small_parts import SIZE, dented, good_part, learning_set, tiny_backbone

from keenline.errors import Code, TrainingError
from keenline.inference.engine import Engine
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.scoring import top_mean
from keenline.models.backbones import open_backbone
from keenline.models.base import Detector, LearningSet, Learnt, silent
from keenline.models.classical import Classical
from keenline.models.lighting import Lighting
from keenline.models.memory_bank import MemoryBank
from keenline.models.positioned_bank import PositionedBank
from keenline.types import Image

Maker = Callable[[Path], Detector]

DETECTORS: dict[str, Maker] = {
    "memory_bank, filterbank": lambda _: MemoryBank(open_backbone("filterbank"), bank_size=24),
    "memory_bank, two levels": lambda folder: MemoryBank(
        open_backbone(tiny_backbone(folder)), bank_size=24
    ),
    "memory_bank, one level": lambda folder: MemoryBank(
        open_backbone(tiny_backbone(folder, levels=1)), bank_size=24
    ),
    "positioned_bank, two levels": lambda folder: PositionedBank(
        open_backbone(tiny_backbone(folder))
    ),
    "classical, one_class_svm": lambda _: Classical("one_class_svm"),
    "classical, isolation_forest": lambda _: Classical("isolation_forest"),
}

GOOD = [good_part(seed) for seed in range(8)]
LOOKED_AT = np.stack([good_part(50), good_part(51), dented(52), np.full_like(GOOD[0], 255)])
TALL, WIDE = (48, 80), (128, 64)


@pytest.fixture(scope="module", params=DETECTORS)
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    return DETECTORS[request.param](tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="module")
def learnt(detector: Detector) -> Learnt:
    return detector.learn(learning_set(GOOD), seed=0, progress=silent)


@pytest.fixture(scope="module")
def learnt_varied(detector: Detector) -> Learnt:
    """From parts of different sizes, whose graph takes any size."""
    _skip_if_fixtured(detector)
    parts = [good_part(seed, SIZE if seed % 2 else WIDE) for seed in range(6)]
    return detector.learn(learning_set(parts, fixed_size=False), seed=0, progress=silent)


def _skip_if_fixtured(detector: Detector) -> None:
    if isinstance(detector, PositionedBank):
        pytest.skip("a fixtured part has one size and one view; the rest is refused (tested there)")


def _compiled(learnt: Learnt, name: str = "onnxruntime") -> Engine:
    return open_engine(learnt.graph.SerializeToString(), name=name, precision="f32")


def _scores(learnt: Learnt, images: list[Image]) -> list[float]:
    engine = _compiled(learnt)
    return [float(engine.run(image[None])["score"][0]) for image in images]


@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_have_the_stated_names_shapes_and_types(learnt: Learnt, engine: str) -> None:
    found = _compiled(learnt, engine).run(LOOKED_AT)
    assert {"map", "score"} <= set(found)
    assert found["map"].dtype == found["score"].dtype == np.float32
    assert found["map"].ndim == 3
    assert len(found["map"]) == len(found["score"]) == len(LOOKED_AT)
    assert found["score"].ndim == 1
    assert min(found["map"].min(), found["score"].min()) >= 0


def test_the_engines_agree(learnt: Learnt) -> None:
    one, other = (_compiled(learnt, name).run(LOOKED_AT) for name in ENGINES)
    np.testing.assert_allclose(one["score"], other["score"], rtol=2e-3)
    # A cell on the edge of a branch may walk another way in one of 100 trees.
    close = np.isclose(one["map"], other["map"], rtol=2e-3, atol=1e-3 * one["map"].max())
    assert close.mean() > 0.99


def test_the_score_is_the_mean_of_the_highest_hundredth_of_the_map(learnt: Learnt) -> None:
    found = _compiled(learnt).run(LOOKED_AT)
    expected = [top_mean(each) for each in found["map"]]
    np.testing.assert_allclose(found["score"], expected, rtol=1e-5)


def test_the_score_of_a_large_map_rounds_the_same_way_as_scoring_does(detector: Detector) -> None:
    # 640 x 352: 2 % more than a whole number of hundredths of cells at 8 and at 16 px.
    parts = [good_part(seed, (640, 352)) for seed in range(2)]
    learnt = detector.learn(learning_set(parts), seed=0, progress=silent)
    found = _compiled(learnt).run(dented(3, (300, 80), (640, 352))[None])
    assert found["score"][0] == pytest.approx(top_mean(found["map"][0]), rel=1e-5)


def test_a_dent_scores_above_good_parts_where_it_is(learnt: Learnt) -> None:
    images = np.stack([*(good_part(seed) for seed in range(60, 66)), dented(66, (70, 16))])
    found = _compiled(learnt).run(images)
    assert found["score"][-1] > found["score"][:-1].max()
    rows, columns = found["map"].shape[1:]
    row, column = np.unravel_index(found["map"][-1].argmax(), (rows, columns))
    # Two cells of the coarsest kind: on a part this small the border adds to a dent's halo.
    assert abs((column + 0.5) * SIZE[0] / columns - 70) < 32
    assert abs((row + 0.5) * SIZE[1] / rows - 16) < 32


def test_an_image_scores_the_same_alone_and_in_a_batch(learnt: Learnt) -> None:
    engine = _compiled(learnt)
    together = engine.run(LOOKED_AT)
    for place, image in enumerate(LOOKED_AT):
        alone = engine.run(image[None])
        np.testing.assert_allclose(alone["map"][0], together["map"][place], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_learnt_from_varied_sizes_takes_any_size(
    learnt_varied: Learnt, engine: str
) -> None:
    compiled = _compiled(learnt_varied, engine)
    for size in (SIZE, WIDE, TALL, SIZE):
        found = compiled.run(good_part(5, size)[None])
        assert found["map"].shape[1] < size[1]
        assert found["score"][0] == pytest.approx(top_mean(found["map"][0]), rel=1e-4)
    bad = compiled.run(dented(70, (100, 20), WIDE)[None])["score"]
    assert bad > compiled.run(good_part(70, WIDE)[None])["score"]


def test_a_defect_outside_the_region_of_interest_changes_nothing(detector: Detector) -> None:
    size = (384, 64)
    roi = np.zeros((64, 384), bool)
    roi[:, :64] = True
    parts = [good_part(seed, size) for seed in range(4)]
    learnt = detector.learn(learning_set(parts, roi=roi), seed=0, progress=silent)
    plain, outside = good_part(9, size), dented(9, (370, 20), size, 9)
    inside = dented(9, (20, 20), size, 9)
    engine = _compiled(learnt)
    found = engine.run(np.stack([plain, outside, inside]))
    assert found["score"][1] == pytest.approx(found["score"][0], rel=1e-5)
    assert found["score"][2] > 1.1 * found["score"][0]
    columns = found["map"].shape[2]
    assert found["map"][:, :, columns // 6 + 1 :].max() == 0


def test_parts_of_many_views_score_by_the_highest(detector: Detector) -> None:
    _skip_if_fixtured(detector)
    parts = [np.stack([good_part(seed), good_part(seed + 100)]) for seed in range(5)]
    learnt = detector.learn(LearningSet(parts), seed=0, progress=silent)
    scores = learnt.leave_one_out()
    assert scores.shape == (5,)
    assert np.isfinite(scores).all()


def test_light_is_taken_out_before_anything_is_looked_at(detector: Detector) -> None:
    # Levels in steps of four, so that the darker picture has as many.
    parts = [part // 4 * 4 for part in GOOD[:4]]
    size = parts[0].shape[:2]
    lighting = Lighting(equalise="histogram", size=(size[0], size[1]))
    good = replace(learning_set(parts), lighting=lighting)
    engine = _compiled(detector.learn(good, seed=0, progress=silent))
    seen = [dented(52) // 4 * 4, good_part(50) // 4 * 4]
    for image in seen:
        as_learnt, darker = engine.run(image[None]), engine.run((image // 2 + 10)[None])
        np.testing.assert_array_equal(as_learnt["map"], darker["map"])
        np.testing.assert_array_equal(as_learnt["score"], darker["score"])


def test_the_same_seed_gives_the_same_bytes(detector: Detector, learnt: Learnt) -> None:
    again = detector.learn(learning_set(GOOD), seed=0, progress=silent)
    assert again.graph.SerializeToString() == learnt.graph.SerializeToString()
    assert dict(again.members) == dict(learnt.members)
    np.testing.assert_array_equal(again.leave_one_out(), learnt.leave_one_out())


def test_leave_one_out_gives_each_part_a_score_above_what_it_gets_once_learnt(
    learnt: Learnt,
) -> None:
    scores = learnt.leave_one_out()
    assert scores.shape == (len(GOOD),)
    assert np.isfinite(scores).all()
    assert scores.dtype == np.float64
    assert scores.mean() > np.mean(_scores(learnt, GOOD))


def test_pictures_of_one_group_are_left_out_together(detector: Detector) -> None:
    # Two lots that look different. Left out one by one, a part's own lot vouches for it.
    parts = [*GOOD[:3], *(255 - part for part in GOOD[3:6])]
    apart = detector.learn(learning_set(parts), seed=0, progress=silent)
    together = detector.learn(
        learning_set(parts, groups=[0, 0, 0, 1, 1, 1]), seed=0, progress=silent
    )
    one_by_one, by_lot = (
        learnt.leave_one_out().mean() / np.mean(_scores(learnt, parts))
        for learnt in (apart, together)
    )
    assert by_lot > 1.03 * one_by_one


def test_two_pictures_of_one_part_are_not_two_parts(detector: Detector) -> None:
    with pytest.raises(TrainingError) as caught:
        detector.learn(
            learning_set(GOOD[:2], groups=[0, 0]), seed=0, progress=silent
        ).leave_one_out()
    assert caught.value.code is Code.TOO_FEW_IMAGES


def test_one_part_is_not_enough_for_a_threshold(detector: Detector) -> None:
    with pytest.raises(TrainingError) as caught:
        detector.learn(learning_set(GOOD[:1]), seed=0, progress=silent).leave_one_out()
    assert caught.value.code is Code.TOO_FEW_IMAGES
    assert "2" in str(caught.value.expected)


def test_a_region_of_interest_with_nothing_in_it_is_refused(detector: Detector) -> None:
    nothing = np.zeros((SIZE[1], SIZE[0]), bool)
    with pytest.raises(TrainingError) as caught:
        detector.learn(learning_set(GOOD, roi=nothing), seed=0, progress=silent)
    assert caught.value.code is Code.OPTION_CONFLICT


def test_facts_and_members_can_be_kept_in_a_bundle(learnt: Learnt) -> None:
    assert json.loads(json.dumps(dict(learnt.facts))) == dict(learnt.facts)
    assert all(isinstance(data, bytes) and data for data in learnt.members.values())
    onnx.checker.check_model(learnt.graph, full_check=True)
    assert {node.domain for node in learnt.graph.graph.node} == {""}


def test_progress_is_told_from_start_to_end(detector: Detector) -> None:
    told: list[tuple[str, int, int]] = []
    learning = learning_set(GOOD[:3])
    detector.learn(learning, seed=0, progress=lambda *step: told.append(step))
    steps = {name for name, _, _ in told}
    assert all(0 <= done <= total for _, done, total in told)
    assert {name for name, done, total in told if done == total} == steps
