"""The classical detector: one graph for both engines, honest scores, clear refusals."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tests.models.graphs import ENGINES, in_onnxruntime

from keenline.errors import Code, TrainingError
from keenline.models.base import LearningSet, silent
from keenline.models.classical import Classical, LearntClassical, Outlier
from keenline.models.outliers import SupportOutliers

OUTLIERS: tuple[Outlier, ...] = get_args(Outlier)
SIZE = (96, 128)


def _texture(seed: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Brushed metal: (height, width, 3)."""
    noise = np.random.default_rng(seed).normal(size=size)
    brushed = gaussian_filter(noise, (0.7, 5)) * 120 + 130
    return np.repeat(np.clip(brushed, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _dented(seed: int) -> NDArray[np.uint8]:
    """The same with a dark, sharp-edged spot around row 40, column 88."""
    part = _texture(seed)
    part[34:46, 80:96] = part[34:46, 80:96] // 4
    return part


def _learn(
    parts: list[NDArray[np.uint8]],
    outlier: Outlier = "one_class_svm",
    *,
    roi: NDArray[np.bool_] | None = None,
    fixed_size: bool = True,
    seed: int = 0,
) -> LearntClassical:
    good = LearningSet([part[None] for part in parts], roi=roi, fixed_size=fixed_size)
    return Classical(outlier).learn(good, seed=seed, progress=silent)


@pytest.fixture(scope="module", params=OUTLIERS)
def learnt(request: pytest.FixtureRequest) -> LearntClassical:
    return _learn([_texture(seed) for seed in range(12)], request.param)


def test_a_dent_scores_above_every_good_part_and_is_found_where_it_is(
    learnt: LearntClassical,
) -> None:
    images = np.stack([*(_texture(seed) for seed in range(50, 60)), _dented(60)])
    found = in_onnxruntime(learnt.graph, {"image": images})
    assert found["score"][-1] > found["score"][:-1].max()
    rows, columns = found["map"].shape[1:]
    row, column = np.unravel_index(found["map"][-1].argmax(), (rows, columns))
    assert abs((row + 0.5) * SIZE[0] / rows - 40) < 16
    assert abs((column + 0.5) * SIZE[1] / columns - 88) < 16


def test_both_engines_say_the_same(learnt: LearntClassical) -> None:
    images = np.stack([_texture(70), _dented(71), np.zeros((*SIZE, 3), np.uint8)])
    one, other = (run(learnt.graph, {"image": images}) for run in ENGINES.values())
    np.testing.assert_allclose(one["score"], other["score"], rtol=1e-3)
    # A cell on the edge of a branch may walk another way in one of 100 trees.
    np.testing.assert_allclose(one["map"], other["map"], rtol=1e-2, atol=1e-5)
    assert (np.isclose(one["map"], other["map"], rtol=1e-3, atol=1e-5)).mean() > 0.99


def test_outputs_keep_the_contract(learnt: LearntClassical) -> None:
    images = np.stack([_texture(80), np.full((*SIZE, 3), 255, np.uint8)])
    found = in_onnxruntime(learnt.graph, {"image": images})
    assert found["map"].dtype == found["score"].dtype == np.float32
    assert found["map"].shape == (2, SIZE[0] // 16, SIZE[1] // 16)
    assert found["score"].shape == (2,)
    assert np.isfinite(found["map"]).all()
    assert (found["map"] >= 0).all()
    np.testing.assert_allclose(found["score"], found["map"].reshape(2, -1).max(axis=1))
    domains = {opset.domain: opset.version for opset in learnt.graph.opset_import}
    assert domains == {"": 17}


def test_facts_are_json(learnt: LearntClassical) -> None:
    facts = json.loads(json.dumps(dict(learnt.facts)))
    assert facts["parts"] == 12
    assert facts["input_size"] == list(SIZE)


def test_leaving_out_scores_higher_than_being_learnt_from(learnt: LearntClassical) -> None:
    parts = np.stack([_texture(seed) for seed in range(12)])
    known = in_onnxruntime(learnt.graph, {"image": parts})["score"]
    left_out = learnt.leave_one_out()
    assert left_out.shape == (12,)
    assert left_out.mean() > known.mean()
    fresh = np.stack([_texture(seed) for seed in range(100, 112)])
    unseen = in_onnxruntime(learnt.graph, {"image": fresh})["score"]
    assert abs(left_out.mean() - unseen.mean()) < 3 * unseen.std()


def test_the_same_seed_gives_the_same_bytes() -> None:
    parts = [_texture(seed) for seed in range(4)]
    one, other = (_learn(parts, seed=3).graph.SerializeToString() for _ in range(2))
    assert one == other


def test_outside_the_region_of_interest_nothing_counts() -> None:
    roi = np.zeros(SIZE, np.bool_)
    roi[:, :64] = True
    learnt = _learn([_texture(seed) for seed in range(8)], roi=roi)
    dent, clean = _dented(60), _texture(60)
    found = in_onnxruntime(learnt.graph, {"image": np.stack([dent, clean])})
    assert (found["map"][:, :, 4:] == 0).all()
    assert (found["map"][:, :, :4] > 0).any()
    # The nearest inspected cells look 8 px across the border, the dent is 16 px away.
    np.testing.assert_allclose(found["score"][0], found["score"][1], rtol=1e-5)


def test_parts_of_different_sizes_share_one_graph() -> None:
    sizes = [(96, 128), (70, 150), (111, 97)]
    parts = [_texture(seed, size) for seed, size in enumerate(sizes * 3)]
    learnt = _learn(parts, fixed_size=False)
    for size in [*sizes, (85, 203)]:
        image = _texture(90, size)[None]
        one, other = (run(learnt.graph, {"image": image}) for run in ENGINES.values())
        assert one["map"].shape == (1, -(-size[0] // 16), -(-size[1] // 16))
        np.testing.assert_allclose(one["score"], other["score"], rtol=1e-3)
    assert len(learnt.leave_one_out()) == len(parts)


def test_a_part_of_many_tiles_scores_as_its_worst_tile() -> None:
    tiles = [np.stack([_texture(2 * seed), _texture(2 * seed + 1)]) for seed in range(6)]
    learnt = Classical().learn(LearningSet(tiles), seed=0, progress=silent)
    fold_scores = learnt.leave_one_out()
    assert fold_scores.shape == (6,)
    assert (fold_scores > 0).all()


@pytest.mark.parametrize("outlier", OUTLIERS)
def test_images_without_any_texture_can_be_learnt(outlier: Outlier) -> None:
    parts = [np.full((*SIZE, 3), 90, np.uint8) for _ in range(4)]
    learnt = _learn(parts, outlier)
    images = np.stack([parts[0], _texture(5)])
    found = in_onnxruntime(learnt.graph, {"image": images})
    assert np.isfinite(found["map"]).all()
    assert np.isfinite(learnt.leave_one_out()).all()
    if outlier == "one_class_svm":
        assert found["score"][1] > found["score"][0]


@pytest.mark.parametrize(("side", "block"), [(40, 8), (20, 4), (16, 4)])
def test_small_parts_get_smaller_cells(side: int, block: int) -> None:
    learnt = _learn([_texture(seed, (side, side)) for seed in range(5)])
    assert learnt.facts["block_px"] == block
    found = in_onnxruntime(learnt.graph, {"image": _texture(9, (side, side))[None]})
    assert np.isfinite(found["score"]).all()


@pytest.mark.parametrize(
    ("parts", "roi", "code"),
    [
        ([], None, Code.TOO_FEW_IMAGES),
        ([np.zeros((1, 15, 90, 3), np.uint8)], None, Code.IMAGE_TOO_SMALL),
        ([np.zeros((1, 96, 96, 3), np.uint8)], np.zeros((96, 96), np.bool_), Code.OPTION_CONFLICT),
    ],
)
def test_what_cannot_be_learnt_is_refused(
    parts: list[NDArray[np.uint8]], roi: NDArray[np.bool_] | None, code: Code
) -> None:
    with pytest.raises(TrainingError) as refusal:
        Classical().learn(LearningSet(parts, roi=roi), seed=0, progress=silent)
    assert refusal.value.code is code


def test_one_part_cannot_be_left_out() -> None:
    learnt = _learn([_texture(0)])
    with pytest.raises(TrainingError) as refusal:
        learnt.leave_one_out()
    assert refusal.value.code is Code.TOO_FEW_IMAGES


def test_an_unknown_outlier_measure_is_refused() -> None:
    with pytest.raises(TrainingError, match="one_class_svm or isolation_forest"):
        Classical("nearest")  # type: ignore[arg-type]


def test_the_svm_measure_orders_cells_as_scikit_learn_and_does_not_saturate() -> None:
    from sklearn.svm import OneClassSVM

    rng = np.random.default_rng(0)
    good = rng.normal(size=(400, 6)).astype(np.float32)
    cells = np.concatenate([rng.normal(size=(300, 6)), 3 * rng.normal(size=(300, 6))])
    measure = SupportOutliers(good, seed=0).measure(cells.astype(np.float32))
    order = np.random.default_rng(0).permutation(400)
    svm = OneClassSVM(nu=0.05, gamma=0.5 / 6).fit(good[order])
    kernel_sum = svm.score_samples(cells.astype(np.float32))
    np.testing.assert_allclose(np.exp(-measure) * svm.dual_coef_.sum(), kernel_sum, rtol=1e-4)
    far = SupportOutliers(good, seed=0).measure(np.array([[100.0] * 6, [200.0] * 6], np.float32))
    assert far[1] > far[0] > measure.max()
